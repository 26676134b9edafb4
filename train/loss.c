#include "train/loss.h"

#include <math.h>
#include <string.h>

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void carve(struct arena *a, struct loss_scratch *s, const struct model *m)
{
    size_t d = (size_t)m->c.width, f = sizeof(float);
    s->ld = (int64_t)((m->c.vocab + 16) & ~15u);
    s->logits = arena_take(a, LOSS_ROWS * (size_t)s->ld, f);
    s->xn = arena_take(a, LOSS_ROWS * d, f);
    s->dn = arena_take(a, LOSS_ROWS * d, f);
    s->r = arena_take(a, LOSS_ROWS, f);
    s->nats = arena_take(a, LOSS_ROWS, f);
    s->act = arena_take(a, LOSS_ROWS * (size_t)pad_even((int64_t)d), m->kern.act_bytes[m->type]);
}

uint64_t loss_plan(const struct model *m)
{
    struct arena count = {0};
    struct loss_scratch s;
    carve(&count, &s, m);
    return count.used;
}

int loss_create(struct loss_scratch *s, const struct model *m, struct err *e)
{
    memset(s, 0, sizeof *s);
    int r = arena_create(&s->arena, loss_plan(m), "the loss", e);
    if (!r) carve(&s->arena, s, m);
    return r;
}

void loss_free(struct loss_scratch *s)
{
    arena_free(&s->arena);
    memset(s, 0, sizeof *s);
}

/* A block of labels. */
struct block {
    const struct model *m;
    struct loss_scratch *s;
    const struct label *labels;
    int64_t n;
    const float *x;
    float *dx;
    float scale;               /* of the likelihood's gradient; 0: none */
    const struct objective *o; /* instead of the likelihood, or NULL */
    int64_t first;             /* index of labels[0] */
};

static void norm_unit(void *ctx, int64_t i, unsigned thread)
{
    (void)thread;
    const struct block *b = ctx;
    const struct model *m = b->m;
    int64_t d = m->c.width;
    const float *x = b->x + b->labels[i].row * d, *w = model_vec(m, P_NORM, 0);
    b->s->r[i] = m->kern.rmsnorm(d, (float)m->c.rms_eps, x, w, b->s->xn + i * d);
}

/* Logits -> loss, and -> scale * (softmax - one hot). */
static void nats_unit(void *ctx, int64_t i, unsigned thread)
{
    (void)thread;
    const struct block *b = ctx;
    const struct kernels *k = &b->m->kern;
    float *logits = b->s->logits + i * b->s->ld;
    int32_t target = b->labels[i].target;
    float lse = k->logsumexp(b->m->c.vocab, logits);
    b->s->nats[i] = lse - logits[target];
    if (b->scale == 0) return;
    k->softmax_scaled(b->m->c.vocab, lse, b->scale, logits);
    logits[target] -= b->scale;
}

enum { PIECE = 1024 }; /* logits whose probabilities exist at a time */

/* -sum of p log p, p = exp(x - lse): lse less the mean of x. */
static float entropy_of(const struct kernels *k, int64_t n, float lse, const float *x)
{
    double mean = 0;
    float p[PIECE];
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t some = min64(PIECE, n - i);
        memcpy(p, x + i, (size_t)some * sizeof *p);
        k->softmax_scaled(some, lse, 1, p);
        for (int64_t j = 0; j < some; j++) mean += (double)p[j] * (double)x[i + j];
    }
    return (float)((double)lse - mean);
}

/* Logits -> the gradient by them: the log-probability's is (one hot - p), the entropy's -p (log p + H). */
static void logits_back(const struct kernels *k, int64_t n, float lse, float entropy, int32_t target,
                        float dlogp, float dentropy, float *x)
{
    float p[PIECE];
    if (dentropy == 0) {
        k->softmax_scaled(n, lse, -dlogp, x);
    } else {
        for (int64_t i = 0; i < n; i += PIECE) {
            int64_t some = min64(PIECE, n - i);
            memcpy(p, x + i, (size_t)some * sizeof *p);
            k->softmax_scaled(some, lse, 1, p);
            for (int64_t j = 0; j < some; j++)
                x[i + j] = -p[j] * (dlogp + dentropy * (x[i + j] - lse + entropy));
        }
    }
    x[target] += dlogp;
}

static void objective_unit(void *ctx, int64_t i, unsigned thread)
{
    (void)thread;
    const struct block *b = ctx;
    const struct kernels *k = &b->m->kern;
    int64_t v = b->m->c.vocab;
    float *logits = b->s->logits + i * b->s->ld, dlogp = 0, dentropy = 0;
    int32_t target = b->labels[i].target;
    float lse = k->logsumexp(v, logits), logp = logits[target] - lse;
    float entropy = b->o->entropy ? entropy_of(k, v, lse, logits) : (float)NAN;
    b->s->nats[i] = -logp;
    b->o->label(b->o->ctx, b->first + i, logp, entropy, &dlogp, &dentropy);
    if (b->dx) logits_back(k, v, lse, entropy, target, dlogp, dentropy, logits);
}

