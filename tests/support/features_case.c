#include "tests/support/features_case.h"

#include <stdlib.h>

const struct features_origin *features_case_origin(uint32_t width)
{
    static const uint32_t depths[FEATURES_CASE_DEPTHS] = {0, 4, UINT32_MAX};
    static struct features_origin o;
    o = (struct features_origin){.task = "verifier",
                                 .base = "ba5e",
                                 .tokenizer = "t0ken",
                                 .adapter = "",
                                 .pooling = "last",
                                 .wording = "Is it right?\n",
                                 .made = "5e77",
                                 .depths = depths,
                                 .n_depths = FEATURES_CASE_DEPTHS,
                                 .width = width};
    return &o;
}

struct feature features_case_row(uint64_t i, uint32_t width, float *x)
{
    for (uint32_t k = 0; k < FEATURES_CASE_DEPTHS * width; k++)
        x[k] = (float)((i * 31 + k * 7) % 1001) / 64 - 8;
    return (struct feature){.group = i / 4 * 0x123456789abcdefu,
                            .text = i + ((uint64_t)1 << 40),
                            .prompt_tokens = (uint32_t)(i % 50) + 1,
                            .base_tokens = (uint32_t)(i % 7),
                            .adapter_tokens = (uint32_t)(i % 11) * 100,
                            .chain = (uint32_t)(i % 4),
                            .answer = (int32_t)(i % 5) - 1,
                            .label = (uint8_t)(i % 3),
                            .base_right = (uint8_t)(i / 3 % 3),
                            .adapter_right = (uint8_t)(i / 9 % 3)};
}

int features_case_write(const char *dir, uint64_t rows, uint32_t width, struct err *e)
{
    struct features_writer *w;
    float *x = malloc(FEATURES_CASE_DEPTHS * width * sizeof *x);
    int rc = x ? features_writer_open(&w, dir, features_case_origin(width), e)
               : err_set(e, ERR_NOMEM, "no memory for a row");
    for (uint64_t i = 0; !rc && i < rows; i++) {
        struct feature row = features_case_row(i, width, x);
        rc = features_writer_add(w, &row, x, e);
        if (rc) features_writer_abort(w);
    }
    free(x);
    return rc ? rc : features_writer_commit(w, e);
}
