#include "checkpoints/file.h"
#include "checkpoints/safetensors.h"
#include "checkpoints/sha256.h"
#include "infer/finite.h"
#include "tests/support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REAL "../shared/data/safetensors/model.safetensors"

static struct safetensors *opened(const char *path)
{
    struct safetensors *f;
    struct err e = {0};
    if (safetensors_open(&f, path, &e)) fail_msg("%s", e.msg);
    return f;
}

/* A model that Hugging Face's library wrote, with its metadata, saves back to the same bytes. */
static void a_real_file_round_trips(void **state)
{
    (void)state;
    const char *const meta[] = {"format", "pt", NULL};
    struct err e = {0};
    char before[SHA256_HEX], after[SHA256_HEX];
    if (!file_exists(REAL)) {
        printf("skip: %s is not there\n", REAL);
        skip();
    }
    struct safetensors *f = opened(REAL);
    assert_int_equal(safetensors_count(f), 39);
    assert_string_equal(safetensors_meta(f, "format"), "pt");
    assert_null(safetensors_meta(f, "other"));
    const struct tensor *head = safetensors_find(f, "lm_head.weight");
    assert_non_null(head);
    assert_int_equal(head->dtype, DTYPE_BF16);
    assert_null(safetensors_find(f, "lm_head"));
    struct tensor *t = calloc(39, sizeof *t);
    for (size_t i = 0; i < 39; i++) {
        t[38 - i] = *safetensors_at(f, i); /* backwards: the writer has its own order */
        assert_ptr_equal(safetensors_find(f, t[38 - i].name), safetensors_at(f, i));
        assert_int_equal(tensor_check_finite(safetensors_at(f, i), &e), 0);
    }
    assert_int_equal(safetensors_save(scratch("again.safetensors"), t, 39, meta, &e), 0);
    assert_int_equal(sha256_file(REAL, before, NULL, &e), 0);
    assert_int_equal(sha256_file(scratch("again.safetensors"), after, NULL, &e), 0);
    assert_string_equal(before, after);
    free(t);
    safetensors_close(f);
}

/* Written by safetensors itself: scripts/fixtures/model_fixtures.py. */
static void files_of_the_reference_open(void **state)
{
    (void)state;
    struct safetensors *f = opened("tests/fixtures/model/odd-k64-gqa2/forward.safetensors");
    assert_int_equal(safetensors_count(f), 12);
    const struct tensor *t = safetensors_find(f, "base.hidden");
    assert_int_equal(t->rank, 3);
    assert_int_equal(t->shape[0], 2);
    assert_int_equal(t->shape[1], 24);
    assert_int_equal(t->shape[2], 128);
    assert_int_equal(t->bytes, 2 * 24 * 128 * 4);
    assert_int_equal(safetensors_find(f, "ids")->dtype, DTYPE_I32);
    safetensors_close(f);
}

static const unsigned char bytes[64] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

static struct tensor tensor(const char *name, enum dtype dtype, int rank, uint64_t a, uint64_t b,
                            uint64_t size)
{
    return (struct tensor){.name = name,
                           .dtype = dtype,
                           .rank = rank,
                           .shape = {a, b},
                           .data = size ? bytes : NULL,
                           .bytes = size};
}

