/* What the commands share that train heads: features that are there already, fitting a head for each seed,
 * what is shown and kept of them. */
#ifndef TERSE_RL_CMD_HEADS_H
#define TERSE_RL_CMD_HEADS_H

#include "checkpoints/json.h"
#include "checkpoints/load.h"
#include "infer/run_options.h"
#include "rl/head_options.h"

/* Model, digests, and the adapter if there is one; l->base stays open. *l is the caller's to load_clear, also
 * after an error. Errors: those of load_folder, load_digests, load_model, load_adapter. */
int cmd_heads_load(struct loaded *l, const struct load_options *o, struct err *e);

/* A command that trains heads: what sets it apart from the others. */
struct heads_run {
    const void *flags; /* its own */
    const struct options *o;
    const struct model_flags *model;
    /* Options that contradict each other: an error. */
    int (*check)(const struct heads_run *h, struct err *e);
    /* The features of what heads learn from, or are tested on; *out is the caller's to features_close. */
    int (*take)(struct features **out, const struct heads_run *h, const struct loaded *l, bool test,
                struct err *e);
    /* Fits the heads, shows and keeps them; test may be NULL. */
    int (*fit)(const struct heads_run *h, const struct loaded *l, const struct features *set,
               const struct features *test, struct err *e);
};

/* Checks, loads the model, takes features, fits. Errors: those of options_check_required, cmd_heads_load, of
 * the three. */
int cmd_heads_run(const struct heads_run *h, const char *output, bool has_test, struct err *e);

/* Digest of what decides features beside their origin: files [n] as they are, the weights as they are loaded,
 * the adapter's, and every option but those of free_keys (which ends with NULL). Errors: those of
 * sha256_file, NOMEM. */
int cmd_heads_made(char hex[SHA256_HEX], const struct options *o, const char *const *free_keys,
                   const struct loaded *l, const struct string_list *files, struct err *e);
/* Opens the set at `dir` if it is whole and the very one that would be made (features_origin_same), and says
 * so; else *out is NULL, and it says why another one there will be replaced. Errors: EXISTS (something else
 * has that name), NOMEM. */
int cmd_heads_reuse(struct features **out, const char *dir, const struct features_origin *would,
                    struct err *e);

/* The heads of a run, and the flags they follow from. */
struct heads {
    const struct head_flags *f; /* borrowed */
    const char *row;            /* "prompt", "chain": what a row of the features is; static text */
    struct head_fit *fit;       /* [n] one for each seed, owned */
    int64_t n;
};

/* Fits them all; test may be NULL. *out is the caller's to cmd_heads_free, also after an error: NOMEM, those
 * of head_fit, INTERRUPTED. */
int cmd_heads_fit(struct heads *out, const struct head_flags *f, const char *row, const struct features *set,
                  const struct features *test, struct pool *pool, struct err *e);
void cmd_heads_free(struct heads *h);
/* The seed whose chosen layer does best on validation rows. */
int64_t cmd_heads_best(const struct heads *h);

/* Prints the layers that were tried, all seeds side by side; the test's figures of the k-th; a figure with
 * its interval. */
void cmd_heads_print_layers(const struct heads *h);
void cmd_heads_print_figures(const struct heads *h, int64_t k);
void cmd_heads_print_spread(const char *name, const struct spread *s);

/* {"value", "low", "high"}, null where there is none. */
void cmd_heads_put_spread(struct js_out *w, const char *key, const struct spread *s);
/* Writes FOLDER/report.json. `more` (may be NULL) adds to the object of the k-th seed. */
int cmd_heads_report(const struct heads *h, const struct features *set, const char *folder,
                     void (*more)(void *ctx, struct js_out *w, int64_t k), void *ctx, struct err *e);
/* Writes the k-th as FOLDER/TASK.safetensors with `threshold`, and prints the path. Errors: those of
 * head_fit_head and head_file_save. */
int cmd_heads_save(const struct heads *h, int64_t k, double threshold, const struct features *set,
                   const char *folder, struct err *e);

#endif
