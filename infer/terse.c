#include "infer/bundle.h"
#include "infer/terse_private.h"

#include <stdlib.h>
#include <string.h>

const char *terse_version(void)
{
    return TERSE_VERSION;
}

/* ---- errors, and structs that grow --------------------------------------------------------------------- */

_Static_assert(sizeof((struct err *)0)->msg == sizeof((struct terse_error *)0)->message, "copied whole");

int terse_end(struct terse_error *out, const struct err *e, int r)
{
    if (!r || !out) return r;
    out->code = r, out->kind = err_name(r);
    memcpy(out->message, e->msg, sizeof out->message);
    return r;
}

int terse_take(void *to, size_t known, const void *from, const char *what, struct err *e)
{
    size_t size = known;
    memset(to, 0, known);
    if (!from) return 0;
    memcpy(&size, from, sizeof size);
    if (size < sizeof size || size > 1 << 16)
        return err_set(e, ERR_USAGE, "%s: size is %zu, expected sizeof of the struct", what, size);
    for (size_t i = known; i < size; i++)
        if (((const char *)from)[i])
            return err_set(e, ERR_VERSION,
                           "%s: something is set that libterse " TERSE_VERSION " does not know", what);
    memcpy(to, from, size < known ? size : known);
    return 0;
}

void terse_give(void *to, const void *from, size_t known)
{
    size_t size;
    memcpy(&size, to, sizeof size);
    if (size <= sizeof size) return;
    memcpy((char *)to + sizeof size, (const char *)from + sizeof size,
           (size < known ? size : known) - sizeof size);
}

/* ---- models -------------------------------------------------------------------------------------------- */

_Static_assert((int)TERSE_DTYPE_FP32 == LOAD_FP32 && (int)TERSE_DTYPE_W4 == LOAD_W4, "the same numbers");

static int load_options(struct load_options *out, const char *path, const struct terse_model_options *from,
                        struct err *e)
{
    struct terse_model_options o;
    int r = terse_take(&o, sizeof o, from, "terse_model_options", e);
    if (r) return r;
    if (o.dtype >= LOAD_DTYPE_COUNT)
        return err_set(e, ERR_FIELD_RANGE, "dtype is %u, expected at most %d", o.dtype, LOAD_DTYPE_COUNT - 1);
    *out = (struct load_options){
        .model = path,
        .dtype = (enum load_dtype)o.dtype,
        .act8 = o.int8_activations != 0,
        .threads = o.threads,
        .context = o.context,
        .memory = o.memory_limit,
    };
    return path ? 0 : err_set(e, ERR_USAGE, "no path given");
}

/* utf8_stream_feed wants three bytes for each of a token and three more, flush three, and then a zero. */
static uint32_t token_room(const struct tokenizer *t)
{
    size_t longest = 0, n;
    for (int32_t id = 0; id < tokenizer_vocab(t); id++) {
        tokenizer_text(t, id, &n);
        if (n > longest) longest = n;
    }
    return (uint32_t)(3 * longest + 8);
}

static int model_open(struct terse_model **out, const struct load_options *o, struct err *e)
{
    struct terse_model *m = calloc(1, sizeof *m);
    if (!m) return err_set(e, ERR_NOMEM, "no memory for a model");
    int r = load_gguf(&m->l, o, e);
    if (r) {
        free(m);
        return r;
    }
    atomic_store(&m->owners, 1);
    m->bytes = m->l.m->arena.size;
    m->token_room = token_room(m->l.tokenizer);
    m->n_stop = prompt_stops(m->l.tokenizer, m->stop);
    *out = m;
    return 0;
}

int terse_model_open(struct terse_model **out, const char *path, const struct terse_model_options *o,
                     struct terse_error *error)
{
    struct err e = {0};
    struct load_options lo;
    *out = NULL;
    int r = load_options(&lo, path, o, &e);
    if (!r) r = model_open(out, &lo, &e);
    return terse_end(error, &e, r);
}

int terse_model_open_memory(struct terse_model **out, const void *file, size_t bytes,
                            const struct terse_model_options *o, struct terse_error *error)
{
    struct err e = {0};
    struct load_options lo;
    *out = NULL;
    int r = load_options(&lo, "a file in memory", o, &e);
    lo.file = file, lo.file_bytes = bytes;
    if (!r && !file) r = err_set(&e, ERR_USAGE, "no file given");
    if (!r) r = model_open(out, &lo, &e);
    return terse_end(error, &e, r);
}

int terse_model_plan(uint64_t *bytes, const char *path, const struct terse_model_options *o,
                     struct terse_error *error)
{
    struct err e = {0};
    struct load_options lo;
    int r = load_options(&lo, path, o, &e);
    if (!r) r = load_gguf_plan(bytes, &lo, &e);
    return terse_end(error, &e, r);
}

void terse_model_hold(struct terse_model *m)
{
    atomic_fetch_add(&m->owners, 1);
}

void terse_model_close(struct terse_model *m)
{
    if (!m || atomic_fetch_sub(&m->owners, 1) > 1) return;
    loaded_clear(&m->l);
    free(m);
}

