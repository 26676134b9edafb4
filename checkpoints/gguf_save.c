#include "checkpoints/gguf_keys.h"
#include "checkpoints/hf_tokenizer.h"
#include "infer/gguf_adapter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the list of tensors ------------------------------------------------------------------------------- */

static enum dtype type_of(enum param p, uint64_t cols, const struct gguf_model_options *o)
{
    if (!params[p].cols) return DTYPE_F32; /* as llama.cpp wants vectors */
    enum dtype t = p == P_EMBED || p == P_HEAD ? o->head : o->matrices;
    return cols % dtype_block(t) ? DTYPE_BF16 : t;
}

enum { NAME = 96 };
struct listed {
    struct tensor t;
    uint32_t slot;
    char name[NAME];
};

/* The embedding stands before the layers, the rest after them. list: params_slots(c) entries. */
static size_t list_tensors(struct listed *list, const struct model_config *c,
                           const struct gguf_model_options *o)
{
    uint32_t slots = params_slots(c), embed = params_slot(c, P_EMBED, 0), layer;
    size_t n = 0;
    for (uint32_t i = 0; i < slots; i++) {
        uint32_t slot = i == 0 ? embed : i <= embed ? i - 1 : i;
        enum param p = params_of_slot(c, slot, &layer);
        uint64_t rows, cols;
        if (!params_has(c, p)) continue;
        params_shape(c, p, &rows, &cols);
        struct listed *l = &list[n++];
        enum dtype t = type_of(p, cols, o);
        l->slot = slot;
        params_name_as(c, PARAMS_GGUF, slot, l->name, sizeof l->name);
        l->t = (struct tensor){.name = l->name,
                               .dtype = t,
                               .rank = params[p].cols ? 2 : 1,
                               .shape = {rows, params[p].cols ? cols : 0},
                               .bytes = rows * cols / dtype_block(t) * dtype_block_bytes(t)};
    }
    return n;
}

uint64_t gguf_model_bytes(const struct model_config *c, const struct gguf_model_options *o)
{
    struct listed *list = calloc(params_slots(c), sizeof *list);
    uint64_t bytes = 0;
    size_t n = list ? list_tensors(list, c, o) : 0;
    for (size_t i = 0; i < n; i++) bytes += list[i].t.bytes;
    free(list);
    return bytes;
}

/* ---- filling them -------------------------------------------------------------------------------------- */

enum { UNIT_ROWS = 16 };

struct job {
    const struct model_rows *source;
    const struct gguf_model_options *o;
    const struct listed *list;
    struct tensor *tensors; /* the same, as gguf_save takes them */
    struct pool *pool;
    float *scratch; /* [threads][2][widest] */
    uint64_t widest, done, total;
    struct gguf_saved now;
    /* of the call of `fill` that runs */
    const struct listed *at;
    uint64_t first, n;
    char *dst;
    struct unit {
        struct quant_error error;
        struct err why;
    } * units;
};

static uint64_t columns(const struct listed *l)
{
    return l->t.rank > 1 ? l->t.shape[1] : l->t.shape[0];
}

/* Is it that type on disk, with nothing to be added? W4 is Q4_0 too. */
static bool is_copy(const struct job *j, const struct listed *l)
{
    const struct tensor *was = j->source->base->bound[l->slot];
    bool same = was->dtype == l->t.dtype || (was->dtype == DTYPE_W4 && l->t.dtype == DTYPE_Q4_0);
    return same && !model_row_adapted(j->source, l->slot);
}

static void row_fetch(const struct job *j, const struct listed *l, uint64_t r, uint64_t cols, float *row)
{
    if (l->t.rank > 1)
        model_row(j->source, l->slot, r, row);
    else
        tensor_row(j->source->base->bound[l->slot], 0, cols, row); /* a vector is one row here */
}

static void row_save(const struct job *j, struct unit *u, uint64_t r, char *out, float *row, float *back)
{
    const struct listed *l = j->at;
    uint64_t cols = columns(l), bytes = cols / dtype_block(l->t.dtype) * dtype_block_bytes(l->t.dtype);
    const struct tensor written = {.dtype = l->t.dtype, .data = out};
    if (is_copy(j, l)) {
        memcpy(out, (const char *)j->source->base->bound[l->slot]->data + r * bytes, bytes);
        return;
    }
    row_fetch(j, l, r, cols, row);
    if (model_row_adapted(j->source, l->slot)) model_row_check(j->source, l->slot, r, row, &u->why);
    quant_row(l->t.dtype, j->o->method, row, cols, out);
    tensor_row(&written, 0, cols, back);
    quant_error_row(&u->error, row, back, cols);
}

