#include "data/prepare/recipe.h"

#include "checkpoints/hf_tokenizer.h"
#include "data/globs.h"
#include "infer/gguf_model.h"
#include "infer/option_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define AT(field) .at = offsetof(struct recipe, field)

enum { LENGTH_MAX = 1 << 30, ROWS_MOST = 1 << 30 };

static const struct option table[] = {
    CONFIG_ROW(AT(config), .short_flag = 'c', .group = "What is made of what"),
    {.key = "dataset",
     .type = OPT_PATHS,
     AT(dataset),
     .required = true,
     .help = "files or globs of conversations"},
    {.key = "model_name_or_path",
     .alias = "model",
     .type = OPT_PATH,
     AT(model_name_or_path),
     .required = true,
     .short_flag = 'm',
     .help = "folder or GGUF file of the model; its tokenizer alone is read"},
    OUTPUT_ROW(AT(output), .help = "folder for token shards (and OUTPUT-eval), or file for problems"),
    {.key = "output_format",
     .type = OPT_ENUM,
     AT(output_format),
     .preset = "shards",
     .choices = "shards|problems",
     .help = "token shards for terse sft, or lines with problem and answer for terse ppo and eval"},
    {.key = "shard_tokens",
     .type = OPT_INT,
     AT(shard_tokens),
     .preset = "16777216",
     .min = 1024,
     .max = 1 << 28,
     .unit = "tokens",
     .help = "a shard is closed once it holds so many: what a kill costs at most, and memory"},
    {.key = "work_dir",
     .type = OPT_PATH,
     AT(work_dir),
     .unset = "OUTPUT.work",
     .help = "folder for what is between: recipes that share it tokenise a file once"},
    {.key = "cutoff_len",
     .type = OPT_INT,
     AT(cutoff_len),
     .preset = "16384",
     .min = 2,
     .max = LENGTH_MAX,
     .unit = "tokens",
     .help = "longer conversations are cut at the end; see max_tokens"},
    {.key = "learn",
     .type = OPT_ENUM,
     AT(learn),
     .preset = "last",
     .choices = "last|answers|all",
     .help = "the last answer (what a gated adapter needs), every answer, or every token"},
    {.key = "system_prompt",
     .type = OPT_STRING,
     AT(system_prompt),
     .unset = "the model's own",
     .help = "system turn of conversations that bring none"},

    {.key = "domains",
     .type = OPT_STRINGS,
     AT(domains),
     .unset = "all",
     .group = "Which conversations",
     .help = "only those of these domains, as math,science"},
    {.key = "sources",
     .type = OPT_STRINGS,
     AT(sources),
     .unset = "all",
     .help = "only those of these sources"},
    {.key = "min_tokens",
     .type = OPT_INT,
     AT(min_tokens),
     .preset = "0",
     .min = 0,
     .max = LENGTH_MAX,
     .unit = "tokens",
     .help = "shorter ones are left out"},
    {.key = "max_tokens",
     .type = OPT_INT,
     AT(max_tokens),
     .preset = "0",
     .min = 0,
     .max = LENGTH_MAX,
     .unit = "tokens",
     .help = "longer ones are left out; 0 for none"},
    {.key = "thinking",
     .type = OPT_ENUM,
     AT(thinking),
     .preset = "any",
     .choices = "any|finished|required",
     .help = "finished: a <think> must have its </think> and a reply; required: and there must be one"},
    {.key = "boxed", .type = OPT_BOOL, AT(boxed), .help = "only answers with a \\boxed{} in their reply"},
    {.key = "decontaminate",
     .type = OPT_PATHS,
     AT(decontaminate),
     .help = "evaluation sets, as terse eval reads them: questions like theirs are left out"},
    {.key = "ngram",
     .type = OPT_INT,
     AT(ngram),
     .preset = "13",
     .min = 2,
     .max = NGRAMS_WORDS_MAX,
     .unit = "words",
     .help = "like theirs: so many in a row in common"},

    {.key = "answers",
     .type = OPT_INT,
     AT(answers),
     .preset = "0",
     .min = 0,
     .max = ROWS_MOST,
     .group = "Answers to one question",
     .help = "keep so many; 0 for all"},
    {.key = "choose",
     .type = OPT_ENUM,
     AT(choose),
     .preset = "first",
     .choices = "first|random|majority|shortest_correct",
     .help = "which: majority keeps those that give the most common final answer, shortest_correct the "
             "shortest of those that give the reference's or, without one, the majority's"},
    {.key = "references",
     .type = OPT_PATHS,
     AT(references),
     .help = "files of problems with their answers, as terse eval reads them, for shortest_correct"},
    {.key = "keep_identical",
     .type = OPT_BOOL,
     AT(keep_identical),
     .help = "keep answers that are the same word for word, too"},

    {.key = "shuffle",
     .type = OPT_BOOL,
     AT(shuffle),
     .preset = "true",
     .group = "Order",
     .help = "across all files, by the seed"},
    {.key = "seed",
     .type = OPT_UINT64,
     AT(seed),
     .preset = "42",
     .help = "of the order, and of choose: random"},
    {.key = "max_samples",
     .type = OPT_INT,
     AT(max_samples),
     .preset = "0",
     .min = 0,
     .max = INFINITY,
     .unit = "conversations",
     .help = "the first so many of the order; 0 for all"},
    {.key = "val_size",
     .type = OPT_FLOAT,
     AT(val_size),
     .preset = "0",
     .min = 0,
     .max = INFINITY,
     .help = "held out in OUTPUT-eval, whole questions: below 1 a fraction, else a count"},

    THREADS_ROW(AT(threads), .short_flag = 't', .group = "Running",
                .help = "0 for one a processor; the result does not depend on it"),
    {.key = "dry_run", .type = OPT_BOOL, AT(dry_run), .args_only = true, .help = "forecast, and stop"},
    {0}};

