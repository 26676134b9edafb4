#include "train/route_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The picked rows of a part, side by side. */
struct part {
    struct route_rows rows; /* points into the arrays below */
    float *p;
    uint8_t *right[2];
    uint32_t *tokens[2];
    uint64_t *group;
};

static void part_free(struct part *t)
{
    free(t->p), free(t->right[0]), free(t->right[1]), free(t->tokens[0]), free(t->tokens[1]), free(t->group);
}

static int part_take(struct part *t, const struct features *f, const uint32_t *pick, uint32_t n,
                     const char *name, struct err *e)
{
    *t = (struct part){.p = malloc(n * sizeof *t->p + 1), .group = malloc(n * sizeof *t->group + 1)};
    for (int way = 0; way < 2; way++)
        t->right[way] = malloc(n + 1), t->tokens[way] = malloc(n * sizeof(uint32_t) + 1);
    if (!t->p || !t->group || !t->right[0] || !t->right[1] || !t->tokens[0] || !t->tokens[1])
        return err_set(e, ERR_NOMEM, "no memory for %u prompts to route", n);
    for (uint32_t i = 0; i < n; i++) {
        const struct feature *row = &features_rows(f)[pick[i]];
        if (row->base_right > 1 || row->adapter_right > 1)
            return err_set(e, ERR_DATA_EMPTY, "the %s part: row %u was not answered both ways", name,
                           pick[i]);
        t->right[0][i] = row->base_right, t->right[1][i] = row->adapter_right;
        t->tokens[0][i] = row->base_tokens, t->tokens[1][i] = row->adapter_tokens;
        t->group[i] = row->group;
    }
    t->rows = (struct route_rows){t->p, t->right[0], t->right[1], t->tokens[0], t->tokens[1], n};
    return 0;
}

/* ---- the curve ----------------------------------------------------------------------------------------- */

double route_accuracy(const struct route_point *curve, uint32_t n, double at, bool by_tokens)
{
    for (uint32_t i = 0; i + 1 < n; i++) {
        const struct route_point *a = &curve[i], *b = a + 1;
        double from = by_tokens ? a->tokens : a->routed, to = by_tokens ? b->tokens : b->routed;
        if (at > to || from == to) continue;
        return at < from ? a->accuracy
                         : a->accuracy + (at - from) / (to - from) * (b->accuracy - a->accuracy);
    }
    return curve[n - 1].accuracy;
}

/* What a figure is computed from; one of them at a time is bootstrapped. */
enum figure { ROUTED, ACCURACY, TOKENS, SAVING, CHANGE, CAUGHT, WASTED, GAIN };

struct figures {
    const struct route_rows *rows;
    double threshold, routed; /* GAIN: where */
    struct route_point *room; /* [rows->n + 1] */
    enum figure which;
};

/* Share routed of the rows that only thinking solves, or of the others. */
static double share(const struct figures *f, const uint32_t *times, bool solved)
{
    double all = 0, routed = 0;
    for (uint32_t i = 0; i < f->rows->n; i++) {
        double k = times ? times[i] : 1;
        if ((!f->rows->base_right[i] && f->rows->adapter_right[i]) != solved) continue;
        all += k;
        if ((double)f->rows->p[i] >= f->threshold) routed += k;
    }
    return all > 0 ? routed / all : (double)NAN;
}

static double gain(const struct figures *f, const uint32_t *times)
{
    uint32_t n;
    if (route_curve(f->rows, times, f->room, &n, NULL)) return (double)NAN;
    double first = f->room[0].accuracy, last = f->room[n - 1].accuracy;
    return route_accuracy(f->room, n, f->routed, false) - (first + f->routed * (last - first));
}

static double figure(void *ctx, const uint32_t *times)
{
    const struct figures *f = ctx;
    if (f->which == GAIN) return gain(f, times);
    if (f->which == CAUGHT || f->which == WASTED) return share(f, times, f->which == CAUGHT);
    struct route_point at = route_at(f->rows, times, f->threshold), all = route_at(f->rows, times, 0);
    switch (f->which) {
    case ROUTED:
        return at.routed;
    case ACCURACY:
        return at.accuracy;
    case TOKENS:
        return at.tokens;
    case SAVING:
        return 1 - at.tokens / all.tokens;
    default:
        return at.accuracy - all.accuracy;
    }
}

/* ---- the choice ---------------------------------------------------------------------------------------- */

static const struct route_point *cheapest(const struct route_point *points, uint32_t n)
{
    const struct route_point *best = points;
    for (uint32_t i = 1; i < n; i++)
        if (points[i].tokens < best->tokens) best = &points[i];
    return best;
}

