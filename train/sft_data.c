/* What a run reads: token shards, made when absent, and packed rows from them. */
#include "train/sft_parts.h"

#include <stdlib.h>
#include <string.h>

static void loader_config_fill(const struct sft *s, struct loader_config *c, enum loader_split split)
{
    *c = (struct loader_config){
        .cutoff_len = (uint32_t)s->c->cutoff_len,
        .packing = s->c->packing,
        .seed = s->c->seed,
        .split = split,
        .val_size = s->eval_shards ? 0 : s->c->val_size,
    };
}

static int loaders_open(struct sft *s, struct err *e)
{
    struct loader_config c;
    loader_config_fill(s, &c, LOADER_TRAIN);
    int r = loader_open(&s->loader, s->shards, &c, e);
    if (r) return r;
    if (s->eval_shards) return loader_open(&s->eval, s->eval_shards, &c, e);
    if (s->c->val_size <= 0) return 0;
    loader_config_fill(s, &c, LOADER_VALIDATION);
    return loader_open(&s->eval, s->shards, &c, e);
}

/* As many steps as the epochs take, the last one whole. */
static void steps_count(struct sft *s)
{
    double rows;
    s->rows_an_epoch = loader_rows_per_epoch(s->loader, 0);
    rows = s->c->num_train_epochs * (double)s->rows_an_epoch;
    s->total_steps = (uint64_t)s->c->max_steps;
    if (s->total_steps) return;
    uint64_t batch = (uint64_t)s->c->rows_per_step;
    s->total_steps = ((uint64_t)(rows + 0.5) + batch - 1) / batch;
    if (s->total_steps == 0) s->total_steps = 1;
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
    if (!r) steps_count(s);
    return r;
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
