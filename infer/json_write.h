/* JSON (RFC 8259) written plainly. Reading it is checkpoints/json.h: a device never does. */
#ifndef TERSE_INFER_JSON_WRITE_H
#define TERSE_INFER_JSON_WRITE_H

#include "infer/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A document being written, front to back. Calls never fail: the first failure (no memory, a value where a
 * key is due, a NaN, text that is not UTF-8) is kept and told by js_out_end. */
struct js_out {
    char *text; /* NUL-terminated once js_out_end succeeded */
    size_t n, cap;
    int indent; /* spaces a level; 0 = compact, one line */
    int depth;
    uint64_t objects; /* bit d: level d is an object (depth is at most 63) */
    bool first;       /* nothing written yet at this level */
    int code;         /* of the first failure */
    const char *why;  /* it in words; static */
};

void js_out_init(struct js_out *w, int indent);
void js_out_free(struct js_out *w);
/* Fails the document, if nothing has yet: `why` is static. */
void js_refuse(struct js_out *w, int code, const char *why);

/* `key` is NULL inside an array and at the root. */
void js_object(struct js_out *w, const char *key);
void js_array(struct js_out *w, const char *key);
void js_close(struct js_out *w); /* the innermost open object or array */
void js_put_int(struct js_out *w, const char *key, int64_t v);
void js_put_uint(struct js_out *w, const char *key, uint64_t v);
void js_put_real(struct js_out *w, const char *key, double v); /* shortest text that reads back as v */
void js_put_bool(struct js_out *w, const char *key, bool v);
void js_put_null(struct js_out *w, const char *key);
void js_put_string(struct js_out *w, const char *key, const char *s);
void js_put_text(struct js_out *w, const char *key, const char *s, size_t len);

/* Ends the document: w->text[0..w->n) is it, owned by *w until js_out_free. Errors: NOMEM, UTF8, NONFINITE,
 * INTERNAL (something still open, a key missing). */
int js_out_end(struct js_out *w, struct err *e);

#endif
