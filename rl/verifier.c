#include "rl/verifier.h"

#include "data/grade.h"
#include "infer/check.h"
#include "infer/detok.h"
#include "infer/prompt.h"
#include "infer/vote.h"

#include <stdlib.h>
#include <string.h>

/* Chains of a block for each stream: its end, where streams run dry, is then a few percent of it. */
enum { BLOCK = 32 };

/* A finished chain. */
struct chain {
    char *answer; /* [n], owned; NULL: none was found */
    size_t n;
    bool right;
};

struct run {
    const struct loaded *l;
    const struct problems *problems;
    const struct verifier_config *c;
    struct session *s;
    struct features_writer *w;
    struct request_check check;
    uint32_t longest; /* prompt, in tokens */
    uint32_t block;   /* problems of a block, at most */
    uint64_t have;    /* rows that were there at the start */
    /* Of the block under way, whose first problem is `first`. */
    size_t first, n;
    struct prompt *prompt;    /* [block] */
    struct request *request;  /* [block][chains] */
    int32_t *answer;          /* [block][chains][max_new] */
    struct chain *chain;      /* [block][chains] */
    float *x;                 /* [block][chains][depths][width] */
    struct vote_chain *class; /* [chains] */
    int (*tick)(void *ctx, const struct verifier_progress *at);
    void *ctx;
    struct verifier_progress at;
    int code; /* of a callback */
    struct err *e;
};

static uint32_t min32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* ---- a finished chain ---------------------------------------------------------------------------------- */

static int judge(struct run *v, const struct request *r, struct chain *out)
{
    const struct problem *q = &v->problems->at[v->first + (size_t)(out - v->chain) / v->c->chains];
    const struct prompt *p = &v->prompt[(size_t)(out - v->chain) / v->c->chains];
    struct detok d = {.t = v->l->tokenizer};
    int rc = 0;
    for (uint32_t i = p->n - p->forced; !rc && i < p->n; i++) rc = detok_push(&d, p->ids[i], v->e);
    for (uint32_t i = 0; !rc && i < r->n_answer; i++) rc = detok_push(&d, r->answer[i], v->e);
    if (!rc) rc = detok_end(&d, v->e);
    if (!rc) {
        struct grade g = grade_text(q->reference, strlen(q->reference), d.text, d.n, NULL);
        out->right = g.verdict == GRADE_EQUAL;
        out->n = g.answer.n;
        if (g.answer.kind && !(out->answer = strndup(g.answer.s, g.answer.n)))
            rc = err_set(v->e, ERR_NOMEM, "no memory for an answer");
    }
    detok_clear(&d);
    return rc;
}

static int on_checked(void *ctx, struct request *r, uint32_t stream)
{
    struct run *v = ctx;
    size_t i = (size_t)(r - v->request);
    uint32_t width = v->l->m->c.width, depths = v->c->depths.n;
    for (uint32_t k = 0; k < depths; k++)
        session_states(v->s, stream, k, v->c->pooling, v->x + (i * depths + k) * width);
    if (!v->code) v->code = judge(v, r, &v->chain[i]);
    v->at.chains++, v->at.right += v->chain[i].right, v->at.cut += r->finish != FINISH_STOP;
    return v->code;
}

static int on_token(void *ctx, struct request *r, int32_t token)
{
    struct run *v = ctx;
    (void)r, (void)token;
    v->at.tokens++;
    if (!v->code && v->tick && v->tick(v->ctx, &v->at))
        v->code = err_set(v->e, ERR_INTERRUPTED, "stopped in chain %zu of %zu; the same command goes on",
                          v->at.chains + 1, v->problems->n * v->c->chains);
    return v->code;
}

/* ---- a block ------------------------------------------------------------------------------------------- */

static void block_clear(struct run *v)
{
    for (size_t i = 0; v->prompt && i < v->block; i++) prompt_clear(&v->prompt[i]);
    for (size_t i = 0; v->chain && i < (size_t)v->block * v->c->chains; i++) {
        free(v->chain[i].answer);
        v->chain[i] = (struct chain){0};
    }
}

