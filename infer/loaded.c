#include "infer/loaded.h"
#include "infer/gguf_adapter.h"
#include "infer/gguf_head.h"

#include <string.h>
#include <sys/stat.h>

enum weight_type load_weight_type(enum load_dtype t, enum dtype own)
{
    static const enum weight_type types[] = {
        [LOAD_BF16] = WT_BF16, [LOAD_FP32] = WT_F32, [LOAD_Q8_0] = WT_Q8_0,
        [LOAD_Q4_0] = WT_Q4_0, [LOAD_W4] = WT_W4,
    };
    if (t == LOAD_AUTO) return own == DTYPE_F32 ? WT_F32 : WT_BF16;
    return types[t];
}

static uint32_t context_of(const struct model_config *c, const struct load_options *o)
{
    return o->context < c->max_positions ? o->context : 0;
}

int loaded_weights(struct loaded *l, const struct model_config *c, const struct tensor *const *bound,
                   enum dtype own, const struct load_options *o, struct err *e)
{
    enum weight_type type = load_weight_type(o->dtype, own);
    uint64_t bytes = model_plan(c, type, context_of(c, o), bound);
    if (o->memory && bytes > o->memory)
        return err_set(e, ERR_PREFLIGHT_MEM, "the weights take %.1f MiB, the limit is %.1f MiB",
                       (double)bytes / (1 << 20), (double)o->memory / (1 << 20));
    int r = model_create(&l->m, c, type, context_of(c, o), bound, l->pool, cpu_detect(), e);
    return !r && o->act8 ? model_use_act8(l->m, e) : r;
}

/* Who has a folder has the workstation's program too. */
static int check_file(const char *path, const char *how, struct err *e)
{
    struct stat st;
    if (stat(path, &st) || !S_ISDIR(st.st_mode)) return 0;
    return err_set(e, ERR_NOT_REGULAR, "%s is a folder, expected a GGUF file; make one with: %s", path, how);
}

static int take_base(struct loaded *l, const struct gguf_model *g, const struct load_options *o,
                     struct err *e)
{
    int r = gguf_tokenizer(&l->tokenizer, g->file, e);
    if (!r) r = loaded_weights(l, &g->config, g->bound, g->dtype, o, e);
    if (!r) r = gguf_model_intact(g, e);
    memcpy(l->digest_base, g->base, sizeof g->base);
    memcpy(l->digest_tokenizer, g->tokenizer, sizeof g->tokenizer);
    return r;
}

static int open_base(struct gguf_model **g, const struct load_options *o, struct err *e)
{
    if (o->file) return gguf_model_open_memory(g, o->file, o->file_bytes, o->model, e);
    int r = check_file(o->model, "terse export --gguf -m FOLDER -o FILE.gguf", e);
    return r ? r : gguf_model_open(g, o->model, e);
}

static int load_base(struct loaded *l, const struct load_options *o, struct err *e)
{
    struct gguf_model *g;
    int r = open_base(&g, o, e);
    if (r) return r;
    r = take_base(l, g, o, e);
    gguf_model_close(g);
    return r;
}

int load_gguf_plan(uint64_t *bytes, const struct load_options *o, struct err *e)
{
    struct gguf_model *g;
    int r = open_base(&g, o, e);
    if (r) return r;
    *bytes =
        model_plan(&g->config, load_weight_type(o->dtype, g->dtype), context_of(&g->config, o), g->bound);
    gguf_model_close(g);
    return 0;
}

static const char *known(const char *digest)
{
    return *digest ? digest : NULL;
}

int load_gguf_adapter(struct loaded *l, const char *path, struct err *e)
{
    struct adapter *a;
    struct adapter_info info;
    bool cold;
    struct adapter_expect expect = {known(l->digest_base), known(l->digest_tokenizer), false};
    int r = check_file(path, "terse export --gguf --no-base -m BASE ADAPTER -o FILE.gguf", e);
    if (!r) r = gguf_adapter_load(&a, &info, &cold, path, &l->m->c, &expect, e);
    if (r) return r;
    r = lora_create(&l->lora, l->m, a, e);
    if (r) {
        adapter_free(a);
        return r;
    }
    adapter_drop_weights(a);
    l->adapter = a, l->info = info, l->cold = cold;
    return 0;
}

int loaded_heads_check(const struct loaded *l, const char *base, const char *tokenizer, const char *path,
                       struct err *e)
{
    struct head_expect x = {&l->m->c, base, tokenizer, l->info.self};
    int r = 0;
    /* of an adapter that does not say who it is nothing is known; where there is none, that is */
    if (l->adapter && !*l->info.self) x.adapter = NULL;
    for (int t = 0; !r && t < HEAD_TASKS; t++)
        if (l->head[t]) r = head_check(l->head[t], &x, path, e);
    return r;
}

void loaded_heads_take(struct loaded *l, struct head *more[HEAD_TASKS])
{
    for (int t = 0; t < HEAD_TASKS; t++) {
        if (!more[t]) continue;
        head_free(l->head[t]);
        l->head[t] = more[t];
    }
}

int load_gguf_heads(struct loaded *l, const char *path, struct err *e)
{
    struct head *more[HEAD_TASKS];
    int r = gguf_heads_load(more, path, e);
    if (r) return r;
    loaded_heads_take(l, more);
    return loaded_heads_check(l, known(l->digest_base), known(l->digest_tokenizer), path, e);
}

int load_gguf(struct loaded *l, const struct load_options *o, struct err *e)
{
    memset(l, 0, sizeof *l);
    int r = pool_create(&l->pool, o->threads, e);
    if (!r) r = load_base(l, o, e);
    if (!r && o->adapter) r = load_gguf_adapter(l, o->adapter, e);
    for (int i = 0; !r && i < HEAD_TASKS && o->heads[i]; i++) r = load_gguf_heads(l, o->heads[i], e);
    if (r) loaded_clear(l);
    return r;
}

void loaded_clear(struct loaded *l)
{
    for (int t = 0; t < HEAD_TASKS; t++) head_free(l->head[t]);
    lora_free(l->lora);
    adapter_free(l->adapter);
    model_free(l->m);
    tokenizer_free(l->tokenizer);
    pool_free(l->pool);
    memset(l, 0, sizeof *l);
}
