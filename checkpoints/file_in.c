#include "checkpoints/file_in.h"
#include "infer/file_open.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

int file_in_open(struct file_in *f, const char *path, struct err *e)
{
    struct stat st;
    *f = (struct file_in){.path = path};
    int rc = file_open(path, &f->fd, &f->size, e);
    if (rc) return rc;
    if (fstat(f->fd, &st)) {
        rc = err_errno(e, errno, "cannot stat %s", path);
        file_in_close(f);
        return rc;
    }
    f->written = st.st_mtim;
    return 0;
}

void file_in_close(struct file_in *f)
{
    if (f->fd >= 0) close(f->fd);
    f->fd = -1;
}

int file_in_read(void *ctx, void *out, size_t n, size_t *got, struct err *e)
{
    struct file_in *f = ctx;
    ssize_t r;
    *got = 0;
    if (n > f->size - f->at) n = (size_t)(f->size - f->at);
    if (!n) return 0;
    do r = pread(f->fd, out, n, (off_t)f->at);
    while (r < 0 && errno == EINTR);
    if (r < 0) return err_errno(e, errno, "reading %s at offset %llu", f->path, (unsigned long long)f->at);
    if (!r)
        return err_set(e, ERR_CHANGED, "%s shrank to %llu bytes while reading, expected %llu", f->path,
                       (unsigned long long)f->at, (unsigned long long)f->size);
    f->at += (uint64_t)r;
    *got = (size_t)r;
    return 0;
}

int file_in_seek(struct file_in *f, uint64_t at, struct err *e)
{
    struct stat st;
    if (fstat(f->fd, &st)) return err_errno(e, errno, "cannot stat %s", f->path);
    if ((uint64_t)st.st_size != f->size || st.st_mtim.tv_sec != f->written.tv_sec ||
        st.st_mtim.tv_nsec != f->written.tv_nsec)
        return err_set(e, ERR_CHANGED, "%s was written to while it was read", f->path);
    f->at = at;
    return 0;
}
