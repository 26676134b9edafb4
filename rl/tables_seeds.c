/* Rows of Table 1 that were learned with several seeds: their means, and what lies between them. */
#include "rl/tables_rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

double tables_half_width(double error, size_t n)
{
    /* 97.5 % of Student's t with 1, 2, ... degrees of freedom */
    static const double t[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306,
                               2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131};
    _Static_assert(sizeof t / sizeof *t == TABLES_SEEDS - 1, "one for every number of runs");
    return t[n - 2] * error;
}

static bool run_number(const struct book *b, const struct tables_subject *s, size_t run, const char *task,
                       const char *key, double *out, const char **why)
{
    char id[BOOK_ID], at[80];
    tables_cell(id, s, run, task);
    snprintf(at, sizeof at, "%.30s.%.40s", task, key);
    return book_number(b, id, at, out, why);
}

/* Mean and standard error of x [n]. */
static struct tables_mean mean_of(const double *x, size_t n)
{
    struct tables_mean m = {.n = n};
    double square = 0;
    for (size_t i = 0; i < n; i++) m.mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++) square += (x[i] - m.mean) * (x[i] - m.mean);
    if (n > 1) m.error = sqrt(square / (double)(n - 1) / (double)n);
    return m;
}

struct tables_mean tables_mean(const struct book *b, const struct tables_subject *s, const char *task,
                               const char *key, const char *error_key)
{
    double x[TABLES_SEEDS];
    const char *why = "", *none;
    size_t n = 0, last = 0;
    for (size_t i = 0; i < s->n || i == 0; i++)
        if (run_number(b, s, i, task, key, &x[n], &why)) n++, last = i;
    struct tables_mean m = mean_of(x, n);
    m.why = why;
    if (n == 1 && error_key && !run_number(b, s, last, task, error_key, &m.error, &none)) m.error = 0;
    return m;
}

/* ---- differences ----------------------------------------------------------------------------------------
 */

static const struct tables_subject *find(const struct tables_subject *s, size_t n, const char *id)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(s[i].id, id)) return &s[i];
    return NULL;
}

/* Of runs with the same seed, the i-th of both (of a row with one run, that): a - b, or a / b. */
static struct tables_mean between(const struct book *book, const struct tables_subject *a,
                                  const struct tables_subject *b, const char *task, const char *key,
                                  bool ratio)
{
    double x[TABLES_SEEDS], p, q;
    const char *why = "";
    size_t n = 0, runs = a->n > b->n ? a->n : b->n;
    for (size_t i = 0; i < runs; i++) {
        if ((a->n > 1 && i >= a->n) || (b->n > 1 && i >= b->n)) break;
        if (run_number(book, a, a->n > 1 ? i : 0, task, key, &p, &why) &&
            run_number(book, b, b->n > 1 ? i : 0, task, key, &q, &why))
            x[n++] = ratio ? p / q : p - q;
    }
    struct tables_mean m = mean_of(x, n);
    m.why = why;
    return m;
}

/* Value, and the two ends of its interval. */
static void put(struct table *t, size_t row, size_t column, const struct tables_mean *m)
{
    const double half = m->n > 1 ? tables_half_width(m->error, m->n) : 0;
    const double x[] = {m->mean, m->mean - half, m->mean + half};
    for (size_t k = 0; k < 3; k++) {
        struct table_cell *c = table_at(t, row, column + k);
        c->measured = m->n > (k ? 1 : 0), c->value = x[k];
        if (!c->measured) snprintf(c->why, sizeof c->why, "%s", m->n ? "one seed" : m->why);
    }
}

int tables_seeds(struct table *t, const struct book *b, const struct tables_config *c, struct err *e)
{
    static const char *const heads[] = {
        "right, difference", "low", "high", "tokens, times fewer", "low", "high", "seeds"};
    static const enum table_unit units[] = {TABLE_PERCENT, TABLE_PERCENT, TABLE_PERCENT, TABLE_NUMBER,
                                            TABLE_NUMBER,  TABLE_NUMBER,  TABLE_COUNT};
    static const struct {
        const char *label, *a, *b;
    } rows[] = {{"LoRA - base", "lora1", "base"},
                {"LoRA - all weights", "lora1", "dense"},
                {"budget forced - LoRA", "brief", "lora1"},
                {"W4 with its adapter - LoRA", "qamr", "lora1"},
                {"W4: its adapter - full-precision adapter", "qamr", "w4"},
                {"W4 with its adapter - min-max W4 with full-precision adapter", "qamr", "rtn"}};
    struct tables_subject s[TABLES_SUBJECTS];
    const char *task = c->tasks->items[0];
    size_t n = tables_subjects(s, c);
    int r = table_init(t, "seeds", "Between rows, with 95 % intervals over seeds", 7, heads, units, e);
    for (size_t i = 0; r >= 0 && i < sizeof rows / sizeof *rows; i++) {
        const struct tables_subject *x = find(s, n, rows[i].a), *y = find(s, n, rows[i].b);
        if (!x->n || !y->n || (x->n < 2 && y->n < 2)) continue;
        const struct tables_mean right = between(b, x, y, task, "accuracy", false),
                                 fewer = between(b, y, x, task, "tokens_mean", true);
        r = table_row(t, rows[i].label, e);
        if (r < 0) break;
        put(t, (size_t)r, 0, &right), put(t, (size_t)r, 3, &fewer);
        table_at(t, (size_t)r, 6)->measured = true, table_at(t, (size_t)r, 6)->value = (double)right.n;
    }
    t->note = "The first benchmark; runs of both rows with the same seed are compared; Student's t.";
    return r < 0 ? r : 0;
}
