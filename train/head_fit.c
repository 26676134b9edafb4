#include "train/head_fit.h"
#include "infer/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_SHUFFLE = 0x5348464c }; /* "SHFL" */

/* A set in memory, one depth of it at a time or all side by side. */
struct side {
    const struct features *f;
    uint8_t *label;  /* [n] */
    uint64_t *group; /* [n] of picked rows, when scored */
    float *x;        /* [n][width] */
    float *one;      /* [n][of one depth], where all are to come together */
    uint32_t n, width;
};

struct work {
    const struct head_fit_config *c;
    struct pool *pool;
    struct side side[2]; /* the set, and that of the test, which may be the same */
    struct side *test;
    uint32_t *pick[3];
    uint32_t *rows; /* [3] */
    uint32_t shared;
    float *logit;   /* [most rows] */
    float *p;       /* likewise */
    uint8_t *label; /* likewise */
    struct head_trainer now;
};

/* ---- memory -------------------------------------------------------------------------------------------- */

static void side_free(struct side *s)
{
    free(s->label), free(s->group), free(s->x), free(s->one);
}

static void work_free(struct work *w)
{
    side_free(&w->side[0]), side_free(&w->side[1]);
    for (int k = 0; k < 3; k++) free(w->pick[k]);
    free(w->logit), free(w->p), free(w->label);
    head_trainer_free(&w->now);
}

static int side_take(struct side *s, const struct features *f, bool together, struct err *e)
{
    const struct features_origin *o = features_origin(f);
    size_t width = (size_t)o->width * (together ? o->n_depths : 1);
    s->f = f, s->n = features_count(f);
    s->label = malloc(s->n);
    s->group = malloc(s->n * sizeof *s->group);
    s->x = malloc(s->n * width * sizeof *s->x);
    s->one = malloc(together ? (size_t)s->n * o->width * sizeof *s->one : 1);
    if (!s->label || !s->group || !s->x || !s->one)
        return err_set(e, ERR_NOMEM, "no memory for %u vectors of %zu numbers", s->n, width);
    for (uint32_t i = 0; i < s->n; i++) s->label[i] = features_rows(f)[i].label;
    return 0;
}

static int work_take(struct work *w, const struct features *f, const struct features *test, struct err *e)
{
    uint32_t most = features_count(f);
    int rc = side_take(&w->side[0], f, w->c->together, e);
    w->test = &w->side[0];
    if (!rc && test) {
        rc = side_take(&w->side[1], test, w->c->together, e);
        w->test = &w->side[1];
        if (features_count(test) > most) most = features_count(test);
    }
    for (int k = 0; k < 3; k++) w->pick[k] = malloc(most * sizeof(uint32_t));
    w->logit = malloc(most * sizeof(float)), w->p = malloc(most * sizeof(float)), w->label = malloc(most);
    if (!rc && !(w->pick[0] && w->pick[1] && w->pick[2] && w->logit && w->p && w->label))
        rc = err_set(e, ERR_NOMEM, "no memory for %u rows", most);
    return rc;
}

/* Deals the known labels of a set out anew (Fisher and Yates). */
static void shuffle(struct side *s, uint64_t seed)
{
    for (uint32_t i = s->n; i-- > 0;) {
        if (s->label[i] == FEATURE_UNKNOWN) continue;
        uint32_t k = (uint32_t)((uint64_t)rng_u32(seed, STREAM_SHUFFLE, i) * (i + 1) >> 32);
        while (s->label[k] == FEATURE_UNKNOWN) k++; /* ends at i */
        uint8_t held = s->label[i];
        s->label[i] = s->label[k], s->label[k] = held;
    }
}

/* ---- parts --------------------------------------------------------------------------------------------- */

static int same_origin(const struct features *a, const struct features *b, struct err *e)
{
    if (features_origin_alike(features_origin(a), features_origin(b))) return 0;
    return err_set(e, ERR_DATA_HASH, "the test's features are of another model, pooling or choice of depths");
}

