#include "train/vote_score.h"

#include <stdlib.h>

const char *const vote_figure_names[VOTED_COUNT] = {"single", "majority", "weighted", "best", "oracle"};

/* The share of right chains in a class. */
static double class_right(const struct vote_chain *chains, const uint8_t *right, uint32_t n, int32_t answer)
{
    double sum = 0, all = 0;
    for (uint32_t i = 0; i < n; i++)
        if (chains[i].answer == answer) sum += right[i], all++;
    return sum / all;
}

static bool first_of_class(const struct vote_chain *chains, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (chains[k].answer == chains[i].answer) return false;
    return chains[i].answer >= 0;
}

/* Of classes that stand level. */
static double expected_vote(enum vote_kind kind, const struct vote_chain *chains, const uint8_t *right,
                            uint32_t n)
{
    struct vote v = vote_count(kind, chains, n);
    double sum = 0, level = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!first_of_class(chains, i)) continue;
        if (vote_weight(kind, chains, n, chains[i].answer) != v.weight) continue;
        sum += class_right(chains, right, n, chains[i].answer), level++;
    }
    return level > 0 ? sum / level : 0;
}

/* Of chains that have the best score. */
static double expected_best(const struct vote_chain *chains, const uint8_t *right, uint32_t n)
{
    struct vote v = vote_count(VOTE_BEST, chains, n);
    double sum = 0, level = 0;
    for (uint32_t i = 0; i < n; i++)
        if (chains[i].answer >= 0 && vote_weight(VOTE_BEST, &chains[i], 1, chains[i].answer) == v.weight)
            sum += right[i], level++;
    return level > 0 ? sum / level : 0;
}

double vote_expected(enum vote_figure how, const struct vote_chain *chains, const uint8_t *right, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += right[i];
    switch (how) {
    case VOTED_MAJORITY:
        return expected_vote(VOTE_MAJORITY, chains, right, n);
    case VOTED_WEIGHTED:
        return expected_vote(VOTE_WEIGHTED, chains, right, n);
    case VOTED_BEST:
        return expected_best(chains, right, n);
    case VOTED_ORACLE:
        return sum > 0;
    default:
        return sum / n;
    }
}

/* ---- from features ------------------------------------------------------------------------------------- */

struct place {
    uint64_t group;
    uint32_t chain, row;
};

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    if (x->chain != y->chain) return x->chain < y->chain ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* Hands the sorted places out to the arrays. */
static void fill_problems(struct vote_problems *out, const struct feature *rows, const float *p,
                          const struct place *at, uint32_t n, struct vote_chain *chain, uint8_t *right,
                          uint32_t *first)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct feature *row = &rows[at[i].row];
        if (i == 0 || at[i].group != at[i - 1].group) first[out->n++] = i;
        chain[i] = (struct vote_chain){row->answer < 0 ? VOTE_NONE : row->answer, p[at[i].row]};
        right[i] = row->label == 1;
    }
    first[out->n] = n;
}

int vote_problems_make(struct vote_problems *out, const struct features *f, const float *p,
                       const uint32_t *pick, uint32_t n, struct err *e)
{
    size_t room = (size_t)n + 1;
    struct place *at = malloc(room * sizeof *at);
    struct vote_chain *chain = malloc(room * sizeof *chain);
    uint32_t *first = malloc(room * sizeof *first);
    uint8_t *right = malloc(room);
    *out = (struct vote_problems){chain, right, first, 0};
    int rc =
        at && chain && first && right ? 0 : err_set(e, ERR_NOMEM, "no memory for votes among %u chains", n);
    for (uint32_t i = 0; !rc && i < n; i++) {
        const struct feature *row = &features_rows(f)[pick[i]];
        at[i] = (struct place){row->group, row->chain, pick[i]};
    }
    if (!rc) {
        qsort(at, n, sizeof *at, by_place);
        fill_problems(out, features_rows(f), p, at, n, chain, right, first);
    } else {
        vote_problems_free(out);
    }
    free(at);
    return rc;
}

void vote_problems_free(struct vote_problems *p)
{
    free((void *)p->chain), free((void *)p->right), free((void *)p->first);
    *p = (struct vote_problems){0};
}

/* ---- over problems ------------------------------------------------------------------------------------- */

/* Accuracies of the problems that have enough chains, and which two are compared: plus less minus. */
struct table {
    double (*of)[VOTED_COUNT]; /* [n] */
    uint32_t n;
    int plus, minus; /* minus -1: none */
};

static double mean_of(void *ctx, const uint32_t *times)
{
    const struct table *t = ctx;
    double sum = 0, all = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        double k = times ? times[i] : 1;
        sum += k * (t->of[i][t->plus] - (t->minus < 0 ? 0 : t->of[i][t->minus]));
        all += k;
    }
    return sum / all;
}

static void fill_table(struct table *t, const struct vote_problems *p, uint32_t chains)
{
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t blocks = (p->first[i + 1] - p->first[i]) / chains;
        if (blocks == 0) continue;
        for (int how = 0; how < VOTED_COUNT; how++) {
            double sum = 0;
            for (uint32_t b = 0; b < blocks; b++) {
                uint32_t at = p->first[i] + b * chains;
                sum += vote_expected((enum vote_figure)how, p->chain + at, p->right + at, chains);
            }
            t->of[t->n][how] = sum / blocks;
        }
        t->n++;
    }
}

int vote_score(struct vote_report *out, const struct vote_problems *p, uint32_t chains, uint32_t resamples,
               uint64_t seed, struct err *e)
{
    struct table t = {.of = malloc(((size_t)p->n + 1) * sizeof *t.of), .minus = -1};
    *out = (struct vote_report){.chains = chains};
    if (!t.of) return err_set(e, ERR_NOMEM, "no memory for votes on %u problems", p->n);
    fill_table(&t, p, chains);
    out->problems = t.n;
    int rc = t.n ? 0 : err_set(e, ERR_DATA_EMPTY, "no problem has %u chains", chains);
    for (; !rc && t.plus < VOTED_COUNT; t.plus++)
        rc = score_bootstrap(&out->figure[t.plus], mean_of, &t, NULL, t.n, resamples, seed, e);
    t.plus = VOTED_WEIGHTED, t.minus = VOTED_MAJORITY;
    if (!rc) rc = score_bootstrap(&out->over_majority, mean_of, &t, NULL, t.n, resamples, seed, e);
    t.plus = VOTED_MAJORITY, t.minus = VOTED_SINGLE;
    if (!rc) rc = score_bootstrap(&out->over_single, mean_of, &t, NULL, t.n, resamples, seed, e);
    free(t.of);
    return rc;
}
