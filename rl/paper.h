/* What "Efficient Reasoning on the Edge" (arXiv 2603.16867, Qualcomm AI Research, 2026) reports, and a
 * secondary source: to stand beside what is measured, never in its place. */
#ifndef TERSE_RL_PAPER_H
#define TERSE_RL_PAPER_H

#include <stdbool.h>
#include <stddef.h>

/* The reported figure of a table ("table1", "page", "table8", "table9", "table11"), a size ("3b", "7b"), a
 * row and a column; accuracies are fractions. False: it reports none. */
bool paper_figure(const char *table, const char *size, const char *row, const char *column, double *out);

/* The figures of a secondary source, which appear nowhere in the paper. */
struct paper_secondary {
    const char *row;
    double accuracy, tokens, kv_mib, latency_ms, first_token_ms; /* accuracy a fraction; 0: not given */
};
extern const struct paper_secondary paper_secondary[];
extern const size_t n_paper_secondary;

#endif
