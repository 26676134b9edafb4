#include "train/head_train.h"

#include "infer/pool.h"
#include "infer/rng.h"
#include "kernels/kernels.h"
#include "kernels/math.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 64 }; /* of the gradient, the work of one unit */
enum { STREAM_INIT = 0x48454144, STREAM_ORDER, STREAM_NOISE, STREAM_DROP }; /* "HEAD" */

const struct head_recipe head_recipe_defaults = {.hidden = 8,
                                                 .dropout = 0.2,
                                                 .noise = 0.5,
                                                 .weight = {1, 1},
                                                 .learning_rate = 1e-3,
                                                 .weight_decay = 0.01,
                                                 .batch = 64,
                                                 .epochs = 100,
                                                 .patience = 15};

static uint32_t row_at(const struct head_rows *r, uint32_t i)
{
    return r->pick ? r->pick[i] : i;
}

static const float *vector_at(const struct head_rows *r, uint32_t i)
{
    return r->x + row_at(r, i) * r->stride;
}

static void run_units(struct pool *p, int64_t units, void (*fn)(void *, int64_t, unsigned), void *ctx)
{
    if (p) {
        pool_for(p, units, fn, ctx);
        return;
    }
    unsigned mode = kernels_fp_enter(); /* as a pool's threads: the same bits */
    for (int64_t i = 0; i < units; i++) fn(ctx, i, 0);
    kernels_fp_leave(mode);
}

/* ---- starting ------------------------------------------------------------------------------------------ */

int head_balance(const struct head_rows *rows, double weight[2], struct err *e)
{
    uint32_t n[2] = {0, 0};
    for (uint32_t i = 0; i < rows->n; i++) {
        uint8_t label = rows->label[row_at(rows, i)];
        if (label > 1) return err_set(e, ERR_FIELD_RANGE, "row %u has label %u, not 0 or 1", i, label);
        n[label]++;
    }
    if (n[0] == 0 || n[1] == 0)
        return err_set(e, ERR_DATA_EMPTY, "of %u rows %u are labelled 0 and %u 1: nothing to tell apart",
                       rows->n, n[0], n[1]);
    for (int k = 0; k < 2; k++) weight[k] = (double)rows->n / (2.0 * n[k]);
    return 0;
}

static int check_config(const struct head_recipe *c, const struct head_rows *r, struct err *e)
{
    double unused[2];
    int rates = c->learning_rate > 0 && c->learning_rate <= 1e6 && c->weight_decay >= 0 &&
                c->weight_decay < (double)INFINITY;
    int weights = c->weight[0] > 0 && c->weight[1] > 0 && c->weight[0] + c->weight[1] < (double)INFINITY;
    if (!rates || !weights || !(c->dropout >= 0 && c->dropout < 1) || !(c->noise >= 0 && c->noise <= 1e6) ||
        c->batch == 0 || c->epochs == 0 || c->hidden > 1 << 16 || r->width == 0 || r->stride < r->width)
        return err_set(e, ERR_FIELD_RANGE,
                       "head of %u hidden units on %u numbers: rate %g, decay %g, dropout %g, noise %g, "
                       "weights %g and %g, batch %u, %u epochs",
                       c->hidden, r->width, c->learning_rate, c->weight_decay, c->dropout, c->noise,
                       c->weight[0], c->weight[1], c->batch, c->epochs);
    return head_balance(r, unused, e);
}

/* Twice: once to count, once to hand out. */
static void carve(struct head_trainer *t, struct arena *a)
{
    size_t n = t->c.batch, units = t->units, blocks = (t->width + COLUMNS - 1) / COLUMNS + 1;
    t->theta = arena_take(a, t->count, sizeof(float));
    t->grad = arena_take(a, t->count, sizeof(float));
    t->best = arena_take(a, t->count, sizeof(float));
    t->m = arena_take(a, t->count, sizeof(double));
    t->v = arena_take(a, t->count, sizeof(double));
    t->mean = arena_take(a, t->width, sizeof(float));
    t->scale = arena_take(a, t->width, sizeof(float));
    t->z = arena_take(a, n * t->width, sizeof(float));
    t->h = arena_take(a, n * units, sizeof(float));
    t->mask = arena_take(a, n * units, sizeof(float));
    t->dh = arena_take(a, n * units, sizeof(float));
    t->logit = arena_take(a, n, sizeof(float));
    t->dlogit = arena_take(a, n, sizeof(float));
    t->loss = arena_take(a, n, sizeof(double));
    t->squares = arena_take(a, blocks, sizeof(double));
}

