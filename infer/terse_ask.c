/* libterse: questions and their answers. */
#include "infer/ask.h"
#include "infer/reply.h"
#include "infer/terse_private.h"

#include <stdlib.h>
#include <string.h>

/* What is left of a question. */
struct terse_answers {
    struct ask q;
};

/* One question while it is answered. */
struct asked {
    struct terse_question q;
    struct budget budget;     /* tokens 0: none */
    struct utf8_stream *utf8; /* [answers] */
};

struct asking {
    struct terse_session *s;
    struct loaded l; /* the model with the session's adapter and what heads fit both; borrowed */
    struct asker asker;
    struct asked *k; /* [n] */
    struct ask *ask; /* [n] */
    size_t n, begun; /* begun: of ask that are to be cleared */
    char *text;      /* a piece on its way */
    bool stopped;
};

/* ---- a question ---------------------------------------------------------------------------------------- */

static int config_of(struct ask_config *c, struct asked *k, const struct asking *g, struct err *e)
{
    const struct terse_question *q = &k->q;
    const struct loaded *l = &g->l;
    if (q->answers > 1 << 16 || q->mode > TERSE_REASON || q->vote > TERSE_BEST ||
        !(q->threshold >= 0 && q->threshold <= 1))
        return err_set(e, ERR_FIELD_RANGE,
                       "answers %u, mode %u, vote %u, threshold %g; expected at most %d, %d, %d and 1",
                       q->answers, q->mode, q->vote, q->threshold, 1 << 16, TERSE_REASON, TERSE_BEST);
    *c = (struct ask_config){
        .mode = q->mode == TERSE_CHAT ? ASK_CHAT : ASK_REASON,
        .think = q->think,
        .threshold = q->threshold > 0 ? q->threshold : -1,
        .chains = q->answers ? q->answers : 1,
        .max_new = q->max_tokens,
        .votes = q->vote != TERSE_NO_VOTE,
        .vote = q->vote ? (enum vote_kind)(q->vote - 1) : VOTE_MAJORITY,
        .scores = q->scores && l->head[HEAD_VERIFIER],
        .all = q->run_all,
        .logprobs = q->logprobs,
    };
    if (q->mode == TERSE_AUTO && q->messages && l->head[HEAD_SWITCHER] && l->lora &&
        l->adapter->cfg.gate != GATE_ALL)
        c->mode = ASK_AUTO;
    int r = terse_sampler_config(&c->sampler, g->s->m, q->sampling, e);
    if (!r && q->budget)
        r = budget_init(&k->budget, l->tokenizer, q->budget, q->answer_tokens,
                        q->closing ? q->closing : BUDGET_CLOSING, e);
    c->budget = k->budget.tokens ? &k->budget : NULL;
    return r;
}

static int ask_ids(struct ask *out, struct asking *g, const struct terse_question *q,
                   const struct ask_config *c, struct err *e)
{
    struct prompt p;
    if (q->n_ids > INT32_MAX) return err_set(e, ERR_TEXT_LEN, "a prompt of %zu tokens", q->n_ids);
    int r = prompt_ids(&p, &g->l, q->ids, (uint32_t)q->n_ids, e);
    return r ? r : ask_prompt(out, &g->asker, c, &p, e);
}

