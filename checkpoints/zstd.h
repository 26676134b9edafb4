/* The only door to libzstd: Parquet pages, HDF5 token shards and fixtures go through it.
 * Whole buffers in, whole buffers out; no function here allocates what a damaged frame asks for. */
#ifndef TERSE_CHECKPOINTS_ZSTD_H
#define TERSE_CHECKPOINTS_ZSTD_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

/* Largest number of bytes zstd_compress can produce from `n` bytes; 0 if n is too large to compress at once.
 */
size_t zstd_bound(size_t n);

/* Compresses src[n] into one frame that carries its content size. `level` 1..19 (zstd's own default is 3).
 * dst[cap] is the caller's, cap >= zstd_bound(n) never fails for space; *used gets the frame's bytes.
 * Errors: NEED (cap too small), ZSTD. After a failure the content of dst is unspecified. */
int zstd_compress(void *dst, size_t cap, size_t *used, const void *src, size_t n, int level, struct err *e);

/* Decompresses src[n] (one or more frames) into dst, which must be filled to exactly `expected` bytes.
 * Errors: ZSTD (damaged or cut), SIZE_MISMATCH (sound, but another length; a frame that would overrun dst
 * stops there). After a failure the content of dst is unspecified. */
int zstd_decompress(void *dst, size_t expected, const void *src, size_t n, struct err *e);

/* *size = the content size that the first frame of src[n] declares, for callers who know only a cap.
 * Errors: ZSTD (no frame, or one without content size), BOMB (over `cap`; *size untouched). */
int zstd_content_size(uint64_t *size, uint64_t cap, const void *src, size_t n, struct err *e);

#endif
