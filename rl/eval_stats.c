#include "rl/eval_stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t right_of(const struct eval_record *r, size_t n, size_t repeats, size_t i)
{
    size_t right = 0;
    for (size_t k = 0; k < repeats; k++) right += r[k * n + i].correct;
    return right;
}

double eval_pass(const struct eval_record *r, size_t n, size_t repeats, size_t k)
{
    double all = 0;
    for (size_t i = 0; i < n; i++) {
        size_t wrong = repeats - right_of(r, n, repeats, i);
        double none = 1; /* C(wrong, k) / C(repeats, k) */
        for (size_t j = 0; j < k; j++) none *= wrong > j ? (double)(wrong - j) / (double)(repeats - j) : 0;
        all += 1 - none;
    }
    return all / (double)n;
}

static bool same_answer(const char *a, const char *b)
{
    return !strcmp(a, b) || grade_answers(a, strlen(a), b, strlen(b), NULL).verdict == GRADE_EQUAL;
}

/* Whether the most common answer to problem i is right. */
static bool majority_right(const struct eval_record *r, size_t n, size_t repeats, size_t i)
{
    size_t most = 0;
    bool right = false;
    for (size_t a = 0; a < repeats; a++) {
        const struct eval_record *x = &r[a * n + i];
        size_t votes = 0;
        for (size_t b = 0; x->answer && b < repeats; b++)
            votes += r[b * n + i].answer && same_answer(x->answer, r[b * n + i].answer);
        if (votes > most) most = votes, right = x->correct;
    }
    return right;
}

/* Standard error of the mean of x [n]. */
static double error_of(const double *x, size_t n)
{
    double mean = 0, square = 0;
    if (n < 2) return 0;
    for (size_t i = 0; i < n; i++) mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean);
    return sqrt(square / ((double)n * (double)(n - 1)));
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between the two nearest of x [n], ascending. */
static double quantile(const double *x, size_t n, double q)
{
    double at = q * (double)(n - 1);
    size_t low = (size_t)at, high = low + 1 < n ? low + 1 : low;
    return x[low] + (at - (double)low) * (x[high] - x[low]);
}

/* x [n * repeats] is scratch. */
static void spreads(struct eval_result *out, const struct eval_record *r, double *x)
{
    size_t n = out->n, repeats = out->repeats, all = n * repeats;
    for (size_t i = 0; i < n; i++) x[i] = (double)right_of(r, n, repeats, i) / (double)repeats;
    out->stderr_ = error_of(x, n);
    for (size_t k = 0; k < repeats; k++) {
        x[k] = 0;
        for (size_t i = 0; i < n; i++) x[k] += (double)r[k * n + i].correct / (double)n;
    }
    out->stderr_repeats = error_of(x, repeats);
    for (size_t i = 0; i < all; i++) x[i] = r[i].tokens;
    qsort(x, all, sizeof *x, ascending);
    out->tokens_median = quantile(x, all, 0.5), out->tokens_p95 = quantile(x, all, 0.95);
}

int eval_stats(struct eval_result *out, const struct eval_record *r, size_t n, size_t repeats, struct err *e)
{
    size_t all = n * repeats;
    double share = 1 / (double)all, *x = malloc(all * sizeof *x);
    if (!x) return err_set(e, ERR_NOMEM, "no memory for the figures of %zu answers", all);
    *out = (struct eval_result){.n = n, .repeats = repeats};
    uint64_t tokens = 0;
    size_t correct = 0, exact = 0, closed = 0, truncated = 0, none = 0, undecided = 0, reasoned = 0,
           early = 0;
    for (size_t i = 0; i < all; i++) {
        tokens += r[i].tokens, correct += r[i].correct, exact += r[i].exact, closed += r[i].closed;
        truncated += r[i].truncated, reasoned += r[i].reasoned, early += r[i].early;
        none += r[i].verdict == GRADE_NO_ANSWER, undecided += r[i].verdict == GRADE_UNDECIDED;
        out->single += share * r[i].right / r[i].graded, out->oracle += share * (r[i].right > 0);
    }
    out->accuracy = (double)correct / (double)all, out->exact = (double)exact / (double)all;
    out->closed = (double)closed / (double)all, out->truncated = (double)truncated / (double)all;
    out->no_answer = (double)none / (double)all, out->undecided = (double)undecided / (double)all;
    out->reasoned = (double)reasoned / (double)all, out->early = (double)early / (double)all;
    out->tokens_mean = (double)tokens / (double)all;
    for (size_t i = 0; i < n; i++) out->majority += (double)majority_right(r, n, repeats, i) / (double)n;
    spreads(out, r, x);
    free(x);
    return 0;
}

void eval_records_free(struct eval_record *r, size_t n)
{
    for (size_t i = 0; r && i < n; i++) free(r[i].answer);
    free(r);
}
