#include "checkpoints/hdf5.h"
#include "tests/support/scratch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 100000 };
static const struct hdf5_layout contiguous = {0}, packed = {4096, 3, NULL}, chunked = {4096, 0, NULL};

static uint32_t *ramp(void)
{
    uint32_t *ids = malloc(N * sizeof *ids);
    for (uint32_t i = 0; i < N; i++) ids[i] = i * 37 % 151643;
    return ids;
}

static struct hdf5 *create(const char *path)
{
    struct hdf5 *f;
    assert_int_equal(hdf5_create(&f, path, NULL), 0);
    return f;
}

static struct hdf5 *reopen(struct hdf5 *f, const char *path)
{
    assert_int_equal(hdf5_close(f, NULL), 0);
    assert_int_equal(hdf5_open(&f, path, NULL), 0);
    return f;
}

/* Every layout gives back every range; the ranges straddle chunk borders. */
static void ranges(void **state)
{
    (void)state;
    const struct hdf5_layout *layouts[] = {&contiguous, &packed, &chunked};
    uint32_t *ids = ramp(), *back = malloc(N * sizeof *back);
    for (int i = 0; i < 3; i++) {
        uint64_t n;
        struct hdf5 *f = create(scratch("ranges.h5"));
        assert_int_equal(hdf5_write(f, "ids", DTYPE_U32, ids, N, layouts[i], NULL), 0);
        f = reopen(f, scratch("ranges.h5"));
        assert_int_equal(hdf5_count(f, "ids", DTYPE_U32, &n, NULL), 0);
        assert_int_equal(n, N);
        assert_int_equal(hdf5_check_chunks(f, "ids", DTYPE_U32, NULL), 0);
        for (uint64_t at = 0, len = 1; at < N; at += len, len = len * 5 % 9001) {
            if (len > N - at) len = N - at;
            assert_int_equal(hdf5_read(f, "ids", DTYPE_U32, at, len, back, NULL), 0);
            assert_memory_equal(back, ids + at, len * sizeof *ids);
        }
        assert_int_equal(hdf5_close(f, NULL), 0);
    }
    free(ids);
    free(back);
}

static void every_type(void **state)
{
    (void)state;
    const uint64_t source[6] = {1, UINT64_MAX, 0x7ff0123456789abc, 3, 4, 5};
    const enum dtype types[] = {DTYPE_U8, DTYPE_U32, DTYPE_U64, DTYPE_I32, DTYPE_I64, DTYPE_F32, DTYPE_F64};
    struct hdf5 *f = create(scratch("types.h5"));
    for (int i = 0; i < 7; i++)
        assert_int_equal(hdf5_write(f, dtype_name(types[i]), types[i], source, 6, &packed, NULL), 0);
    f = reopen(f, scratch("types.h5"));
    for (int i = 0; i < 7; i++) {
        unsigned char back[sizeof source];
        assert_int_equal(hdf5_read(f, dtype_name(types[i]), types[i], 0, 6, back, NULL), 0);
        assert_memory_equal(back, source, 6 * dtype_bits(types[i]) / 8);
        uint64_t n;
        for (int j = 0; j < 7; j++)
            assert_int_equal(hdf5_count(f, dtype_name(types[i]), types[j], &n, NULL),
                             i == j ? 0 : ERR_H5_TYPE);
    }
    assert_int_equal(hdf5_write(f, "bf16", DTYPE_BF16, source, 1, &contiguous, NULL), ERR_H5_TYPE);
    assert_int_equal(hdf5_close(f, NULL), 0);
}

static void empty_and_outside(void **state)
{
    (void)state;
    uint8_t byte = 1;
    uint64_t n = 9;
    struct err e = {0};
    struct hdf5 *f = create(scratch("empty.h5"));
    assert_int_equal(hdf5_write(f, "none", DTYPE_U8, NULL, 0, &packed, NULL), 0);
    assert_int_equal(hdf5_write(f, "one", DTYPE_U8, &byte, 1, &packed, NULL), 0);
    assert_int_equal(hdf5_write(f, "one", DTYPE_U8, &byte, 1, &packed, &e), ERR_H5_WRITE);
    assert_non_null(strstr(e.msg, "one"));
    f = reopen(f, scratch("empty.h5"));
    assert_int_equal(hdf5_count(f, "none", DTYPE_U8, &n, NULL), 0);
    assert_int_equal(n, 0);
    assert_int_equal(hdf5_read(f, "none", DTYPE_U8, 0, 0, NULL, NULL), 0);
    assert_int_equal(hdf5_read(f, "one", DTYPE_U8, 1, 1, &byte, NULL), ERR_H5_SPACE);
    assert_int_equal(hdf5_read(f, "one", DTYPE_U8, 2, UINT64_MAX, &byte, NULL), ERR_H5_SPACE);
    assert_int_equal(hdf5_count(f, "two", DTYPE_U8, &n, NULL), ERR_H5_MISSING);
    assert_int_equal(hdf5_count(f, "a/b", DTYPE_U8, &n, NULL), ERR_H5_OPEN);
    assert_int_equal(hdf5_close(f, NULL), 0);
    assert_int_equal(hdf5_close(NULL, NULL), 0);
}

