/* Files and folders: read whole with limits, written whole or not at all.
 *
 * An output file is written as PATH.tmp in the same folder, fsynced, renamed over PATH, and the folder is
 * fsynced: a reader sees the old file or the new one, never half of it, whatever kills the writer. */
#ifndef TERSE_CHECKPOINTS_FILE_H
#define TERSE_CHECKPOINTS_FILE_H

#include "infer/file_open.h" /* file_load */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { FILE_PATH = 4096 }; /* bytes of the longest path, with its NUL */

/* Writes the formatted path to `out`. Returns 0, or ERR_PATH when it is longer than FILE_PATH - 1 bytes. */
int file_path(char out[FILE_PATH], struct err *e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* An output file in progress. */
struct file_out {
    int fd; /* -1 when closed */
    char path[FILE_PATH], temp[FILE_PATH];
};

/* Starts PATH.tmp (an old one is overwritten). Errors: PATH, EACCES, ENOSPC, IO ...; *f is then closed. */
int file_out_open(struct file_out *f, const char *path, struct err *e);
/* Appends `n` bytes. After an error only file_out_abort may follow. */
int file_out_write(struct file_out *f, const void *data, size_t n, struct err *e);
/* fsync, rename, fsync of the folder. *f is closed either way; after an error the temporary file is gone and
 * PATH is what it was (or, when only the fsync of the folder failed, already the whole new file). */
int file_out_commit(struct file_out *f, struct err *e);
/* Removes the temporary file; PATH stays what it was. Does nothing on a closed *f. */
void file_out_abort(struct file_out *f);

/* The whole of it at once: `n` bytes of `data` become PATH. */
int file_save(const char *path, const void *data, size_t n, struct err *e);
/* Copies a regular file, whole or not at all. */
int file_copy(const char *from, const char *to, struct err *e);

/* Writes all `n` bytes to `fd`; `path` is for the message. */
int file_write_fd(int fd, const char *path, const void *data, size_t n, struct err *e);
/* fsync of an existing file or folder. */
int file_sync(const char *path, struct err *e);
/* fsync of the folder that holds `path`. */
int file_sync_parent(const char *path, struct err *e);

/* Creates a folder and its missing parents (0777 less umask). An existing folder is fine. */
int file_make_dirs(const char *path, struct err *e);
/* Creates the folder that is to hold `path`. */
int file_make_parent(const char *path, struct err *e);
/* Removes a file or a folder with all it holds, without following symbolic links. Absent is fine. */
int file_remove_tree(const char *path, struct err *e);
/* Renames the folder `temp`, whose files are fsynced, to `path` beside it and makes that durable; an existing
 * `path` is replaced, at once where the file system can swap two names. After an error both are as they were,
 * or only the fsync of the folder around them failed. */
int file_replace_dir(const char *temp, const char *path, struct err *e);
/* 1 when something (a dangling link too) has that name. */
int file_exists(const char *path);

/* The path itself, or the nearest folder above it that exists. */
void file_nearest(char out[FILE_PATH], const char *path);

/* ERR_PREFLIGHT_DISK, naming both sizes, unless the file system of the existing `path` has `bytes` free. */
int file_need_space(const char *path, uint64_t bytes, struct err *e);

/* An advisory lock (flock) on a file; the kernel releases it with the process, however that ends. */
struct file_lock {
    int fd;
    pid_t stale; /* > 0: the process that died holding the lock before us, for a message */
};

/* Takes PATH, created when absent, or fails at once: ERR_LOCKED names the holder's process. On failure there
 * is nothing to release. */
int file_lock_take(struct file_lock *l, const char *path, struct err *e);
void file_lock_release(struct file_lock *l);

#endif
