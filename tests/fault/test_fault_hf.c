/* Whatever allocation or file call fails while a Hugging Face folder is saved or opened: an error is told,
 * every file is the old one or the new one, no temporary file stays, nothing leaks. */
#include "checkpoints/file.h"
#include "checkpoints/hf_model.h"
#include "checkpoints/hf_save.h"
#include "tests/support/fault.h"
#include "tests/support/hf_folder.h"
#include "tests/support/scratch.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct hf_save_options shards = {.shard_bytes = 20000};

static void assert_nothing_left(const char *dir, long n)
{
    char pattern[FILE_PATH];
    glob_t found;
    assert_int_equal(file_path(pattern, NULL, "%s/*.tmp", dir), 0);
    if (glob(pattern, 0, NULL, &found) != GLOB_NOMATCH) fail_msg("fault %ld left %s", n, found.gl_pathv[0]);
}

/* Saves over a sound folder, with k as the first value, failing the k-th call for every k. */
static void save_over(enum fault_kind kind, int expected, const struct hf_save_options *o)
{
    struct model_config c = hf_folder_config();
    size_t n;
    struct tensor *t = hf_folder_tensors(&c, DTYPE_F32, 0, &n);
    float *first = (float *)(uintptr_t)t[0].data, old = first[0];
    const char *dir = scratch("over");
    assert_int_equal(hf_save_model(dir, &c, t, n, o, NULL), 0);
    for (long k = 1;; k++) {
        struct hf_model *m;
        struct err e = {0}, f = {0};
        first[0] = (float)k;
        fault_arm(kind, k);
        int rc = hf_save_model(dir, &c, t, n, o, &e);
        if (!fault_disarm()) {
            assert_int_equal(rc, 0);
            assert_true(k > 5);
            break;
        }
        if (!rc) fail_msg("fault %ld went unnoticed", k);
        if (rc != expected) fail_msg("fault %ld: %s \"%s\"", k, err_name(rc), e.msg);
        if (hf_model_open(&m, dir, &f)) fail_msg("after fault %ld: %s", k, f.msg);
        float got = *(const float *)m->bound[params_slot(&c, P_EMBED, 0)]->data;
        hf_model_close(m);
        assert_true(got == old || got == (float)k);
        old = got;
        assert_nothing_left(dir, k);
    }
    hf_folder_free(t, n);
    assert_false(fault_leaks());
}

static void disk_full_while_saving(void **state)
{
    (void)state;
    save_over(FAULT_WRITE, ERR_ENOSPC, NULL);
    save_over(FAULT_WRITE, ERR_ENOSPC, &shards);
}

static void no_memory_while_saving(void **state)
{
    (void)state;
    save_over(FAULT_ALLOC, ERR_NOMEM, &shards);
}

static void open_failing(enum fault_kind kind, int expected)
{
    struct model_config c = hf_folder_config();
    size_t n;
    struct tensor *t = hf_folder_tensors(&c, DTYPE_F32, 0, &n);
    const char *dir = scratch("opened");
    assert_int_equal(hf_save_model(dir, &c, t, n, &shards, NULL), 0);
    hf_folder_free(t, n);
    for (long k = 1;; k++) {
        struct hf_model *m;
        struct err e = {0};
        fault_arm(kind, k);
        int rc = hf_model_open(&m, dir, &e);
        hf_model_close(m);
        if (!fault_disarm()) {
            assert_int_equal(rc, 0);
            assert_true(k > 5);
            break;
        }
        if (rc != expected) fail_msg("fault %ld: %s \"%s\"", k, err_name(rc), e.msg);
        assert_null(m);
    }
    assert_false(fault_leaks());
}

static void no_memory_while_opening(void **state)
{
    (void)state;
    open_failing(FAULT_ALLOC, ERR_NOMEM);
}

static void disk_error_while_opening(void **state)
{
    (void)state;
    open_failing(FAULT_READ, ERR_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disk_full_while_saving),
        cmocka_unit_test(no_memory_while_saving),
        cmocka_unit_test(no_memory_while_opening),
        cmocka_unit_test(disk_error_while_opening),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
