/* What a run reads: sets of token shards, and packed rows from them. */
#include "train/sft_parts.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_AHEAD = 16 };

void sft_loader_config(struct loader_config *l, const struct sft_config *c, enum loader_split split)
{
    *l = (struct loader_config){
        .cutoff_len = (uint32_t)c->cutoff_len,
        .packing = c->packing,
        .seed = c->seed,
        .split = split,
        .val_size = c->eval_dataset.n ? 0 : c->val_size,
    };
    if (split == LOADER_VALIDATION) return; /* every document once, read when it is asked for */
    l->mix = (enum loader_mix)c->mix_strategy;
    l->keep = (uint32_t)c->rows_per_step;
    l->ahead = ROWS_AHEAD;
}

static int loaders_open(struct sft *s, struct err *e)
{
    struct loader_config c;
    sft_loader_config(&c, s->c, LOADER_VALIDATION);
    if (s->c->eval_dataset.n) c.split = LOADER_TRAIN; /* all of it */
    int r = s->held_out.n ? loader_open(&s->eval, s->held_out.sets, s->held_out.n, &c, e) : 0;
    if (r) return r;
    sft_loader_config(&c, s->c, LOADER_TRAIN);
    return loader_open(&s->loader, s->data.sets, s->data.n, &c, e);
}

uint64_t sft_steps(const struct sft_config *c, uint64_t rows_an_epoch)
{
    uint64_t batch = (uint64_t)c->rows_per_step;
    if (c->max_steps) return (uint64_t)c->max_steps;
    uint64_t steps = ((uint64_t)(c->num_train_epochs * (double)rows_an_epoch + 0.5) + batch - 1) / batch;
    return steps ? steps : 1;
}

int sft_rows_alloc(struct sft *s, struct err *e)
{
    s->rows = calloc((size_t)s->c->rows_per_step, sizeof *s->rows);
    s->slots = calloc(params_slots(&s->l.m->c), sizeof *s->slots);
    return s->rows && s->slots ? 0 : err_set(e, ERR_NOMEM, "no memory for the rows of a step");
}

int sft_rows_next(struct sft *s, int64_t *labels, struct err *e)
{
    *labels = 0;
    for (int64_t i = 0; i < s->c->rows_per_step; i++) {
        int r = loader_next_row(s->loader, &s->rows[i], e);
        if (r) return r;
        *labels += s->rows[i].labels;
    }
    return 0;
}

/* Of all sets: that of the one there is, or over those of all. */
static int data_digest(struct sft *s, struct err *e)
{
    char *all = malloc(s->data.n * (SHA256_HEX - 1));
    if (!all) return err_set(e, ERR_NOMEM, "no memory for the digest of the data");
    for (uint32_t i = 0; i < s->data.n; i++)
        memcpy(all + i * (SHA256_HEX - 1), shards_digest(s->data.sets[i].shards), SHA256_HEX - 1);
    int r = sha256_hex(all, s->data.n * (SHA256_HEX - 1), s->digest_data, e);
    if (s->data.n == 1) memcpy(s->digest_data, shards_digest(s->data.sets[0].shards), SHA256_HEX);
    free(all);
    return r;
}

int sft_data_open(struct sft *s, struct err *e)
{
    bool apart = s->c->mix_strategy != LOADER_CONCAT;
    int r = sft_sets_open(s, &s->c->dataset, "tokens", apart, &s->data, e);
    if (!r && s->c->eval_dataset.n)
        r = sft_sets_open(s, &s->c->eval_dataset, "tokens-eval", false, &s->held_out, e);
    else if (!r && s->c->val_size > 0)
        r = sft_sets_open_again(&s->data, &s->held_out, e); /* a thread reads from the others */
    if (!r) r = loaders_open(s, e);
    if (!r) r = data_digest(s, e);
    if (!r) r = loader_count_rows(s->loader, 0, &s->rows_an_epoch, NULL, e);
    if (r) return r;
    s->total_steps = sft_steps(s->c, s->rows_an_epoch);
    return 0;
}

void sft_data_close(struct sft *s)
{
    free(s->rows);
    free(s->slots);
    loader_close(s->eval);
    loader_close(s->loader);
    sft_sets_close(&s->held_out);
    sft_sets_close(&s->data);
}
