/* The numerics contract on this machine: a prompt's logits do not depend on how it was cut, on the threads,
 * or on the instruction set. */
#include "infer/hash.h"
#include "infer/selfcheck.h"
#include "infer/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 97, CUT = 13 };

/* Random weights in the slots' order; values[] owns them. */
struct weights {
    struct tensor *tensors;
    const struct tensor **bound;
    float *values;
};

static int weights_make(struct weights *w, const struct model_config *c, struct err *e)
{
    uint32_t slots = params_slots(c), layer;
    uint64_t rows, cols, at = 0;
    w->tensors = calloc(slots, sizeof *w->tensors);
    w->bound = calloc(slots, sizeof *w->bound);
    w->values = calloc(model_config_params(c), sizeof *w->values);
    if (!w->tensors || !w->bound || !w->values) return err_set(e, ERR_NOMEM, "no memory for a tiny model");
    for (uint32_t s = 0; s < slots; s++) {
        enum param p = params_of_slot(c, s, &layer);
        if (!params_has(c, p)) continue;
        params_shape(c, p, &rows, &cols);
        params_random(c, s, 1, 0, w->values + at, rows * cols);
        w->tensors[s] = (struct tensor){.dtype = DTYPE_F32, .rank = cols > 1 ? 2 : 1, .shape = {rows, cols}};
        w->tensors[s].data = w->values + at, w->tensors[s].bytes = rows * cols * sizeof(float);
        w->bound[s] = &w->tensors[s];
        at += rows * cols;
    }
    return 0;
}

static void weights_free(struct weights *w)
{
    free(w->tensors);
    free(w->bound);
    free(w->values);
}

/* Logits after TOKENS tokens, run in passes of `prefill` rows on `threads` threads. */
static int logits_of(const struct model_config *c, const struct weights *w, unsigned threads, int64_t prefill,
                     unsigned flags, float *logits, struct err *e)
{
    struct session_config sc = {.streams = 1, .max_tokens = TOKENS, .prefill = prefill};
    struct pool *pool = NULL;
    struct model *m = NULL;
    struct session *s = NULL;
    int32_t ids[TOKENS];
    for (int i = 0; i < TOKENS; i++) ids[i] = (int32_t)((uint32_t)i * 2654435761u % c->vocab);
    int r = pool_create(&pool, threads, e);
    if (!r) r = model_create(&m, c, WT_BF16, 0, w->bound, pool, flags, e);
    if (!r) r = session_create(&s, m, NULL, &sc, e);
    if (!r) r = session_sync(s, 0, ids, TOKENS, TOKENS, NULL, e);
    if (!r) memcpy(logits, session_logits(s, 0), c->vocab * sizeof *logits);
    session_free(s);
    model_free(m);
    pool_free(pool);
    return r;
}

struct way {
    unsigned threads;
    int64_t prefill;
    const char *isa, *what;
};

/* Runs the prompt so and compares its logits with `want`. */
static int compare(const struct model_config *c, const struct weights *w, const struct way *way,
                   const float *want, float *got, struct err *e)
{
    unsigned flags = cpu_limit(cpu_detect(), way->isa);
    int r = logits_of(c, w, way->threads, way->prefill, flags, got, e);
    if (!r && memcmp(got, want, c->vocab * sizeof *want))
        r = err_set(e, ERR_SELFTEST, "a prompt run %s %s gives other bits than run at once", way->what,
                    way->isa ? way->isa : "");
    return r;
}

static int compare_all(const struct model_config *c, const struct weights *w, uint64_t *digest, struct err *e)
{
    static const struct way ways[] = {{1, 1, NULL, "token by token"},
                                      {1, CUT, NULL, "cut into passes"},
                                      {3, TOKENS, NULL, "on three threads"}};
    float *want = calloc(c->vocab, sizeof *want), *got = calloc(c->vocab, sizeof *got);
    int r = want && got ? 0 : err_set(e, ERR_NOMEM, "no memory for logits");
    if (!r) r = logits_of(c, w, 1, TOKENS, cpu_detect(), want, e);
    for (unsigned i = 0; !r && i < sizeof ways / sizeof *ways; i++) r = compare(c, w, &ways[i], want, got, e);
    for (const struct cpu_level *l = cpu_levels(); !r && l->name; l++)
        r = compare(c, w, &(struct way){2, CUT, l->name, "in passes, limited to"}, want, got, e);
    if (!r) *digest = hash_bytes((const char *)want, c->vocab * sizeof *want, 1);
    free(want);
    free(got);
    return r;
}

/* The digest of the logits is the same on every processor too. */
int selfcheck_contract(char *figure, size_t n, struct err *e)
{
    struct weights w = {0};
    struct model_config c;
    uint64_t digest = 0;
    model_config_init(&c);
    c.layers = 2, c.width = 96, c.heads = 6, c.kv_heads = 2, c.head_dim = 32, c.ff = 160, c.vocab = 200;
    c.max_positions = 128, c.tied = true, c.init_std = 0.1;
    int r = weights_make(&w, &c, e);
    if (!r) r = compare_all(&c, &w, &digest, e);
    weights_free(&w);
    snprintf(figure, n, "same bits cut, threaded and on every instruction set: logits %016" PRIx64, digest);
    return r;
}
