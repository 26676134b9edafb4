/* The only door to libbrotlidec. */
#ifndef TERSE_DATA_BROTLI_H
#define TERSE_DATA_BROTLI_H

#include "infer/err.h"

#include <stddef.h>

/* Decompresses the brotli stream src[n] (RFC 7932) into dst, which must be filled to exactly `expected`
 * bytes. Errors: BROTLI (damaged, cut, or bytes after the end), SIZE_MISMATCH (another length; it stops at
 * `expected` bytes), NOMEM. After a failure the content of dst is unspecified. */
int brotli_decompress(void *dst, size_t expected, const void *src, size_t n, struct err *e);

#endif
