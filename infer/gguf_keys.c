/* The keys of a GGUF file: read, checked, found again. */
#include "infer/gguf_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *list;
    unsigned bytes; /* 0: not a number */
} types[GGUF_TYPES] = {
    [GGUF_U8] = {"u8", "[u8]", 1},
    [GGUF_I8] = {"i8", "[i8]", 1},
    [GGUF_U16] = {"u16", "[u16]", 2},
    [GGUF_I16] = {"i16", "[i16]", 2},
    [GGUF_U32] = {"u32", "[u32]", 4},
    [GGUF_I32] = {"i32", "[i32]", 4},
    [GGUF_F32] = {"f32", "[f32]", 4},
    [GGUF_BOOL] = {"bool", "[bool]", 1},
    [GGUF_STRING] = {"string", "[string]", 0},
    [GGUF_ARRAY] = {"array", "[array]", 0},
    [GGUF_U64] = {"u64", "[u64]", 8},
    [GGUF_I64] = {"i64", "[i64]", 8},
    [GGUF_F64] = {"f64", "[f64]", 8},
};

unsigned gguf_type_bytes(int32_t type)
{
    return type >= 0 && type < GGUF_TYPES ? types[type].bytes : 0;
}

const char *gguf_type_name(const struct gguf_kv *kv)
{
    return kv->type == GGUF_ARRAY ? types[kv->elem].list : types[kv->type].name;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

#define KEY(c, kv) (c)->g->label, (int)((kv)->key_len < 160 ? (kv)->key_len : 160), (kv)->key
#define IN_KEY     "%s: key \"%.*s\": "

static int take_type(struct gguf_cursor *c, const struct gguf_kv *kv, uint8_t *out, const char *what)
{
    uint32_t type;
    int rc = gguf_take_u32(c, &type, "a key's type");
    if (rc) return rc;
    if (type >= GGUF_TYPES)
        return err_set(c->e, ERR_GG_TYPE, IN_KEY "%s %d is none of the %d there are", KEY(c, kv), what,
                       (int32_t)type, GGUF_TYPES);
    *out = (uint8_t)type;
    return 0;
}

static int skip_string(struct gguf_cursor *c, const struct gguf_kv *kv, uint64_t index)
{
    uint64_t len;
    int rc = gguf_take_u64(c, &len, "a string's length");
    if (rc) return rc;
    if (len > gguf_left(c))
        return err_set(c->e, ERR_GG_STRING,
                       IN_KEY "string %" PRIu64 " has %" PRIu64 " bytes, and the file ends %" PRIu64
                              " bytes on",
                       KEY(c, kv), index, len, gguf_left(c));
    c->at += len;
    return 0;
}

static int check_bools(const struct gguf_cursor *c, const struct gguf_kv *kv)
{
    for (uint64_t i = 0; i < kv->n; i++)
        if (kv->data[i] & ~1)
            return err_set(c->e, ERR_GG_TYPE, IN_KEY "boolean %" PRIu64 " is %u, expected 0 or 1", KEY(c, kv),
                           i, (unsigned char)kv->data[i]);
    return 0;
}

/* Steps over kv->n elements. */
static int skip_elements(struct gguf_cursor *c, const struct gguf_kv *kv)
{
    uint64_t size = gguf_type_bytes(kv->elem), least = size ? size : 8;
    int rc = 0;
    if (kv->n > gguf_left(c) / least) {
        if (kv->type != GGUF_ARRAY)
            return err_set(c->e, ERR_DATA_PAST_EOF, IN_KEY "the file ends inside its value", KEY(c, kv));
        return err_set(c->e, ERR_GG_ARRAY,
                       IN_KEY "%" PRIu64 " elements of %s, and the file ends %" PRIu64 " bytes on",
                       KEY(c, kv), kv->n, types[kv->elem].name, gguf_left(c));
    }
    if (size) c->at += kv->n * size;
    for (uint64_t i = 0; !rc && !size && i < kv->n; i++) rc = skip_string(c, kv, i);
    return rc || kv->elem != GGUF_BOOL ? rc : check_bools(c, kv);
}

static int take_value(struct gguf_cursor *c, struct gguf_kv *kv)
{
    int rc = take_type(c, kv, &kv->type, "type");
    kv->elem = kv->type, kv->n = 1;
    if (!rc && kv->type == GGUF_ARRAY) {
        rc = take_type(c, kv, &kv->elem, "element type");
        if (!rc && kv->elem == GGUF_ARRAY)
            rc = err_set(c->e, ERR_DEPTH, IN_KEY "an array of arrays, which no reader takes", KEY(c, kv));
        if (!rc) rc = gguf_take_u64(c, &kv->n, "an array's length");
    }
    if (rc) return rc;
    kv->data = c->at;
    rc = skip_elements(c, kv);
    kv->bytes = (uint64_t)(c->at - kv->data);
    return rc;
}

static int take_key(struct gguf_cursor *c, struct gguf_kv *kv, uint64_t index)
{
    uint64_t len;
    int rc = gguf_take_name(c, &kv->key, &len, "the name of key", index);
    if (rc) return rc;
    if (len == 0 || len > GGUF_MAX_KEY)
        return err_set(c->e, ERR_GG_KEY,
                       "%s: the name of key %" PRIu64 " has %" PRIu64 " bytes, expected 1 to %d", c->g->label,
                       index, len, GGUF_MAX_KEY);
    kv->key_len = (uint32_t)len;
    return take_value(c, kv);
}

/* ---- finding ------------------------------------------------------------------------------------------- */

static int compare_texts(const char *a, size_t na, const char *b, size_t nb)
{
    int d = memcmp(a, b, na < nb ? na : nb);
    return d ? d : (na > nb) - (na < nb);
}

static int by_key(const void *a, const void *b)
{
    const struct gguf_kv *x = *(const struct gguf_kv *const *)a, *y = *(const struct gguf_kv *const *)b;
    return compare_texts(x->key, x->key_len, y->key, y->key_len);
}

static int sort_keys(struct gguf *g, const struct gguf_cursor *c)
{
    for (size_t i = 0; i < g->keys; i++) g->by_key[i] = &g->kv[i];
    qsort(g->by_key, g->keys, sizeof *g->by_key, by_key);
    for (size_t i = 1; i < g->keys; i++)
        if (by_key(&g->by_key[i - 1], &g->by_key[i]) == 0)
            return err_set(c->e, ERR_DUP_KEY, "%s: key \"%.*s\" is given twice", KEY(c, g->by_key[i]));
    return 0;
}

const struct gguf_kv *gguf_key(const struct gguf *g, const char *key)
{
    size_t len = strlen(key), lo = 0, hi = g->keys;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct gguf_kv *kv = g->by_key[mid];
        int d = compare_texts(key, len, kv->key, kv->key_len);
        if (d == 0) return kv;
        if (d < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

size_t gguf_keys(const struct gguf *g)
{
    return g->keys;
}

const struct gguf_kv *gguf_key_at(const struct gguf *g, size_t i)
{
    return &g->kv[i];
}

/* ---- keys that say how to read the rest ---------------------------------------------------------------- */

static int read_alignment(struct gguf *g, const struct gguf_cursor *c)
{
    enum { LEAST = 8, MOST = 1 << 16 };
    const struct gguf_kv *kv = gguf_key(g, "general.alignment");
    uint32_t a = GGUF_ALIGNMENT;
    if (kv && kv->type != GGUF_U32)
        return err_set(c->e, ERR_GG_ALIGN, IN_KEY "it is %s, expected u32", KEY(c, kv), gguf_type_name(kv));
    if (kv) memcpy(&a, kv->data, sizeof a);
    if (a < LEAST || a > MOST || a & (a - 1))
        return err_set(c->e, ERR_GG_ALIGN, IN_KEY "%u, expected a power of two from %d to %d", KEY(c, kv), a,
                       LEAST, MOST);
    g->alignment = a;
    return 0;
}

static int check_split(const struct gguf *g, struct err *e)
{
    uint64_t count = 1, no = 0;
    int rc = gguf_get_uint(g, "split.count", false, 0, 65535, &count, e);
    if (!rc) rc = gguf_get_uint(g, "split.no", false, 0, count ? count - 1 : 0, &no, e);
    if (rc || count < 2) return rc;
    return err_set(e, ERR_GG_SPLIT,
                   "%s is part %" PRIu64 " of a model split over %" PRIu64
                   " files; join them first: llama-gguf-split --merge FIRST_PART WHOLE",
                   g->label, no + 1, count);
}

int gguf_parse_keys(struct gguf *g, struct gguf_cursor *c, uint64_t n)
{
    g->kv = calloc(n + 1, sizeof *g->kv);
    g->by_key = calloc(n + 1, sizeof *g->by_key);
    if (!g->kv || !g->by_key)
        return err_set(c->e, ERR_NOMEM, "no memory for the %" PRIu64 " keys of %s", n, g->label);
    int rc = 0;
    for (; !rc && g->keys < n; g->keys += !rc) rc = take_key(c, &g->kv[g->keys], g->keys);
    if (!rc) rc = sort_keys(g, c);
    if (!rc) rc = read_alignment(g, c);
    return rc ? rc : check_split(g, c->e);
}