static void unit_run(void *ctx, int64_t unit, unsigned thread)
{
    struct job *j = ctx;
    float *row = j->scratch + 2 * j->widest * thread, *back = row + j->widest;
    uint64_t cols = columns(j->at),
             bytes = cols / dtype_block(j->at->t.dtype) * dtype_block_bytes(j->at->t.dtype);
    uint64_t begin = (uint64_t)unit * UNIT_ROWS, end = begin + UNIT_ROWS < j->n ? begin + UNIT_ROWS : j->n;
    for (uint64_t r = begin; r < end; r++)
        row_save(j, &j->units[unit], j->first + r, j->dst + r * bytes, row, back);
}

static void begin_tensor(struct job *j, const struct listed *l)
{
    const struct tensor *was = j->source->base->bound[l->slot];
    j->now = (struct gguf_saved){.name = l->name,
                                 .from = was->dtype,
                                 .to = l->t.dtype,
                                 .rows = l->t.shape[0],
                                 .cols = l->t.rank > 1 ? l->t.shape[1] : 1,
                                 .bytes_from = was->bytes,
                                 .bytes_to = l->t.bytes};
}

static int fill(void *ctx, size_t i, uint64_t first, uint64_t n, void *dst, struct err *e)
{
    struct job *j = ctx;
    uint64_t units = (n + UNIT_ROWS - 1) / UNIT_ROWS,
             rows = j->list[i].t.rank > 1 ? j->list[i].t.shape[0] : 1;
    int rc = 0;
    if (first == 0) begin_tensor(j, &j->list[i]);
    j->at = &j->list[i], j->first = first, j->n = n, j->dst = dst;
    j->units = calloc(units, sizeof *j->units);
    if (!j->units) return err_set(e, ERR_NOMEM, "no memory for a chunk of %s", j->at->name);
    pool_for(j->pool, (int64_t)units, unit_run, j);
    for (uint64_t u = 0; u < units; u++) {
        quant_error_add(&j->now.error, &j->units[u].error);
        if (!rc && j->units[u].why.code) rc = err_set(e, j->units[u].why.code, "%s", j->units[u].why.msg);
    }
    free(j->units);
    j->done += j->list[i].t.bytes / rows * n;
    if (!rc && j->o->tick && j->o->tick(j->o->ctx, j->done, j->total))
        rc = err_set(e, ERR_INTERRUPTED, "interrupted; nothing was written");
    if (!rc && first + n == rows && j->o->saved) j->o->saved(j->o->ctx, &j->now);
    return rc;
}

/* ---- the model ----------------------------------------------------------------------------------------- */

static int job_prepare(struct job *j, size_t *n, struct err *e)
{
    const struct model_config *c = &j->source->base->config;
    struct listed *list = calloc(params_slots(c), sizeof *list);
    j->list = list;
    j->tensors = calloc(params_slots(c), sizeof *j->tensors);
    if (!list || !j->tensors)
        return err_set(e, ERR_NOMEM, "no memory for a list of %u tensors", params_slots(c));
    *n = list_tensors(list, c, j->o);
    for (size_t i = 0; i < *n; i++) {
        j->tensors[i] = list[i].t;
        j->total += list[i].t.bytes;
        if (columns(&list[i]) > j->widest) j->widest = columns(&list[i]);
    }
    j->scratch = malloc(2 * j->widest * pool_threads(j->pool) * sizeof *j->scratch);
    return j->scratch ? 0
                      : err_set(e, ERR_NOMEM, "no memory for rows of %llu", (unsigned long long)j->widest);
}

/* In a file of W4, what is Q4_0 is W4. */
static int check_types(const struct gguf_model_options *o, struct err *e)
{
    bool w4 = o->matrices == DTYPE_W4 || o->head == DTYPE_W4,
         q4 = o->matrices == DTYPE_Q4_0 || o->head == DTYPE_Q4_0;
    if (!w4 || !q4) return 0;
    return err_set(e, ERR_CFG_CONFLICT, "W4 and Q4_0 do not go into one file: both are Q4_0 there");
}

