#include "rl/bench_ppo.h"
#include "infer/bench_cost.h"
#include "infer/bench_infer.h"
#include "infer/bench_model.h"
#include "infer/rng.h"
#include "rl/ppo_parts.h"
#include "train/blas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum row { PREFILL, DECODE, REWARD, LOOK, REFERENCE, POLICY, SFT, INFER };
static const char *const names[BENCH_PPO_ROWS] = {"prefill",   "decode", "reward", "look",
                                                  "reference", "policy", "sft",    "infer"};

enum { HEADER = 3, TOKEN_BYTES = 4, LIMIT_BYTES = 192 << 20 };
#define LIMIT_SECONDS 0.2

struct rig {
    const struct bench_ppo_config *c;
    struct ppo_config config;
    struct options options;
    struct ppo *p;
    double seconds[BENCH_PPO_ROWS]; /* of all measured iterations */
    struct machine_limits limits;   /* their sum */
    uint32_t probes;
};

static uint32_t streams_of(const struct bench_ppo_config *c)
{
    return c->streams < c->prompts * c->group ? c->streams : c->prompts * c->group;
}

/* ---- a run without files ------------------------------------------------------------------------------- */

static int config_fill(struct rig *g, struct err *e)
{
    const struct bench_ppo_config *c = g->c;
    struct ppo_config *o = &g->config;
    int r = ppo_options_init(&g->options, o, e);
    if (r) return r;
    o->prompts_per_step = c->prompts, o->num_generations = c->group, o->response_length = c->response;
    o->streams = c->streams, o->row_tokens = c->row_tokens, o->total_steps = 1 << 20;
    o->num_ppo_epochs = c->epochs, o->num_mini_batches = c->batches;
    o->cliprange_high = o->cliprange, o->critic_learning_rate = 10 * o->learning_rate;
    o->budget[0] = c->response, o->n_budgets = 1, o->save_seconds = 0;
    r = reward_parse(&o->reward, "correct", e);
    if (!r) r = reward_parse(&o->reward, "additive", e);
    o->reward.lambda = 0.5, o->reward.truncated = TRUNCATED_KEEP;
    return r;
}

/* The problem that all prompts are. */
static int problem_make(struct problems *p, struct err *e)
{
    *p = (struct problems){.at = calloc(1, sizeof *p->at), .n = 1, .capacity = 1};
    if (p->at) p->at->reference = strdup("72");
    return p->at && p->at->reference ? 0 : err_set(e, ERR_NOMEM, "no memory for a problem");
}

static int rig_open(struct rig *g, struct err *e)
{
    static const struct ppo_events silent = {0};
    const struct bench_ppo_config *c = g->c;
    struct load_options o = {.dtype = c->dtype, .threads = c->threads, .context = c->prompt + c->response};
    blas_init();
    int r = config_fill(g, e);
    if (r) return r;
    struct ppo *p = g->p = calloc(1, sizeof *p);
    if (!p) return err_set(e, ERR_NOMEM, "no memory for a run");
    p->c = &g->config, p->o = &g->options, p->ev = &silent;
    r = bench_model_of(&p->l, &c->model, &o, e);
    if (!r) r = bench_adapter_random(&p->l, c->rank, e);
    if (r) return r;
    p->l.adapter->cfg.gate = GATE_ASSISTANT;
    r = lora_create(&p->reference, p->l.m, p->l.adapter, e);
    if (!r) r = trainee_init_adapter(&p->trainee, p->l.m, p->l.adapter, p->l.lora, e);
    if (!r) r = problem_make(&p->problems, e);
    return r ? r : ppo_engine_open(p, c->prompt, e);
}

/* ---- what an iteration does ---------------------------------------------------------------------------- */

