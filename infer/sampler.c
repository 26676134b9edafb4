/* One pass over the logits finds the largest of each block of 256 ids and whether all are finite. Greedy
 * choice and top_k need no more: the k-th largest of the blocks' largest is a floor under the k-th largest
 * logit, so only blocks that reach it are looked into. top_p needs the sum over the vocabulary as well, then
 * takes tokens from a floor that is lowered until enough has come together. */
#include "infer/sampler.h"
#include "infer/arena.h"
#include "infer/rng.h"
#include "kernels/math.h"

#include <float.h>
#include <stdlib.h>

enum { BLOCK = 256, SPAN = 4 * BLOCK };

/* A span of ids whose likeliest has less than e^-60 of the best one's probability counts as 0: all such
 * together are less than the 2^-53 that a draw can tell apart. */
#define SPAN_FLOOR (-60.0f)

/* Probabilities (relative to the likeliest's) of tokens that were picked out are integers, so that their sums
 * do not depend on the order in which they are taken. Below e^-28 there are none. */
#define MASS_ONE   0x1p40
#define MASS_FLOOR (-28.0f)

struct candidate {
    uint64_t key; /* ascending: the likelier first, then the lower id */
    uint64_t mass;
};

struct sampler {
    const struct kernels *kern;
    uint32_t vocab, blocks, spans;
    float *top;             /* [blocks] largest logit */
    float *sum;             /* [spans] of probabilities relative to the likeliest's */
    float *penalised;       /* [vocab] */
    struct candidate *list; /* [vocab] */
    struct arena arena;
};

void sampler_config_init(struct sampler_config *c)
{
    *c = (struct sampler_config){.top_p = 1, .repetition_penalty = 1};
}

static int range(struct err *e, const char *key, double v, double lo, double hi)
{
    if (v >= lo && v <= hi) return 0;
    return err_set(e, ERR_FIELD_RANGE, "%s is %g, expected %g to %g", key, v, lo, hi);
}

int sampler_config_check(const struct sampler_config *c, struct err *e)
{
    int r = range(e, "temperature", c->temperature, 0, 100);
    if (!r) r = range(e, "top_p", c->top_p, 1e-6, 1);
    if (!r) r = range(e, "min_p", c->min_p, 0, 1);
    if (!r) r = range(e, "repetition_penalty", c->repetition_penalty, 0.01, 100);
    return r;
}

static void carve(struct arena *a, struct sampler *s)
{
    s->top = arena_take(a, s->blocks, sizeof *s->top);
    s->sum = arena_take(a, s->spans, sizeof *s->sum);
    s->penalised = arena_take(a, s->vocab, sizeof *s->penalised);
    s->list = arena_take(a, s->vocab, sizeof *s->list);
}

int sampler_create(struct sampler **out, const struct kernels *kern, uint32_t vocab, struct err *e)
{
    struct arena count = {0};
    *out = NULL;
    struct sampler *s = calloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_NOMEM, "no memory for a sampler");
    s->kern = kern, s->vocab = vocab, s->blocks = (vocab + BLOCK - 1) / BLOCK;
    s->spans = (vocab + SPAN - 1) / SPAN;
    carve(&count, s);
    int r = arena_create(&s->arena, count.used, "a sampler", e);
    if (r) {
        free(s);
        return r;
    }
    carve(&s->arena, s);
    *out = s;
    return 0;
}

void sampler_free(struct sampler *s)
{
    if (!s) return;
    arena_free(&s->arena);
    free(s);
}

/* ---- logits ------------------------------------------------------------------------------------------ */

/* CTRL's rule (Keskar et al. 2019, 4.1): once for each different token of the history. */
static const float *penalise(struct sampler *s, const float *logits, const int32_t *history, uint32_t n,
                             float penalty)
{
    memcpy(s->penalised, logits, s->vocab * sizeof *logits);
    for (uint32_t i = 0; i < n; i++) {
        if ((uint32_t)history[i] >= s->vocab) continue;
        float x = logits[history[i]];
        s->penalised[history[i]] = x > 0 ? x / penalty : x * penalty;
    }
    return s->penalised;
}