static struct head_rows rows_of(const struct work *w, enum features_part part)
{
    const struct side *s = part == FEATURES_TEST ? w->test : &w->side[0];
    return (struct head_rows){s->x, s->width, s->label, w->pick[part], w->rows[part], s->width};
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Takes rows out of training and validation whose group the test set has too. */
static void part_with(struct work *w)
{
    const struct side *t = w->test;
    for (uint32_t i = 0; i < t->n; i++) t->group[i] = features_rows(t->f)[i].group;
    qsort(t->group, t->n, sizeof *t->group, by_value);
    for (int k = 0; k < 2; k++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < w->rows[k]; i++) {
            uint32_t row = w->pick[k][i];
            if (!bsearch(&features_rows(w->side[0].f)[row].group, t->group, t->n, sizeof *t->group, by_value))
                w->pick[k][n++] = row;
        }
        w->shared += w->rows[k] - n, w->rows[k] = n;
    }
}

static int split(struct work *w, const struct features *test, struct err *e)
{
    static const char *const names[] = {"training", "validation", "test"};
    const struct head_fit_config *c = w->c;
    const struct features *f = w->side[0].f;
    double unused[2], train = c->train, valid = c->valid;
    if (test) train = c->train / (c->train + c->valid), valid = 2; /* nothing left over */
    for (int k = 0; k < 2; k++)
        w->rows[k] = features_pick(f, c->split_seed, train, valid, (enum features_part)k, w->pick[k]);
    w->rows[FEATURES_TEST] =
        test ? features_pick(test, 0, 0, 0, FEATURES_TEST, w->pick[FEATURES_TEST])
             : features_pick(f, c->split_seed, train, valid, FEATURES_TEST, w->pick[FEATURES_TEST]);
    if (test) part_with(w);
    for (int k = 0; k < 3; k++) {
        struct head_rows r = rows_of(w, (enum features_part)k);
        struct err why = {0};
        int rc = head_balance(&r, unused, &why);
        if (rc) return err_set(e, rc, "the %s part: %s", names[k], why.msg);
    }
    return 0;
}

/* ---- one depth ----------------------------------------------------------------------------------------- */

/* Labels of the picked rows, and probabilities of their logits. */
static void judge(struct work *w, enum features_part part, double temperature)
{
    struct head_rows r = rows_of(w, part);
    head_logits(&w->now, &r, w->logit);
    for (uint32_t i = 0; i < r.n; i++) {
        w->label[i] = r.label[r.pick[i]];
        w->p[i] = score_probability(w->logit[i], temperature);
    }
}

static int load_together(struct side *s, struct err *e)
{
    const struct features_origin *o = features_origin(s->f);
    int rc = 0;
    s->width = o->width * o->n_depths;
    for (uint32_t k = 0; !rc && k < o->n_depths; k++) {
        rc = features_states(s->f, k, s->one, e);
        for (size_t i = 0; !rc && i < s->n; i++)
            memcpy(s->x + i * s->width + (size_t)k * o->width, s->one + i * o->width,
                   o->width * sizeof *s->x);
    }
    return rc;
}

static int load_side(struct side *s, uint32_t k, struct err *e)
{
    const struct features_origin *o = features_origin(s->f);
    if (k == o->n_depths) return load_together(s, e);
    s->width = o->width;
    return features_states(s->f, k, s->x, e);
}

/* The k-th depth; the one after the last is all of them. */
static int load_depth(struct work *w, uint32_t k, struct err *e)
{
    int rc = load_side(&w->side[0], k, e);
    return rc || w->test == &w->side[0] ? rc : load_side(w->test, k, e);
}

