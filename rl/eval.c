#include "rl/eval.h"
#include "data/grade_string.h"
#include "infer/progress.h"

#include <stdlib.h>
#include <string.h>

struct eval {
    const struct loaded *l;
    const struct problems *problems;
    const struct eval_config *c;
    const struct eval_events *ev;
    struct asker asker;
    size_t n;
    struct ask *q; /* [asked] the answers as they are when left alone */
    size_t *unit;  /* [asked] the problem of each */
    size_t asked;
    uint32_t longest, max_answer; /* prompt, answer, in tokens */
    struct request *requests;     /* [n] of a round under a cap */
    size_t *owner;                /* [n] the problem that a request is for: with caps every one is asked */
    int32_t *ids;                 /* [n][longest + max_answer] what is gone on from */
    struct eval_record *own, *record; /* [n] of this round, own or the caller's */
    uint32_t cap;                     /* of this round */
    size_t done;                      /* of all rounds */
    uint64_t tokens;
    double first_token; /* of the first answer */
    double judging;     /* seconds that programs ran */
    uint64_t kv_bytes;
    int code; /* of an event that failed */
    struct err *e;
};

static uint32_t min32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* ---- prompts ------------------------------------------------------------------------------------------- */

/* The longest prompt that comes, either way. */
static int measure_prompts(struct eval *v)
{
    uint32_t context = v->l->m->context;
    for (size_t i = 0; i < v->n; i++) {
        const struct problem *q = &v->problems->at[i];
        struct prompt p;
        int r = prompt_chat(&p, v->l, q->turns, q->n_turns, v->c->system, v->c->ask.think, v->e);
        if (r) return r;
        uint32_t n = p.n;
        prompt_clear(&p);
        if (n >= context)
            return err_set(v->e, ERR_CTX_FULL, "the problem in row %llu has %u tokens, the context is %u",
                           (unsigned long long)q->row, n, context);
        if (n > v->longest) v->longest = n;
    }
    return 0;
}

/* Tokens that an answer to problem i may have. */
static uint32_t room(const struct eval *v, size_t i)
{
    return min32(v->max_answer, v->l->m->context - ask_way(&v->q[i])->n);
}

/* ---- verdicts ------------------------------------------------------------------------------------------ */

/* An answer in two pieces, the first with what the prompt dictates. */
struct pieces {
    const int32_t *head, *tail;
    uint32_t n_head, n_tail;
};

static int text_make(struct detok *d, const struct pieces *p, struct err *e)
{
    int r = 0;
    for (uint32_t i = 0; !r && i < p->n_head; i++) r = detok_push(d, p->head[i], e);
    for (uint32_t i = 0; !r && i < p->n_tail; i++) r = detok_push(d, p->tail[i], e);
    return r ? r : detok_end(d, e);
}

static size_t problems_of(const struct eval *v)
{
    return v->n / (v->c->repeats ? v->c->repeats : 1);
}

static int record(struct eval *v, const struct eval_sample *s)
{
    struct eval_record *r = &v->record[s->index];
    const struct answer *a = &s->grade.answer;
    *r = (struct eval_record){.there = true,
                              .correct = s->correct,
                              .exact = s->exact,
                              .closed = s->closed,
                              .truncated = s->truncated,
                              .reasoned = s->ask->reasons,
                              .early = s->ask->early,
                              .verdict = s->grade.verdict,
                              .tokens = s->tokens,
                              .graded = s->graded,
                              .right = s->right};
    if (a->kind && a->kind != ANSWER_CODE && !(r->answer = strndup(a->s, a->n)))
        return err_set(v->e, ERR_NOMEM, "no memory for an answer");
    return 0;
}

/* Of several chains: how many are right. */
static void grade_chains(struct eval_sample *s)
{
    const struct ask *q = s->ask;
    const char *reference = s->problem->reference;
    s->graded = q->chains, s->right = 0;
    for (uint32_t i = 0; i < q->chains; i++)
        s->right += q->text[i].n &&
                    grade_text(reference, strlen(reference), q->text[i].text, q->text[i].n, NULL).verdict ==
                        GRADE_EQUAL;
}