/* Ids from `first` on, `most` of them if there are so many. */
static uint32_t ids_from(const struct sampler *s, uint32_t first, uint32_t most)
{
    return s->vocab - first < most ? s->vocab - first : most;
}

static int refuse(const float *x, uint32_t position, struct err *e)
{
    uint32_t i = 0;
    while (x[i] - x[i] == 0) i++;
    return err_set(e, ERR_NONFINITE, "the logit of token %u at position %u is %g", i, position, (double)x[i]);
}

/* Fills s->top; *block: the first with the largest of all. */
static int tops_find(struct sampler *s, const float *x, uint32_t position, uint32_t *block, struct err *e)
{
    float odd = 0;
    *block = 0;
    for (uint32_t b = 0; b < s->blocks; b++) {
        s->top[b] = s->kern->largest(ids_from(s, b * BLOCK, BLOCK), x + b * BLOCK);
        odd += s->top[b] * 0;
        if (s->top[b] > s->top[*block]) *block = b;
    }
    return odd == 0 ? 0 : refuse(x, position, e);
}

/* ---- probabilities ----------------------------------------------------------------------------------- */

/* What one pick knows. */
struct pick {
    const float *x;
    float top, inverse; /* the largest logit; 1 / temperature */
};

/* p [SPAN] = exp((x - top) / temperature) of a span; returns the sum. */
static float span_exp(const struct sampler *s, const struct pick *k, uint32_t span, float p[SPAN])
{
    uint32_t n = ids_from(s, span * SPAN, SPAN);
    const float *x = k->x + span * SPAN;
    float max = 0, sum = 0;
    for (uint32_t i = 0; i < n; i++) p[i] = (x[i] - k->top) * k->inverse;
    s->kern->softmax_block(n, SPAN, 1, 0, p, p, &max, &sum);
    return sum;
}

static float span_top(const struct sampler *s, uint32_t span)
{
    uint32_t b = span * (SPAN / BLOCK);
    float top = s->top[b];
    for (uint32_t end = b + SPAN / BLOCK; b < end && b < s->blocks; b++)
        top = s->top[b] > top ? s->top[b] : top;
    return top;
}

/* Fills s->sum and returns the sum over all tokens. */
static double sums_find(struct sampler *s, const struct pick *k)
{
    float p[SPAN];
    double total = 0;
    for (uint32_t i = 0; i < s->spans; i++) {
        int some = (span_top(s, i) - k->top) * k->inverse >= SPAN_FLOOR;
        s->sum[i] = some ? span_exp(s, k, i, p) : 0;
        total += (double)s->sum[i];
    }
    return total;
}

/* Where the running sum of p [n] first exceeds `at`, or the last that is not 0; *rest: what of `at` is left
 * there. */
static uint32_t walk(const float *p, uint32_t n, double at, double *rest)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (p[i] > 0) last = i, *rest = at;
        if (at < (double)p[i]) break;
        at -= (double)p[i];
    }
    return last;
}

/* Draws from all tokens, in the order of their ids: first the span, then in it. */
static int32_t draw_any(struct sampler *s, const struct pick *k, double u)
{
    float p[SPAN];
    double at = u * sums_find(s, k), rest = 0;
    uint32_t span = walk(s->sum, s->spans, at, &at);
    span_exp(s, k, span, p);
    return (int32_t)(span * SPAN + walk(p, ids_from(s, span * SPAN, SPAN), at, &rest));
}

/* ---- candidates -------------------------------------------------------------------------------------- */

/* Floats in descending order as ascending integers; both zeros are one. */
static uint64_t key_of(float x, uint32_t id)
{
    uint32_t u = f32_bits(x + 0.0f), ascending = u & 0x80000000 ? ~u : u | 0x80000000;
    return (uint64_t)~ascending << 32 | id;
}

static float key_logit(uint64_t key)
{
    uint32_t ascending = ~(uint32_t)(key >> 32);
    return f32_from_bits(ascending & 0x80000000 ? ascending & 0x7fffffff : ~ascending);
}

