/* From a chunk's bytes in a file to its values: one zstd frame, then HDF5's shuffle undone; and back. libhdf5
 * is not asked: it holds a lock over the whole process, and chunks are coded outside of it. */
#ifndef TERSE_CHECKPOINTS_CHUNK_H
#define TERSE_CHECKPOINTS_CHUNK_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

struct chunk_codec {
    uint32_t count; /* elements of every chunk, the last one too; 0: the dataset has no chunks */
    uint32_t width; /* bytes of an element: 1, 4 or 8 */
    int zstd, shuffle;
};

/* Bytes that a stored chunk has at most. */
size_t chunk_bound(const struct chunk_codec *c);

/* src[n], a chunk as it is stored, becomes out[count * width]. scratch: as many bytes, the caller's, used
 * where bytes are shuffled. Errors: those of zstd_decode_frame; H5_CHUNK (a chunk stored as it is has another
 * size). After a failure the content of `out` is unspecified, never uninitialised. */
int chunk_decode(const struct chunk_codec *c, const void *src, size_t n, void *out, void *scratch,
                 struct err *e);

/* The other way: n elements at src, at most `count` (zeros follow them), become out[chunk_bound], *used
 * bytes. `level` is zstd's. scratch as above. Errors: ZSTD. */
int chunk_encode(const struct chunk_codec *c, int level, const void *src, uint32_t n, void *out,
                 void *scratch, size_t *used, struct err *e);

#endif
