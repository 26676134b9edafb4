#include "checkpoints/safetensors.h"
#include "checkpoints/json.h"
#include "infer/map.h"
#include "infer/size.h"
#include "infer/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PLACE    "%s: tensor \"%.160s\": "
#define AT(f, t) (f)->label, (t)->name
#define META     "__metadata__"

struct safetensors {
    struct map *map;   /* NULL when in memory */
    struct js *header; /* owns every name */
    const struct js *meta;
    const char *data;            /* of the first tensor */
    uint64_t bytes;              /* from data to the end of the file */
    struct tensor *tensors;      /* in the order of the data */
    const struct tensor **named; /* by name */
    size_t n;
    char label[];
};

/* ---- one entry: {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]} -------------------------- */

static int parse_dtype(const struct safetensors *f, struct tensor *t, const struct js *v, struct err *e)
{
    for (int d = 0; d < DTYPE_COUNT; d++)
        if (js_is(v, dtype_name((enum dtype)d))) {
            t->dtype = (enum dtype)d;
            return 0;
        }
    const char *text = js_string(v, NULL);
    return err_set(e, ERR_DTYPE, PLACE "dtype is %s%.32s, expected a name such as \"BF16\"", AT(f, t),
                   text ? "" : js_type_name(js_type(v)), text ? text : "");
}

/* Element count and bytes. A 0 among the sizes does not excuse the others: the verdict on [2^63, 4, 0] must
 * not depend on the order. */
static int count_bytes(const struct safetensors *f, struct tensor *t, uint64_t nonzero, bool empty,
                       struct err *e)
{
    uint64_t bits = dtype_bits(t->dtype), bytes;
    if (ckd_mul(&bytes, nonzero, bits < 8 ? 1 : bits / 8))
        return err_set(e, ERR_OVERFLOW, PLACE "its bytes do not fit 64 bits", AT(f, t));
    if (bits < 8 && !empty && nonzero % (8 / bits))
        return err_set(e, ERR_SUBBYTE, PLACE "%" PRIu64 " elements of %u bits do not fill whole bytes",
                       AT(f, t), nonzero, (unsigned)bits);
    t->bytes = empty ? 0 : bits < 8 ? nonzero / (8 / bits) : bytes;
    return 0;
}

static int parse_shape(const struct safetensors *f, struct tensor *t, const struct js *v, struct err *e)
{
    enum { KEPT = sizeof t->shape / sizeof *t->shape };
    uint64_t nonzero = 1, size;
    bool empty = false;
    if (js_type(v) != JS_ARRAY)
        return err_set(e, ERR_SHAPE_INT, PLACE "shape is %s, expected a list of sizes", AT(f, t),
                       js_type_name(js_type(v)));
    if (js_size(v) > TENSOR_MAX_RANK)
        return err_set(e, ERR_RANK, PLACE "%zu dimensions, at most %d are allowed", AT(f, t), js_size(v),
                       TENSOR_MAX_RANK);
    for (struct js_iter it = {0}; js_next(v, &it);) {
        if (!js_uint(it.value, &size))
            return err_set(e, ERR_SHAPE_INT, PLACE "shape[%zu] is not an integer from 0 to 2^64 - 1",
                           AT(f, t), it.index);
        if (it.index >= KEPT && size != 1)
            return err_set(e, ERR_RANK,
                           PLACE "shape[%zu] is %" PRIu64 ", beyond the first %d only 1 is supported",
                           AT(f, t), it.index, size, KEPT);
        if (ckd_mul(&nonzero, nonzero, size ? size : 1))
            return err_set(e, ERR_OVERFLOW, PLACE "the product of its shape does not fit 64 bits", AT(f, t));
        empty |= size == 0;
        if (it.index < KEPT) t->shape[it.index] = size;
    }
    t->rank = (int)js_size(v);
    return count_bytes(f, t, nonzero, empty, e);
}

static int parse_offsets(const struct safetensors *f, struct tensor *t, const struct js *v, struct err *e)
{
    uint64_t begin, end;
    if (js_size(v) != 2 || !js_uint(js_at(v, 0), &begin) || !js_uint(js_at(v, 1), &end))
        return err_set(e, ERR_OFFSETS, PLACE "data_offsets is not a list of two integers from 0 to 2^64 - 1",
                       AT(f, t));
    if (begin > end)
        return err_set(e, ERR_OFFSETS, PLACE "data_offsets begins at %" PRIu64 " and ends at %" PRIu64,
                       AT(f, t), begin, end);
    if (begin == end && end > f->bytes)
        return err_set(e, ERR_OFFSETS, PLACE "empty, but at offset %" PRIu64 " of %" PRIu64 " bytes",
                       AT(f, t), end, f->bytes);
    if (end > f->bytes)
        return err_set(e, ERR_DATA_PAST_EOF,
                       PLACE "ends at offset %" PRIu64 ", but the data has %" PRIu64 " bytes", AT(f, t), end,
                       f->bytes);
    if (end - begin != t->bytes)
        return err_set(e, ERR_SIZE_MISMATCH,
                       PLACE "data_offsets spans %" PRIu64 " bytes, shape and dtype make %" PRIu64, AT(f, t),
                       end - begin, t->bytes);
    t->data = f->data + begin;
    t->mapped = f->map != NULL;
    return 0;
}