/* Moves keys below c[pivot]'s to the front; returns where the pivot then stands, *mass of what is before it.
 */
static uint32_t partition(struct candidate *c, uint32_t n, uint32_t pivot, uint64_t *mass)
{
    struct candidate middle = c[pivot];
    uint32_t at = 0;
    uint64_t sum = 0;
    c[pivot] = c[n - 1];
    for (uint32_t i = 0; i + 1 < n; i++) { /* without a branch on what was compared */
        struct candidate t = c[i];
        uint32_t before = t.key < middle.key;
        c[i] = c[at];
        c[at] = t;
        sum += t.mass & -(uint64_t)before;
        at += before;
    }
    c[n - 1] = c[at];
    c[at] = middle;
    *mass = sum;
    return at;
}

/* The candidate at which the masses, added up in the order of the keys, first exceed `target`: its index, and
 * those that come before it in the order stand before it in c; n when they never do. (Hoare's selection, by
 * weight.) */
static uint32_t find(struct candidate *c, uint32_t n, uint64_t target)
{
    uint32_t lo = 0, hi = n, random = 1;
    while (lo < hi) {
        uint64_t mass;
        random = random * 1664525 + 1013904223;
        uint32_t at = lo + partition(c + lo, hi - lo, (uint32_t)((uint64_t)random * (hi - lo) >> 32), &mass);
        if (target < mass) {
            hi = at;
        } else if (target - mass < c[at].mass) {
            return at;
        } else {
            target -= mass + c[at].mass;
            lo = at + 1;
        }
    }
    return hi;
}

/* Adds to n candidates the tokens with logits in [floor, below), each with mass 1; returns how many there
 * then are. No branch tells them apart, since none could be foreseen. */
static uint32_t gather(struct sampler *s, uint32_t n, const float *x, float floor, float below)
{
    uint16_t found[BLOCK];
    for (uint32_t b = 0; b < s->blocks; b++) {
        const float *at = x + b * BLOCK;
        uint32_t some = 0, size = ids_from(s, b * BLOCK, BLOCK);
        if (s->top[b] < floor) continue;
        for (uint32_t i = 0; i < size; i++) {
            found[some] = (uint16_t)i;
            some += (at[i] >= floor) & (at[i] < below);
        }
        for (uint32_t i = 0; i < some; i++)
            s->list[n++] = (struct candidate){key_of(at[found[i]], b * BLOCK + found[i]), 1};
    }
    return n;
}

/* Gives candidates [from, n) their masses; returns the sum. */
static uint64_t weigh(struct sampler *s, const struct pick *k, uint32_t from, uint32_t n)
{
    float p[BLOCK];
    uint64_t sum = 0;
    for (uint32_t some; from < n; from += some) {
        some = n - from < BLOCK ? n - from : BLOCK;
        for (uint32_t i = 0; i < some; i++) p[i] = (key_logit(s->list[from + i].key) - k->top) * k->inverse;
        s->kern->softmax_scaled(some, 0, 1, p);
        for (uint32_t i = 0; i < some; i++)
            sum += s->list[from + i].mass = (uint64_t)((double)p[i] * MASS_ONE);
    }
    return sum;
}

/* The top_k likeliest tokens. */
static uint32_t take_top_k(struct sampler *s, const struct pick *k, uint32_t top_k)
{
    float floor = -FLT_MAX;
    if (top_k <= s->blocks) {
        for (uint32_t b = 0; b < s->blocks; b++) s->list[b] = (struct candidate){key_of(s->top[b], b), 1};
        floor = key_logit(s->list[find(s->list, s->blocks, top_k - 1)].key);
    }
    return find(s->list, gather(s, 0, k->x, floor, INFINITY), top_k - 1) + 1;
}

/* The logit at which (logit - top) / temperature is y, or a little less: what is kept is decided elsewhere.
 */
static float logit_at(const struct pick *k, float y)
{
    double x = (double)k->top + ((double)y - 1e-3) / (double)k->inverse - 1e-6 * fabs((double)k->top);
    return x > -FLT_MAX ? (float)x : -FLT_MAX;
}

