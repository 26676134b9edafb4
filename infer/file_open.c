#include "infer/file_open.h"

#include <errno.h>
#include <fcntl.h>
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
