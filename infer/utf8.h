/* UTF-8 as Unicode defines it (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef TERSE_INFER_UTF8_H
#define TERSE_INFER_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the well-formed character at s (1..4), of which `len` bytes are readable; 0 if there is none. */
size_t utf8_char(const char *s, size_t len);

/* The code point of the n bytes at s, n as utf8_char() returned it (1..4). */
unsigned utf8_code(const char *s, size_t n);

/* Bytes of the longest well-formed beginning of s[0..len): `len` when all is well, else the offset of the
 * first bad or cut character. */
size_t utf8_prefix(const char *s, size_t len);

/* True when s[0..len) is well-formed throughout. NUL bytes count as characters. */
bool utf8_valid(const char *s, size_t len);

/* Characters in s[0..len), which must be valid: what a terminal shows in as many columns, wide ones aside. */
size_t utf8_count(const char *s, size_t len);

/* True when s[0..len), 1..3 bytes, begins a well-formed character whose rest is missing. */
bool utf8_partial(const char *s, size_t len);

/* Bytes of the control character that s[0..len) begins with: C0 and DEL 1, C1 (U+0080 to U+009F, which
 * terminals obey too) 2; 0 if there is none. */
size_t utf8_control(const char *s, size_t len);

/* Writes code point `c` (not a surrogate, at most 0x10ffff) to out[0..4); returns its bytes, 1..4. */
size_t utf8_encode(uint32_t c, char *out);

/* Tokens are bytes, and may end inside a character. A stream holds back what is incomplete; start from {0}.
 */
struct utf8_stream {
    char held[4];
    size_t n;
};

/* Writes what s[0..len) completes to out, which has room for 3 * len + 3 bytes; returns how many. Bytes that
 * are no UTF-8 become U+FFFD, one for each longest beginning of a character. */
size_t utf8_stream_feed(struct utf8_stream *u, const char *s, size_t len, char *out);
/* At the end: U+FFFD (3 bytes) if a character was left incomplete. */
size_t utf8_stream_flush(struct utf8_stream *u, char *out);

#endif
