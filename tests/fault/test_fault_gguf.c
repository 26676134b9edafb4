/* Whatever allocation or file call fails while a GGUF file is read or written: an error, nothing half-done,
 * nothing left behind. */
#include "checkpoints/file.h"
#include "checkpoints/gguf_save.h"
#include "infer/gguf_adapter.h"
#include "tests/support/fault.h"
#include "tests/support/gguf_tiny.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct base *base;
static struct tokenizer *tokenizer;
static struct pool *pool;

static int setup(void **state)
{
    struct err e = {0};
    int r = scratch_setup(state);
    gguf_tiny_model(scratch("tiny.gguf"), NULL);
    gguf_tiny_adapter(scratch("adapter.gguf"), NULL);
    if (!r) r = base_open(&base, scratch("tiny.gguf"), &e);
    if (!r) r = base_tokenizer(&tokenizer, base, &e);
    if (!r) r = pool_create(&pool, 1, &e);
    if (r) print_error("%s\n", e.msg);
    return r;
}

static int teardown(void **state)
{
    tokenizer_free(tokenizer);
    base_close(base);
    pool_free(pool);
    return scratch_teardown(state);
}

static int save(enum dtype type, struct err *e)
{
    const struct model_rows rows = {.base = base};
    const struct gguf_model_options o = {.matrices = type, .head = type, .name = "tiny"};
    return gguf_model_save(scratch("out.gguf"), &rows, tokenizer, "template", 8, &o, pool, e);
}

static enum dtype on_disk(long n)
{
    struct gguf *g;
    struct err e = {0};
    if (gguf_open(&g, scratch("out.gguf"), &e)) fail_msg("after fault %ld: %s", n, e.msg);
    enum dtype t = gguf_at(g, 0)->dtype;
    gguf_close(g);
    return t;
}

/* Replaces a file of bf16 by one of Q8_0, failing the n-th call for every n. */
static void save_over(enum fault_kind kind, int expected)
{
    for (long n = 1;; n++) {
        struct err e = {0};
        int files = fault_open_files();
        assert_int_equal(save(DTYPE_BF16, &e), 0);
        fault_arm(kind, n);
        int r = save(DTYPE_Q8_0, &e);
        if (!fault_disarm()) {
            assert_int_equal(r, 0);
            assert_true(n > 3);
            break;
        }
        if (r == 0) fail_msg("fault %ld went unnoticed", n);
        if (expected && r != expected) fail_msg("fault %ld: %s \"%s\"", n, err_name(r), e.msg);
        enum dtype t = on_disk(n);
        assert_true(t == DTYPE_BF16 || t == DTYPE_Q8_0);
        if (file_exists(scratch("out.gguf.tmp"))) fail_msg("fault %ld left a temporary file", n);
        assert_int_equal(fault_open_files(), files);
    }
    assert_int_equal(on_disk(0), DTYPE_Q8_0);
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
    save_over(FAULT_ALLOC, 0);
}

static int open_all(struct err *e)
{
    const struct model_config c = gguf_tiny_config();
    struct gguf_model *m = NULL;
    struct tokenizer *t = NULL;
    struct adapter *a = NULL;
    struct adapter_info info;
    int r = gguf_model_open(&m, scratch("tiny.gguf"), e);
    if (!r) r = gguf_tokenizer(&t, m->file, e);
    if (!r) r = gguf_adapter_load(&a, &info, NULL, scratch("adapter.gguf"), &c, NULL, e);
    if (r && (a || (m && t && a))) fail_msg("an error, and something to show for it");
    adapter_free(a);
    tokenizer_free(t);
    gguf_model_close(m);
    return r;
}

static void no_memory_to_open(void **state)
{
    (void)state;
    int files = fault_open_files();
    for (long n = 1;; n++) {
        struct err e = {0};
        fault_arm(FAULT_ALLOC, n);
        int r = open_all(&e);
        if (!fault_disarm()) {
            assert_int_equal(r, 0);
            assert_true(n > 10);
            break;
        }
        if (r != ERR_NOMEM) fail_msg("fault %ld: %s \"%s\"", n, err_name(r), e.msg);
        assert_int_equal(fault_open_files(), files);
    }
    assert_false(fault_leaks());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disk_full),
        cmocka_unit_test(no_memory_to_save),
        cmocka_unit_test(no_memory_to_open),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
