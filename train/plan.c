#include "train/plan.h"
#include "train/cost.h"

#include <math.h>

void plan_add(struct plan_list *l, const char *what, uint64_t bytes)
{
    if (bytes && l->n < PLAN_ROLES) l->at[l->n++] = (struct plan_bytes){what, bytes};
}

uint64_t plan_bytes(const struct plan_list *l)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < l->n; i++) sum += l->at[i].bytes;
    return sum;
}

void plan_phase(struct plan *p, struct plan_phase phase)
{
    if ((phase.flops > 0 || phase.bytes > 0) && p->phases < PLAN_PHASES) p->phase[p->phases++] = phase;
}

/* The busiest rank's part of a step. */
static double part(const struct plan *p, const struct plan_machine *m)
{
    uint64_t parts = p->parts ? p->parts : 1, each = (parts + m->ranks - 1) / m->ranks;
    return (double)each / (double)parts;
}

double plan_phase_seconds(const struct plan *p, const struct plan_phase *phase, const struct plan_machine *m)
{
    double peak = phase->fp32 ? m->fp32 : m->products;
    double arithmetic = 1e-9 * phase->flops / peak, memory = 1e-9 * phase->bytes / m->read;
    double alone = fmax(arithmetic, memory) / m->share[phase->share];
    return phase->share == PLAN_MEMORY ? alone
                                       : alone * part(p, m); /* every rank keeps all that is trained */
}

double plan_seconds(const struct plan *p, const struct plan_machine *m)
{
    double sum = 0;
    for (unsigned i = 0; i < p->phases; i++) sum += plan_phase_seconds(p, &p->phase[i], m);
    return sum;
}

/* Measured with two threads of AVX-512 at nano's width and the 0.5B's; in between by the logarithm, and
 * beyond them as at the nearer one. */
void plan_shares(double share[PLAN_SHARES], uint32_t width)
{
    static const struct {
        double width, share[PLAN_SHARES];
    } small = {128, {[PLAN_PRODUCTS] = 0.40, [PLAN_DECODE] = 0.35, [PLAN_MEMORY] = 0.6}},
      large = {896, {[PLAN_PRODUCTS] = 0.55, [PLAN_DECODE] = 0.6, [PLAN_MEMORY] = 0.6}};
    double at = (log(width) - log(small.width)) / (log(large.width) - log(small.width));
    at = fmin(1, fmax(0, at));
    for (int i = 0; i < PLAN_SHARES; i++) share[i] = small.share[i] + at * (large.share[i] - small.share[i]);
}

uint64_t plan_program_bytes(const struct model_config *c)
{
    enum { PROGRAM = 34 << 20, A_TOKEN = 80 };
    return PROGRAM + (uint64_t)c->vocab * A_TOKEN;
}

uint64_t plan_states_bytes(uint64_t trained, int64_t kept)
{
    return (uint64_t)(kept + 1) * 3 * sizeof(float) * trained;
}
