#include "infer/map.h"
#include "infer/file_open.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct map {
    char *data;
    uint64_t size;
    struct timespec changed;
    int fd, guard;
    char path[];
};

/* ---- the handler: it may look at this table and nothing else
 * ------------------------------------------------ */

static struct guard {
    atomic_bool used;
    atomic_uintptr_t begin, end; /* 0, 0: nothing to guard */
    atomic_bool hit;
} guards[MAP_MAX_FILES];

static struct sigaction before; /* what SIGBUS did without us */
static uintptr_t page_size;

static struct guard *guard_of(uintptr_t at)
{
    for (int i = 0; i < MAP_MAX_FILES; i++)
        if (at >= atomic_load(&guards[i].begin) && at < atomic_load(&guards[i].end)) return &guards[i];
    return NULL;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    uintptr_t at = (uintptr_t)info->si_addr;
    struct guard *g =
        info->si_code > 0 ? guard_of(at) : NULL; /* > 0: from the kernel, so the address is one */
    void *page = (void *)(at & ~(page_size - 1));
    if (g && mmap(page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
        atomic_store(&g->hit, true);
    } else {
        sigaction(SIGBUS, &before, NULL); /* the same access faults again, and meets what was before */
        if (info->si_code <= 0) raise(sig);
    }
    errno = saved;
}

/* With every map, not once: others install handlers too. */
static void install(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct sigaction now, ours = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&ours.sa_mask);
    pthread_mutex_lock(&lock);
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    sigaction(SIGBUS, NULL, &now);
    if (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != on_sigbus) {
        before = now;
        sigaction(SIGBUS, &ours, NULL);
    }
    pthread_mutex_unlock(&lock);
}

static int guard_take(void)
{
    install();
    for (int i = 0; i < MAP_MAX_FILES; i++)
        if (!atomic_exchange(&guards[i].used, true)) return i;
    return -1;
}

static void guard_set(int i, uintptr_t begin, uintptr_t end)
{
    atomic_store(&guards[i].hit, false);
    atomic_store(&guards[i].begin, begin);
    atomic_store(&guards[i].end, end);
}

static void guard_release(int i)
{
    if (i < 0) return;
    atomic_store(&guards[i].end, 0);
    atomic_store(&guards[i].begin, 0);
    atomic_store(&guards[i].used, false);
}

/* ---- maps
 * --------------------------------------------------------------------------------------------------- */

static int map_file(struct map *m, struct err *e)
{
    struct stat st;
    int rc = file_open(m->path, &m->fd, &m->size, e);
    if (rc) return rc;
    if (fstat(m->fd, &st) != 0) return err_errno(e, errno, "cannot stat %s", m->path);
    m->size = (uint64_t)st.st_size;
    m->changed = st.st_mtim;
    if (m->size == 0) return 0;
    if ((m->guard = guard_take()) < 0)
        return err_set(e, ERR_TOO_MANY, "%s: more than %d files mapped at a time", m->path, MAP_MAX_FILES);
    void *p = mmap(NULL, m->size, PROT_READ, MAP_PRIVATE, m->fd, 0);
    if (p == MAP_FAILED) return err_errno(e, errno, "cannot map %s", m->path);
    m->data = p;
    guard_set(m->guard, (uintptr_t)p, (uintptr_t)p + m->size);
    return 0;
}

int map_open(struct map **out, const char *path, struct err *e)
{
    size_t n = strlen(path) + 1;
    struct map *m = calloc(1, sizeof *m + n);
    *out = NULL;
    if (!m) return err_set(e, ERR_NOMEM, "no memory to open %s", path);
    memcpy(m->path, path, n);
    m->fd = m->guard = -1;
    int rc = map_file(m, e);
    if (rc)
        map_close(m);
    else
        *out = m;
    return rc;
}

void map_close(struct map *m)
{
    if (!m) return;
    guard_release(m->guard);
    if (m->data) munmap(m->data, m->size);
    if (m->fd >= 0) close(m->fd);
    free(m);
}

const char *map_data(const struct map *m)
{
    return m->data;
}

uint64_t map_size(const struct map *m)
{
    return m->size;
}

void map_prefetch(const struct map *m)
{
    if (m->data) madvise(m->data, m->size, MADV_WILLNEED);
}

void map_release(const void *data, uint64_t bytes)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = ((uintptr_t)data + bytes) & ~(page - 1);
    uintptr_t begin = ((uintptr_t)data + page - 1) & ~(page - 1);
    if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
}

int map_intact(const struct map *m, struct err *e)
{
    struct stat st;
    if (fstat(m->fd, &st) != 0) return err_errno(e, errno, "cannot stat %s", m->path);
    if ((uint64_t)st.st_size != m->size)
        return err_set(e, ERR_CHANGED, "%s had %llu bytes when it was opened and has %llu now", m->path,
                       (unsigned long long)m->size, (unsigned long long)st.st_size);
    if (m->guard >= 0 && atomic_load(&guards[m->guard].hit))
        return err_set(e, ERR_CHANGED, "%s was cut short while it was read", m->path);
    if (st.st_mtim.tv_sec != m->changed.tv_sec || st.st_mtim.tv_nsec != m->changed.tv_nsec)
        return err_set(e, ERR_CHANGED, "%s was written to while it was read", m->path);
    return 0;
}
