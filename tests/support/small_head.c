#include "tests/support/small_head.h"
#include "tests/support/random_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct head *small_head(enum head_task task, uint32_t width, uint32_t hidden, bool standardised,
                        uint64_t seed)
{
    struct head_config c = {.task = task,
                            .pooling = POOL_EMA,
                            .states = {{1, STATES_FINAL}, 2},
                            .width = width,
                            .hidden = hidden,
                            .standardised = standardised,
                            .threshold = 0.4,
                            .temperature = 1.5};
    struct head *h;
    struct err e = {0};
    memset(c.base, 'a', 64);
    memset(c.tokenizer, 'b', 64);
    if (task == HEAD_VERIFIER) strcpy(c.prompt, HEAD_VERIFY_PROMPT);
    if (head_create(&h, &c, &e)) fail_msg("%s", e.msg);
    for (uint64_t i = 0; i < h->count; i++) h->data[i] = random_at(seed, i);
    for (uint32_t i = 0; standardised && i < head_inputs(&c); i++) h->scale[i] = 2 + random_at(seed + 1, i);
    return h;
}
