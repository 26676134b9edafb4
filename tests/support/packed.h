/* Compressed files made by hand: sound ones of any text, and ones that would be very long. */
#ifndef TERSE_TESTS_SUPPORT_PACKED_H
#define TERSE_TESTS_SUPPORT_PACKED_H

#include <stddef.h>
#include <stdint.h>

struct packed {
    unsigned char *s; /* the caller's to free */
    size_t n;
};

/* Appends a gzip member of stored blocks (RFC 1951, 3.2.4). */
void packed_gzip(struct packed *p, const void *text, size_t n);
/* Appends a zstd frame, as zstd makes it. */
void packed_zstd(struct packed *p, const void *text, size_t n);
/* Appends a zstd frame that is `c` over and over: `blocks` times 128 KiB, in 4 bytes each, for a decoder with
 * a window of 2^window_log bytes. */
void packed_zstd_run(struct packed *p, char c, size_t blocks, int window_log);

#endif
