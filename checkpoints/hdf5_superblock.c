#include "checkpoints/hdf5_superblock.h"

#include "checkpoints/file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { HEAD = 1024 };
static const uint64_t UNDEFINED = UINT64_MAX;

static uint64_t u64_at(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v); /* the host is little-endian, as everywhere in terse */
    return v;
}

static int check_widths(const char *path, const unsigned char *p, struct err *e)
{
    if (p[0] == 8 && p[1] == 8) return 0;
    return err_set(e, ERR_H5_WIDTH, "%s: offsets of %d and lengths of %d bytes, expected 8 and 8", path, p[0],
                   p[1]);
}

static int check_addresses(const char *path, uint64_t base, uint64_t end, uint64_t root, uint64_t size,
                           struct err *e)
{
    if (base != 0)
        return err_set(e, ERR_H5_UNSUPPORTED, "%s: base address %llu, expected 0", path,
                       (unsigned long long)base);
    if (end > size)
        return err_set(e, ERR_H5_EOF, "%s: ends at %llu by its superblock, but has %llu bytes", path,
                       (unsigned long long)end, (unsigned long long)size);
    if (root >= end)
        return err_set(e, ERR_H5_ADDR, "%s: root group at %llu, the file ends at %llu", path,
                       (unsigned long long)root, (unsigned long long)end);
    return 0;
}

/* Version 0: widths at 13, base 24, free space 32, end 40, driver 48, then the root's entry, header at 64. */
static int check_v0(const char *path, const unsigned char *p, uint64_t size, struct err *e)
{
    int rc = check_widths(path, p + 13, e);
    return rc ? rc : check_addresses(path, u64_at(p + 24), u64_at(p + 40), u64_at(p + 64), size, e);
}

/* Versions 2 and 3: widths at 9, base 12, extension 20, end 28, root header 36, checksum 44. */
static int check_v2(const char *path, const unsigned char *p, uint64_t size, struct err *e)
{
    int rc = check_widths(path, p + 9, e);
    if (!rc && u64_at(p + 20) != UNDEFINED)
        rc = err_set(e, ERR_H5_UNSUPPORTED, "%s: has a superblock extension", path);
    return rc ? rc : check_addresses(path, u64_at(p + 12), u64_at(p + 28), u64_at(p + 36), size, e);
}

static int check_head(const char *path, const unsigned char *p, size_t n, uint64_t size, struct err *e)
{
    static const unsigned char signature[8] = "\211HDF\r\n\032\n";
    if (n >= 520 && memcmp(p, signature, 8) != 0 && memcmp(p + 512, signature, 8) == 0)
        return err_set(e, ERR_H5_UNSUPPORTED, "%s: a user block stands before the HDF5 signature", path);
    if (n < 8 || memcmp(p, signature, 8) != 0)
        return err_set(e, ERR_H5_MAGIC, "%s: no HDF5 signature at offset 0", path);
    if (n < 96) return err_set(e, ERR_H5_EOF, "%s: cut in its superblock, %zu bytes", path, n);
    if (p[8] == 0) return check_v0(path, p, size, e);
    if (p[8] == 2 || p[8] == 3) return check_v2(path, p, size, e);
    return err_set(e, ERR_H5_VERSION, "%s: superblock version %d, expected 0, 2 or 3", path, p[8]);
}

int hdf5_superblock_check(const char *path, struct err *e)
{
    unsigned char head[HEAD];
    uint64_t size = 0;
    int fd;
    int rc = file_open(path, &fd, &size, e);
    if (rc) return rc;
    ssize_t n = pread(fd, head, sizeof head, 0);
    rc = n < 0 ? err_errno(e, errno, "reading %s", path) : check_head(path, head, (size_t)n, size, e);
    close(fd);
    return rc;
}
