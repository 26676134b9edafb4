/* A recipe: what a user can set of a build. */
#ifndef TERSE_DATA_PREPARE_RECIPE_H
#define TERSE_DATA_PREPARE_RECIPE_H

#include "data/prepare/ngrams.h"
#include "data/prepare/prepare.h"
#include "infer/option.h"

#include <glob.h>

struct recipe {
    char *config, *model_name_or_path, *output, *work_dir, *system_prompt;
    struct string_list dataset, domains, sources, decontaminate, references;
    int64_t cutoff_len, min_tokens, max_tokens, answers, max_samples, ngram, threads, shard_tokens;
    double val_size;
    uint64_t seed;
    int learn, output_format, thinking, choose;
    bool boxed, keep_identical, shuffle, dry_run;
};

/* Binds the table of `terse data build` to *r. As options_init. */
int recipe_options_init(struct options *o, struct recipe *r, struct err *e);

/* What a recipe says, with the files that its globs match. */
struct recipe_inputs {
    glob_t files, decontaminate, references;
    struct tokenizer *tokenizer;
    struct pool *pool;
    char work[FILE_PATH];
    char *record;
};

/* Fills *c but for the callbacks; what it points to is r's or in's. Errors: those of globs_expand, of reading
 * the tokenizer and of pool_create, NOMEM. recipe_inputs_close releases *in, also after an error. */
int recipe_inputs_open(struct recipe_inputs *in, struct prepare_config *c, const struct recipe *r,
                       const struct options *o, struct err *e);
void recipe_inputs_close(struct recipe_inputs *in);

/* The tokenizer of a folder, as Hugging Face writes it, or of a GGUF file. Weights are not looked at. Errors:
 * those of hf_tokenizer_load, gguf_open and gguf_tokenizer. */
int recipe_tokenizer(struct tokenizer **out, const char *path, struct err *e);

#endif
