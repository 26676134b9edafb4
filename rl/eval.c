#include "rl/eval.h"
#include "infer/detok.h"
#include "infer/generate.h"
#include "infer/progress.h"
#include "infer/prompt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is counted of the answers under one cap, or none. */
struct tally {
    uint32_t *lengths; /* [n] tokens of the answers that are done */
    size_t done, correct, closed, truncated, no_answer, undecided;
    uint64_t tokens, generated;
};

struct eval {
    const struct loaded *l;
    const struct problems *problems;
    const struct eval_config *c;
    const struct eval_events *ev;
    struct session *s;
    size_t n;
    struct prompt *prompts;       /* [n] */
    uint32_t longest, max_answer; /* prompt, answer, in tokens */
    int32_t *answers;             /* [n][max_answer] as they are when left alone */
    uint32_t *n_answer;           /* [n] */
    bool *stopped;                /* [n] by themselves */
    struct request *requests;     /* [n] of this round */
    size_t *owner;                /* [n] the problem that a request is for */
    int32_t *ids;                 /* [n][longest + max_answer] under a cap: what is gone on from */
    struct tally t;               /* of this round */
    uint32_t cap;                 /* of this round */
    size_t all_done;              /* of all rounds */
    uint64_t all_tokens;
    int32_t stop[PROMPT_MAX_STOPS];
    uint32_t n_stop;
    int code; /* of an event that failed */
    struct err *e;
};

static uint32_t min32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* ---- prompts ------------------------------------------------------------------------------------------- */

static int prompts_make(struct eval *v)
{
    uint32_t context = v->l->m->context;
    for (size_t i = 0; i < v->n; i++) {
        const struct problem *q = &v->problems->at[i];
        struct prompt *p = &v->prompts[i];
        int r = prompt_chat(p, v->l, q->turns, q->n_turns, v->c->system, v->c->think, v->e);
        if (r) return r;
        if (p->n >= context)
            return err_set(v->e, ERR_CTX_FULL, "the problem in row %llu has %u tokens, the context is %u",
                           (unsigned long long)q->row, p->n, context);
        if (p->n > v->longest) v->longest = p->n;
    }
    return 0;
}

