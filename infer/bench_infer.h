/* How fast a model reads prompts and writes answers here: the rows of `terse bench infer`.
 *
 *   pp512        512 tokens of a prompt, logits of the last
 *   tg64 x8      64 steps of 8 streams that were forked from one prompt, a token a step for each; with
 *                `separate` each has a prompt of its own
 *   ttft512      time to the first token of an answer to 512 tokens: the pass and the choice
 *   ttft512 +448 the same when the prefix cache holds the first 448 of them
 *
 * Each is measured once to warm up and then `repetitions` times; figures are means. With `limits` the
 * machine's limits are measured before each repetition and after the last, each for a tenth of a second, and
 * a repetition's share is that of the limits around it: the time in which they could have done the same work
 * (bench_cost_seconds), divided by the time it took. */
#ifndef TERSE_INFER_BENCH_INFER_H
#define TERSE_INFER_BENCH_INFER_H

#include "infer/bench.h"
#include "infer/session.h"

enum { BENCH_MAX_COUNTS = 16 };

struct bench_infer_config {
    const struct model *m;
    const struct lora *lora; /* or NULL; with one, every row is measured without and with it, in turns */
    unsigned cpu_flags;
    uint32_t prompt, tokens;            /* of pp and of tg; 0: no such rows */
    uint32_t depth;                     /* tokens of the prompt below tg, >= 1 */
    uint32_t streams[BENCH_MAX_COUNTS]; /* [counts], each >= 1 */
    uint32_t counts;
    uint32_t repetitions; /* >= 1 */
    enum kv_type kv;
    bool limits;
    bool first;    /* rows of the time to the first token */
    bool separate; /* tg: each answer follows a prompt of its own */
};

struct bench_infer_result {
    struct machine_limits limits; /* means; 0 when not measured */
    struct machine_limits best;   /* of the best millisecond */
    uint64_t weights, adapter;    /* bytes in memory */
    uint64_t kv, session;         /* bytes planned: of pages; of the whole session */
    uint64_t resident;            /* bytes this process holds, after the last row */
};

/* Hears every row as soon as it is measured. Its texts last until it returns. */
typedef void bench_infer_row(void *ctx, const struct bench_row *row);

/* Errors: NOMEM, CTX_FULL (the model's context is too short), NONFINITE. */
int bench_infer_run(const struct bench_infer_config *c, struct bench_infer_result *out, bench_infer_row *row,
                    void *ctx, struct err *e);

#endif
