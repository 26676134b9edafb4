/* What hdf5.c and hdf5_check.c share: the open file, why libhdf5 failed, and the look at a dataset before it
 * is read. Private to them; under hdf5.c's mutex. */
#ifndef TERSE_CHECKPOINTS_HDF5_PARTS_H
#define TERSE_CHECKPOINTS_HDF5_PARTS_H

#include "checkpoints/hdf5.h"
#include "checkpoints/hdf5_filter.h"

#include <hdf5.h>

enum { HDF5_NAME = 128 };

struct hdf5 {
    hid_t file;
    char path[256]; /* for messages, cut */
    /* the dataset used last stays open */
    hid_t set; /* 0: none */
    char set_name[HDF5_NAME];
    enum dtype set_type;
    uint64_t set_count;
    uint32_t set_chunk; /* elements; 0: contiguous */
    int set_filters;    /* of its chunks: none, zstd, or shuffle and zstd */
};

/* libhdf5's one lock. hdf5_leave returns rc. */
void hdf5_enter(void);
int hdf5_leave(int rc);

/* Opens and checks `name`, unless it is the dataset used last. */
int hdf5_use_set(struct hdf5 *f, const char *name, enum dtype t, struct err *e);

/* The error of libhdf5 about `name`, with its innermost reason; an error of our filter comes first. `what` is
 * such as "cannot read". Returns the code. */
int hdf5_failed(struct err *e, int code, const struct hdf5 *f, const char *name, const char *what);

/* The type of elements in the file (1) or in memory (0); -1 for a type we do not keep. */
hid_t hdf5_type(enum dtype t, int in_file);

/* Codes and writes all chunks of the new dataset `set`; takes the mutex itself. Errors: H5_WRITE, ZSTD,
 * NOMEM.
 */
int hdf5_write_chunks(struct hdf5 *f, const char *name, hid_t set, enum dtype t, const void *data, uint64_t n,
                      const struct hdf5_layout *layout, struct err *e);

/* `name` is a hard link to a dataset. */
int hdf5_check_link(struct hdf5 *f, const char *name, struct err *e);
/* The open dataset `set` is one that hdf5_write makes; its elements and chunk. Errors as hdf5_count. */
int hdf5_check_set(struct hdf5 *f, const char *name, hid_t set, enum dtype t, uint64_t *count,
                   uint32_t *chunk, struct err *e);

#endif
