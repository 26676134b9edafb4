/* The options that all commands share which run a model: their rows, once. */
#ifndef TERSE_INFER_RUN_OPTIONS_H
#define TERSE_INFER_RUN_OPTIONS_H

#include "infer/ask.h"
#include "infer/budget.h"
#include "infer/loaded.h"
#include "infer/option.h"
#include "infer/sampler.h"
#include "infer/session.h"

/* Where a program gets its models from: all that sets terse apart from terse-infer in these commands. */
struct model_source {
    int (*load)(struct loaded *l, const struct load_options *o, struct err *e);
    const char *preset;          /* of --model; NULL: it has to be given */
    const char *model, *adapter; /* what they may be, for --help */
    ask_same *same;              /* which answers are the same, for votes */
};
/* GGUF files alone. */
extern const struct model_source source_gguf;

/* A command's config has these as members `model` and `sampling`. */
struct model_flags {
    char *model, *lora;
    char *bundle;             /* of a command that has BUNDLE_ROW */
    struct string_list heads; /* of one that has HEADS_ROW */
    int dtype;                /* enum load_dtype */
    int act_dtype;            /* 1: int8 */
    int64_t threads, context;
    int kv_dtype; /* enum kv_type */
    int64_t cache_mib;
    bool digests; /* set by a command that wants them loaded */
};
struct sampling_flags {
    double temperature, top_p, min_p, repeat_penalty;
    int64_t top_k;
    uint64_t seed;
};

/* A command that has ASK_ROWS has these as member `ask`. */
struct ask_flags {
    int mode, vote; /* vote: 0 none, else 1 + enum vote_kind */
    double threshold;
    int64_t answers;
    bool think, show_chains;
};

/* A command that has BUDGET_ROWS has these as member `forcing`. */
struct budget_flags {
    int64_t budget, answer_tokens;
    char *closing;
};

/* What the rows of `model` and `lora` lack depends on the source: run_options_table fills it in.
 * The formatter would take the rows apart. */
/* clang-format off */
#define MODEL_FLAG(config, field) .at = offsetof(struct config, model) + offsetof(struct model_flags, field)
#define MODEL_ROWS(config)                                                                                             \
    {.key = "model", .alias = "model_name_or_path", .type = OPT_PATH, MODEL_FLAG(config, model),                       \
     .short_flag = 'm', .group = "Model"},                                                                             \
    {.key = "lora", .alias = "adapter_name_or_path", .type = OPT_PATH, MODEL_FLAG(config, lora),                       \
     .unset = "the base model alone"},                                                                                 \
    {.key = "dtype", .type = OPT_ENUM, MODEL_FLAG(config, dtype), .choices = LOAD_DTYPES, .preset = "auto",            \
     .help = "of weights and products; auto is the model's; q8_0, q4_0 and w4 quantise the weights while loading"},    \
    {.key = "act_dtype", .type = OPT_ENUM, MODEL_FLAG(config, act_dtype), .choices = "auto|int8", .preset = "auto",    \
     .help = "of activations in products with quantised weights; auto is bf16; int8 is faster and less exact"},        \
    {.key = "threads", .type = OPT_INT, MODEL_FLAG(config, threads), .preset = "0", .min = 0,                          \
     .max = POOL_MAX_THREADS, .short_flag = 't', .help = "0 for one a processor; answers do not depend on it"},        \
    {.key = "ctx_size", .alias = "context", .type = OPT_INT, MODEL_FLAG(config, context), .preset = "4096", .min = 0,  \
     .max = 1 << 24, .unit = "tokens", .short_flag = 'c',                                                              \
     .help = "longest conversation; 0, or more than the model's: the model's"},                                        \
    {.key = "kv_dtype", .type = OPT_ENUM, MODEL_FLAG(config, kv_dtype), .choices = "auto|int8", .preset = "auto",      \
     .help = "of keys and values; auto is the products'"},                                                             \
    {.key = "prefix_cache", .type = OPT_INT, MODEL_FLAG(config, cache_mib), .preset = "64", .min = 0, .max = 1 << 20,  \
     .unit = "MiB", .help = "keys and values kept at most for prompts that begin like earlier ones; 0 for none"}

#define BUNDLE_ROW(config)                                                                                             \
    {.key = "bundle", .type = OPT_PATH, MODEL_FLAG(config, bundle), .unset = "none",                                   \
     .help = "folder made by terse export --bundle: model, adapter and heads that belong together, instead of -m"}

#define HEADS_ROW(config)                                                                                              \
    {.key = "heads", .type = OPT_PATHS, MODEL_FLAG(config, heads), .unset = "none",                                    \
     .help = "switcher and verifier: FILE[,FILE], safetensors or GGUF"}

#define ASK_FLAG(config, field) .at = offsetof(struct config, ask) + offsetof(struct ask_flags, field)
#define ASK_ROWS(config)                                                                                               \
    {.key = "mode", .type = OPT_ENUM, ASK_FLAG(config, mode), .choices = ASK_MODES,                                    \
     .unset = "auto with a switcher, else reason", .group = "Thinking",                                                \
     .help = "auto asks the switcher, chat answers with the base alone, reason with the adapter"},                     \
    {.key = "threshold", .type = OPT_FLOAT, ASK_FLAG(config, threshold), .unset = "the switcher's", .min = 0, .max = 1, \
     .help = "from this probability on it is worth thinking about"},                                                   \
    {.key = "think", .type = OPT_BOOL, ASK_FLAG(config, think), .help = "begin what is reasoned about with <think>"},  \
    {.key = "answers", .alias = "chains", .type = OPT_INT, ASK_FLAG(config, answers), .preset = "1", .min = 1,         \
     .max = 1024, .short_flag = 'N', .help = "chains side by side, each with its own luck"},                           \
    {.key = "vote", .type = OPT_ENUM, ASK_FLAG(config, vote), .choices = "none|majority|weighted|best",                \
     .unset = "weighted with a verifier, else none",                                                                   \
     .help = "which of the chains' answers is the answer: most chains, most probability, the likeliest chain"},        \
    {.key = "show_chains", .type = OPT_BOOL, ASK_FLAG(config, show_chains),                                            \
     .help = "print every chain, and run all of them to their end"}

