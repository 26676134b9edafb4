/* A trained adapter leaves the house: as PEFT's two files or merged into its base, and compared with what was
 * trained before anyone gets to see it. */
#ifndef TERSE_CHECKPOINTS_EXPORT_H
#define TERSE_CHECKPOINTS_EXPORT_H

#include "checkpoints/load.h"

struct export_options {
    const char *model; /* the base's folder: its tokenizer goes with a merged model */
    enum dtype dtype;  /* F32 or BF16 */
    bool check, force; /* compare before it appears; replace what is there */
};

/* What a check compared: three prompts and EXPORT_TOKENS greedy tokens after each. */
enum { EXPORT_TOKENS = 32 };
struct export_report {
    uint32_t rows;     /* of logits; 0: nothing was compared */
    double difference; /* the largest, relative to the largest logit of its row */
    uint32_t ties;     /* rows whose likeliest token differs: two logits nearer than twice the difference */
};

/* The largest difference of logits that rounding explains: 0 for an adapter in F32 or in the model's own
 * type. */
double export_tolerance(const struct loaded *l, enum dtype dtype, bool merged);

/* EXISTS when `dir` is there and must not be replaced: without `force`, or because it is no folder of the
 * kind that would take its place (so that a slip of the hand does not remove somebody's home). */
int export_check_target(const char *dir, bool merged, bool force, struct err *e);

/* Writes the adapter (merged: the whole model, with l's adapter in it if it has one) beside `dir` under a
 * temporary name, loads it again, compares, and renames it. l has its adapter and l->base is open. After an
 * error `dir` is what it was. Errors: EXISTS, EXPORT_DIFF (saying what differs and by how much), those of
 * peft_save, merge_save, load_all and file_replace_dir. */
int export_adapter(const struct loaded *l, const char *dir, const struct export_options *o,
                   struct export_report *out, struct err *e);
int export_merged(const struct loaded *l, const char *dir, const struct export_options *o,
                  struct export_report *out, struct err *e);

/* EXPORT_DIFF unless both give the same logits within `tolerance` (0: the same bits, so the same text) along
 * a's greedy answers. everywhere: a's adapter acts on all tokens, as a merged one does. */
int export_compare(const struct loaded *a, const struct loaded *b, bool everywhere, double tolerance,
                   struct export_report *out, struct err *e);

#endif
