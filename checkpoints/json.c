#include "checkpoints/json_node.h"

#include <string.h>

enum js_type js_type(const struct js *v)
{
    return v ? (enum js_type)v->type : JS_NULL;
}

const char *js_type_name(enum js_type t)
{
    static const char *const names[] = {"null",   "true or false", "an integer", "an integer", "an integer",
                                        "a real", "a string",      "an array",   "an object"};
    return names[t];
}

size_t js_size(const struct js *v)
{
    return v && v->type >= JS_STRING ? v->size : 0;
}

const char *js_string(const struct js *v, size_t *len)
{
    if (!v || v->type != JS_STRING) return NULL;
    if (len) *len = v->size;
    return v->s;
}

bool js_is(const struct js *v, const char *text)
{
    return v && v->type == JS_STRING && strcmp(v->s, text) == 0;
}

bool js_true(const struct js *v)
{
    return v && v->type == JS_BOOL && v->b;
}

bool js_int(const struct js *v, int64_t *out)
{
    if (!v || v->type != JS_INT) return false;
    *out = v->i;
    return true;
}

bool js_uint(const struct js *v, uint64_t *out)
{
    if (!v || !(v->type == JS_UINT || (v->type == JS_INT && v->i >= 0))) return false;
    *out = v->u;
    return true;
}

bool js_number(const struct js *v, double *out)
{
    switch (js_type(v)) {
    case JS_INT:
        *out = (double)v->i;
        return true;
    case JS_UINT:
        *out = (double)v->u;
        return true;
    case JS_REAL:
        *out = v->d;
        return true;
    default:
        return false;
    }
}

/* ---- walking ---------------------------------------------------------------------------------------------
 */

bool js_next(const struct js *v, struct js_iter *it)
{
    if (!v || v->type < JS_ARRAY || it->count_ == v->size) return false;
    const struct js *next = it->count_ ? js_after(it->value) : v + 1;
    if (v->type == JS_OBJECT) {
        it->key = next->s;
        it->key_len = next->size;
        next++;
    }
    it->value = next;
    it->index = it->count_++;
    return true;
}

const struct js *js_get(const struct js *v, const char *key)
{
    size_t n = strlen(key);
    if (js_type(v) != JS_OBJECT) return NULL;
    for (struct js_iter it = {0}; js_next(v, &it);)
        if (it.key_len == n && memcmp(it.key, key, n) == 0) return it.value;
    return NULL;
}

const struct js *js_at(const struct js *v, size_t i)
{
    if (js_type(v) != JS_ARRAY) return NULL;
    for (struct js_iter it = {0}; js_next(v, &it);)
        if (it.index == i) return it.value;
    return NULL;
}

/* ---- checked access --------------------------------------------------------------------------------------
 */

static int fail_type(const char *what, const char *key, const char *expected, const struct js *v,
                     struct err *e)
{
    return err_set(e, ERR_FIELD_TYPE, "%s: \"%s\" is %s, expected %s", what, key, js_type_name(js_type(v)),
                   expected);
}

static int fail_missing(const char *what, const char *key, struct err *e)
{
    return err_set(e, ERR_FIELD_MISSING, "%s: required field \"%s\" is missing", what, key);
}

static bool absent(const struct js *o, const char *key)
{
    return js_type(js_get(o, key)) == JS_NULL;
}

int js_need(const struct js *o, const char *what, const char *key, enum js_type t, const struct js **out,
            struct err *e)
{
    const struct js *v = js_get(o, key);
    if (!v) return fail_missing(what, key, e);
    if (js_type(v) != t) return fail_type(what, key, js_type_name(t), v, e);
    *out = v;
    return 0;
}

int js_want(const struct js *o, const char *what, const char *key, enum js_type t, const struct js **out,
            struct err *e)
{
    return absent(o, key) ? 0 : js_need(o, what, key, t, out, e);
}

int js_need_int(const struct js *o, const char *what, const char *key, int64_t min, int64_t max, int64_t *out,
                struct err *e)
{
    const struct js *v = js_get(o, key);
    if (!v) return fail_missing(what, key, e);
    if (v->type < JS_INT || v->type > JS_BIG) return fail_type(what, key, "an integer", v, e);
    if (v->type != JS_INT || v->i < min || v->i > max)
        return err_set(e, ERR_FIELD_RANGE, "%s: \"%s\" is %s%lld, expected %lld to %lld", what, key,
                       v->type == JS_INT ? "" : "beyond ", v->type == JS_INT ? (long long)v->i : INT64_MAX,
                       (long long)min, (long long)max);
    *out = v->i;
    return 0;
}

int js_want_int(const struct js *o, const char *what, const char *key, int64_t min, int64_t max, int64_t *out,
                struct err *e)
{
    return absent(o, key) ? 0 : js_need_int(o, what, key, min, max, out, e);
}

int js_need_number(const struct js *o, const char *what, const char *key, double *out, struct err *e)
{
    const struct js *v = js_get(o, key);
    if (!v) return fail_missing(what, key, e);
    return js_number(v, out) ? 0 : fail_type(what, key, "a number", v, e);
}

int js_want_number(const struct js *o, const char *what, const char *key, double *out, struct err *e)
{
    return absent(o, key) ? 0 : js_need_number(o, what, key, out, e);
}

int js_need_bool(const struct js *o, const char *what, const char *key, bool *out, struct err *e)
{
    const struct js *v = NULL;
    int rc = js_need(o, what, key, JS_BOOL, &v, e);
    if (!rc) *out = v->b;
    return rc;
}

int js_want_bool(const struct js *o, const char *what, const char *key, bool *out, struct err *e)
{
    return absent(o, key) ? 0 : js_need_bool(o, what, key, out, e);
}

int js_need_string(const struct js *o, const char *what, const char *key, const char **out, struct err *e)
{
    const struct js *v = NULL;
    int rc = js_need(o, what, key, JS_STRING, &v, e);
    if (!rc) *out = v->s;
    return rc;
}

int js_want_string(const struct js *o, const char *what, const char *key, const char **out, struct err *e)
{
    return absent(o, key) ? 0 : js_need_string(o, what, key, out, e);
}
