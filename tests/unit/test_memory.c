/* What a phone has to give: weights, keys and values, and little beside them. Plans are what is taken
 * (arena_create), so nothing is allocated here. */
#include "infer/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Bytes of the 0.5B shape's weights as a Q4_0 file has them: norms and biases fp32. */
static uint64_t weights_plan(const struct model_config *c, uint32_t context)
{
    static const struct tensor q4_0 = {.dtype = DTYPE_Q4_0};
    uint32_t slots = params_slots(c);
    const struct tensor **bound = calloc(slots, sizeof *bound);
    for (uint32_t i = 0; i < slots; i++) bound[i] = &q4_0;
    uint64_t bytes = model_plan(c, WT_BF16, context, bound);
    free(bound);
    return bytes;
}

static void eight_streams_of_1024_tokens(void **state)
{
    (void)state;
    struct model m = {.type = WT_BF16, .context = 1024};
    struct session_config s = {.streams = 8, .max_tokens = 1024};
    struct err e = {0};
    assert_int_equal(model_config_named(&m.c, "qwen2.5-0.5b", &e), 0);
    assert_int_equal(pool_create(&m.pool, 8, &e), 0); /* a phone's cores: each has scratch of its own */
    uint64_t weights = weights_plan(&m.c, 1024), session = session_plan(&m, NULL, &s);
    uint64_t kv = 8 * (1024 / KV_PAGE) * (uint64_t)kv_page_bytes(&m, KV_MODEL);
    double share = (double)(weights + session) / (double)(weights + kv);
    print_message("weights %.1f MB, keys and values %.1f MB, all of the session %.1f MB: %.3f of the two\n",
                  (double)weights / 1e6, (double)kv / 1e6, (double)session / 1e6, share);
    assert_int_equal(kv, 8 * 1024 * 24 * 2 * 128 * 2); /* tokens, layers, keys and values, G K, bf16 */
    assert_true(weights > 275000000 && weights < 285000000);
    assert_true(share < 1.10);
    pool_free(m.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(eight_streams_of_1024_tokens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
