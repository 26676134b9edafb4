/* JSON (RFC 8259), read strictly and written plainly. Prefix js_, since libjson*'s names are taken.
 *
 * The reader is our own because the files it meets are hostile or large: every error has its kind, byte
 * offset and line; integers keep all 64 bits and are told apart from 2.0 and 1e3; depth and node count are
 * bounded before memory is; a document is two allocations, 16 bytes a value plus at most the bytes of the
 * text. */
#ifndef TERSE_CHECKPOINTS_JSON_H
#define TERSE_CHECKPOINTS_JSON_H

#include "infer/json_write.h"

/* ---- reading ---------------------------------------------------------------------------------------------
 */

enum js_type {
    JS_NULL,
    JS_BOOL,
    JS_INT,  /* fits int64_t: -7, 0, 1234 */
    JS_UINT, /* an integer above INT64_MAX that fits uint64_t */
    JS_BIG,  /* an integer beyond both; its value is lost */
    JS_REAL, /* a number with a fraction or an exponent: 2.0, 1e3 */
    JS_STRING,
    JS_ARRAY,
    JS_OBJECT
};

struct js; /* a value; owned by its document and valid until js_free of the root */

struct js_limits {
    uint64_t bytes;  /* of text; 0 = 256 MiB */
    uint64_t values; /* of any type, keys counted too; 0 = 3,000,000 (48 MB) */
    int depth;       /* of arrays and objects; 0 = 64, at most 256 */
    bool nul;        /* strings are texts: \u0000 may stand in one, and js_string()'s length counts it */
};

/* Parses the one JSON value in data[0..n). `what` names the text in messages; `lim` may be NULL. *out is the
 * root, the caller's to js_free; NULL after an error.
 * Errors: TOO_LARGE, JSON_BOM, JSON_TRUNC (ends early, wherever that is), JSON_SYNTAX, JSON_TRAILING,
 * JSON_NUMBER (leading zero, plus sign, hex, NaN, a real beyond double), JSON_CTRL (raw control character in
 * a string), JSON_SURROGATE (lone \ud800..\udfff), NAME_CHAR (NUL in a string, raw or escaped; with `nul`
 * only a raw one, as JSON_CTRL), UTF8, DUP_KEY (compared after unescaping), DEPTH, TOO_MANY, NOMEM. */
int js_parse(struct js **out, const char *what, const char *data, size_t n, const struct js_limits *lim,
             struct err *e);
/* The same for a regular file. Also: FILE_MISSING, NOT_REGULAR, EACCES, CHANGED. */
int js_load(struct js **out, const char *path, const struct js_limits *lim, struct err *e);
/* NULL is fine. */
void js_free(struct js *root);

/* NULL counts as a missing value: its type is JS_NULL, its size 0, every accessor below says "no". */
enum js_type js_type(const struct js *v);
/* "an integer", "a string" ... for messages. */
const char *js_type_name(enum js_type t);
/* Elements of an array, members of an object, bytes of a string; else 0. */
size_t js_size(const struct js *v);

/* UTF-8 with a NUL after it and (js_limits.nul aside) none inside; NULL when `v` is not a string. `len`
 * (bytes) may be NULL. */
const char *js_string(const struct js *v, size_t *len);
bool js_is(const struct js *v, const char *text); /* a string equal to `text` */
bool js_true(const struct js *v);
/* True and *out set when `v` is an integer in range. */
bool js_int(const struct js *v, int64_t *out);
bool js_uint(const struct js *v, uint64_t *out);
/* True for integers (not JS_BIG) and reals. */
bool js_number(const struct js *v, double *out);

/* Member `key` of an object, element `i` of an array; NULL when there is none or `v` is something else. Both
 * walk from the front: fine for a config, O(n) for a loop over many. */
const struct js *js_get(const struct js *v, const char *key);
const struct js *js_at(const struct js *v, size_t i);

/* Walks an object or array in document order:
 *     for (struct js_iter it = {0}; js_next(v, &it);) ... it.key, it.key_len, it.value, it.index */
struct js_iter {
    const struct js *value;
    const char *key; /* of an object's member, else NULL */
    size_t key_len, index;
    size_t count_; /* steps taken so far */
};
bool js_next(const struct js *v, struct js_iter *it);

/* Checked access to member `key` of object `o`, which `what` names in messages. *out is set only on success.
 * The need_ form fails with FIELD_MISSING when the key is absent; the want_ form then leaves *out as it was
 * (the caller's default) and returns 0, as it does for null. FIELD_TYPE: another type (2.0 is no integer);
 * FIELD_RANGE: an integer outside [min, max]. */
int js_need(const struct js *o, const char *what, const char *key, enum js_type t, const struct js **out,
            struct err *e);
int js_want(const struct js *o, const char *what, const char *key, enum js_type t, const struct js **out,
            struct err *e);
int js_need_int(const struct js *o, const char *what, const char *key, int64_t min, int64_t max, int64_t *out,
                struct err *e);
int js_want_int(const struct js *o, const char *what, const char *key, int64_t min, int64_t max, int64_t *out,
                struct err *e);
int js_need_number(const struct js *o, const char *what, const char *key, double *out, struct err *e);
int js_want_number(const struct js *o, const char *what, const char *key, double *out, struct err *e);
int js_need_bool(const struct js *o, const char *what, const char *key, bool *out, struct err *e);
int js_want_bool(const struct js *o, const char *what, const char *key, bool *out, struct err *e);
int js_need_string(const struct js *o, const char *what, const char *key, const char **out, struct err *e);
int js_want_string(const struct js *o, const char *what, const char *key, const char **out, struct err *e);

/* ---- writing: infer/json_write.h, and what needs files or parsed values -----------------------------------
 */

/* Copies a parsed value (JS_BIG cannot be). */
void js_put(struct js_out *w, const char *key, const struct js *v);
/* js_out_end, a newline, file_save, js_out_free (also after an error). */
int js_out_save(struct js_out *w, const char *path, struct err *e);

#endif
