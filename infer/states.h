/* Hidden states, pooled on the way: what small heads (infer/head.h) read.
 *
 * A pass may have a tap. Then the residual stream at chosen depths of the model is added up, token by token,
 * over a range of each stream's positions: nothing is computed for it but the sums, and nothing at all where
 * there is no tap. Depth 0 is the embeddings, i what layer i (from 1) leaves, `layers` what the last one
 * leaves, and STATES_FINAL what the output head reads, which is that after the final norm (Hugging Face's
 * hidden_states[-1]; its others are depths 0 .. layers - 1).
 *
 * Three poolings of a range of n tokens x_0 .. x_{n-1} are to be had at any time:
 *   last  x_{n-1}
 *   mean  the sum over n
 *   ema   means c_0, c_1 ... of chunks of 128 tokens, counted from the range's beginning; e_0 = c_0,
 *         e_k = e_{k-1} + w (c_k - e_{k-1}) with w = 1/2, of a last chunk of r < 128 tokens w = r / 256, so
 *         that one token more never outweighs a hundred before it. Up to 128 tokens it is the mean.
 *
 * Sums are in doubles, a stream's tokens in ascending order: the bits do not depend on how the range was cut
 * into passes, on other streams, or on the number of threads. */
#ifndef TERSE_INFER_STATES_H
#define TERSE_INFER_STATES_H

#include "infer/arena.h"

#include <stdbool.h>
#include <stdint.h>

struct pass;
struct workspace;

enum { STATES_MAX_DEPTHS = 64, STATES_CHUNK = 128 };
#define STATES_FINAL UINT32_MAX

enum pooling { POOL_LAST, POOL_MEAN, POOL_EMA, POOL_COUNT };
extern const char *const pooling_names[POOL_COUNT]; /* "last", "mean", "ema" */

/* Which states are wanted. */
struct states_config {
    uint32_t depth[STATES_MAX_DEPTHS]; /* each once: 0 .. layers, or STATES_FINAL */
    uint32_t n;                        /* 0: none */
};

/* FIELD_RANGE unless the depths are there in a model of so many layers, each given once. */
int states_config_check(const struct states_config *c, uint32_t layers, struct err *e);

/* Positions of a stream that are pooled: [from, to), of which [from, next) are. */
struct states_range {
    uint32_t from, next, to; /* from <= next <= to; all 0: none */
    /* Of the pass under way: runs of its rows, one after the other (the base's, the adapted ones), and how
     * many were pooled before it. */
    int64_t row[2];
    uint32_t rows[2], done;
};

/* The tap of a session's passes. Streams and segments are the session's. */
struct states {
    struct states_config c;
    uint32_t width, streams;
    struct states_range *range; /* [streams] */
    float *last;                /* [streams][depths][width] */
    double *sum;                /* the same of whole chunks, */
    double *chunk;              /* of the chunk that is under way, */
    double *ema;                /* and that of whole chunks' means */
};

/* Takes its memory from an arena: run once to count, once to take (infer/arena.h). */
void states_carve(struct states *s, struct arena *a, const struct states_config *c, uint32_t width,
                  uint32_t streams);

/* Before a pass, whose segments belong to the streams owner [segs]: decides which rows it pools. Positions
 * before `next` are passed over; none after it is pooled before it was. False: there are none. */
bool states_begin(struct states *s, const struct pass *p, const uint32_t *owner);
/* What forward() calls at depth 0 .. layers of each pass with a tap: w->x is the residual there. At the last
 * one w->xn is used. */
void states_take(struct states *s, const struct pass *p, struct workspace *w, uint32_t depth);

/* Begins a range; nothing is pooled yet. */
void states_watch(struct states *s, uint32_t stream, uint32_t from, uint32_t to);
/* What one stream has becomes another's too. */
void states_copy(struct states *s, uint32_t from, uint32_t to);
/* Pools what there is of the k-th depth to out [width]; returns the number of tokens in it, 0: out is not
 * touched. */
uint32_t states_pool(const struct states *s, uint32_t stream, uint32_t k, enum pooling how, float *out);

#endif