static void norm_back_unit(void *ctx, int64_t i, unsigned thread)
{
    (void)thread;
    const struct block *b = ctx;
    int64_t d = b->m->c.width, row = b->labels[i].row;
    b->m->kern.rmsnorm_back(d, b->x + row * d, model_vec(b->m, P_NORM, 0), b->s->r[i], b->s->dn + i * d,
                            b->dx + row * d, NULL);
}

static void block_forward(struct block *b)
{
    const struct model *m = b->m;
    const struct weight *head = model_head(m);
    pool_for(m->pool, b->n, norm_unit, b);
    matmul_pack(m, b->n, head->k, b->s->xn, head->k, b->s->act, pad_even(head->k));
    matmul(m, head, b->n, b->s->act, pad_even(head->k), b->s->logits, b->s->ld, 0);
    pool_for(m->pool, b->n, b->o ? objective_unit : nats_unit, b);
}

/* The head's gradient; logits hold scale * (softmax - one hot). */
static void head_back(const struct block *b, float *dhead)
{
    const struct model *m = b->m;
    int64_t d = m->c.width;
    if (!dhead) return;
    if (m->type == WT_BF16) m->kern.round_bf16(b->n * d, b->s->xn);
    outer_add(m->pool, m->c.vocab, d, b->n, b->s->logits, b->s->ld, b->s->xn, d, dhead);
}

/* The final norm's weight, rows in order: s->dn holds the gradient of its output. */
static void norm_weight_back(const struct block *b, float *dnorm)
{
    int64_t d = b->m->c.width;
    for (int64_t i = 0; dnorm && i < b->n; i++) {
        const float *x = b->x + b->labels[i].row * d;
        for (int64_t j = 0; j < d; j++) dnorm[j] += b->s->dn[i * d + j] * (x[j] * b->s->r[i]);
    }
}

static void block_backward(struct block *b, struct back *back, const struct grads *g)
{
    const struct model *m = b->m;
    const struct weight *head = model_head(m);
    int64_t lda = b->s->ld * (int64_t)(sizeof(float) / m->kern.act_bytes[m->type]);
    float **dense = g ? g->dense : NULL;
    head_back(b, dense ? dense[params_slot(&m->c, m->c.tied ? P_EMBED : P_HEAD, 0)] : NULL);
    matmul_pack(m, b->n, head->n, b->s->logits, b->s->ld, b->s->logits, lda);
    matmul_back(m, back, head, b->n, b->s->logits, lda, b->s->dn, head->k, 0);
    if (b->o && b->o->states) b->o->states(b->o->ctx, b->first, b->n, b->s->xn, b->s->dn);
    norm_weight_back(b, dense ? dense[params_slot(&m->c, P_NORM, 0)] : NULL);
    pool_for(m->pool, b->n, norm_back_unit, b);
}

static double blocks_run(struct block *b, struct back *back, const struct label *labels, int64_t n,
                         const struct grads *grads, float *nats_out)
{
    unsigned old = kernels_fp_enter();
    double sum = 0;
    int64_t first = b->first;
    for (int64_t i = 0; i < n; i += LOSS_ROWS) {
        b->labels = labels + i, b->n = min64(LOSS_ROWS, n - i), b->first = first + i;
        block_forward(b);
        for (int64_t j = 0; j < b->n; j++) sum += (double)b->s->nats[j];
        if (nats_out) memcpy(nats_out + i, b->s->nats, (size_t)b->n * sizeof *nats_out);
        if (b->scale != 0 || (b->o && b->dx))
            block_backward(b, back, grads);
        else if (b->o && b->o->states)
            b->o->states(b->o->ctx, b->first, b->n, b->s->xn, NULL);
    }
    kernels_fp_leave(old);
    return sum;
}

double loss_forward(const struct model *m, struct loss_scratch *s, const float *x, const struct label *labels,
                    int64_t n, float *nats_out)
{
    struct block b = {.m = m, .s = s, .x = x};
    return blocks_run(&b, NULL, labels, n, NULL, nats_out);
}

double loss_backward(const struct model *m, struct loss_scratch *s, struct back *back, const float *x,
                     const struct label *labels, int64_t n, float scale, const struct grads *grads, float *dx,
                     float *nats_out)
{
    struct block b = {.m = m, .s = s, .x = x, .dx = dx, .scale = scale};
    return blocks_run(&b, back, labels, n, grads, nats_out);
}

double loss_objective(const struct model *m, struct loss_scratch *s, struct back *back, const float *x,
                      const struct label *labels, int64_t first, int64_t n, const struct objective *o,
                      const struct grads *grads, float *dx, float *nats_out)
{
    struct block b = {.m = m, .s = s, .x = x, .dx = dx, .o = o, .first = first};
    return blocks_run(&b, back, labels, n, grads, nats_out);
}
