/* AD56 and its kin: whatever allocation or file call fails while an adapter is saved or loaded, the old
 * adapter is intact, or the new one is whole; nothing is left behind, nothing leaks. */
#include "checkpoints/file.h"
#include "checkpoints/peft.h"
#include "tests/support/fault.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct peft_save_options forced = {DTYPE_BF16, true};

static struct model_config small_model(void)
{
    struct model_config m;
    model_config_init(&m);
    m.layers = 2, m.width = 8, m.heads = 2, m.kv_heads = 1, m.head_dim = 4, m.ff = 6, m.vocab = 10;
    return m;
}

static struct adapter *filled(float value)
{
    const struct model_config m = small_model();
    const struct adapter_config c = {.rank = 2, .alpha = 4, .targets = LORA_ALL, .gate = GATE_RESPONSE};
    struct adapter *a;
    assert_int_equal(adapter_create(&a, &m, &c, NULL), 0);
    for (uint64_t i = 0; i < a->count; i++) a->weights[i] = value;
    return a;
}

/* The first weight of the adapter on disk; fails the test when there is no sound one. */
static float on_disk(const char *dir, long n)
{
    const struct model_config m = small_model();
    struct adapter_info info;
    struct adapter *a;
    struct err e = {0};
    if (peft_load(&a, &info, NULL, dir, &m, NULL, &e)) fail_msg("after fault %ld: %s", n, e.msg);
    float w = a->weights[0];
    adapter_free(a);
    return w;
}

/* Replaces an adapter of ones by one of twos, failing the n-th call for every n. */
static void save_over(enum fault_kind kind, int expected)
{
    struct adapter *one = filled(1), *two = filled(2);
    const struct adapter_info info = {.base_name = "base"};
    for (long n = 1;; n++) {
        struct err e = {0};
        assert_int_equal(peft_save(scratch("over"), one, &info, &forced, &e), 0);
        fault_arm(kind, n);
        int r = peft_save(scratch("over"), two, &info, &forced, &e);
        if (!fault_disarm()) {
            assert_int_equal(r, 0);
            assert_true(n > 3);
            break;
        }
        if (r == 0) fail_msg("fault %ld went unnoticed", n);
        if (expected && r != expected) fail_msg("fault %ld: %s \"%s\"", n, err_name(r), e.msg);
        float w = on_disk(scratch("over"), n);
        assert_true(w == 1 || w == 2);
        if (file_exists(scratch("over.tmp"))) fail_msg("fault %ld left a temporary folder", n);
    }
    assert_true(on_disk(scratch("over"), 0) == 2);
    adapter_free(one);
    adapter_free(two);
    assert_false(fault_leaks());
}

static void disk_full(void **state)
{
    (void)state;
    save_over(FAULT_WRITE, ERR_ENOSPC);
}

static void no_memory_to_save(void **state)
{
    (void)state;
    save_over(FAULT_ALLOC, ERR_NOMEM);
}

/* Where no adapter was, a failed save leaves none, and no folder either; a late fault may come after the
 * rename. */
static void disk_full_at_first(void **state)
{
    (void)state;
    struct adapter *a = filled(1);
    const struct adapter_info info = {0};
    for (long n = 1;; n++) {
        struct err e = {0};
        assert_int_equal(file_remove_tree(scratch("new"), NULL), 0);
        fault_arm(FAULT_WRITE, n);
        int r = peft_save(scratch("new"), a, &info, &forced, &e);
        if (!fault_disarm()) break;
        assert_int_equal(r, ERR_ENOSPC);
        if (file_exists(scratch("new"))) assert_true(on_disk(scratch("new"), n) == 1);
        assert_false(file_exists(scratch("new.tmp")));
    }
    adapter_free(a);
}

static void load_fails_whole(void **state)
{
    (void)state;
    static const enum fault_kind kinds[] = {FAULT_ALLOC, FAULT_READ};
    const struct model_config m = small_model();
    struct adapter *one = filled(1), *a;
    struct adapter_info info = {0};
    const char *dir = scratch("load");
    assert_int_equal(peft_save(dir, one, &info, &forced, NULL), 0);
    for (int k = 0; k < 2; k++)
        for (long n = 1;; n++) {
            struct err e = {0};
            fault_arm(kinds[k], n);
            int r = peft_load(&a, &info, NULL, dir, &m, NULL, &e);
            if (!fault_disarm()) {
                assert_int_equal(r, 0);
                adapter_free(a);
                break;
            }
            if (r == 0 || a) fail_msg("fault %d.%ld went unnoticed", k, n);
            assert_int_equal(e.code, r);
        }
    adapter_free(one);
    assert_false(fault_leaks());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disk_full),
        cmocka_unit_test(no_memory_to_save),
        cmocka_unit_test(disk_full_at_first),
        cmocka_unit_test(load_fails_whole),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
