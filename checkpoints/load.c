#include "checkpoints/load.h"
#include "checkpoints/hf_config.h"
#include "infer/gguf_adapter.h"

#include <string.h>

int load_folder(struct loaded *l, const struct load_options *o, struct err *e)
{
    int r = pool_create(&l->pool, o->threads, e);
    if (!r) r = base_open(&l->base, o->model, e);
    if (!r) r = base_tokenizer(&l->tokenizer, l->base, e);
    return r ? r : hf_config_check_vocab(&l->base->config, tokenizer_vocab(l->tokenizer), e);
}

int load_digests(struct loaded *l, struct err *e)
{
    int r = tokenizer_digest(l->tokenizer, l->digest_tokenizer, e);
    return r ? r : base_digest(l->base, l->digest_base, e);
}

static enum weight_type weight_type(const struct loaded *l, enum load_dtype t)
{
    static const enum weight_type types[] = {
        [LOAD_BF16] = WT_BF16, [LOAD_FP32] = WT_F32, [LOAD_Q8_0] = WT_Q8_0,
        [LOAD_Q4_0] = WT_Q4_0, [LOAD_W4] = WT_W4,
    };
    if (t == LOAD_AUTO) return l->base->dtype == DTYPE_F32 ? WT_F32 : WT_BF16;
    return types[t];
}

int load_model(struct loaded *l, const struct load_options *o, struct err *e)
{
    uint32_t context = o->context < l->base->config.max_positions ? o->context : 0;
    int r = model_create(&l->m, &l->base->config, weight_type(l, o->dtype), context, l->base->bound, l->pool,
                         cpu_detect(), e);
    if (!r && o->act8) r = model_use_act8(l->m, e);
    return r ? r : base_intact(l->base, e);
}

int load_adapter(struct loaded *l, const char *path, struct err *e)
{
    int r = *l->digest_base ? 0 : load_digests(l, e);
    bool known = base_is_known(l->base);
    struct adapter_expect expect = {.base = known ? l->digest_base : NULL,
                                    .tokenizer = known ? l->digest_tokenizer : NULL};
    if (!r && gguf_is_file(path))
        r = gguf_adapter_load(&l->adapter, &l->info, &l->cold, path, &l->m->c, &expect, e);
    else if (!r)
        r = peft_load(&l->adapter, &l->info, &l->cold, path, &l->m->c, &expect, e);
    return r ? r : lora_create(&l->lora, l->m, l->adapter, e);
}

int load_all(struct loaded *l, const struct load_options *o, struct err *e)
{
    memset(l, 0, sizeof *l);
    int r = load_folder(l, o, e);
    if (!r) r = load_model(l, o, e);
    if (!r && o->adapter) r = load_adapter(l, o->adapter, e);
    if (r) {
        load_clear(l);
        return r;
    }
    base_close(l->base);
    l->base = NULL;
    return 0;
}

void load_clear(struct loaded *l)
{
    lora_free(l->lora);
    adapter_free(l->adapter);
    model_free(l->m);
    tokenizer_free(l->tokenizer);
    base_close(l->base);
    pool_free(l->pool);
    memset(l, 0, sizeof *l);
}
