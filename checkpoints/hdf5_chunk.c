/* Chunks as they are stored: libhdf5 finds and moves them, who asked decodes them; those that are written are
 * coded here, on all threads of a pool, so that only the moving is done one by one. */
#include "checkpoints/hdf5_parts.h"
#include "infer/pool.h"

#include <stdlib.h>

int hdf5_codec(struct hdf5 *f, const char *name, enum dtype t, struct chunk_codec *codec, struct err *e)
{
    hdf5_enter();
    int rc = hdf5_use_set(f, name, t, e);
    *codec = (struct chunk_codec){0};
    if (!rc && f->set_chunk)
        *codec = (struct chunk_codec){.count = f->set_chunk,
                                      .width = (uint32_t)dtype_bits(t) / 8,
                                      .zstd = f->set_filters > 0,
                                      .shuffle = f->set_filters > 1};
    return hdf5_leave(rc);
}

static int read_chunk(struct hdf5 *f, uint64_t i, void *buf, size_t cap, size_t *n, struct err *e)
{
    const hsize_t at = i * f->set_chunk;
    hsize_t size = 0;
    uint32_t mask = 0;
    if (f->set_chunk == 0 || i > f->set_count / f->set_chunk || at >= f->set_count)
        return err_set(e, ERR_H5_CHUNK, "%s: %s has no chunk %llu", f->path, f->set_name,
                       (unsigned long long)i);
    if (H5Dget_chunk_storage_size(f->set, &at, &size) < 0 || size == 0 || size > cap)
        return err_set(e, ERR_H5_CHUNK, "%s: chunk %llu of %s has %llu bytes, expected 1 to %zu", f->path,
                       (unsigned long long)i, f->set_name, (unsigned long long)size, cap);
    if (H5Dread_chunk(f->set, H5P_DEFAULT, &at, &mask, buf) < 0)
        return hdf5_failed(e, ERR_H5_READ, f, f->set_name, "cannot read a chunk of");
    if (mask != 0)
        return err_set(e, ERR_H5_CHUNK, "%s: chunk %llu of %s has filter mask %x", f->path,
                       (unsigned long long)i, f->set_name, mask);
    *n = size;
    return 0;
}

int hdf5_read_chunk(struct hdf5 *f, const char *name, enum dtype t, uint64_t i, void *buf, size_t cap,
                    size_t *n, struct err *e)
{
    hdf5_enter();
    int rc = hdf5_use_set(f, name, t, e);
    if (!rc) rc = read_chunk(f, i, buf, cap, n, e);
    return hdf5_leave(rc);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

enum { CODED_MOST = 256, CODED_BYTES = 8 << 20 /* of chunks that wait to be written */ };

/* Chunks [first, first + n) of a dataset, being coded. */
struct coding {
    struct chunk_codec codec;
    int level;
    const char *data;
    uint64_t elements, first;
    uint32_t n, cap; /* chunks; that there is room for */
    char *room;      /* [cap][2]: coded, and scratch */
    size_t stride;   /* of either */
    size_t used[CODED_MOST];
    struct err err[CODED_MOST];
};

static int coding_init(struct coding *c, enum dtype t, const void *data, uint64_t n,
                       const struct hdf5_layout *layout, struct err *e)
{
    const uint32_t count = layout->chunk < n ? layout->chunk : (uint32_t)n;
    *c = (struct coding){.codec = {.count = count,
                                   .width = (uint32_t)dtype_bits(t) / 8,
                                   .zstd = layout->level > 0,
                                   .shuffle = layout->level > 0},
                         .level = layout->level,
                         .data = data,
                         .elements = n};
    c->stride = (chunk_bound(&c->codec) + 63) & ~(size_t)63;
    const uint64_t chunks = (n + count - 1) / count, fit = CODED_BYTES / c->stride + 1;
    c->cap = (uint32_t)(chunks < fit ? chunks : fit);
    if (c->cap > CODED_MOST) c->cap = CODED_MOST;
    c->room = malloc(2 * c->cap * c->stride);
    return c->room ? 0 : err_set(e, ERR_NOMEM, "no memory for %u chunks of %zu bytes", c->cap, c->stride);
}

static void code(void *ctx, int64_t i, unsigned thread)
{
    struct coding *c = ctx;
    const uint64_t at = (c->first + (uint64_t)i) * c->codec.count, left = c->elements - at;
    char *room = c->room + 2 * (size_t)i * c->stride;
    (void)thread;
    c->err[i].code = 0;
    chunk_encode(&c->codec, c->level, c->data + at * c->codec.width,
                 left < c->codec.count ? (uint32_t)left : c->codec.count, room, room + c->stride, &c->used[i],
                 &c->err[i]);
}

static int write_coded(struct hdf5 *f, const char *name, hid_t set, struct coding *c, struct err *e)
{
    for (uint32_t i = 0; i < c->n; i++) {
        const hsize_t at = (c->first + i) * c->codec.count;
        if (c->err[i].code) return err_set(e, c->err[i].code, "%s: %s", name, c->err[i].msg);
        if (H5Dwrite_chunk(set, H5P_DEFAULT, 0, &at, c->used[i], c->room + 2 * (size_t)i * c->stride) < 0)
            return hdf5_failed(e, ERR_H5_WRITE, f, name, "cannot write");
    }
    return 0;
}

int hdf5_write_chunks(struct hdf5 *f, const char *name, hid_t set, enum dtype t, const void *data, uint64_t n,
                      const struct hdf5_layout *layout, struct err *e)
{
    struct coding *c = malloc(sizeof *c);
    int rc = c ? coding_init(c, t, data, n, layout, e) : err_set(e, ERR_NOMEM, "no memory to write chunks");
    for (uint64_t at = 0; !rc && at < n; at += (uint64_t)c->n * c->codec.count, c->first += c->n) {
        const uint64_t left = (n - at + c->codec.count - 1) / c->codec.count;
        c->n = left < c->cap ? (uint32_t)left : c->cap;
        if (layout->pool)
            pool_for(layout->pool, c->n, code, c);
        else
            for (uint32_t i = 0; i < c->n; i++) code(c, i, 0);
        hdf5_enter();
        rc = hdf5_leave(write_coded(f, name, set, c, e));
    }
    if (c) free(c->room);
    free(c);
    return rc;
}
