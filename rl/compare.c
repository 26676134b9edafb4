#include "rl/compare.h"
#include "checkpoints/jsonl.h"
#include "infer/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_BOOTSTRAP = 0x626f6f74 };

/* ---- samples files ------------------------------------------------------------------------------------- */

static int answer_add(struct compare_answers *a, const struct compare_answer *new, struct err *e)
{
    if (a->n == a->capacity) {
        size_t more = a->capacity ? 2 * a->capacity : 256;
        struct compare_answer *at = realloc(a->at, more * sizeof *at);
        if (!at) return err_set(e, ERR_NOMEM, "no memory for %zu answers", more);
        a->at = at, a->capacity = more;
    }
    a->at[a->n++] = *new;
    return 0;
}

/* Keeps the line, if it is an answer without a cap. */
static int answer_take(void *ctx, struct js **v, uint64_t number, const char *what, struct err *e)
{
    struct js *line = *v;
    struct compare_answer new = {.line = line};
    int64_t row, tokens, repeat = 0;
    (void)number;
    if (js_type(line) != JS_OBJECT)
        return err_set(e, ERR_ROW_TYPE, "%s is %s, expected an answer of terse eval --samples", what,
                       js_type_name(js_type(line)));
    if (js_get(line, "cap")) return 0;
    int r = js_need_int(line, what, "row", 0, INT64_MAX, &row, e);
    if (!r && js_get(line, "repeat")) r = js_need_int(line, what, "repeat", 0, UINT32_MAX, &repeat, e);
    if (!r) r = js_need_int(line, what, "tokens", 1, UINT32_MAX, &tokens, e);
    if (!r) r = js_need_bool(line, what, "correct", &new.correct, e);
    if (!r) r = js_need_string(line, what, "problem", &new.problem, e);
    if (!r) r = js_need_string(line, what, "reference", &new.reference, e);
    if (!r) r = js_need_string(line, what, "text", &new.text, e);
    if (r) return r;
    new.row = (uint64_t)row, new.tokens = (uint32_t)tokens, new.repeat = (uint32_t)repeat;
    new.task = js_string(js_get(line, "task"), NULL);
    r = answer_add(ctx, &new, e);
    if (!r) *v = NULL;
    return r;
}

/* By benchmark, repeat and row. */
static int by_row(const void *x, const void *y)
{
    const struct compare_answer *a = x, *b = y;
    int task = strcmp(a->task ? a->task : "", b->task ? b->task : "");
    if (task || a->repeat != b->repeat) return task ? task : a->repeat < b->repeat ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static int answers_check(const struct compare_answers *a, const char *path, struct err *e)
{
    if (!a->n) return err_set(e, ERR_DATA_EMPTY, "%s has no answers", path);
    for (size_t i = 1; i < a->n; i++)
        if (!by_row(&a->at[i], &a->at[i - 1]))
            return err_set(e, ERR_DUP_KEY, "%s answers row %llu twice", path,
                           (unsigned long long)a->at[i].row);
    return 0;
}

int compare_answers_load(struct compare_answers *out, const char *path, struct err *e)
{
    memset(out, 0, sizeof *out);
    int r = jsonl_each(path, JSONL_WHOLE, answer_take, out, e);
    if (!r && out->n) qsort(out->at, out->n, sizeof *out->at, by_row);
    if (!r) r = answers_check(out, path, e);
    if (r) compare_answers_clear(out);
    return r;
}

void compare_answers_clear(struct compare_answers *a)
{
    for (size_t i = 0; i < a->n; i++) js_free(a->at[i].line);
    free(a->at);
    memset(a, 0, sizeof *a);
}

/* ---- figures ------------------------------------------------------------------------------------------- */

static int same_problems(const struct compare_answers *a, const struct compare_answers *b, struct err *e)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        const struct compare_answer *x = &a->at[i], *y = &b->at[i];
        if (by_row(x, y))
            return err_set(e, ERR_DATA_HASH, "row %llu is answered %s only: not the same problems",
                           (unsigned long long)(by_row(x, y) < 0 ? x->row : y->row),
                           by_row(x, y) < 0 ? "before" : "after");
        if (strcmp(x->problem, y->problem) || strcmp(x->reference, y->reference))
            return err_set(e, ERR_DATA_HASH, "row %llu is another problem after than before: \"%.60s\"",
                           (unsigned long long)x->row, y->problem);
    }
    if (a->n != b->n)
        return err_set(e, ERR_DATA_HASH, "%zu problems are answered before and %zu after", a->n, b->n);
    return 0;
}

