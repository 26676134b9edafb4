#include "checkpoints/load.h"
#include "checkpoints/head_file.h"
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

int load_model(struct loaded *l, const struct load_options *o, struct err *e)
{
    int r = loaded_weights(l, &l->base->config, l->base->bound, l->base->dtype, o, e);
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

int load_heads(struct loaded *l, const char *path, struct err *e)
{
    struct head *more[HEAD_TASKS];
    int r = *l->digest_base ? 0 : load_digests(l, e);
    if (!r) r = head_file_load_any(more, path, e);
    if (!r) loaded_heads_take(l, more);
    bool known = base_is_known(l->base);
    return r ? r
             : loaded_heads_check(l, known ? l->digest_base : NULL, known ? l->digest_tokenizer : NULL, path,
                                  e);
}

int load_all(struct loaded *l, const struct load_options *o, struct err *e)
{
    memset(l, 0, sizeof *l);
    int r = load_folder(l, o, e);
    if (!r) r = load_model(l, o, e);
    if (!r && o->adapter) r = load_adapter(l, o->adapter, e);
    for (int i = 0; !r && i < HEAD_TASKS && o->heads[i]; i++) r = load_heads(l, o->heads[i], e);
    if (!r && o->digests && !*l->digest_base) r = load_digests(l, e);
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
    base_close(l->base);
    loaded_clear(l);
}
