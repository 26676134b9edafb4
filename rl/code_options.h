/* Options of commands that may run code a model wrote: terse eval, and terse tables, which hands them on. */
#ifndef TERSE_RL_CODE_OPTIONS_H
#define TERSE_RL_CODE_OPTIONS_H

#include "infer/option.h"

/* A command that has CODE_ROWS has these as member `code`. */
struct code_flags {
    bool allow;
    int64_t seconds, memory;
};

/* The formatter would take the rows apart. */
/* clang-format off */
#define CODE_FLAG(config, field) .at = offsetof(struct config, code) + offsetof(struct code_flags, field)
#define CODE_ROWS(config)                                                                                              \
    {.key = "allow_code", .type = OPT_BOOL, CODE_FLAG(config, allow), .group = "Programs as answers",                  \
     .help = "run code that the model wrote, in a sandbox (bwrap): what humaneval, mbpp and livecodebench take"},      \
    {.key = "code_seconds", .type = OPT_INT, CODE_FLAG(config, seconds), .preset = "10", .min = 1, .max = 3600,        \
     .unit = "seconds", .help = "of each test"},                                                                       \
    {.key = "code_memory", .type = OPT_INT, CODE_FLAG(config, memory), .preset = "1024", .min = 64, .max = 1 << 20,    \
     .unit = "MiB", .help = "of each process of a test"}
/* clang-format on */

/* Whether one of the benchmarks, which are known, has programs for answers. */
bool code_options_asked(const struct string_list *names);
/* USAGE, saying what it does, where one has and it is not allowed. */
int code_options_check(const struct code_flags *f, const struct string_list *names, struct err *e);

#endif
