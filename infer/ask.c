#include "infer/ask.h"
#include "infer/ascii.h"
#include "infer/check.h"
#include "infer/number.h"

#include <stdlib.h>
#include <string.h>

/* ---- answers that are the same ---------------------------------------------------------------------------
 */

static bool is_word(char c)
{
    return is_digit(c) || is_letter(c);
}

/* The character at *i, which moves past it; white space counts between two words only, as one space; 0 at the
 * end. */
static char next_mark(const struct answer *a, size_t *i)
{
    size_t start = *i;
    while (*i < a->n && is_space(a->s[*i])) ++*i;
    if (*i == a->n) return 0;
    if (*i > start && start > 0 && is_word(a->s[start - 1]) && is_word(a->s[*i])) return ' ';
    return a->s[(*i)++];
}

bool ask_same_text(const struct answer *a, const struct answer *b)
{
    struct number x, y;
    size_t i = 0, k = 0;
    if (number_read(a->s, a->n, &x) && number_read(b->s, b->n, &y)) return number_equal(&x, &y);
    for (;;) {
        char c = next_mark(a, &i);
        if (c != next_mark(b, &k)) return false;
        if (!c) return true;
    }
}

/* ---- heads --------------------------------------------------------------------------------------------- */

/* The place of a depth among the states; added where it is not there yet. */
static uint32_t depth_at(struct states_config *c, uint32_t depth)
{
    uint32_t i = 0;
    while (i < c->n && c->depth[i] != depth) i++;
    if (i == c->n && i < STATES_MAX_DEPTHS) c->depth[c->n++] = depth;
    return i;
}

/* Depths of all heads, each once, in the order of tasks; at (may be NULL): where each head's are. */
static int depths(struct states_config *out, const struct loaded *l, struct ask_head *at, struct err *e)
{
    *out = (struct states_config){0};
    for (int t = 0; t < HEAD_TASKS; t++) {
        const struct head *h = l->head[t];
        for (uint32_t k = 0; h && k < h->c.states.n; k++) {
            uint32_t i = depth_at(out, h->c.states.depth[k]);
            if (i == STATES_MAX_DEPTHS)
                return err_set(e, ERR_FIELD_RANGE, "the heads read more than %d layers", STATES_MAX_DEPTHS);
            if (at) at[t].at[k] = i;
        }
    }
    return 0;
}

/* What the verifier of l, if it has one, wants to be run. */
static int check_of(struct request_check *out, const struct loaded *l, struct err *e)
{
    const struct head *h = l->head[HEAD_VERIFIER];
    *out = (struct request_check){0};
    return h ? check_init(out, l->tokenizer, h->c.pooling, h->c.prompt, e) : 0;
}

int ask_session(struct session_config *c, const struct loaded *l, struct err *e)
{
    struct request_check check;
    uint32_t context = l->m->context;
    int r = depths(&c->states, l, NULL, e);
    if (r || (r = check_of(&check, l, e))) return r;
    uint32_t reserve = l->head[HEAD_VERIFIER] ? check.n + 1 : 0;
    check_clear(&check);
    if (c->max_tokens > context) c->max_tokens = context;
    c->max_tokens += reserve < context - c->max_tokens ? reserve : context - c->max_tokens;
    return 0;
}

int asker_init(struct asker *a, const struct loaded *l, struct session *s, uint32_t streams, struct err *e)
{
    struct states_config states;
    uint32_t inputs = 1;
    *a = (struct asker){.l = l, .s = s, .streams = streams};
    a->n_stop = prompt_stops(l->tokenizer, a->stop);
    int r = depths(&states, l, a->head, e);
    for (int t = 0; t < HEAD_TASKS; t++) {
        a->head[t].h = l->head[t];
        if (l->head[t] && head_inputs(&l->head[t]->c) > inputs) inputs = head_inputs(&l->head[t]->c);
    }
    if (!r) r = check_of(&a->check, l, e);
    if (!r && !(a->x = malloc(inputs * sizeof *a->x)))
        r = err_set(e, ERR_NOMEM, "no memory for hidden states");
    if (r) asker_clear(a);
    return r;
}

int asker_open(struct asker *a, const struct loaded *l, struct session_config c, struct err *e)
{
    struct session *s = NULL;
    *a = (struct asker){0};
    int r = ask_session(&c, l, e);
    if (!r) r = session_create(&s, l->m, l->lora, &c, e);
    if (!r) r = asker_init(a, l, s, c.streams, e);
    if (r)
        session_free(s);
    else
        a->own = s;
    return r;
}

void asker_clear(struct asker *a)
{
    session_free(a->own);
    check_clear(&a->check);
    free(a->x);
    memset(a, 0, sizeof *a);
}

