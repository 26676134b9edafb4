/* Rows that every benchmark prints: a table for people (plain or Markdown), or JSON with fixed keys. */
#ifndef TERSE_INFER_BENCH_H
#define TERSE_INFER_BENCH_H

#include "infer/machine.h"

#include <stdbool.h>

enum bench_limit { LIMIT_NONE, LIMIT_COMPUTE, LIMIT_BANDWIDTH };

/* 0 or NULL: not measured, null in JSON. */
struct bench_row {
    const char *test;  /* "pp512", "tg64", "train", "gemm 896x4864 m16": no quotes or backslashes */
    const char *dtype; /* "bf16", "f32" */
    const char *isa;   /* "avx512" */
    unsigned streams, lora, threads; /* lora: rank */
    double tok_s, sd;                /* tokens a second: mean, standard deviation */
    double ns;                       /* of one call */
    double gb_s, gflop_s;            /* bytes of weights read; multiplications and additions */
    double ratio;                    /* to the same without the adapter */
    double share;                    /* of what the machine can do: 0..1 */
    enum bench_limit limit;          /* ... of which limit */
    uint64_t peak_rss;               /* bytes */
};

/* Sets share and limit from gb_s and gflop_s: the nearer limit is the one. `peak`: GFLOP/s of these operands.
 */
void bench_share(struct bench_row *row, double peak, double read);

/* A list of rows on stdout. Usage: bench_begin, bench_print ..., bench_end. */
enum bench_format { BENCH_TEXT, BENCH_JSON, BENCH_MD };
#define BENCH_FORMATS "text|json|md"
struct bench_list {
    enum bench_format format;
    int rows;
};
void bench_begin(struct bench_list *l, enum bench_format format);
void bench_print(struct bench_list *l, const struct bench_row *row);
void bench_end(struct bench_list *l);

#endif
