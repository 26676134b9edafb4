#include "checkpoints/hdf5_filter.h"

#include "checkpoints/zstd.h"

#include <hdf5.h>

struct hdf5_filter hdf5_filter;

/* Replaces *buf by its compressed or, with H5Z_FLAG_REVERSE, decompressed content; 0 on failure. */
static size_t filter_zstd(unsigned flags, size_t n_values, const unsigned values[], size_t n,
                          size_t *buf_size, void **buf)
{
    int decode = (flags & H5Z_FLAG_REVERSE) != 0, rc = 0;
    size_t used = hdf5_filter.chunk_bytes, cap = decode ? used : zstd_bound(n);
    void *out = H5allocate_memory(cap, 0);
    if (!out) rc = err_set(&hdf5_filter.err, ERR_NOMEM, "no memory for a chunk of %zu bytes", cap);
    if (!rc && decode) rc = zstd_decode_frame(out, cap, *buf, n, &hdf5_filter.err);
    if (!rc && !decode)
        rc = zstd_compress(out, cap, &used, *buf, n, n_values ? (int)values[0] : 3, &hdf5_filter.err);
    H5free_memory(rc ? out : *buf);
    if (rc) return 0;
    *buf = out;
    *buf_size = cap;
    return used;
}

int hdf5_filter_register(struct err *e)
{
    static const H5Z_class2_t zstd = {
        H5Z_CLASS_T_VERS, HDF5_FILTER_ZSTD, 1, 1, "Zstandard compression: http://www.zstd.net", NULL, NULL,
        filter_zstd};
    static int done;
    if (done) return 0;
    H5PLset_loading_state(0);
    if (H5Zregister(&zstd) < 0) return err_set(e, ERR_H5_OPEN, "HDF5 does not take the zstd filter");
    done = 1;
    return 0;
}