/* Random prompts, no two alike; the adapter acts from the assistant's header on. */
static int prompts_ask(struct rig *g, struct err *e)
{
    struct ppo *p = g->p;
    uint32_t n = g->c->prompt;
    for (uint32_t i = 0; i < g->c->prompts; i++) {
        struct prompt q = {.ids = malloc(n * sizeof *q.ids), .n = n, .adapt_from = n - HEADER};
        uint64_t serial = (uint64_t)p->step * g->c->prompts + i;
        if (!q.ids) return err_set(e, ERR_NOMEM, "no memory for a prompt");
        for (uint32_t k = 0; k < n; k++) q.ids[k] = (int32_t)(rng_u32(1, serial, k) % p->l.m->c.vocab);
        prompt_clear(&p->rollout.prompt[i]);
        rollout_ask(&p->rollout, i, &q, p->problems.at, g->c->response, serial);
    }
    return 0;
}

/* Sentences in place of the answer's tokens, which are noise. */
static char *text_make(const struct sample *s, size_t i)
{
    size_t room = (size_t)s->n_answer * TOKEN_BYTES + 64, n = 0;
    char *text = malloc(room);
    while (text && n + 160 < room)
        n += (size_t)snprintf(
            text + n, room - n,
            "She sells %zu clips in May, half as many as in April: \\(%zu \\times 2 = %zu\\).\n", i, i,
            2 * i);
    if (text) snprintf(text + n, room - n, "So she pays \\boxed{%zu} dollars.", i % 2 ? 72 : i);
    return text;
}

static int answers_grade(struct rig *g, double *seconds, struct err *e)
{
    struct rollout *r = &g->p->rollout;
    for (size_t i = 0; i < g->p->n; i++) {
        struct sample *s = &r->sample[i];
        s->n_answer = r->answered[i];
        free(s->text);
        char *text = text_make(s, i);
        s->text = NULL;
        if (!text) return err_set(e, ERR_NOMEM, "no memory for a text");
        double start = machine_seconds();
        rollout_judge(r, i, text, strlen(text), 0);
        *seconds += machine_seconds() - start;
    }
    return 0;
}

static int sampled(struct rig *g, double *s, struct err *e)
{
    struct ppo *p = g->p;
    rollout_forget(&p->rollout);
    int r = session_set_lora(p->session, p->l.lora, e);
    if (!r) r = prompts_ask(g, e);
    if (!r) r = rollout_answer(&p->rollout, NULL, NULL, e);
    s[PREFILL] += p->rollout.stats.prefill_seconds, s[DECODE] += p->rollout.stats.decode_seconds;
    return r ? r : answers_grade(g, &s[REWARD], e);
}

/* A mini-batch once more, for the likelihood of its answers. */
static int batch_sft(struct ppo *p, const uint32_t *order, size_t n, struct err *e)
{
    struct micro_result result;
    double rate, norm;
    for (size_t i = 0, docs; i < n; i += docs) {
        struct grads grads = trainee_grads(&p->trainee, optim_leaf(&p->optim), p->slots);
        docs = ppo_row_fill(p, order + i, n - i);
        int r = micro_run(p->micro, p->docs, (uint32_t)docs, 1e-4f, 0, &grads, &result, NULL, e);
        if (r) return r;
        optim_fold(&p->optim);
    }
    optim_sum(&p->optim);
    return optim_step(&p->optim, &rate, &norm, e);
}

/* Half of what is to be compared with the policy's steps: one half comes before them and one after, since the
 * machine is not the same all the time. */
static int likened(struct rig *g, double *s, struct err *e)
{
    struct ppo *p = g->p;
    size_t batches = g->c->batches;
    double start = machine_seconds();
    for (size_t k = 0; k < batches * g->c->epochs; k++) {
        size_t b = k % batches, from = p->n * b / batches, to = p->n * (b + 1) / batches;
        int r = batch_sft(p, p->order + from, to - from, e);
        if (r) return r;
    }
    s[SFT] += (machine_seconds() - start) / 2;
    return 0;
}

