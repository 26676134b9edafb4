#include "data/gzip.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

/* zlib counts in 32 bits: hand it at most this much at a time. */
static unsigned clip(size_t n)
{
    return n > UINT_MAX ? UINT_MAX : (unsigned)n;
}

/* Inflates one member from *in to *out and moves both on. Z_STREAM_END when the member is whole. */
static int inflate_member(z_stream *z, const unsigned char **in, size_t *in_left, unsigned char **out,
                          size_t *out_left)
{
    int r;
    do {
        z->next_in = (unsigned char *)*in; /* zlib's field is not const; inflate does not write there */
        z->avail_in = clip(*in_left);
        z->next_out = *out;
        z->avail_out = clip(*out_left);
        r = inflate(z, Z_NO_FLUSH);
        *in_left -= (size_t)(z->next_in - *in);
        *out_left -= (size_t)(z->next_out - *out);
        *in = z->next_in;
        *out = z->next_out;
    } while (r == Z_OK);
    return r;
}

int gzip_decompress(void *dst, size_t expected, const void *src, size_t n, struct err *e)
{
    unsigned char none;
    const unsigned char *in = src;
    unsigned char *out = dst ? dst : &none;
    size_t in_left = n, out_left = expected;
    z_stream z = {0};
    int code = 0, r = inflateInit2(&z, 15 + 32); /* 32: gzip or zlib, by the header */
    if (r != Z_OK) return err_set(e, ERR_NOMEM, "zlib cannot start");
    do {
        r = inflate_member(&z, &in, &in_left, &out, &out_left);
        if (r != Z_STREAM_END) break;
        r = inflateReset(&z);
    } while (r == Z_OK && in_left);
    if (r == Z_BUF_ERROR && !out_left && in_left)
        code = err_set(e, ERR_SIZE_MISMATCH, "gzip: %zu bytes decompress to more than the expected %zu", n,
                       expected);
    else if (r != Z_OK)
        code = err_set(e, ERR_GZIP, "gzip: %zu bytes do not decompress: %s", n,
                       r == Z_BUF_ERROR ? "the data ends early"
                       : z.msg          ? z.msg
                                        : "damaged");
    else if (out_left)
        code = err_set(e, ERR_SIZE_MISMATCH, "gzip: %zu bytes decompress to %zu, expected %zu", n,
                       expected - out_left, expected);
    inflateEnd(&z);
    return code;
}

/* Half as much again whenever it is full. */
static int expand(z_stream *z, char **out, size_t *n, const unsigned char *in, size_t left, size_t most,
                  struct err *e)
{
    size_t size = 0;
    int r = Z_BUF_ERROR;
    while (r == Z_BUF_ERROR && *n == size) {
        if (size > most) return err_set(e, ERR_BOMB, "zlib: expands to over %zu bytes", most);
        size = size ? size + size / 2 : left + 1024;
        if (size > most) size = most + 1;
        char *grown = realloc(*out, size + 1);
        if (!grown) return err_set(e, ERR_NOMEM, "no memory to expand %zu bytes", size);
        unsigned char *to = (unsigned char *)grown + *n;
        size_t free_ = size - *n;
        *out = grown;
        r = inflate_member(z, &in, &left, &to, &free_);
        *n = size - free_;
    }
    if (r != Z_STREAM_END || left)
        return err_set(e, ERR_GZIP, "zlib: %s",
                       r == Z_BUF_ERROR ? "the data ends early"
                       : z->msg         ? z->msg
                                        : "damaged");
    if (*n > most) return err_set(e, ERR_BOMB, "zlib: expands to over %zu bytes", most);
    (*out)[*n] = 0;
    return 0;
}

int zlib_expand(char **out, size_t *n, const void *src, size_t bytes, size_t most, struct err *e)
{
    z_stream z = {0};
    *out = NULL, *n = 0;
    if (inflateInit2(&z, 15) != Z_OK) return err_set(e, ERR_NOMEM, "zlib cannot start");
    int code = expand(&z, out, n, src, bytes, most, e);
    inflateEnd(&z);
    if (code) free(*out), *out = NULL, *n = 0;
    return code;
}

/* ---- streams ---------------------------------------------------------------------------------------------
 */

struct gzip_stream {
    z_stream z;
    bool over; /* a member has ended */
};

struct gzip_stream *gzip_stream_create(struct err *e)
{
    struct gzip_stream *g = calloc(1, sizeof *g);
    if (g && inflateInit2(&g->z, 15 + 16) == Z_OK) return g; /* 16: gzip only */
    free(g);
    err_set(e, ERR_NOMEM, "zlib cannot start");
    return NULL;
}

void gzip_stream_free(struct gzip_stream *g)
{
    if (g) inflateEnd(&g->z);
    free(g);
}

int gzip_stream_step(struct gzip_stream *g, struct stream_step *s, struct err *e)
{
    if (g->over && s->in_left) gzip_stream_reset(g);
    s->whole = g->over;
    if (g->over) return 0;
    int r = inflate_member(&g->z, &s->in, &s->in_left, &s->out, &s->out_left);
    s->whole = g->over = r == Z_STREAM_END;
    if (r == Z_STREAM_END || r == Z_BUF_ERROR) return 0; /* the latter: one side is used up */
    if (r == Z_MEM_ERROR) return err_set(e, ERR_NOMEM, "no memory for zlib");
    return err_set(e, ERR_GZIP, "gzip: %s", g->z.msg ? g->z.msg : "damaged");
}

void gzip_stream_reset(struct gzip_stream *g)
{
    inflateReset(&g->z);
    g->over = false;
}

uint32_t gzip_crc32(const void *data, size_t n)
{
    return (uint32_t)crc32_z(0, data, n);
}