/* Requests for the problems from `first` on. */
static int block_ask(struct run *v)
{
    uint32_t chains = v->c->chains, room = session_max_tokens(v->s) - v->check.n;
    v->n = v->problems->n - v->first < v->block ? v->problems->n - v->first : v->block;
    for (size_t k = 0; k < v->n; k++) {
        const struct problem *q = &v->problems->at[v->first + k];
        struct prompt *p = &v->prompt[k];
        int rc = prompt_chat(p, v->l, q->turns, q->n_turns, v->c->system, v->c->think, v->e);
        if (rc) return rc;
        for (size_t i = k * chains; i < (k + 1) * chains; i++)
            v->request[i] = (struct request){.prompt = p->ids,
                                             .n_prompt = p->n,
                                             .adapt_from = p->adapt_from,
                                             .max_new = min32(v->c->max_new, room - p->n),
                                             .sampler = v->c->sampler,
                                             .stream = v->first * chains + i,
                                             .thinking = p->thinking,
                                             .check = &v->check,
                                             .answer = v->answer + i * v->c->max_new};
    }
    return 0;
}

static int block_sample(struct run *v)
{
    int32_t stop[PROMPT_MAX_STOPS];
    struct generate_config g = {.streams = v->c->session.streams,
                                .vocab = (uint32_t)tokenizer_vocab(v->l->tokenizer),
                                .stop = stop,
                                .n_stop = prompt_stops(v->l->tokenizer, stop),
                                .on_token = on_token,
                                .on_checked = on_checked,
                                .ctx = v};
    int rc = generate_run(v->s, &g, v->request, v->n * v->c->chains, NULL, v->e);
    return rc ? rc : v->code;
}

static bool same_answer(void *ctx, uint32_t a, uint32_t b)
{
    const struct chain *c = ctx;
    return grade_answers(c[a].answer, c[a].n, c[b].answer, c[b].n, NULL).verdict == GRADE_EQUAL;
}

/* The rows of the block's k-th problem. */
static int problem_write(struct run *v, size_t k)
{
    uint32_t chains = v->c->chains;
    const struct problem *q = &v->problems->at[v->first + k];
    struct chain *c = &v->chain[k * chains];
    size_t floats = (size_t)v->c->depths.n * v->l->m->c.width;
    int rc = 0;
    for (uint32_t i = 0; i < chains; i++) v->class[i] = (struct vote_chain){.answer = VOTE_PENDING};
    for (uint32_t i = 0; !rc && i < chains; i++) {
        v->class[i].answer = c[i].answer ? vote_class(v->class, chains, i, same_answer, c) : VOTE_NONE;
        if ((v->first + k) * chains + i < v->have) continue;
        struct feature row = {.group = problem_hash(q->turns, q->n_turns),
                              .text = q->row,
                              .prompt_tokens = v->prompt[k].n,
                              .adapter_tokens = v->request[k * chains + i].n_answer,
                              .chain = i,
                              .answer = c[i].answer ? v->class[i].answer : -1,
                              .label = c[i].right,
                              .base_right = FEATURE_UNKNOWN,
                              .adapter_right = FEATURE_UNKNOWN};
        rc = features_writer_add(v->w, &row, v->x + (k * chains + i) * floats, v->e);
    }
    return rc;
}

static int block_run(struct run *v)
{
    int rc = block_ask(v);
    if (!rc) rc = block_sample(v);
    for (size_t k = 0; !rc && k < v->n; k++) rc = problem_write(v, k);
    block_clear(v);
    v->first += v->n;
    return rc;
}

/* ---- all of it ----------------------------------------------------------------------------------------- */

struct features_origin verifier_origin(const struct loaded *l, const struct verifier_config *c)
{
    return (struct features_origin){.task = "verifier",
                                    .base = l->digest_base,
                                    .tokenizer = l->digest_tokenizer,
                                    .adapter = l->adapter ? l->info.self : "",
                                    .pooling = pooling_names[c->pooling],
                                    .wording = c->pooling == POOL_LAST ? c->prompt : "",
                                    .made = c->made,
                                    .depths = c->depths.depth,
                                    .n_depths = c->depths.n,
                                    .width = l->m->c.width};
}