static int looked(struct rig *g, double *s, struct err *e)
{
    struct ppo *p = g->p;
    struct ppo_step t = {0};
    double start = machine_seconds();
    int r = ppo_look(p, &t, e);
    double end = machine_seconds();
    if (!r) r = ppo_judge(p, &t, e);
    s[LOOK] += end - start - t.reference_seconds, s[REFERENCE] += t.reference_seconds;
    s[REWARD] += machine_seconds() - end;
    return r;
}

static int learned(struct rig *g, double *s, struct err *e)
{
    struct ppo_step t = {0};
    g->p->place[0] = PHASE_ANSWERS, g->p->place[1] = 0;
    double start = machine_seconds();
    int r = ppo_learn(g->p, &t, e);
    s[POLICY] += machine_seconds() - start;
    return r;
}

static void hear_row(void *ctx, const struct bench_row *row)
{
    struct bench_row *last = ctx;
    *last = *row; /* without the adapter, then with it */
}

/* In a session of its own, as bench infer has it; half of what counts, as above. */
static int inferred(struct rig *g, double *s, struct err *e)
{
    const struct bench_ppo_config *c = g->c;
    struct bench_infer_config b = {
        .m = g->p->l.m,
        .lora = g->p->l.lora,
        .cpu_flags = cpu_detect(),
        .tokens = c->response,
        .depth = c->prompt,
        .streams = {streams_of(c)},
        .counts = 1,
        .repetitions = 1,
    };
    struct bench_infer_result result;
    struct bench_row row = {0};
    int r = bench_infer_run(&b, &result, hear_row, &row, e);
    if (!r) s[INFER] += row.ns * 1e-9 * c->response / 2;
    return r;
}

static int iteration(struct rig *g, double *s, struct err *e)
{
    int r = inferred(g, s, e);
    if (!r) r = sampled(g, s, e);
    if (!r) r = inferred(g, s, e);
    if (!r) r = looked(g, s, e);
    if (!r) r = likened(g, s, e);
    if (!r) r = learned(g, s, e);
    if (!r) r = likened(g, s, e);
    g->p->step++;
    return r;
}

/* Means, as the rows are. */
static void probe(struct rig *g)
{
    const struct model *m = g->p->l.m;
    size_t bytes = m->arena.size < LIMIT_BYTES ? m->arena.size : LIMIT_BYTES;
    g->limits.fma += machine_fma(m->pool, cpu_detect(), LIMIT_SECONDS).mean;
    g->limits.dot += machine_dot(m->pool, cpu_detect(), LIMIT_SECONDS).mean;
    g->limits.read += machine_read(m->pool, m->arena.base, bytes, LIMIT_SECONDS).mean;
    g->probes++;
}

/* ---- what it takes at least ---------------------------------------------------------------------------- */

/* One answer's pass: how many times each kind of product. */
struct times {
    double linear, adapter, attention, head;
};

static void answer_cost(const struct rig *g, const struct times *by, struct bench_cost *sum)
{
    const struct model *m = g->p->l.m;
    uint32_t from = g->c->prompt - HEADER, rows = g->c->response + HEADER;
    struct bench_cost base = {0}, all = {0};
    bench_cost_prompt(&base, m, NULL, KV_MODEL, from, rows, false);
    bench_cost_prompt(&all, m, g->p->l.lora, KV_MODEL, from, rows, false);
    double attention = 4.0 * m->c.layers * m->c.heads * m->c.head_dim * rows * (from + (rows + 1) / 2.0);
    double head = 2.0 * m->c.vocab * m->c.width * g->c->response;
    double flops = (base.flops - attention) * by->linear + (all.flops - base.flops) * by->adapter +
                   attention * by->attention + head * by->head;
    sum->flops += flops * (double)g->p->n;
}

