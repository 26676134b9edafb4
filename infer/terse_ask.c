/* libterse: questions and their answers. */
#include "infer/detok.h"
#include "infer/reply.h"
#include "infer/terse_private.h"

#include <stdlib.h>
#include <string.h>

struct answer {
    struct detok text; /* made when the answer is done */
    int32_t *ids;      /* [n] */
    float *logprob;    /* [n] or NULL */
    uint32_t n;
    bool closed;
    enum finish finish;
};

struct terse_answers {
    uint32_t n;
    int32_t *ids;   /* all answers' */
    float *logprob; /* or NULL */
    struct answer answer[];
};

/* One question while it is answered. */
struct asked {
    struct terse_question q;
    struct sampler_config sampler;
    struct budget budget; /* tokens 0: none */
    struct prompt p;
    uint32_t answers, max_new;
    struct terse_answers *a;
    struct request *request;  /* [answers], in the list of all */
    struct utf8_stream *utf8; /* [answers] */
};

struct asking {
    struct terse_session *s;
    struct asked *q; /* [n] */
    size_t n, total; /* questions, answers */
    struct request *request;
    struct utf8_stream *utf8; /* [total] */
    char *text;               /* a piece on its way */
};

/* ---- a question ---------------------------------------------------------------------------------------- */

static int prompt_of(struct asked *k, const struct terse_session *s, struct err *e)
{
    const struct loaded *l = terse_loaded(s);
    const struct terse_question *q = &k->q;
    struct chat_turn *turns;
    if ((q->messages != NULL) == (q->ids != NULL) || (q->ids && q->think))
        return err_set(e, ERR_USAGE, "a question has messages, perhaps to be thought about, or ids");
    if (q->n_ids > INT32_MAX) return err_set(e, ERR_TEXT_LEN, "a prompt of %zu tokens", q->n_ids);
    if (q->ids) return prompt_ids(&k->p, l, q->ids, (uint32_t)q->n_ids, e);
    int r = terse_turns(&turns, q->messages, q->n_messages, e);
    if (r) return r;
    r = prompt_chat(&k->p, l, turns, (uint32_t)q->n_messages, q->system, q->think != 0, e);
    free(turns);
    return r;
}

/* Room for n answers of max_new tokens. */
static int answers_create(struct terse_answers **out, const struct tokenizer *t, uint32_t n, uint32_t max_new,
                          bool logprobs, struct err *e)
{
    struct terse_answers *a = *out = calloc(1, sizeof *a + n * sizeof *a->answer);
    size_t tokens = (size_t)n * max_new;
    if (a) a->ids = calloc(tokens, sizeof *a->ids);
    if (a && logprobs) a->logprob = calloc(tokens, sizeof *a->logprob);
    if (!a || !a->ids || (logprobs && !a->logprob))
        return err_set(e, ERR_NOMEM, "no memory for %u answers of %u tokens", n, max_new);
    a->n = n;
    for (uint32_t i = 0; i < n; i++)
        a->answer[i] = (struct answer){
            .text.t = t,
            .ids = a->ids + (size_t)i * max_new,
            .logprob = logprobs ? a->logprob + (size_t)i * max_new : NULL,
        };
    return 0;
}

static int asked_init(struct asked *k, const struct terse_session *s, const struct terse_question *q,
                      struct err *e)
{
    int r = q ? terse_take(&k->q, sizeof k->q, q, "terse_question", e) : err_set(e, ERR_USAGE, "no question");
    if (!r && k->q.reserved) r = err_set(e, ERR_VERSION, "terse_question: reserved is set, expected 0");
    if (!r) r = terse_sampler_config(&k->sampler, s->m, k->q.sampling, e);
    if (!r && k->q.budget)
        r = budget_init(&k->budget, s->m->l.tokenizer, k->q.budget, k->q.answer_tokens,
                        k->q.closing ? k->q.closing : BUDGET_CLOSING, e);
    if (!r) r = prompt_of(k, s, e);
    if (r) return r;
    uint32_t most = session_max_tokens(s->s);
    if (k->p.n >= most)
        return err_set(e, ERR_CTX_FULL,
                       "the prompt has %u tokens and a stream %u, which leaves no room for an answer", k->p.n,
                       most);
    if (k->q.base_only) k->p.adapt_from = UINT32_MAX;
    if (k->q.answers > 1 << 16)
        return err_set(e, ERR_FIELD_RANGE, "%u answers, expected at most %d", k->q.answers, 1 << 16);
    k->answers = k->q.answers ? k->q.answers : 1;
    k->max_new = k->q.max_tokens && k->q.max_tokens < most - k->p.n ? k->q.max_tokens : most - k->p.n;
    return answers_create(&k->a, s->m->l.tokenizer, k->answers, k->max_new, k->q.logprobs != 0, e);
}

