#include "rl/value.h"
#include "checkpoints/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int value_create(struct value_head *h, uint32_t width, struct err *e)
{
    float *all = calloc(4 * ((size_t)width + 1), sizeof *all);
    *h = (struct value_head){.width = width, .weight = all};
    if (!all) return err_set(e, ERR_NOMEM, "no memory for a value head");
    h->m = all + width + 1, h->v = h->m + width + 1, h->grad = h->v + width + 1;
    return 0;
}

void value_free(struct value_head *h)
{
    free(h->weight);
    *h = (struct value_head){0};
}

float value_of(const struct value_head *h, const float *x)
{
    double sum = (double)h->weight[h->width];
    for (uint32_t i = 0; i < h->width; i++) sum += (double)h->weight[i] * (double)x[i];
    return (float)sum;
}

void value_add(struct value_head *h, const float *x, float d)
{
    for (uint32_t i = 0; i < h->width; i++) h->grad[i] += d * x[i];
    h->grad[h->width] += d;
}

int value_step(struct value_head *h, double rate, struct err *e)
{
    const double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
    double squares = 0;
    for (uint32_t i = 0; i <= h->width; i++) squares += (double)h->grad[i] * (double)h->grad[i];
    if (!isfinite(squares))
        return err_set(e, ERR_NONFINITE, "the value head's gradient has norm %g", sqrt(squares));
    double by = squares > 1 ? 1 / sqrt(squares) : 1;
    h->step++;
    double fix1 = 1 - pow(beta1, (double)h->step), fix2 = 1 - pow(beta2, (double)h->step);
    for (uint32_t i = 0; i <= h->width; i++) {
        double g = (double)h->grad[i] * by;
        h->m[i] = (float)(beta1 * (double)h->m[i] + (1 - beta1) * g);
        h->v[i] = (float)(beta2 * (double)h->v[i] + (1 - beta2) * g * g);
        h->weight[i] -= (float)(rate * ((double)h->m[i] / fix1) / (sqrt((double)h->v[i] / fix2) + eps));
    }
    memset(h->grad, 0, (h->width + 1) * sizeof *h->grad);
    return 0;
}

int value_save(const char *path, const struct value_head *h, struct err *e)
{
    static const char *const meta[] = {"format", "pt", NULL};
    const struct tensor t[] = {{.name = "v_head.summary.weight",
                                .dtype = DTYPE_F32,
                                .rank = 2,
                                .shape = {1, h->width},
                                .data = h->weight,
                                .bytes = h->width * sizeof *h->weight},
                               {.name = "v_head.summary.bias",
                                .dtype = DTYPE_F32,
                                .rank = 1,
                                .shape = {1},
                                .data = h->weight + h->width,
                                .bytes = sizeof *h->weight}};
    return safetensors_save(path, t, 2, meta, e);
}