#define SAMPLING_FLAG(config, field) .at = offsetof(struct config, sampling) + offsetof(struct sampling_flags, field)
/* temp: the default temperature as text, or NULL for what generation_config.json says. */
#define SAMPLING_ROWS(config, temp)                                                                                    \
    SAMPLING_CUT_ROWS(config, temp),                                                                                   \
    {.key = "seed", .type = OPT_UINT64, SAMPLING_FLAG(config, seed), .preset = "0",                                    \
     .help = "the same seed, the same answer"}
/* All but the seed, for a command with several. */
#define SAMPLING_CUT_ROWS(config, temp)                                                                                \
    {.key = "temperature", .alias = "temp", .type = OPT_FLOAT, SAMPLING_FLAG(config, temperature), .preset = temp,     \
     .unset = "the model's", .min = 0, .max = 100, .group = "Sampling",                                                \
     .help = "0 for the likeliest token always"},                                                                      \
    {.key = "top_k", .type = OPT_INT, SAMPLING_FLAG(config, top_k), .unset = "the model's", .min = 0,                  \
     .max = 1 << 24, .help = "keep the k likeliest tokens; 0 for all"},                                                \
    {.key = "top_p", .type = OPT_FLOAT, SAMPLING_FLAG(config, top_p), .unset = "the model's",                          \
     .min = 1e-6, .max = 1, .help = "keep the fewest tokens that reach this probability"},                             \
    {.key = "min_p", .type = OPT_FLOAT, SAMPLING_FLAG(config, min_p), .preset = "0", .min = 0, .max = 1,               \
     .help = "drop tokens less likely than this share of the likeliest"},                                              \
    {.key = "repeat_penalty", .alias = "repetition_penalty", .type = OPT_FLOAT,                                        \
     SAMPLING_FLAG(config, repeat_penalty), .preset = "1", .min = 0.01, .max = 100,                                    \
     .help = "above 1: tokens of the text so far become less likely; generation_config.json's is not used, since a "   \
             "penalty spoils reasoning, which repeats itself"}

#define BUDGET_FLAG(config, field) .at = offsetof(struct config, forcing) + offsetof(struct budget_flags, field)
/* answer, answer_unset: the default of answer_tokens as text, or NULL and what that means; text: what stands for
 * the default of `closing`. */
#define BUDGET_ROWS(config, answer, answer_unset, text)                                                                \
    {.key = "budget", .type = OPT_INT, BUDGET_FLAG(config, budget), .unset = "none", .min = 1, .max = 1 << 24,         \
     .unit = "tokens", .group = "Budget",                                                                              \
     .help = "thinking that is still open after so many tokens of an answer is closed, and the answer asked for"},     \
    {.key = "answer_tokens", .type = OPT_INT, BUDGET_FLAG(config, answer_tokens), .preset = answer,                    \
     .unset = answer_unset, .min = 1, .max = 1 << 24, .unit = "tokens", .help = "at most so many follow the budget"},  \
    {.key = "closing", .type = OPT_STRING, BUDGET_FLAG(config, closing), .unset = text,                                \
     .help = "how: the text that is put into the answer there"}

/* clang-format on */

/* Copies a table with MODEL_ROWS, `bytes` long, to `out`, which options_init is given then. */
void run_options_table(struct option *out, const struct option *rows, size_t bytes,
                       const struct model_source *from);

/* USAGE when there is no --model, no preset for it and no bundle; or a bundle beside a model or an adapter.
 */
int run_options_check(const struct options *o, struct err *e);

/* What the flags say of a model; the texts are f's. */
struct load_options run_options_model(const struct model_flags *f);
/* Loads what the flags say. Errors: those of from->load, bundle_open and bundle_check. */
int run_options_load(struct loaded *l, const struct model_source *from, const struct model_flags *f,
                     struct err *e);

/* What the flags say of a session, and how it is kept: `streams` of max_tokens at most. */
struct session_config run_options_session(const struct model_flags *f, uint32_t streams, uint32_t max_tokens);

/* USAGE when answers of at most max_new tokens (0: any) could not reach the budget, or when there are
 * answer_tokens or a closing but no budget. */
int run_options_lengths(const struct budget_flags *f, int64_t max_new, struct err *e);
/* *b is the caller's to budget_clear; empty (tokens 0) where no budget is given. closing: the command's
 * default. Errors: those of budget_init. */
int run_options_budget(struct budget *b, const struct budget_flags *f, const struct tokenizer *t,
                       const char *closing, struct err *e);

/* What the flags and the heads of l say of answering; sampler, budget and max_new are left alone. USAGE when
 * it cannot be done (ask_config_check). */
int run_options_ask(struct ask_config *out, const struct options *o, const struct ask_flags *f,
                    const struct model_source *from, const struct loaded *l, struct err *e);
/* USAGE when several chains are to give one answer and nothing says how. */
int run_options_one_answer(const struct ask_config *c, struct err *e);

/* The flags, and for those not given the model's defaults. */
void run_options_sampler(struct sampler_config *out, const struct options *o, const struct sampling_flags *f,
                         const struct model_config *m);

#endif
