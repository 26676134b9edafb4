/* The only door to zlib: gzip files and Parquet pages. */
#ifndef TERSE_DATA_GZIP_H
#define TERSE_DATA_GZIP_H

#include "checkpoints/stream_step.h"
#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

/* Inflates src[n], one or more gzip (or zlib) members one after the other (RFC 1952, 2.2), into dst, which
 * must be filled to exactly `expected` bytes.
 * Errors: GZIP (damaged, cut, or bytes after the last member), SIZE_MISMATCH (another length; inflation stops
 * at `expected` bytes), NOMEM. After a failure the content of dst is unspecified. */
int gzip_decompress(void *dst, size_t expected, const void *src, size_t n, struct err *e);

/* The same for one zlib stream (RFC 1950) of unknown length: *out [*n] with a NUL behind is the caller's to
 * free. Errors: GZIP, BOMB (more than `most` bytes), NOMEM; *out is then NULL. */
int zlib_expand(char **out, size_t *n, const void *src, size_t bytes, size_t most, struct err *e);

struct gzip_stream;

/* NULL without memory (NOMEM). */
struct gzip_stream *gzip_stream_create(struct err *e);
void gzip_stream_free(struct gzip_stream *g); /* NULL ok */

/* Inflates some of one or more gzip members. Errors: GZIP (damaged, or bytes after the last member), NOMEM.
 */
int gzip_stream_step(struct gzip_stream *g, struct stream_step *s, struct err *e);
/* From the beginning of a member again. */
void gzip_stream_reset(struct gzip_stream *g);

/* CRC-32 of data[n] (RFC 1952, section 8), 0 for no bytes. */
uint32_t gzip_crc32(const void *data, size_t n);

#endif
