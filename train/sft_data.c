/* What a run reads: token shards, made when absent, and packed rows from them. */
#include "train/sft_parts.h"

#include <stdlib.h>
#include <string.h>

void sft_loader_config(struct loader_config *l, const struct sft_config *c, enum loader_split split)
{
    *l = (struct loader_config){
        .cutoff_len = (uint32_t)c->cutoff_len,
        .packing = c->packing,
        .seed = c->seed,
        .split = split,
        .val_size = c->eval_dataset.n ? 0 : c->val_size,
    };
}

static int loaders_open(struct sft *s, struct err *e)
{
    struct loader_config c;
    sft_loader_config(&c, s->c, LOADER_TRAIN);
    int r = loader_open(&s->loader, s->shards, &c, e);
    if (r) return r;
    if (s->eval_shards) return loader_open(&s->eval, s->eval_shards, &c, e);
    if (s->c->val_size <= 0) return 0;
    sft_loader_config(&c, s->c, LOADER_VALIDATION);
    return loader_open(&s->eval, s->shards, &c, e);
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
    int64_t n = s->c->rows_per_step;
    s->rows = calloc((size_t)n, sizeof *s->rows);
    s->slots = calloc(params_slots(&s->l.m->c), sizeof *s->slots);
    for (int64_t i = 0; s->rows && i < n; i++) {
        s->rows[i].docs = calloc(s->row_docs, sizeof *s->rows[i].docs);
        s->rows[i].ids = calloc((size_t)s->c->cutoff_len, sizeof *s->rows[i].ids);
        if (!s->rows[i].docs || !s->rows[i].ids)
            return err_set(e, ERR_NOMEM, "no memory for the rows of a step");
    }
    return s->rows && s->slots ? 0 : err_set(e, ERR_NOMEM, "no memory for the rows of a step");
}

int sft_row_copy(struct sft *s, const struct packed_row *from, struct row_copy *to, struct err *e)
{
    uint32_t *ids = to->ids;
    if (from->n_docs > s->row_docs || from->tokens > s->c->cutoff_len)
        return err_set(e, ERR_INTERNAL, "a packed row of %u documents and %u tokens", from->n_docs,
                       from->tokens);
    to->n_docs = from->n_docs, to->tokens = from->tokens, to->labels = from->labels;
    for (uint32_t i = 0; i < from->n_docs; ids += from->docs[i].n, i++) {
        to->docs[i] = from->docs[i];
        to->docs[i].ids = memcpy(ids, from->docs[i].ids, from->docs[i].n * sizeof *ids);
    }
    return 0;
}

int sft_rows_next(struct sft *s, int64_t *labels, struct err *e)
{
    struct packed_row row;
    *labels = 0;
    for (int64_t i = 0; i < s->c->rows_per_step; i++) {
        int r = loader_next_row(s->loader, &row, e);
        if (!r) r = sft_row_copy(s, &row, &s->rows[i], e);
        if (r) return r;
        *labels += row.labels;
    }
    return 0;
}

int sft_data_open(struct sft *s, struct err *e)
{
    int r = sft_shards_build(s, &s->c->dataset, "tokens", &s->shards, e);
    if (!r && s->c->eval_dataset.n)
        r = sft_shards_build(s, &s->c->eval_dataset, "tokens-eval", &s->eval_shards, e);
    if (!r) r = loaders_open(s, e);
    if (r) return r;
    s->rows_an_epoch = loader_rows_per_epoch(s->loader, 0);
    s->total_steps = sft_steps(s->c, s->rows_an_epoch);
    return 0;
}

void sft_data_close(struct sft *s)
{
    for (int64_t i = 0; s->rows && i < s->c->rows_per_step; i++) {
        free(s->rows[i].docs);
        free(s->rows[i].ids);
    }
    free(s->rows);
    free(s->slots);
    loader_close(s->eval);
    loader_close(s->loader);
    shards_close(s->eval_shards);
    shards_close(s->shards);
}