static void every_kind_round_trips(void **state)
{
    (void)state;
    const struct tensor t[] = {
        tensor("z.u8", DTYPE_U8, 1, 3, 0, 3),       tensor("a.u8", DTYPE_BOOL, 1, 3, 0, 3),
        tensor("scalar", DTYPE_F32, 0, 0, 0, 4),    tensor("empty", DTYPE_F64, 2, 0, 5, 0),
        tensor("i64", DTYPE_I64, 2, 2, 1, 16),      tensor("bf16", DTYPE_BF16, 2, 3, 2, 12),
        tensor("f4", DTYPE_F4, 1, 6, 0, 3),         tensor("\"quoted\\ \xc3\xa9", DTYPE_I8, 1, 1, 0, 1),
        tensor("empty.too", DTYPE_F64, 1, 0, 0, 0),
    };
    enum { N = sizeof t / sizeof *t };
    const char *const meta[] = {"k\n", "v\"", "", "empty key", NULL};
    struct err e = {0};
    if (safetensors_save(scratch("kinds.safetensors"), t, N, meta, &e)) fail_msg("%s", e.msg);
    struct safetensors *f = opened(scratch("kinds.safetensors"));
    assert_int_equal(safetensors_count(f), N);
    assert_int_equal(safetensors_data_bytes(f), 3 + 3 + 4 + 16 + 12 + 3 + 1);
    for (size_t i = 0; i < N; i++) {
        const struct tensor *got = safetensors_find(f, t[i].name);
        assert_non_null(got);
        assert_int_equal(got->dtype, t[i].dtype);
        assert_int_equal(got->rank, t[i].rank);
        assert_memory_equal(got->shape, t[i].shape, sizeof(uint64_t) * (size_t)t[i].rank);
        assert_int_equal(got->bytes, t[i].bytes);
        assert_memory_equal(got->data, bytes, got->bytes);
        if (i && dtype_bits(got->dtype) >= 8)
            assert_int_equal((uintptr_t)got->data % (dtype_bits(got->dtype) / 8), 0);
    }
    assert_string_equal(safetensors_meta(f, "k\n"), "v\"");
    assert_string_equal(safetensors_meta(f, ""), "empty key");
    safetensors_close(f);
}

static void nothing_round_trips(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(safetensors_save(scratch("none.safetensors"), NULL, 0, NULL, &e), 0);
    struct safetensors *f = opened(scratch("none.safetensors"));
    assert_int_equal(safetensors_count(f), 0);
    assert_null(safetensors_find(f, "a"));
    assert_null(safetensors_meta(f, "a"));
    safetensors_close(f);
}

