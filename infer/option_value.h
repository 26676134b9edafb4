/* Inside infer/option*.c: from the text of a value to the field of a config struct, and back. */
#ifndef TERSE_INFER_OPTION_VALUE_H
#define TERSE_INFER_OPTION_VALUE_H

#include "infer/option.h"

/* Storage of one field; the member in use follows from the row's type. */
union option_field {
    bool b;
    int64_t i;
    uint64_t u;
    double f;
    char *s;
    int choice;
    struct string_list list;
};

/* Checks `v` against `row` and fills *out, which then owns its strings. Nothing is owned after an error. */
int option_parse(union option_field *out, const struct option *row, const struct option_value *v,
                 struct err *e);

/* Copies between *field and the row's place in cfg; ownership moves with the copy. */
void option_read(union option_field *field, const struct option *row, const void *cfg);
void option_write(const union option_field *field, const struct option *row, void *cfg);

/* Frees what *field owns and zeroes it. */
void option_clear(union option_field *field, enum option_type type);

/* Moves the items of *tail to the end of *head and leaves *tail empty. ERR_NOMEM changes nothing. */
int string_list_append(struct string_list *head, struct string_list *tail);

/* "a whole number from 1 to 1024 (tokens)": what the row wants. Writes at most cap bytes into buf, returned.
 */
const char *option_expects(const struct option *row, char *buf, size_t cap);

/* The first bytes of a text in double quotes, always valid UTF-8 without control characters. */
struct option_quote {
    char s[80];
};
struct option_quote option_quote(const char *s, size_t len);

/* True for the texts YAML and the command line read as "no value": null, Null, NULL, ~. */
bool option_is_null(const char *s, size_t len);

#endif
