#include "tests/support/double_model.h"
#include "infer/forward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void double_rmsnorm(uint64_t d, double eps, const double *x, const double *w, double *y)
{
    double s = 0;
    for (uint64_t i = 0; i < d; i++) s += x[i] * x[i];
    for (uint64_t i = 0; i < d; i++) y[i] = x[i] / sqrt(s / (double)d + eps) * w[i];
}

void double_rope(uint32_t k, uint32_t heads, double theta, uint32_t pos, double *x)
{
    for (uint32_t i = 0; i < k / 2; i++) {
        float frequency = (float)pow(theta, -2.0 * i / k),
              turn = (float)pos * frequency; /* as transformers has it */
        double c = cos((double)turn), s = sin((double)turn);
        for (uint32_t at = i; at < heads * k; at += k) {
            double a = x[at], b = x[at + k / 2];
            x[at] = a * c - b * s;
            x[at + k / 2] = b * c + a * s;
        }
    }
}

double double_silu_mul(double g, double u)
{
    return g / (1 + exp(-g)) * u;
}

void double_product(uint64_t n, uint64_t k, const double *w, const double *x, double *y)
{
    for (uint64_t i = 0; i < n; i++, w += k) {
        double s[4] = {0}; /* four sums: one alone waits for its own last addition */
        uint64_t j = 0;
        for (; j + 4 <= k; j += 4)
            for (int l = 0; l < 4; l++) s[l] += w[j + l] * x[j + l];
        for (; j < k; j++) s[0] += w[j] * x[j];
        y[i] = s[0] + s[1] + (s[2] + s[3]);
    }
}

void double_attention(const struct model_config *c, uint32_t first, uint32_t n, const double *q,
                      const double *k, const double *v, double *o)
{
    uint32_t dim = c->head_dim, group = c->heads / c->kv_heads;
    double *p = malloc(n * sizeof *p);
    for (uint32_t t = first; t < n; t++)
        for (uint32_t h = 0; h < c->heads; h++) {
            const double *qi = q + (t * c->heads + h) * dim;
            double *oi = o + (t * c->heads + h) * dim, sum = 0, top = -INFINITY;
            for (uint32_t s = 0; s <= t; s++) {
                double_product(1, dim, k + (s * c->kv_heads + h / group) * dim, qi, &p[s]);
                p[s] /= sqrt(dim), top = fmax(top, p[s]);
            }
            for (uint32_t s = 0; s <= t; s++) sum += p[s] = exp(p[s] - top);
            memset(oi, 0, dim * sizeof *oi);
            for (uint32_t s = 0; s <= t; s++)
                for (uint32_t i = 0; i < dim; i++)
                    oi[i] += p[s] / sum * v[(s * c->kv_heads + h / group) * dim + i];
        }
    free(p);
}

double double_nats(uint32_t v, const double *logits, int32_t target)
{
    double top = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < v; i++) top = fmax(top, logits[i]);
    for (uint32_t i = 0; i < v; i++) sum += exp(logits[i] - top);
    return top + log(sum) - logits[target];
}

/* ---- the model -------------------------------------------------------------------------------------------
 */

void double_model_init(struct double_model *d, const struct random_model *r, const struct adapter *a)
{
    *d = (struct double_model){.c = r->m->c, .shape = a, .kern = &r->m->kern};
    d->param = calloc(r->slots, sizeof *d->param);
    for (uint32_t s = 0; s < r->slots; s++) {
        if (!r->bound[s]) continue;
        uint64_t n = r->bound[s]->bytes / sizeof(float);
        d->param[s] = malloc(n * sizeof(double));
        for (uint64_t i = 0; i < n; i++) d->param[s][i] = (double)((const float *)r->bound[s]->data)[i];
    }
    if (!a) return;
    d->adapter = malloc(a->count * sizeof *d->adapter);
    for (uint64_t i = 0; i < a->count; i++) d->adapter[i] = (double)a->weights[i];
}

void double_model_clear(struct double_model *d)
{
    for (uint32_t s = 0; s < params_slots(&d->c); s++) free(d->param[s]);
    free(d->param);
    free(d->adapter);
}

static const double *param(const struct double_model *d, enum param p, uint32_t layer)
{
    return d->param[params_slot(&d->c, p, layer)];
}

/* y += scale * B A mask(x) */
static void adapt(const struct double_model *d, uint32_t layer, enum lora_target t, uint64_t key,
                  const double *x, double *y)
{
    uint64_t in, out, r = d->shape->cfg.rank;
    adapter_shape(&d->c, t, &in, &out);
    double scale = adapter_scale(&d->shape->cfg), *masked = malloc(in * sizeof *masked),
           *h = malloc(r * sizeof *h), *add = malloc(out * sizeof *add);
    float *mask = malloc(in * sizeof *mask);
    for (uint64_t i = 0; i < in; i++) mask[i] = 1;
    if (d->key)
        d->kern->dropout((int64_t)in, dropout_key(key, layer, t),
                         (uint32_t)((double)d->dropout * 4294967296.0), 1, mask, mask);
    for (uint64_t i = 0; i < in; i++)
        masked[i] = mask[i] != 0 ? x[i] / (d->key ? 1 - (double)d->dropout : 1) : 0;
    double_product(r, in, d->adapter + adapter_offset_a(d->shape, layer, t), masked, h);
    double_product(out, r, d->adapter + adapter_offset_b(d->shape, layer, t), h, add);
    for (uint64_t i = 0; i < out; i++) y[i] += scale * add[i];
    free(masked), free(h), free(add), free(mask);
}

