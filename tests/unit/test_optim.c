/* The optimiser: its schedule against closed forms, AdamW and clipping against a plain implementation in
 * double, gradients that are not finite, and the order of the tree in which a step's rows are summed. */
#include "tests/support/close.h"
#include "tests/support/random_model.h"
#include "train/optim.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct optim_config plain = {.learning_rate = 1e-2,
                                          .beta1 = 0.9,
                                          .beta2 = 0.999,
                                          .eps = 1e-8,
                                          .schedule = SCHEDULE_CONSTANT,
                                          .total_steps = 50};

/* ---- the schedule -------------------------------------------------------------------------------------- */

/* Past the last step nothing is learned, where transformers' cosine would rise again. */
static double rate_by_formula(const struct optim_config *c, double s)
{
    double w = (double)c->warmup_steps, n = (double)c->total_steps;
    if (s < w) return c->learning_rate * s / w;
    if (c->schedule == SCHEDULE_CONSTANT) return c->learning_rate;
    if (c->schedule == SCHEDULE_LINEAR) return c->learning_rate * fmax(0, (n - s) / fmax(1, n - w));
    return c->learning_rate * 0.5 * (1 + cos(3.14159265358979323846 * fmin(1, (s - w) / fmax(1, n - w))));
}

static void schedule_follows_its_formula(void **state)
{
    static const uint64_t warmups[] = {0, 1, 7, 100}, totals[] = {1, 2, 40, 100, 1000};
    (void)state;
    for (int kind = 0; kind < 3; kind++)
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 5; j++) {
                struct optim_config c = plain;
                c.schedule = kind == 0 ? SCHEDULE_COSINE : kind == 1 ? SCHEDULE_LINEAR : SCHEDULE_CONSTANT;
                c.warmup_steps = warmups[i], c.total_steps = totals[j];
                for (uint64_t s = 0; s < c.total_steps + (totals[j] > warmups[i] ? 5 : 0); s++) {
                    double got = schedule_rate(&c, s), want = rate_by_formula(&c, (double)s);
                    if (fabs(got - want) > 1e-12 * c.learning_rate)
                        fail_msg("schedule %d, warm-up %d of %d, step %d: %.17g, not %.17g", kind,
                                 (int)c.warmup_steps, (int)c.total_steps, (int)s, got, want);
                }
            }
}

/* Points anyone can check. */
static void schedule_meets_known_points(void **state)
{
    struct optim_config c = plain;
    (void)state;
    c.learning_rate = 1, c.warmup_steps = 10, c.total_steps = 110, c.schedule = SCHEDULE_COSINE;
    assert_true(schedule_rate(&c, 0) == 0);
    assert_true(schedule_rate(&c, 5) == 0.5);
    assert_true(schedule_rate(&c, 10) == 1);
    assert_true(fabs(schedule_rate(&c, 60) - 0.5) < 1e-15);
    assert_true(schedule_rate(&c, 110) == 0);
    assert_true(schedule_rate(&c, 5000) == 0);
    c.schedule = SCHEDULE_LINEAR;
    assert_true(fabs(schedule_rate(&c, 35) - 0.75) < 1e-15);
    assert_true(schedule_rate(&c, 111) == 0);
}

/* ---- a trainee: every tensor of a tiny model ----------------------------------------------------------- */

struct rig {
    struct random_model r;
    struct trainee t;
    struct optim o;
};

static void rig_init(struct rig *g, const struct optim_config *c, unsigned threads, uint32_t rows)
{
    struct model_config m = tiny_config();
    struct err e = {0};
    m.tied = false;
    random_model_create(&g->r, &m, WT_F32, threads, NULL, 1);
    assert_int_equal(trainee_init_dense(&g->t, g->r.m, g->r.bound, &e), 0);
    assert_int_equal(optim_create(&g->o, c, &g->t, rows, &e), 0);
}