/* Mean and deviation of each column; sum and square are scratch [width]. */
static int standardise(struct head_trainer *t, const struct head_rows *r, double *sum, double *square,
                       struct err *e)
{
    for (uint32_t i = 0; i < r->n; i++)
        for (uint32_t k = 0; k < t->width; k++) sum[k] += (double)vector_at(r, i)[k];
    for (uint32_t k = 0; k < t->width; k++) sum[k] /= r->n;
    for (uint32_t i = 0; i < r->n; i++)
        for (uint32_t k = 0; k < t->width; k++) {
            double d = (double)vector_at(r, i)[k] - sum[k];
            square[k] += d * d;
        }
    for (uint32_t k = 0; k < t->width; k++) {
        double deviation = sqrt(square[k] / r->n);
        if (!isfinite(deviation))
            return err_set(e, ERR_NONFINITE, "column %u of the training vectors is not finite", k);
        t->mean[k] = (float)sum[k];
        t->scale[k] = deviation > 1e-6 * (fabs(sum[k]) + 1) ? (float)(1 / deviation) : 0;
    }
    return 0;
}

static void init_weights(struct head_trainer *t)
{
    uint64_t in = (uint64_t)t->width * t->units;
    if (!t->c.hidden) return;
    rng_fill_normal(t->c.seed, STREAM_INIT, 0, t->theta, in);
    for (uint64_t i = 0; i < in; i++) t->theta[i] *= sqrtf(2 / (float)t->width);
    float *out = t->theta + in + t->units;
    rng_fill_normal(t->c.seed, STREAM_INIT, (in + 3) / 4 * 4, out, t->units);
    for (uint32_t j = 0; j < t->units; j++) out[j] *= sqrtf(1 / (float)t->units);
}

int head_trainer_create(struct head_trainer *t, const struct head_recipe *c, const struct head_rows *train,
                        struct pool *pool, struct err *e)
{
    struct arena plan = {0};
    *t = (struct head_trainer){
        .c = *c, .pool = pool, .width = train->width, .units = c->hidden ? c->hidden : 1};
    int rc = check_config(c, train, e);
    if (rc) return rc;
    if (t->c.batch > train->n) t->c.batch = train->n;
    t->count = ((uint64_t)t->width + 1) * t->units + (c->hidden ? t->units + 1 : 0);
    carve(t, &plan);
    rc = arena_create(&t->arena, plan.used, "the head's training", e);
    if (!rc) {
        carve(t, &t->arena);
        rc = standardise(t, train, t->m, t->v, e); /* count > width */
        memset(t->m, 0, t->count * sizeof *t->m);
        memset(t->v, 0, t->count * sizeof *t->v);
    }
    if (rc)
        head_trainer_free(t);
    else
        init_weights(t);
    return rc;
}

void head_trainer_free(struct head_trainer *t)
{
    arena_free(&t->arena);
    *t = (struct head_trainer){0};
}

/* ---- forward ------------------------------------------------------------------------------------------- */

/* A batch on its way: rows order[0..n) of `rows`, with the noise of an epoch or as they are. */
struct batch {
    struct head_trainer *t;
    const struct head_rows *rows;
    const uint32_t *order; /* NULL: first, first + 1 .. */
    uint32_t first, n, epoch;
    bool learning;
};

