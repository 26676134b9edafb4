#include "infer/machine.h"
#include "infer/arena.h"
#include "kernels/probe.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 8, ROUNDS = 8192, UNITS_A_THREAD = 16, CHUNK = 1 << 20, READ_BYTES = 192 << 20 };

double machine_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

uint64_t machine_peak_rss(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)u.ru_maxrss * 1024;
}

uint64_t machine_rss(void)
{
    char line[128] = "";
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return 0;
    if (fgets(line, sizeof line, f)) sscanf(line, "%*u %llu", &pages);
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Work a second of the best of TRIES runs of `units`; the first also wakes the threads up. */
static double best_rate(struct pool *p, int64_t units, void (*fn)(void *, int64_t, unsigned), void *ctx,
                        double work)
{
    double best = 0;
    for (int i = 0; i < TRIES; i++) {
        double start = machine_seconds();
        pool_for(p, units, fn, ctx);
        double rate = work / (machine_seconds() - start) / 1e9;
        if (rate > best) best = rate;
    }
    return best;
}

static void probe_unit(void *ctx, int64_t unit, unsigned thread)
{
    const struct probe *probe = ctx;
    float out[16];
    (void)unit, (void)thread;
    probe->run(ROUNDS, out);
}

static double probe_rate(struct pool *p, struct probe *probe)
{
    int64_t units = (int64_t)pool_threads(p) * UNITS_A_THREAD;
    if (!probe->run) return 0;
    return best_rate(p, units, probe_unit, probe, (double)(units * ROUNDS * probe->flops));
}

double machine_fma(struct pool *p, unsigned cpu_flags)
{
    struct probes probes;
    probes_init(&probes, cpu_flags);
    return probe_rate(p, &probes.fma);
}

double machine_dot(struct pool *p, unsigned cpu_flags)
{
    struct probes probes;
    probes_init(&probes, cpu_flags);
    return probe_rate(p, &probes.dot);
}

double machine_dot8(struct pool *p, unsigned cpu_flags)
{
    struct probes probes;
    probes_init(&probes, cpu_flags);
    return probe_rate(p, &probes.dot8);
}

struct read_job {
    const uint64_t *words;
    uint64_t sums[POOL_MAX_THREADS]; /* looked at by nobody */
};

static void read_unit(void *ctx, int64_t unit, unsigned thread)
{
    struct read_job *j = ctx;
    const uint64_t *w = j->words + unit * (CHUNK / 8);
    uint64_t s[8] = {0};
    for (int i = 0; i < CHUNK / 8; i += 8)
        for (int k = 0; k < 8; k++) s[k] ^= w[i + k];
    for (int k = 0; k < 8; k++) j->sums[thread] += s[k];
}

double machine_read(struct pool *p, const void *memory, size_t bytes)
{
    struct read_job j = {.words = memory};
    return best_rate(p, (int64_t)(bytes / CHUNK), read_unit, &j, (double)(bytes / CHUNK * CHUNK));
}

int machine_probe(struct machine_limits *out, struct pool *p, unsigned cpu_flags, struct err *e)
{
    struct arena a;
    *out = (struct machine_limits){0};
    int r = arena_create(&a, READ_BYTES, "measuring the memory", e);
    if (r) return r;
    memset(a.base, 0x3c, READ_BYTES);
    out->fma = machine_fma(p, cpu_flags);
    out->dot = machine_dot(p, cpu_flags);
    out->dot8 = machine_dot8(p, cpu_flags);
    out->read = machine_read(p, a.base, READ_BYTES);
    arena_free(&a);
    return 0;
}
