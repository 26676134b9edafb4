/* "TERM,TERM:WEIGHT,...\n", then bytes of the settings and of a group's outcomes. Rewards are finite or an
 * error says why, the same twice, nothing for what was cut off when that is asked for; advantages of finite
 * rewards are finite. */
#include "rl/advantage.h"
#include "rl/reward.h"

#include <math.h>
#include <string.h>

enum { GROUP_MOST = 16, TEXT_MOST = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct bytes {
    const uint8_t *at;
    size_t n;
};

static uint32_t take(struct bytes *b, size_t size)
{
    uint32_t x = 0;
    size_t some = b->n < size ? b->n : size;
    memcpy(&x, b->at, some);
    b->at += some, b->n -= some;
    return x;
}

/* Any double: often a usual one. */
static double take_double(struct bytes *b)
{
    uint64_t bits = (uint64_t)take(b, 4) << 32;
    double x;
    if (bits >> 62) return (double)(uint32_t)(bits >> 40 & 0xfffff) / 4096;
    bits |= take(b, 4);
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void config_take(struct reward_config *c, struct bytes *b)
{
    c->lambda = take_double(b), c->margin = take_double(b), c->floor = take_double(b);
    c->slope = take_double(b), c->sharpness = take_double(b), c->buffer = take(b, 4);
    c->truncated = (enum truncated_reward)(take(b, 1) % 3);
}

static void outcome_take(struct outcome *o, struct bytes *b)
{
    uint32_t flags = take(b, 1), small = flags & 16 ? 2 : 4;
    *o = (struct outcome){
        .correct = flags & 1, .found = flags & 2, .truncated = flags & 4, .formed = flags & 8};
    o->tokens = take(b, small), o->thinking = take(b, small), o->budget = take(b, small),
    o->longest = take(b, small);
}

/* Terms separated by commas; 1 when all could be read. */
static int terms_read(struct reward_config *c, char *text)
{
    for (char *rest = text, *term; (term = strsep(&rest, ","));) {
        struct err e = {0};
        int r = reward_parse(c, term, &e);
        int known = r == ERR_FIELD_RANGE || r == ERR_FIELD_TYPE || r == ERR_CFG_CONFLICT;
        if (r && (!known || !e.msg[0])) __builtin_trap();
        if (r) return 0;
    }
    for (int i = 0; i < REWARD_TERMS; i++)
        if (!isfinite(c->weight[i])) __builtin_trap();
    return 1;
}

static void check(const struct reward_config *c, const struct outcome *o, uint32_t n)
{
    float term[GROUP_MOST * REWARD_TERMS], total[GROUP_MOST], again[GROUP_MOST], adv[GROUP_MOST];
    struct err e = {0};
    int r = reward_group(c, o, n, term, total, &e), usual = 1;
    if (r && (r != ERR_NONFINITE || !e.msg[0])) __builtin_trap();
    if (r) return;
    if (reward_group(c, o, n, term, again, NULL) || memcmp(total, again, n * sizeof *total)) __builtin_trap();
    for (uint32_t i = 0; i < n; i++) {
        if (!isfinite(total[i])) __builtin_trap();
        if (o[i].truncated && c->truncated == TRUNCATED_ZERO && total[i] != 0) __builtin_trap();
        for (int k = 0; k < REWARD_TERMS; k++)
            if (!isfinite(term[i * REWARD_TERMS + (uint32_t)k])) __builtin_trap();
        usual &= fabsf(total[i]) < 1e30f;
    }
    for (int k = GROUP_GRPO; usual && k <= GROUP_RLOO; k++) {
        group_advantage((enum group_baseline)k, n, total, adv);
        for (uint32_t i = 0; i < n; i++)
            if (!isfinite(adv[i])) __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *cut = n ? memchr(data, '\n', n) : NULL;
    size_t len = cut ? (size_t)(cut - data) : 0;
    struct reward_config c = {0};
    struct outcome o[GROUP_MOST];
    char text[TEXT_MOST + 1];
    if (!cut || len > TEXT_MOST) return 0;
    memcpy(text, data, len);
    text[len] = 0;
    if (!terms_read(&c, text)) return 0;
    struct bytes b = {cut + 1, n - len - 1};
    config_take(&c, &b);
    uint32_t group = 2 + take(&b, 1) % (GROUP_MOST - 1);
    for (uint32_t i = 0; i < group; i++) outcome_take(&o[i], &b);
    check(&c, o, group);
    return 0;
}
