/* Cross-entropy fused with the head: a few rows' logits exist at a time, and become their own gradient in
 * place, so no [T][V] is ever held. */
#ifndef TERSE_TRAIN_LOSS_H
#define TERSE_TRAIN_LOSS_H

#include "train/backward.h"

enum { LOSS_ROWS = 128 }; /* logits [128][V]: 78 MB for Qwen2.5 */

/* The token that a row is to predict. */
struct label {
    int64_t row;
    int32_t target;
};

/* Another objective than the targets' likelihood: a function of their log-probabilities and of the entropies
 * of the distributions they are drawn from, or of the states that the head reads. */
struct objective {
    /* Once a label, by any thread, in any order: i is its index; entropy in nats, NaN unless asked for. Sets
     * the loss's gradient by both, which is not looked at where none is wanted. */
    void (*label)(void *ctx, int64_t i, float logp, float entropy, float *dlogp, float *dentropy);
    /* Then, by one thread, for labels first..first+n-1, in ascending blocks: their states xn [n][D] after the
     * final norm. dn [n][D]: to add the loss's gradient by them to; NULL where none is wanted. NULL: none. */
    void (*states)(void *ctx, int64_t first, int64_t n, const float *xn, float *dn);
    bool entropy; /* wanted */
    void *ctx;
};

struct loss_scratch {
    int64_t ld;    /* row stride of logits: V rounded up */
    float *logits; /* [LOSS_ROWS][ld]; the gradient after, packed in place */
    float *xn;     /* [LOSS_ROWS][D] */
    float *dn;     /* [LOSS_ROWS][D] */
    float *r;      /* [LOSS_ROWS] */
    float *nats;   /* [LOSS_ROWS] */
    void *act;     /* [LOSS_ROWS][D] packed */
    struct arena arena;
};

uint64_t loss_plan(const struct model *m);
int loss_create(struct loss_scratch *s, const struct model *m, struct err *e);
void loss_free(struct loss_scratch *s);

/* Sum over the labels of -log p(target | x[row]), in nats. x: residuals [..][D] before the final norm. Each
 * label's own loss goes to nats_out [n] when it is not NULL. */
double loss_forward(const struct model *m, struct loss_scratch *s, const float *x, const struct label *labels,
                    int64_t n, float *nats_out);

/* The same, and scale times its gradient: added to dx [..][D], and to the final norm's and the head's
 * gradient in *grads when those are wanted. Labels' rows must differ. b: for its transposing scratch. */
double loss_backward(const struct model *m, struct loss_scratch *s, struct back *b, const float *x,
                     const struct label *labels, int64_t n, float scale, const struct grads *grads, float *dx,
                     float *nats_out);

/* The same for an objective; without a gradient when dx is NULL. first: index of
 * the first label. Returns the sum of the nats. */
double loss_objective(const struct model *m, struct loss_scratch *s, struct back *b, const float *x,
                      const struct label *labels, int64_t first, int64_t n, const struct objective *o,
                      const struct grads *grads, float *dx, float *nats_out);

#endif
