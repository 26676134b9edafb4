#include "data/snappy.h"

#include <snappy-c.h>

int snappy_decompress(void *dst, size_t expected, const void *src, size_t n, struct err *e)
{
    size_t length = 0;
    if (snappy_uncompressed_length(src, n, &length) != SNAPPY_OK)
        return err_set(e, ERR_SNAPPY, "snappy: %zu bytes are not a block", n);
    if (length != expected)
        return err_set(e, ERR_SIZE_MISMATCH, "snappy: %zu bytes declare %zu, expected %zu", n, length,
                       expected);
    if (snappy_uncompress(src, n, dst, &length) != SNAPPY_OK)
        return err_set(e, ERR_SNAPPY, "snappy: %zu bytes do not decompress to %zu", n, expected);
    return 0;
}