/* What a head says of what a stream has pooled; negative when there is nothing. */
static double head_says(struct asker *a, enum head_task task, uint32_t stream)
{
    const struct ask_head *h = &a->head[task];
    const struct head_config *c = &h->h->c;
    for (uint32_t k = 0; k < c->states.n; k++)
        if (!session_states(a->s, stream, h->at[k], c->pooling, a->x + (size_t)k * c->width)) return -1;
    return head_apply(h->h, a->x);
}

/* ---- a question ---------------------------------------------------------------------------------------- */

static bool reads_scores(const struct ask_config *c)
{
    return c->votes && c->vote != VOTE_MAJORITY;
}

int ask_config_check(const struct ask_config *c, const struct loaded *l, struct err *e)
{
    bool all = l->adapter && l->adapter->cfg.gate == GATE_ALL;
    if (c->mode == ASK_AUTO && !l->head[HEAD_SWITCHER])
        return err_set(e, ERR_USAGE,
                       "mode auto asks a switcher, and none is loaded; give one, or say chat or reason");
    if (c->mode == ASK_AUTO && (!l->lora || all))
        return err_set(e, ERR_USAGE, "mode auto chooses between the base and an adapter, %s",
                       all ? "and this adapter acts on the question too (gate all)"
                           : "and no adapter is loaded");
    if (reads_scores(c) && !l->head[HEAD_VERIFIER])
        return err_set(e, ERR_USAGE,
                       "a %s vote goes by a verifier's scores, and none is loaded; say majority",
                       vote_name(c->vote));
    if (reads_scores(c) && c->mode == ASK_CHAT)
        return err_set(e, ERR_USAGE,
                       "a verifier reads the adapter's chains, not the base's; say majority in chat");
    return 0;
}

const struct prompt *ask_way(const struct ask *q)
{
    return q->reasons ? &q->reason : &q->chat;
}

/* Tokens that a chain may have after this prompt; 0: no room. */
static uint32_t room_after(const struct ask *q, const struct prompt *p)
{
    uint32_t all = session_max_tokens(q->asker->s), left = p->n < all ? all - p->n : 0;
    return q->c.max_new && q->c.max_new < left ? q->c.max_new : left;
}

static int memory_take(struct ask *q, struct err *e)
{
    size_t n = q->c.chains, tokens = n * q->most;
    q->ids = malloc(tokens * sizeof *q->ids);
    q->logprob = q->c.logprobs ? malloc(tokens * sizeof *q->logprob) : NULL;
    q->request = q->kept = calloc(n, sizeof *q->kept);
    q->chain = calloc(n, sizeof *q->chain);
    q->text = calloc(n, sizeof *q->text);
    q->answer = calloc(n, sizeof *q->answer);
    if (!q->ids || (q->c.logprobs && !q->logprob) || !q->kept || !q->chain || !q->text || !q->answer)
        return err_set(e, ERR_NOMEM, "no memory for %zu answers of %u tokens", n, q->most);
    for (size_t i = 0; i < n; i++) {
        q->chain[i] = (struct vote_chain){VOTE_PENDING, -1};
        q->answer[i].kind = ANSWER_NONE;
        q->text[i].t = q->asker->l->tokenizer;
    }
    return 0;
}

/* Room for the chains, after whichever prompt there is; clears the question after an error. */
static int finish(struct ask *q, int r, struct err *e)
{
    const struct prompt *ways[] = {&q->chat, &q->reason};
    for (int k = 0; k < 2 && !r; k++) {
        if (!ways[k]->n) continue;
        uint32_t room = room_after(q, ways[k]);
        if (!room)
            r = err_set(e, ERR_CTX_FULL,
                        "the prompt has %u tokens and a stream %u, which leaves no room for an answer",
                        ways[k]->n, session_max_tokens(q->asker->s));
        if (room > q->most) q->most = room;
    }
    if (!r) r = memory_take(q, e);
    if (r) ask_clear(q);
    return r;
}

static void begin(struct ask *q, struct asker *a, const struct ask_config *c)
{
    *q = (struct ask){.c = *c, .asker = a, .chains = c->chains, .probability = -1};
    q->reasons = c->mode != ASK_CHAT;
}

int ask_chat(struct ask *q, struct asker *a, const struct ask_config *c, const struct chat_turn *turns,
             uint32_t n, const char *system, struct err *e)
{
    begin(q, a, c);
    int r = ask_config_check(c, a->l, e);
    if (!r && c->mode != ASK_REASON) r = prompt_chat(&q->chat, a->l, turns, n, system, false, e);
    if (!r && c->mode != ASK_CHAT) r = prompt_chat(&q->reason, a->l, turns, n, system, c->think, e);
    q->chat.adapt_from = UINT32_MAX;
    if (!r && c->mode == ASK_AUTO)
        r = prompt_asked(&q->from, &q->to, a->l->tokenizer, q->reason.ids, q->reason.n, e);
    return finish(q, r, e);
}

