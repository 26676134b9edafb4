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

/* True when s[0..len) is well-formed throughout. NUL bytes count as characters. */
bool utf8_valid(const char *s, size_t len);

/* Characters in s[0..len), which must be valid: what a terminal shows in as many columns, wide ones aside. */
size_t utf8_count(const char *s, size_t len);

/* True when s[0..len), 1..3 bytes, begins a well-formed character whose rest is missing. */
bool utf8_partial(const char *s, size_t len);

/* Writes code point `c` (not a surrogate, at most 0x10ffff) to out[0..4); returns its bytes, 1..4. */
size_t utf8_encode(uint32_t c, char *out);

#endif