static struct bench_cost row_cost(const struct rig *g, enum row row)
{
    static const struct times forward = {1, 1, 1, 1}, both = {2, 3, 3.5, 2};
    const struct bench_ppo_config *c = g->c;
    const struct model *m = g->p->l.m;
    struct bench_cost cost = {0};
    uint32_t streams = streams_of(c);
    if (row == PREFILL || row == LOOK)
        for (uint32_t i = 0; i < c->prompts; i++)
            bench_cost_prompt(&cost, m, NULL, KV_MODEL, 0, c->prompt - HEADER, row == PREFILL);
    if (row == DECODE || row == INFER)
        for (uint32_t k = row == DECODE; k < c->response; k++)
            bench_cost_step(&cost, m, g->p->l.lora, KV_MODEL, streams, c->prompt, c->prompt + k);
    if (row == DECODE) {
        double waves = (double)g->p->n / streams;
        cost.flops *= waves, cost.bytes *= waves;
    }
    if (row == LOOK || row == REFERENCE) answer_cost(g, &forward, &cost);
    if (row == POLICY || row == SFT) {
        answer_cost(g, &both, &cost);
        cost.flops *= c->epochs;
    }
    return cost;
}

static double row_tokens(const struct rig *g, enum row row)
{
    const struct bench_ppo_config *c = g->c;
    double n = (double)g->p->n, r = c->response;
    switch (row) {
    case PREFILL:
        return (double)c->prompts * c->prompt;
    case DECODE:
        return n * (r - 1); /* the first follows from the prompt's pass */
    case INFER:
        return streams_of(c) * r;
    case POLICY:
    case SFT:
        return n * r * c->epochs;
    default:
        return n * r;
    }
}

static void row_fill(const struct rig *g, enum row row, struct bench_ppo_result *out)
{
    const struct model *m = g->p->l.m;
    struct bench_cost cost = row_cost(g, row);
    struct bench_row *to = &out->row[row];
    double seconds = g->seconds[row];
    int compute;
    *to = (struct bench_row){.test = names[row], .dtype = bench_type_name(m), .isa = m->kern.name};
    to->threads = pool_threads(m->pool), to->lora = g->c->rank, to->peak_rss = machine_peak_rss();
    to->streams = row == DECODE || row == INFER ? streams_of(g->c) : 1;
    to->ns = seconds * 1e9, to->tok_s = row_tokens(g, row) / seconds;
    to->gflop_s = 1e-9 * cost.flops / seconds, to->gb_s = 1e-9 * cost.bytes / seconds;
    if (cost.flops <= 0) return;
    to->share = bench_cost_seconds(&cost, m, &out->limits, &compute) / seconds;
    to->limit = compute ? LIMIT_COMPUTE : LIMIT_BANDWIDTH;
}

/* ---- all of it ----------------------------------------------------------------------------------------- */

static void result_fill(struct rig *g, struct bench_ppo_result *out)
{
    double by = 1.0 / g->c->iterations;
    out->limits.fma = g->limits.fma / g->probes, out->limits.dot = g->limits.dot / g->probes;
    out->limits.read = g->limits.read / g->probes;
    for (int i = 0; i < BENCH_PPO_ROWS; i++) g->seconds[i] *= by;
    for (int i = 0; i < BENCH_PPO_ROWS; i++) row_fill(g, (enum row)i, out);
    for (int i = 0; i < BENCH_PPO_OWN; i++) out->seconds += g->seconds[i];
    out->rollout_ratio = out->row[DECODE].tok_s / out->row[INFER].tok_s;
    out->policy_ratio = g->seconds[POLICY] / g->seconds[SFT];
    out->answer_tokens = (uint64_t)g->p->n * g->c->response;
}

int bench_ppo_run(const struct bench_ppo_config *c, struct bench_ppo_result *out, struct err *e)
{
    struct rig g = {.c = c};
    double warm[BENCH_PPO_ROWS] = {0};
    *out = (struct bench_ppo_result){0};
    int r = rig_open(&g, e);
    if (!r) r = iteration(&g, warm, e);
    if (!r) probe(&g);
    for (uint32_t i = 0; i < c->iterations && !r; i++) {
        r = iteration(&g, g.seconds, e);
        if (!r) probe(&g);
    }
    if (!r) result_fill(&g, out);
    ppo_close(g.p);
    options_free(&g.options);
    grade_thread_end();
    return r;
}
