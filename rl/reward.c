#include "rl/reward.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a term may look at. */
struct scene {
    const struct reward_config *c;
    const struct outcome *o;
    double l, b;              /* of this answer */
    double shortest, longest; /* of the group */
    double mean, std;         /* of the group's right answers */
};

static double clip(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static double correct(const struct scene *s)
{
    return s->o->correct;
}
static double additive(const struct scene *s)
{
    return -s->c->lambda * s->l / s->b;
}
static double barrier(const struct scene *s)
{
    double from = (1 - s->c->margin) * s->b, to = (1 + s->c->margin) * s->b, p = s->c->floor;
    double at = to > from ? clip((s->l - from) / (to - from), 0, 1) : s->l > to;
    return s->o->correct * (at * (p - 1));
}
static double l1_max(const struct scene *s)
{
    return s->o->correct * (clip(s->c->slope * (s->b - s->l) + 0.5, 0, 1) - 1);
}
static double arora(const struct scene *s)
{
    double z = s->std > 0 ? (s->l - s->mean) / s->std : 0;
    return -s->o->correct * s->c->sharpness / (1 + exp(-z));
}
static double kimi(const struct scene *s)
{
    if (s->longest <= s->shortest) return 0;
    double x = 0.5 - (s->l - s->shortest) / (s->longest - s->shortest);
    return s->o->correct || x < 0 ? x : 0;
}
static double overlong(const struct scene *s)
{
    double buffer = s->c->buffer, most = s->o->longest;
    return buffer > 0 ? -clip((s->l - (most - buffer)) / buffer, 0, 1) : -(s->l > most);
}
static double thinking(const struct scene *s)
{
    return -s->c->lambda * s->o->thinking / s->b;
}
static double format(const struct scene *s)
{
    return s->o->formed && s->o->found;
}

static const struct term {
    const char *name;
    double (*value)(const struct scene *s);
} terms[REWARD_TERMS] = {
    {"correct", correct},   {"additive", additive}, {"barrier", barrier},
    {"l1_max", l1_max},     {"arora", arora},       {"kimi", kimi},
    {"overlong", overlong}, {"thinking", thinking}, {"format", format},
};

const char *reward_name(unsigned term)
{
    return terms[term].name;
}

static int no_such(const char *text, struct err *e)
{
    char all[256];
    size_t n = 0;
    for (unsigned i = 0; i < REWARD_TERMS; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", terms[i].name);
    return err_set(e, ERR_FIELD_RANGE,
                   "reward: \"%.60s\" is no term, expected some of %s, each with :WEIGHT if you like", text,
                   all);
}

int reward_parse(struct reward_config *c, const char *text, struct err *e)
{
    size_t n = strcspn(text, ":");
    unsigned t = 0;
    while (t < REWARD_TERMS && (strlen(terms[t].name) != n || memcmp(terms[t].name, text, n))) t++;
    if (t == REWARD_TERMS) return no_such(text, e);
    if (c->weight[t] != 0) return err_set(e, ERR_CFG_CONFLICT, "reward: %s is given twice", terms[t].name);
    c->weight[t] = 1;
    if (!text[n]) return 0;
    char *end;
    c->weight[t] = strtod(text + n + 1, &end);
    if (end == text + n + 1 || *end || !isfinite(c->weight[t]))
        return err_set(e, ERR_FIELD_TYPE,
                       "reward: \"%.60s\" has no number for a weight, expected %s:0.5 or the like", text,
                       terms[t].name);
    return 0;
}

static void group_look(const struct outcome *o, uint32_t n, struct scene *s)
{
    double sum = 0, squares = 0, right = 0;
    s->shortest = INFINITY, s->longest = 0;
    for (uint32_t i = 0; i < n; i++) {
        double l = o[i].tokens;
        s->shortest = l < s->shortest ? l : s->shortest, s->longest = l > s->longest ? l : s->longest;
        if (o[i].correct) sum += l, squares += l * l, right++;
    }
    s->mean = right > 0 ? sum / right : 0;
    double var = right > 0 ? squares / right - s->mean * s->mean : 0;
    s->std = var > 0 ? sqrt(var) : 0;
}

int reward_group(const struct reward_config *c, const struct outcome *o, uint32_t n, float *term,
                 float *total, struct err *e)
{
    struct scene s = {.c = c};
    group_look(o, n, &s);
    for (uint32_t i = 0; i < n; i++) {
        struct outcome own = o[i];
        double sum = 0;
        if (own.truncated && c->truncated == TRUNCATED_SOFT) own.correct = false;
        s.o = &own, s.l = own.tokens, s.b = own.budget;
        for (unsigned t = 0; t < REWARD_TERMS; t++) {
            bool used = c->weight[t] != 0 && !(own.truncated && c->truncated == TRUNCATED_ZERO);
            double x = used ? terms[t].value(&s) : 0;
            if (!isfinite((float)x))
                return err_set(e, ERR_NONFINITE,
                               "the reward's term %s is %g for an answer of %u tokens, budget %u",
                               terms[t].name, x, own.tokens, own.budget);
            term[i * REWARD_TERMS + t] = (float)x;
            sum += c->weight[t] * x;
        }
        total[i] = (float)sum;
        if (!isfinite(total[i]))
            return err_set(e, ERR_NONFINITE, "the reward of an answer of %u tokens, budget %u, is %g",
                           own.tokens, own.budget, sum);
    }
    return 0;
}
