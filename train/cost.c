#include "train/cost.h"

/* Of one token in all layers: the base's products, and the adapter's on some of its targets. */
static double base_products(const struct cost_model *c)
{
    double sum = 0;
    for (int t = 0; t < LORA_TARGETS; t++) {
        uint64_t in, out;
        adapter_shape(c->m, (enum lora_target)t, &in, &out);
        sum += 2.0 * (double)in * (double)out;
    }
    return c->m->layers * sum;
}

static double adapter_products(const struct cost_model *c, uint32_t targets)
{
    double sum = 0;
    for (int t = 0; t < LORA_TARGETS; t++) {
        uint64_t in, out;
        if (!(c->targets & targets & (1u << t))) continue;
        adapter_shape(c->m, (enum lora_target)t, &in, &out);
        sum += 2.0 * c->rank * (double)(in + out);
    }
    return c->m->layers * sum;
}

static double mlp_products(const struct cost_model *c)
{
    enum { MLP = 1 << LORA_GATE | 1 << LORA_UP | 1 << LORA_DOWN };
    return 6.0 * c->m->layers * c->m->ff * c->m->width + adapter_products(c, MLP);
}

/* One product of attention in all layers: queries of tokens [from, to) with the keys up to their own. */
static double attention_product(const struct cost_model *c, double from, double to)
{
    double rows = to - from;
    return 2.0 * c->m->layers * c->m->heads * c->m->head_dim * rows * (from + (rows + 1) / 2);
}

void cost_add(struct cost *sum, const struct cost_model *c, double n, double from, double labels,
              double times)
{
    double rows = n - from, base = base_products(c), adapter = adapter_products(c, LORA_ALL);
    double head = 2.0 * c->m->vocab * c->m->width * labels;
    double seen = attention_product(c, from, n), own = attention_product(c, 0, rows);
    double forward = rows * (base + adapter) + 2 * seen;
    double repeated = (c->m->layers - 1.0) / c->m->layers; /* the last layer is still there */
    sum->prompt += times * (from * base + 2 * attention_product(c, 0, from));
    sum->forward += times * forward;
    sum->head += times * head;
    if (c->recompute == RECOMPUTE_LAYER) sum->again += times * repeated * forward;
    if (c->recompute == RECOMPUTE_MLP) sum->again += times * repeated * rows * mlp_products(c);
    /* scores again, probabilities' gradient, queries' of all keys; keys' and values' of taped ones only */
    sum->backward += times * (rows * (base + adapter) + 3 * seen + 2 * own + head);
    sum->weights += times * (c->rank ? rows * adapter : rows * base + head);
}

double cost_total(const struct cost *c)
{
    return c->prompt + c->forward + c->head + c->again + c->backward + c->weights;
}
