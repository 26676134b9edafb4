#include "checkpoints/zstd.h"

#include <zstd.h>
#include <zstd_errors.h>

size_t zstd_bound(size_t n)
{
    size_t bound = ZSTD_compressBound(n);
    return ZSTD_isError(bound) ? 0 : bound;
}

int zstd_compress(void *dst, size_t cap, size_t *used, const void *src, size_t n, int level, struct err *e)
{
    size_t r = ZSTD_compress(dst, cap, src, n, level);
    if (!ZSTD_isError(r)) {
        *used = r;
        return 0;
    }
    int code = ZSTD_getErrorCode(r) == ZSTD_error_dstSize_tooSmall ? ERR_NEED : ERR_ZSTD;
    return err_set(e, code, "zstd cannot compress %zu bytes into %zu: %s", n, cap, ZSTD_getErrorName(r));
}

int zstd_decompress(void *dst, size_t expected, const void *src, size_t n, struct err *e)
{
    size_t r = ZSTD_decompress(dst, expected, src, n);
    if (ZSTD_isError(r)) {
        if (ZSTD_getErrorCode(r) == ZSTD_error_dstSize_tooSmall)
            return err_set(e, ERR_SIZE_MISMATCH, "zstd: %zu bytes decompress to more than the expected %zu",
                           n, expected);
        return err_set(e, ERR_ZSTD, "zstd: %zu bytes do not decompress: %s", n, ZSTD_getErrorName(r));
    }
    if (r != expected)
        return err_set(e, ERR_SIZE_MISMATCH, "zstd: %zu bytes decompress to %zu, expected %zu", n, r,
                       expected);
    return 0;
}

int zstd_content_size(uint64_t *size, uint64_t cap, const void *src, size_t n, struct err *e)
{
    unsigned long long r = ZSTD_getFrameContentSize(src, n);
    if (r == ZSTD_CONTENTSIZE_ERROR) return err_set(e, ERR_ZSTD, "zstd: %zu bytes are not a frame", n);
    if (r == ZSTD_CONTENTSIZE_UNKNOWN) return err_set(e, ERR_ZSTD, "zstd: the frame does not say its size");
    if (r > cap)
        return err_set(e, ERR_BOMB, "zstd: %zu bytes claim to hold %llu, at most %llu expected", n, r,
                       (unsigned long long)cap);
    *size = r;
    return 0;
}