int ask_prompt(struct ask *q, struct asker *a, const struct ask_config *c, struct prompt *p, struct err *e)
{
    begin(q, a, c);
    struct prompt *way = q->reasons ? &q->reason : &q->chat;
    *way = *p;
    *p = (struct prompt){0};
    if (!q->reasons) way->adapt_from = UINT32_MAX;
    if (c->mode == ASK_AUTO) q->c.mode = ASK_REASON;
    return finish(q, ask_config_check(&q->c, a->l, e), e);
}

void ask_clear(struct ask *q)
{
    for (uint32_t i = 0; q->text && i < q->c.chains; i++) detok_clear(&q->text[i]);
    prompt_clear(&q->chat);
    prompt_clear(&q->reason);
    free(q->kept);
    free(q->ids);
    free(q->logprob);
    free(q->chain);
    free(q->text);
    free(q->answer);
    memset(q, 0, sizeof *q);
}

/* ---- while it runs ------------------------------------------------------------------------------------- */

struct run {
    struct asker *a;
    struct ask *q; /* [n] */
    size_t n;
    const struct ask_events *ev;
    uint32_t *owner;         /* [requests] the question of each */
    struct request *request; /* of all questions */
    size_t requests;
    int code; /* of texts */
    struct err *e;
};

static struct ask *question_of(const struct run *g, const struct request *r, uint32_t *i)
{
    struct ask *q = &g->q[g->owner[r - g->request]];
    *i = (uint32_t)(r - q->request);
    return q;
}

/* All chains go on from the prompt of the way that was taken. */
static void aim(struct ask *q)
{
    const struct prompt *p = ask_way(q);
    struct asker *a = q->asker;
    bool checked = q->reasons && a->head[HEAD_VERIFIER].h && (q->c.scores || reads_scores(&q->c));
    for (uint32_t i = 0; i < q->c.chains; i++) {
        struct request *r = &q->request[i];
        r->prompt = p->ids, r->n_prompt = p->n, r->adapt_from = p->adapt_from, r->thinking = p->thinking;
        r->max_new = room_after(q, p);
        r->route_to = 0;
        r->check = checked ? &a->check : NULL;
    }
}

/* As prefill ends: the switcher's word. Chosen by it, chat is one chain: there is nothing to vote on. */
static void on_route(void *ctx, struct request *r, uint32_t stream)
{
    struct run *g = ctx;
    uint32_t i;
    struct ask *q = question_of(g, r, &i);
    double threshold = q->c.threshold < 0 ? g->a->head[HEAD_SWITCHER].h->c.threshold : q->c.threshold;
    q->probability = head_says(g->a, HEAD_SWITCHER, stream);
    q->reasons = q->probability < 0 || q->probability >= threshold;
    if (!q->reasons) q->chains = 1;
    aim(q);
    for (uint32_t k = q->chains; k < q->c.chains; k++) q->request[k].unwanted = true;
    if (g->ev->routed) g->ev->routed(g->ev->ctx, q);
}

/* The text of chain i and the answer in it. */
static int text_make(struct ask *q, uint32_t i, struct err *e)
{
    const struct prompt *p = ask_way(q);
    const struct request *r = &q->request[i];
    struct detok *d = &q->text[i];
    int code = 0;
    for (uint32_t t = p->n - p->forced; !code && t < p->n; t++) code = detok_push(d, p->ids[t], e);
    for (uint32_t t = 0; !code && t < r->n_answer; t++) code = detok_push(d, r->answer[t], e);
    if (!code) code = detok_end(d, e);
    if (!code && d->n) q->answer[i] = answer_find(d->text, d->n);
    return code;
}

static bool same_class(void *ctx, uint32_t x, uint32_t y)
{
    const struct ask *q = ctx;
    return (q->c.same ? q->c.same : ask_same_text)(&q->answer[x], &q->answer[y]);
}

static bool is_settled(const struct ask *q)
{
    bool open = false;
    for (uint32_t i = 0; i < q->chains; i++) open |= q->chain[i].answer == VOTE_PENDING;
    return !open || (q->c.votes && !q->c.all && vote_decided(q->c.vote, q->chain, q->chains));
}

/* The vote is counted; chains that are still under way are given up. */
static int settle(struct run *g, struct ask *q)
{
    q->settled = true;
    q->vote = vote_count(q->c.vote, q->chain, q->chains);
    for (uint32_t i = 0; i < q->chains; i++) {
        if (q->chain[i].answer != VOTE_PENDING) continue;
        q->request[i].unwanted = q->early = true;
    }
    return g->ev->settled ? g->ev->settled(g->ev->ctx, q) : 0;
}

