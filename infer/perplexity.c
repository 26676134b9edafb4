#include "infer/perplexity.h"
#include "infer/file_open.h"
#include "kernels/math.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 256, LOGIT_ROWS = 32, TEXT_MAX = 64 << 20 /* bytes */ };

struct run {
    const struct model *m;
    struct kv_pool *pool;
    struct kv_stream *kv;
    struct workspace w;
    float *logits; /* [LOGIT_ROWS][V] */
    uint32_t context;
    double sum, sum2; /* of losses and their squares */
    uint64_t tokens;
};

/* Losses of rows [first, first + n) of the window at `ids`: each predicts the token after it. The rows'
 * residuals are in w.x, its row 0 being row `begin`. */
static void score(struct run *r, const int32_t *ids, uint32_t begin, uint32_t first, uint32_t n)
{
    size_t d = r->m->c.width, v = r->m->c.vocab;
    forward_logits(r->m, &r->w, n, r->w.x + (first - begin) * d, r->logits);
    for (uint32_t i = 0; i < n; i++) {
        const float *row = r->logits + i * v;
        double loss = (double)(r->m->kern.logsumexp((int64_t)v, row) - row[ids[first + i + 1]]);
        r->sum += loss, r->sum2 += loss * loss;
        r->tokens++;
    }
}

static int window(struct run *r, const int32_t *ids, struct err *e)
{
    kv_stream_cut(r->kv, 0);
    for (uint32_t at = 0, n; at < r->context; at += n) {
        n = r->context - at < ROWS ? r->context - at : ROWS;
        int rc = kv_stream_extend(r->kv, n, e);
        if (rc) return rc;
        struct segment seg = {.kv = r->kv, .pos = at, .row = 0, .rows = n};
        struct pass p = {.m = r->m, .rows = n, .adapt_from = n, .ids = ids + at, .seg = &seg, .segs = 1};
        forward(&p, &r->w);
        uint32_t first = r->context / 2,
                 end = r->context - 1; /* the last row predicts what is not in the window */
        for (uint32_t row = at > first ? at : first; row < at + n && row < end; row += LOGIT_ROWS) {
            uint32_t rows = (at + n < end ? at + n : end) - row;
            score(r, ids, at, row, rows < LOGIT_ROWS ? rows : LOGIT_ROWS);
        }
    }
    return 0;
}

int perplexity_text(int32_t **ids, size_t *n, const char *path, const struct tokenizer *t, struct err *e)
{
    char *s;
    size_t len;
    *ids = NULL, *n = 0;
    int r = file_load(path, TEXT_MAX, &s, &len, e);
    if (r) return r;
    size_t room = 3 * len + 1;
    int32_t *out = malloc(room * sizeof *out);
    r = out ? tokenizer_encode(t, s, len, 1, out, room, n, e)
            : err_set(e, ERR_NOMEM, "no memory for a text of %zu bytes", len);
    free(s);
    if (r)
        free(out);
    else
        *ids = out;
    return r;
}

static int check(const struct model *m, const int32_t *ids, size_t n, uint32_t context, struct err *e)
{
    if (context > m->context)
        return err_set(e, ERR_CTX_FULL, "a window of %u tokens, but the model holds %u", context, m->context);
    if (context < 4 || n < context)
        return err_set(e, ERR_DATA_EMPTY, "a text of %zu tokens is too short for windows of %u", n, context);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= m->c.vocab)
            return err_set(e, ERR_TOKEN_RANGE, "token %zu is %d, the vocabulary has %u", i, ids[i],
                           m->c.vocab);
    return 0;
}

static int prepare(struct run *r, enum kv_type kv, struct err *e)
{
    struct kv_config c = {.pages = (r->context + KV_PAGE - 1) / KV_PAGE, .type = kv};
    int rc = kv_pool_create_for(&r->pool, r->m, &c, e);
    if (!rc) rc = kv_stream_create(&r->kv, r->pool, r->context, e);
    if (!rc) rc = workspace_create(&r->w, r->m, ROWS, 0, 0, e);
    if (rc) return rc;
    r->logits = malloc((size_t)LOGIT_ROWS * r->m->c.vocab * sizeof *r->logits);
    return r->logits ? 0 : err_set(e, ERR_NOMEM, "no memory for logits");
}

static int finish(struct perplexity *out, const struct run *r, struct err *e)
{
    double n = (double)r->tokens, mean = r->sum / n, variance = r->sum2 / n - mean * mean;
    *out = (struct perplexity){.loss = mean, .value = exp(mean), .tokens = r->tokens, .context = r->context};
    if (r->tokens > 1 && variance > 0) out->deviation = out->value * sqrt(variance / (n - 1));
    if (isfinite(out->value) && isfinite(out->deviation)) return 0;
    return err_set(e, ERR_NONFINITE, "the model's loss on the text is %g", mean);
}

int perplexity_run(struct perplexity *out, const struct model *m, enum kv_type kv, const int32_t *ids,
                   size_t n, uint32_t context, perplexity_tick *tick, void *ctx, struct err *e)
{
    struct run r = {.m = m, .context = context};
    if (!context) r.context = m->context < 512 ? m->context : 512;
    if (!context && n < r.context) r.context = (uint32_t)n;
    uint64_t total = n / (r.context ? r.context : 1);
    int rc = check(m, ids, n, r.context, e);
    if (!rc) rc = prepare(&r, kv, e);
    for (uint64_t i = 0; !rc && i < total; i++) {
        rc = window(&r, ids + i * r.context, e);
        if (!rc && tick && tick(ctx, i + 1, total)) rc = err_set(e, ERR_INTERRUPTED, "interrupted");
    }
    if (!rc) rc = finish(out, &r, e);
    free(r.logits);
    workspace_free(&r.w);
    kv_stream_free(r.kv);
    kv_pool_free(r.pool);
    return rc;
}
