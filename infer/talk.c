#include "infer/talk.h"
#include "infer/cli.h"

#include <stdlib.h>
#include <string.h>

int talk_open(struct talk *t, const struct loaded *l, const struct sampler_config *c,
              struct session_config sc, struct err *e)
{
    if (sc.max_tokens > l->m->context) sc.max_tokens = l->m->context;
    *t = (struct talk){.l = l, .streams = sc.streams, .max_tokens = sc.max_tokens, .sampler = *c};
    t->n_stop = prompt_stops(l->tokenizer, t->stop);
    int r = sampler_config_check(c, e);
    if (!r) r = session_create(&t->s, l->m, l->lora, &sc, e);
    if (r) talk_close(t);
    return r;
}

void talk_close(struct talk *t)
{
    session_free(t->s);
    memset(t, 0, sizeof *t);
}

struct listener {
    struct talk *t;
    struct request *requests;
    struct answered *a;
    int code;
    struct err *e;
};

static int on_token(void *ctx, struct request *r, int32_t token)
{
    struct listener *l = ctx;
    struct answered *a = &l->a[r - l->requests];
    if (!l->code) l->code = printer_token(&a->text, token, l->e);
    return l->code || cli_interrupted();
}

/* The part of the answer that the prompt dictates. */
static int begin(struct answered *a, const struct prompt *p, struct err *e)
{
    int r = 0;
    for (uint32_t i = p->n - p->forced; !r && i < p->n; i++) r = printer_token(&a->text, p->ids[i], e);
    return r;
}

static int run(struct talk *t, const struct prompt *p, uint32_t max_new, int32_t *ids, struct request *q,
               struct answered *a, uint32_t n, struct generate_stats *stats, struct err *e)
{
    struct listener l = {.t = t, .requests = q, .a = a, .e = e};
    struct generate_config c = {.streams = n < t->streams ? n : t->streams, .on_token = on_token, .ctx = &l};
    c.vocab = (uint32_t)tokenizer_vocab(t->l->tokenizer), c.stop = t->stop, c.n_stop = t->n_stop;
    int r = 0;
    for (uint32_t i = 0; !r && i < n; i++) {
        q[i] = (struct request){
            .prompt = p->ids, .n_prompt = p->n, .adapt_from = p->adapt_from, .max_new = max_new};
        q[i].budget = t->budget, q[i].thinking = p->thinking;
        q[i].stream = i, q[i].answer = ids + (size_t)i * max_new, q[i].sampler = t->sampler;
        r = begin(&a[i], p, e);
    }
    if (!r) r = generate_run(t->s, &c, q, n, stats, e);
    if (!r) r = l.code;
    for (uint32_t i = 0; i < n; i++) {
        a[i].finish = q[i].finish, a[i].tokens = q[i].n_answer, a[i].closed = q[i].closed;
        if (!r) r = printer_end(&a[i].text, e);
    }
    return r;
}

int talk_answer(struct talk *t, const struct prompt *p, uint32_t max_new, struct answered *a, uint32_t n,
                struct generate_stats *stats, struct err *e)
{
    if (p->n >= t->max_tokens)
        return err_set(e, ERR_CTX_FULL,
                       "the prompt has %u tokens and the context %u, which leaves no room for an answer",
                       p->n, t->max_tokens);
    uint32_t room = t->max_tokens - p->n;
    if (!max_new || max_new > room) max_new = room;
    int32_t *ids = calloc(n, max_new * sizeof *ids);
    struct request *q = calloc(n, sizeof *q);
    int r = ids && q ? run(t, p, max_new, ids, q, a, n, stats, e)
                     : err_set(e, ERR_NOMEM, "no memory for %u answers of %u tokens", n, max_new);
    free(ids);
    free(q);
    return r;
}

static double rate(double n, double seconds)
{
    return seconds > 0 ? n / seconds : 0;
}

void talk_timing(const struct generate_stats *s, uint32_t answers, char *text, size_t size)
{
    uint64_t stepped =
        s->decoded_tokens > answers ? s->decoded_tokens - answers : 0; /* the first comes with the prompt */
    int n = snprintf(text, size, "%llu tokens read at %.0f tok/s, first word after %.2f s, %llu written",
                     (unsigned long long)s->prompt_tokens, rate((double)s->prompt_tokens, s->prefill_seconds),
                     s->first_token_seconds, (unsigned long long)s->decoded_tokens);
    if (stepped && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n, " at %.0f tok/s", rate((double)stepped, s->decode_seconds));
}
