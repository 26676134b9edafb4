#include "infer/file_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int file_open(const char *path, int *fd, uint64_t *size, struct err *e)
{
    struct stat st;
    /* O_NONBLOCK: opening a FIFO without a writer would wait for one */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0 && errno == ENXIO) /* a socket, or a device without a driver */
        return err_set(e, ERR_NOT_REGULAR, "%s is not a regular file", path);
    if (*fd < 0) return err_errno(e, errno, "cannot open %s", path);
    int rc = 0;
    if (fstat(*fd, &st) != 0)
        rc = err_errno(e, errno, "cannot stat %s", path);
    else if (!S_ISREG(st.st_mode))
        rc = err_set(e, ERR_NOT_REGULAR, "%s is not a regular file", path);
    else if (size)
        *size = (uint64_t)st.st_size;
    if (rc) {
        close(*fd);
        *fd = -1;
    }
    return rc;
}

static int read_exactly(int fd, const char *path, char *data, size_t n, struct err *e)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = read(fd, data + at, n - at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return err_errno(e, errno, "reading %s at offset %zu", path, at);
        if (got == 0)
            return err_set(e, ERR_CHANGED, "%s shrank to %zu bytes while reading, expected %zu", path, at, n);
        at += (size_t)got;
    }
    return 0;
}

int file_load(const char *path, uint64_t max, char **data, size_t *n, struct err *e)
{
    uint64_t size = 0;
    int fd;
    *data = NULL;
    int rc = file_open(path, &fd, &size, e);
    if (rc) return rc;
    if (size > max)
        rc = err_set(e, ERR_TOO_LARGE, "%s has %llu bytes, the limit is %llu", path, (unsigned long long)size,
                     (unsigned long long)max);
    if (!rc && !(*data = malloc((size_t)size + 1)))
        rc = err_set(e, ERR_NOMEM, "no memory for the %llu bytes of %s", (unsigned long long)size, path);
    if (!rc) rc = read_exactly(fd, path, *data, (size_t)size, e);
    close(fd);
    if (rc) {
        free(*data);
        *data = NULL;
        return rc;
    }
    (*data)[size] = 0;
    *n = (size_t)size;
    return 0;
}
