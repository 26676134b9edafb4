#include "train/head_score.h"

#include "infer/rng.h"
#include "kernels/math.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_SCORE = 0x53434f52 }; /* "SCOR"; + resample */

static uint32_t times_of(const uint32_t *times, uint32_t i)
{
    return times ? times[i] : 1;
}

/* ---- bootstrap ----------------------------------------------------------------------------------------- */

struct keyed {
    uint64_t key;
    uint32_t row;
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* number[i]: of row i's group, 0 .. groups - 1 in the order of their keys; returns groups. */
static uint32_t number_groups(const uint64_t *group, uint32_t n, struct keyed *room, uint32_t *number)
{
    uint32_t groups = 0;
    for (uint32_t i = 0; i < n; i++) room[i] = (struct keyed){group ? group[i] : i, i};
    qsort(room, n, sizeof *room, by_key);
    for (uint32_t i = 0; i < n; i++) {
        groups += i > 0 && room[i].key != room[i - 1].key;
        number[room[i].row] = groups;
    }
    return n ? groups + 1 : 0;
}

static int ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

struct draw {
    uint32_t *number, *drawn, *times; /* [n] group of a row, times a group and a row is drawn */
    struct keyed *room;               /* [n] */
    double *value;                    /* [resamples] */
};

static void free_draw(struct draw *d)
{
    free(d->number), free(d->drawn), free(d->times), free(d->room), free(d->value);
}

static int take_draw(struct draw *d, uint32_t n, uint32_t resamples, struct err *e)
{
    size_t size = (size_t)n + 1;
    *d = (struct draw){.number = malloc(size * sizeof(uint32_t)),
                       .drawn = malloc(size * sizeof(uint32_t)),
                       .times = malloc(size * sizeof(uint32_t)),
                       .room = malloc(size * sizeof(struct keyed)),
                       .value = malloc(((size_t)resamples + 1) * sizeof(double))};
    if (d->number && d->drawn && d->times && d->room && d->value) return 0;
    return err_set(e, ERR_NOMEM, "no memory for a bootstrap of %u rows", n);
}

int score_bootstrap(struct spread *out, score_fn *fn, void *ctx, const uint64_t *group, uint32_t n,
                    uint32_t resamples, uint64_t seed, struct err *e)
{
    struct draw d;
    uint32_t have = 0;
    int rc = take_draw(&d, n, resamples, e);
    *out = (struct spread){(double)NAN, (double)NAN, (double)NAN};
    uint32_t groups = rc ? 0 : number_groups(group, n, d.room, d.number);
    if (!rc) out->value = fn(ctx, NULL);
    for (uint32_t k = 0; !rc && groups && k < resamples; k++) {
        memset(d.drawn, 0, groups * sizeof *d.drawn);
        for (uint32_t i = 0; i < groups; i++)
            d.drawn[(uint32_t)(rng_uniform(seed, STREAM_SCORE + (uint64_t)k, i) * groups)]++;
        for (uint32_t i = 0; i < n; i++) d.times[i] = d.drawn[d.number[i]];
        double v = fn(ctx, d.times);
        if (isfinite(v)) d.value[have++] = v;
    }
    if (have) {
        uint32_t cut = (uint32_t)(0.025 * have);
        qsort(d.value, have, sizeof *d.value, ascending);
        out->low = d.value[cut], out->high = d.value[have - 1 - cut];
    }
    free_draw(&d);
    return rc;
}

/* ---- probabilities against labels ---------------------------------------------------------------------- */

/* `order` [n]: rows by ascending p, then by number. NOMEM. */
static int sort_rows(const float *p, uint32_t n, uint32_t *order, struct err *e)
{
    struct keyed *room = malloc(((size_t)n + 1) * sizeof *room);
    if (!room) return err_set(e, ERR_NOMEM, "no memory to sort %u rows", n);
    for (uint32_t i = 0; i < n; i++) room[i] = (struct keyed){f32_bits(p[i] + 0.0f), i}; /* p >= 0 */
    qsort(room, n, sizeof *room, by_key);
    for (uint32_t i = 0; i < n; i++) order[i] = room[i].row;
    free(room);
    return 0;
}

int score_rows_create(struct score_rows *s, const float *p, const uint8_t *label, uint32_t n, struct err *e)
{
    *s = (struct score_rows){0};
    if (n == 0) return err_set(e, ERR_DATA_EMPTY, "no rows to score");
    for (uint32_t i = 0; i < n; i++)
        if (!(p[i] >= 0 && p[i] <= 1) || label[i] > 1)
            return err_set(e, ERR_FIELD_RANGE, "row %u: probability %g, label %u", i, (double)p[i], label[i]);
    uint32_t *order = malloc(n * sizeof *order);
    int rc = order ? sort_rows(p, n, order, e) : err_set(e, ERR_NOMEM, "no memory to score %u rows", n);
    if (rc)
        free(order);
    else
        *s = (struct score_rows){p, label, order, n};
    return rc;
}

void score_rows_free(struct score_rows *s)
{
    free(s->order);
    *s = (struct score_rows){0};
}

double score_auc(const struct score_rows *s, const uint32_t *times)
{
    double wins = 0, below = 0, ones = 0; /* below: rows of label 0 with a lower p */
    for (uint32_t i = 0, end; i < s->n; i = end) {
        double tied[2] = {0, 0};
        for (end = i; end < s->n && s->p[s->order[end]] == s->p[s->order[i]]; end++)
            tied[s->label[s->order[end]]] += times_of(times, s->order[end]);
        wins += tied[1] * (below + tied[0] / 2);
        below += tied[0], ones += tied[1];
    }
    return below > 0 && ones > 0 ? wins / (below * ones) : (double)NAN;
}

double score_accuracy(const struct score_rows *s, const uint32_t *times, double threshold)
{
    double right = 0, all = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        all += times_of(times, i);
        if (((double)s->p[i] >= threshold) == (s->label[i] == 1)) right += times_of(times, i);
    }
    return right / all;
}

