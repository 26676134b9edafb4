/* The loop: rows, gradients, the step, and what is told and saved on the way. */
#include "train/sft_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct micro_result add(struct micro_result a, struct micro_result b)
{
    return (struct micro_result){a.nats + b.nats, a.labels + b.labels, a.tokens + b.tokens, a.taped + b.taped,
                                 a.based + b.based};
}

/* A row forward (and backward, with grads), a few documents at a time when it holds many. */
static int row_run(struct sft *s, const struct packed_row *row, float scale, uint64_t key,
                   const struct grads *grads, struct micro_result *sum, struct err *e)
{
    for (uint32_t i = 0; i < row->n_docs; i += s->micro_docs) {
        uint32_t n = row->n_docs - i < s->micro_docs ? row->n_docs - i : s->micro_docs;
        struct micro_result r;
        int code = micro_run(s->micro, row->docs + i, n, scale, key, grads, &r, NULL, e);
        if (code) return code;
        *sum = add(*sum, r);
    }
    return 0;
}

/* Gradient of the mean loss over all labels of the step's rows, in the optimiser's leaf. */
static int step_gradient(struct sft *s, int64_t labels, struct micro_result *sum, struct err *e)
{
    uint64_t key = s->c->seed + (uint64_t)s->step * 0xd1342543de82ef95u;
    *sum = (struct micro_result){0};
    for (int64_t i = 0; i < s->c->rows_per_step; i++) {
        struct grads g = trainee_grads(&s->trainee, optim_leaf(&s->optim), s->slots);
        int r = row_run(s, &s->rows[i], 1.0f / (float)labels, key, &g, sum, e);
        if (r) return r;
        optim_fold(&s->optim);
    }
    optim_sum(&s->optim);
    return 0;
}

int sft_evaluate(struct sft *s, double *loss, struct err *e)
{
    struct loader_pos start = {0};
    struct micro_result sum = {0};
    struct packed_row row;
    *loss = NAN;
    if (!s->eval) return 0;
    int r = loader_seek(s->eval, &start, e);
    do {
        if (!r) r = loader_next_row(s->eval, &row, e);
        if (!r) r = row_run(s, &row, 0, 0, NULL, &sum, e);
        if (r) return r;
    } while (!row.last);
    *loss = sum.nats / (double)sum.labels;
    return 0;
}

/* 1 when the state after `step` steps is due for something done every `every` steps; 0: at the end only. */
static int due(const struct sft *s, int64_t every)
{
    return (uint64_t)s->step == s->total_steps || (every > 0 && s->step % every == 0);
}

/* Passes over each set of a mixture, behind the n metrics that are there; as many as there is room for. */
static size_t set_metrics(const struct sft *s, struct metric m[METRICS_MAX], size_t n,
                          char keys[METRICS_MAX][64])
{
    for (uint32_t i = 0; s->c->mix_strategy != LOADER_CONCAT && i < s->data.n && n < METRICS_MAX; i++) {
        snprintf(keys[n], sizeof keys[n], "epoch/%s", s->data.names[i]);
        m[n] = (struct metric){keys[n], loader_passes(s->loader, i)};
        n++;
    }
    return n;
}

static int log_step(struct sft *s, const struct sft_step *t, struct err *e)
{
    s->loss_sum += t->loss, s->loss_steps++;
    if (!due(s, s->c->logging_steps) && isnan(t->eval_loss)) return 0;
    char keys[METRICS_MAX][64];
    struct metric m[METRICS_MAX] = {
        {"total_steps", (double)t->total},
        {"epoch", t->epoch},
        {"loss", s->loss_sum / (double)s->loss_steps},
        {"grad_norm", t->grad_norm},
        {"learning_rate", t->rate},
        {"throughput", t->tokens_per_second},
        {"total_tokens", (double)t->tokens},
        {"elapsed_time", t->seconds},
        {"remaining_time", t->seconds / (double)t->step * (double)(t->total - t->step)},
        {"eval_loss", t->eval_loss},
    };
    const size_t n = set_metrics(s, m, isnan(t->eval_loss) ? 9 : 10, keys);
    s->loss_sum = 0, s->loss_steps = 0;
    return metrics_write(&s->metrics, t->step, m, n, e);
}

static int one_step(struct sft *s, struct sft_step *t, struct err *e)
{
    double start = progress_clock(), before = s->seconds;
    struct micro_result sum;
    struct loader_pos pos;
    int64_t labels;
    int r = sft_rows_next(s, &labels, e);
    if (!r) r = step_gradient(s, labels, &sum, e);
    if (!r) r = optim_step(&s->optim, &t->rate, &t->grad_norm, e);
    if (r) return r;
    loader_tell(s->loader, &pos);
    s->cursor[0] = (int64_t)pos.epoch, s->cursor[1] = (int64_t)pos.window, s->cursor[2] = (int64_t)pos.row;
    s->step++, s->tokens += sum.tokens;
    s->seconds += progress_clock() - start;
    t->step = (uint64_t)s->step, t->total = s->total_steps, t->loss = sum.nats / (double)sum.labels;
    t->epoch = (double)(s->step * s->c->rows_per_step) / (double)s->rows_an_epoch;
    t->tokens_per_second = (double)sum.tokens / (s->seconds - before), t->tokens = (uint64_t)s->tokens;
    t->seconds = s->seconds, t->eval_loss = NAN;
    return 0;
}

static int save_if_due(struct sft *s, int stopping, struct err *e)
{
    if (!stopping && !due(s, s->c->save_steps)) return 0;
    int r = metrics_sync(&s->metrics, e);
    return r ? r : sft_state_save(s, e);
}

int sft_train(struct sft *s, struct err *e)
{
    struct sft_step t;
    int r = metrics_open(&s->metrics, s->c->output_dir, (uint64_t)s->step, s->c->report_jsonl,
                         s->c->report_tensorboard, e);
    if (!r && s->metrics.said[0]) sft_note(s, "%s", s->metrics.said);
    while (!r && (uint64_t)s->step < s->total_steps) {
        int stopping = 0;
        r = one_step(s, &t, e);
        if (!r && s->eval && due(s, s->c->eval_steps)) r = sft_evaluate(s, &t.eval_loss, e);
        if (!r) r = log_step(s, &t, e);
        if (!r && s->ev->step) s->ev->step(s->ev->ctx, &t);
        if (!r && s->ev->interrupted) stopping = s->ev->interrupted(s->ev->ctx);
        if (!r) r = save_if_due(s, stopping, e);
        if (!r && stopping && (uint64_t)s->step < s->total_steps)
            r = err_set(e, ERR_INTERRUPTED,
                        "stopped after step %lld of %llu; the state is saved: run the same "
                        "command to go on",
                        (long long)s->step, (unsigned long long)s->total_steps);
    }
    metrics_close(&s->metrics);
    return r;
}
