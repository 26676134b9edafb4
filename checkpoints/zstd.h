/* The only door to libzstd: Parquet pages, HDF5 token shards, compressed JSON lines and fixtures go through
 * it. No function here allocates what a damaged frame asks for. */
#ifndef TERSE_CHECKPOINTS_ZSTD_H
#define TERSE_CHECKPOINTS_ZSTD_H

#include "checkpoints/stream_step.h"
#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

/* ---- whole buffers ---------------------------------------------------------------------------------------
 */

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

/* Decompresses src[n], exactly one frame without a dictionary, into dst, which it must fill to exactly
 * `expected` bytes: what a chunk of a file may be. Errors: ZSTD_EMPTY (a skippable frame), ZSTD (none, or
 * damaged), ZSTD_DICT, ZSTD_WINDOW (above 128 MiB), BOMB (claims more), SIZE_MISMATCH (another size),
 * ZSTD_TRUNC, ZSTD_TRAILING, ZSTD_CRC. After a failure dst is zeros. */
int zstd_decode_frame(void *dst, size_t expected, const void *src, size_t n, struct err *e);

/* ---- streams ---------------------------------------------------------------------------------------------
 */

enum { ZSTD_STREAM_WINDOW = 32 << 20 }; /* what `zstd -20` uses at most */

struct zstd_stream;

/* NULL without memory (NOMEM). */
struct zstd_stream *zstd_stream_create(struct err *e);
void zstd_stream_free(struct zstd_stream *z); /* NULL ok */

/* Decompresses some of one or more frames. Errors: ZSTD (damaged), TOO_LARGE (a frame whose window is over
 * ZSTD_STREAM_WINDOW, as `zstd --long` makes them), NOMEM. */
int zstd_stream_step(struct zstd_stream *z, struct stream_step *s, struct err *e);
/* From the beginning of a frame again. */
void zstd_stream_reset(struct zstd_stream *z);

#endif
