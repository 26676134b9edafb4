/* The zstd filter of HDF5. Nothing of libhdf5 is called here, so that the plugin that is made of this too
 * (plugin_hdf5.c) fits whatever libhdf5 loads it. */
#include "checkpoints/hdf5_filter.h"

#include "checkpoints/zstd.h"

#include <stdlib.h>

struct hdf5_filter hdf5_filter;

/* What a chunk holds: known to who reads through hdf5.c, else its frame says it. */
static int size_of(const void *src, size_t n, size_t *size)
{
    uint64_t claimed = 0;
    *size = hdf5_filter.chunk_bytes;
    int rc = *size ? 0 : zstd_content_size(&claimed, HDF5_CHUNK_MAX, src, n, &hdf5_filter.err);
    if (claimed) *size = claimed;
    return rc;
}

/* Replaces *buf by its compressed or, with H5Z_FLAG_REVERSE, decompressed content; 0 on failure. libhdf5's
 * own memory is malloc's. */
static size_t filter_zstd(unsigned flags, size_t n_values, const unsigned values[], size_t n,
                          size_t *buf_size, void **buf)
{
    int decode = (flags & H5Z_FLAG_REVERSE) != 0, rc = 0;
    size_t used = 0, cap = zstd_bound(n);
    if (decode) rc = size_of(*buf, n, &cap);
    void *out = rc ? NULL : malloc(cap);
    if (!rc && !out) rc = err_set(&hdf5_filter.err, ERR_NOMEM, "no memory for a chunk of %zu bytes", cap);
    if (!rc && decode) rc = zstd_decode_frame(out, used = cap, *buf, n, &hdf5_filter.err);
    if (!rc && !decode)
        rc = zstd_compress(out, cap, &used, *buf, n, n_values ? (int)values[0] : 3, &hdf5_filter.err);
    free(rc ? out : *buf);
    if (rc) return 0;
    *buf = out;
    *buf_size = cap;
    return used;
}

const H5Z_class2_t hdf5_filter_class = {
    H5Z_CLASS_T_VERS, HDF5_FILTER_ZSTD, 1, 1, "Zstandard compression: http://www.zstd.net", NULL, NULL,
    filter_zstd,
};