int gguf_model_save(const char *path, const struct model_rows *source, const struct tokenizer *t,
                    const char *chat_template, size_t n, const struct gguf_model_options *o,
                    struct pool *pool, struct err *e)
{
    struct job j = {.source = source, .o = o, .pool = pool};
    struct gguf_keys k = {0};
    char base[SHA256_HEX] = "", tokenizer[SHA256_HEX];
    size_t tensors = 0;
    int rc = check_types(o, e);
    if (!rc) rc = job_prepare(&j, &tensors, e);
    if (!rc && !source->a) rc = base_digest(source->base, base, e); /* merged, it is another model */
    if (!rc) rc = tokenizer_digest(t, tokenizer, e);
    if (!rc) {
        gguf_keys_model(&k, source->base, t, o, base, tokenizer);
        gguf_keys_tokenizer(&k, &source->base->config, t, chat_template, n);
        rc = gguf_save(path, &k, j.tensors, tensors, fill, &j, e);
    }
    if (!rc) rc = base_intact(source->base, e);
    gguf_keys_free(&k);
    free(j.scratch);
    free(j.tensors);
    free((void *)j.list);
    return rc;
}

/* ---- an adapter ---------------------------------------------------------------------------------------- */

struct adapter_job {
    const struct adapter *a;
    struct tensor *t;              /* [n] */
    const struct adapter_slot *at; /* [n] */
    enum dtype dtype;
};

static int fill_adapter(void *ctx, size_t i, uint64_t first, uint64_t n, void *dst, struct err *e)
{
    const struct adapter_job *j = ctx;
    struct adapter_slot s = j->at[i];
    uint64_t cols = j->t[i].shape[1];
    const float *w =
        j->a->weights + first * cols +
        (s.is_b ? adapter_offset_b(j->a, s.layer, s.target) : adapter_offset_a(j->a, s.layer, s.target));
    for (uint64_t k = 0; k < n * cols; k++) {
        int rc = adapter_weight_check(w[k], j->t[i].name, first * cols + k, e);
        if (rc) return rc;
    }
    quant_row(j->dtype, QUANT_RTN, w, n * cols, dst);
    return 0;
}

static size_t list_adapter(struct tensor *t, struct adapter_slot *at, char (*names)[ADAPTER_NAME],
                           const struct adapter *a, enum dtype dtype)
{
    size_t n = 0;
    for (size_t i = 0; i < adapter_slots(&a->model); i++) {
        struct adapter_slot s = adapter_slot_at(i);
        uint64_t in, out;
        if (!(a->cfg.targets >> s.target & 1)) continue;
        adapter_shape(&a->model, s.target, &in, &out);
        gguf_adapter_naming.write(names[n], s);
        uint64_t rows = s.is_b ? out : a->cfg.rank, cols = s.is_b ? a->cfg.rank : in;
        t[n] = (struct tensor){.name = names[n],
                               .dtype = dtype,
                               .rank = 2,
                               .shape = {rows, cols},
                               .bytes = rows * cols * dtype_block_bytes(dtype)};
        at[n++] = s;
    }
    return n;
}

int gguf_adapter_save(const char *path, const struct adapter *a, const struct adapter_info *info,
                      enum dtype dtype, struct err *e)
{
    size_t slots = adapter_slots(&a->model);
    struct tensor *t = calloc(slots, sizeof *t);
    struct adapter_slot *at = calloc(slots, sizeof *at);
    char(*names)[ADAPTER_NAME] = calloc(slots, sizeof *names);
    struct adapter_job j = {a, t, at, dtype};
    struct gguf_keys k = {0};
    int rc = 0;
    if (info->n_invocation && a->cfg.gate != GATE_ASSISTANT)
        rc = err_set(e, ERR_CFG_CONFLICT, "invocation tokens were given for an adapter whose gate is %s",
                     lora_gate_names[a->cfg.gate]);
    else if (!t || !at || !names)
        rc = err_set(e, ERR_NOMEM, "no memory for the %zu tensors of %s", slots, path);
    if (!rc) {
        gguf_keys_adapter(&k, a, info);
        rc = gguf_save(path, &k, t, list_adapter(t, at, names, a, dtype), fill_adapter, &j, e);
    }
    gguf_keys_free(&k);
    free(names);
    free(at);
    free(t);
    return rc;
}