/* Tokens that an answer to problem i may have. */
static uint32_t room(const struct eval *v, size_t i)
{
    return min32(v->max_answer, v->l->m->context - v->prompts[i].n);
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

static void count(struct tally *t, const struct eval_sample *s)
{
    t->correct += s->correct, t->closed += s->closed, t->truncated += s->truncated;
    t->no_answer += s->grade.verdict == GRADE_NO_ANSWER;
    t->undecided += s->grade.verdict == GRADE_UNDECIDED;
    t->tokens += s->tokens;
    t->lengths[t->done++] = s->tokens;
}

/* A finished answer: its text, the answer in it, the verdict. */
static int judge(struct eval *v, size_t i, const struct pieces *p, bool stopped, bool closed)
{
    struct detok d = {.t = v->l->tokenizer};
    const struct problem *q = &v->problems->at[i];
    struct eval_sample s = {.problem = q, .index = i, .cap = v->cap, .closed = closed, .truncated = !stopped};
    s.tokens = p->n_head + p->n_tail - v->prompts[i].forced;
    int r = text_make(&d, p, v->e);
    if (!r) {
        s.text = d.text, s.len = d.n;
        s.grade = grade_text(q->reference, strlen(q->reference), d.text, d.n, NULL);
        s.correct = s.grade.verdict == GRADE_EQUAL;
        count(&v->t, &s);
        v->all_done++;
        if (v->ev->sample) r = v->ev->sample(v->ev->ctx, &s, v->e);
    }
    detok_clear(&d);
    return r;
}

static int judge_request(struct eval *v, const struct request *r)
{
    size_t i = v->owner[r - v->requests];
    const struct prompt *p = &v->prompts[i];
    struct pieces text = {r->prompt + p->n - p->forced, r->answer, r->n_prompt - p->n + p->forced,
                          r->n_answer};
    bool stopped = r->finish == FINISH_STOP;
    if (!v->cap) v->n_answer[i] = r->n_answer, v->stopped[i] = stopped;
    return judge(v, i, &text, stopped, v->cap || r->closed);
}

static int on_token(void *ctx, struct request *r, int32_t token)
{
    struct eval *v = ctx;
    (void)token;
    v->t.generated++, v->all_tokens++;
    if (!v->code && r->finish != FINISH_NONE) v->code = judge_request(v, r);
    if (!v->code && v->ev->tick && v->ev->tick(v->ev->ctx, v->all_done, v->all_tokens))
        v->code = err_set(v->e, ERR_INTERRUPTED, "interrupted after %zu of %zu answers", v->all_done,
                          v->n * (1 + v->c->n_caps));
    return v->code;
}

/* ---- rounds -------------------------------------------------------------------------------------------- */

static struct request *request_init(struct eval *v, size_t k, size_t i)
{
    const struct prompt *p = &v->prompts[i];
    v->owner[k] = i;
    v->requests[k] = (struct request){
        .prompt = p->ids,
        .n_prompt = p->n,
        .adapt_from = p->adapt_from,
        .max_new = room(v, i),
        .sampler = v->c->sampler,
        .stream = i,
        .thinking = p->thinking,
        .answer = v->answers + i * v->max_answer,
    };
    return &v->requests[k];
}

/* Answers left alone, or under the budget. */
static size_t requests_plain(struct eval *v)
{
    const struct budget *b = v->c->forcing;
    bool budget = b && b->tokens;
    for (size_t i = 0; i < v->n; i++) {
        struct request *r = request_init(v, i, i);
        r->budget = budget ? b : NULL;
        if (!budget) r->max_new = min32(v->c->max_new, r->max_new);
    }
    return v->n;
}

static bool thinks_at(const struct eval *v, size_t i, uint32_t tokens)
{
    struct reply_watch w = {.thinking = v->prompts[i].thinking};
    const int32_t *answer = v->answers + i * v->max_answer;
    for (uint32_t k = 0; k < tokens; k++) budget_watch(&w, v->l->tokenizer, answer[k]);
    return w.thinking;
}

/* Problem i under the cap, as request k: its answer up to there, closed, is gone on from. */
static void request_close(struct eval *v, size_t k, size_t i)
{
    const struct prompt *p = &v->prompts[i];
    const struct budget *b = v->c->forcing;
    int32_t *ids = v->ids + i * ((size_t)v->longest + v->max_answer);
    memcpy(ids, p->ids, p->n * sizeof *ids);
    memcpy(ids + p->n, v->answers + i * v->max_answer, v->cap * sizeof *ids);
    memcpy(ids + p->n + v->cap, b->closing, b->n * sizeof *ids);
    struct request *r = request_init(v, k, i);
    r->prompt = ids, r->n_prompt += v->cap + b->n;
    r->answer = ids + r->n_prompt;
    r->max_new = min32(b->answer, room(v, i) - v->cap - b->n);
}

/* Those that have to go on become requests; the others are judged here, cut where they are too long. */
static int requests_capped(struct eval *v, size_t *n)
{
    const struct budget *b = v->c->forcing;
    int r = 0;
    *n = 0;
    for (size_t i = 0; !r && i < v->n; i++) {
        const struct prompt *p = &v->prompts[i];
        uint32_t all = v->n_answer[i];
        if (all > v->cap && v->cap + b->n < room(v, i) && thinks_at(v, i, v->cap)) {
            request_close(v, (*n)++, i);
            continue;
        }
        uint32_t kept = min32(all, v->cap + b->answer);
        struct pieces text = {p->ids + p->n - p->forced, v->answers + i * v->max_answer, p->forced, kept};
        r = judge(v, i, &text, v->stopped[i] && kept == all, false);
    }
    return r;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void result_fill(struct eval_result *out, const struct eval *v, double seconds)
{
    const struct tally *t = &v->t;
    double n = (double)v->n, p = (double)t->correct / n;
    qsort(t->lengths, v->n, sizeof *t->lengths, ascending);
    *out = (struct eval_result){
        .n = v->n,
        .cap = v->cap,
        .accuracy = p,
        .stderr_ = v->n > 1 ? sqrt(p * (1 - p) / (n - 1)) : 0,
        .tokens_mean = (double)t->tokens / n,
        .tokens_median = ((double)t->lengths[(v->n - 1) / 2] + (double)t->lengths[v->n / 2]) / 2,
        .closed = (double)t->closed / n,
        .truncated = (double)t->truncated / n,
        .no_answer = (double)t->no_answer / n,
        .undecided = (double)t->undecided / n,
        .tokens_per_second = seconds > 0 ? (double)t->generated / seconds : 0,
    };
}

static int round_run(struct eval *v, uint32_t cap, struct eval_result *out)
{
    struct generate_config c = {.streams = v->c->session.streams,
                                .stop = v->stop,
                                .n_stop = v->n_stop,
                                .on_token = on_token,
                                .ctx = v};
    double start = progress_clock();
    size_t n = 0;
    int r = 0;
    if (c.streams > v->n) c.streams = (uint32_t)v->n;
    c.vocab = (uint32_t)tokenizer_vocab(v->l->tokenizer);
    v->cap = cap;
    v->t = (struct tally){.lengths = v->t.lengths};
    if (cap)
        r = requests_capped(v, &n);
    else
        n = requests_plain(v);
    if (!r) r = generate_run(v->s, &c, v->requests, n, NULL, v->e);
    if (!r) r = v->code;
    if (!r) result_fill(out, v, progress_clock() - start);
    return r;
}

/* ---- all of it ----------------------------------------------------------------------------------------- */

static int session_make(struct eval *v)
{
    struct session_config c = v->c->session;
    if (c.streams > v->n) c.streams = (uint32_t)v->n;
    c.max_tokens = min32(v->longest + v->max_answer, v->l->m->context);
    int r = sampler_config_check(&v->c->sampler, v->e);
    return r ? r : session_create(&v->s, v->l->m, v->l->lora, &c, v->e);
}

static int arrays_alloc(struct eval *v)
{
    v->prompts = calloc(v->n, sizeof *v->prompts);
    v->requests = calloc(v->n, sizeof *v->requests);
    v->owner = calloc(v->n, sizeof *v->owner);
    v->n_answer = calloc(v->n, sizeof *v->n_answer);
    v->stopped = calloc(v->n, sizeof *v->stopped);
    v->t.lengths = calloc(v->n, sizeof *v->t.lengths);
    v->answers = calloc(v->n, v->max_answer * sizeof *v->answers);
    if (v->prompts && v->requests && v->owner && v->n_answer && v->stopped && v->t.lengths && v->answers)
        return 0;
    return err_set(v->e, ERR_NOMEM, "no memory for %zu answers of %u tokens", v->n, v->max_answer);
}

static int rounds(struct eval *v, struct eval_result *out)
{
    size_t row = (size_t)v->longest + v->max_answer;
    if (v->c->n_caps && !(v->ids = calloc(v->n, row * sizeof *v->ids)))
        return err_set(v->e, ERR_NOMEM, "no memory for %zu answers under a cap", v->n);
    int r = session_make(v);
    for (uint32_t k = 0; !r && k <= v->c->n_caps; k++) r = round_run(v, k ? v->c->caps[k - 1] : 0, &out[k]);
    session_free(v->s);
    return r;
}

/* The longest answer there can be. */
static uint32_t most(const struct eval_config *c)
{
    const struct budget *b = c->forcing;
    uint32_t longest = b && b->tokens ? b->tokens + b->n + b->answer : c->max_new;
    for (uint32_t i = 0; i < c->n_caps; i++)
        if (c->caps[i] + b->n + b->answer > longest) longest = c->caps[i] + b->n + b->answer;
    return longest;
}

int eval_run(struct eval_result *out, const struct loaded *l, const struct problems *p,
             const struct eval_config *c, const struct eval_events *ev, struct err *e)
{
    struct eval v = {.l = l, .problems = p, .c = c, .ev = ev, .n = p->n, .max_answer = most(c), .e = e};
    v.n_stop = prompt_stops(l->tokenizer, v.stop);
    int r = arrays_alloc(&v);
    if (!r) r = prompts_make(&v);
    if (!r) r = rounds(&v, out);
    for (size_t i = 0; v.prompts && i < v.n; i++) prompt_clear(&v.prompts[i]);
    free(v.prompts);
    free(v.requests);
    free(v.owner);
    free(v.n_answer);
    free(v.stopped);
    free(v.t.lengths);
    free(v.answers);
    free(v.ids);
    return r;
}