static void requests_fill(struct asked *k)
{
    for (uint32_t i = 0; i < k->answers; i++)
        k->request[i] = (struct request){
            .prompt = k->p.ids,
            .n_prompt = k->p.n,
            .adapt_from = k->p.adapt_from,
            .max_new = k->max_new,
            .sampler = k->sampler,
            .stream = i,
            .budget = k->budget.tokens ? &k->budget : NULL,
            .thinking = k->p.thinking,
            .answer = k->a->answer[i].ids,
            .logprob = k->a->answer[i].logprob,
        };
}

/* ---- pieces -------------------------------------------------------------------------------------------- */

static uint32_t finish_of(enum finish f)
{
    static const uint32_t names[] = {
        [FINISH_NONE] = TERSE_UNFINISHED,
        [FINISH_STOP] = TERSE_END,
        [FINISH_LENGTH] = TERSE_LENGTH,
        [FINISH_CANCEL] = TERSE_CANCELLED,
    };
    return names[f];
}

static int go(int said)
{
    return said == TERSE_STOP_THIS ? GENERATE_LEAVE : said ? TERSE_STOP_ALL : 0;
}

static int on_token(void *ctx, struct request *r, int32_t token)
{
    struct asking *g = ctx;
    struct asked *k = g->q;
    while (r < k->request || r >= k->request + k->answers) k++;
    if (!k->q.on_piece) return 0;
    uint32_t i = (uint32_t)(r - k->request);
    struct terse_piece piece = {.answer = i, .token = token, .text = g->text, .tokens = r->n_answer};
    piece.bytes = terse_piece_text(g->s->m, &k->utf8[i], token, g->text);
    piece.finish = finish_of(r->finish);
    if (piece.finish) piece.bytes += utf8_stream_flush(&k->utf8[i], g->text + piece.bytes);
    g->text[piece.bytes] = 0;
    if (r->logprob) piece.logprob = r->logprob[r->n_answer - 1];
    return go(k->q.on_piece(k->q.context, &piece));
}

/* The beginning that a question dictates. Answers that are not wanted have no room left. */
static int begin(struct asked *k)
{
    int said = 0;
    if (!k->q.on_piece || !k->q.think) return 0;
    for (uint32_t i = 0; i < k->answers && said != TERSE_STOP_ALL; i++) {
        struct terse_piece piece = {i, -1, PROMPT_THINK, sizeof PROMPT_THINK - 1, 0, 0, TERSE_UNFINISHED};
        said = go(k->q.on_piece(k->q.context, &piece));
        if (said == GENERATE_LEAVE) k->request[i].max_new = 0;
    }
    return said == TERSE_STOP_ALL;
}

/* ---- all of it ----------------------------------------------------------------------------------------- */

static int run(struct asking *g, struct err *e)
{
    struct terse_session *s = g->s;
    struct terse_stats *t = &s->stats;
    struct generate_stats stats = {0};
    struct generate_config c = {.streams = s->streams, .on_token = on_token, .ctx = g};
    c.vocab = (uint32_t)tokenizer_vocab(s->m->l.tokenizer), c.stop = s->m->stop, c.n_stop = s->m->n_stop;
    for (size_t i = 0; g->total && i < g->n; i++)
        if (begin(&g->q[i])) g->total = 0;
    int r = generate_run(s->s, &c, g->request, g->total, &stats, e);
    for (size_t i = 0; i < g->n; i++) t->prompt_tokens += g->q[i].p.n;
    t->encoded_tokens += stats.prompt_tokens, t->answer_tokens += stats.decoded_tokens;
    t->prefill_seconds += stats.prefill_seconds, t->decode_seconds += stats.decode_seconds;
    t->first_token_seconds = stats.first_token_seconds;
    return r;
}

