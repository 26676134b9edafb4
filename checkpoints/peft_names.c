#include "checkpoints/peft_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "base_model.model."

/* Steps over `word` if *s starts with it. */
static int skip(const char **s, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(*s, word, n)) return 0;
    *s += n;
    return 1;
}

/* A layer's number as PEFT writes it: no sign, no leading zero, no exponent. */
static int parse_layer(const char **s, uint32_t layers, uint32_t *layer)
{
    uint32_t n = 0;
    const char *p = *s;
    if (p[0] == '0' && p[1] >= '0' && p[1] <= '9') return 0;
    while (*p >= '0' && *p <= '9' && n < layers) n = n * 10 + (uint32_t)(*p++ - '0');
    if (p == *s || n >= layers) return 0;
    *s = p;
    *layer = n;
    return 1;
}

/* The part of a weight's name between "layers.N." and ".weight", such as "self_attn.q_proj". */
static int module_name(enum lora_target t, const char **text)
{
    const char *hf = strstr(params[lora_param[t]].hf, "%u.") + 3;
    *text = hf;
    return (int)(strlen(hf) - strlen(".weight"));
}

int peft_name_parse(struct peft_slot *s, const char *name, uint32_t layers)
{
    skip(&name, PREFIX);
    if (!skip(&name, "model.layers.") || !parse_layer(&name, layers, &s->layer) || !skip(&name, "."))
        return 0;
    for (int t = 0; t < LORA_TARGETS; t++) {
        const char *module, *rest = name;
        int n = module_name((enum lora_target)t, &module);
        if (strncmp(rest, module, (size_t)n)) continue;
        rest += n;
        s->target = (enum lora_target)t;
        s->is_b = strncmp(rest, ".lora_B", 7) == 0;
        if (!skip(&rest, ".lora_A") && !skip(&rest, ".lora_B")) return 0;
        skip(&rest, ".default");
        return strcmp(rest, ".weight") == 0;
    }
    return 0;
}

void peft_name_write(char name[PEFT_NAME], struct peft_slot s)
{
    const char *module;
    int n = module_name(s.target, &module);
    snprintf(name, PEFT_NAME, PREFIX "model.layers.%u.%.*s.lora_%c.weight", s.layer, n, module,
             s.is_b ? 'B' : 'A');
}

static size_t slot_index(struct peft_slot s)
{
    return ((size_t)s.layer * LORA_TARGETS + s.target) * 2 + (size_t)s.is_b;
}

struct peft_slot peft_slot_at(size_t i)
{
    return (struct peft_slot){(uint32_t)(i / 2 / LORA_TARGETS), (enum lora_target)(i / 2 % LORA_TARGETS),
                              (int)(i % 2)};
}

/* A tensor of the embedding or the head, which a terse adapter has not: with another vocabulary it is not
 * even this model's. */
static int head_check(const struct tensor *const *tensors, size_t n, const struct model_config *m,
                      struct err *e)
{
    const struct tensor *head = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct tensor *t = tensors[i];
        if (!strstr(t->name, "lm_head.") && !strstr(t->name, "embed_tokens.")) continue;
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
                      const struct model_config *m, const struct adapter_config *c, struct err *e)
{
    const struct tensor *stranger = NULL;
    size_t matched = 0;
    for (size_t i = 0; i < n; i++) {
        const struct tensor *t = tensors[i];
        struct peft_slot s;
        if (strstr(t->name, "../") || t->name[0] == '/')
            return err_set(e, ERR_PATH, "tensor name \"%s\" looks like a path", t->name);
        if (!peft_name_parse(&s, t->name, m->layers) || !(c->targets >> s.target & 1)) {
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
                       "names like " PREFIX "model.layers.0.self_attn.q_proj.lora_A.weight",
                       n, n ? tensors[0]->name : "(no tensor)");
    int r = stranger ? head_check(tensors, n, m, e) : 0;
    if (r || !stranger) return r;
    return err_set(e, ERR_AD_KEY, "tensor %s is no A or B of target_modules in layers 0 to %u",
                   stranger->name, m->layers - 1);
}

/* Every A has its B, and every target is there in every layer. */
static int complete_check(const struct tensor **found, const struct model_config *m,
                          const struct adapter_config *c, struct err *e)
{
    char name[PEFT_NAME];
    for (size_t i = 0; i < (size_t)m->layers * LORA_TARGETS * 2; i++) {
        struct peft_slot s = peft_slot_at(i);
        if (found[i] || !(c->targets >> s.target & 1)) continue;
        peft_name_write(name, s);
        if (found[i ^ 1])
            return err_set(e, ERR_AD_PAIR, "tensor %s is missing, its other half %s is there", name,
                           found[i ^ 1]->name);
    }
    for (size_t i = 0; i < (size_t)m->layers * LORA_TARGETS * 2; i++) {
        struct peft_slot s = peft_slot_at(i);
        if (found[i] || !(c->targets >> s.target & 1)) continue;
        peft_name_write(name, s);
        return err_set(e, ERR_AD_PARTIAL,
                       "tensor %s is missing; target_modules names %s, expected in all %u layers", name,
                       params[lora_param[s.target]].target, m->layers);
    }
    return 0;
}

static int shape_check(const struct tensor *t, struct peft_slot s, const struct model_config *m,
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

int peft_match(const struct tensor **found, const struct tensor *const *tensors, size_t n,
               const struct model_config *m, const struct adapter_config *c, struct err *e)
{
    int r = names_sort(found, tensors, n, m, c, e);
    if (!r) r = complete_check(found, m, c, e);
    for (size_t i = 0; !r && i < (size_t)m->layers * LORA_TARGETS * 2; i++) {
        if (!found[i]) continue;
        r = type_check(found[i], tensors[0], e);
        if (!r) r = shape_check(found[i], peft_slot_at(i), m, c, e);
    }
    return r;
}