/* The longest prompt, and whether each leaves room for an answer. */
static int prompts_look(struct run *v)
{
    for (size_t i = 0; i < v->problems->n; i++) {
        const struct problem *q = &v->problems->at[i];
        struct prompt p;
        int rc = prompt_chat(&p, v->l, q->turns, q->n_turns, v->c->system, v->c->think, v->e);
        if (rc) return rc;
        if (p.n > v->longest) v->longest = p.n;
        prompt_clear(&p);
        if (v->longest + v->check.n >= v->l->m->context)
            return err_set(v->e, ERR_CTX_FULL,
                           "the problem in row %llu has %u tokens and what verifies it %u, the context is %u",
                           (unsigned long long)q->row, v->longest, v->check.n, v->l->m->context);
    }
    return 0;
}

static int session_make(struct run *v)
{
    struct session_config c = v->c->session;
    uint64_t most = (uint64_t)v->longest + v->c->max_new + v->check.n;
    c.states = v->c->depths;
    c.max_tokens = most < v->l->m->context ? (uint32_t)most : v->l->m->context;
    int rc = sampler_config_check(&v->c->sampler, v->e);
    return rc ? rc : session_create(&v->s, v->l->m, v->l->lora, &c, v->e);
}

static int arrays_take(struct run *v)
{
    const struct verifier_config *c = v->c;
    uint64_t problems = ((uint64_t)BLOCK * c->session.streams + c->chains - 1) / c->chains;
    v->block = (uint32_t)(problems < v->problems->n ? problems : v->problems->n);
    size_t n = (size_t)v->block * c->chains;
    v->prompt = calloc(v->block, sizeof *v->prompt);
    v->request = calloc(n, sizeof *v->request);
    v->answer = calloc(n, c->max_new * sizeof *v->answer);
    v->chain = calloc(n, sizeof *v->chain);
    v->x = calloc(n, (size_t)c->depths.n * v->l->m->c.width * sizeof *v->x);
    v->class = calloc(c->chains, sizeof *v->class);
    if (v->prompt && v->request && v->answer && v->chain && v->x && v->class) return 0;
    return err_set(v->e, ERR_NOMEM, "no memory for %zu chains of %u tokens", n, c->max_new);
}

static void arrays_free(struct run *v)
{
    block_clear(v);
    free(v->prompt), free(v->request), free(v->answer), free(v->chain), free(v->x), free(v->class);
}

/* The rows there are not yet; of a problem that was cut off the chains that are missing. */
static int write_all(struct run *v, const char *dir)
{
    struct features_origin o = verifier_origin(v->l, v->c);
    int rc = features_writer_open(&v->w, dir, &o, v->e);
    if (rc) return rc;
    v->have = features_writer_count(v->w);
    v->first = v->have / v->c->chains;
    v->at.before = v->at.chains = v->first * v->c->chains;
    while (!rc && v->first < v->problems->n) rc = block_run(v);
    return features_writer_end(v->w, rc, v->e);
}

int verifier_features(const struct loaded *l, const struct problems *p, const struct verifier_config *c,
                      const char *dir, int (*tick)(void *ctx, const struct verifier_progress *at), void *ctx,
                      struct err *e)
{
    struct run v = {.l = l, .problems = p, .c = c, .tick = tick, .ctx = ctx, .e = e};
    int rc = states_config_check(&c->depths, l->m->c.layers, e);
    if (!rc) rc = check_init(&v.check, l->tokenizer, c->pooling, c->prompt, e);
    if (!rc) rc = prompts_look(&v);
    if (!rc) rc = session_make(&v);
    if (!rc) rc = arrays_take(&v);
    if (!rc) rc = write_all(&v, dir);
    arrays_free(&v);
    session_free(v.s);
    check_clear(&v.check);
    return rc;
}
