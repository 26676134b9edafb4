/* UTF-8 as Unicode defines it (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef TERSE_INFER_UTF8_H
#define TERSE_INFER_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the well-formed character at s (1..4), of which `len` bytes are readable; 0 if there is none. */
size_t utf8_char(const char *s, size_t len);

/* True when s[0..len) is well-formed throughout. NUL bytes count as characters. */
bool utf8_valid(const char *s, size_t len);

/* Characters in s[0..len), which must be valid: what a terminal shows in as many columns, wide ones aside. */
size_t utf8_count(const char *s, size_t len);

#endif
