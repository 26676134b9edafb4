#include "tests/support/session_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

void session_rig_init(struct session_rig *g, const struct model_config *m, enum weight_type type,
                      unsigned threads, const struct session_config *c)
{
    struct session_config one = {.streams = 1, .max_tokens = c->max_tokens, .kv = c->kv};
    struct err e = {0};
    random_model_create(&g->r, m, type, threads, NULL, 1);
    g->adapter = random_adapter(m, 8, LORA_ALL, 2);
    int r = lora_create(&g->lora, g->r.m, g->adapter, &e);
    if (!r) r = session_create(&g->s, g->r.m, g->lora, c, &e);
    if (!r) r = session_create(&g->fresh, g->r.m, g->lora, &one, &e);
    if (r) fail_msg("%s", e.msg);
}

void session_rig_free(struct session_rig *g)
{
    session_free(g->s);
    session_free(g->fresh);
    lora_free(g->lora);
    adapter_free(g->adapter);
    random_model_free(&g->r);
}

void random_text(int32_t *ids, uint32_t n, uint64_t seed)
{
    for (uint32_t t = 0; t < n; t++) ids[t] = (int32_t)((random_at(seed, t) + 1) * 37);
}

uint32_t rig_sync(struct session_rig *g, uint32_t i, const int32_t *ids, uint32_t n, uint32_t adapt_from)
{
    uint32_t ran = 0;
    struct err e = {0};
    if (session_sync(g->s, i, ids, n, adapt_from, &ran, &e)) fail_msg("%s", e.msg);
    return ran;
}

void rig_step(struct session_rig *g, uint32_t i, int32_t token)
{
    struct err e = {0};
    if (session_step(g->s, &i, &token, 1, &e)) fail_msg("%s", e.msg);
}

void rig_as_from_scratch(struct session_rig *g, const char *what, uint32_t i, uint32_t adapt_from)
{
    struct err e = {0};
    uint32_t n, v = g->r.m->c.vocab;
    const int32_t *ids = session_tokens(g->s, i, &n);
    session_rewind(g->fresh, 0, 0);
    if (session_sync(g->fresh, 0, ids, n, adapt_from, NULL, &e)) fail_msg("%s", e.msg);
    if (memcmp(session_logits(g->s, i), session_logits(g->fresh, 0), v * sizeof(float)))
        fail_msg("%s: stream %u, %u tokens, adapted from %u: logits differ from a run from scratch", what, i,
                 n, adapt_from);
}
