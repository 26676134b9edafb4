#include "infer/machine.h"
#include "infer/arena.h"
#include "kernels/probe.h"

#include <math.h>
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

uint64_t machine_available(void)
{
    FILE *f = fopen("/proc/meminfo", "r");
    unsigned long long kib = 0;
    char line[256];
    while (f && !kib && fgets(line, sizeof line, f)) (void)sscanf(line, "MemAvailable: %llu kB", &kib);
    if (f) fclose(f);
    return kib * 1024;
}

/* `work` a second of runs of `units`; one before them wakes the threads up. */
static struct machine_rate rate_of(struct pool *p, int64_t units, void (*fn)(void *, int64_t, unsigned),
                                   void *ctx, double work, double seconds)
{
    double best = INFINITY, all = 0;
    int n = 0;
    pool_for(p, units, fn, ctx);
    for (; n < TRIES || all < seconds; n++) {
        double start = machine_seconds();
        pool_for(p, units, fn, ctx);
        double took = machine_seconds() - start;
        best = took < best ? took : best, all += took;
    }
    return (struct machine_rate){1e-9 * work / best, 1e-9 * work * n / all};
}

static void probe_unit(void *ctx, int64_t unit, unsigned thread)
{
    const struct probe *probe = ctx;
    float out[16];
    (void)unit, (void)thread;
    probe->run(ROUNDS, out);
}

static struct machine_rate probe_rate(struct pool *p, struct probe *probe, double seconds)
{
    int64_t units = (int64_t)pool_threads(p) * UNITS_A_THREAD;
    if (!probe->run) return (struct machine_rate){0};
    return rate_of(p, units, probe_unit, probe, (double)(units * ROUNDS * probe->flops), seconds);
}

struct machine_rate machine_fma(struct pool *p, unsigned cpu_flags, double seconds)
{
    struct probes probes;
    probes_init(&probes, cpu_flags);
    return probe_rate(p, &probes.fma, seconds);
}

struct machine_rate machine_dot(struct pool *p, unsigned cpu_flags, double seconds)
{
    struct probes probes;
    probes_init(&probes, cpu_flags);
    return probe_rate(p, &probes.dot, seconds);
}

struct machine_rate machine_dot8(struct pool *p, unsigned cpu_flags, double seconds)
{
    struct probes probes;
    probes_init(&probes, cpu_flags);
    return probe_rate(p, &probes.dot8, seconds);
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

struct machine_rate machine_read(struct pool *p, const void *memory, size_t bytes, double seconds)
{
    struct read_job j = {.words = memory};
    return rate_of(p, (int64_t)(bytes / CHUNK), read_unit, &j, (double)(bytes / CHUNK * CHUNK), seconds);
}

int machine_probe(struct machine_limits *out, struct pool *p, unsigned cpu_flags, struct err *e)
{
    struct arena a;
    *out = (struct machine_limits){0};
    int r = arena_create(&a, READ_BYTES, "measuring the memory", e);
    if (r) return r;
    memset(a.base, 0x3c, READ_BYTES);
    out->fma = machine_fma(p, cpu_flags, 0).best;
    out->dot = machine_dot(p, cpu_flags, 0).best;
    out->dot8 = machine_dot8(p, cpu_flags, 0).best;
    out->read = machine_read(p, a.base, READ_BYTES, 0).best;
    arena_free(&a);
    return 0;
}