static int try_depth(struct work *w, uint32_t k, struct head_try *t, struct err *e)
{
    struct head_recipe recipe = w->c->recipe;
    struct score_rows s;
    int rc = load_depth(w, k, e);
    struct head_rows train = rows_of(w, FEATURES_TRAIN), valid = rows_of(w, FEATURES_VALID);
    if (!rc && w->c->balance) rc = head_balance(&train, recipe.weight, e);
    head_trainer_free(&w->now);
    if (!rc) rc = head_trainer_create(&w->now, &recipe, &train, w->pool, e);
    if (!rc) rc = head_train(&w->now, &train, &valid, NULL, NULL, &t->outcome, e);
    if (rc) return rc;
    judge(w, FEATURES_VALID, 1);
    const struct features_origin *o = features_origin(w->side[0].f);
    t->depth = k < o->n_depths ? o->depths[k] : HEAD_FIT_TOGETHER;
    t->loss = t->outcome.best_loss;
    rc = score_rows_create(&s, w->p, w->label, valid.n, e);
    if (!rc) t->auc = score_auc(&s, NULL);
    score_rows_free(&s);
    return rc;
}

/* ---- the test ------------------------------------------------------------------------------------------ */

static int bootstrap(struct work *w, const struct score_ctx *ctx, score_fn *fn, struct spread *out,
                     struct err *e)
{
    return score_bootstrap(out, fn, (void *)ctx, w->test->group, ctx->rows->n, w->c->resamples,
                           w->c->recipe.seed, e);
}

/* Temperature and threshold, from validation rows. */
static int calibrate(struct work *w, struct head_fit *out, struct err *e)
{
    struct score_rows s;
    judge(w, FEATURES_VALID, 1);
    out->temperature = score_temperature(w->logit, w->label, w->rows[FEATURES_VALID]);
    judge(w, FEATURES_VALID, out->temperature);
    int rc = score_rows_create(&s, w->p, w->label, w->rows[FEATURES_VALID], e);
    if (!rc) out->threshold = fmin(score_best_threshold(&s), 1);
    memcpy(out->valid_p, w->p, w->rows[FEATURES_VALID] * sizeof *w->p);
    memcpy(out->valid_pick, w->pick[FEATURES_VALID], w->rows[FEATURES_VALID] * sizeof(uint32_t));
    score_rows_free(&s);
    return rc;
}

static int score_head(struct work *w, struct head_fit *out, struct err *e)
{
    struct score_rows s;
    struct score_ctx ctx = {.rows = &s, .threshold = out->threshold, .bins = w->c->bins};
    judge(w, FEATURES_TEST, 1);
    int rc = score_rows_create(&s, w->p, w->label, w->rows[FEATURES_TEST], e);
    if (!rc) rc = bootstrap(w, &ctx, score_ece_fn, &out->ece_before, e);
    score_rows_free(&s);
    judge(w, FEATURES_TEST, out->temperature);
    if (!rc) rc = score_rows_create(&s, w->p, w->label, w->rows[FEATURES_TEST], e);
    if (!rc) rc = bootstrap(w, &ctx, score_auc_fn, &out->auc, e);
    if (!rc) rc = bootstrap(w, &ctx, score_accuracy_fn, &out->accuracy, e);
    if (!rc) rc = bootstrap(w, &ctx, score_ece_fn, &out->ece, e);
    if (!rc) score_ece(&s, NULL, w->c->bins, out->bin);
    score_rows_free(&s);
    return rc;
}

/* Tokens as if they were probabilities of label 1, or of label 0 where `flip`; and the labels. */
static void judge_length(struct work *w, enum features_part part, bool flip)
{
    const struct side *side = part == FEATURES_TEST ? w->test : &w->side[0];
    bool chain = strcmp(features_origin(side->f)->task, "verifier") == 0;
    for (uint32_t i = 0; i < w->rows[part]; i++) {
        const struct feature *row = &features_rows(side->f)[w->pick[part][i]];
        uint32_t tokens = chain ? row->adapter_tokens : row->prompt_tokens;
        float p = (float)(tokens < 1 << 24 ? tokens : 1 << 24) * 0x1p-24f; /* exact, and 1 - p too */
        w->label[i] = side->label[w->pick[part][i]];
        w->p[i] = flip ? 1 - p : p;
    }
}

