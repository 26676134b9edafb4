/* What a run will take, told before it is run: bytes by role, and work by phase, which becomes time on a
 * machine of known limits. Memory is planned by the functions that take it; work is counted as the code runs
 * it (train/cost.h); how much of its limits a machine gives is an assumption with a measured default. */
#ifndef TERSE_TRAIN_PLAN_H
#define TERSE_TRAIN_PLAN_H

#include "infer/machine.h"
#include "train/outline.h"
#include "train/sft_epoch.h"

enum { PLAN_ROLES = 10, PLAN_PHASES = 10 };

struct plan_bytes {
    const char *what;
    uint64_t bytes;
};
struct plan_list {
    struct plan_bytes at[PLAN_ROLES];
    unsigned n;
};

/* What bounds a phase, and so which share of the limits it reaches. */
enum plan_share {
    PLAN_PRODUCTS, /* many rows at a time: of arithmetic */
    PLAN_DECODE,   /* a few rows at a time: of arithmetic or memory, whichever is slower */
    PLAN_MEMORY,   /* none: of reading memory */
    PLAN_SHARES
};

/* A part of the run, over all of it. Arithmetic and memory at once: the slower one counts. */
struct plan_phase {
    const char *what;
    double flops, bytes;
    bool fp32; /* products in fp32, whatever the model's type */
    enum plan_share share;
};

struct plan {
    uint64_t parameters, trained;
    struct plan_list memory, disk; /* memory as it is reserved */
    uint64_t resident;             /* of memory, bytes that documents of the mean length touch */
    struct plan_phase phase[PLAN_PHASES];
    unsigned phases;
    double docs, rows, tokens; /* an epoch's */
    double learned;            /* of its tokens, those learned from */
    double seen;               /* tokens of the whole run */
    uint64_t steps, parts;     /* optimiser steps (or iterations); parts of one that ranks could share */
    const char *recompute;     /* "none", "mlp", "layer" */
    uint32_t width;            /* of the model */
};

/* What it is run on. */
struct plan_machine {
    double products, fp32, read; /* 1e9 a second: operations in the model's type, in fp32; bytes */
    double share[PLAN_SHARES];   /* of these that are reached */
    unsigned cores, ranks;       /* ranks: machines like this one, each with its part of every step */
    uint64_t memory;             /* bytes to be had; 0: unknown */
};

void plan_add(struct plan_list *l, const char *what, uint64_t bytes);
uint64_t plan_bytes(const struct plan_list *l);
/* Adds a phase unless there is nothing in it. */
void plan_phase(struct plan *p, struct plan_phase phase);
/* Seconds of a phase, and of the run: ideal over ranks (what they send each other is not counted), except
 * that a step has no more parts than it has. */
double plan_phase_seconds(const struct plan *p, const struct plan_phase *phase, const struct plan_machine *m);
double plan_seconds(const struct plan *p, const struct plan_machine *m);
/* The shares measured on a machine (docs/performance.md) at this width. */
void plan_shares(double share[PLAN_SHARES], uint32_t width);

/* Tokenizer, libraries and their buffers: what a program takes that has done nothing yet. */
uint64_t plan_program_bytes(const struct model_config *c);
/* States of `trained` weights and their moments: those kept and the one being written. */
uint64_t plan_states_bytes(uint64_t trained, int64_t kept);

/* Supervised fine-tuning. o: an outline of its model and adapter (sft_outline); limit: bytes of memory that
 * recompute=auto fits into, 0: any. c was settled (sft_config_settle). */
int sft_outline(struct outline *o, const struct sft_config *c, const struct model_config *m, enum dtype own,
                unsigned threads, struct err *e);
void plan_sft(struct plan *out, const struct sft_config *c, const struct outline *o, const struct epoch *data,
              uint64_t limit);

#endif