double score_best_threshold(const struct score_rows *s)
{
    double best = 0;
    int64_t right = 0, most;
    for (uint32_t i = 0; i < s->n; i++) right += s->label[i];
    most = right; /* threshold 0: everything is 1 */
    for (uint32_t i = 0; i < s->n; i++) {
        right += s->label[s->order[i]] ? -1 : 1;
        double p = (double)s->p[s->order[i]], next = i + 1 < s->n ? (double)s->p[s->order[i + 1]] : 1.5;
        double at = i + 1 < s->n ? (p + next) / 2 : 1.5;
        if (p == next || right < most || (right == most && fabs(at - 0.5) >= fabs(best - 0.5))) continue;
        most = right, best = at;
    }
    return best;
}

double score_ece(const struct score_rows *s, const uint32_t *times, uint32_t bins, struct score_bin *table)
{
    struct score_bin bin[SCORE_BINS_MAX] = {{0}};
    double off = 0, all = 0;
    assert(bins >= 1 && bins <= SCORE_BINS_MAX);
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t b = (uint32_t)((double)s->p[i] * bins), k = times_of(times, i);
        struct score_bin *at = &bin[b < bins ? b : bins - 1];
        at->n += k, at->p += k * (double)s->p[i], at->share += k * s->label[i];
    }
    for (uint32_t b = 0; b < bins; b++) {
        off += fabs(bin[b].share - bin[b].p), all += (double)bin[b].n;
        if (bin[b].n) bin[b].p /= (double)bin[b].n, bin[b].share /= (double)bin[b].n;
    }
    if (table) memcpy(table, bin, bins * sizeof *table);
    return off / all;
}

double score_auc_fn(void *ctx, const uint32_t *times)
{
    return score_auc(((const struct score_ctx *)ctx)->rows, times);
}

double score_accuracy_fn(void *ctx, const uint32_t *times)
{
    const struct score_ctx *c = ctx;
    return score_accuracy(c->rows, times, c->threshold);
}

double score_ece_fn(void *ctx, const uint32_t *times)
{
    const struct score_ctx *c = ctx;
    return score_ece(c->rows, times, c->bins, NULL);
}

static double sigmoid(double x)
{
    double q = exp_f64(fabs(x) < 700 ? -fabs(x) : -700);
    return x > 0 ? 1 / (1 + q) : q / (1 + q);
}

float score_probability(float logit, double temperature)
{
    return (float)sigmoid((double)logit / temperature);
}