static void rig_free(struct rig *g)
{
    optim_free(&g->o);
    trainee_clear(&g->t);
    random_model_free(&g->r);
}

/* Values over many magnitudes, so that every order of a sum has bits of its own. */
static float gradient_at(uint64_t row, uint64_t i)
{
    static const float sizes[] = {1, 1e-4f, 30, 1e-2f, 1e-6f, 0.2f, 3, 1e-3f};
    return random_at(500 + row, i) * sizes[(i + row * row) % 8];
}

static void row_add(struct optim *o, uint64_t row)
{
    float *leaf = optim_leaf(o);
    for (uint64_t i = 0; i < o->t->count; i++) leaf[i] = gradient_at(row, i);
    optim_fold(o);
}

/* ---- AdamW --------------------------------------------------------------------------------------------- */

struct reference {
    double *w, *m, *v;
};

static double reference_step(struct reference *a, const struct optim_config *c, const struct trainee *t,
                             const float *g, uint64_t step, double rate)
{
    double norm = 0, clip = 1;
    for (uint64_t i = 0; i < t->count; i++) norm += (double)g[i] * (double)g[i];
    norm = sqrt(norm);
    if (c->max_grad_norm > 0) clip = fmin(1, c->max_grad_norm / (norm + 1e-6));
    for (uint32_t p = 0; p < t->parts; p++)
        for (uint64_t i = t->part[p].at; i < t->part[p].at + t->part[p].count; i++) {
            const char *name = t->part[p].name;
            int decays = !strstr(name, "norm") && !strstr(name, "bias");
            double d = (double)g[i] * clip;
            a->m[i] = c->beta1 * a->m[i] + (1 - c->beta1) * d;
            a->v[i] = c->beta2 * a->v[i] + (1 - c->beta2) * d * d;
            double m = a->m[i] / (1 - pow(c->beta1, (double)step)),
                   v = a->v[i] / (1 - pow(c->beta2, (double)step));
            if (decays) a->w[i] *= 1 - rate * c->weight_decay;
            a->w[i] -= rate * m / (sqrt(v) + c->eps);
        }
    return norm;
}

static void compare(const struct rig *g, const struct reference *a, uint64_t n)
{
    float *moved = malloc(n * sizeof *moved);
    double *want = malloc(n * sizeof *want);
    const struct trainee *t = &g->t;
    for (uint32_t p = 0; p < t->parts;
         p++) { /* how far each weight went, which is far less than the weight */
        const float *start = g->r.bound[t->part[p].slot]->data;
        for (uint64_t i = 0; i < t->part[p].count; i++) {
            moved[i] = (float)((double)t->weights[t->part[p].at + i] - (double)start[i]);
            want[i] = a->w[t->part[p].at + i] - (double)start[i];
        }
        assert_close_to(TOL_ADAMW, t->part[p].name, moved, want, t->part[p].count);
    }
    free(moved), free(want);
}

static void steps_match(const struct optim_config *c, float scale)
{
    enum { STEPS = 50 };
    struct rig g;
    struct err e = {0};
    rig_init(&g, c, 2, 1);
    uint64_t n = g.t.count;
    struct reference a = {malloc(n * sizeof(double)), calloc(n, sizeof(double)), calloc(n, sizeof(double))};
    for (uint64_t i = 0; i < n; i++) a.w[i] = (double)g.t.weights[i];
    for (uint64_t s = 0; s < STEPS; s++) {
        double rate, norm, want_rate = rate_by_formula(c, (double)s);
        float *leaf = optim_leaf(&g.o);
        for (uint64_t i = 0; i < n; i++) leaf[i] = scale * (random_at(900 + s, i) + 0.3f * random_at(1, i));
        optim_fold(&g.o);
        optim_sum(&g.o);
        double want_norm = reference_step(&a, c, &g.t, g.o.leaf, s + 1, want_rate);
        if (optim_step(&g.o, &rate, &norm, &e)) fail_msg("%s", e.msg);
        assert_true(fabs(rate - want_rate) <= 1e-12 * c->learning_rate);
        assert_true(fabs(norm - want_norm) <= 1e-9 * want_norm);
    }
    assert_int_equal(g.o.step, STEPS);
    compare(&g, &a, n);
    free(a.w), free(a.m), free(a.v);
    rig_free(&g);
}