static int check_name(const struct safetensors *f, const struct js_iter *it, struct err *e)
{
    if (it->key_len > SAFETENSORS_MAX_NAME)
        return err_set(e, ERR_NAME_LEN, "%s: the name \"%.40s...\" has %zu bytes, the limit is %d", f->label,
                       it->key, it->key_len, SAFETENSORS_MAX_NAME);
    return 0;
}

static int parse_entry(const struct safetensors *f, struct tensor *t, const struct js_iter *at, struct err *e)
{
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    const struct js *field[3] = {0};
    t->name = at->key;
    int rc = check_name(f, at, e);
    if (rc) return rc;
    if (js_type(at->value) != JS_OBJECT)
        return err_set(e, ERR_FIELD_TYPE, PLACE "%s, expected an object", AT(f, t),
                       js_type_name(js_type(at->value)));
    for (struct js_iter it = {0}; js_next(at->value, &it);) {
        int k = 0;
        while (k < 3 && strcmp(it.key, keys[k])) k++;
        if (k == 3) return err_set(e, ERR_FIELD_UNKNOWN, PLACE "unknown field \"%.80s\"", AT(f, t), it.key);
        field[k] = it.value;
    }
    for (int k = 0; k < 3; k++)
        if (!field[k]) return err_set(e, ERR_FIELD_MISSING, PLACE "no \"%s\"", AT(f, t), keys[k]);
    rc = parse_dtype(f, t, field[0], e);
    if (!rc) rc = parse_shape(f, t, field[1], e);
    return rc ? rc : parse_offsets(f, t, field[2], e);
}

static int check_meta(const struct safetensors *f, struct err *e)
{
    if (js_type(f->meta) != JS_OBJECT)
        return err_set(e, ERR_META_TYPE, "%s: " META " is %s, expected an object", f->label,
                       js_type_name(js_type(f->meta)));
    for (struct js_iter it = {0}; js_next(f->meta, &it);)
        if (!js_string(it.value, NULL))
            return err_set(e, ERR_META_TYPE, "%s: " META " \"%.80s\" is %s, expected a string", f->label,
                           it.key, js_type_name(js_type(it.value)));
    return 0;
}

/* ---- all entries together ---------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    if (x->data != y->data) return (const char *)x->data < (const char *)y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* an empty one before what begins there too */
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct tensor *const *)a)->name, (*(const struct tensor *const *)b)->name);
}

/* Sorts, and sees to it that the tensors fill the data from the first byte to the last. */
static int check_cover(struct safetensors *f, struct err *e)
{
    uint64_t at = 0;
    qsort(f->tensors, f->n, sizeof *f->tensors, by_place);
    for (size_t i = 0; i < f->n; i++) {
        const struct tensor *t = &f->tensors[i];
        uint64_t begin = (uint64_t)((const char *)t->data - f->data);
        if (begin < at)
            return err_set(e, ERR_OVERLAP,
                           PLACE "begins at offset %" PRIu64 ", before \"%.160s\" ends at %" PRIu64, AT(f, t),
                           begin, f->tensors[i - 1].name, at);
        if (begin > at)
            return err_set(e, ERR_HOLE,
                           PLACE "begins at offset %" PRIu64 ", but what is before ends at %" PRIu64,
                           AT(f, t), begin, at);
        at += t->bytes;
    }
    if (at != f->bytes)
        return err_set(e, ERR_TRAILING,
                       "%s: %" PRIu64 " bytes after the last tensor, which ends at offset %" PRIu64, f->label,
                       f->bytes - at, at);
    return 0;
}

static int parse_tensors(struct safetensors *f, struct err *e)
{
    size_t room = js_size(f->header);
    f->tensors = calloc(room ? room : 1, sizeof *f->tensors);
    f->named = calloc(room ? room : 1, sizeof *f->named);
    if (!f->tensors || !f->named)
        return err_set(e, ERR_NOMEM, "no memory for the %zu tensors of %s", room, f->label);
    for (struct js_iter it = {0}; js_next(f->header, &it);) {
        bool is_meta = !strcmp(it.key, META);
        if (is_meta) f->meta = it.value;
        int rc = is_meta ? check_meta(f, e) : parse_entry(f, &f->tensors[f->n++], &it, e);
        if (rc) return rc;
    }
    int rc = check_cover(f, e);
    if (rc) return rc;
    for (size_t i = 0; i < f->n; i++) f->named[i] = &f->tensors[i];
    qsort(f->named, f->n, sizeof *f->named, by_name);
    return 0;
}

/* ---- the header -------------------------------------------------------------------------------------- */

static size_t count_spaces(const char *s, size_t n)
{
    size_t spaces = 0;
    for (size_t i = 0; i < n; i++) spaces += s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r';
    return spaces;
}

