#include "infer/bench_cost.h"

static void add_weight(struct bench_cost *c, const struct model *m, const struct weight *w, double rows)
{
    double flops = 2.0 * rows * (double)w->n * (double)w->k;
    if (m->act8 && weight_quantised(w->type))
        c->flops8 += flops;
    else
        c->flops += flops;
    c->bytes += (double)weight_size(w->type, w->n, w->k);
}

/* The products of all layers for `rows` tokens. */
static void add_layers(struct bench_cost *c, const struct model *m, const struct lora *lora, double rows)
{
    for (uint32_t layer = 0; layer < m->c.layers; layer++)
        for (int t = 0; t < LORA_TARGETS; t++) {
            add_weight(c, m, model_mat(m, lora_param[t], layer), rows);
            if (!lora || !(lora->targets >> t & 1)) continue;
            add_weight(c, m, lora_a(lora, layer, (enum lora_target)t), rows);
            add_weight(c, m, lora_b(lora, layer, (enum lora_target)t), rows);
        }
}

/* Scores and weighted sums over `keys` keys, all rows together. */
static void add_attention(struct bench_cost *c, const struct model *m, double keys)
{
    c->flops += 4.0 * m->c.layers * m->c.heads * m->c.head_dim * keys;
}

static double position_bytes(const struct model *m, enum kv_type kv)
{
    return (double)kv_page_bytes(m, kv) / KV_PAGE;
}

void bench_cost_prompt(struct bench_cost *c, const struct model *m, const struct lora *lora, enum kv_type kv,
                       uint32_t pos, uint32_t rows, bool logits)
{
    add_layers(c, m, lora, rows);
    if (logits) add_weight(c, m, model_head(m), 1);
    add_attention(c, m, rows * (pos + (rows + 1) / 2.0));
    c->bytes += (pos + rows) * position_bytes(m, kv);
}

void bench_cost_step(struct bench_cost *c, const struct model *m, const struct lora *lora, enum kv_type kv,
                     uint32_t streams, uint32_t shared, uint32_t pos)
{
    double common = streams > 1 ? shared / KV_PAGE * KV_PAGE : 0, keys = pos + 1;
    add_layers(c, m, lora, streams);
    add_weight(c, m, model_head(m), streams);
    add_attention(c, m, streams * keys);
    c->bytes += (common + streams * (keys - common)) * position_bytes(m, kv);
}

double bench_cost_peak(const struct model *m, const struct machine_limits *l)
{
    return m->type == WT_BF16 && l->dot > 0 ? l->dot : l->fma;
}

double bench_cost_seconds(const struct bench_cost *c, const struct model *m, const struct machine_limits *l,
                          int *compute)
{
    double peak = bench_cost_peak(m, l), peak8 = l->dot8 > 0 ? l->dot8 : peak;
    double arithmetic = 1e-9 * (c->flops / peak + c->flops8 / peak8), memory = 1e-9 * c->bytes / l->read;
    if (compute) *compute = arithmetic > memory;
    return arithmetic > memory ? arithmetic : memory;
}

uint64_t bench_weight_bytes(const struct model *m)
{
    uint64_t bytes = 0, rows, cols;
    uint32_t layer;
    for (uint32_t s = 0; s < params_slots(&m->c); s++) {
        const struct weight *w = &m->mat[s];
        params_shape(&m->c, params_of_slot(&m->c, s, &layer), &rows, &cols);
        if (w->panels) bytes += weight_size(w->type, w->n, w->k);
        if (m->vec[s]) bytes += rows * sizeof(float);
    }
    return bytes;
}
