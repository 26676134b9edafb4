/* A reader of Thrift's compact protocol over bytes that may be hostile.
 * Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 *
 * The first failure sticks in `code`: thrift_next() then says no more fields and every getter returns 0, so
 * that a parser needs one check at its end.
 *
 *     struct thrift_field f = {0};
 *     while (thrift_next(t, &f)) switch (f.id) {
 *         case 1: x->count = thrift_i64(t, &f); break;
 *         default: thrift_skip(t, &f);
 *     }
 */
#ifndef TERSE_DATA_PARQUET_THRIFT_H
#define TERSE_DATA_PARQUET_THRIFT_H

#include "infer/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { THRIFT_MAX_DEPTH = 32 };

enum thrift_type {
    THRIFT_STOP,
    THRIFT_TRUE,
    THRIFT_FALSE,
    THRIFT_BYTE,
    THRIFT_I16,
    THRIFT_I32,
    THRIFT_I64,
    THRIFT_DOUBLE,
    THRIFT_BINARY,
    THRIFT_LIST,
    THRIFT_SET,
    THRIFT_MAP,
    THRIFT_STRUCT
};

struct thrift {
    const uint8_t *begin, *p, *end;
    int depth; /* structs, lists and maps that are open */
    int code;  /* 0 or the first error */
    struct err *e;
};

/* Start a struct with all zero. `type` is that of the value that must be read next. */
struct thrift_field {
    int16_t id;
    uint8_t type;
    uint64_t seen; /* ids 1..63 that came; 1 << 0: the struct is open */
};

struct thrift thrift_init(const void *data, size_t n, struct err *e);

/* Fails the cursor unless it has failed: "<message> at byte N". Returns 0 always. */
int thrift_fail(struct thrift *t, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The next field of a struct; false at its end or after a failure (THRIFT_TRUNC, THRIFT_TYPE, DEPTH, DUP_KEY
 * for an id that comes twice). */
bool thrift_next(struct thrift *t, struct thrift_field *f);

/* Fails the cursor with FIELD_MISSING unless every id of `mask` (bit = id) came; `what` names the struct. */
void thrift_require(struct thrift *t, const struct thrift_field *f, uint64_t mask, const char *what);

/* The field's value. A value of another type is FIELD_TYPE; an int beyond [low, high] is `code`. */
int64_t thrift_i64(struct thrift *t, const struct thrift_field *f);
int32_t thrift_int(struct thrift *t, const struct thrift_field *f, int32_t low, int32_t high, int code,
                   const char *what);
bool thrift_bool(struct thrift *t, const struct thrift_field *f);
/* *n bytes inside the cursor's data. THRIFT_SIZE past its end. */
const uint8_t *thrift_binary(struct thrift *t, const struct thrift_field *f, size_t *n);

/* Enters the list in field `f`: *item is made ready for the getters, and the number of elements returned. An
 * element takes at least `min_bytes` (>= 1) in the file: more than fit is THRIFT_SIZE. */
uint32_t thrift_list(struct thrift *t, const struct thrift_field *f, size_t min_bytes,
                     struct thrift_field *item);

void thrift_skip(struct thrift *t, const struct thrift_field *f);

#endif
