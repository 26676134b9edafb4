#include "train/optim.h"
#include "kernels/math.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1 << 16 };

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

double schedule_rate(const struct optim_config *c, uint64_t step)
{
    if (step < c->warmup_steps) return c->learning_rate * (double)step / (double)c->warmup_steps;
    if (c->schedule == SCHEDULE_CONSTANT) return c->learning_rate;
    uint64_t left = c->total_steps > c->warmup_steps ? c->total_steps - c->warmup_steps : 1;
    double done = (double)(step - c->warmup_steps) / (double)left, sine, cosine;
    if (done >= 1) return 0;
    if (c->schedule == SCHEDULE_LINEAR) return c->learning_rate * (1 - done);
    sincos_f64(3.14159265358979323846 * done, &sine, &cosine);
    return c->learning_rate * 0.5 * (1 + cosine);
}

static uint32_t levels_for(uint32_t rows)
{
    uint32_t n = 0;
    while (rows > 1u << n) n++;
    return n;
}

static void carve(struct arena *a, struct optim *o, uint64_t count)
{
    o->m = arena_take(a, count, sizeof(float));
    o->v = arena_take(a, count, sizeof(float));
    o->leaf = arena_take(a, count, sizeof(float));
    o->partial = arena_take(a, (count + BLOCK - 1) / BLOCK, sizeof *o->partial);
    o->level = arena_take(a, o->levels, sizeof *o->level);
    for (uint32_t i = 0; i < o->levels; i++) {
        float *sum = arena_take(a, count, sizeof(float));
        if (o->level) o->level[i] = sum;
    }
}

uint64_t optim_plan(uint64_t count, uint32_t rows)
{
    struct arena a = {0};
    struct optim o = {.levels = levels_for(rows)};
    carve(&a, &o, count);
    return a.used;
}

int optim_create(struct optim *o, const struct optim_config *c, struct trainee *t, uint32_t rows,
                 struct err *e)
{
    *o = (struct optim){.c = *c, .t = t, .levels = levels_for(rows)};
    int r = arena_create(&o->arena, optim_plan(t->count, rows), "gradients and the optimiser", e);
    if (!r) carve(&o->arena, o, t->count);
    return r;
}

void optim_free(struct optim *o)
{
    arena_free(&o->arena);
    memset(o, 0, sizeof *o);
}

/* ---- the tree of sums
 * ------------------------------------------------------------------------------------------ */

struct vec_job {
    struct optim *o;
    const float *from;
    float *to;
    struct adamw_step step;
};

static void zero_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct vec_job *j = ctx;
    uint64_t at = (uint64_t)unit * BLOCK, n = min_u64(BLOCK, j->o->t->count - at);
    memset(j->to + at, 0, n * sizeof *j->to);
}

static void add_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct vec_job *j = ctx;
    uint64_t at = (uint64_t)unit * BLOCK, n = min_u64(BLOCK, j->o->t->count - at);
    j->o->t->m->kern.add((int64_t)n, j->from + at, j->to + at);
}

static int64_t blocks(const struct optim *o)
{
    return (int64_t)((o->t->count + BLOCK - 1) / BLOCK);
}

static void vec_add(struct optim *o, const float *from, float *to)
{
    struct vec_job j = {.o = o, .from = from, .to = to};
    pool_for(o->t->m->pool, blocks(o), add_unit, &j);
}

float *optim_leaf(struct optim *o)
{
    struct vec_job j = {.o = o, .to = o->leaf};
    pool_for(o->t->m->pool, blocks(o), zero_unit, &j);
    return o->leaf;
}

static void swap(float **a, float **b)
{
    float *t = *a;
    *a = *b, *b = t;
}

/* As a binary counter: row number `rows` carries into as many levels as it has trailing ones. */
void optim_fold(struct optim *o)
{
    uint32_t i = 0;
    for (; o->rows >> i & 1; i++) vec_add(o, o->level[i], o->leaf);
    if (i < o->levels) swap(&o->level[i], &o->leaf);
    o->rows++;
}

float *optim_sum(struct optim *o)
{
    int have = 0;
    for (uint32_t i = 0; i < o->levels; i++) {
        if (!(o->rows >> i & 1)) continue;
        if (have)
            vec_add(o, o->level[i], o->leaf);
        else
            swap(&o->level[i], &o->leaf);
        have = 1;
    }
    o->rows = 0;
    return o->leaf;
}

/* ---- the step
 * ----------------------------------------------------------------------------------------------------- */

static void norm_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct vec_job *j = ctx;
    uint64_t at = (uint64_t)unit * BLOCK, n = min_u64(BLOCK, j->o->t->count - at);
    j->o->partial[unit] = j->o->t->m->kern.sum_squares((int64_t)n, j->o->leaf + at);
}

double optim_norm(struct optim *o)
{
    double sum = 0;
    struct vec_job j = {.o = o};
    pool_for(o->t->m->pool, blocks(o), norm_unit, &j);
    for (int64_t i = 0; i < blocks(o); i++) sum += o->partial[i];
    return sqrt(sum);
}

static int nonfinite(const struct optim *o, double norm, struct err *e)
{
    const struct trainee *t = o->t;
    for (uint32_t i = 0; i < t->parts; i++)
        for (uint64_t j = 0; j < t->part[i].count; j++) {
            float g = o->leaf[t->part[i].at + j];
            if (g - g != 0)
                return err_set(
                    e, ERR_NONFINITE, "the gradient of %s is %g at %llu in step %llu; the step is not taken",
                    t->part[i].name, (double)g, (unsigned long long)j, (unsigned long long)o->step + 1);
        }
    return err_set(e, ERR_NONFINITE, "the gradient's norm is %g in step %llu; the step is not taken", norm,
                   (unsigned long long)o->step + 1);
}

static void adamw_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    struct vec_job *j = ctx;
    struct optim *o = j->o;
    uint64_t from = (uint64_t)unit * BLOCK, end = from + min_u64(BLOCK, o->t->count - from);
    for (uint32_t i = 0; i < o->t->parts; i++) {
        const struct trainee_part *p = &o->t->part[i];
        uint64_t a = p->at > from ? p->at : from, b = min_u64(p->at + p->count, end);
        struct adamw_step s = j->step;
        if (!p->decays) s.decay = 0;
        if (a < b)
            o->t->m->kern.adamw((int64_t)(b - a), &s, o->leaf + a, o->t->weights + a, o->m + a, o->v + a);
    }
}

static double power(double x, uint64_t n)
{
    double r = 1;
    for (; n; n >>= 1, x *= x)
        if (n & 1) r *= x;
    return r;
}

int optim_step(struct optim *o, double *rate, double *norm, struct err *e)
{
    const struct optim_config *c = &o->c;
    *rate = schedule_rate(c, o->step), *norm = optim_norm(o);
    if (!isfinite(*norm)) return nonfinite(o, *norm, e);
    double clip = c->max_grad_norm > 0 ? c->max_grad_norm / (*norm + 1e-6) : 1;
    o->step++;
    struct vec_job j = {.o = o};
    j.step = (struct adamw_step){.lr = (float)*rate, .beta1 = (float)c->beta1, .beta2 = (float)c->beta2};
    j.step.eps = (float)c->eps, j.step.decay = (float)c->weight_decay;
    j.step.correct1 = (float)(1 / (1 - power(c->beta1, o->step)));
    j.step.correct2 = (float)(1 / (1 - power(c->beta2, o->step)));
    j.step.grad_scale = clip < 1 ? (float)clip : 1;
    pool_for(o->t->m->pool, blocks(o), adamw_unit, &j);
    trainee_refresh(o->t);
    return 0;
}