double score_temperature(const float *logit, const uint8_t *label, uint32_t n)
{
    double low = 0.01, high = 100; /* of 1 / T */
    for (int step = 0; step < 60; step++) {
        double middle = sqrt(low * high), slope = 0;
        for (uint32_t i = 0; i < n; i++)
            slope += (double)logit[i] * (sigmoid(middle * (double)logit[i]) - label[i]);
        if (slope > 0)
            high = middle;
        else
            low = middle;
    }
    return low < 99 ? 1 / sqrt(low * high) : 1;
}

/* ---- routing ------------------------------------------------------------------------------------------- */

/* Sums over prompts: how many, how many right, tokens; [0] answered by the base, [1] with the adapter. */
struct route_sums {
    double n, right[2], tokens[2];
};

static void route_add(struct route_sums *s, const struct route_rows *r, uint32_t i, double times)
{
    s->n += times;
    s->right[0] += times * r->base_right[i], s->right[1] += times * r->adapter_right[i];
    s->tokens[0] += times * r->base_tokens[i], s->tokens[1] += times * r->adapter_tokens[i];
}

static struct route_point route_of(const struct route_sums *all, const struct route_sums *routed,
                                   double threshold)
{
    double share = routed->n / all->n;
    return (struct route_point){.threshold = threshold,
                                .routed = share,
                                .accuracy = (all->right[0] - routed->right[0] + routed->right[1]) / all->n,
                                .tokens = (all->tokens[0] - routed->tokens[0] + routed->tokens[1]) / all->n,
                                .random = ((1 - share) * all->right[0] + share * all->right[1]) / all->n};
}

int route_curve(const struct route_rows *r, const uint32_t *times, struct route_point *points, uint32_t *n,
                struct err *e)
{
    struct route_sums all = {0}, routed = {0};
    uint32_t *order = malloc(((size_t)r->n + 1) * sizeof *order), left = 0;
    *n = 0;
    int rc = order ? sort_rows(r->p, r->n, order, e) : err_set(e, ERR_NOMEM, "no memory for a curve");
    for (uint32_t i = 0; !rc && i < r->n; i++) { /* keep the rows that are drawn */
        uint32_t row = order[i], k = times_of(times, row);
        route_add(&all, r, row, k);
        if (k) order[left++] = row;
    }
    if (!rc && left == 0) rc = err_set(e, ERR_DATA_EMPTY, "no prompt to route");
    if (!rc) points[(*n)++] = route_of(&all, &routed, (double)INFINITY);
    while (!rc && left) {
        double p = (double)r->p[order[left - 1]];
        for (; left && (double)r->p[order[left - 1]] == p; left--)
            route_add(&routed, r, order[left - 1], times_of(times, order[left - 1]));
        points[(*n)++] = route_of(&all, &routed, left ? (p + (double)r->p[order[left - 1]]) / 2 : 0);
    }
    free(order);
    return rc;
}

const struct route_point *route_for_accuracy(const struct route_point *points, uint32_t n, double accuracy)
{
    const struct route_point *best = NULL;
    for (uint32_t i = 0; i < n; i++)
        if (points[i].accuracy >= accuracy && (!best || points[i].tokens < best->tokens)) best = &points[i];
    return best;
}

const struct route_point *route_for_saving(const struct route_point *points, uint32_t n, double saving)
{
    const struct route_point *best = NULL;
    double most = n ? (1 - saving) * points[n - 1].tokens : 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct route_point *p = &points[i];
        if (p->tokens > most) continue;
        if (!best || p->accuracy > best->accuracy ||
            (p->accuracy == best->accuracy && p->tokens < best->tokens))
            best = p;
    }
    return best;
}

struct route_point route_at(const struct route_rows *r, const uint32_t *times, double threshold)
{
    struct route_sums all = {0}, routed = {0};
    for (uint32_t i = 0; i < r->n; i++) {
        route_add(&all, r, i, times_of(times, i));
        if ((double)r->p[i] >= threshold) route_add(&routed, r, i, times_of(times, i));
    }
    return route_of(&all, &routed, threshold);
}

double route_worst(const struct route_point *points, uint32_t n)
{
    double worst = 0;
    for (uint32_t i = 1; i + 1 < n; i++)
        if (i == 1 || points[i].accuracy - points[i].random < worst)
            worst = points[i].accuracy - points[i].random;
    return worst;
}
