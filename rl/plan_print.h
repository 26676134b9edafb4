/* A forecast as people read it (plain or Markdown), or as JSON with fixed keys. */
#ifndef TERSE_RL_PLAN_PRINT_H
#define TERSE_RL_PLAN_PRINT_H

#include "infer/bench.h" /* enum bench_format */
#include "rl/forecast.h"

/* What a change brings. */
struct plan_change {
    const char *what;
    uint64_t memory;
    double seconds; /* here */
    bool same;      /* the run's result does not change */
};

struct plan_report {
    const struct forecast *recipe;
    const struct plan *plan;
    const struct plan_machine *here, *there; /* there: a described one, or NULL */
    const struct plan_change *change;        /* [changes] */
    int changes;
};

/* To stdout. Errors: those of js_out_end. */
int plan_print(const struct plan_report *r, enum bench_format format, struct err *e);

#endif