/* The fewest tokens that reach `target`, or all that have a mass: taken in bands, the likelier first. */
static uint32_t take_mass(struct sampler *s, const struct pick *k, uint64_t target)
{
    static const float floors[] = {-8, -12, -16, -20, -24, MASS_FLOOR};
    float below = INFINITY;
    uint32_t n = 0;
    for (size_t i = 0; i < sizeof floors / sizeof *floors; i++) {
        float floor = logit_at(k, floors[i]);
        uint32_t end = gather(s, n, k->x, floor, below);
        uint64_t band = weigh(s, k, n, end);
        if (band >= target) return n + find(s->list + n, end - n, target - 1) + 1;
        target -= band, n = end, below = floor;
    }
    return n;
}

/* Keeps the candidates with at least `least`; returns how many, *sum of their masses. */
static uint32_t keep_heavy(struct candidate *c, uint32_t n, uint64_t least, uint64_t *sum)
{
    uint32_t kept = 0;
    *sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (c[i].mass < least) continue;
        *sum += c[i].mass;
        c[kept++] = c[i];
    }
    return kept;
}

/* `share` of the sum, at least 1. */
static uint64_t share_of(double sum, double share)
{
    double t = sum * share;
    return t < 1 ? 1 : (uint64_t)t;
}

/* What top_k and top_p leave, weighed. */
static uint32_t take(struct sampler *s, const struct sampler_config *c, const struct pick *k)
{
    uint32_t n;
    uint64_t sum;
    if (c->top_k && c->top_k < s->vocab) {
        n = take_top_k(s, k, c->top_k);
        sum = weigh(s, k, 0, n);
        if (c->top_p == 1) return n;
        uint32_t last = find(s->list, n, share_of((double)sum, c->top_p) - 1);
        return last < n ? last + 1 : n;
    }
    if (c->top_p < 1) return take_mass(s, k, share_of(sums_find(s, k) * MASS_ONE, c->top_p));
    n = gather(s, 0, k->x, logit_at(k, c->min_p > 1e-12 ? log_f32((float)c->min_p) : MASS_FLOOR), INFINITY);
    weigh(s, k, 0, n);
    return n;
}

/* Draws from what the cuts leave. The order of the candidates is of no account: it is a function of the
 * logits. */
static int32_t draw_cut(struct sampler *s, const struct sampler_config *c, const struct pick *k, double u)
{
    uint64_t sum;
    uint32_t n = keep_heavy(s->list, take(s, c, k), share_of(MASS_ONE, c->min_p), &sum), i = 0;
    uint64_t at = (uint64_t)(u * (double)sum);
    for (; i + 1 < n && at >= s->list[i].mass; i++) at -= s->list[i].mass;
    return (int32_t)(uint32_t)s->list[i].key;
}

int sampler_pick(struct sampler *s, const struct sampler_config *c, const float *logits,
                 const int32_t *history, uint32_t n, uint64_t stream, uint32_t position, int32_t *token,
                 struct err *e)
{
    unsigned old = kernels_fp_enter();
    struct pick k = {.x = logits};
    uint32_t block;
    if (c->repetition_penalty != 1) k.x = penalise(s, logits, history, n, (float)c->repetition_penalty);
    int r = tops_find(s, k.x, position, &block, e);
    if (!r) k.top = s->top[block];
    if (r) {
        *token = 0;
    } else if (c->temperature == 0) {
        *token = (int32_t)(block * BLOCK);
        while (k.x[*token] != k.top) ++*token;
    } else {
        double u = rng_uniform(c->seed, stream, position);
        k.inverse = (float)(1 / (c->temperature < 1e-30 ? 1e-30 : c->temperature));
        int cut = (c->top_k && c->top_k < s->vocab) || c->top_p < 1 || c->min_p > 0;
        *token = cut ? draw_cut(s, c, &k, u) : draw_any(s, &k, u);
    }
    kernels_fp_leave(old);
    return r;
}
