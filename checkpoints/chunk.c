#include "checkpoints/chunk.h"

#include "checkpoints/zstd.h"

#include <string.h>

static size_t bytes_of(const struct chunk_codec *c)
{
    return (size_t)c->count * c->width;
}

size_t chunk_bound(const struct chunk_codec *c)
{
    return c->zstd ? zstd_bound(bytes_of(c)) : bytes_of(c);
}

/* Byte k of every element, one after the other, for each k: the elements again. */
static void unshuffle(uint32_t width, size_t count, const unsigned char *in, unsigned char *out)
{
    for (size_t i = 0; width == 4 && i < count; i++) { /* token ids: a form that compilers vectorise */
        uint32_t v = (uint32_t)in[i] | (uint32_t)in[count + i] << 8 | (uint32_t)in[2 * count + i] << 16 |
                     (uint32_t)in[3 * count + i] << 24;
        memcpy(out + 4 * i, &v, 4); /* the host is little-endian, as everywhere in terse */
    }
    for (uint32_t k = 0; width != 4 && k < width; k++)
        for (size_t i = 0; i < count; i++) out[i * width + k] = in[k * count + i];
}

int chunk_decode(const struct chunk_codec *c, const void *src, size_t n, void *out, void *scratch,
                 struct err *e)
{
    const size_t bytes = bytes_of(c);
    const void *plain = src;
    int rc = 0;
    if (c->zstd) {
        plain = c->shuffle ? scratch : out;
        rc = zstd_decode_frame(c->shuffle ? scratch : out, bytes, src, n, e);
    } else if (n != bytes) {
        rc = err_set(e, ERR_H5_CHUNK, "a chunk stored as it is has %zu bytes, expected %zu", n, bytes);
    }
    if (rc) {
        memset(out, 0, bytes);
        return rc;
    }
    if (c->shuffle)
        unshuffle(c->width, c->count, plain, out);
    else if (plain != out)
        memcpy(out, plain, bytes);
    return 0;
}

/* n elements at `in` and zeros behind them, up to `count`: byte k of every element together, for each k. */
static void shuffle(uint32_t width, size_t count, size_t n, const unsigned char *in, unsigned char *out)
{
    for (uint32_t k = 0; k < width; k++, out += count) {
        for (size_t i = 0; i < n; i++) out[i] = in[i * width + k];
        memset(out + n, 0, count - n);
    }
}

int chunk_encode(const struct chunk_codec *c, int level, const void *src, uint32_t n, void *out,
                 void *scratch, size_t *used, struct err *e)
{
    unsigned char *plain = c->zstd ? scratch : out;
    shuffle(c->shuffle ? c->width : 1, c->shuffle ? c->count : bytes_of(c),
            c->shuffle ? n : (size_t)n * c->width, src, plain);
    *used = bytes_of(c);
    return c->zstd ? zstd_compress(out, chunk_bound(c), used, plain, bytes_of(c), level, e) : 0;
}
