/* The value head's file: TRL's names, every bit, and an adapter folder that does not mind it. */
#include "checkpoints/safetensors.h"
#include "rl/value.h"
#include "tests/support/random_model.h"
#include "tests/support/scratch.h"
#include "tests/support/small_base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 64 };

static void must(int r, const struct err *e)
{
    if (r) fail_msg("%s: %s", err_name(r), e->msg);
}

static void the_file_has_trls_names(void **state)
{
    (void)state;
    struct value_head h;
    struct safetensors *f;
    struct err e = {0};
    must(value_create(&h, WIDTH, &e), &e);
    for (uint64_t i = 0; i <= WIDTH; i++) h.weight[i] = random_at(1, i);
    must(value_save(scratch(VALUE_FILE), &h, &e), &e);
    must(safetensors_open(&f, scratch("value_head.safetensors"), &e), &e);
    assert_int_equal(safetensors_count(f), 2);
    const struct tensor *w = safetensors_find(f, "v_head.summary.weight");
    const struct tensor *b = safetensors_find(f, "v_head.summary.bias");
    assert_true(w && b && w->rank == 2 && w->shape[0] == 1 && w->shape[1] == WIDTH && b->rank == 1);
    assert_true(w->dtype == DTYPE_F32 && b->dtype == DTYPE_F32 && b->shape[0] == 1);
    assert_memory_equal(w->data, h.weight, WIDTH * sizeof(float));
    assert_memory_equal(b->data, h.weight + WIDTH, sizeof(float));
    safetensors_close(f);
    value_free(&h);
}

static void an_adapter_does_not_mind_it(void **state)
{
    (void)state;
    struct value_head h;
    struct loaded l;
    struct err e = {0};
    small_base(scratch("base"), 1024, 1);
    small_adapter(scratch("adapter"), scratch("base"), GATE_ASSISTANT, 2);
    must(value_create(&h, WIDTH, &e), &e);
    must(value_save(scratch("adapter/" VALUE_FILE), &h, &e), &e);
    struct load_options o = {.model = scratch("base"), .adapter = scratch("adapter"), .threads = 1};
    must(load_all(&l, &o, &e), &e);
    loaded_clear(&l);
    value_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_has_trls_names),
        cmocka_unit_test(an_adapter_does_not_mind_it),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
