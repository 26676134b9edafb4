#include "rl/head_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "final", or a number of layers. */
static int read_layer(const char *text, uint32_t *out, struct err *e)
{
    char *end;
    long n = strtol(text, &end, 10);
    *out = STATES_FINAL;
    if (strcmp(text, "final") == 0) return 0;
    *out = (uint32_t)n;
    if (*text >= '0' && *text <= '9' && !*end && n >= 0 && n < UINT16_MAX) return 0;
    return err_set(e, ERR_USAGE, "layers: \"%.40s\", expected a number of layers, or final", text);
}

int head_options_depths(struct states_config *out, const struct head_flags *f, uint32_t layers, struct err *e)
{
    *out = (struct states_config){0};
    if (f->layers.n > STATES_MAX_DEPTHS)
        return err_set(e, ERR_USAGE, "%zu layers, at most %d", f->layers.n, STATES_MAX_DEPTHS);
    for (size_t i = 0; i < f->layers.n; i++) {
        int r = read_layer(f->layers.items[i], &out->depth[out->n++], e);
        if (r) return r;
    }
    for (uint32_t i = 1; !f->layers.n && i <= 4; i++) {
        uint32_t depth = (layers * i + 2) / 4;
        if (depth && (!out->n || depth != out->depth[out->n - 1])) out->depth[out->n++] = depth;
    }
    if (!f->layers.n) out->depth[out->n++] = STATES_FINAL;
    return states_config_check(out, layers, e);
}

const char *head_options_layer(uint32_t depth, char room[16])
{
    snprintf(room, 16, "%u", depth);
    return depth == STATES_FINAL ? "final" : depth == HEAD_FIT_TOGETHER ? "all" : room;
}

struct head_fit_config head_options_fit(const struct head_flags *f, int64_t k)
{
    struct head_recipe r = {.hidden = (uint32_t)f->hidden,
                            .dropout = f->dropout,
                            .noise = f->noise,
                            .weight = {1, 1},
                            .learning_rate = f->rate,
                            .weight_decay = f->decay,
                            .batch = (uint32_t)f->batch,
                            .epochs = (uint32_t)f->epochs,
                            .patience = (uint32_t)f->patience,
                            .seed = f->seed + (uint64_t)k};
    return (struct head_fit_config){.recipe = r,
                                    .balance = f->balance,
                                    .together = f->together,
                                    .train = f->train_share,
                                    .valid = f->valid_share,
                                    .split_seed = f->split_seed,
                                    .resamples = (uint32_t)f->resamples,
                                    .bins = (uint32_t)f->bins,
                                    .shuffle = f->shuffle};
}

int head_options_shares(const struct head_flags *f, struct err *e)
{
    if (f->train_share + f->valid_share <= 0.999) return 0;
    return err_set(e, ERR_CFG_CONFLICT, "train_share and valid_share leave nothing for the test");
}
