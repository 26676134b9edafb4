/* The one forward pass: decode, prefill, evaluation and training all come through here.
 *
 * A pass takes rows (tokens) of any number of sequences. A row's result depends on its own sequence's earlier
 * tokens only: not on the other rows of the pass, on where a prompt was cut into passes, on the number of
 * threads, or on whether a tape is kept. */
#ifndef TERSE_INFER_FORWARD_H
#define TERSE_INFER_FORWARD_H

#include "infer/kv.h"
#include "infer/lora.h"
#include "infer/states.h"

/* Consecutive tokens of one sequence in a pass. The sequence's KV must already count them as held
 * (kv_stream_extend). */
struct segment {
    const struct kv_stream *kv;
    uint32_t pos; /* absolute position of its first row */
    int64_t row;  /* its first row in the pass */
    int64_t rows; /* >= 1 */
};

/* Random masks on the adapter's input, in training only. The mask of a row is keyed by (key of its row,
 * layer, target), so it does not depend on what else is in the pass. */
struct dropout {
    float p;             /* 0: none */
    const uint64_t *key; /* [rows] */
};

/* What a pass keeps of one layer for the backward pass, rows of the whole example set first to last. Stored
 * in the model's own type (bf16 or fp32) except where fp32 is said. */
struct layer_tape {
    float *x_in;           /* [T][D] fp32: residual before the layer */
    void *q;               /* [T][H][K]: after rotation, as the product took it */
    void *o;               /* [T][H][K]: attention's output, as the product took it */
    float *lse;            /* [T][H] fp32: log of the softmax's sum */
    float *x_mid;          /* [T][D] fp32: residual before the MLP */
    void *g, *u;           /* [T][F]: gate and up */
    float *r1, *r2;        /* [T] fp32: what rmsnorm returned */
    void *h[LORA_TARGETS]; /* [T][R]: scale * A x, as the product took it; NULL where not adapted */
};

struct pass {
    const struct model *m;
    const struct lora *lora;   /* or NULL */
    int64_t rows;              /* T of this pass, <= the workspace's */
    int64_t adapt_from;        /* rows from here on use the adapter */
    const int32_t *ids;        /* [rows], each in [0, V) */
    const struct segment *seg; /* cover the rows in order; one gate each */
    int64_t segs;
    struct dropout dropout;
    struct layer_tape *tape; /* [L], or NULL */
    int64_t tape_row;        /* the pass's first row in the tape */
    struct states *tap;      /* hidden states to be pooled on the way (infer/states.h), or NULL */
};

enum { WORKSPACE_MIDDLES = 3 }; /* queries, keys and values */

/* Scratch of a pass, for up to max_rows rows. */
struct workspace {
    int64_t max_rows;
    float *x;       /* [rows][D] residual: the pass's result */
    float *xn;      /* [rows][D] normed */
    float *q;       /* [rows][H][K] */
    float *k, *v;   /* [rows][G][K] */
    float *o;       /* [rows][H][K] */
    float *y;       /* [rows][D] a product's output before it joins the residual */
    float *g, *u;   /* [rows][F] */
    float *h;       /* [WORKSPACE_MIDDLES][rows][R] the middles of adapters that share an input */
    float *drop;    /* [rows][max in] dropped-out input of an adapter */
    void *act;      /* [rows][max k] packed activations */
    void *act8;     /* [rows][max k] 8-bit activations, where the model wants them */
    void *act_drop; /* [rows][max k] packed dropped-out activations */
    void *act_mid;  /* [WORKSPACE_MIDDLES][rows][R] packed middles */
    char *attn;     /* [threads][attn_bytes] private scratch of attention */
    size_t attn_bytes;
    char *attn_split; /* [attention_split_bytes] chunks of long contexts on their way to be merged */
    struct arena arena;
};

uint64_t workspace_plan(const struct model *m, int64_t max_rows, uint32_t lora_rank, int with_dropout);
int workspace_create(struct workspace *w, const struct model *m, int64_t max_rows, uint32_t lora_rank,
                     int with_dropout, struct err *e);
void workspace_free(struct workspace *w);

/* Runs the pass through all layers; afterwards w->x [rows][D] is the residual before the final norm, and each
 * segment's keys and values are in its KV. Cannot fail: everything was checked or planned before. */
void forward(const struct pass *p, struct workspace *w);

/* One layer of it, and the second half of one (the backward pass recomputes with these): w->x in, w->x out.
 */
void forward_layer(const struct pass *p, struct workspace *w, uint32_t layer);
void forward_mlp(const struct pass *p, struct workspace *w, uint32_t layer);

/* Logits [n][V] (row stride V) of n rows of residuals x [n][D]: final norm, head. Uses w->xn, w->act, so
 * n <= max_rows. */
void forward_logits(const struct model *m, struct workspace *w, int64_t n, const float *x, float *logits);

/* ---- pieces shared with the backward pass
 * ------------------------------------------------------------------ */

/* y [rows][ldy] (+)= act [rows][k] * w^T. */
struct matmul_op {
    const struct weight *w;
    int64_t rows;
    const void
        *act; /* [rows][ldx] as matmul_pack left it; with act8, rows of act8_row bytes (kernels.act8_pack) */
    int64_t ldx;
    float *y;
    int64_t ldy;
    bool accumulate, act8;
};
enum { MATMUL_OPS = 2 * WORKSPACE_MIDDLES };
/* n products at most MATMUL_OPS, that do not wait for each other, on all threads. */
void matmul_all(const struct model *m, const struct matmul_op *op, int n);
/* One of them. */
void matmul(const struct model *m, const struct weight *w, int64_t rows, const void *act, int64_t ldx,
            float *y, int64_t ldy, int accumulate);

/* Packs fp32 rows [rows][ldx] for products with this model's weights, on all threads; row stride ldo
 * elements. In place (act == x) when both row strides are the same number of bytes. */
void matmul_pack(const struct model *m, int64_t rows, int64_t k, const float *x, int64_t ldx, void *act,
                 int64_t ldo);

/* Bytes of a row of k 8-bit activations. */
static inline size_t act8_row(const struct model *m, int64_t k)
{
    return (size_t)(k / GROUP) * m->kern.act8_bytes;
}

/* Causal attention of the pass's rows over their sequences: w->q -> w->o, lse [rows][H] if not NULL. What a
 * row's result is stands in attention.c. */
void attention(const struct pass *p, struct workspace *w, uint32_t layer, float *lse);

/* Rows that a unit of work on single rows takes: few, where there are few, so that all threads get some. */
enum { ROWS_A_UNIT = 8 };
static inline int64_t rows_a_unit(const struct model *m, int64_t rows)
{
    int64_t each = rows / (2 * (int64_t)pool_threads(m->pool));
    return each < 1 ? 1 : each > ROWS_A_UNIT ? ROWS_A_UNIT : each;
}

/* Bytes of scratch that attention wants: private, for each thread; and for chunks. */
size_t attention_scratch(const struct model *m);
size_t attention_split_bytes(const struct model *m);

/* Key of the dropout mask of one row at one adapter. */
static inline uint64_t dropout_key(uint64_t row_key, uint32_t layer, enum lora_target t)
{
    return (row_key + layer * LORA_TARGETS + (uint64_t)t) * 0x9e3779b97f4a7c15u;
}

#endif
