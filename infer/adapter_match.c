#include "infer/adapter_match.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No trained adapter comes near it; beyond it lies a damaged file or a run that has blown up. */
#define NORM_MAX 1e4f

size_t adapter_slots(const struct model_config *m)
{
    return (size_t)m->layers * LORA_TARGETS * 2;
}

static size_t slot_index(struct adapter_slot s)
{
    return ((size_t)s.layer * LORA_TARGETS + s.target) * 2 + (size_t)s.is_b;
}

struct adapter_slot adapter_slot_at(size_t i)
{
    return (struct adapter_slot){(uint32_t)(i / 2 / LORA_TARGETS), (enum lora_target)(i / 2 % LORA_TARGETS),
                                 (int)(i % 2)};
}

/* A tensor of the embedding or the head, which a terse adapter has not: with another vocabulary it is not
 * even this model's. */
static int head_check(const struct tensor *const *tensors, size_t n, const struct model_config *m,
                      const struct adapter_naming *as, struct err *e)
{
    const struct tensor *head = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct tensor *t = tensors[i];
        if (!strstr(t->name, as->outside[0]) && !strstr(t->name, as->outside[1])) continue;
        head = t;
        int fits = 0;
        for (int d = 0; d < t->rank && d < 2; d++) fits |= t->shape[d] == m->vocab || t->shape[d] == m->width;
        if (!fits || (strstr(t->name, "_tokens.weight") && t->shape[0] != m->vocab))
            return err_set(e, ERR_AD_SHAPE,
                           "tensor %s has %llu rows, expected the model's vocabulary %u or width %u", t->name,
                           (unsigned long long)(t->rank ? t->shape[0] : 1), m->vocab, m->width);
    }
    if (!head) return 0;
    return err_set(e, ERR_AD_UNSUPPORTED,
                   "tensor %s adapts the embedding or the head; terse adapts the seven products of a layer",
                   head->name);
}

/* Sorts the tensors into `found`. A name that leaves the folder is refused before anything else looks at it.
 */
static int names_sort(const struct tensor **found, const struct tensor *const *tensors, size_t n,
                      const struct model_config *m, const struct adapter_config *c,
                      const struct adapter_naming *as, struct err *e)
{
    const struct tensor *stranger = NULL;
    char name[ADAPTER_NAME];
    size_t matched = 0;
    as->write(name, (struct adapter_slot){0, LORA_Q, 0});
    for (size_t i = 0; i < n; i++) {
        const struct tensor *t = tensors[i];
        struct adapter_slot s;
        if (strstr(t->name, "../") || t->name[0] == '/')
            return err_set(e, ERR_PATH, "tensor name \"%s\" looks like a path", t->name);
        if (!as->parse(&s, t->name, m->layers) || !(c->targets >> s.target & 1)) {
            if (!stranger) stranger = t;
            continue;
        }
        const struct tensor **place = &found[slot_index(s)];
        if (*place)
            return err_set(e, ERR_DUP_TENSOR, "tensors %s and %s are the same weight", (*place)->name,
                           t->name);
        *place = t;
        matched++;
    }
    if (!matched)
        return err_set(e, ERR_AD_NOMATCH,
                       "none of %zu tensors belongs to this model's target_modules, first %s; expected "
                       "names like %s",
                       n, n ? tensors[0]->name : "(no tensor)", name);
    int r = stranger ? head_check(tensors, n, m, as, e) : 0;
    if (r || !stranger) return r;
    return err_set(e, ERR_AD_KEY, "tensor %s is no A or B of target_modules in layers 0 to %u",
                   stranger->name, m->layers - 1);
}

/* Every A has its B, and every target is there in every layer. */
static int complete_check(const struct tensor **found, const struct model_config *m,
                          const struct adapter_config *c, const struct adapter_naming *as, struct err *e)
{
    char name[ADAPTER_NAME];
    for (size_t i = 0; i < (size_t)m->layers * LORA_TARGETS * 2; i++) {
        struct adapter_slot s = adapter_slot_at(i);
        if (found[i] || !(c->targets >> s.target & 1)) continue;
        as->write(name, s);
        if (found[i ^ 1])
            return err_set(e, ERR_AD_PAIR, "tensor %s is missing, its other half %s is there", name,
                           found[i ^ 1]->name);
    }
    for (size_t i = 0; i < (size_t)m->layers * LORA_TARGETS * 2; i++) {
        struct adapter_slot s = adapter_slot_at(i);
        if (found[i] || !(c->targets >> s.target & 1)) continue;
        as->write(name, s);
        return err_set(e, ERR_AD_PARTIAL,
                       "tensor %s is missing; target_modules names %s, expected in all %u layers", name,
                       params[lora_param[s.target]].target, m->layers);
    }
    return 0;
}

