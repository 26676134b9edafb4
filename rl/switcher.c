#include "rl/switcher.h"

#include "infer/prompt.h"

#include <stdlib.h>
#include <string.h>

/* ---- answers ------------------------------------------------------------------------------------------- */

struct measuring {
    struct switcher_answers *out;
    const struct labelled *prompts;
    int way; /* 0: the base alone */
    int (*tick)(void *ctx, size_t done, uint64_t tokens);
    void *ctx;
    uint64_t tokens, before; /* generated now, and before this way began */
};

static int on_answer(void *ctx, const struct eval_sample *s, struct err *e)
{
    struct measuring *m = ctx;
    const struct labelled_prompt *p = &m->prompts->at[s->index];
    (void)e;
    m->out[s->index].tokens[m->way] = s->tokens;
    m->out[s->index].right[m->way] =
        p->whole ? grade_reply(p->reference, strlen(p->reference), s->text, s->len) : s->correct;
    return 0;
}

static int on_tick(void *ctx, size_t done, uint64_t tokens)
{
    struct measuring *m = ctx;
    m->tokens = m->before + tokens;
    return m->tick ? m->tick(m->ctx, (size_t)m->way * m->prompts->n + done, m->tokens) : 0;
}

/* All prompts, the base alone first. */
static int answer_all(struct measuring *m, const struct loaded *l, const struct problems *p,
                      const struct eval_config *c, struct err *e)
{
    struct eval_events ev = {on_answer, on_tick, m};
    struct eval_config plain = *c;
    struct eval_result unused;
    int rc = 0;
    plain.n_caps = 0;
    for (m->way = 0; !rc && m->way < 2; m->way++) {
        plain.ask.mode = m->way ? ASK_REASON : ASK_CHAT;
        rc = eval_run(&unused, l, p, &plain, &ev, e);
        m->before = m->tokens;
    }
    return rc;
}

int switcher_measure(struct switcher_answers *out, const struct loaded *l, const struct labelled *prompts,
                     const struct eval_config *c, int (*tick)(void *ctx, size_t done, uint64_t tokens),
                     void *ctx, struct err *e)
{
    struct measuring m = {.out = out, .prompts = prompts, .tick = tick, .ctx = ctx};
    struct problems p = {.n = prompts->n};
    if (!l->lora) return err_set(e, ERR_DATA_EMPTY, "there is no adapter to measure");
    p.at = calloc(p.n + 1, sizeof *p.at);
    if (!p.at) return err_set(e, ERR_NOMEM, "no memory for %zu problems", p.n);
    for (size_t i = 0; i < p.n; i++) { /* lent, not copied */
        const struct labelled_prompt *q = &prompts->at[i];
        p.at[i] = (struct problem){
            .turns = q->turns, .n_turns = q->n_turns, .reference = q->reference, .row = q->row};
    }
    int rc = answer_all(&m, l, &p, c, e);
    free(p.at);
    return rc;
}

/* ---- states -------------------------------------------------------------------------------------------- */

struct run {
    const struct loaded *l;
    const struct switcher_states *c;
    const struct switcher_answers *answers; /* or NULL */
    struct session *s;
    struct features_writer *w;
    float *x; /* [depths][width] */
};

static struct feature feature_of(const struct labelled_prompt *p, const struct switcher_answers *a,
                                 uint32_t tokens)
{
    struct feature row = {.group = p->group,
                          .text = p->row,
                          .prompt_tokens = tokens,
                          .answer = -1,
                          .label = p->label,
                          .base_right = FEATURE_UNKNOWN,
                          .adapter_right = FEATURE_UNKNOWN};
    if (a) {
        row.base_tokens = a->tokens[0], row.adapter_tokens = a->tokens[1];
        row.base_right = a->right[0], row.adapter_right = a->right[1];
    }
    return row;
}

static int run_prompt(struct run *r, const struct labelled_prompt *p, const struct switcher_answers *a,
                      struct err *e)
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
    struct feature row = feature_of(p, a, prompt.n);
    prompt_clear(&prompt);
    return rc ? rc : features_writer_add(r->w, &row, r->x, e);
}

static int run_all(struct run *r, const struct labelled *p, int (*tick)(void *ctx, size_t done), void *ctx,
                   struct err *e)
{
    int rc = 0;
    for (size_t i = features_writer_count(r->w); !rc && i < p->n; i++) {
        rc = run_prompt(r, &p->at[i], r->answers ? &r->answers[i] : NULL, e);
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

int switcher_features(const struct loaded *l, const struct labelled *prompts,
                      const struct switcher_answers *answers, const struct switcher_states *c,
                      const char *dir, int (*tick)(void *ctx, size_t done), void *ctx, struct err *e)
{
    struct session_config sc = {.streams = 1, .max_tokens = c->max_tokens, .states = c->depths};
    struct features_origin o = switcher_origin(l, c);
    struct run r = {
        .l = l, .c = c, .answers = answers, .x = malloc((size_t)o.n_depths * o.width * sizeof(float) + 1)};
    int rc = r.x ? 0 : err_set(e, ERR_NOMEM, "no memory for states");
    if (!rc) rc = session_create(&r.s, l->m, NULL, &sc, e);
    if (!rc) rc = features_writer_open(&r.w, dir, &o, e);
    if (!rc) rc = features_writer_end(r.w, run_all(&r, prompts, tick, ctx, e), e);
    session_free(r.s);
    free(r.x);
    return rc;
}
