/* The zstd filter of HDF5 (registered id 32015), in this process and as a plugin. Private to hdf5*.c and
 * plugin_hdf5.c; call under hdf5.c's mutex. */
#ifndef TERSE_CHECKPOINTS_HDF5_FILTER_H
#define TERSE_CHECKPOINTS_HDF5_FILTER_H

#include "infer/err.h"

#include <hdf5.h>
#include <stddef.h>

enum { HDF5_FILTER_ZSTD = 32015, HDF5_CHUNK_MAX = 64 << 20 /* bytes a chunk holds at most */ };

/* What libhdf5 cannot tell the filter, and what the filter cannot tell libhdf5. */
struct hdf5_filter {
    size_t chunk_bytes; /* what a chunk of the dataset being read decompresses to, exactly; 0: not known */
    struct err err;     /* why the filter failed; err.code 0: it did not */
};
extern struct hdf5_filter hdf5_filter;
extern const H5Z_class2_t hdf5_filter_class;

/* Turns plugin loading off and registers the filter, once. ERR_H5_OPEN when libhdf5 refuses. */
int hdf5_filter_register(struct err *e);

#endif
