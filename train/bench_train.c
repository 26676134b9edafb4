#include "train/bench_train.h"

#include "infer/lora.h"
#include "infer/machine.h"
#include "infer/random_weights.h"
#include "train/blas.h"
#include "train/cost.h"
#include "train/micro.h"
#include "train/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct rig {
    struct pool *pool;
    struct model *m;
    struct adapter *adapter;
    struct lora *lora;
    struct trainee t;
    struct optim o;
    struct micro *u;
    struct random_weights weights;
    float **slots;
    uint32_t *ids;
};

double bench_train_flops(const struct model_config *m, uint32_t rank, uint32_t tokens)
{
    struct cost sum = {0};
    struct cost_model c = {m, rank, LORA_ALL, RECOMPUTE_NONE};
    cost_add(&sum, &c, tokens, 0, tokens, 1);
    return cost_total(&sum) / tokens;
}

static int adapter_make(struct rig *g, const struct bench_train_config *c, struct err *e)
{
    struct adapter_config a = {.rank = c->rank, .alpha = 2 * c->rank, .targets = LORA_ALL, .gate = GATE_ALL};
    if (!c->rank) return trainee_init_dense(&g->t, g->m, g->weights.bound, e);
    int r = adapter_create(&g->adapter, &g->m->c, &a, e);
    if (r) return r;
    adapter_init_random(g->adapter, 1);
    if ((r = lora_create(&g->lora, g->m, g->adapter, e))) return r;
    return trainee_init_adapter(&g->t, g->m, g->adapter, g->lora, e);
}

static int rig_init(struct rig *g, const struct bench_train_config *c, struct err *e)
{
    struct micro_config u = {
        .max_tokens = c->tokens, .max_docs = 1, .recompute = c->recompute, .gate = GATE_ALL};
    struct optim_config o = {
        .learning_rate = 1e-4, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .max_grad_norm = 1};
    o.schedule = SCHEDULE_CONSTANT;
    memset(g, 0, sizeof *g);
    blas_init();
    int r = pool_create(&g->pool, c->threads, e);
    if (!r) r = random_weights_make(&g->weights, &c->model, g->pool, e);
    if (!r)
        r = model_create(&g->m, &c->model, c->type, c->tokens, g->weights.bound, g->pool, cpu_detect(), e);
    if (!r) r = adapter_make(g, c, e);
    random_weights_clear(&g->weights);
    if (!r) r = optim_create(&g->o, &o, &g->t, 1, e);
    if (!r) r = micro_create(&g->u, g->m, g->adapter, g->lora, &u, e);
    g->slots = calloc(params_slots(&c->model), sizeof *g->slots);
    g->ids = calloc(c->tokens, sizeof *g->ids);
    if (!r && (!g->slots || !g->ids)) r = err_set(e, ERR_NOMEM, "no memory for a training example");
    for (uint32_t i = 0; !r && i < c->tokens; i++) g->ids[i] = i * 2654435761u % c->model.vocab;
    return r;
}

static void rig_free(struct rig *g)
{
    micro_free(g->u);
    optim_free(&g->o);
    trainee_clear(&g->t);
    lora_free(g->lora);
    adapter_free(g->adapter);
    model_free(g->m);
    pool_free(g->pool);
    random_weights_clear(&g->weights);
    free(g->slots);
    free(g->ids);
}

/* One whole step. *split: seconds without the optimiser. */
static int step(struct rig *g, uint32_t tokens, double *seconds, double *split, struct err *e)
{
    struct label_span span = {1, tokens};
    struct shard_doc d = {.ids = g->ids, .n = tokens, .spans = &span, .n_spans = 1};
    struct micro_result res;
    double start = machine_seconds(), rate, norm;
    struct grads grads = trainee_grads(&g->t, optim_leaf(&g->o), g->slots);
    int r = micro_run(g->u, &d, 1, 1.0f / (float)(tokens - 1), 0, &grads, &res, NULL, e);
    *split = machine_seconds() - start;
    optim_fold(&g->o);
    optim_sum(&g->o);
    if (!r) r = optim_step(&g->o, &rate, &norm, e);
    *seconds = machine_seconds() - start;
    return r;
}

int bench_train_run(const struct bench_train_config *c, struct bench_train_result *out, struct err *e)
{
    struct rig g;
    double sum = 0, squares = 0, passes = 0, seconds, split;
    int r = rig_init(&g, c, e);
    if (!r) r = step(&g, c->tokens, &seconds, &split, e);
    for (uint32_t i = 0; !r && i < c->steps; i++) {
        if ((r = step(&g, c->tokens, &seconds, &split, e))) break;
        double rate = c->tokens / seconds;
        sum += rate, squares += rate * rate, passes += split;
        out->step_seconds += seconds;
    }
    out->threads = g.pool ? pool_threads(g.pool) : 0;
    rig_free(&g);
    if (r) return r;
    double n = c->steps;
    out->tokens_per_second = sum / n;
    out->sd = n > 1 ? sqrt(fmax(0, (squares - sum * sum / n) / (n - 1))) : 0;
    out->flops_a_token = bench_train_flops(&c->model, c->rank, c->tokens);
    out->step_seconds /= n, out->passes_seconds = passes / n;
    out->peak_rss = machine_peak_rss();
    return 0;
}
