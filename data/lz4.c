#include "data/lz4.h"

#include <limits.h>
#include <lz4.h>
#include <stdbool.h>
#include <stdint.h>

int lz4_decompress(void *dst, size_t expected, const void *src, size_t n, struct err *e)
{
    char none;
    int got = n > INT_MAX || expected > INT_MAX
                  ? -1
                  : LZ4_decompress_safe(src, expected ? dst : &none, (int)n, (int)expected);
    if (got < 0) return err_set(e, ERR_LZ4, "LZ4: %zu bytes do not decompress to %zu", n, expected);
    if ((size_t)got == expected) return 0;
    return err_set(e, ERR_SIZE_MISMATCH, "LZ4: %zu bytes decompress to %d, expected %zu", n, got, expected);
}

struct cursor {
    const uint8_t *in;
    size_t in_left;
    char *out;
    size_t out_left;
};

static bool take_length(struct cursor *c, size_t *out)
{
    if (c->in_left < 4) return false;
    *out = (size_t)c->in[0] << 24 | (size_t)c->in[1] << 16 | (size_t)c->in[2] << 8 | c->in[3];
    c->in += 4;
    c->in_left -= 4;
    return true;
}

/* One length and the blocks that make it up. */
static bool take_framed(struct cursor *c)
{
    size_t text, block;
    if (!take_length(c, &text) || text > c->out_left) return false;
    while (text) {
        if (!take_length(c, &block) || block > c->in_left || block > INT_MAX || text > INT_MAX) return false;
        int got = LZ4_decompress_safe((const char *)c->in, c->out, (int)block, (int)text);
        if (got <= 0) return false;
        c->in += block;
        c->in_left -= block;
        c->out += got;
        c->out_left -= (size_t)got;
        text -= (size_t)got;
    }
    return true;
}

int lz4_decompress_hadoop(void *dst, size_t expected, const void *src, size_t n, struct err *e)
{
    struct cursor c = {src, n, dst, expected};
    while (c.in_left && take_framed(&c)) {
    }
    if (c.in_left) return lz4_decompress(dst, expected, src, n, e);
    if (!c.out_left) return 0;
    return err_set(e, ERR_SIZE_MISMATCH, "LZ4: %zu bytes decompress to %zu, expected %zu", n,
                   expected - c.out_left, expected);
}