/* What can be said cheaply before any of it is parsed. */
static int check_text(const struct safetensors *f, const char *s, size_t n, struct err *e)
{
    if (!utf8_valid(s, n)) return err_set(e, ERR_UTF8, "%s: the header is not valid UTF-8", f->label);
    if (s[0] != '{')
        return strchr("[\"-0123456789tfn", s[0]) && s[0]
                   ? err_set(e, ERR_HDR_NOT_OBJECT, "%s: the header is not a JSON object", f->label)
                   : err_set(e, ERR_HDR_START, "%s: the header starts with byte 0x%02x, expected \"{\"",
                             f->label, (unsigned char)s[0]);
    size_t spaces = n > SAFETENSORS_MAX_SPACES ? count_spaces(s, n) : 0;
    if (spaces > SAFETENSORS_MAX_SPACES && spaces > n / 2)
        return err_set(e, ERR_HDR_SPARSE, "%s: %zu of the header's %zu bytes are spaces", f->label, spaces,
                       n);
    return 0;
}

static int parse_length(const struct safetensors *f, const char *file, uint64_t size, uint64_t *n,
                        struct err *e)
{
    *n = 0;
    if (size < 8)
        return err_set(e, ERR_HDR_SHORT, "%s has %" PRIu64 " bytes, expected at least 8", f->label, size);
    for (int i = 7; i >= 0; i--) *n = *n << 8 | (unsigned char)file[i];
    if (*n == 0)
        return err_set(e, ERR_HDR_EMPTY, "%s: the header has length 0, expected at least 2", f->label);
    if (*n > SAFETENSORS_MAX_HEADER)
        return err_set(e, ERR_HDR_TOO_LARGE, "%s: the header has length %" PRIu64 ", the limit is %d",
                       f->label, *n, SAFETENSORS_MAX_HEADER);
    if (*n > size - 8)
        return err_set(e, ERR_HDR_PAST_EOF,
                       "%s: the header has length %" PRIu64 ", but only %" PRIu64
                       " bytes follow; is the file cut?",
                       f->label, *n, size - 8);
    return 0;
}

static int parse_file(struct safetensors *f, const char *file, uint64_t size, struct err *e)
{
    uint64_t n;
    int rc = parse_length(f, file, size, &n, e);
    if (!rc) rc = check_text(f, file + 8, n, e);
    if (rc) return rc;
    struct js_limits limits = {.bytes = n, .values = SAFETENSORS_MAX_VALUES, .depth = 16};
    rc = js_parse(&f->header, f->label, file + 8, n, &limits, e);
    if (rc) return rc;
    f->data = file + 8 + n;
    f->bytes = size - 8 - n;
    return parse_tensors(f, e);
}

/* ---- the file ---------------------------------------------------------------------------------------- */

static struct safetensors *create(const char *label, struct err *e)
{
    size_t n = strlen(label) + 1;
    struct safetensors *f = calloc(1, sizeof *f + n);
    if (!f) {
        err_set(e, ERR_NOMEM, "no memory to open %s", label);
        return NULL;
    }
    memcpy(f->label, label, n);
    return f;
}

int safetensors_open_memory(struct safetensors **out, const void *file, size_t n, const char *label,
                            struct err *e)
{
    struct safetensors *f = create(label, e);
    *out = NULL;
    if (!f) return ERR_NOMEM;
    int rc = parse_file(f, file, n, e);
    if (rc)
        safetensors_close(f);
    else
        *out = f;
    return rc;
}

int safetensors_open(struct safetensors **out, const char *path, struct err *e)
{
    struct err why = {0};
    struct safetensors *f = create(path, e);
    *out = NULL;
    if (!f) return ERR_NOMEM;
    int rc = map_open(&f->map, path, e);
    if (rc) goto fail;
    rc = parse_file(f, map_data(f->map), map_size(f->map), &why);
    /* a file that is being cut looks malformed: that it is being cut is the better thing to say */
    int changed = map_intact(f->map, e);
    if (rc && !changed) err_set(e, rc, "%s", why.msg);
    if (changed) rc = changed;
    if (rc) goto fail;
    *out = f;
    return 0;
fail:
    safetensors_close(f);
    return rc;
}

void safetensors_close(struct safetensors *f)
{
    if (!f) return;
    js_free(f->header);
    map_close(f->map);
    free(f->named);
    free(f->tensors);
    free(f);
}

int safetensors_intact(const struct safetensors *f, struct err *e)
{
    return f->map ? map_intact(f->map, e) : 0;
}

size_t safetensors_count(const struct safetensors *f)
{
    return f->n;
}

const struct tensor *safetensors_at(const struct safetensors *f, size_t i)
{
    return &f->tensors[i];
}

const struct tensor *safetensors_find(const struct safetensors *f, const char *name)
{
    struct tensor key = {.name = name};
    const struct tensor *at = &key, **hit = bsearch(&at, f->named, f->n, sizeof *f->named, by_name);
    return hit ? *hit : NULL;
}

const char *safetensors_meta(const struct safetensors *f, const char *key)
{
    return js_string(js_get(f->meta, key), NULL);
}

uint64_t safetensors_data_bytes(const struct safetensors *f)
{
    return f->bytes;
}