/* What counts: what an answer means, and how it is written; of a program, its tests. */
static int grade(struct eval *v, struct eval_sample *s)
{
    const struct problem *q = s->problem;
    const char *tests = v->problems->at[s->index % problems_of(v)].tests;
    size_t n = strlen(q->reference);
    double start = progress_clock();
    int r = 0;
    if (tests)
        r = code_grade(&s->grade, v->c->sandbox, tests, s->text, s->len, v->e);
    else
        s->grade = grade_text(q->reference, n, s->text, s->len, NULL);
    s->correct = s->grade.verdict == GRADE_EQUAL;
    s->exact = tests ? s->correct : grade_string(q->reference, n, s->text, s->len);
    if (tests) v->judging += progress_clock() - start;
    return r;
}

/* A finished answer: the answer in its text, the verdict. */
static int judge(struct eval *v, struct eval_sample *s)
{
    s->problem = &v->problems->at[s->index];
    s->cap = v->cap, s->repeat = (uint32_t)(s->index / problems_of(v));
    int r = grade(v, s);
    s->graded = 1, s->right = s->correct;
    if (!v->cap && v->c->ask.chains > 1 && v->c->ask.all) grade_chains(s);
    if (!r) r = record(v, s);
    v->done++;
    return !r && v->ev->sample ? v->ev->sample(v->ev->ctx, s, v->e) : r;
}

static uint32_t tokens_of(const struct ask *q)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < q->chains; i++) n += q->request[i].n_answer;
    return n;
}

static int on_settled(void *ctx, struct ask *q)
{
    struct eval *v = ctx;
    uint32_t won = q->c.votes && q->vote.chain < q->chains ? q->vote.chain : 0;
    struct eval_sample s = {.index = v->unit[q - v->q],
                            .ask = q,
                            .text = q->text[won].n ? q->text[won].text : "",
                            .len = q->text[won].n,
                            .tokens = tokens_of(q),
                            .closed = q->request[won].closed,
                            .truncated = q->request[won].finish != FINISH_STOP};
    return v->code = judge(v, &s);
}

static int tick(struct eval *v)
{
    v->tokens++;
    if (!v->code && v->ev->tick && v->ev->tick(v->ev->ctx, v->done, v->tokens))
        v->code = err_set(v->e, ERR_INTERRUPTED, "interrupted after %zu of %zu answers", v->done,
                          v->n * (1 + v->c->n_caps));
    return v->code;
}

static int on_token(void *ctx, struct ask *q, uint32_t i, int32_t token)
{
    (void)q, (void)i, (void)token;
    return tick(ctx);
}

/* ---- answers as they are, or under the budget ---------------------------------------------------------- */

/* A draw of its own for every row and repeat, so that other problems do not change it. */
static uint64_t draw_of(const struct eval *v, size_t unit)
{
    uint64_t repeat = unit / problems_of(v);
    return (repeat << 32 | v->problems->at[unit].row) * v->c->ask.chains;
}

static int ask_all(struct eval *v)
{
    struct ask_config c = v->c->ask;
    struct ask_events ev = {.token = on_token, .settled = on_settled, .ctx = v};
    struct generate_stats stats = {0};
    bool budget = v->c->forcing && v->c->forcing->tokens;
    c.budget = budget ? v->c->forcing : NULL;
    if (budget) c.max_new = v->max_answer;
    for (size_t i = 0; i < v->n; i++) {
        const struct problem *p = &v->problems->at[i];
        struct ask *q = &v->q[v->asked];
        if (v->record[i].there) continue;
        int r = ask_chat(q, &v->asker, &c, p->turns, p->n_turns, v->c->system, v->e);
        if (r) return r;
        q->draw = draw_of(v, i);
        v->unit[v->asked++] = i;
    }
    int r = ask_run(&v->asker, v->q, v->asked, &ev, &stats, v->e);
    v->first_token = stats.first_token_seconds;
    return r;
}

/* ---- rounds under a cap -------------------------------------------------------------------------------- */

