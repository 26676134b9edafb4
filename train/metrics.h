/* What a run says about itself while it goes: metrics.jsonl (one object a step) and TensorBoard events.
 *
 * A line is {"step": 12, "loss": 1.25, ...}: `step` first, then keys named as Hugging Face's Trainer and
 * LLaMA-Factory name them, always in the caller's order:
 *     step  total_steps  epoch  loss  eval_loss  grad_norm  learning_rate  throughput (tokens/s)
 *     total_tokens  elapsed_time  remaining_time (seconds)
 * In TensorBoard "loss" is train/loss, "eval_loss" is eval/loss, and keys with a slash keep their name.
 *
 * Each line is one write() to the end of the file, so a crash costs the last line at most; what a crash tore,
 * and what was logged after the state that a run resumes from, is cut off when the log is opened. */
#ifndef TERSE_TRAIN_METRICS_H
#define TERSE_TRAIN_METRICS_H

#include "infer/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { METRICS_MAX = 48 }; /* values of a step */

struct metric {
    const char *key;
    double value; /* NaN and infinity are written as null, and left out of TensorBoard */
};

struct metrics {
    int jsonl, events; /* file descriptors; -1: not written */
    char said[512];    /* after metrics_open(): what was cut or is missing, in a sentence; "" nothing */
};

/* Opens DIR/metrics.jsonl and DIR/events.out.tfevents.TIME.HOST.terse (the one there is, or a new one) to go
 * on after `step` (0: a new run). Lines and events of later steps are cut off; m->said tells, and tells too
 * when the log ends before `step`. Errors: JSON_SYNTAX (metrics.jsonl holds a whole line that is none of
 * ours; nothing was changed), LINE_LEN, NOT_REGULAR, EACCES, EIO, ENOSPC; *m is then closed. */
int metrics_open(struct metrics *m, const char *dir, uint64_t step, bool jsonl, bool tensorboard,
                 struct err *e);

/* Appends one step. n <= METRICS_MAX. Errors: ENOSPC, EIO ... */
int metrics_write(struct metrics *m, uint64_t step, const struct metric *values, size_t n, struct err *e);

/* Makes what was written survive a power cut; before a state is saved, so that no state is ahead of its log.
 */
int metrics_sync(struct metrics *m, struct err *e);

/* Closes; safe on a closed one. */
void metrics_close(struct metrics *m);

#endif
