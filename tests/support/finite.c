#include "tests/support/finite.h"
#include "tests/support/random_model.h"

#include <math.h>

static const double h = 2e-4;

struct probe {
    finite_fn *f;
    void *ctx;
    double *x;
    const float *grad;
    uint64_t n;
    double top, rms; /* of grad */
    double worst, got, want;
    uint64_t at;
};

/* Root mean square and place of the largest. */
static uint64_t sizes(struct probe *p)
{
    uint64_t at = 0;
    for (uint64_t i = 0; i < p->n; i++) {
        p->rms += (double)p->grad[i] * p->grad[i];
        if (fabs((double)p->grad[i]) > p->top) p->top = fabs((double)p->grad[i]), at = i;
    }
    p->rms = sqrt(p->rms / (double)p->n);
    return at;
}

static void note(struct probe *p, uint64_t at, double got, double want, double scale)
{
    double error = fabs(got - want) / fmax(fmax(scale, fabs(want)), 0.05);
    if (isnan(p->worst) || error <= p->worst) return;
    p->worst = error, p->at = at, p->got = got, p->want = want;
}

static void coordinate(struct probe *p, uint64_t i)
{
    double x = p->x[i];
    p->x[i] = x + h;
    double up = p->f(p->ctx);
    p->x[i] = x - h;
    double down = p->f(p->ctx);
    p->x[i] = x;
    note(p, i, (double)p->grad[i], (up - down) / (2 * h), p->top);
}

/* Moves x [from, from + n) by `step` along signs that random numbers give. */
static void move(struct probe *p, uint64_t seed, uint64_t from, uint64_t n, double step)
{
    for (uint64_t i = 0; i < n; i++) p->x[from + i] += random_at(seed, i) < 0 ? -step : step;
}

static void direction(struct probe *p, uint64_t seed, uint64_t from, uint64_t n)
{
    double unit = 1 / sqrt((double)n), got = 0;
    for (uint64_t i = 0; i < n; i++)
        got += (random_at(seed, i) < 0 ? -unit : unit) * (double)p->grad[from + i];
    move(p, seed, from, n, h * unit);
    double up = p->f(p->ctx);
    move(p, seed, from, n, -2 * h * unit);
    double down = p->f(p->ctx);
    move(p, seed, from, n, h * unit);
    note(p, from, got, (up - down) / (2 * h), p->rms);
}

static uint64_t pick(uint64_t seed, uint64_t i, uint64_t n)
{
    return (uint64_t)(((double)random_at(seed, i) + 1) / 2 * (double)n) % n;
}

double assert_gradient(enum tolerance tol, const char *what, finite_fn *f, void *ctx, double *x, uint64_t n,
                       const float *grad, uint32_t probes)
{
    struct probe p = {.f = f, .ctx = ctx, .x = x, .grad = grad, .n = n};
    uint64_t largest = sizes(&p), window = (n + 15) / 16;
    if (n <= 4 * (uint64_t)probes)
        for (uint64_t i = 0; i < n; i++) coordinate(&p, i);
    else {
        coordinate(&p, largest);
        for (uint32_t i = 1; i < probes; i++) coordinate(&p, pick(77, i, n));
        for (uint32_t i = 0; i < probes; i++) {
            direction(&p, 100 + i, 0, n);
            direction(&p, 200 + i, pick(78, i, n - window + 1), window);
        }
    }
    assert_error(tol, what, p.worst, p.at, p.got, p.want);
    return p.worst;
}
