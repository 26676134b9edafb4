#include "rl/advantage.h"

#include <math.h>

void gae(uint32_t n, const float *reward, const float *value, double gamma, double lambda, float *adv)
{
    double next = 0, run = 0;
    for (uint32_t i = n; i-- > 0;) {
        double delta = (double)reward[i] + gamma * next - (double)value[i];
        run = delta + gamma * lambda * run;
        adv[i] = (float)run;
        next = (double)value[i];
    }
}

static double mean_of(uint64_t n, const float *x)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) sum += (double)x[i];
    return n ? sum / (double)n : 0;
}

/* Sum of squared differences from the mean. */
static double spread_of(uint64_t n, const float *x, double mean)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) sum += ((double)x[i] - mean) * ((double)x[i] - mean);
    return sum;
}

void group_advantage(enum group_baseline b, uint32_t n, const float *reward, float *adv)
{
    double mean = mean_of(n, reward), by = 1;
    if (b == GROUP_GRPO) by = 1 / (sqrt(n > 1 ? spread_of(n, reward, mean) / (n - 1) : 0) + 1e-4);
    if (b == GROUP_RLOO) by = n > 1 ? (double)n / (n - 1) : 1; /* r - (sum - r) / (n - 1) */
    for (uint32_t i = 0; i < n; i++) adv[i] = (float)(((double)reward[i] - mean) * by);
}

void whiten(uint64_t n, float *x, bool keep_mean)
{
    double mean = mean_of(n, x), by = 1 / sqrt((n > 1 ? spread_of(n, x, mean) / (double)(n - 1) : 0) + 1e-8);
    for (uint64_t i = 0; i < n; i++) x[i] = (float)(((double)x[i] - mean) * by + (keep_mean ? mean : 0));
}