static void the_writer_refuses(void **state)
{
    (void)state;
    char long_name[SAFETENSORS_MAX_NAME + 2];
    memset(long_name, 'n', sizeof long_name);
    long_name[sizeof long_name - 1] = 0;
    const struct {
        struct tensor t[2];
        int code;
        const char *says;
    } rows[] = {
        {{tensor("aa", DTYPE_U8, 1, 3, 0, 3), tensor("aa", DTYPE_U8, 1, 3, 0, 3)}, ERR_DUP_KEY, "aa"},
        {{tensor("aa", DTYPE_U8, 1, 3, 0, 3), tensor("bb", DTYPE_F32, 1, 3, 0, 3)}, ERR_SIZE_MISMATCH, "bb"},
        {{tensor("aa", DTYPE_U8, 1, 3, 0, 3), tensor("bb", DTYPE_F4, 1, 3, 0, 1)}, ERR_SIZE_MISMATCH, "bb"},
        {{tensor("aa", DTYPE_U8, 1, 3, 0, 3), tensor("bb", DTYPE_F32, 2, UINT64_MAX, 2, 3)},
         ERR_OVERFLOW,
         "bb"},
        {{tensor("aa", DTYPE_U8, 1, 3, 0, 3), tensor("b\xff", DTYPE_U8, 1, 3, 0, 3)}, ERR_UTF8, ""},
        {{tensor("aa", DTYPE_U8, 1, 3, 0, 3), tensor(long_name, DTYPE_U8, 1, 3, 0, 3)}, ERR_NAME_LEN, "nnn"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        assert_int_equal(safetensors_save(scratch("refused.safetensors"), rows[i].t, 2, NULL, &e),
                         rows[i].code);
        assert_non_null(strstr(e.msg, rows[i].says));
        assert_false(file_exists(scratch("refused.safetensors")));
        assert_false(file_exists(scratch("refused.safetensors.tmp")));
    }
}

/* Chunks come in order and together are the tensor; an error of the callback ends the writing. */
struct filling {
    uint64_t next;
    size_t calls, fail_at;
};

static int fill(void *ctx, size_t i, uint64_t offset, void *dst, size_t n, struct err *e)
{
    struct filling *f = ctx;
    assert_int_equal(i, 0);
    assert_int_equal(offset, f->next);
    assert_true(n <= SAFETENSORS_CHUNK);
    if (f->calls++ == f->fail_at) return err_set(e, ERR_INTERRUPTED, "stop");
    for (size_t k = 0; k < n; k++)
        ((unsigned char *)dst)[k] = (unsigned char)((offset + k) * 2654435761u >> 13);
    f->next += n;
    return 0;
}

static void streamed_data_arrives(void **state)
{
    (void)state;
    const uint64_t size = 2 * SAFETENSORS_CHUNK + 12;
    const struct tensor t = {
        .name = "big", .dtype = DTYPE_F32, .rank = 1, .shape = {size / 4}, .bytes = size};
    struct filling all = {.fail_at = SIZE_MAX}, half = {.fail_at = 1};
    struct err e = {0};
    assert_int_equal(safetensors_save_stream(scratch("big.safetensors"), &t, 1, NULL, fill, &all, &e), 0);
    assert_int_equal(all.calls, 3);
    struct safetensors *f = opened(scratch("big.safetensors"));
    const unsigned char *p = safetensors_at(f, 0)->data;
    for (uint64_t k = 0; k < size; k += 997) assert_int_equal(p[k], (unsigned char)(k * 2654435761u >> 13));
    safetensors_close(f);
    assert_int_equal(safetensors_save_stream(scratch("half.safetensors"), &t, 1, NULL, fill, &half, &e),
                     ERR_INTERRUPTED);
    assert_false(file_exists(scratch("half.safetensors")));
    assert_false(file_exists(scratch("half.safetensors.tmp")));
}

/* ---- values ---------------------------------------------------------------------------------------------
 */

static void every_place_of_a_nan_is_found(void **state)
{
    (void)state;
    enum { N = 5003 }; /* more than a block, and not a multiple of anything */
    static float x[N + 1];
    char *odd = (char *)x + 1; /* unaligned on purpose */
    for (size_t i = 0; i < N; i += 311) {
        struct tensor t = {
            .name = "x", .dtype = DTYPE_F32, .rank = 1, .shape = {N}, .data = odd, .bytes = N * 4};
        struct err e = {0};
        const float nan = -NAN, zero = 0;
        char where[40];
        assert_int_equal(tensor_check_finite(&t, &e), 0);
        memcpy(odd + 4 * i, &nan, 4);
        assert_int_equal(tensor_check_finite(&t, &e), ERR_NONFINITE);
        snprintf(where, sizeof where, "tensor x: element [%zu]", i);
        assert_non_null(strstr(e.msg, where));
        memcpy(odd + 4 * i, &zero, 4);
    }
}

static void values_at_the_edge(void **state)
{
    (void)state;
    static const struct {
        enum dtype dtype;
        uint64_t bits;
        int code;
    } rows[] = {
        {DTYPE_F32, 0x7f7fffff, 0},
        {DTYPE_F32, 0x7f800000, ERR_NONFINITE},
        {DTYPE_F32, 0xff800001, ERR_NONFINITE},
        {DTYPE_BF16, 0xff7f, 0},
        {DTYPE_BF16, 0xff80, ERR_NONFINITE},
        {DTYPE_BF16, 0x7fc0, ERR_NONFINITE},
        {DTYPE_F16, 0x7bff, 0},
        {DTYPE_F16, 0x7f80, ERR_NONFINITE},
        {DTYPE_F16, 0xfc00, ERR_NONFINITE},
        {DTYPE_F64, 0x7fefffffffffffff, 0},
        {DTYPE_F64, 0xfff0000000000000, ERR_NONFINITE},
        {DTYPE_I32, 0x7fffffff, 0},
        {DTYPE_F8_E4M3, 0x7f, ERR_DTYPE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        struct tensor t = {.name = "x", .dtype = rows[i].dtype, .data = &rows[i].bits};
        t.bytes = dtype_bits(t.dtype) / 8;
        assert_int_equal(tensor_check_finite(&t, &e), rows[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_real_file_round_trips),
        cmocka_unit_test(files_of_the_reference_open),
        cmocka_unit_test(every_kind_round_trips),
        cmocka_unit_test(nothing_round_trips),
        cmocka_unit_test(the_writer_refuses),
        cmocka_unit_test(streamed_data_arrives),
        cmocka_unit_test(every_place_of_a_nan_is_found),
        cmocka_unit_test(values_at_the_edge),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
