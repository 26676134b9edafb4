/* Rows that the tables of sft and ppo have, once; AT(field) is what each table says of a field's place, and
 * both configurations call these fields the same. */
#ifndef TERSE_TRAIN_RUN_ROWS_H
#define TERSE_TRAIN_RUN_ROWS_H

#include "infer/loaded.h" /* LOAD_COMPUTE_DTYPES, LOAD_QUANTISED_DTYPES */
#include "infer/option.h"

#include <math.h>

enum { RUN_COUNT_MAX = 1 << 30, RUN_THREADS_MAX = 256 };

/* The formatter would take the rows apart. */
/* clang-format off */
#define LEARNING_RATE_ROW(rate, ...)                                                                                   \
    {.key = "learning_rate", .type = OPT_FLOAT, AT(learning_rate), .preset = rate, .min = 0, .max = INFINITY,          \
     .open = OPT_OPEN_MIN, .group = "Optimiser", __VA_ARGS__}

/* AdamW and its schedule; warmup: the default of warmup_ratio. */
#define OPTIMISER_ROWS(warmup)                                                                                         \
    {.key = "weight_decay", .type = OPT_FLOAT, AT(weight_decay), .preset = "0", .min = 0, .max = INFINITY,             \
     .help = "AdamW's decoupled weight decay"},                                                                        \
    {.key = "adam_beta1", .type = OPT_FLOAT, AT(adam_beta1), .preset = "0.9", .min = 0, .max = 1,                      \
     .open = OPT_OPEN_MAX, .help = "decay of the first moment"},                                                       \
    {.key = "adam_beta2", .type = OPT_FLOAT, AT(adam_beta2), .preset = "0.999", .min = 0, .max = 1,                    \
     .open = OPT_OPEN_MAX, .help = "decay of the second moment"},                                                      \
    {.key = "adam_epsilon", .type = OPT_FLOAT, AT(adam_epsilon), .preset = "1e-8", .min = 0, .max = INFINITY,          \
     .open = OPT_OPEN_MIN, .help = "added to the root of the second moment"},                                          \
    {.key = "max_grad_norm", .type = OPT_FLOAT, AT(max_grad_norm), .preset = "1.0", .min = 0, .max = INFINITY,         \
     .open = OPT_OPEN_MIN, .help = "gradients are scaled down to this norm"},                                          \
    {.key = "lr_scheduler_type", .type = OPT_ENUM, AT(lr_scheduler_type), .preset = "cosine",                          \
     .choices = "cosine|linear|constant", .help = "shape of the schedule after the warm-up"},                          \
    {.key = "warmup_ratio", .type = OPT_FLOAT, AT(warmup_ratio), .preset = warmup, .min = 0, .max = 1,                 \
     .help = "part of all steps that warms up"}

#define MACHINE_ROWS                                                                                                   \
    {.key = "compute_dtype", .type = OPT_ENUM, AT(compute_dtype), .preset = "auto", .choices = LOAD_COMPUTE_DTYPES,    \
     .group = "Machine", .help = "type of the frozen weights and of the products; auto is the model's"},               \
    {.key = "base_dtype", .type = OPT_ENUM, AT(base_dtype), .preset = "auto",                                          \
     .choices = "auto|" LOAD_QUANTISED_DTYPES,                                                                         \
     .help = "quantises the frozen weights while loading, so that the adapter learns on the base it ships with; "      \
             "products are bf16 then; auto leaves the weights as they are"},                                           \
    {.key = "recompute", .type = OPT_ENUM, AT(recompute), .preset = "auto", .choices = "auto|none|mlp|layer",          \
     .help = "what the backward pass makes again instead of keeping it; never changes the result"},                    \
    {.key = "threads", .type = OPT_INT, AT(threads), .unset = "one a core", .min = 1, .max = RUN_THREADS_MAX,          \
     .short_flag = 't', .help = "threads; their number never changes the result"}

#define RUN_FOLDER_ROW(...)                                                                                            \
    {.key = "output_dir", .type = OPT_PATH, AT(output_dir), .required = true, .short_flag = 'o', .group = "Run",       \
     __VA_ARGS__}

/* steps: the default of save_steps. */
#define STATE_ROWS(steps)                                                                                              \
    {.key = "overwrite_output_dir", .type = OPT_BOOL, AT(overwrite_output_dir),                                        \
     .help = "start anew in a folder that holds another run"},                                                         \
    {.key = "save_steps", .type = OPT_INT, AT(save_steps), .preset = steps, .min = 1, .max = RUN_COUNT_MAX,            \
     .unit = "steps", .help = "state is saved every so often"},                                                        \
    {.key = "save_total_limit", .type = OPT_INT, AT(save_total_limit), .preset = "2", .min = 2, .max = 10000,          \
     .help = "states kept; older ones go once a newer one is verified"}
/* clang-format on */

/* What compute_dtype and base_dtype together ask of loading. */
static inline enum load_dtype run_load_dtype(int compute_dtype, int base_dtype)
{
    return (enum load_dtype)(base_dtype ? LOAD_Q8_0 + base_dtype - 1 : compute_dtype);
}

#endif
