#include "data/parquet/source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int source_open(struct pq_source *s, const char *path, struct err *e)
{
    struct stat st;
    *s = (struct pq_source){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)}; /* a FIFO must not block */
    if (s->fd < 0) return err_errno(e, errno, "cannot open");
    int code = 0;
    if (fstat(s->fd, &st))
        code = err_errno(e, errno, "cannot stat");
    else if (!S_ISREG(st.st_mode))
        code = err_set(e, ERR_NOT_REGULAR, "not a regular file");
    else
        s->size = (uint64_t)st.st_size;
    if (code) source_close(s);
    return code;
}

void source_close(struct pq_source *s)
{
    if (s->fd >= 0) close(s->fd);
    s->fd = -1;
}

const uint8_t *source_read(const struct pq_source *s, uint64_t offset, size_t n, struct pq_arena *arena,
                           struct err *e)
{
    if (s->fd < 0 && !s->reader.read) return s->memory + offset;
    uint8_t *out = pq_arena_alloc(arena, n, 1, e);
    if (s->fd < 0) return out && s->reader.read(s->reader.ctx, offset, n, out, e) ? NULL : out;
    for (size_t done = 0; out && done < n;) {
        ssize_t r = pread(s->fd, out + done, n - done, (off_t)(offset + done));
        if (r > 0)
            done += (size_t)r;
        else if (r == 0)
            err_set(e, ERR_CHANGED, "the file has become shorter than %zu bytes", n), out = NULL;
        else if (errno != EINTR)
            err_errno(e, errno, "cannot read %zu bytes at %llu", n, (unsigned long long)offset), out = NULL;
    }
    return out;
}