int recipe_options_init(struct options *o, struct recipe *r, struct err *e)
{
    return options_init(o, table, r, e);
}

int recipe_tokenizer(struct tokenizer **out, const char *path, struct err *e)
{
    struct stat st;
    struct gguf *g;
    *out = NULL;
    if (stat(path, &st) || S_ISDIR(st.st_mode)) return hf_tokenizer_load(out, path, 0, e);
    int r = gguf_open(&g, path, e);
    if (r) return r;
    r = gguf_tokenizer(out, g, e);
    gguf_close(g);
    return r;
}

/* The recipe with every value in force. */
static int record(struct recipe_inputs *in, const struct options *o, struct err *e)
{
    size_t n;
    FILE *f = open_memstream(&in->record, &n);
    if (!f) return err_set(e, ERR_NOMEM, "no memory for the recipe");
    options_dump_yaml(o, f);
    return fclose(f) ? err_set(e, ERR_NOMEM, "no memory for the recipe") : 0;
}

static void config_fill(struct prepare_config *c, const struct recipe_inputs *in, const struct recipe *r)
{
    *c = (struct prepare_config){
        .files = (const char *const *)in->files.gl_pathv,
        .n_files = (uint32_t)in->files.gl_pathc,
        .output = r->output,
        .work = in->work,
        .rules = {in->tokenizer, r->system_prompt, (uint32_t)r->cutoff_len, (enum build_learn)r->learn},
        .format = (enum gather_format)r->output_format,
        .decontaminate = (const char *const *)in->decontaminate.gl_pathv,
        .n_decontaminate = in->decontaminate.gl_pathc,
        .ngram = (uint32_t)r->ngram,
        .references = (const char *const *)in->references.gl_pathv,
        .n_references = in->references.gl_pathc,
        .shard_tokens = (uint64_t)r->shard_tokens,
        .record = in->record,
        .dry_run = r->dry_run,
        .pool = in->pool,
    };
    c->select = (struct select_rules){.domains = &r->domains,
                                      .sources = &r->sources,
                                      .min_tokens = (uint32_t)r->min_tokens,
                                      .max_tokens = (uint32_t)r->max_tokens,
                                      .thinking = (enum select_thinking)r->thinking,
                                      .boxed = r->boxed,
                                      .answers = (uint32_t)r->answers,
                                      .choose = (enum select_choose)r->choose,
                                      .keep_identical = r->keep_identical,
                                      .seed = r->seed,
                                      .shuffle = r->shuffle,
                                      .max_samples = (uint64_t)r->max_samples,
                                      .val_size = r->val_size};
}

int recipe_inputs_open(struct recipe_inputs *in, struct prepare_config *c, const struct recipe *r,
                       const struct options *o, struct err *e)
{
    *in = (struct recipe_inputs){0};
    int rc = globs_expand(&r->dataset, &in->files, e);
    if (!rc) rc = globs_expand(&r->decontaminate, &in->decontaminate, e);
    if (!rc) rc = globs_expand(&r->references, &in->references, e);
    if (!rc)
        rc = r->work_dir ? file_path(in->work, e, "%s", r->work_dir)
                         : file_path(in->work, e, "%s.work", r->output);
    if (!rc) rc = recipe_tokenizer(&in->tokenizer, r->model_name_or_path, e);
    if (!rc) rc = pool_create(&in->pool, (unsigned)r->threads, e);
    if (!rc) rc = record(in, o, e);
    if (!rc) config_fill(c, in, r);
    return rc;
}

void recipe_inputs_close(struct recipe_inputs *in)
{
    globfree(&in->files), globfree(&in->decontaminate), globfree(&in->references);
    tokenizer_free(in->tokenizer);
    if (in->pool) pool_free(in->pool);
    free(in->record);
    *in = (struct recipe_inputs){0};
}