static int question_take(struct asking *g, size_t i, const struct terse_question *from, struct err *e)
{
    struct asked *k = &g->k[i];
    const struct terse_question *q = &k->q;
    struct ask_config c;
    struct chat_turn *turns;
    int r = from ? terse_take(&k->q, sizeof k->q, from, "terse_question", e)
                 : err_set(e, ERR_USAGE, "no question");
    if (!r) r = config_of(&c, k, g, e);
    if (!r && ((q->messages != NULL) == (q->ids != NULL) || (q->ids && q->think)))
        r = err_set(e, ERR_USAGE, "a question has messages, perhaps to be thought about, or ids");
    if (!r && q->ids) {
        r = ask_ids(&g->ask[i], g, q, &c, e);
    } else if (!r && !(r = terse_turns(&turns, q->messages, q->n_messages, e))) {
        r = ask_chat(&g->ask[i], &g->asker, &c, turns, (uint32_t)q->n_messages, q->system, e);
        free(turns);
    }
    if (r) return r;
    g->begun++;
    k->utf8 = calloc(c.chains, sizeof *k->utf8);
    return k->utf8 ? 0 : err_set(e, ERR_NOMEM, "no memory for %u answers", c.chains);
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

static int on_token(void *ctx, struct ask *q, uint32_t i, int32_t token)
{
    struct asking *g = ctx;
    struct asked *k = &g->k[q - g->ask];
    const struct request *r = &q->request[i];
    if (g->stopped) return TERSE_STOP_ALL;
    if (!k->q.on_piece) return 0;
    struct terse_piece piece = {.answer = i, .token = token, .text = g->text, .tokens = r->n_answer};
    piece.bytes = terse_piece_text(g->s->m, &k->utf8[i], token, g->text);
    piece.finish = finish_of(r->finish);
    if (piece.finish) piece.bytes += utf8_stream_flush(&k->utf8[i], g->text + piece.bytes);
    g->text[piece.bytes] = 0;
    if (r->logprob) piece.logprob = r->logprob[r->n_answer - 1];
    return go(k->q.on_piece(k->q.context, &piece));
}

/* The beginning that a question dictates. */
static void on_route(void *ctx, struct ask *q)
{
    struct asking *g = ctx;
    const struct asked *k = &g->k[q - g->ask];
    int said = 0;
    if (!k->q.on_piece || !k->q.think || !q->reasons) return;
    for (uint32_t i = 0; i < q->chains && said != TERSE_STOP_ALL && !g->stopped; i++) {
        struct terse_piece piece = {i, -1, PROMPT_THINK, sizeof PROMPT_THINK - 1, 0, 0, TERSE_UNFINISHED};
        said = go(k->q.on_piece(k->q.context, &piece));
        if (said == GENERATE_LEAVE) q->request[i].unwanted = true;
    }
    if (said != TERSE_STOP_ALL) return;
    g->stopped = true;
    for (size_t n = 0; n < g->n; n++)
        for (uint32_t i = 0; i < g->ask[n].c.chains; i++) g->ask[n].request[i].unwanted = true;
}

/* ---- all of it ----------------------------------------------------------------------------------------- */

/* The model as the session has it: with its adapter, and with the heads that were made for the two. */
static int view_make(struct asking *g, struct err *e)
{
    struct err why = {0};
    g->l = *terse_loaded(g->s);
    for (int t = 0; t < HEAD_TASKS; t++) {
        struct loaded one = g->l;
        memset(one.head, 0, sizeof one.head);
        one.head[t] = g->s->m->l.head[t];
        g->l.head[t] = one.head[t] && !loaded_heads_check(&one, NULL, NULL, "", &why) ? one.head[t] : NULL;
    }
    return asker_init(&g->asker, &g->l, g->s->s, g->s->streams, e);
}

static int run(struct asking *g, struct err *e)
{
    struct terse_stats *t = &g->s->stats;
    struct generate_stats stats = {0};
    struct ask_events ev = {.routed = on_route, .token = on_token, .ctx = g};
    int r = ask_run(&g->asker, g->ask, g->n, &ev, &stats, e);
    for (size_t i = 0; i < g->n; i++) t->prompt_tokens += ask_way(&g->ask[i])->n;
    t->encoded_tokens += stats.prompt_tokens, t->answer_tokens += stats.decoded_tokens;
    t->prefill_seconds += stats.prefill_seconds, t->decode_seconds += stats.decode_seconds;
    t->first_token_seconds = stats.first_token_seconds;
    return r;
}

static int ask(struct asking *g, const struct terse_question *q, struct err *e)
{
    g->k = calloc(g->n, sizeof *g->k);
    g->ask = calloc(g->n, sizeof *g->ask);
    g->text = malloc(g->s->m->token_room);
    int r = g->k && g->ask && g->text ? 0 : err_set(e, ERR_NOMEM, "no memory for %zu questions", g->n);
    if (!r) r = view_make(g, e);
    for (size_t i = 0; !r && i < g->n; i++) {
        /* the caller's structs may be of another size than ours */
        const char *at = (const char *)q + (i ? i * g->k[0].q.size : 0);
        r = question_take(g, i, q ? (const void *)at : NULL, e);
    }
    return r ? r : run(g, e);
}

/* The caller's answers; what it does not want is cleared. */
static int hand_out(struct asking *g, struct terse_answers **out, struct err *e)
{
    for (size_t i = 0; i < g->n; i++) {
        out[i] = malloc(sizeof *out[i]);
        if (!out[i]) return err_set(e, ERR_NOMEM, "no memory for answers");
        out[i]->q = g->ask[i];
        out[i]->q.asker = NULL;
        g->ask[i] = (struct ask){0};
    }
    return 0;
}

int terse_ask_many(struct terse_session *s, const struct terse_question *q, size_t n,
                   struct terse_answers **out, struct terse_error *error)
{
    struct err e = {0};
    struct asking g = {.s = s, .n = n};
    for (size_t i = 0; out && i < n; i++) out[i] = NULL;
    if (!n) return 0;
    int r = ask(&g, q, &e);
    if (!r && out) r = hand_out(&g, out, &e);
    for (size_t i = 0; r && out && i < n; i++) terse_answers_free(out[i]), out[i] = NULL;
    for (size_t i = 0; g.k && i < n; i++) budget_clear(&g.k[i].budget), free(g.k[i].utf8);
    for (size_t i = 0; i < g.begun; i++) ask_clear(&g.ask[i]);
    asker_clear(&g.asker);
    free(g.text);
    free(g.ask);
    free(g.k);
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
    return a->q.chains;
}

const char *terse_answers_text(const struct terse_answers *a, uint32_t i, size_t *bytes)
{
    const struct detok *d = &a->q.text[i];
    if (bytes) *bytes = d->n;
    return d->text;
}

size_t terse_answers_reply(const struct terse_answers *a, uint32_t i)
{
    return text_reply(a->q.text[i].text, a->q.text[i].n);
}

const int32_t *terse_answers_tokens(const struct terse_answers *a, uint32_t i, uint32_t *n)
{
    *n = a->q.request[i].n_answer;
    return a->q.request[i].answer;
}

const float *terse_answers_logprobs(const struct terse_answers *a, uint32_t i)
{
    return a->q.request[i].logprob;
}

enum terse_finish terse_answers_finish(const struct terse_answers *a, uint32_t i)
{
    return (enum terse_finish)finish_of(a->q.request[i].finish);
}

int terse_answers_closed(const struct terse_answers *a, uint32_t i)
{
    return a->q.request[i].closed;
}

void terse_answers_outcome(const struct terse_answers *a, struct terse_outcome *out)
{
    const struct ask *q = &a->q;
    struct terse_outcome o = {.size = sizeof o, .reasoned = q->reasons, .probability = q->probability};
    if (q->c.votes) {
        if (q->vote.chain < q->chains) o.winner = q->vote.chain;
        o.weight = (double)q->vote.weight / VOTE_ONE, o.total = (double)q->vote.total / VOTE_ONE;
    }
    for (uint32_t i = 0; q->early && i < q->chains; i++) o.given_up += q->chain[i].answer == VOTE_PENDING;
    terse_give(out, &o, sizeof o);
}

double terse_answers_score(const struct terse_answers *a, uint32_t i)
{
    return a->q.chain[i].score < 0 ? -1 : (double)a->q.chain[i].score;
}

const char *terse_answers_final(const struct terse_answers *a, uint32_t i, size_t *bytes)
{
    const struct ask *q = &a->q;
    bool has = q->chain[i].answer >= 0;
    *bytes = has ? q->answer[i].n : 0;
    return has ? q->answer[i].s : NULL;
}

void terse_answers_free(struct terse_answers *a)
{
    if (!a) return;
    ask_clear(&a->q);
    free(a);
}
