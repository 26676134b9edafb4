#include "infer/generate.h"

#include <stdlib.h>
#include <time.h>

struct run {
    struct session *s;
    const struct generate_config *c;
    struct sampler *sampler;
    struct request **on; /* [streams] the request of each stream, or NULL */
    uint32_t *stream;    /* [streams] of a step */
    int32_t *token;      /* [streams] of a step */
    int cancelled;
    struct generate_stats stats;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int is_stop(const struct run *g, int32_t token)
{
    for (uint32_t i = 0; i < g->c->n_stop; i++)
        if (g->c->stop[i] == token) return 1;
    return 0;
}

/* Chooses the next token of stream i; the request leaves the stream when it is done. */
static int advance(struct run *g, uint32_t i, struct err *e)
{
    struct request *r = g->on[i];
    uint32_t n;
    const int32_t *history = session_tokens(g->s, i, &n);
    int32_t token;
    int code =
        sampler_pick(g->sampler, &r->sampler, session_logits(g->s, i), history, n, r->stream, n, &token, e);
    if (code) return code;
    if (r->logprob) r->logprob[r->n_answer] = session_logprob(g->s, i, token);
    r->answer[r->n_answer++] = token;
    g->stats.decoded_tokens++;
    if (g->c->on_token && g->c->on_token(g->c->ctx, r, token)) g->cancelled = 1;
    int full = r->n_answer == r->max_new || n == session_max_tokens(g->s);
    r->finish = is_stop(g, token) ? FINISH_STOP : full ? FINISH_LENGTH : FINISH_NONE;
    if (r->finish == FINISH_NONE && g->cancelled) r->finish = FINISH_CANCEL;
    if (r->finish != FINISH_NONE) g->on[i] = NULL;
    return 0;
}

static int join(struct run *g, uint32_t i, struct request *r, struct err *e)
{
    double start = now();
    uint32_t ran;
    r->n_answer = 0, r->finish = FINISH_NONE;
    if (r->max_new == 0) {
        r->finish = FINISH_LENGTH;
        return 0;
    }
    int code = session_sync(g->s, i, r->prompt, r->n_prompt, r->adapt_from, &ran, e);
    if (code) return code;
    g->on[i] = r;
    if ((code = advance(g, i, e))) return code;
    double took = now() - start;
    if (g->stats.prompt_tokens == 0) g->stats.first_token_seconds = took;
    g->stats.prefill_seconds += took, g->stats.prompt_tokens += ran;
    return 0;
}

static int step(struct run *g, struct err *e)
{
    double start = now();
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->c->streams; i++) {
        if (!g->on[i]) continue;
        g->token[n] = g->on[i]->answer[g->on[i]->n_answer - 1];
        g->stream[n++] = i;
    }
    int r = session_step(g->s, g->stream, g->token, n, e);
    if (r) return r;
    for (uint32_t k = 0; !r && k < n; k++) r = advance(g, g->stream[k], e);
    g->stats.decode_seconds += now() - start;
    return r;
}

static uint32_t busy(const struct run *g)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->c->streams; i++) n += g->on[i] != NULL;
    return n;
}

static int all(struct run *g, struct request *requests, size_t n, struct err *e)
{
    size_t next = 0;
    for (;;) {
        for (uint32_t i = 0; i < g->c->streams && next < n && !g->cancelled; i++)
            while (!g->on[i] && next < n && !g->cancelled) {
                int r = join(g, i, &requests[next++], e);
                if (r) return r;
            }
        if (!busy(g)) break;
        int r = step(g, e);
        if (r) return r;
    }
    for (; next < n; next++) requests[next].n_answer = 0, requests[next].finish = FINISH_CANCEL;
    return 0;
}

int generate_run(struct session *s, const struct generate_config *c, struct request *requests, size_t n,
                 struct generate_stats *stats, struct err *e)
{
    struct run g = {.s = s, .c = c};
    g.on = calloc(c->streams, sizeof *g.on);
    g.stream = calloc(c->streams, sizeof *g.stream);
    g.token = calloc(c->streams, sizeof *g.token);
    int r = sampler_create(&g.sampler, &session_model(s)->kern, c->vocab, e);
    if (!r && (!g.on || !g.stream || !g.token))
        r = err_set(e, ERR_NOMEM, "no memory for %u streams", c->streams);
    if (!r) r = all(&g, requests, n, e);
    if (stats) *stats = g.stats;
    sampler_free(g.sampler);
    free(g.on);
    free(g.stream);
    free(g.token);
    return r;
}