static void load_row(const struct batch *b, uint32_t i, uint32_t at)
{
    const struct head_trainer *t = b->t;
    const float *x = vector_at(b->rows, at);
    float *z = t->z + (uint64_t)i * t->width, *mask = t->mask + (uint64_t)i * t->units;
    uint64_t place = (uint64_t)b->epoch * b->rows->n + at, keep = (t->width + 3u) / 4 * 4;
    bool noisy = b->learning && t->c.noise > 0, drops = b->learning && t->c.hidden && t->c.dropout > 0;
    if (noisy)
        rng_fill_normal(t->c.seed, STREAM_NOISE, place * keep, z, t->width);
    else
        memset(z, 0, t->width * sizeof *z);
    for (uint32_t k = 0; k < t->width; k++)
        z[k] = (x[k] - t->mean[k]) * t->scale[k] + (float)t->c.noise * z[k];
    for (uint32_t j = 0; j < t->units; j++) {
        mask[j] = 1;
        if (drops && rng_uniform(t->c.seed, STREAM_DROP, place * t->units + j) < t->c.dropout)
            mask[j] = 0;
        else if (drops)
            mask[j] = (float)(1 / (1 - t->c.dropout));
    }
}

static float forward_row(const struct head_trainer *t, const float *z, const float *mask, float *h)
{
    const float *in = t->theta, *bias = in + (uint64_t)t->width * t->units, *out = bias + t->units;
    uint32_t units = t->units;
    memcpy(h, bias, units * sizeof *h);
    for (uint32_t k = 0; k < t->width; k++)
        for (uint32_t j = 0; j < units; j++) h[j] += z[k] * in[(uint64_t)k * units + j];
    if (!t->c.hidden) return h[0];
    float logit = out[units];
    for (uint32_t j = 0; j < units; j++) {
        h[j] = h[j] > 0 || h[j] != h[j] ? h[j] * mask[j] : 0; /* NaN must not look like 0 */
        logit += out[j] * h[j];
    }
    return logit;
}

/* log(1 + e^x), and its derivative. log(1 + q) = 2 atanh(q / (2 + q)), q <= 1. */
static double softplus(double x, double *slope)
{
    double q = exp_f64(fabs(x) < 700 ? -fabs(x) : -700), z = q / (2 + q), s = 0;
    for (int k = 27; k >= 1; k -= 2) s = s * z * z + 1.0 / k;
    *slope = x > 0 ? 1 / (1 + q) : q / (1 + q);
    return (x > 0 ? x : 0) + 2 * z * s;
}

static void run_row(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct batch *b = ctx;
    const struct head_trainer *t = b->t;
    uint32_t i = (uint32_t)unit, at = b->order ? b->order[i] : b->first + i;
    float *h = t->h + (uint64_t)i * t->units, *mask = t->mask + (uint64_t)i * t->units;
    load_row(b, i, at);
    float logit = t->logit[i] = forward_row(t, t->z + (uint64_t)i * t->width, mask, h);
    uint8_t label = b->rows->label ? b->rows->label[row_at(b->rows, at)] : 0;
    double slope, weight = t->c.weight[label];
    t->loss[i] =
        isfinite(logit) ? weight * (softplus((double)logit, &slope) - label * (double)logit) : (double)NAN;
    if (!b->learning) return;
    t->dlogit[i] = isfinite(logit) ? (float)(weight * (slope - label) / b->n) : NAN;
    const float *out = t->theta + ((uint64_t)t->width + 1) * t->units;
    float *dh = t->dh + (uint64_t)i * t->units;
    for (uint32_t j = 0; j < t->units; j++)
        dh[j] = !t->c.hidden ? t->dlogit[i] : h[j] > 0 ? t->dlogit[i] * out[j] * mask[j] : 0;
}

static double sum_loss(const struct head_trainer *t, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += t->loss[i];
    return sum;
}

/* Runs all rows, batch by batch; the sum of their losses. `logits` may be NULL. */
static double run_all(struct head_trainer *t, const struct head_rows *rows, float *logits)
{
    double sum = 0;
    for (uint32_t at = 0; at < rows->n; at += t->c.batch) {
        uint32_t n = rows->n - at < t->c.batch ? rows->n - at : t->c.batch;
        struct batch b = {.t = t, .rows = rows, .first = at, .n = n};
        run_units(t->pool, n, run_row, &b);
        sum += sum_loss(t, n);
        if (logits) memcpy(logits + at, t->logit, n * sizeof *logits);
    }
    return sum;
}

