/* The tensors of a GGUF file: described, placed, found again. */
#include "infer/gguf_private.h"
#include "infer/size.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PLACE    "%s: tensor \"%s\": "
#define AT(c, t) (c)->g->label, (t)->name

/* ggml's types by number. `dtype` is -1 where we cannot read one, `name` NULL where there is none (any more).
 */
static const struct {
    const char *name;
    int dtype;
} ggml_types[] = {
    {"F32", DTYPE_F32},   {"F16", DTYPE_F16}, {"Q4_0", DTYPE_Q4_0}, {"Q4_1", -1},         {NULL, -1},
    {NULL, -1},           {"Q5_0", -1},       {"Q5_1", -1},         {"Q8_0", DTYPE_Q8_0}, {"Q8_1", -1},
    {"Q2_K", -1},         {"Q3_K", -1},       {"Q4_K", -1},         {"Q5_K", -1},         {"Q6_K", -1},
    {"Q8_K", -1},         {"IQ2_XXS", -1},    {"IQ2_XS", -1},       {"IQ3_XXS", -1},      {"IQ1_S", -1},
    {"IQ4_NL", -1},       {"IQ3_S", -1},      {"IQ2_S", -1},        {"IQ4_XS", -1},       {"I8", DTYPE_I8},
    {"I16", DTYPE_I16},   {"I32", DTYPE_I32}, {"I64", DTYPE_I64},   {"F64", DTYPE_F64},   {"IQ1_M", -1},
    {"BF16", DTYPE_BF16}, {NULL, -1},         {NULL, -1},           {NULL, -1},           {"TQ1_0", -1},
    {"TQ2_0", -1},        {NULL, -1},         {NULL, -1},           {NULL, -1},           {"MXFP4", -1},
    {"NVFP4", -1},        {"Q1_0", -1},
};
enum { GGML_TYPES = sizeof ggml_types / sizeof *ggml_types, MAX_DIMS = 4 };

int gguf_ggml_type(enum dtype t)
{
    if (t == DTYPE_W4) t = DTYPE_Q4_0;
    for (int i = 0; i < GGML_TYPES; i++)
        if (ggml_types[i].dtype == (int)t) return i;
    return -1;
}

/* ---- one description ----------------------------------------------------------------------------------- */

static int take_tensor_name(struct gguf *g, struct gguf_cursor *c, struct tensor *t)
{
    const char *name;
    uint64_t len;
    int rc = gguf_take_name(c, &name, &len, "the name of tensor", g->n);
    if (rc) return rc;
    if (len == 0 || len > GGUF_MAX_NAME)
        return err_set(c->e, ERR_NAME_LEN,
                       "%s: the name of tensor %zu has %" PRIu64 " bytes, expected 1 to %d", g->label, g->n,
                       len, GGUF_MAX_NAME);
    memcpy(g->names[g->n], name, len);
    t->name = g->names[g->n];
    return 0;
}

/* Sizes come fastest first. Their product without the zeros must fit int64_t, whatever their order. */
static int take_shape(struct gguf_cursor *c, struct tensor *t, uint64_t *nonzero)
{
    uint32_t rank;
    int rc = gguf_take_u32(c, &rank, "a tensor's dimensions");
    if (rc) return rc;
    if (rank < 1 || rank > MAX_DIMS)
        return err_set(c->e, ERR_RANK, PLACE "%u dimensions, expected 1 to %d", AT(c, t), rank, MAX_DIMS);
    t->rank = (int)rank, *nonzero = 1;
    for (uint32_t i = 0; i < rank; i++) {
        uint64_t size;
        if ((rc = gguf_take_u64(c, &size, "a tensor's dimensions"))) return rc;
        if (size > INT64_MAX)
            return err_set(c->e, ERR_SHAPE_INT, PLACE "dimension %u is %" PRId64 ", expected 0 or more",
                           AT(c, t), i, (int64_t)size);
        t->shape[rank - 1 - i] = size;
        if (ckd_mul(nonzero, *nonzero, size ? size : 1) || *nonzero > INT64_MAX)
            return err_set(c->e, ERR_OVERFLOW, PLACE "the product of its dimensions does not fit 63 bits",
                           AT(c, t));
    }
    return 0;
}

static int take_dtype(struct gguf_cursor *c, struct tensor *t)
{
    uint32_t type;
    int rc = gguf_take_u32(c, &type, "a tensor's type");
    if (rc) return rc;
    if (type >= GGML_TYPES || !ggml_types[type].name)
        return err_set(c->e, ERR_DTYPE, PLACE "type %d is none of ggml's", AT(c, t), (int32_t)type);
    if (ggml_types[type].dtype < 0)
        return err_set(c->e, ERR_DTYPE,
                       PLACE
                       "it is %s; terse reads F32, F16, BF16, Q8_0 and Q4_0. Quantise the original model: "
                       "terse quantize -t q4_0, or llama-quantize --pure with Q4_0 or Q8_0",
                       AT(c, t), ggml_types[type].name);
    t->dtype = (enum dtype)ggml_types[type].dtype;
    return 0;
}

