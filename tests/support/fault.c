#include "tests/support/fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* Shared libraries are to find the calls that are defined here. */
#pragma GCC visibility push(default)

static atomic_int armed;
static atomic_long left;

void fault_arm(enum fault_kind kind, long n)
{
    atomic_store(&left, n);
    atomic_store(&armed, kind);
}

int fault_disarm(void)
{
    atomic_store(&armed, FAULT_NONE);
    return atomic_load(&left) <= 0;
}

/* libhdf5 1.10 forgets blocks on the way out of a failed read or write. Visible, or the sanitizer's library
 * does not find it. */
const char *__lsan_default_suppressions(void) __attribute__((visibility("default")));
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

int fault_leaks(void)
{
    return __lsan_do_recoverable_leak_check ? __lsan_do_recoverable_leak_check() : 0;
}

int fault_open_files(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

/* 1 when this call is one to fail; sets errno. */
static int fails(enum fault_kind kind, int why)
{
    int now = atomic_load(&armed);
    if (now != (int)kind && !(now == FAULT_FULL && kind == FAULT_WRITE)) return 0;
    long nth = atomic_fetch_sub(&left, 1);
    if (now == FAULT_FULL || now == FAULT_SPACE ? nth > 1 : nth != 1) return 0;
    errno = why;
    return 1;
}

/* ---- memory ------------------------------------------------------------------------------------------ */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
int __real_posix_memalign(void **out, size_t align, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void *__real_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset);

void *__wrap_malloc(size_t n);
void *__wrap_malloc(size_t n)
{
    return fails(FAULT_ALLOC, ENOMEM) ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
    return fails(FAULT_ALLOC, ENOMEM) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n)
{
    return fails(FAULT_ALLOC, ENOMEM) ? NULL : __real_realloc(p, n);
}

int __wrap_posix_memalign(void **out, size_t align, size_t n);
int __wrap_posix_memalign(void **out, size_t align, size_t n)
{
    return fails(FAULT_ALLOC, ENOMEM) ? ENOMEM : __real_posix_memalign(out, align, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n)
{
    return fails(FAULT_ALLOC, ENOMEM) ? NULL : __real_aligned_alloc(align, n);
}

void *__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    return fails(FAULT_ALLOC, ENOMEM) ? MAP_FAILED : __real_mmap(at, n, prot, flags, fd, offset);
}

/* ---- files: defined by name, so that libhdf5 meets them too
 * ------------------------------------------------ */

int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    int writing = (flags & O_ACCMODE) != O_RDONLY;
    if (fails(writing ? FAULT_WRITE : FAULT_READ, writing ? ENOSPC : EIO)) return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* pwrite, or write where at is -1 */
static ssize_t put(int fd, const void *data, size_t n, off_t at)
{
    return at < 0 ? syscall(SYS_write, fd, data, n) : syscall(SYS_pwrite64, fd, data, n, at);
}

/* Writes one byte with a bit of it turned; the caller goes on behind it. */
static ssize_t put_flipped(int fd, const void *data, off_t at)
{
    unsigned char byte = *(const unsigned char *)data ^ 1;
    return put(fd, &byte, 1, at);
}

static ssize_t put_or_fail(int fd, const void *data, size_t n, off_t at)
{
    struct stat st;
    if (n && fails(FAULT_FLIP, 0)) return put_flipped(fd, data, at);
    /* no disk is too full for a file that only lives in memory */
    if ((fstat(fd, &st) == 0 && st.st_nlink == 0) || !fails(FAULT_WRITE, ENOSPC)) return put(fd, data, n, at);
    put(fd, data, n / 2, at);
    errno = ENOSPC;
    return -1;
}

ssize_t write(int fd, const void *data, size_t n)
{
    return put_or_fail(fd, data, n, -1);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    return put_or_fail(fd, data, n, at);
}

ssize_t read(int fd, void *data, size_t n)
{
    return fails(FAULT_READ, EIO) ? -1 : syscall(SYS_read, fd, data, n);
}

ssize_t pread(int fd, void *data, size_t n, off_t at)
{
    return fails(FAULT_READ, EIO) ? -1 : syscall(SYS_pread64, fd, data, n, at);
}

int fsync(int fd)
{
    return fails(FAULT_WRITE, ENOSPC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
    return fails(FAULT_WRITE, ENOSPC) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* --wrap renames the calls of our own objects; they end in the same place. */
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return open(path, flags, mode);
}

ssize_t __wrap_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n)
{
    return write(fd, data, n);
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t n, off_t at)
{
    return pwrite(fd, data, n, at);
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    return fsync(fd);
}

int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    return rename(from, to);
}

int __real_statvfs(const char *path, struct statvfs *fs);
int __wrap_statvfs(const char *path, struct statvfs *fs);
int __wrap_statvfs(const char *path, struct statvfs *fs)
{
    int rc = __real_statvfs(path, fs);
    if (fails(FAULT_SPACE, errno)) fs->f_bavail = 0;
    return rc;
}

#pragma GCC visibility pop
