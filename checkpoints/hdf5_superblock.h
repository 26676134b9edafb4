/* The first bytes of an HDF5 file, read by ourselves before libhdf5 sees the file. */
#ifndef TERSE_CHECKPOINTS_HDF5_SUPERBLOCK_H
#define TERSE_CHECKPOINTS_HDF5_SUPERBLOCK_H

#include "infer/err.h"

/* 0 when `path` starts with a superblock such as hdf5_create writes (versions 0, 2 and 3, 8-byte offsets and
 * lengths, no user block) whose end of file and root address lie inside the file. Errors: those of file_open;
 * H5_MAGIC, H5_UNSUPPORTED (user block, base address, extension), H5_VERSION, H5_WIDTH, H5_EOF, H5_ADDR.
 * Source: HDF5 File Format Specification 3.0, II.A. */
int hdf5_superblock_check(const char *path, struct err *e);

#endif
