/* Supervised fine-tuning: one loop for adapters and for dense weights.
 *
 *     sft_open     reads the model, tokenises what is not tokenised yet, plans and takes the memory
 *     sft_resume   goes on from the newest sound state, if there is one
 *     sft_train    takes the steps, saving states on the way
 *     sft_save     writes the adapter (or the dense model)
 *     sft_close
 *
 * A run that was killed and resumed ends with the same bits as one that was not. */
#ifndef TERSE_TRAIN_SFT_H
#define TERSE_TRAIN_SFT_H

#include "train/sft_options.h"
#include "train/tape.h"

/* What one step was like. */
struct sft_step {
    uint64_t step, total;     /* steps done, and to do */
    double epoch;             /* passes over the data */
    double loss;              /* nats a label, mean of the step */
    double grad_norm, rate;   /* before clipping; learning rate used */
    double tokens_per_second; /* of this step */
    uint64_t tokens;          /* seen since the start of the run */
    double seconds;           /* trained so far, over all resumes */
    double eval_loss;         /* NaN when this step did not evaluate */
};

/* Who hears of it. Members may be NULL. */
struct sft_events {
    void (*note)(void *ctx, const char *sentence);
    void (*step)(void *ctx, const struct sft_step *s);
    void (*tokenised)(void *ctx, uint64_t rows, uint64_t total); /* rows of the data, while shards are made */
    int (*interrupted)(void *ctx);                               /* nonzero: save and stop */
    void *ctx;
};

/* Memory by role, in bytes. */
struct sft_memory {
    uint64_t weights, adapter, optimiser, activations, rows, total;
};

/* What a run of these settings takes of memory, for a model (of which an outline is enough) and an adapter's
 * shape (NULL: dense). */
void sft_memory_plan(struct sft_memory *out, const struct sft_config *c, const struct model *m,
                     const struct adapter_config *a, enum recompute r);

struct sft;

/* c and o (checked by sft_config_check) and ev are borrowed. Errors: those of the model, the data and the
 * tokenizer, PREFLIGHT_MEM, PREFLIGHT_DISK, LOCKED (another trainer in output_dir), NOMEM. */
int sft_open(struct sft **out, struct sft_config *c, struct options *o, const struct sft_events *ev,
             struct err *e);
void sft_close(struct sft *s);

const struct sft_memory *sft_memory(const struct sft *s);
/* Optimiser steps of the run, rows and documents of an epoch. */
uint64_t sft_total_steps(const struct sft *s);
uint64_t sft_rows(const struct sft *s);
uint64_t sft_docs(const struct sft *s);

/* Loads a state as resume_from_checkpoint says. *step: where the run goes on; 0 at the start. */
int sft_resume(struct sft *s, uint64_t *step, struct err *e);

/* Runs to the last step. Errors: NONFINITE (nothing of that step is kept), INTERRUPTED (the state is saved),
 * those of reading data and saving. */
int sft_train(struct sft *s, struct err *e);

/* Writes output_dir/adapter (PEFT) or output_dir/model (Hugging Face). path (FILE_PATH bytes) gets the
 * folder. */
int sft_save(struct sft *s, char *path, struct err *e);

/* Mean loss of the held-out rows; NaN when there are none. */
int sft_evaluate(struct sft *s, double *loss, struct err *e);

#endif
