/* The only door to liblz4. */
#ifndef TERSE_DATA_LZ4_H
#define TERSE_DATA_LZ4_H

#include "infer/err.h"

#include <stddef.h>

/* Decompresses src[n] into dst, which must be filled to exactly `expected` bytes: one LZ4 block, as Parquet's
 * codec LZ4_RAW has it. Errors: LZ4 (damaged, cut, or too long), SIZE_MISMATCH (shorter than expected). After
 * a failure the content of dst is unspecified. */
int lz4_decompress(void *dst, size_t expected, const void *src, size_t n, struct err *e);

/* The same for what Parquet's older codec LZ4 stands for: Hadoop's framing, big-endian lengths before blocks
 * (BlockCompressorStream: a length of text, then as many blocks, each behind its own length, as make it up),
 * or, by other writers, one block. */
int lz4_decompress_hadoop(void *dst, size_t expected, const void *src, size_t n, struct err *e);

#endif
