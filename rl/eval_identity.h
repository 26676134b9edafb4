/* What the answers of an evaluation depend on, as digests: printed with its results, and kept with every
 * answer, so that answers of two models, adapters, prompts or settings are never taken together. */
#ifndef TERSE_RL_EVAL_IDENTITY_H
#define TERSE_RL_EVAL_IDENTITY_H

#include "checkpoints/sha256.h"
#include "infer/run_options.h"

struct eval_identity {
    char weights[SHA256_HEX], tokenizer[SHA256_HEX];
    char adapter[SHA256_HEX],
        heads[SHA256_HEX];     /* "" without; heads: of all of them, a bundle its manifest */
    char problems[SHA256_HEX]; /* the file */
    char prompt[SHA256_HEX];   /* the wording around a problem */
    char judge[80];            /* of programs: Python's version, limits; "" without */
    char run[SHA256_HEX];      /* all of these and every option but the free ones */
};

/* l was loaded with its digests by `m`. free_keys: options that change no answer, ends with NULL. Errors:
 * those of sha256_file, NOMEM. `judge`: as above. */
int eval_identity(struct eval_identity *out, const struct loaded *l, const struct model_flags *m,
                  const struct options *o, const char *const *free_keys, const char *problems,
                  const char *wording, const char *judge, struct err *e);

struct js_out;
/* The keys "weights", "tokenizer", "adapter", "heads", "problems", "prompt", "judge", "run" of the object
 * that is open; those that are empty are left out. */
void eval_identity_put(struct js_out *w, const struct eval_identity *id);

#endif
