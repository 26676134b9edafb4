#include "infer/head.h"
#include "kernels/math.h"

#include <stdlib.h>

/* No trained head comes near it. */
#define VALUE_MAX 1e6f

const char *const head_task_names[HEAD_TASKS] = {"switcher", "verifier"};

uint32_t head_inputs(const struct head_config *c)
{
    return c->states.n * c->width;
}

uint64_t head_count(const struct head_config *c)
{
    uint64_t in = head_inputs(c), hidden = c->hidden;
    return (c->standardised ? 2 * in : 0) + (hidden ? hidden * (in + 2) : in) + 1;
}

/* ---- making one ---------------------------------------------------------------------------------------- */

int head_config_check(const struct head_config *c, struct err *e)
{
    if (c->task >= HEAD_TASKS || c->pooling >= POOL_COUNT)
        return err_set(e, ERR_FIELD_RANGE, "a head of task %d and pooling %d", (int)c->task, (int)c->pooling);
    if (c->states.n < 1 || c->width < 1 || c->width > 1 << 20 || c->hidden > HEAD_MAX_HIDDEN)
        return err_set(e, ERR_FIELD_RANGE,
                       "a head on %u layers of width %u with %u hidden units, expected at least one layer, "
                       "width 1 to %d and at most %d hidden units",
                       c->states.n, c->width, c->hidden, 1 << 20, HEAD_MAX_HIDDEN);
    if (!(c->threshold >= 0 && c->threshold <= 1))
        return err_set(e, ERR_FIELD_RANGE, "a head's threshold is %g, expected 0 to 1", c->threshold);
    if (!(c->temperature >= 1e-6 && c->temperature <= 1e6))
        return err_set(e, ERR_FIELD_RANGE, "a head's temperature is %g, expected 1e-6 to 1e6",
                       c->temperature);
    return states_config_check(&c->states, UINT32_MAX - 1, e);
}

uint32_t head_parts(const struct head *h, struct head_part out[HEAD_PARTS])
{
    uint64_t in = head_inputs(&h->c), n = 0;
    if (h->c.standardised) {
        out[n++] = (struct head_part){"input.mean", 0, in, h->mean};
        out[n++] = (struct head_part){"input.scale", 0, in, h->scale};
    }
    if (h->c.hidden) {
        out[n++] = (struct head_part){"hidden.weight", h->c.hidden, in, h->w1};
        out[n++] = (struct head_part){"hidden.bias", 0, h->c.hidden, h->b1};
    }
    out[n++] = (struct head_part){"output.weight", 1, h->c.hidden ? h->c.hidden : in, h->w2};
    out[n++] = (struct head_part){"output.bias", 0, 1, h->b2};
    return (uint32_t)n;
}

static float *carve(float **at, uint64_t n)
{
    float *part = *at;
    *at += n;
    return part;
}

int head_create(struct head **out, const struct head_config *c, struct err *e)
{
    *out = NULL;
    int r = head_config_check(c, e);
    if (r) return r;
    uint64_t in = head_inputs(c), hidden = c->hidden, n = head_count(c);
    struct head *h = calloc(1, sizeof *h);
    float *at = calloc(n, sizeof *at);
    if (!h || !at) {
        free(h);
        free(at);
        return err_set(e, ERR_NOMEM, "no memory for a head of %llu numbers", (unsigned long long)n);
    }
    *h = (struct head){.c = *c, .count = n, .data = at};
    if (c->standardised) {
        h->mean = carve(&at, in), h->scale = carve(&at, in);
        for (uint64_t i = 0; i < in; i++) h->scale[i] = 1;
    }
    if (hidden) h->w1 = carve(&at, hidden * in), h->b1 = carve(&at, hidden);
    h->w2 = carve(&at, hidden ? hidden : in);
    h->b2 = carve(&at, 1);
    *out = h;
    return 0;
}

void head_free(struct head *h)
{
    if (!h) return;
    free(h->data);
    free(h);
}

