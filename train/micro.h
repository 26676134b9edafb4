/* One packed row of training documents, forward and backward.
 *
 * Documents never see each other: each is a sequence with its own keys and values. What stands before a
 * document's first adapted token is run by the base alone, without a tape, once for all that begin with it
 * (train/prompt_store.h); the rest is taped and run backwards. */
#ifndef TERSE_TRAIN_MICRO_H
#define TERSE_TRAIN_MICRO_H

#include "data/shards.h"
#include "train/loss.h"

struct micro_config {
    uint32_t max_tokens; /* tokens a row holds at most (cutoff_len) */
    uint32_t max_docs;   /* documents a row holds at most */
    int64_t chunk;       /* rows a pass takes at most; 0: MICRO_CHUNK */
    enum recompute recompute;
    enum lora_gate gate; /* ignored without an adapter */
    float dropout;
    uint32_t keep; /* pages (KV_PAGE) of prompts kept for later rows; a row's own are always shared in it */
};

enum { MICRO_CHUNK = 1024 };

struct micro;

/* Bytes micro_create takes. adapter: NULL for dense. */
uint64_t micro_plan(const struct model *m, const struct adapter_config *adapter,
                    const struct micro_config *c);
/* m, adapter and lora are borrowed; adapter and lora NULL for dense. Errors: NOMEM. */
int micro_create(struct micro **out, const struct model *m, const struct adapter *adapter,
                 const struct lora *lora, const struct micro_config *c, struct err *e);
void micro_free(struct micro *u);

struct micro_result {
    double nats;    /* sum of the labels' losses */
    int64_t labels; /* tokens learned from */
    int64_t tokens; /* tokens of the row */
    int64_t taped;  /* of which with a tape */
    int64_t based;  /* that the base alone was run for */
};

/* Runs the row. When grads is not NULL, scale times the gradient of `nats` is added to it. key: of the
 * dropout masks, different for each row and epoch. nats_out [labels]: each label's loss, or NULL. Errors:
 * NONFINITE (the loss; what *grads holds is then worthless), CTX_FULL, FIELD_RANGE (row over the configured
 * sizes). */
int micro_run(struct micro *u, const struct shard_doc *docs, uint32_t n_docs, float scale, uint64_t key,
              const struct grads *grads, struct micro_result *out, float *nats_out, struct err *e);

/* Where a label stands: token t of the row's document `doc`. */
struct micro_place {
    uint32_t doc, t;
};

/* The same with an objective instead of `nats`, whose gradient it brings itself; labels are numbered in the
 * order of nats_out. places [labels] (valid until the next call): which tokens they are; known before the
 * objective is called. */
int micro_objective(struct micro *u, const struct shard_doc *docs, uint32_t n_docs, const struct objective *o,
                    uint64_t key, const struct grads *grads, struct micro_result *out, float *nats_out,
                    struct err *e);
const struct micro_place *micro_places(const struct micro *u);

/* Runs with this adapter from now on (of the same shape as the one it was made with). */
void micro_use(struct micro *u, const struct adapter *adapter, const struct lora *lora);

/* Key of the dropout masks at token t of a document: the same wherever the document stands. key: micro_run's.
 */
uint64_t micro_dropout_key(uint64_t key, const struct shard_doc *d, uint32_t t);

#endif