static int count_bytes(const struct gguf_cursor *c, struct tensor *t, uint64_t nonzero)
{
    uint64_t row = t->shape[t->rank - 1], block = dtype_block(t->dtype), bytes;
    bool empty = false;
    for (int i = 0; i < t->rank; i++) empty |= t->shape[i] == 0;
    if (row % block)
        return err_set(c->e, ERR_GG_BLOCK,
                       PLACE "rows of %" PRIu64 " elements, but %s comes in blocks of %" PRIu64, AT(c, t),
                       row, dtype_name(t->dtype), block);
    if (ckd_mul(&bytes, nonzero / block, dtype_block_bytes(t->dtype)) || bytes > INT64_MAX)
        return err_set(c->e, ERR_OVERFLOW, PLACE "its bytes do not fit 63 bits", AT(c, t));
    t->bytes = empty ? 0 : bytes;
    return 0;
}

/* Where the next tensor begins, from the start of the data: the reference reader takes no other order. */
static int take_offset(struct gguf_cursor *c, struct tensor *t, uint64_t *next)
{
    const struct gguf *g = c->g;
    uint64_t offset, end;
    int rc = gguf_take_u64(c, &offset, "a tensor's offset");
    if (rc) return rc;
    if (offset % g->alignment)
        return err_set(c->e, ERR_OFFSETS, PLACE "offset %" PRIu64 " is no multiple of the alignment %u",
                       AT(c, t), offset, g->alignment);
    if (offset < *next)
        return err_set(c->e, ERR_OVERLAP, PLACE "offset %" PRIu64 ", but what is before ends at %" PRIu64,
                       AT(c, t), offset, *next);
    if (offset > *next)
        return err_set(c->e, ERR_HOLE, PLACE "offset %" PRIu64 ", but what is before ends at %" PRIu64,
                       AT(c, t), offset, *next);
    if (ckd_add(&end, offset, t->bytes) || ckd_add(&end, end, g->alignment - 1) || end > INT64_MAX)
        return err_set(c->e, ERR_OVERFLOW, PLACE "%" PRIu64 " bytes at offset %" PRIu64 " do not fit 63 bits",
                       AT(c, t), t->bytes, offset);
    *next = end & ~(uint64_t)(g->alignment - 1);
    return 0;
}

/* ---- all of them together ------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct tensor *const *)a)->name, (*(const struct tensor *const *)b)->name);
}

static int sort_names(struct gguf *g, struct err *e)
{
    for (size_t i = 0; i < g->n; i++) g->by_name[i] = &g->tensors[i];
    qsort(g->by_name, g->n, sizeof *g->by_name, by_name);
    for (size_t i = 1; i < g->n; i++)
        if (!strcmp(g->by_name[i - 1]->name, g->by_name[i]->name))
            return err_set(e, ERR_DUP_TENSOR, "%s: tensor \"%s\" is given twice", g->label,
                           g->by_name[i]->name);
    return 0;
}

/* The header ends at `header`; the data begin at the next multiple of the alignment. The last tensor's
 * padding may be missing. */
static int place_data(struct gguf *g, uint64_t header, struct err *e)
{
    uint64_t begin = round_up(header, g->alignment), room = begin < g->size ? g->size - begin : 0, at = 0;
    for (size_t i = 0; i < g->n; i++) {
        struct tensor *t = &g->tensors[i];
        if (t->bytes > room || at > room - t->bytes)
            return err_set(e, ERR_DATA_PAST_EOF,
                           "%s: tensor \"%s\": %" PRIu64 " bytes at offset %" PRIu64
                           ", but the data has %" PRIu64,
                           g->label, t->name, t->bytes, at, room);
        t->data = t->bytes ? g->file + begin + at : NULL;
        t->mapped = g->map != NULL;
        at = round_up(at + t->bytes, g->alignment);
    }
    if (room <= at) return 0;
    return err_set(e, ERR_TRAILING, "%s: %" PRIu64 " bytes after the last tensor", g->label, room - at);
}

int gguf_parse_tensors(struct gguf *g, struct gguf_cursor *c, uint64_t n)
{
    uint64_t next = 0, nonzero = 1;
    int rc = 0;
    g->tensors = calloc(n + 1, sizeof *g->tensors);
    g->by_name = calloc(n + 1, sizeof *g->by_name);
    g->names = calloc(n + 1, sizeof *g->names);
    if (!g->tensors || !g->by_name || !g->names)
        return err_set(c->e, ERR_NOMEM, "no memory for the %" PRIu64 " tensors of %s", n, g->label);
    for (; !rc && g->n < n; g->n += !rc) {
        struct tensor *t = &g->tensors[g->n];
        rc = take_tensor_name(g, c, t);
        if (!rc) rc = take_shape(c, t, &nonzero);
        if (!rc) rc = take_dtype(c, t);
        if (!rc) rc = count_bytes(c, t, nonzero);
        if (!rc) rc = take_offset(c, t, &next);
    }
    if (!rc) rc = sort_names(g, c->e);
    return rc ? rc : place_data(g, (uint64_t)(c->at - g->file), c->e);
}

size_t gguf_count(const struct gguf *g)
{
    return g->n;
}

const struct tensor *gguf_at(const struct gguf *g, size_t i)
{
    return &g->tensors[i];
}

const struct tensor *gguf_find(const struct gguf *g, const char *name)
{
    const struct tensor key = {.name = name}, *k = &key;
    const struct tensor **t = bsearch(&k, g->by_name, g->n, sizeof *g->by_name, by_name);
    return t ? *t : NULL;
}