static void attributes(void **state)
{
    (void)state;
    char text[HDF5_TEXT], longest[HDF5_TEXT + 1];
    int64_t value;
    memset(longest, 'x', sizeof longest);
    longest[HDF5_TEXT] = 0;
    struct hdf5 *f = create(scratch("attributes.h5"));
    assert_int_equal(hdf5_set_text(f, "tokenizer", "abc \xc3\xa9", NULL), 0);
    assert_int_equal(hdf5_set_text(f, "empty", "", NULL), 0);
    assert_int_equal(hdf5_set_text(f, "long", longest, NULL), ERR_H5_SPACE);
    assert_int_equal(hdf5_set_i64(f, "version", INT64_MIN, NULL), 0);
    f = reopen(f, scratch("attributes.h5"));
    assert_int_equal(hdf5_get_text(f, "tokenizer", text, NULL), 0);
    assert_string_equal(text, "abc \xc3\xa9");
    assert_int_equal(hdf5_get_text(f, "empty", text, NULL), 0);
    assert_string_equal(text, "");
    assert_int_equal(hdf5_get_i64(f, "version", &value, NULL), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(hdf5_get_i64(f, "tokenizer", &value, NULL), ERR_H5_TYPE);
    assert_int_equal(hdf5_get_text(f, "version", text, NULL), ERR_H5_TYPE);
    assert_int_equal(hdf5_get_i64(f, "absent", &value, NULL), ERR_H5_MISSING);
    assert_int_equal(hdf5_set_i64(f, "version", 1, NULL), ERR_H5_WRITE); /* opened to read */
    assert_int_equal(hdf5_close(f, NULL), 0);
}

/* The same content gives the same bytes: a digest of a shard is a digest of its content. */
static void same_bytes(void **state)
{
    (void)state;
    uint32_t *ids = ramp();
    char *bytes[2];
    size_t n[2];
    for (int i = 0; i < 2; i++) {
        const char *path = scratch(i ? "same1.h5" : "same0.h5");
        struct hdf5 *f = create(path);
        assert_int_equal(hdf5_write(f, "ids", DTYPE_U32, ids, N - 5, &packed, NULL), 0);
        assert_int_equal(hdf5_write(f, "more", DTYPE_U32, ids, 77, &contiguous, NULL), 0);
        assert_int_equal(hdf5_close(f, NULL), 0);
        FILE *in = fopen(path, "rb");
        sleep(1 - i); /* a time stamp would differ */
        bytes[i] = malloc(1 << 20);
        n[i] = fread(bytes[i], 1, 1 << 20, in);
        fclose(in);
    }
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(bytes[0], bytes[1], n[0]);
    free(bytes[0]);
    free(bytes[1]);
    free(ids);
}

static void *read_often(void *path)
{
    uint32_t id[100];
    long bad = 0;
    for (uint32_t i = 0; i < 50; i++) {
        struct hdf5 *f;
        bad += hdf5_open(&f, path, NULL) != 0;
        bad += hdf5_read(f, "ids", DTYPE_U32, i * 900, 100, id, NULL) != 0 ||
               id[1] != (i * 900 + 1) * 37 % 151643;
        bad += hdf5_read(f, "absent", DTYPE_U32, 0, 1, id, NULL) != ERR_H5_MISSING;
        bad += hdf5_close(f, NULL) != 0;
    }
    return (void *)bad;
}

static void threads(void **state)
{
    (void)state;
    uint32_t *ids = ramp();
    static char path[256];
    snprintf(path, sizeof path, "%s", scratch("threads.h5"));
    struct hdf5 *f = create(path);
    assert_int_equal(hdf5_write(f, "ids", DTYPE_U32, ids, N, &packed, NULL), 0);
    assert_int_equal(hdf5_close(f, NULL), 0);
    pthread_t t[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&t[i], NULL, read_often, path), 0);
    for (int i = 0; i < 4; i++) {
        void *bad;
        assert_int_equal(pthread_join(t[i], &bad), 0);
        assert_null(bad);
    }
    free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges),     cmocka_unit_test(every_type), cmocka_unit_test(empty_and_outside),
        cmocka_unit_test(attributes), cmocka_unit_test(same_bytes), cmocka_unit_test(threads),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
