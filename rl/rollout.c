#include "rl/rollout.h"
#include "data/grade.h"
#include "infer/detok.h"
#include "infer/rng.h"
#include "rl/ppo_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_ORDER = 0x6f72646572, STREAM_BUDGET = 0x627564676574, TURNS_MAX = 64 };

/* ---- prompts ------------------------------------------------------------------------------------------- */

int budget_turns(const struct problem *p, const char *wording, uint32_t budget, struct chat_turn *turns,
                 char **text, struct err *e)
{
    static const char mark[] = "{budget}";
    struct chat_turn *last = &turns[p->n_turns - 1];
    *text = NULL;
    if (p->n_turns > TURNS_MAX) return err_set(e, ERR_TOO_MANY, "a problem of %u turns", p->n_turns);
    memcpy(turns, p->turns, p->n_turns * sizeof *turns);
    if (!wording || !*wording) return 0;
    size_t room = last->len + strlen(wording) + 16, n = last->len;
    const char *at = strstr(wording, mark);
    if (!(*text = malloc(room))) return err_set(e, ERR_NOMEM, "no memory for a prompt");
    memcpy(*text, last->content, n);
    (*text)[n++] = '\n';
    if (at)
        n += (size_t)snprintf(*text + n, room - n, "%.*s%u%s", (int)(at - wording), wording, budget,
                              at + sizeof mark - 1);
    else
        n += (size_t)snprintf(*text + n, room - n, "%s", wording);
    last->content = *text, last->len = n;
    return 0;
}

static int prompt_make(struct prompt *out, const struct rollout_config *c, const struct loaded *l,
                       const struct problem *p, uint32_t budget, struct err *e)
{
    struct chat_turn turns[TURNS_MAX];
    char *text;
    int r = budget_turns(p, c->budget_prompt, budget, turns, &text, e);
    if (!r) r = prompt_chat(out, l, turns, p->n_turns, c->system, c->think, e);
    free(text);
    return r;
}

int rollout_longest(const struct rollout_config *c, const struct loaded *l, const struct problems *p,
                    uint32_t *out, double *mean, struct err *e)
{
    double all = 0;
    *out = 0;
    for (size_t i = 0; i < p->n; i++) {
        struct prompt q;
        int r = prompt_make(&q, c, l, &p->at[i], BUDGET_LONGEST, e);
        if (r) return r;
        *out = q.n > *out ? q.n : *out; /* no budget has more digits */
        all += q.n;
        prompt_clear(&q);
    }
    if (mean) *mean = all / (double)p->n;
    return 0;
}

/* The k-th prompt of the run: epochs of all problems, each in an order of its own. */
static const struct problem *problem_at(struct rollout *r, uint64_t k)
{
    uint64_t n = r->problems->n, epoch = k / n;
    if (r->shuffled != epoch + 1) {
        for (uint32_t i = 0; i < n; i++) r->order[i] = i;
        for (uint64_t i = n; i > 1; i--) {
            uint64_t j = (uint64_t)(rng_uniform(r->c.seed, STREAM_ORDER + epoch, i) * (double)i);
            uint32_t swap = r->order[i - 1];
            r->order[i - 1] = r->order[j], r->order[j] = swap;
        }
        r->shuffled = epoch + 1;
    }
    return &r->problems->at[r->order[k % n]];
}

static uint32_t budget_at(const struct rollout *r, uint64_t k, double scale)
{
    double u = rng_uniform(r->c.seed, STREAM_BUDGET, k);
    double b = (double)r->c.budgets[(uint32_t)(u * r->c.n_budgets)] * scale;
    return b < 1 ? 1 : b > BUDGET_LONGEST ? BUDGET_LONGEST : (uint32_t)(b + 0.5);
}

/* ---- memory -------------------------------------------------------------------------------------------- */

static size_t samples_of(const struct rollout *r)
{
    return (size_t)r->c.prompts * r->c.group;
}