static void adamw_matches_double(void **state)
{
    struct optim_config c = plain;
    (void)state;
    steps_match(&c, 1e-3f);
    c.weight_decay = 0.1, c.beta1 = 0.8, c.beta2 = 0.95, c.eps = 1e-3, c.max_grad_norm = 0.5; /* clips */
    c.schedule = SCHEDULE_COSINE, c.warmup_steps = 5;
    steps_match(&c, 1e-1f);
    c.max_grad_norm = 1e6; /* does not */
    steps_match(&c, 1e-1f);
}

/* With gradients of zero only decay moves weights: matrices by their factor, norms and biases not at all. */
static void decay_spares_norms_and_biases(void **state)
{
    struct optim_config c = plain;
    struct rig g;
    struct err e = {0};
    double rate, norm;
    uint32_t spared = 0;
    (void)state;
    c.weight_decay = 0.5;
    rig_init(&g, &c, 1, 1);
    optim_leaf(&g.o);
    optim_fold(&g.o);
    optim_sum(&g.o);
    assert_int_equal(optim_step(&g.o, &rate, &norm, &e), 0);
    for (uint32_t p = 0; p < g.t.parts; p++) {
        const struct trainee_part *part = &g.t.part[p];
        const float *start = g.r.bound[part->slot]->data;
        int spare = strstr(part->name, "norm") || strstr(part->name, "bias");
        spared += (uint32_t)spare;
        for (uint64_t i = 0; i < part->count; i++) {
            float want = spare ? start[i] : start[i] * (1 - 0.01f * 0.5f);
            if (fabsf(g.t.weights[part->at + i] - want) > 1e-7f * fabsf(want))
                fail_msg("%s decayed wrongly", part->name);
        }
    }
    assert_int_equal(spared, 2 * 5 + 1);
    rig_free(&g);
}

/* The model's panels hold the new weights after a step. */
static void step_reaches_the_panels(void **state)
{
    struct rig g;
    struct err e = {0};
    double rate, norm;
    float row[96];
    (void)state;
    rig_init(&g, &plain, 2, 1);
    row_add(&g.o, 0);
    optim_sum(&g.o);
    assert_int_equal(optim_step(&g.o, &rate, &norm, &e), 0);
    for (uint32_t p = 0; p < g.t.parts; p++) {
        const struct trainee_part *part = &g.t.part[p];
        const struct weight *w = &g.r.m->mat[part->slot];
        if (!part->decays) {
            assert_memory_equal(g.r.m->vec[part->slot], g.t.weights + part->at, part->count * sizeof(float));
            continue;
        }
        for (int64_t n = 0; w->k <= 96 && n < w->n; n++) {
            g.r.m->kern.panel_row[WT_F32](n, w->k, w->panels, row);
            assert_memory_equal(row, g.t.weights + part->at + n * w->k, (size_t)w->k * sizeof *row);
        }
    }
    rig_free(&g);
}

/* ---- not finite ---------------------------------------------------------------------------------------- */