static int ascending(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return a < b ? -1 : a > b;
}

/* Of v [n], which is sorted by it. */
static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, ascending);
    return (v[(n - 1) / 2] + v[n / 2]) / 2;
}

static void side_fill(struct compare_side *s, const struct compare_answers *a, double *room)
{
    double correct = 0, tokens = 0, n = (double)a->n;
    for (size_t i = 0; i < a->n; i++) {
        correct += a->at[i].correct, tokens += a->at[i].tokens;
        room[i] = a->at[i].tokens;
    }
    double p = correct / n;
    *s = (struct compare_side){p, a->n > 1 ? sqrt(p * (1 - p) / (n - 1)) : 0, tokens / n, median(room, a->n)};
}

static void ratios_fill(struct comparison *c, const struct compare_answers *a,
                        const struct compare_answers *b, double *room)
{
    double sum = 0;
    size_t longer = 0;
    for (size_t i = 0; i < c->n; i++) {
        room[i] = (double)a->at[i].tokens / b->at[i].tokens;
        sum += room[i];
        longer += b->at[i].tokens > a->at[i].tokens;
        c->lost += a->at[i].correct && !b->at[i].correct;
        c->gained += !a->at[i].correct && b->at[i].correct;
    }
    c->ratio_mean = sum / (double)c->n, c->longer = (double)longer / (double)c->n;
    c->ratio_median = median(room, c->n);
    c->ratio_min = room[0], c->ratio_max = room[c->n - 1];
    c->width = 0.25;
    while (c->ratio_max >= c->width * COMPARE_BINS && c->width < 8) c->width *= 2;
    for (size_t i = 0; i < c->n; i++) {
        double at = room[i] / c->width;
        size_t bin = at < COMPARE_BINS - 1 ? (size_t)at : COMPARE_BINS - 1;
        c->bins[bin]++;
        if (bin >= c->n_bins) c->n_bins = bin + 1;
    }
}

/* The middle 95 % of v [n], which are sorted. */
static void interval_fill(struct interval *out, double mean, double *v, uint32_t n)
{
    qsort(v, n, sizeof *v, ascending);
    uint32_t cut = (uint32_t)(0.025 * n);
    *out = (struct interval){mean, v[cut], v[n - 1 - cut]};
}

/* Problems are drawn with both their answers. room [2 * resamples]. */
static void bootstrap(struct comparison *c, const struct compare_answers *a, const struct compare_answers *b,
                      uint32_t resamples, uint64_t seed, double *room)
{
    double *gain = room, *shorter = room + resamples;
    for (uint32_t k = 0; k < resamples; k++) {
        double right = 0, before = 0, after = 0;
        for (size_t i = 0; i < c->n; i++) {
            size_t j = (size_t)(rng_uniform(seed, STREAM_BOOTSTRAP + k, i) * (double)c->n);
            right += b->at[j].correct - a->at[j].correct;
            before += a->at[j].tokens, after += b->at[j].tokens;
        }
        gain[k] = right / (double)c->n, shorter[k] = before / after;
    }
    interval_fill(&c->accuracy, c->after.accuracy - c->before.accuracy, gain, resamples);
    interval_fill(&c->shorter, c->before.tokens_mean / c->after.tokens_mean, shorter, resamples);
}

int compare(struct comparison *out, const struct compare_answers *before, const struct compare_answers *after,
            uint32_t resamples, uint64_t seed, struct err *e)
{
    int r = same_problems(before, after, e);
    if (r) return r;
    size_t n = before->n, room = n > 2 * (size_t)resamples ? n : 2 * (size_t)resamples;
    double *v = calloc(room, sizeof *v);
    if (!v) return err_set(e, ERR_NOMEM, "no memory for %zu figures", room);
    *out = (struct comparison){.n = n};
    side_fill(&out->before, before, v);
    side_fill(&out->after, after, v);
    ratios_fill(out, before, after, v);
    bootstrap(out, before, after, resamples, seed, v);
    free(v);
    return 0;
}
