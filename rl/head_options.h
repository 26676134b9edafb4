/* The options that the commands share which train heads (switcher, verifier): their rows, once. */
#ifndef TERSE_RL_HEAD_OPTIONS_H
#define TERSE_RL_HEAD_OPTIONS_H

#include "infer/option.h"
#include "infer/states.h"
#include "train/head_fit.h"

enum { HEAD_SEEDS_MAX = 100 };

/* A command's config has these as member `head`. */
struct head_flags {
    struct string_list layers;
    int64_t hidden, batch, epochs, patience, seeds, resamples, bins;
    double dropout, noise, rate, decay, train_share, valid_share;
    bool balance, together, shuffle;
    uint64_t seed, split_seed;
};

/* The formatter would take the rows apart. */
/* clang-format off */
#define HEAD_FLAG(config, field) .at = offsetof(struct config, head) + offsetof(struct head_flags, field)
/* The parts that problems go to. */
#define HEAD_SPLIT_ROWS(config, problems, rest)                                                                        \
    {.key = "train_share", .type = OPT_FLOAT, HEAD_FLAG(config, train_share), .preset = "0.7", .min = 0, .max = 1,     \
     .open = OPT_OPEN_MIN | OPT_OPEN_MAX, .help = "of the " problems "; what it and valid_share leave is the test" rest}, \
    {.key = "valid_share", .type = OPT_FLOAT, HEAD_FLAG(config, valid_share), .preset = "0.15", .min = 0, .max = 1,    \
     .open = OPT_OPEN_MIN | OPT_OPEN_MAX, .help = "for the choice of layer, epoch, temperature and threshold"},        \
    {.key = "split_seed", .type = OPT_UINT64, HEAD_FLAG(config, split_seed), .preset = "0",                            \
     .help = "which " problems " go where"}

/* Where states are taken; begins the group. */
#define HEAD_LAYERS_ROW(config, rows)                                                                                  \
    {.key = "layers", .type = OPT_STRINGS, HEAD_FLAG(config, layers), .unset = "each fourth of the model, and final",  \
     .group = "Head", .help = "1,2,final: where states are taken, after so many layers; one is chosen on validation " rows}

/* What is learned, how, and how it is judged. rows: "prompts"; units, drop, sigma, even: presets. */
#define HEAD_FIT_ROWS(config, rows, units, drop, sigma, even)                                                                \
    {.key = "together", .type = OPT_BOOL, HEAD_FLAG(config, together),                                                 \
     .help = "try all these layers side by side too"},                                                                 \
    {.key = "hidden", .type = OPT_INT, HEAD_FLAG(config, hidden), .preset = units, .min = 0, .max = HEAD_MAX_HIDDEN,   \
     .unit = "units", .help = "0 for a linear head"},                                                                  \
    {.key = "dropout", .type = OPT_FLOAT, HEAD_FLAG(config, dropout), .preset = drop, .min = 0, .max = 1,              \
     .open = OPT_OPEN_MAX, .help = "of hidden units"},                                                                 \
    {.key = "noise", .type = OPT_FLOAT, HEAD_FLAG(config, noise), .preset = sigma, .min = 0, .max = 100,               \
     .help = "sigma of what is added to standardised states"},                                                         \
    {.key = "balance", .type = OPT_BOOL, HEAD_FLAG(config, balance), .preset = even,                                 \
     .help = "let either label count half"},                                                                           \
    {.key = "learning_rate", .type = OPT_FLOAT, HEAD_FLAG(config, rate), .preset = "3e-3", .min = 0, .max = 10,        \
     .open = OPT_OPEN_MIN, .group = "Training", .help = "of AdamW"},                                                   \
    {.key = "weight_decay", .type = OPT_FLOAT, HEAD_FLAG(config, decay), .preset = "0.01", .min = 0, .max = 10,        \
     .help = "of weights, not of biases"},                                                                             \
    {.key = "batch", .type = OPT_INT, HEAD_FLAG(config, batch), .preset = "64", .min = 1, .max = 1 << 20,              \
     .unit = rows, .help = "a step"},                                                                                  \
    {.key = "epochs", .type = OPT_INT, HEAD_FLAG(config, epochs), .preset = "60", .min = 1, .max = 100000,             \
     .help = "at most"},                                                                                               \
    {.key = "patience", .type = OPT_INT, HEAD_FLAG(config, patience), .preset = "10", .min = 0, .max = 100000,         \
     .unit = "epochs", .help = "stop after so many without a better validation loss; 0 for never"},                    \
    {.key = "seeds", .type = OPT_INT, HEAD_FLAG(config, seeds), .preset = "3", .min = 1, .max = HEAD_SEEDS_MAX,        \
     .help = "heads to train, each with a seed of its own"},                                                           \
    {.key = "seed", .type = OPT_UINT64, HEAD_FLAG(config, seed), .preset = "0", .help = "the first of them"},          \
    {.key = "resamples", .type = OPT_INT, HEAD_FLAG(config, resamples), .preset = "2000", .min = 100,                  \
     .max = 1000000, .group = "Report", .help = "bootstrap samples behind the intervals"},                             \
    {.key = "bins", .type = OPT_INT, HEAD_FLAG(config, bins), .preset = "10", .min = 1, .max = SCORE_BINS_MAX,         \
     .help = "of the calibration error"},                                                                              \
    {.key = "shuffle_labels", .type = OPT_BOOL, HEAD_FLAG(config, shuffle),                                            \
     .help = "a control: labels are dealt out anew for each seed, and any AUC but 1/2 shows a leak"}
/* clang-format on */

/* Their keys, all but `layers`: none changes the features that a head is trained on. */
#define HEAD_KEYS                                                                                            \
    "train_share", "valid_share", "split_seed", "together", "hidden", "dropout", "noise", "balance",         \
        "learning_rate", "weight_decay", "batch", "epochs", "patience", "seeds", "seed", "resamples",        \
        "bins", "shuffle_labels"

/* The depths that are named, or else each fourth of `layers` and final. Errors: USAGE, those of
 * states_config_check. */
int head_options_depths(struct states_config *out, const struct head_flags *f, uint32_t layers,
                        struct err *e);
/* "7", "final", "all"; returns room, or static text. */
const char *head_options_layer(uint32_t depth, char room[16]);
/* The fit of the k-th seed. */
struct head_fit_config head_options_fit(const struct head_flags *f, int64_t k);
/* CFG_CONFLICT when nothing is left for the test. */
int head_options_shares(const struct head_flags *f, struct err *e);

#endif
