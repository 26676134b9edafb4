/* A chunk of a dataset as it may stand in a file: any codec, any size, any bytes. */
#include "checkpoints/chunk.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const uint32_t widths[] = {1, 4, 8};
    if (n < 3) return 0;
    struct chunk_codec c = {.count = 1u + data[0] + 256u * data[1],
                            .width = widths[data[2] % 3],
                            .zstd = data[2] >> 2 & 1,
                            .shuffle = data[2] >> 3 & data[2] >> 2 & 1};
    const size_t bytes = (size_t)c.count * c.width;
    unsigned char *out = malloc(bytes), *scratch = malloc(bytes), *exact = malloc(n - 3 + 1);
    struct err e = {0};
    memcpy(exact, data + 3, n - 3);
    int rc = chunk_decode(&c, exact, n - 3, out, scratch, &e);
    if (rc && !e.msg[0]) abort();
    volatile unsigned char sum = 0; /* all of it was written */
    for (size_t i = 0; i < bytes; i++) sum = (unsigned char)(sum + out[i]);
    free(out);
    free(scratch);
    free(exact);
    return 0;
}