int rollout_create(struct rollout *r, const struct rollout_config *c, const struct loaded *l,
                   const struct problems *p, struct session *session, uint32_t streams, uint32_t longest,
                   struct err *e)
{
    *r = (struct rollout){.c = *c, .l = l, .problems = p, .session = session, .streams = streams};
    size_t n = samples_of(r);
    r->longest = longest + c->max_new;
    r->sample = calloc(n, sizeof *r->sample);
    r->open = calloc(n, sizeof *r->open);
    r->opened = calloc(n, sizeof *r->opened);
    r->answered = calloc(n, sizeof *r->answered);
    r->finish = calloc(n, sizeof *r->finish);
    r->prompt = calloc(c->prompts, sizeof *r->prompt);
    r->order = calloc(p->n, sizeof *r->order);
    r->ids = calloc(n, r->longest * sizeof *r->ids);
    r->logp = calloc(n, c->max_new * sizeof *r->logp);
    r->token = calloc(n, c->max_new * sizeof *r->token);
    if (r->sample && r->open && r->opened && r->answered && r->finish && r->prompt && r->order && r->ids &&
        r->logp && r->token)
        return 0;
    rollout_clear(r);
    return err_set(e, ERR_NOMEM, "no memory for %zu answers of %u tokens", n, c->max_new);
}

static void samples_clear(struct rollout *r)
{
    for (size_t i = 0; r->sample && i < samples_of(r); i++) free(r->sample[i].text), r->sample[i].text = NULL;
    for (uint32_t i = 0; r->prompt && i < r->c.prompts; i++) prompt_clear(&r->prompt[i]);
}

void rollout_clear(struct rollout *r)
{
    samples_clear(r);
    free(r->sample);
    free(r->open);
    free(r->opened);
    free(r->answered);
    free(r->finish);
    free(r->prompt);
    free(r->order);
    free(r->ids);
    free(r->logp);
    free(r->token);
    memset(r, 0, sizeof *r);
}

/* ---- a rollout ----------------------------------------------------------------------------------------- */

void rollout_ask(struct rollout *r, uint32_t group, struct prompt *prompt, const struct problem *problem,
                 uint32_t budget, uint64_t draw)
{
    r->prompt[group] = *prompt;
    for (uint32_t g = 0; g < r->c.group; g++) {
        size_t i = (size_t)group * r->c.group + g;
        struct sample *s = &r->sample[i];
        s->ids = r->ids + i * r->longest, s->logp = r->logp + i * r->c.max_new,
        s->token = r->token + i * r->c.max_new;
        s->n_prompt = prompt->n, s->adapt_from = prompt->adapt_from, s->forced = prompt->forced;
        s->problem = problem, s->budget = budget, s->draw = draw * r->c.group + g;
        memcpy(s->ids, prompt->ids, prompt->n * sizeof *s->ids);
    }
}

void rollout_forget(struct rollout *r)
{
    memset(r->answered, 0, samples_of(r) * sizeof *r->answered);
    memset(r->finish, 0, samples_of(r) * sizeof *r->finish);
}

int rollout_begin(struct rollout *r, uint64_t step, double scale, struct err *e)
{
    samples_clear(r);
    for (uint32_t i = 0; i < r->c.prompts; i++) {
        uint64_t k = step * r->c.prompts + i;
        const struct problem *problem = problem_at(r, k);
        uint32_t budget = budget_at(r, k, scale);
        struct prompt q;
        int code = prompt_make(&q, &r->c, r->l, problem, budget, e);
        if (code) return code;
        if (q.n + r->c.max_new > r->longest) {
            code = err_set(e, ERR_CTX_FULL, "a prompt of %u tokens, planned for %u", q.n,
                           r->longest - r->c.max_new);
            prompt_clear(&q);
            return code;
        }
        rollout_ask(r, i, &q, problem, budget, k);
    }
    return 0;
}

/* ---- answers ------------------------------------------------------------------------------------------- */

/* An answer goes on after what there is of it, as if that were its prompt: to the same tokens, since what is
 * drawn depends on the place in the sequence. */
static void open_add(struct rollout *r, size_t n, size_t i)
{
    struct sample *s = &r->sample[i];
    uint32_t have = r->answered[i];
    struct request *q = &r->open[n];
    *q = (struct request){.prompt = s->ids, .n_prompt = s->n_prompt + have, .adapt_from = s->adapt_from};
    q->max_new = r->c.max_new - have, q->answer = s->ids + s->n_prompt + have, q->logprob = s->logp + have;
    sampler_config_init(&q->sampler);
    q->sampler.temperature = r->c.temperature, q->sampler.seed = r->c.seed, q->stream = s->draw;
    r->opened[n] = (struct rollout_open){i, have};
}

