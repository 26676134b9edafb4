/* Chunks as they are stored: libhdf5 finds and reads them, who asked decodes them. */
#include "checkpoints/hdf5_parts.h"

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
