/* The only door to libhdf5: one-dimensional datasets and small attributes at the root of a file.
 *
 * Training state and token shards need no more, and each thing HDF5 could do beyond it is a thing a damaged
 * file could do to us: links out of the file, external and virtual storage, foreign filters and types are
 * refused by name, plugins are never loaded, and the zstd filter (id 32015, the registered one, so that h5py
 * with hdf5plugin reads our files) is ours, with its output fixed to the size of a chunk. Callers that have a
 * digest of the file check it before they open the file here.
 *
 * libhdf5 may have been built without locks: every function here holds one process-wide mutex. A `struct
 * hdf5` itself belongs to one thread at a time. */
#ifndef TERSE_CHECKPOINTS_HDF5_H
#define TERSE_CHECKPOINTS_HDF5_H

#include "checkpoints/chunk.h"
#include "infer/err.h"
#include "infer/tensor.h"

#include <stddef.h>
#include <stdint.h>

struct hdf5; /* an open file */
struct pool;

/* How a dataset lies in the file. */
struct hdf5_layout {
    uint32_t chunk;    /* elements a chunk; 0: contiguous, no filter */
    int level;         /* zstd level 1..19 of shuffled chunks; 0: chunks as they are */
    struct pool *pool; /* chunks are compressed on its threads, outside of the mutex; NULL: by the caller's */
};

/* Creates (or truncates) a file. Not durable before hdf5_close and file_sync. ERR_H5_OPEN, ERR_NOMEM. */
int hdf5_create(struct hdf5 **out, const char *path, struct err *e);
/* Opens a regular file read-only. Errors: those of file_open; H5_MAGIC, H5_UNSUPPORTED, H5_VERSION, H5_WIDTH,
 * H5_ADDR (a superblock we would not write); H5_OPEN (libhdf5 refuses); NOMEM. *out is then NULL. */
int hdf5_open(struct hdf5 **out, const char *path, struct err *e);
/* Writes what is buffered, closes, frees `f` (NULL ok) in every case. ERR_H5_WRITE when writing failed. */
int hdf5_close(struct hdf5 *f, struct err *e);

/* Writes data[n] of type `t` (U8 U32 U64 I32 I64 F32 F64, native memory) as a new dataset, straight from
 * `data` when contiguous. Little-endian in the file. The bytes do not depend on the pool. Errors: H5_WRITE,
 * H5_TYPE, ZSTD, NOMEM. */
int hdf5_write(struct hdf5 *f, const char *name, enum dtype t, const void *data, uint64_t n,
               const struct hdf5_layout *layout, struct err *e);

/* *n = elements of the dataset, after checking that it is what hdf5_write makes: a hard link, rank 1, type
 * `t`, little-endian, contiguous and allocated or chunked with nothing but shuffle and our zstd.
 * Errors: H5_MISSING, H5_LINK, H5_TYPE, H5_SPACE, H5_FILTER, H5_CHUNK, H5_EXTERNAL, H5_UNSUPPORTED,
 * OVERFLOW. */
int hdf5_count(struct hdf5 *f, const char *name, enum dtype t, uint64_t *n, struct err *e);

/* Looks at every chunk's place, size and filter mask without reading data: ERR_H5_CHUNK names a chunk that is
 * missing (HDF5 would make up its content), skips a filter or is larger than it can be. */
int hdf5_check_chunks(struct hdf5 *f, const char *name, enum dtype t, struct err *e);

/* Reads elements [start, start + n) into `out` (n elements, the caller's). Errors: those of hdf5_count,
 * H5_SPACE (outside the dataset), H5_READ, ZSTD and SIZE_MISMATCH (damaged chunk). */
int hdf5_read(struct hdf5 *f, const char *name, enum dtype t, uint64_t start, uint64_t n, void *out,
              struct err *e);

/* How the dataset's chunks are stored; codec->count is 0 where it has none. Errors: those of hdf5_count. */
int hdf5_codec(struct hdf5 *f, const char *name, enum dtype t, struct chunk_codec *codec, struct err *e);
/* Reads chunk `i` as it is stored into buf[cap], for chunk_decode; *n = its bytes. Errors: those of
 * hdf5_count; H5_CHUNK (missing, past the end, over `cap`, or a filter is skipped), H5_READ. */
int hdf5_read_chunk(struct hdf5 *f, const char *name, enum dtype t, uint64_t i, void *buf, size_t cap,
                    size_t *n, struct err *e);

/* Attributes of the file's root. Texts are UTF-8 of fixed length, at most HDF5_TEXT bytes with the NUL. */
enum { HDF5_TEXT = 4096 };
int hdf5_set_text(struct hdf5 *f, const char *name, const char *text, struct err *e);
int hdf5_set_i64(struct hdf5 *f, const char *name, int64_t value, struct err *e);
/* Errors: H5_MISSING, H5_TYPE, H5_SPACE (not a scalar; a text longer than HDF5_TEXT), H5_READ. */
int hdf5_get_text(struct hdf5 *f, const char *name, char out[HDF5_TEXT], struct err *e);
int hdf5_get_i64(struct hdf5 *f, const char *name, int64_t *out, struct err *e);

#endif
