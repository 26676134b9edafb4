#include "tests/support/small_head.h"
#include "checkpoints/head_file.h"
#include "checkpoints/load.h"
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

void small_heads(const char *switcher, const char *verifier, const char *base, const char *adapter)
{
    struct load_options o = {.model = base, .adapter = adapter, .threads = 1};
    struct loaded l;
    struct err e = {0};
    if (load_all(&l, &o, &e)) fail_msg("%s", e.msg);
    assert_int_equal(strlen(l.info.self), 64);
    for (int t = 0; t < HEAD_TASKS; t++) {
        struct head *h = small_head((enum head_task)t, l.m->c.width, t ? 0 : 8, true, 3);
        strcpy(h->c.base, l.digest_base);
        strcpy(h->c.tokenizer, l.digest_tokenizer);
        if (t) strcpy(h->c.adapter, l.info.self), h->c.pooling = POOL_LAST, h->c.temperature = 40;
        if (head_file_save(t ? verifier : switcher, h, &e)) fail_msg("%s", e.msg);
        head_free(h);
    }
    loaded_clear(&l);
}