/* Whether the shorter training rows are those of label 1. */
static int shorter(struct work *w, bool *out, struct err *e)
{
    struct score_rows s;
    judge_length(w, FEATURES_TRAIN, false);
    int rc = score_rows_create(&s, w->p, w->label, w->rows[FEATURES_TRAIN], e);
    if (!rc) *out = score_auc(&s, NULL) < 0.5;
    score_rows_free(&s);
    return rc;
}

struct pair {
    const struct score_rows *head, *length;
};

static double lead_fn(void *ctx, const uint32_t *times)
{
    const struct pair *p = ctx;
    return score_auc(p->head, times) - score_auc(p->length, times);
}

/* The AUC of tokens alone on the test, and how far the head's is above it; p [test rows]: the head's. */
static int score_length(struct work *w, struct head_fit *out, const float *p, struct err *e)
{
    struct score_rows head = {0}, length = {0};
    struct score_ctx ctx = {.rows = &length};
    struct pair both = {&head, &length};
    uint32_t n = w->rows[FEATURES_TEST];
    bool flip = false;
    int rc = shorter(w, &flip, e);
    if (!rc) judge_length(w, FEATURES_TEST, flip);
    if (!rc) rc = score_rows_create(&length, w->p, w->label, n, e);
    if (!rc) rc = score_rows_create(&head, p, w->label, n, e);
    if (!rc) rc = bootstrap(w, &ctx, score_auc_fn, &out->length_auc, e);
    if (!rc)
        rc = score_bootstrap(&out->length_lead, lead_fn, &both, w->test->group, n, w->c->resamples,
                             w->c->recipe.seed, e);
    score_rows_free(&head), score_rows_free(&length);
    return rc;
}

static int score_all(struct work *w, struct head_fit *out, struct err *e)
{
    struct head_rows all = rows_of(w, FEATURES_TEST);
    for (uint32_t i = 0; i < all.n; i++) w->test->group[i] = features_rows(w->test->f)[all.pick[i]].group;
    int rc = calibrate(w, out, e);
    if (!rc) rc = score_head(w, out, e);
    if (rc) return rc;
    memcpy(out->pick, all.pick, all.n * sizeof *out->pick);
    memcpy(out->p, w->p, all.n * sizeof *out->p); /* for a moment: of the test rows */
    rc = score_length(w, out, out->p, e);
    all.pick = NULL, all.n = w->test->n, all.label = NULL;
    head_logits(&w->now, &all, out->p);
    for (uint32_t i = 0; i < all.n; i++) out->p[i] = score_probability(out->p[i], out->temperature);
    return rc;
}

/* ---- all of it ----------------------------------------------------------------------------------------- */

static bool better(const struct head_try *a, const struct head_try *b)
{
    return a->auc > b->auc || (a->auc == b->auc && a->loss < b->loss);
}

/* Trains every depth; the best one's head ends in out->trainer. */
static int try_all(struct work *w, struct head_fit *out, void (*tell)(void *ctx, const struct head_try *t),
                   void *ctx, struct err *e)
{
    uint32_t n = features_origin(w->side[0].f)->n_depths;
    for (uint32_t k = 0; k < n + (w->c->together && n > 1); k++) {
        struct head_try *t = &out->tried[k];
        int rc = try_depth(w, k, t, e);
        if (rc) return rc;
        out->n_tried = k + 1;
        if (tell) tell(ctx, t);
        if (k && !better(t, &out->tried[out->best])) continue;
        struct head_trainer held = out->trainer;
        out->trainer = w->now, w->now = held, out->best = k;
    }
    return 0;
}