static int pick(struct route_fit *out, const struct part *valid, const struct route_target *t, struct err *e)
{
    struct route_point *points = malloc(((size_t)valid->rows.n + 1) * sizeof *points);
    const struct route_point *best = NULL;
    uint32_t n;
    int rc = points ? route_curve(&valid->rows, NULL, points, &n, e)
                    : err_set(e, ERR_NOMEM, "no memory for a curve");
    if (!rc) {
        if (t->goal == ROUTE_FOR_SAVING) best = route_for_saving(points, n, t->value);
        if (t->goal == ROUTE_FOR_ACCURACY) best = route_for_accuracy(points, n, t->value);
        out->met = best || t->goal == ROUTE_ACCURATE;
        if (!best && t->goal == ROUTE_FOR_SAVING) best = cheapest(points, n);
        if (!best) best = route_for_saving(points, n, -(double)INFINITY);
        out->valid = *best;
        if (isinf(out->valid.threshold)) out->valid.threshold = 1; /* a head's file has no infinity */
    }
    free(points);
    return rc;
}

/* ---- the test ------------------------------------------------------------------------------------------ */

struct testing {
    const struct part *part;
    const struct head_fit_config *c;
    struct figures figures;
};

static int bootstrap(struct testing *t, enum figure which, struct spread *out, struct err *e)
{
    t->figures.which = which;
    return score_bootstrap(out, figure, &t->figures, t->part->group, t->part->rows.n, t->c->resamples,
                           t->c->recipe.seed, e);
}

/* How well the head tells the prompts apart that only thinking solves. */
static int measured_auc(struct spread *out, struct testing *t, struct err *e)
{
    const struct route_rows *r = &t->part->rows;
    struct score_rows s = {0};
    struct score_ctx ctx = {.rows = &s};
    uint8_t *pays = malloc(r->n + 1);
    int rc = pays ? 0 : err_set(e, ERR_NOMEM, "no memory for %u labels", r->n);
    for (uint32_t i = 0; !rc && i < r->n; i++) pays[i] = !r->base_right[i] && r->adapter_right[i];
    if (!rc) rc = score_rows_create(&s, r->p, pays, r->n, e);
    if (!rc)
        rc = score_bootstrap(out, score_auc_fn, &ctx, t->part->group, r->n, t->c->resamples,
                             t->c->recipe.seed, e);
    score_rows_free(&s);
    free(pays);
    return rc;
}

static int steps(struct route_fit *out, struct testing *t, struct err *e)
{
    int rc = 0;
    for (int k = 0; !rc && k < ROUTE_STEPS; k++) {
        struct route_step *s = &out->step[k];
        s->routed = t->figures.routed = (double)k / (ROUTE_STEPS - 1);
        rc = bootstrap(t, GAIN, &s->gain, e);
        double straight = out->chat.accuracy + s->routed * (out->think.accuracy - out->chat.accuracy);
        s->accuracy = straight + s->gain.value;
        s->tokens = 0;
        for (uint32_t i = 0; i + 1 < out->n; i++) {
            const struct route_point *a = &out->curve[i], *b = a + 1;
            if (s->routed < a->routed || s->routed > b->routed) continue;
            s->tokens =
                a->tokens + (s->routed - a->routed) / (b->routed - a->routed) * (b->tokens - a->tokens);
        }
    }
    return rc;
}

static int test_rows(struct route_fit *out, const struct part *part, const struct head_fit_config *c,
                     struct err *e)
{
    size_t room = ((size_t)part->rows.n + 1) * sizeof *out->curve;
    struct testing t = {part, c, {.rows = &part->rows, .threshold = out->valid.threshold}};
    struct spread *const spreads[] = {&out->routed, &out->accuracy, &out->tokens, &out->saving,
                                      &out->change, &out->caught,   &out->wasted};
    out->curve = malloc(room), t.figures.room = malloc(room);
    int rc = out->curve && t.figures.room ? 0 : err_set(e, ERR_NOMEM, "no memory for a curve");
    if (!rc) rc = route_curve(&part->rows, NULL, out->curve, &out->n, e);
    if (!rc) {
        out->chat = out->curve[0], out->think = out->curve[out->n - 1];
        out->worst = route_worst(out->curve, out->n);
    }
    for (int k = ROUTED; !rc && k <= WASTED; k++) rc = bootstrap(&t, (enum figure)k, spreads[k], e);
    if (!rc) rc = measured_auc(&out->auc, &t, e);
    if (!rc) rc = steps(out, &t, e);
    free(t.figures.room);
    return rc;
}

int route_fit(struct route_fit *out, const struct head_fit *f, const struct features *set,
              const struct features *test, const struct route_target *target, const struct head_fit_config *c,
              struct err *e)
{
    struct part valid = {0}, part = {0};
    uint32_t n = f->rows[FEATURES_TEST];
    *out = (struct route_fit){0};
    int rc = part_take(&valid, set, f->valid_pick, f->rows[FEATURES_VALID], "validation", e);
    if (!rc) rc = part_take(&part, test ? test : set, f->pick, n, "test", e);
    if (!rc) {
        memcpy(valid.p, f->valid_p, valid.rows.n * sizeof *valid.p);
        for (uint32_t i = 0; i < n; i++) part.p[i] = f->p[f->pick[i]];
        rc = pick(out, &valid, target, e);
    }
    if (!rc) rc = test_rows(out, &part, c, e);
    part_free(&valid), part_free(&part);
    if (rc) route_fit_free(out);
    return rc;
}

void route_fit_free(struct route_fit *r)
{
    free(r->curve);
    *r = (struct route_fit){0};
}