static void bad_gradient_changes_nothing(float bad, const char *text)
{
    struct optim_config c = plain;
    struct rig g;
    struct err e = {0};
    double rate, norm;
    c.max_grad_norm = 1;
    rig_init(&g, &c, 2, 4);
    size_t bytes = g.t.count * sizeof(float);
    row_add(&g.o, 0);
    optim_sum(&g.o);
    assert_int_equal(optim_step(&g.o, &rate, &norm, &e), 0);
    float *w = malloc(bytes), *m = malloc(bytes), *v = malloc(bytes);
    for (uint32_t p = 0; p < g.t.parts; p += 5) {
        memcpy(w, g.t.weights, bytes), memcpy(m, g.o.m, bytes), memcpy(v, g.o.v, bytes);
        e.code = 0;
        row_add(&g.o, 1);
        row_add(&g.o, 2);
        float *sum = optim_sum(&g.o);
        sum[g.t.part[p].at + g.t.part[p].count - 1] = bad;
        assert_int_equal(optim_step(&g.o, &rate, &norm, &e), ERR_NONFINITE);
        if (!strstr(e.msg, g.t.part[p].name) || !strstr(e.msg, text)) fail_msg("not named: %s", e.msg);
        assert_int_equal(g.o.step, 1);
        assert_true(!memcmp(w, g.t.weights, bytes) && !memcmp(m, g.o.m, bytes) && !memcmp(v, g.o.v, bytes));
    }
    row_add(&g.o, 1); /* and the next step goes on */
    optim_sum(&g.o);
    assert_int_equal(optim_step(&g.o, &rate, &norm, &e), 0);
    assert_int_equal(g.o.step, 2);
    free(w), free(m), free(v);
    rig_free(&g);
}

static void nonfinite_gradients_are_refused(void **state)
{
    (void)state;
    bad_gradient_changes_nothing(NAN, "nan");
    bad_gradient_changes_nothing(INFINITY, "inf");
    bad_gradient_changes_nothing(-INFINITY, "-inf");
}

/* ---- the tree ------------------------------------------------------------------------------------------ */

/* Sum of rows [from, from + 2^level) as a balanced tree, the older half added to the newer one. */
static float balanced(uint64_t i, uint64_t from, uint32_t level)
{
    if (level == 0) return gradient_at(from, i);
    float older = balanced(i, from, level - 1), newer = balanced(i, from + (1u << (level - 1)), level - 1);
    return newer + older;
}

/* n rows: balanced trees of the powers of two that make up n, the largest from the first rows on; then the
 * smallest plus the next, and so on up. */
static float tree(uint64_t i, uint32_t n)
{
    float parts[6], sum = 0;
    uint32_t count = 0, from = 0;
    for (uint32_t level = 6; level-- > 0;)
        if (n >> level & 1) parts[count++] = balanced(i, from, level), from += 1u << level;
    for (uint32_t k = count; k-- > 0;) sum = k + 1 == count ? parts[k] : sum + parts[k];
    return sum;
}

static void rows_are_summed_in_one_tree(void **state)
{
    uint64_t differ = 0;
    (void)state;
    for (uint32_t n = 1; n <= 17; n++) {
        struct rig g;
        rig_init(&g, &plain, 3, n);
        for (int again = 0; again < 2; again++) { /* the second time from what the first one left */
            for (uint32_t row = 0; row < n; row++) row_add(&g.o, row);
            const float *sum = optim_sum(&g.o);
            assert_true(sum == g.o.leaf);
            for (uint64_t i = 0; i < g.t.count; i += 37) {
                float want = tree(i, n), line = gradient_at(0, i);
                for (uint32_t row = 1; row < n; row++) line += gradient_at(row, i);
                if (memcmp(&want, &sum[i], sizeof want))
                    fail_msg("%u rows, element %d: %.9g, not %.9g", n, (int)i, (double)sum[i], (double)want);
                differ += line != want;
            }
        }
        rig_free(&g);
    }
    assert_true(differ > 1000); /* another order shows */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule_follows_its_formula), cmocka_unit_test(schedule_meets_known_points),
        cmocka_unit_test(adamw_matches_double),         cmocka_unit_test(decay_spares_norms_and_biases),
        cmocka_unit_test(step_reaches_the_panels),      cmocka_unit_test(nonfinite_gradients_are_refused),
        cmocka_unit_test(rows_are_summed_in_one_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