void head_logits(struct head_trainer *t, const struct head_rows *rows, float *logits)
{
    run_all(t, rows, logits);
}

double head_loss(struct head_trainer *t, const struct head_rows *rows)
{
    return run_all(t, rows, NULL) / rows->n;
}

/* ---- backward ------------------------------------------------------------------------------------------ */

/* The gradient of COLUMNS columns of `in`: sums over the rows, ascending. */
static void columns_back(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct batch *b = ctx;
    const struct head_trainer *t = b->t;
    uint32_t from = (uint32_t)unit * COLUMNS, to = t->width - from < COLUMNS ? t->width : from + COLUMNS;
    float *grad = t->grad + (uint64_t)from * t->units;
    uint64_t n = (uint64_t)(to - from) * t->units;
    memset(grad, 0, n * sizeof *grad);
    for (uint32_t i = 0; i < b->n; i++) {
        const float *z = t->z + (uint64_t)i * t->width, *dh = t->dh + (uint64_t)i * t->units;
        for (uint32_t k = from; k < to; k++)
            for (uint32_t j = 0; j < t->units; j++) grad[(uint64_t)(k - from) * t->units + j] += z[k] * dh[j];
    }
    t->squares[unit] = 0;
    for (uint64_t k = 0; k < n; k++) t->squares[unit] += (double)grad[k] * (double)grad[k];
}

/* The gradient of what stands behind `in`. */
static void rest_back(struct head_trainer *t, uint32_t n, double *squares)
{
    uint64_t in = (uint64_t)t->width * t->units;
    float *bias = t->grad + in, *out = bias + t->units;
    memset(bias, 0, (t->count - in) * sizeof *bias);
    for (uint32_t i = 0; i < n; i++) {
        const float *dh = t->dh + (uint64_t)i * t->units, *h = t->h + (uint64_t)i * t->units;
        for (uint32_t j = 0; j < t->units; j++) bias[j] += dh[j];
        if (!t->c.hidden) continue;
        for (uint32_t j = 0; j < t->units; j++) out[j] += t->dlogit[i] * h[j];
        out[t->units] += t->dlogit[i];
    }
    *squares = 0;
    for (uint64_t k = in; k < t->count; k++) *squares += (double)t->grad[k] * (double)t->grad[k];
}

double head_gradient(struct head_trainer *t, const struct head_rows *train, const uint32_t *order, uint32_t n,
                     uint32_t epoch)
{
    struct batch b = {.t = t, .rows = train, .order = order, .n = n, .epoch = epoch, .learning = true};
    int64_t blocks = (t->width + COLUMNS - 1) / COLUMNS;
    assert(n >= 1 && n <= t->c.batch);
    run_units(t->pool, n, run_row, &b);
    run_units(t->pool, blocks, columns_back, &b);
    rest_back(t, n, &t->squares[blocks]);
    return sum_loss(t, n) / n;
}

int head_step(struct head_trainer *t, struct err *e)
{
    const double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, rate = t->c.learning_rate;
    uint64_t in = (uint64_t)t->width * t->units, bias_end = in + t->units;
    double squares = 0;
    for (uint32_t k = 0; k <= (t->width + COLUMNS - 1) / COLUMNS; k++) squares += t->squares[k];
    if (!isfinite(squares))
        return err_set(e, ERR_NONFINITE, "the head's gradient has norm %g", sqrt(squares));
    t->step++;
    double fix1 = 1 - pow(beta1, (double)t->step), fix2 = 1 - pow(beta2, (double)t->step);
    for (uint64_t i = 0; i < t->count; i++) {
        double g = (double)t->grad[i], w = (double)t->theta[i];
        bool decays = i < in || (i >= bias_end && i + 1 < t->count);
        t->m[i] = beta1 * t->m[i] + (1 - beta1) * g;
        t->v[i] = beta2 * t->v[i] + (1 - beta2) * g * g;
        if (decays) w -= rate * t->c.weight_decay * w;
        t->theta[i] = (float)(w - rate * (t->m[i] / fix1) / (sqrt(t->v[i] / fix2) + eps));
    }
    return 0;
}

/* ---- the loop ------------------------------------------------------------------------------------------ */

