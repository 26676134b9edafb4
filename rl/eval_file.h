/* Answers as JSON lines, appended as they finish: what a stopped evaluation goes on from.
 *
 *     {"run", "task", "row", "repeat", "problem", "reference", "answer", "correct", "exact", "verdict",
 * "rule", "found", "truncated", "closed", "early", "cap"?, "tokens", "graded", "right", "mode",
 * "probability"?, "chains"? [{"answer", "score", "tokens"}], "text"}
 *
 * Of a program, "answer" is its code and "rule" what became of it ("timed out"). A NUL in a text, which our
 * reader of JSON takes for an attack, becomes U+FFFD. `run` says what the answers depend on
 * (rl/eval_identity.h): those of another run are never mixed in. */
#ifndef TERSE_RL_EVAL_FILE_H
#define TERSE_RL_EVAL_FILE_H

#include "rl/eval.h"

struct eval_file {
    int fd; /* -1: none */
    const char *path, *run, *task;
};

/* Opens a file to append to; a line that its writer did not finish is cut off first, or all of it where it is
 * to be `fresh`. `run` and `task` are borrowed. path NULL: no file. Errors: of opening, reading and
 * truncating. */
int eval_file_open(struct eval_file *f, const char *path, const char *run, const char *task, bool fresh,
                   struct err *e);
int eval_file_put(const struct eval_file *f, const struct eval_sample *s, struct err *e);
/* An error of the last writes. */
int eval_file_close(struct eval_file *f, struct err *e);

/* Fills records [p->n], laid out as eval_config.repeats says, with the answers that the file has of this task
 * without a cap, and counts them; no file is an empty one. Errors: RUN_MISMATCH (answers of another run),
 * those of jsonl_each, FIELD_*, NOMEM. */
int eval_file_read(struct eval_record *records, size_t *known, const struct problems *p, uint32_t repeats,
                   const char *path, const char *run, const char *task, struct err *e);

#endif