static int memory_take(struct asking *g, struct err *e)
{
    g->request = calloc(g->total, sizeof *g->request);
    g->utf8 = calloc(g->total, sizeof *g->utf8);
    g->text = malloc(g->s->m->token_room);
    if (!g->request || !g->utf8 || !g->text)
        return err_set(e, ERR_NOMEM, "no memory for %zu answers", g->total);
    size_t at = 0;
    for (size_t i = 0; i < g->n; at += g->q[i++].answers) {
        g->q[i].request = g->request + at, g->q[i].utf8 = g->utf8 + at;
        requests_fill(&g->q[i]);
    }
    return 0;
}

static int texts_make(struct asked *k, struct err *e)
{
    int r = 0;
    for (uint32_t i = 0; !r && i < k->answers; i++) {
        struct answer *a = &k->a->answer[i];
        a->n = k->request[i].n_answer, a->closed = k->request[i].closed;
        bool wanted = k->request[i].max_new && k->request[i].finish != FINISH_NONE;
        a->finish = wanted ? k->request[i].finish : FINISH_CANCEL;
        for (uint32_t t = k->p.n - k->p.forced; !r && t < k->p.n; t++)
            r = detok_push(&a->text, k->p.ids[t], e);
        for (uint32_t t = 0; !r && t < a->n; t++) r = detok_push(&a->text, a->ids[t], e);
        if (!r) r = detok_end(&a->text, e);
    }
    return r;
}

static int ask(struct asking *g, const struct terse_question *q, struct err *e)
{
    int r = 0;
    for (size_t i = 0; !r && i < g->n; i++) {
        /* the caller's structs may be of another size than ours */
        const char *at = (const char *)q + (i ? i * g->q[0].q.size : 0);
        r = asked_init(&g->q[i], g->s, q ? (const void *)at : NULL, e);
        g->total += g->q[i].answers;
    }
    if (!r) r = memory_take(g, e);
    if (!r) r = run(g, e);
    for (size_t i = 0; !r && i < g->n; i++) r = texts_make(&g->q[i], e);
    return r;
}

int terse_ask_many(struct terse_session *s, const struct terse_question *q, size_t n,
                   struct terse_answers **out, struct terse_error *error)
{
    struct err e = {0};
    struct asking g = {.s = s, .n = n};
    for (size_t i = 0; out && i < n; i++) out[i] = NULL;
    if (!n) return 0;
    g.q = calloc(n, sizeof *g.q);
    int r = g.q ? ask(&g, q, &e) : err_set(&e, ERR_NOMEM, "no memory for %zu questions", n);
    for (size_t i = 0; g.q && i < n; i++) {
        budget_clear(&g.q[i].budget);
        prompt_clear(&g.q[i].p);
        if (out && !r)
            out[i] = g.q[i].a;
        else
            terse_answers_free(g.q[i].a);
    }
    free(g.text);
    free(g.utf8);
    free(g.request);
    free(g.q);
    return terse_end(error, &e, r);
}

int terse_ask(struct terse_session *s, const struct terse_question *q, struct terse_answers **out,
              struct terse_error *error)
{
    return terse_ask_many(s, q, 1, out, error);
}

/* ---- answers ------------------------------------------------------------------------------------------- */

uint32_t terse_answers_count(const struct terse_answers *a)
{
    return a->n;
}

const char *terse_answers_text(const struct terse_answers *a, uint32_t i, size_t *bytes)
{
    if (bytes) *bytes = a->answer[i].text.n;
    return a->answer[i].text.text;
}

size_t terse_answers_reply(const struct terse_answers *a, uint32_t i)
{
    return text_reply(a->answer[i].text.text, a->answer[i].text.n);
}

const int32_t *terse_answers_tokens(const struct terse_answers *a, uint32_t i, uint32_t *n)
{
    *n = a->answer[i].n;
    return a->answer[i].ids;
}

const float *terse_answers_logprobs(const struct terse_answers *a, uint32_t i)
{
    return a->answer[i].logprob;
}

enum terse_finish terse_answers_finish(const struct terse_answers *a, uint32_t i)
{
    return (enum terse_finish)finish_of(a->answer[i].finish);
}

int terse_answers_closed(const struct terse_answers *a, uint32_t i)
{
    return a->answer[i].closed;
}

void terse_answers_free(struct terse_answers *a)
{
    if (!a) return;
    for (uint32_t i = 0; i < a->n; i++) detok_clear(&a->answer[i].text);
    free(a->logprob);
    free(a->ids);
    free(a);
}