void terse_model_get_info(const struct terse_model *m, struct terse_model_info *out)
{
    const struct model_config *c = &m->l.m->c;
    struct terse_model_info info = {
        .parameters = model_config_params(c),
        .bytes = m->bytes,
        .context = m->l.m->context,
        .vocab = c->vocab,
        .layers = c->layers,
        .width = c->width,
        .heads = c->heads,
        .kv_heads = c->kv_heads,
        .head_dim = c->head_dim,
        .threads = pool_threads(m->l.pool),
        .cpu = m->l.m->kern.name,
    };
    terse_give(out, &info, sizeof info);
}

/* ---- adapters ------------------------------------------------------------------------------------------ */

static int adapter_load(struct terse_adapter **out, struct terse_model *m, const char *path, struct err *e)
{
    struct terse_adapter *a = calloc(1, sizeof *a);
    if (!a) return err_set(e, ERR_NOMEM, "no memory for an adapter");
    a->m = m, a->l = m->l;
    int r = path ? load_gguf_adapter(&a->l, path, e) : err_set(e, ERR_USAGE, "no path given");
    if (r) {
        free(a);
        return r;
    }
    atomic_store(&a->owners, 1);
    terse_model_hold(m);
    *out = a;
    return 0;
}

int terse_adapter_load(struct terse_adapter **out, struct terse_model *m, const char *path,
                       struct terse_error *error)
{
    struct err e = {0};
    *out = NULL;
    return terse_end(error, &e, adapter_load(out, m, path, &e));
}

void terse_adapter_hold(struct terse_adapter *a)
{
    atomic_fetch_add(&a->owners, 1);
}

void terse_adapter_free(struct terse_adapter *a)
{
    if (!a || atomic_fetch_sub(&a->owners, 1) > 1) return;
    lora_free(a->l.lora);
    adapter_free(a->l.adapter);
    terse_model_close(a->m);
    free(a);
}

/* ---- bundles ------------------------------------------------------------------------------------------- */

/* The heads are checked against the model with its adapter, and kept by the model. */
static int bundle_heads(struct terse_model *m, const struct terse_adapter *a, const char *path, struct err *e)
{
    struct loaded l = a ? a->l : m->l;
    int r = load_gguf_heads(&l, path, e);
    memcpy(m->l.head, l.head, sizeof l.head);
    return r;
}

static int bundle_load(struct terse_model **m, struct terse_adapter **a, const struct bundle *b,
                       struct load_options *o, const char *folder, struct err *e)
{
    o->model = b->part[BUNDLE_MODEL].path;
    int r = model_open(m, o, e);
    if (!r && *b->part[BUNDLE_ADAPTER].name) r = adapter_load(a, *m, b->part[BUNDLE_ADAPTER].path, e);
    if (!r && *b->part[BUNDLE_HEADS].name) r = bundle_heads(*m, *a, b->part[BUNDLE_HEADS].path, e);
    return r ? r : bundle_check(b, *a ? &(*a)->l : &(*m)->l, folder, e);
}

int terse_bundle_open(struct terse_model **out, struct terse_adapter **adapter, const char *folder,
                      const struct terse_model_options *o, struct terse_error *error)
{
    struct err e = {0};
    struct load_options lo;
    *out = NULL, *adapter = NULL;
    struct bundle *b = malloc(sizeof *b);
    int r = load_options(&lo, folder, o, &e);
    if (!r && !b) r = err_set(&e, ERR_NOMEM, "no memory for a bundle");
    if (!r) r = bundle_open(b, folder, &e);
    if (!r) r = bundle_load(out, adapter, b, &lo, folder, &e);
    if (r) {
        terse_adapter_free(*adapter);
        terse_model_close(*out);
        *out = NULL, *adapter = NULL;
    }
    free(b);
    return terse_end(error, &e, r);
}

/* ---- sampling ------------------------------------------------------------------------------------------ */

void terse_model_sampling(const struct terse_model *m, struct terse_sampling *out)
{
    const struct model_config *c = &m->l.m->c;
    struct terse_sampling s = {.temperature = c->temperature, .top_k = c->top_k, .top_p = c->top_p};
    terse_give(out, &s, sizeof s);
}

int terse_sampler_config(struct sampler_config *out, const struct terse_model *m,
                         const struct terse_sampling *from, struct err *e)
{
    struct terse_sampling s = {.size = sizeof s};
    if (!from) terse_model_sampling(m, &s);
    int r = from ? terse_take(&s, sizeof s, from, "terse_sampling", e) : 0;
    if (!r && s.reserved) r = err_set(e, ERR_VERSION, "terse_sampling: reserved is set, expected 0");
    if (r) return r;
    *out = (struct sampler_config){
        .temperature = s.temperature,
        .top_k = s.top_k,
        .top_p = s.top_p == 0 ? 1 : s.top_p,
        .min_p = s.min_p,
        .repetition_penalty = s.repeat_penalty == 0 ? 1 : s.repeat_penalty,
        .seed = s.seed,
    };
    return sampler_config_check(out, e);
}
