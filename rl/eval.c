#include "rl/eval.h"
#include "infer/detok.h"
#include "infer/generate.h"
#include "infer/progress.h"
#include "infer/prompt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct eval {
    const struct loaded *l;
    const struct problems *problems;
    const struct eval_config *c;
    const struct eval_events *ev;
    struct prompt *prompts;   /* [n] */
    struct request *requests; /* [n] */
    int32_t *answers;         /* [n][max_new] */
    uint32_t *lengths;        /* [n] tokens of the answers that are done */
    size_t n, done, correct, truncated, no_answer, undecided;
    uint64_t tokens;
    int32_t stop[PROMPT_MAX_STOPS];
    uint32_t n_stop, longest; /* prompt, in tokens */
    int code;                 /* of an event that failed */
    struct err *e;
};

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
        uint32_t room = context - p->n;
        v->requests[i] = (struct request){
            .prompt = p->ids,
            .n_prompt = p->n,
            .adapt_from = p->adapt_from,
            .max_new = v->c->max_new < room ? v->c->max_new : room,
            .sampler = v->c->sampler,
            .stream = i,
            .answer = v->answers + i * v->c->max_new,
        };
    }
    return 0;
}

static int answer_text(struct detok *d, const struct eval *v, const struct request *r)
{
    int code = 0;
    uint32_t forced = v->prompts[r - v->requests].forced;
    for (uint32_t i = r->n_prompt - forced; !code && i < r->n_prompt; i++)
        code = detok_push(d, r->prompt[i], v->e);
    for (uint32_t i = 0; !code && i < r->n_answer; i++) code = detok_push(d, r->answer[i], v->e);
    return code ? code : detok_end(d, v->e);
}

/* A finished answer: its text, the answer in it, the verdict. */
static int grade(struct eval *v, const struct request *r, int stopped)
{
    struct detok d = {.t = v->l->tokenizer};
    struct eval_sample s = {.index = (size_t)(r - v->requests), .tokens = r->n_answer, .truncated = !stopped};
    int code = answer_text(&d, v, r);
    s.problem = &v->problems->at[s.index];
    s.text = d.text, s.len = d.n;
    if (!code) {
        s.grade = grade_text(s.problem->reference, strlen(s.problem->reference), d.text, d.n, NULL);
        s.correct = s.grade.verdict == GRADE_EQUAL;
        v->correct += s.correct, v->truncated += s.truncated;
        v->no_answer += s.grade.verdict == GRADE_NO_ANSWER;
        v->undecided += s.grade.verdict == GRADE_UNDECIDED;
        v->lengths[v->done++] = r->n_answer;
        if (v->ev->sample) code = v->ev->sample(v->ev->ctx, &s, v->e);
    }
    detok_clear(&d);
    return code;
}

static int on_token(void *ctx, struct request *r, int32_t token)
{
    struct eval *v = ctx;
    (void)token;
    v->tokens++;
    if (!v->code && r->finish != FINISH_NONE) v->code = grade(v, r, r->finish == FINISH_STOP);
    if (!v->code && v->ev->tick && v->ev->tick(v->ev->ctx, v->done, v->tokens))
        v->code = err_set(v->e, ERR_INTERRUPTED, "interrupted after %zu of %zu problems", v->done, v->n);
    return v->code;
}

static int run(struct eval *v)
{
    struct session *s = NULL;
    struct session_config sc = v->c->session;
    uint32_t context = v->l->m->context;
    if (sc.streams > v->n) sc.streams = (uint32_t)v->n;
    struct generate_config c = {.streams = sc.streams, .stop = v->stop, .n_stop = v->n_stop};
    sc.max_tokens = v->c->max_new < context - v->longest ? v->longest + v->c->max_new : context;
    c.vocab = (uint32_t)tokenizer_vocab(v->l->tokenizer), c.on_token = on_token, c.ctx = v;
    int r = sampler_config_check(&v->c->sampler, v->e);
    if (!r) r = session_create(&s, v->l->m, v->l->lora, &sc, v->e);
    if (!r) r = generate_run(s, &c, v->requests, v->n, NULL, v->e);
    session_free(s);
    return r ? r : v->code;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void result_fill(struct eval_result *out, struct eval *v, double seconds)
{
    double n = (double)v->n, p = (double)v->correct / n;
    qsort(v->lengths, v->n, sizeof *v->lengths, ascending);
    *out = (struct eval_result){
        .n = v->n,
        .accuracy = p,
        .stderr_ = v->n > 1 ? sqrt(p * (1 - p) / (n - 1)) : 0,
        .tokens_mean = (double)v->tokens / n,
        .tokens_median = ((double)v->lengths[(v->n - 1) / 2] + (double)v->lengths[v->n / 2]) / 2,
        .truncated = (double)v->truncated / n,
        .no_answer = (double)v->no_answer / n,
        .undecided = (double)v->undecided / n,
        .tokens_per_second = seconds > 0 ? (double)v->tokens / seconds : 0,
    };
}

static int arrays_alloc(struct eval *v)
{
    v->prompts = calloc(v->n, sizeof *v->prompts);
    v->requests = calloc(v->n, sizeof *v->requests);
    v->lengths = calloc(v->n, sizeof *v->lengths);
    v->answers = calloc(v->n, v->c->max_new * sizeof *v->answers);
    if (v->prompts && v->requests && v->lengths && v->answers) return 0;
    return err_set(v->e, ERR_NOMEM, "no memory for %zu answers of %u tokens", v->n, v->c->max_new);
}

int eval_run(struct eval_result *out, const struct loaded *l, const struct problems *p,
             const struct eval_config *c, const struct eval_events *ev, struct err *e)
{
    struct eval v = {.l = l, .problems = p, .c = c, .ev = ev, .n = p->n, .e = e};
    double start = progress_clock();
    v.n_stop = prompt_stops(l->tokenizer, v.stop);
    int r = arrays_alloc(&v);
    if (!r) r = prompts_make(&v);
    if (!r) r = run(&v);
    if (!r) result_fill(out, &v, progress_clock() - start);
    for (size_t i = 0; v.prompts && i < v.n; i++) prompt_clear(&v.prompts[i]);
    free(v.prompts);
    free(v.requests);
    free(v.lengths);
    free(v.answers);
    return r;
}