/* One sequence on its way through the model. */
struct walk {
    const struct double_model *d;
    uint32_t n, adapt_from;
    double *x, *xn, *q, *k, *v, *o, *g, *u, *y;
};

/* y [n][out] = W in [n][..] + bias, and the adapter's. */
static void project(const struct walk *w, uint32_t layer, enum lora_target t, enum param bias,
                    const double *x, double *y)
{
    const struct double_model *d = w->d;
    const double *b = bias == P_COUNT ? NULL : param(d, bias, layer);
    uint64_t in, out;
    adapter_shape(&d->c, t, &in, &out);
    for (uint32_t i = 0; i < w->n; i++) {
        double_product(out, in, param(d, lora_param[t], layer), x + i * in, y + i * out);
        if (d->shape && d->shape->cfg.targets >> t & 1 && i >= w->adapt_from)
            adapt(d, layer, t, d->key ? d->key[i] : 0, x + i * in, y + i * out);
        for (uint64_t j = 0; b && j < out; j++) y[i * out + j] += b[j];
    }
}

static void norm(const struct walk *w, enum param p, uint32_t layer)
{
    for (uint32_t i = 0; i < w->n; i++)
        double_rmsnorm(w->d->c.width, w->d->c.rms_eps, w->x + i * w->d->c.width, param(w->d, p, layer),
                       w->xn + i * w->d->c.width);
}

static void attention_half(const struct walk *w, uint32_t layer)
{
    const struct model_config *c = &w->d->c;
    norm(w, P_NORM1, layer);
    project(w, layer, LORA_Q, P_QB, w->xn, w->q);
    project(w, layer, LORA_K, P_KB, w->xn, w->k);
    project(w, layer, LORA_V, P_VB, w->xn, w->v);
    for (uint32_t t = 0; t < w->n; t++) {
        double_rope(c->head_dim, c->heads, c->rope_theta, t, w->q + t * c->heads * c->head_dim);
        double_rope(c->head_dim, c->kv_heads, c->rope_theta, t, w->k + t * c->kv_heads * c->head_dim);
    }
    double_attention(c, 0, w->n, w->q, w->k, w->v, w->o);
    project(w, layer, LORA_O, P_COUNT, w->o, w->y);
    for (uint64_t i = 0; i < (uint64_t)w->n * c->width; i++) w->x[i] += w->y[i];
}

static void mlp_half(const struct walk *w, uint32_t layer)
{
    const struct model_config *c = &w->d->c;
    norm(w, P_NORM2, layer);
    project(w, layer, LORA_GATE, P_COUNT, w->xn, w->g);
    project(w, layer, LORA_UP, P_COUNT, w->xn, w->u);
    for (uint64_t i = 0; i < (uint64_t)w->n * c->ff; i++) w->g[i] = double_silu_mul(w->g[i], w->u[i]);
    project(w, layer, LORA_DOWN, P_COUNT, w->g, w->y);
    for (uint64_t i = 0; i < (uint64_t)w->n * c->width; i++) w->x[i] += w->y[i];
}

void double_model_logits(const struct double_model *d, const int32_t *ids, uint32_t n, uint32_t adapt_from,
                         double *logits)
{
    const struct model_config *c = &d->c;
    size_t width = n * c->width, q = n * c->heads * c->head_dim, kv = n * c->kv_heads * c->head_dim,
           f = n * c->ff;
    double *memory = calloc(3 * width + 2 * q + 2 * kv + 2 * f, sizeof *memory), *x = memory;
    struct walk w = {d, n, adapt_from, x, x + width, 0, 0, 0, 0, 0, 0, 0};
    w.y = w.xn + width, w.q = w.y + width, w.o = w.q + q, w.k = w.o + q, w.v = w.k + kv, w.g = w.v + kv;
    w.u = w.g + f;
    for (uint32_t t = 0; t < n; t++)
        memcpy(x + t * c->width, param(d, P_EMBED, 0) + (size_t)ids[t] * c->width, c->width * sizeof *x);
    for (uint32_t layer = 0; layer < c->layers; layer++) attention_half(&w, layer), mlp_half(&w, layer);
    norm(&w, P_NORM, 0);
    for (uint32_t t = 0; t < n; t++)
        double_product(c->vocab, c->width, param(d, c->tied ? P_EMBED : P_HEAD, 0), w.xn + t * c->width,
                       logits + t * c->vocab);
    free(memory);
}