int head_fit(struct head_fit *out, const struct features *f, const struct features *test,
             const struct head_fit_config *c, struct pool *pool,
             void (*tell)(void *ctx, const struct head_try *t), void *ctx, struct err *e)
{
    struct work w = {.c = c, .pool = pool, .rows = out->rows};
    *out = (struct head_fit){.temperature = 1, .threshold = 0.5};
    int rc = test ? same_origin(f, test, e) : 0;
    if (!rc) rc = work_take(&w, f, test, e);
    for (int k = 0; !rc && c->shuffle && k < 2; k++) shuffle(&w.side[k], c->recipe.seed + (uint64_t)k);
    if (!rc) rc = split(&w, test, e);
    out->shared = w.shared;
    if (!rc) rc = try_all(&w, out, tell, ctx, e);
    if (!rc) rc = load_depth(&w, out->best, e);
    if (!rc) {
        out->bin = calloc(c->bins, sizeof *out->bin);
        out->p = malloc(w.test->n * sizeof *out->p);
        out->pick = malloc(w.rows[FEATURES_TEST] * sizeof *out->pick);
        out->valid_p = malloc(w.rows[FEATURES_VALID] * sizeof *out->valid_p);
        out->valid_pick = malloc(w.rows[FEATURES_VALID] * sizeof *out->valid_pick);
        if (!out->bin || !out->p || !out->pick || !out->valid_p || !out->valid_pick)
            rc = err_set(e, ERR_NOMEM, "no memory for the test's figures");
    }
    if (!rc) {
        head_trainer_free(&w.now);
        w.now = out->trainer; /* lent while it is scored */
        rc = score_all(&w, out, e);
        w.now = (struct head_trainer){0};
    }
    work_free(&w);
    if (rc) head_fit_free(out);
    return rc;
}

void head_fit_free(struct head_fit *f)
{
    head_trainer_free(&f->trainer);
    free(f->bin), free(f->p), free(f->pick), free(f->valid_p), free(f->valid_pick);
    *f = (struct head_fit){0};
}

/* ---- as a head ----------------------------------------------------------------------------------------- */

static int index_of(const char *text, const char *const *names, int n)
{
    int i = 0;
    while (i < n && strcmp(text, names[i]) != 0) i++;
    return i;
}

static bool copy_text(char *to, size_t size, const char *from)
{
    int n = snprintf(to, size, "%s", from);
    return n >= 0 && (size_t)n < size;
}

int head_fit_head(struct head **out, const struct head_fit *f, const struct features_origin *o,
                  double threshold, struct err *e)
{
    int task = index_of(o->task, head_task_names, HEAD_TASKS);
    int pooling = index_of(o->pooling, pooling_names, POOL_COUNT);
    struct head_config c = {.task = (enum head_task)task,
                            .pooling = (enum pooling)pooling,
                            .width = o->width,
                            .hidden = f->trainer.c.hidden,
                            .standardised = true,
                            .threshold = threshold,
                            .temperature = f->temperature};
    *out = NULL;
    bool together = f->tried[f->best].depth == HEAD_FIT_TOGETHER;
    c.states.n = together ? o->n_depths : 1;
    memcpy(c.states.depth, o->depths + (together ? 0 : f->best), c.states.n * sizeof *o->depths);
    bool fits = copy_text(c.prompt, sizeof c.prompt, o->wording) &&
                copy_text(c.base, sizeof c.base, o->base) &&
                copy_text(c.tokenizer, sizeof c.tokenizer, o->tokenizer) &&
                copy_text(c.adapter, sizeof c.adapter, o->adapter);
    if (task == HEAD_TASKS || pooling == POOL_COUNT || !fits)
        return err_set(e, ERR_FIELD_RANGE,
                       "no head can say: task %.40s, pooling %.40s, base %.80s, a wording of %zu bytes",
                       o->task, o->pooling, o->base, strlen(o->wording));
    int rc = head_create(out, &c, e);
    if (!rc) head_trainer_copy(&f->trainer, *out);
    return rc;
}
