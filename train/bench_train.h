/* How fast this machine trains: whole optimiser steps on a model of random weights. */
#ifndef TERSE_TRAIN_BENCH_TRAIN_H
#define TERSE_TRAIN_BENCH_TRAIN_H

#include "infer/adapter.h"
#include "kernels/kernels.h"
#include "train/tape.h"

struct bench_train_config {
    struct model_config model;
    enum weight_type type;
    uint32_t rank;    /* of an adapter on all seven targets; 0: dense */
    uint32_t tokens;  /* of one example, all of them learned */
    uint32_t steps;   /* measured, after one that is not */
    unsigned threads; /* 0: one a processor */
    enum recompute recompute;
};

struct bench_train_result {
    double tokens_per_second; /* mean over the steps */
    double sd;                /* standard deviation over the steps */
    double flops_a_token;     /* multiplications and additions of all products, recompute not counted */
    double step_seconds, passes_seconds; /* of a mean step: all of it, and without the optimiser */
    unsigned threads;
    uint64_t peak_rss; /* bytes */
};

/* Errors: NOMEM, those of adapter_create. */
int bench_train_run(const struct bench_train_config *c, struct bench_train_result *out, struct err *e);

/* Products of one training token: forward, gradient of the activations, gradients of what is trained. */
double bench_train_flops(const struct model_config *m, uint32_t rank, uint32_t tokens);

#endif