static int shape_check(const struct tensor *t, struct adapter_slot s, const struct model_config *m,
                       const struct adapter_config *c, struct err *e)
{
    uint64_t in, out;
    adapter_shape(m, s.target, &in, &out);
    uint64_t rows = s.is_b ? out : c->rank, cols = s.is_b ? c->rank : in;
    if (t->rank != 2)
        return err_set(e, ERR_AD_SHAPE, "tensor %s has %d dimensions, expected 2", t->name, t->rank);
    if (t->shape[0] == rows && t->shape[1] == cols) return 0;
    int code = t->shape[!s.is_b] == (s.is_b ? out : in) ? ERR_AD_RANK : ERR_AD_SHAPE;
    return err_set(e, code, "tensor %s is %llu by %llu, expected %llu by %llu for r = %u", t->name,
                   (unsigned long long)t->shape[0], (unsigned long long)t->shape[1], (unsigned long long)rows,
                   (unsigned long long)cols, c->rank);
}

/* One type for all, of those an adapter is kept in. */
static int type_check(const struct tensor *t, const struct tensor *first, struct err *e)
{
    if (t->dtype != DTYPE_F32 && t->dtype != DTYPE_BF16 && t->dtype != DTYPE_F16)
        return err_set(e, ERR_DTYPE, "tensor %s is %s, expected F32, BF16 or F16", t->name,
                       dtype_name(t->dtype));
    if (t->dtype == first->dtype) return 0;
    return err_set(e, ERR_DTYPE, "tensor %s is %s and tensor %s is %s, expected one type for all", t->name,
                   dtype_name(t->dtype), first->name, dtype_name(first->dtype));
}

int adapter_match(const struct tensor **found, const struct tensor *const *tensors, size_t n,
                  const struct model_config *m, const struct adapter_config *c,
                  const struct adapter_naming *as, struct err *e)
{
    int r = names_sort(found, tensors, n, m, c, as, e);
    if (!r) r = complete_check(found, m, c, as, e);
    for (size_t i = 0; !r && i < (size_t)m->layers * LORA_TARGETS * 2; i++) {
        if (!found[i]) continue;
        r = type_check(found[i], tensors[0], e);
        if (!r) r = shape_check(found[i], adapter_slot_at(i), m, c, e);
    }
    return r;
}

/* ---- values -------------------------------------------------------------------------------------------- */

int adapter_weight_check(float x, const char *name, uint64_t i, struct err *e)
{
    if (fabsf(x) <= NORM_MAX) return 0;
    return err_set(e, isfinite(x) ? ERR_AD_NORM : ERR_NONFINITE,
                   "tensor %s holds %g at index %llu, expected at most %g", name, (double)x,
                   (unsigned long long)i, (double)NORM_MAX);
}

static int tensor_copy(float *w, const struct tensor *t, bool *zero, struct err *e)
{
    uint64_t n = t->shape[0] * t->shape[1];
    tensor_row(t, 0, n, w);
    for (uint64_t i = 0; i < n; i++) {
        int r = adapter_weight_check(w[i], t->name, i, e);
        if (r) return r;
        if (w[i] != 0) *zero = false;
    }
    return 0;
}

int adapter_fill(struct adapter *a, const struct tensor *const *found, bool *cold, struct err *e)
{
    bool zero[2] = {true, true};
    size_t i = 0;
    float *w = a->weights;
    for (; i < adapter_slots(&a->model); i++) {
        if (!found[i]) continue;
        int r = tensor_copy(w, found[i], &zero[i % 2], e);
        if (r) return r;
        w += found[i]->shape[0] * found[i]->shape[1];
    }
    *cold = zero[1];
    return 0;
}

/* ---- what stands beside them --------------------------------------------------------------------------- */

int adapter_gate_read(enum lora_gate *gate, const char *name, uint32_t n_invocation, const char *path,
                      struct err *e)
{
    *gate = n_invocation ? GATE_ASSISTANT : GATE_ALL;
    if (!name) return 0;
    for (int g = GATE_ASSISTANT; g <= GATE_ALL; g++)
        if (!strcmp(name, lora_gate_names[g])) {
            *gate = (enum lora_gate)g;
            return 0;
        }
    return err_set(e, ERR_FIELD_RANGE, "%s: terse.gate is \"%.32s\", expected assistant, response or all",
                   path, name);
}

static int digest_check(const char *what, const char *theirs, const char *ours, int code, const char *path,
                        struct err *e)
{
    if (!theirs || !theirs[0] || !ours || !strcmp(theirs, ours)) return 0;
    return err_set(e, code, "%s was made for %s %.16s, this one is %.16s", path, what, theirs, ours);
}

int adapter_expect_check(const struct adapter_info *info, const struct adapter_expect *x, const char *path,
                         struct err *e)
{
    int r = digest_check("base model", info->base, x->base, ERR_BASE_HASH, path, e);
    return r ? r : digest_check("tokenizer", info->tokenizer, x->tokenizer, ERR_TOK_HASH, path, e);
}

int adapter_invocation_check(const struct adapter_info *info, const struct model_config *m, const char *path,
                             struct err *e)
{
    for (uint32_t i = 0; i < info->n_invocation; i++)
        if ((uint32_t)info->invocation[i] >= m->vocab)
            return err_set(e, ERR_TOKEN_RANGE, "%s: alora_invocation_tokens[%u] is %d, the vocabulary has %u",
                           path, i, info->invocation[i], m->vocab);
    return 0;
}
