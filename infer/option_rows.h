/* Rows that tables of several commands have, once: what is passed is AT(field) and what the row says besides.
 *
 *     THREADS_ROW(AT(threads), .short_flag = 't', .help = "0 for one a processor"), */
#ifndef TERSE_INFER_OPTION_ROWS_H
#define TERSE_INFER_OPTION_ROWS_H

#include "infer/bench.h" /* BENCH_FORMATS */
#include "infer/option.h"
#include "infer/pool.h" /* POOL_MAX_THREADS */

/* The formatter would take the rows apart. */
/* clang-format off */
#define MODEL_ROW(...)                                                                                                 \
    {.key = "model", .alias = "model_name_or_path", .type = OPT_PATH, .preset = "checkpoints/nano", .short_flag = 'm', \
     __VA_ARGS__}
#define CONFIG_ROW(...)                                                                                                \
    {.key = "config", .type = OPT_PATH, .args_only = true,                                                             \
     .help = "YAML file with any of these keys; the command line wins over it", __VA_ARGS__}
/* A file or folder that the command is there to make. */
#define OUTPUT_ROW(...) {.key = "output", .type = OPT_PATH, .required = true, .short_flag = 'o', __VA_ARGS__}
#define FORCE_ROW(...)  {.key = "force", .type = OPT_BOOL, .help = "replace what is there", __VA_ARGS__}
#define THREADS_ROW(...)                                                                                               \
    {.key = "threads", .type = OPT_INT, .preset = "0", .min = 0, .max = POOL_MAX_THREADS, __VA_ARGS__}
#define LENGTH_ROW(...)                                                                                                \
    {.key = "n_predict", .alias = "max_new_tokens", .type = OPT_INT, .preset = "0", .min = 0, .max = 1 << 24,          \
     .unit = "tokens", .short_flag = 'n', .help = "longest answer; 0 for as much as the context holds", __VA_ARGS__}
/* Of a benchmark's rows. */
#define FORMAT_ROW(...)                                                                                                \
    {.key = "output", .type = OPT_ENUM, .choices = BENCH_FORMATS, .preset = "text", .short_flag = 'o',                 \
     .help = "a table, JSON with fixed keys, or a table in Markdown", __VA_ARGS__}
/* clang-format on */

#endif
