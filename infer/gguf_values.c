/* The values of a GGUF file's keys, as whoever asks wants them. */
#include "infer/gguf_private.h"
#include "infer/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static int fail_type(const struct gguf *g, const struct gguf_kv *kv, const char *want, struct err *e)
{
    return err_set(e, ERR_FIELD_TYPE, "%s: key \"%.*s\" is %s, expected %s", g->label, (int)kv->key_len,
                   kv->key, gguf_type_name(kv), want);
}

/* *kv is NULL when the key is absent and need not be there. */
static int look_up(const struct gguf *g, const char *key, bool need, const struct gguf_kv **kv, struct err *e)
{
    *kv = gguf_key(g, key);
    if (*kv || !need) return 0;
    return err_set(e, ERR_FIELD_MISSING, "%s: no key \"%s\"", g->label, key);
}

bool gguf_int_at(const struct gguf_kv *kv, uint64_t i, int64_t *out)
{
    const char *at = kv->data + i * gguf_type_bytes(kv->elem);
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
    } v = {.u64 = 0};
    memcpy(&v, at, gguf_type_bytes(kv->elem));
    switch (kv->elem) {
    case GGUF_BOOL:
    case GGUF_U8:
        *out = v.u8;
        return true;
    case GGUF_I8:
        *out = v.i8;
        return true;
    case GGUF_U16:
        *out = v.u16;
        return true;
    case GGUF_I16:
        *out = v.i16;
        return true;
    case GGUF_U32:
        *out = v.u32;
        return true;
    case GGUF_I32:
        *out = v.i32;
        return true;
    default:
        *out = (int64_t)v.u64;
        return kv->elem == GGUF_I64 || v.u64 <= INT64_MAX;
    }
}

static bool is_integer(enum gguf_type t)
{
    return t <= GGUF_I32 || t == GGUF_U64 || t == GGUF_I64;
}

int gguf_get_uint(const struct gguf *g, const char *key, bool need, uint64_t lo, uint64_t hi, uint64_t *out,
                  struct err *e)
{
    const struct gguf_kv *kv;
    int64_t v;
    int rc = look_up(g, key, need, &kv, e);
    if (rc || !kv) return rc;
    if (!is_integer((enum gguf_type)kv->type)) return fail_type(g, kv, "an integer", e);
    bool fits = gguf_int_at(kv, 0, &v);
    if (fits && v >= 0 && (uint64_t)v >= lo && (uint64_t)v <= hi) {
        *out = (uint64_t)v;
        return 0;
    }
    return err_set(e, ERR_FIELD_RANGE, "%s: key \"%s\" is %s%" PRIu64 ", expected %" PRIu64 " to %" PRIu64,
                   g->label, key, fits && v < 0 ? "-" : "", fits && v < 0 ? 0 - (uint64_t)v : (uint64_t)v, lo,
                   hi);
}

int gguf_get_float(const struct gguf *g, const char *key, bool need, double *out, struct err *e)
{
    const struct gguf_kv *kv;
    float f;
    double d;
    int rc = look_up(g, key, need, &kv, e);
    if (rc || !kv) return rc;
    if (kv->type == GGUF_F32)
        memcpy(&f, kv->data, sizeof f), d = (double)f;
    else if (kv->type == GGUF_F64)
        memcpy(&d, kv->data, sizeof d);
    else
        return fail_type(g, kv, "f32", e);
    if (!isfinite(d))
        return err_set(e, ERR_FIELD_RANGE, "%s: key \"%s\" is not a finite number", g->label, key);
    *out = d;
    return 0;
}

int gguf_get_bool(const struct gguf *g, const char *key, bool need, bool *out, struct err *e)
{
    const struct gguf_kv *kv;
    int rc = look_up(g, key, need, &kv, e);
    if (rc || !kv) return rc;
    if (kv->type != GGUF_BOOL) return fail_type(g, kv, "bool", e);
    *out = kv->data[0] != 0;
    return 0;
}

int gguf_get_string(const struct gguf *g, const char *key, bool need, const char **out, size_t *len,
                    struct err *e)
{
    const struct gguf_kv *kv;
    int rc = look_up(g, key, need, &kv, e);
    if (rc || !kv) return rc;
    if (kv->type != GGUF_STRING) return fail_type(g, kv, "a string", e);
    const char *s = kv->data + 8;
    size_t n = (size_t)kv->bytes - 8;
    if (!utf8_valid(s, n) || memchr(s, 0, n))
        return err_set(e, ERR_UTF8, "%s: key \"%s\" is not valid UTF-8 without NUL", g->label, key);
    *out = s, *len = n;
    return 0;
}

bool gguf_is(const struct gguf *g, const char *key, const char *text)
{
    const char *s = NULL;
    size_t n = 0;
    return !gguf_get_string(g, key, true, &s, &n, NULL) && n == strlen(text) && !memcmp(s, text, n);
}

int gguf_get_array(const struct gguf *g, const char *key, bool need, enum gguf_type elem,
                   const struct gguf_kv **out, struct err *e)
{
    int rc = look_up(g, key, need, out, e);
    if (rc || !*out) return rc;
    bool fits = elem == GGUF_U32 ? is_integer((enum gguf_type)(*out)->elem) : (*out)->elem == elem;
    if ((*out)->type == GGUF_ARRAY && fits) return 0;
    return fail_type(g, *out, elem == GGUF_U32 ? "an array of integers" : "an array of strings", e);
}

struct gguf_iter gguf_iter(const struct gguf_kv *strings)
{
    return (struct gguf_iter){.at = strings->data, .end = strings->data + strings->bytes, .left = strings->n};
}

/* The lengths are looked at anew: a file that was written to meanwhile must not lead out of the array. */
bool gguf_next(struct gguf_iter *it)
{
    uint64_t len;
    if (!it->left || it->end - it->at < 8) return false;
    memcpy(&len, it->at, sizeof len);
    if (len > (uint64_t)(it->end - it->at) - 8) return false;
    it->text = it->at + 8, it->len = (size_t)len;
    it->at += 8 + len, it->left--;
    return true;
}
