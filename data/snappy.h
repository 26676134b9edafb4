/* The only door to libsnappy. */
#ifndef TERSE_DATA_SNAPPY_H
#define TERSE_DATA_SNAPPY_H

#include "infer/err.h"

#include <stddef.h>

/* Decompresses the raw snappy block src[n] into dst, which must be filled to exactly `expected` bytes.
 * Errors: SNAPPY (damaged or cut), SIZE_MISMATCH (the block declares another length).
 * After a failure the content of dst is unspecified. */
int snappy_decompress(void *dst, size_t expected, const void *src, size_t n, struct err *e);

#endif
