#include "checkpoints/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

int file_path(char out[FILE_PATH], struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(out, FILE_PATH, fmt, ap);
    va_end(ap);
    if (n >= 0 && n < FILE_PATH) return 0;
    return err_set(e, ERR_PATH, "path longer than %d bytes: %.80s...", FILE_PATH - 1, out);
}

/* ---- writing ----------------------------------------------------------------------------------------- */

int file_write_fd(int fd, const char *path, const void *data, size_t n, struct err *e)
{
    const char *p = data;
    while (n > 0) {
        ssize_t put = write(fd, p, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return err_errno(e, errno, "writing %s", path);
        p += put;
        n -= (size_t)put;
    }
    return 0;
}

int file_out_open(struct file_out *f, const char *path, struct err *e)
{
    f->fd = -1;
    int rc = file_path(f->path, e, "%s", path);
    if (!rc) rc = file_path(f->temp, e, "%s.tmp", path);
    if (rc) return rc;
    f->fd = open(f->temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    return f->fd < 0 ? err_errno(e, errno, "cannot create %s", f->temp) : 0;
}

int file_out_write(struct file_out *f, const void *data, size_t n, struct err *e)
{
    return file_write_fd(f->fd, f->temp, data, n, e);
}

int file_out_commit(struct file_out *f, struct err *e)
{
    int rc = 0;
    if (fsync(f->fd) != 0) rc = err_errno(e, errno, "fsync of %s", f->temp);
    if (close(f->fd) != 0 && !rc) rc = err_errno(e, errno, "closing %s", f->temp);
    f->fd = -1;
    if (!rc && rename(f->temp, f->path) != 0) rc = err_errno(e, errno, "renaming %s", f->temp);
    if (rc) {
        unlink(f->temp);
        return rc;
    }
    return file_sync_parent(f->path, e);
}

void file_out_abort(struct file_out *f)
{
    if (f->fd < 0) return;
    close(f->fd);
    unlink(f->temp);
    f->fd = -1;
}

int file_save(const char *path, const void *data, size_t n, struct err *e)
{
    struct file_out f;
    int rc = file_out_open(&f, path, e);
    if (!rc) rc = file_out_write(&f, data, n, e);
    if (!rc) return file_out_commit(&f, e);
    file_out_abort(&f);
    return rc;
}

static int copy_fd(int fd, const char *from, struct file_out *out, char *block, size_t size, struct err *e)
{
    for (;;) {
        ssize_t got = read(fd, block, size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return err_errno(e, errno, "reading %s", from);
        if (got == 0) return 0;
        int rc = file_out_write(out, block, (size_t)got, e);
        if (rc) return rc;
    }
}

int file_copy(const char *from, const char *to, struct err *e)
{
    enum { BLOCK = 1 << 16 };
    char block[BLOCK];
    struct file_out out;
    int fd;
    int rc = file_open(from, &fd, NULL, e);
    if (rc) return rc;
    rc = file_out_open(&out, to, e);
    if (!rc) rc = copy_fd(fd, from, &out, block, BLOCK, e);
    close(fd);
    if (!rc) return file_out_commit(&out, e);
    file_out_abort(&out);
    return rc;
}

int file_sync(const char *path, struct err *e)
{
    int rc = 0, fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return err_errno(e, errno, "cannot open %s", path);
    if (fsync(fd) != 0) rc = err_errno(e, errno, "fsync of %s", path);
    close(fd);
    return rc;
}

/* The folder that holds `path`. */
static int parent_of(const char *path, char dir[FILE_PATH], struct err *e)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return file_path(dir, e, ".");
    if (slash == path) return file_path(dir, e, "/");
    return file_path(dir, e, "%.*s", (int)(slash - path), path);
}

int file_sync_parent(const char *path, struct err *e)
{
    char dir[FILE_PATH];
    int rc = parent_of(path, dir, e);
    return rc ? rc : file_sync(dir, e);
}

/* ---- folders ----------------------------------------------------------------------------------------- */

static int make_dir(const char *path, struct err *e)
{
    struct stat st;
    if (mkdir(path, 0777) == 0) return 0;
    int why = errno;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return 0;
    return err_errno(e, why, "cannot create the folder %s", path);
}

int file_make_dirs(const char *path, struct err *e)
{
    char part[FILE_PATH];
    int rc = file_path(part, e, "%s", path);
    for (char *p = part + 1; !rc && part[0] && *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        rc = make_dir(part, e);
        *p = '/';
    }
    return rc ? rc : make_dir(part, e);
}

int file_make_parent(const char *path, struct err *e)
{
    char dir[FILE_PATH];
    int rc = parent_of(path, dir, e);
    return rc ? rc : file_make_dirs(dir, e);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

int file_remove_tree(const char *path, struct err *e)
{
    enum { OPEN_FOLDERS = 16 };
    if (nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT) return 0;
    return err_errno(e, errno, "cannot remove %s", path);
}

/* A folder cannot be renamed over one that is not empty: swap the names, or step aside where that fails. */
static int swap_dirs(const char *temp, const char *path, struct err *e)
{
    char old[FILE_PATH];
    if (renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_EXCHANGE) == 0)
        return file_remove_tree(temp, NULL), 0;
    int rc = file_path(old, e, "%s.old.tmp", path);
    if (!rc) rc = file_remove_tree(old, e);
    if (!rc && rename(path, old) != 0) rc = err_errno(e, errno, "renaming %s", path);
    if (rc) return rc;
    if (rename(temp, path) == 0) return file_remove_tree(old, NULL), 0;
    rc = err_errno(e, errno, "renaming %s", temp);
    rename(old, path);
    return rc;
}

int file_replace_dir(const char *temp, const char *path, struct err *e)
{
    int rc = file_sync(temp, e);
    if (rc) return rc;
    if (file_exists(path))
        rc = swap_dirs(temp, path, e);
    else if (rename(temp, path) != 0)
        rc = err_errno(e, errno, "renaming %s", temp);
    return rc ? rc : file_sync_parent(path, e);
}

int file_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

void file_nearest(char out[FILE_PATH], const char *path)
{
    snprintf(out, FILE_PATH, "%s", path);
    while (access(out, F_OK) && errno == ENOENT) {
        char *slash = strrchr(out, '/');
        if (!slash) {
            strcpy(out, ".");
            return;
        }
        slash[slash == out] = 0;
    }
}

int file_need_space(const char *path, uint64_t bytes, struct err *e)
{
    struct statvfs fs;
    if (statvfs(path, &fs) != 0) return err_errno(e, errno, "cannot ask for the free space of %s", path);
    uint64_t have = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (have >= bytes) return 0;
    return err_set(e, ERR_PREFLIGHT_DISK, "%s needs %.1f MB and its disk has %.1f MB free", path,
                   (double)bytes / 1e6, (double)have / 1e6);
}

/* ---- locks ------------------------------------------------------------------------------------------- */

/* The process id written in a lock file, 0 when there is none. */
static pid_t lock_owner(int fd)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = 0;
    long pid = strtol(text, NULL, 10);
    return pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

int file_lock_take(struct file_lock *l, const char *path, struct err *e)
{
    char pid[32];
    *l = (struct file_lock){.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666)};
    if (l->fd < 0) return err_errno(e, errno, "cannot open the lock %s", path);
    int rc = 0, n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (flock(l->fd, LOCK_EX | LOCK_NB) != 0)
        rc = errno == EWOULDBLOCK
                 ? err_set(e, ERR_LOCKED, "%s is held by process %ld", path, (long)lock_owner(l->fd))
                 : err_errno(e, errno, "cannot lock %s", path);
    /* a clean release empties the file: a number still there is that of a process that died */
    if (!rc) l->stale = lock_owner(l->fd);
    if (!rc && ftruncate(l->fd, 0) != 0) rc = err_errno(e, errno, "cannot write the lock %s", path);
    if (!rc) rc = file_write_fd(l->fd, path, pid, (size_t)n, e);
    if (rc) {
        close(l->fd);
        l->fd = -1;
    }
    return rc;
}

void file_lock_release(struct file_lock *l)
{
    if (l->fd < 0) return;
    /* emptied, not removed: unlinking would let two processes hold two files of one name */
    if (ftruncate(l->fd, 0) == 0) fsync(l->fd);
    close(l->fd);
    l->fd = -1;
}
