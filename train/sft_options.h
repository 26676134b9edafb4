/* What an SFT run can be told: the config struct, its option table, and what must hold between keys.
 * Key names are those of LLaMA-Factory, Hugging Face's Trainer and TRL where they have the thing.
 *
 *     struct sft_config c;
 *     struct options o;
 *     sft_options_init(&o, &c, &e);
 *     options_parse_args(&o, argc, argv, &e);
 *     if (c.config) yaml_load_options(c.config, &o, &e);
 *     sft_config_check(&c, &o, &e);                       nothing read but names and folders so far
 *     ... load the model ...
 *     sft_config_check_model(&c, &o, &model_config, &e);
 *     ... count the rows ...
 *     sft_config_check_steps(&c, &o, total_steps, &e);
 *     options_free(&o);                                   c's strings are gone */
#ifndef TERSE_TRAIN_SFT_OPTIONS_H
#define TERSE_TRAIN_SFT_OPTIONS_H

#include "checkpoints/sha256.h"
#include "data/loader.h"
#include "infer/config.h"
#include "infer/option.h"

enum sft_tuning { TUNING_LORA, TUNING_DENSE };
enum sft_recompute { SFT_RECOMPUTE_AUTO, SFT_RECOMPUTE_NONE, SFT_RECOMPUTE_MLP, SFT_RECOMPUTE_LAYER };

/* Filled by options; strings are owned by the options. A number that was not given and has no default is 0.
 */
struct sft_config {
    char *config;               /* the YAML file */
    char *model_name_or_path;   /* a Hugging Face folder */
    char *adapter_name_or_path; /* NULL: a new adapter */
    int tuning;                 /* enum sft_tuning */

    struct string_list dataset, eval_dataset; /* files, globs, and folders of token shards */
    int mix_strategy;                         /* enum loader_mix */
    struct string_list interleave_probs;      /* as given; weights is what it means */
    double weights[LOADER_SETS];              /* of the dataset's names; filled by sft_config_check() */
    char *tokenized_path;                     /* NULL: below output_dir */
    double val_size;                          /* below 1 a fraction, else documents; 0 none */
    int64_t cutoff_len;                       /* tokens of a row */
    bool packing;
    bool train_on_prompt;
    int64_t max_samples; /* 0: all */
    char *system_prompt; /* NULL: Qwen's default system turn */

    int64_t lora_rank;
    double lora_alpha, lora_dropout;
    struct string_list lora_target; /* as given; lora_targets is what it means */
    uint32_t lora_targets;          /* bit 1 << enum lora_target; filled by sft_config_check() */
    bool use_rslora;
    int lora_gate; /* enum lora_gate */

    double learning_rate, weight_decay, adam_beta1, adam_beta2, adam_epsilon, max_grad_norm;
    int lr_scheduler_type; /* as the schedule of struct optim_config: cosine, linear, constant */
    double warmup_ratio;
    int64_t warmup_steps; /* 0: warmup_ratio decides */
    double num_train_epochs;
    int64_t max_steps;                   /* 0: num_train_epochs decides */
    int64_t per_device_train_batch_size; /* packed rows of a micro-batch */
    int64_t gradient_accumulation_steps;
    int64_t train_batch_size; /* 0: the product of the two; settled and taken away by sft_config_check() */
    int64_t rows_per_step;    /* packed rows of an optimiser step; filled by sft_config_check() */

    int compute_dtype;     /* enum load_dtype */
    int base_dtype;        /* 0, or which of LOAD_Q8_0, LOAD_Q4_0, LOAD_W4 from 1 */
    int recompute;         /* enum sft_recompute */
    int64_t threads;       /* 0: one a core */
    uint64_t memory_limit; /* bytes; 0: what the machine has */
    uint64_t seed;

    char *output_dir, *run_name;
    bool overwrite_output_dir;
    bool anew; /* another run stands there, to be overwritten; filled by sft_config_check() */
    char *resume_from_checkpoint;                  /* "auto", "none", or a path */
    int64_t logging_steps, eval_steps, save_steps; /* eval_steps 0: at the end only */
    int64_t save_total_limit;
    struct string_list report_to;
    bool report_jsonl, report_tensorboard; /* filled by sft_config_check() */
};

/* Binds *c to the table of `terse sft`, defaults in. As options_init(). */
int sft_options_init(struct options *o, struct sft_config *c, struct err *e);

/* Everything that can be told before a model is read; settles pairs of keys of which one rules (max_steps and
 * num_train_epochs, warmup_steps and warmup_ratio, train_batch_size and its factors) and fills the fields
 * said above. Writes nothing to disk. Errors name the keys and where they were given: FIELD_MISSING,
 * CFG_CONFLICT, FIELD_RANGE, FILE_MISSING, EACCES (output_dir), AD_TARGET, URL_SCHEME, URL_CRED, URL_HASH,
 * RUN_MISMATCH (another run's config.yaml in output_dir). */
int sft_config_check(struct sft_config *c, struct options *o, struct err *e);

/* The part of it that looks at keys only: required ones, pairs, lists of words. */
int sft_config_settle(struct sft_config *c, struct options *o, struct err *e);

/* Against the model's shape: FIELD_RANGE (cutoff_len above max_positions), AD_RANK (rank above the width). */
int sft_config_check_model(const struct sft_config *c, const struct options *o, const struct model_config *m,
                           struct err *e);

/* Optimiser steps of the warm-up, of `total` in all. FIELD_RANGE when warmup_steps is above total. */
int sft_config_check_steps(const struct sft_config *c, const struct options *o, int64_t total,
                           int64_t *warmup, struct err *e);

/* Before step 0: PREFLIGHT_DISK unless the file system of output_dir (its nearest existing parent) has
 * disk_bytes free; PREFLIGHT_MEM when memory_bytes is above memory_limit, or without one above what the
 * machine has available. Both messages name both sizes. */
int sft_config_check_resources(const struct sft_config *c, uint64_t disk_bytes, uint64_t memory_bytes,
                               struct err *e);

/* The run that *c describes was started in output_dir by another config: RUN_MISMATCH names the first key
 * that differs among those that decide the result. 0 when output_dir has no config.yaml or
 * all of them agree; with overwrite_output_dir too, and c->anew is then set. Part of sft_config_check(). */
int sft_config_check_run(struct sft_config *c, const struct options *o, struct err *e);

/* SHA-256 over the values of the keys that decide a run's result. Errors: NOMEM. */
int sft_config_digest(const struct options *o, char hex[SHA256_HEX], struct err *e);

#endif
