/* Workers wait for a new generation number: they spin for a while, since products follow each other within
 * microseconds, and then sleep. Units are handed out by an atomic counter. */
#include "infer/pool.h"
#include "kernels/kernels.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { SPIN = 4000 };

struct job {
    void (*fn)(void *ctx, int64_t unit, unsigned thread);
    void *ctx;
    int64_t units;
};

struct worker {
    struct pool *pool;
    unsigned index;
    pthread_t thread;
};

struct pool {
    unsigned threads;
    int spin; /* turns to wait before sleeping; 0 when there are more threads than processors */
    struct job job;
    atomic_llong next;      /* next unit to hand out */
    atomic_uint generation; /* bumped for each job; workers wait for it */
    atomic_uint running;    /* workers still busy with the job */
    atomic_uint sleepers;   /* workers asleep on `wake` */
    atomic_bool stop;
    pthread_mutex_t turn; /* held by the thread whose job it is */
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    struct worker workers[];
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* waits about as long as x86's pause; `yield` does nothing here */
#endif
}

static void job_work(struct pool *p, unsigned thread)
{
    for (;;) {
        int64_t unit = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (unit >= p->job.units) return;
        p->job.fn(p->job.ctx, unit, thread);
    }
}

static void wait_for_job(struct pool *p, unsigned seen)
{
    for (int i = 0; i < p->spin; i++) {
        if (atomic_load_explicit(&p->generation, memory_order_acquire) != seen) return;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (atomic_load(&p->generation) == seen) pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;
    kernels_fp_enter();
    for (unsigned seen = 0;;) {
        wait_for_job(p, seen);
        seen = atomic_load_explicit(&p->generation, memory_order_acquire);
        if (atomic_load(&p->stop)) return NULL;
        job_work(p, w->index);
        if (atomic_fetch_sub(&p->running, 1) == 1) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->done);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

static void wake_all(struct pool *p)
{
    atomic_fetch_add(&p->generation, 1);
    if (!atomic_load(&p->sleepers) && p->spin) return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void wait_until_done(struct pool *p)
{
    for (int i = 0; i < p->spin; i++) {
        if (!atomic_load_explicit(&p->running, memory_order_acquire)) return;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->running)) pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void pool_for(struct pool *p, int64_t units, void (*fn)(void *ctx, int64_t unit, unsigned thread), void *ctx)
{
    unsigned old = kernels_fp_enter();
    if (p->threads == 1 || units <= 1) {
        for (int64_t i = 0; i < units; i++) fn(ctx, i, 0);
    } else {
        pthread_mutex_lock(&p->turn);
        p->job = (struct job){fn, ctx, units};
        atomic_store(&p->next, 0);
        atomic_store(&p->running, p->threads - 1);
        wake_all(p);
        job_work(p, 0);
        wait_until_done(p);
        pthread_mutex_unlock(&p->turn);
    }
    kernels_fp_leave(old);
}

static unsigned processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set)) return 1;
    return (unsigned)CPU_COUNT(&set);
}

static int workers_start(struct pool *p, unsigned threads, struct err *e)
{
    for (p->threads = 1; p->threads < threads; p->threads++) {
        struct worker *w = &p->workers[p->threads];
        *w = (struct worker){.pool = p, .index = p->threads};
        int r = pthread_create(&w->thread, NULL, worker_main, w);
        if (r) return err_errno(e, r, "cannot start thread %u of %u", p->threads + 1, threads);
    }
    return 0;
}

int pool_create(struct pool **out, unsigned threads, struct err *e)
{
    *out = NULL;
    if (threads > POOL_MAX_THREADS)
        return err_set(e, ERR_FIELD_RANGE, "threads is %u, expected at most %d", threads, POOL_MAX_THREADS);
    if (threads == 0) threads = processors();
    struct pool *p = calloc(1, sizeof *p + threads * sizeof *p->workers);
    if (!p) return err_set(e, ERR_NOMEM, "no memory for a pool of %u threads", threads);
    p->spin = threads <= processors() ? SPIN : 0;
    pthread_mutex_init(&p->turn, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    int r = workers_start(p, threads, e);
    if (r) {
        pool_free(p);
        return r;
    }
    *out = p;
    return 0;
}

void pool_free(struct pool *p)
{
    if (!p) return;
    atomic_store(&p->stop, true);
    atomic_fetch_add(&p->generation, 1);
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 1; i < p->threads; i++) pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->turn);
    free(p);
}

unsigned pool_threads(const struct pool *p)
{
    return p->threads;
}