/* Chain i is over, and read if it is to be; score: negative for none. One that was stopped has no vote. */
static int chain_over(struct run *g, struct ask *q, uint32_t i, double score)
{
    if (q->settled) return 0; /* decided while its last check was run */
    bool stopped = q->request[i].finish == FINISH_NONE || q->request[i].finish == FINISH_CANCEL;
    int r = text_make(q, i, g->e);
    if (r) return g->code = r;
    q->chain[i] = (struct vote_chain){VOTE_NONE, (float)score};
    if (!stopped && q->answer[i].kind != ANSWER_NONE)
        q->chain[i].answer = vote_class(q->chain, q->chains, i, same_class, q);
    return is_settled(q) ? settle(g, q) : 0;
}

static int on_checked(void *ctx, struct request *r, uint32_t stream)
{
    struct run *g = ctx;
    uint32_t i;
    struct ask *q = question_of(g, r, &i);
    return chain_over(g, q, i, head_says(g->a, HEAD_VERIFIER, stream));
}

static int on_token(void *ctx, struct request *r, int32_t token)
{
    struct run *g = ctx;
    uint32_t i;
    struct ask *q = question_of(g, r, &i);
    int said = g->ev->token ? g->ev->token(g->ev->ctx, q, i, token) : 0;
    bool over = r->finish != FINISH_NONE || said == GENERATE_LEAVE;
    if (!over || r->checking || (said && said != GENERATE_LEAVE)) return said;
    int code = chain_over(g, q, i, -1);
    return code ? code : said;
}

/* ---- all of it ----------------------------------------------------------------------------------------- */

static void requests_fill(struct run *g)
{
    size_t at = 0;
    for (size_t k = 0; k < g->n; k++) {
        struct ask *q = &g->q[k];
        q->request = g->request + at;
        for (uint32_t i = 0; i < q->c.chains; i++, at++) {
            g->owner[at] = (uint32_t)k;
            q->request[i] = (struct request){.sampler = q->c.sampler,
                                             .stream = q->draw + i,
                                             .budget = q->c.budget,
                                             .answer = q->ids + (size_t)i * q->most,
                                             .logprob = q->logprob ? q->logprob + (size_t)i * q->most : NULL};
        }
        aim(q);
        for (uint32_t i = 0; i < q->c.chains; i++)
            q->request[i].route_from = q->from, q->request[i].route_to = q->to;
    }
    for (size_t k = 0; k < g->n; k++)
        if (!g->q[k].to && g->ev->routed) g->ev->routed(g->ev->ctx, &g->q[k]);
}

/* Texts of chains that were given up, so far as they have come, and votes among what there is. */
static int rest_make(struct run *g)
{
    int r = 0;
    for (size_t k = 0; k < g->n; k++)
        if (!g->q[k].settled) g->q[k].vote = vote_count(g->q[k].c.vote, g->q[k].chain, g->q[k].chains);
    for (size_t k = 0; k < g->n; k++)
        for (uint32_t i = 0; i < g->q[k].chains && !r; i++)
            if (!g->q[k].text[i].text) r = text_make(&g->q[k], i, g->e);
    return r;
}

int ask_run(struct asker *a, struct ask *q, size_t n, const struct ask_events *ev,
            struct generate_stats *stats, struct err *e)
{
    static const struct ask_events none = {0};
    struct run g = {.a = a, .q = q, .n = n, .ev = ev ? ev : &none, .e = e};
    struct generate_config c = {.streams = a->streams,
                                .vocab = (uint32_t)tokenizer_vocab(a->l->tokenizer),
                                .stop = a->stop,
                                .n_stop = a->n_stop,
                                .on_token = on_token,
                                .on_route = on_route,
                                .on_checked = on_checked,
                                .ctx = &g};
    for (size_t k = 0; k < n; k++) g.requests += q[k].c.chains;
    c.release = g.requests > n;
    g.owner = malloc((g.requests + 1) * sizeof *g.owner);
    g.request = malloc((g.requests + 1) * sizeof *g.request);
    int r = g.owner && g.request ? 0 : err_set(e, ERR_NOMEM, "no memory for %zu answers", g.requests);
    if (!r) {
        requests_fill(&g);
        r = generate_run(a->s, &c, g.request, g.requests, stats, e);
    }
    if (!r) r = g.code;
    if (!r) r = rest_make(&g);
    for (size_t k = 0, at = 0; g.request && k < n; at += q[k++].c.chains) {
        if (q[k].request != q[k].kept) memcpy(q[k].kept, g.request + at, q[k].c.chains * sizeof *q[k].kept);
        q[k].request = q[k].kept;
    }
    free(g.owner);
    free(g.request);
    return r;
}
