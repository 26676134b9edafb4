#include "tests/support/small_base.h"
#include "checkpoints/hf_random.h"
#include "tests/support/random_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

void small_base(const char *dir, uint32_t vocab, uint64_t seed)
{
    struct model_config c;
    struct pool *pool;
    struct err e = {0};
    model_config_init(&c);
    c.layers = 2, c.heads = 2, c.kv_heads = 1, c.head_dim = 32, c.width = 64, c.ff = 96, c.vocab = vocab;
    c.max_positions = 512, c.tied = true, c.rope_theta = 10000, c.init_std = 0.2;
    c.eos[0] = 1023 < vocab ? 1023 : 0, c.n_eos = 1;
    int r = pool_create(&pool, 1, &e);
    if (!r) r = hf_random_save(dir, &c, DTYPE_BF16, seed, 0, pool, NULL, &e);
    if (!r) r = hf_tokenizer_copy("checkpoints/nano", dir, &e);
    pool_free(pool);
    if (r) fail_msg("%s", e.msg);
}

void small_adapter(const char *dir, const char *base, enum lora_gate gate, uint64_t seed)
{
    static const char header[] = "<|im_start|>assistant\n";
    struct loaded l = {0};
    struct load_options o = {.model = base, .threads = 1};
    struct peft_save_options so = {.dtype = DTYPE_F32};
    struct adapter_info info = {0};
    struct err e = {0};
    size_t n;
    int r = load_folder(&l, &o, &e);
    if (!r) r = load_digests(&l, &e);
    if (r) fail_msg("%s", e.msg);
    struct adapter *a = random_adapter(&l.base->config, 8, LORA_ALL, seed);
    a->cfg.gate = gate;
    snprintf(info.base, sizeof info.base, "%s", l.digest_base);
    snprintf(info.tokenizer, sizeof info.tokenizer, "%s", l.digest_tokenizer);
    if (gate == GATE_ASSISTANT) {
        r = tokenizer_encode(l.tokenizer, header, sizeof header - 1, 1, info.invocation,
                             ADAPTER_MAX_INVOCATION, &n, &e);
        info.n_invocation = (uint32_t)n;
    }
    if (!r) r = peft_save(dir, a, &info, &so, &e);
    adapter_free(a);
    load_clear(&l);
    if (r) fail_msg("%s", e.msg);
}