static bool thinks_at(const struct eval *v, size_t i, uint32_t tokens)
{
    struct reply_watch w = {.thinking = ask_way(&v->q[i])->thinking};
    const int32_t *answer = v->q[i].request[0].answer;
    for (uint32_t k = 0; k < tokens; k++) budget_watch(&w, v->l->tokenizer, answer[k]);
    return w.thinking;
}

/* Problem i under the cap, as request k: its answer up to there, closed, is gone on from. */
static void request_close(struct eval *v, size_t k, size_t i)
{
    const struct ask *q = &v->q[i];
    const struct prompt *p = ask_way(q);
    const struct budget *b = v->c->forcing;
    int32_t *ids = v->ids + i * ((size_t)v->longest + v->max_answer);
    uint32_t n = p->n + v->cap + b->n;
    memcpy(ids, p->ids, p->n * sizeof *ids);
    memcpy(ids + p->n, q->request[0].answer, v->cap * sizeof *ids);
    memcpy(ids + p->n + v->cap, b->closing, b->n * sizeof *ids);
    v->owner[k] = i;
    v->requests[k] = (struct request){
        .prompt = ids,
        .n_prompt = n,
        .adapt_from = p->adapt_from,
        .max_new = min32(b->answer, room(v, i) - v->cap - b->n),
        .sampler = v->c->ask.sampler,
        .stream = q->draw,
        .answer = ids + n,
    };
}

/* The answer to problem i under the cap. */
static int judge_capped(struct eval *v, size_t i, const struct pieces *p, bool stopped, bool closed)
{
    struct detok d = {.t = v->l->tokenizer};
    struct eval_sample s = {.index = i, .ask = &v->q[i], .closed = closed, .truncated = !stopped};
    s.tokens = p->n_head + p->n_tail - ask_way(&v->q[i])->forced;
    int r = text_make(&d, p, v->e);
    s.text = d.n ? d.text : "", s.len = d.n;
    if (!r) r = judge(v, &s);
    detok_clear(&d);
    return r;
}

static int on_capped_token(void *ctx, struct request *r, int32_t token)
{
    struct eval *v = ctx;
    (void)token;
    if (!v->code && r->finish != FINISH_NONE) {
        size_t i = v->owner[r - v->requests];
        const struct prompt *p = ask_way(&v->q[i]);
        struct pieces text = {r->prompt + p->n - p->forced, r->answer, r->n_prompt - p->n + p->forced,
                              r->n_answer};
        v->code = judge_capped(v, i, &text, r->finish == FINISH_STOP, true);
    }
    return tick(v);
}

/* Those that have to go on become requests; the others are judged here, cut where they are too long. */
static int requests_capped(struct eval *v, size_t *n)
{
    const struct budget *b = v->c->forcing;
    int r = 0;
    *n = 0;
    for (size_t i = 0; !r && i < v->n; i++) {
        const struct prompt *p = ask_way(&v->q[i]);
        const struct request *whole = &v->q[i].request[0];
        uint32_t all = whole->n_answer;
        if (all > v->cap && v->cap + b->n < room(v, i) && thinks_at(v, i, v->cap)) {
            request_close(v, (*n)++, i);
            continue;
        }
        uint32_t kept = min32(all, v->cap + b->answer);
        struct pieces text = {p->ids + p->n - p->forced, whole->answer, p->forced, kept};
        r = judge_capped(v, i, &text, whole->finish == FINISH_STOP && kept == all, false);
    }
    return r;
}

static int ask_capped(struct eval *v)
{
    struct generate_config c = {.streams = v->asker.streams,
                                .vocab = (uint32_t)tokenizer_vocab(v->l->tokenizer),
                                .stop = v->asker.stop,
                                .n_stop = v->asker.n_stop,
                                .on_token = on_capped_token,
                                .ctx = v};
    size_t n = 0;
    int r = requests_capped(v, &n);
    return r ? r : generate_run(v->asker.s, &c, v->requests, n, NULL, v->e);
}

/* ---- all of it ----------------------------------------------------------------------------------------- */