/* Fisher and Yates (Durstenfeld 1964), by the words of one epoch. */
static void shuffle(uint64_t seed, uint32_t epoch, uint32_t *order, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint64_t r = rng_u32(seed, STREAM_ORDER, (uint64_t)epoch << 32 | i);
        uint32_t k = (uint32_t)(r * i >> 32), held = order[k];
        order[k] = order[i - 1], order[i - 1] = held;
    }
}

static int run_epoch(struct head_trainer *t, const struct head_rows *train, uint32_t epoch, uint32_t *order,
                     double *loss, struct err *e)
{
    *loss = 0;
    shuffle(t->c.seed, epoch, order, train->n);
    for (uint32_t at = 0; at < train->n; at += t->c.batch) {
        uint32_t n = train->n - at < t->c.batch ? train->n - at : t->c.batch;
        double mean = head_gradient(t, train, order + at, n, epoch);
        struct err why = {0};
        if (!isfinite(mean))
            return err_set(e, ERR_NONFINITE, "epoch %u, batch %u: the head's loss is %g", epoch,
                           at / t->c.batch, mean);
        int rc = head_step(t, &why);
        if (rc) return err_set(e, rc, "epoch %u, batch %u: %s", epoch, at / t->c.batch, why.msg);
        *loss += mean * n / train->n;
    }
    return 0;
}

/* The loss that decides: on the validation rows, else that of training. */
static int judge(struct head_trainer *t, const struct head_rows *valid, struct head_epoch *now, struct err *e)
{
    bool judged = valid && valid->n;
    now->valid_loss = judged ? head_loss(t, valid) : now->train_loss;
    if (isfinite(now->valid_loss)) return 0;
    return err_set(e, ERR_NONFINITE, "epoch %u: the head's loss on the validation rows is %g", now->epoch,
                   now->valid_loss);
}

int head_train(struct head_trainer *t, const struct head_rows *train, const struct head_rows *valid,
               void (*tell)(void *ctx, const struct head_epoch *epoch), void *ctx, struct head_outcome *out,
               struct err *e)
{
    uint32_t *order = malloc(train->n * sizeof *order);
    int rc = order ? 0 : err_set(e, ERR_NOMEM, "no memory to order %u rows", train->n);
    bool judged = valid && valid->n;
    *out = (struct head_outcome){.best_loss = (double)INFINITY};
    for (uint32_t i = 0; !rc && i < t->c.epochs; i++) {
        struct head_epoch now = {.epoch = i};
        rc = run_epoch(t, train, i, order, &now.train_loss, e);
        if (!rc) rc = judge(t, valid, &now, e);
        if (rc) break;
        now.best = !judged || now.valid_loss < out->best_loss;
        if (now.best) {
            out->best_loss = now.valid_loss, out->best_epoch = i;
            memcpy(t->best, t->theta, t->count * sizeof *t->best);
        }
        out->epochs = i + 1;
        if (tell) tell(ctx, &now);
        if (t->c.patience && i - out->best_epoch >= t->c.patience) break;
    }
    if (out->epochs) memcpy(t->theta, t->best, t->count * sizeof *t->best);
    free(order);
    return rc;
}

void head_trainer_copy(const struct head_trainer *t, struct head *h)
{
    const float *bias = t->theta + (uint64_t)t->width * t->units;
    float *in = t->c.hidden ? h->w1 : h->w2;
    assert(h->c.hidden == t->c.hidden && head_inputs(&h->c) == t->width && h->mean);
    memcpy(h->mean, t->mean, t->width * sizeof *h->mean);
    for (uint32_t k = 0; k < t->width; k++) {
        h->scale[k] = t->scale[k] > 0 ? t->scale[k] : 1;
        for (uint32_t j = 0; j < t->units; j++)
            in[(uint64_t)j * t->width + k] = t->scale[k] > 0 ? t->theta[(uint64_t)k * t->units + j] : 0;
    }
    if (t->c.hidden) {
        memcpy(h->b1, bias, t->units * sizeof *bias);
        memcpy(h->w2, bias + t->units, t->units * sizeof *bias);
    }
    *h->b2 = t->theta[t->count - 1];
}
