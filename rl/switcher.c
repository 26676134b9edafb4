#include "rl/switcher.h"

#include "infer/prompt.h"

#include <stdlib.h>

struct run {
    const struct loaded *l;
    const struct switcher_states *c;
    struct session *s;
    struct features_writer *w;
    float *x; /* [depths][width] */
};

static int run_prompt(struct run *r, const struct labelled_prompt *p, struct err *e)
{
    struct prompt prompt;
    uint32_t from, to, width = r->l->m->c.width;
    int rc = prompt_chat(&prompt, r->l, p->turns, p->n_turns, r->c->system, false, e);
    if (rc) return rc;
    rc = prompt_asked(&from, &to, r->l->tokenizer, prompt.ids, prompt.n, e);
    if (!rc && prompt.n > r->c->max_tokens)
        rc = err_set(e, ERR_CTX_FULL, "the prompt of row %llu has %u tokens, at most %u",
                     (unsigned long long)p->row, prompt.n, r->c->max_tokens);
    if (!rc) {
        session_watch(r->s, 0, from, to);
        rc = session_sync(r->s, 0, prompt.ids, to, UINT32_MAX, NULL, e);
    }
    for (uint32_t k = 0; !rc && k < r->c->depths.n; k++)
        session_states(r->s, 0, k, r->c->pooling, r->x + (size_t)k * width);
    struct feature row = {.group = p->group,
                          .text = p->row,
                          .prompt_tokens = prompt.n,
                          .answer = -1,
                          .label = p->label,
                          .base_right = FEATURE_UNKNOWN,
                          .adapter_right = FEATURE_UNKNOWN};
    prompt_clear(&prompt);
    return rc ? rc : features_writer_add(r->w, &row, r->x, e);
}

static int run_all(struct run *r, const struct labelled *p, int (*tick)(void *ctx, size_t done), void *ctx,
                   struct err *e)
{
    int rc = 0;
    for (size_t i = features_writer_count(r->w); !rc && i < p->n; i++) {
        rc = run_prompt(r, &p->at[i], e);
        if (!rc && tick && tick(ctx, i + 1))
            rc = err_set(e, ERR_INTERRUPTED, "stopped after %zu of %zu prompts; the same command goes on",
                         i + 1, p->n);
    }
    return rc;
}

struct features_origin switcher_origin(const struct loaded *l, const struct switcher_states *c)
{
    return (struct features_origin){.task = "switcher",
                                    .base = l->digest_base,
                                    .tokenizer = l->digest_tokenizer,
                                    .adapter = "",
                                    .pooling = pooling_names[c->pooling],
                                    .wording = "",
                                    .made = c->made,
                                    .depths = c->depths.depth,
                                    .n_depths = c->depths.n,
                                    .width = l->m->c.width};
}

int switcher_features(const struct loaded *l, const struct labelled *prompts, const struct switcher_states *c,
                      const char *dir, int (*tick)(void *ctx, size_t done), void *ctx, struct err *e)
{
    struct session_config sc = {.streams = 1, .max_tokens = c->max_tokens, .states = c->depths};
    struct features_origin o = switcher_origin(l, c);
    struct run r = {.l = l, .c = c, .x = malloc((size_t)o.n_depths * o.width * sizeof(float) + 1)};
    int rc = r.x ? 0 : err_set(e, ERR_NOMEM, "no memory for states");
    if (!rc) rc = session_create(&r.s, l->m, NULL, &sc, e);
    if (!rc) rc = features_writer_open(&r.w, dir, &o, e);
    if (!rc) rc = features_writer_end(r.w, run_all(&r, prompts, tick, ctx, e), e);
    session_free(r.s);
    free(r.x);
    return rc;
}