static void own_clear(struct eval *v)
{
    for (size_t i = 0; v->own && i < v->n; i++) free(v->own[i].answer);
    if (v->own) memset(v->own, 0, v->n * sizeof *v->own);
}

static int result_fill(struct eval_result *out, const struct eval *v, double seconds, uint64_t tokens)
{
    int r = eval_stats(out, v->record, problems_of(v), v->n / problems_of(v), v->e);
    out->cap = v->cap, out->kv_bytes = v->kv_bytes, out->code = v->problems->at[0].tests;
    out->tokens_per_second = seconds > 0 ? (double)tokens / seconds : 0;
    if (!v->cap) out->first_token_seconds = v->first_token;
    return r;
}

static int round_run(struct eval *v, uint32_t cap, struct eval_result *out)
{
    double start = progress_clock(), judged = v->judging;
    uint64_t before = v->tokens;
    v->cap = cap;
    own_clear(v);
    v->record = cap || !v->c->records ? v->own : v->c->records;
    int r = cap ? ask_capped(v) : ask_all(v);
    if (!r) r = v->code;
    judged = v->judging - judged;
    return r ? r : result_fill(out, v, progress_clock() - start - judged, v->tokens - before);
}

static int asker_make(struct eval *v)
{
    struct session_config c = v->c->session;
    uint64_t chains = (uint64_t)v->n * v->c->ask.chains;
    if (c.streams > chains) c.streams = (uint32_t)chains;
    c.max_tokens = min32(v->longest + v->max_answer, v->l->m->context);
    v->kv_bytes =
        (uint64_t)c.streams * ((c.max_tokens + KV_PAGE - 1) / KV_PAGE) * kv_page_bytes(v->l->m, c.kv);
    int r = sampler_config_check(&v->c->ask.sampler, v->e);
    return r ? r : asker_open(&v->asker, v->l, c, v->e);
}

static int arrays_alloc(struct eval *v)
{
    size_t row = (size_t)v->longest + v->max_answer, capped = v->c->n_caps ? v->n : 0;
    v->q = calloc(v->n, sizeof *v->q);
    v->unit = calloc(v->n, sizeof *v->unit);
    v->own = calloc(v->n, sizeof *v->own);
    v->requests = calloc(capped + 1, sizeof *v->requests);
    v->owner = calloc(capped + 1, sizeof *v->owner);
    v->ids = calloc(capped * row + 1, sizeof *v->ids);
    if (v->q && v->unit && v->own && v->requests && v->owner && v->ids) return 0;
    return err_set(v->e, ERR_NOMEM, "no memory for %zu answers of %u tokens", v->n, v->max_answer);
}

/* The longest answer there can be. */
static uint32_t most(const struct eval_config *c)
{
    const struct budget *b = c->forcing;
    uint32_t longest = b && b->tokens ? b->tokens + b->n + b->answer : c->ask.max_new;
    for (uint32_t i = 0; i < c->n_caps; i++)
        if (c->caps[i] + b->n + b->answer > longest) longest = c->caps[i] + b->n + b->answer;
    return longest;
}

int eval_run(struct eval_result *out, const struct loaded *l, const struct problems *p,
             const struct eval_config *c, const struct eval_events *ev, struct err *e)
{
    struct eval v = {.l = l, .problems = p, .c = c, .ev = ev, .n = p->n, .max_answer = most(c), .e = e};
    int r = ask_config_check(&c->ask, l, e);
    if (!r) r = measure_prompts(&v);
    if (!r) r = arrays_alloc(&v);
    if (!r) r = asker_make(&v);
    for (uint32_t k = 0; !r && k <= c->n_caps; k++) r = round_run(&v, k ? c->caps[k - 1] : 0, &out[k]);
    for (size_t i = 0; i < v.asked; i++) ask_clear(&v.q[i]);
    asker_clear(&v.asker);
    own_clear(&v);
    free(v.own);
    free(v.q);
    free(v.unit);
    free(v.requests);
    free(v.owner);
    free(v.ids);
    return r;
}