struct hearing {
    struct rollout *r;
    rollout_token *on_token;
    void *ctx;
};

static int hear(void *ctx, struct request *q, int32_t token)
{
    struct hearing *h = ctx;
    const struct rollout_open *o = &h->r->opened[q - h->r->open];
    (void)token;
    h->r->answered[o->sample] = o->had + q->n_answer, h->r->finish[o->sample] = (uint8_t)q->finish;
    return h->on_token ? h->on_token(h->ctx, q->finish != FINISH_NONE) : 0;
}

bool rollout_whole(const struct rollout *r)
{
    for (size_t i = 0; i < samples_of(r); i++)
        if (r->finish[i] == FINISH_NONE) return false;
    return true;
}

int rollout_answer(struct rollout *r, rollout_token *on_token, void *ctx, struct err *e)
{
    int32_t stop[PROMPT_MAX_STOPS];
    struct hearing h = {r, on_token, ctx};
    struct generate_config c = {.streams = r->streams, .stop = stop, .on_token = hear, .ctx = &h};
    size_t n = 0;
    c.vocab = r->l->tokenizer ? (uint32_t)tokenizer_vocab(r->l->tokenizer) : r->l->m->c.vocab;
    c.n_stop = r->l->tokenizer ? prompt_stops(r->l->tokenizer, stop) : 0;
    for (size_t i = 0; i < samples_of(r); i++)
        if (r->finish[i] == FINISH_NONE) open_add(r, n++, i);
    return generate_run(r->session, &c, r->open, n, &r->stats, e);
}

/* ---- grades -------------------------------------------------------------------------------------------- */

static uint32_t count(const char *text, const char *what)
{
    uint32_t n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what)) n++;
    return n;
}

/* The answer's text, forced tokens included; *close: its tokens up to the first "</think>", 0 if there is
 * none. */
static int answer_text(const struct sample *s, struct detok *d, uint32_t *close, struct err *e)
{
    static const char mark[] = "</think>";
    int code = 0;
    *close = 0;
    for (uint32_t t = s->n_prompt - s->forced; !code && t < s->n_prompt + s->n_answer; t++) {
        size_t from =
            d->n > sizeof mark - 2 ? d->n - (sizeof mark - 2) : 0; /* it may have begun before this token */
        code = detok_push(d, s->ids[t], e);
        if (!code && !*close && t >= s->n_prompt && strstr(d->text + from, mark))
            *close = t + 1 - s->n_prompt;
    }
    return code ? code : detok_end(d, e);
}

void rollout_judge(struct rollout *r, size_t i, char *text, size_t n, uint32_t close)
{
    struct sample *s = &r->sample[i];
    s->n_answer = r->answered[i], s->text = text;
    s->grade = grade_text(s->problem->reference, strlen(s->problem->reference), text, n, NULL);
    uint32_t opened = count(text, "<think>"), closed = count(text, "</think>");
    s->outcome = (struct outcome){
        .correct = s->grade.verdict == GRADE_EQUAL,
        .found = s->grade.verdict != GRADE_NO_ANSWER,
        .truncated = r->finish[i] != FINISH_STOP,
        .formed = opened == closed && opened <= 1,
        .tokens = s->n_answer,
        .thinking = close    ? close
                    : opened ? s->n_answer
                             : 0,
        .budget = s->budget,
        .longest = r->c.max_new,
    };
}

int rollout_grade(struct rollout *r, struct err *e)
{
    for (size_t i = 0; i < samples_of(r); i++) {
        struct detok d = {.t = r->l->tokenizer};
        uint32_t close;
        r->sample[i].n_answer = r->answered[i];
        int code = answer_text(&r->sample[i], &d, &close, e);
        if (code) {
            detok_clear(&d);
            return code;
        }
        rollout_judge(r, i, d.text, d.n, close);
    }
    return 0;
}