/* ---- what it says -------------------------------------------------------------------------------------- */

static double input(const struct head *h, const float *x, uint32_t i)
{
    return h->mean ? ((double)x[i] - (double)h->mean[i]) * (double)h->scale[i] : (double)x[i];
}

static double dot(const struct head *h, const float *w, double sum, const float *x)
{
    for (uint32_t i = 0, n = head_inputs(&h->c); i < n; i++) sum += (double)w[i] * input(h, x, i);
    return sum;
}

double head_logit(const struct head *h, const float *x)
{
    if (!h->c.hidden) return dot(h, h->w2, (double)*h->b2, x);
    double logit = (double)*h->b2;
    for (uint32_t k = 0; k < h->c.hidden; k++) {
        double unit = dot(h, h->w1 + (size_t)k * head_inputs(&h->c), (double)h->b1[k], x);
        if (unit > 0) logit += (double)h->w2[k] * unit;
    }
    return logit;
}

double head_apply(const struct head *h, const float *x)
{
    double z = head_logit(h, x) / h->c.temperature;
    if (z > 700) return 1;
    return z < -700 ? 0 : 1 / (1 + exp_f64(-z));
}

/* ---- whether it may be used ---------------------------------------------------------------------------- */

int head_values_check(const struct head *h, struct err *e)
{
    struct head_part part[HEAD_PARTS];
    for (uint32_t k = 0, parts = head_parts(h, part); k < parts; k++) {
        uint64_t n = (part[k].rows ? part[k].rows : 1) * part[k].cols;
        for (uint64_t i = 0; i < n; i++) {
            float x = part[k].data[i];
            if (!(fabsf(x) <= VALUE_MAX))
                return err_set(e, isfinite(x) ? ERR_AD_NORM : ERR_NONFINITE,
                               "tensor %s holds %g at index %llu, expected at most %g", part[k].name,
                               (double)x, (unsigned long long)i, (double)VALUE_MAX);
            if (part[k].data == h->scale && x < 0)
                return err_set(e, ERR_FIELD_RANGE, "tensor %s holds %g at index %llu, expected 0 or more",
                               part[k].name, (double)x, (unsigned long long)i);
        }
    }
    return 0;
}

static int digest_check(const struct head *h, const char *what, const char *theirs, const char *ours,
                        int code, const char *path, struct err *e)
{
    if (!*theirs || !ours || !*ours || !strcmp(theirs, ours)) return 0;
    return err_set(e, code, "%s: this %s was trained for %s %.16s, this one is %.16s", path,
                   head_task_names[h->c.task], what, theirs, ours);
}

int head_check(const struct head *h, const struct head_expect *x, const char *path, struct err *e)
{
    const char *task = head_task_names[h->c.task];
    if (h->c.width != x->model->width)
        return err_set(e, ERR_HEAD_WIDTH, "%s: this %s reads states of width %u, the model's have %u", path,
                       task, h->c.width, x->model->width);
    for (uint32_t i = 0; i < h->c.states.n; i++)
        if (h->c.states.depth[i] > x->model->layers && h->c.states.depth[i] != STATES_FINAL)
            return err_set(e, ERR_HEAD_LAYER, "%s: this %s reads layer %u, the model has %u layers", path,
                           task, h->c.states.depth[i], x->model->layers);
    int r = digest_check(h, "base model", h->c.base, x->base, ERR_BASE_HASH, path, e);
    if (!r) r = digest_check(h, "tokenizer", h->c.tokenizer, x->tokenizer, ERR_TOK_HASH, path, e);
    if (r || !x->adapter || !*h->c.adapter) return r;
    if (!*x->adapter)
        return err_set(e, ERR_AD_HASH, "%s: this %s was trained for adapter %.16s, which is not there", path,
                       task, h->c.adapter);
    return digest_check(h, "adapter", h->c.adapter, x->adapter, ERR_AD_HASH, path, e);
}
