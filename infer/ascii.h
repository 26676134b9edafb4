/* Bytes of ASCII, whatever the locale. */
#ifndef TERSE_INFER_ASCII_H
#define TERSE_INFER_ASCII_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline bool is_letter(char c)
{
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}
static inline bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}
/* True when s [n] begins with the text. */
static inline bool starts(const char *s, size_t n, const char *with)
{
    size_t k = strlen(with);
    return n >= k && !memcmp(s, with, k);
}
static inline bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !memcmp(s + n - k, end, k);
}

#endif
