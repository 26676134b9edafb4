#include "tests/support/packed.h"
#include "checkpoints/zstd.h"
#include "data/gzip.h"

#include <stdlib.h>
#include <string.h>

static void put(struct packed *p, const void *data, size_t n)
{
    p->s = realloc(p->s, p->n + n + 1);
    if (!p->s) abort();
    memcpy(p->s + p->n, data, n);
    p->n += n;
}

static void put_u32(struct packed *p, uint32_t v)
{
    put(p, &v, 4);
}

void packed_gzip(struct packed *p, const void *text, size_t n)
{
    const char *s = text;
    put(p, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
    for (size_t at = 0, k; at < n || !n; at += k) {
        k = n - at < 60000 ? n - at : 60000;
        unsigned char head[5] = {at + k == n, k & 255, (unsigned char)(k >> 8), ~k & 255,
                                 (unsigned char)(~k >> 8)};
        put(p, head, 5);
        put(p, s + at, k);
        if (!n) break;
    }
    put_u32(p, gzip_crc32(text, n));
    put_u32(p, (uint32_t)n);
}

void packed_zstd(struct packed *p, const void *text, size_t n)
{
    size_t room = zstd_bound(n), used = 0;
    char *frame = malloc(room);
    if (!frame || zstd_compress(frame, room, &used, text, n, 3, NULL)) abort();
    put(p, frame, used);
    free(frame);
}

void packed_zstd_run(struct packed *p, char c, size_t blocks, int window_log)
{
    put_u32(p, 0xfd2fb528);
    put(p, (unsigned char[]){0, (unsigned char)((window_log - 10) << 3)}, 2); /* RFC 8878, 3.1.1.1.2 */
    for (size_t i = 1; i <= blocks; i++) {
        uint32_t block = (i == blocks) | 1 << 1 | (128u << 10) << 3 | (uint32_t)(unsigned char)c << 24;
        put_u32(p, block); /* last, RLE, size; then the byte */
    }
}
