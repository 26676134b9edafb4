/* Section GG of the hostile inputs: a GGUF file's first bytes and its keys. */
#include "tests/support/clock.h"
#include "tests/support/gguf_case.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the first 24 bytes -------------------------------------------------------------------------------- */

static const struct {
    const char *id, *magic;
    uint32_t version;
    uint64_t tensors, keys;
    int code;
    const char *says;
} headers[] = {
    {"GG01", "GGML", 3, 0, 0, ERR_GG_MAGIC, "GGUF"},
    {"GG02", "GGUF", 0, 0, 0, ERR_VERSION, "version 0"},
    {"GG03", "GGUF", 1, 0, 0, ERR_VERSION, "version 1"},
    {"GG04", "GGUF", 4, 0, 0, ERR_VERSION, "version 4"},
    {"GG05", "GGUF", 0x03000000, 0, 0, ERR_GG_ENDIAN, "big-endian"},
    {"GG06", "GGUF", 3, UINT64_MAX, 0, ERR_TOO_MANY, "18446744073709551615 tensors"},
    {"GG07", "GGUF", 3, SIZE_MAX / sizeof(struct tensor) - 1, 0, ERR_TOO_MANY, "tensors"},
    {"GG08", "GGUF", 3, 0, UINT64_MAX, ERR_TOO_MANY, "18446744073709551615 keys"},
    {"more tensors than bytes", "GGUF", 3, 60000, 0, ERR_TOO_MANY, "60000 tensors do not fit"},
    {"more keys than bytes", "GGUF", 3, 0, 60000, ERR_TOO_MANY, "60000 keys do not fit"},
    {"nothing in it", "GGUF", 3, 0, 0, 0, ""},
};

static void first_bytes(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct gguf_bytes b = {0};
        gb_put(&b, headers[i].magic, 4);
        gb_u32(&b, headers[i].version);
        gb_u64(&b, headers[i].tensors);
        gb_u64(&b, headers[i].keys);
        bad |= gguf_case(headers[i].id, &b, headers[i].code, headers[i].says);
    }
    assert_false(bad);
}

/* ---- keys ---------------------------------------------------------------------------------------------- */

static void key_length(struct gguf_bytes *b)
{
    gb_u64(b, UINT64_MAX);
    gb_zeros(b, 64);
}
static void key_empty(struct gguf_bytes *b)
{
    gb_key_u32(b, "", 1);
}
static void key_long(struct gguf_bytes *b)
{
    char *name = malloc(GGUF_MAX_KEY + 2);
    memset(name, 'k', GGUF_MAX_KEY + 1);
    name[GGUF_MAX_KEY + 1] = 0;
    gb_key_u32(b, name, 1);
    free(name);
}
static void key_twice(struct gguf_bytes *b)
{
    gb_key_u32(b, "some.key", 1);
    gb_key_u32(b, "some.key", 1);
}
static void key_nul(struct gguf_bytes *b)
{
    gb_u64(b, 3);
    gb_put(b, "a\0b", 3);
    gb_u32(b, GGUF_U32);
    gb_u32(b, 1);
}
static void key_utf8(struct gguf_bytes *b)
{
    gb_key_u32(b, "\xc0\xaf", 1);
}
static void type_13(struct gguf_bytes *b)
{
    gb_key(b, "a.key", 13);
    gb_zeros(b, 16);
}
static void type_negative(struct gguf_bytes *b)
{
    gb_key(b, "a.key", -1);
    gb_zeros(b, 16);
}
static void bool_2(struct gguf_bytes *b)
{
    gb_key_bool(b, "a.key", 2);
}
static void bools_3(struct gguf_bytes *b)
{
    gb_key_array(b, "a.key", GGUF_BOOL, 3);
    gb_put(b, "\1\0\3", 3);
}
static void string_long(struct gguf_bytes *b)
{
    gb_key(b, "a.key", GGUF_STRING);
    gb_u64(b, 1 << 20);
    gb_put(b, "text", 4);
}
static void string_huge(struct gguf_bytes *b)
{
    gb_key(b, "a.key", GGUF_STRING);
    gb_u64(b, UINT64_MAX);
    gb_put(b, "text", 4);
}
static void number_cut(struct gguf_bytes *b)
{
    gb_key(b, "a.key", GGUF_U64);
    gb_u32(b, 1);
}
static void arrays_deep(struct gguf_bytes *b)
{
    gb_key(b, "a.key", GGUF_ARRAY);
    for (int i = 0; i < 10000; i++) {
        gb_u32(b, GGUF_ARRAY);
        gb_u64(b, 1);
    }
}
static void array_u64(struct gguf_bytes *b)
{
    gb_key_array(b, "a.key", GGUF_U64, 1ull << 61);
    gb_zeros(b, 64);
}
static void array_u8(struct gguf_bytes *b)
{
    gb_key_array(b, "a.key", GGUF_U8, 9);
    gb_zeros(b, 8);
}
static void array_strings(struct gguf_bytes *b)
{
    gb_key_array(b, "a.key", GGUF_STRING, 1ull << 60);
    gb_zeros(b, 64);
}
static void array_string_long(struct gguf_bytes *b)
{
    gb_key_array(b, "a.key", GGUF_STRING, 2);
    gb_string(b, "good");
    gb_u64(b, 5);
    gb_put(b, "text", 4);
}
static void array_type(struct gguf_bytes *b)
{
    gb_key_array(b, "a.key", 99, 1);
    gb_zeros(b, 64);
}
static void align_0(struct gguf_bytes *b)
{
    gb_key_u32(b, "general.alignment", 0);
}
static void align_13(struct gguf_bytes *b)
{
    gb_key_u32(b, "general.alignment", 13);
}
static void align_i32(struct gguf_bytes *b)
{
    gb_key(b, "general.alignment", GGUF_I32);
    gb_u32(b, 32);
}
static void align_2_31(struct gguf_bytes *b)
{
    gb_key_u32(b, "general.alignment", 1u << 31);
}
static void align_4(struct gguf_bytes *b)
{
    gb_key_u32(b, "general.alignment", 4);
}
static void align_twice(struct gguf_bytes *b)
{
    gb_key_u32(b, "general.alignment", 32);
    gb_key_u32(b, "general.alignment", 64);
}
static void align_64(struct gguf_bytes *b)
{
    gb_key_u32(b, "general.alignment", 64);
}
static void split_many(struct gguf_bytes *b)
{
    gb_key_u32(b, "split.count", 1000000000);
    gb_key_u32(b, "split.no", 0);
}
static void split_no(struct gguf_bytes *b)
{
    gb_key_u32(b, "split.count", 3);
    gb_key_u32(b, "split.no", 3);
}
static void split_part(struct gguf_bytes *b)
{
    gb_key_u32(b, "split.count", 3);
    gb_key_u32(b, "split.no", 1);
}
static void split_one(struct gguf_bytes *b)
{
    gb_key_u32(b, "split.count", 1);
    gb_key_u32(b, "split.no", 0);
}
static void split_text(struct gguf_bytes *b)
{
    gb_key_string(b, "split.count", "3");
}
static void arrays_empty(struct gguf_bytes *b)
{
    gb_key_array(b, "a.key", GGUF_STRING, 0);
    gb_key_array(b, "b.key", GGUF_F64, 0);
}

static const struct {
    const char *id;
    void (*put)(struct gguf_bytes *b);
    uint64_t keys;
    int code;
    const char *says;
} keys[] = {
    {"GG10", key_length, 1, ERR_GG_STRING, "key 0 has 18446744073709551615 bytes"},
    {"GG11", key_empty, 1, ERR_GG_KEY, "key 0 has 0 bytes"},
    {"long key", key_long, 1, ERR_GG_KEY, "65536 bytes"},
    {"GG12", key_twice, 2, ERR_DUP_KEY, "\"some.key\""},
    {"GG13 NUL", key_nul, 1, ERR_UTF8, "key 0"},
    {"GG13 UTF-8", key_utf8, 1, ERR_UTF8, "key 0"},
    {"GG14", type_13, 1, ERR_GG_TYPE, "\"a.key\": type 13"},
    {"GG15", type_negative, 1, ERR_GG_TYPE, "\"a.key\": type -1"},
    {"GG16", bool_2, 1, ERR_GG_TYPE, "\"a.key\": boolean 0 is 2"},
    {"GG16 in an array", bools_3, 1, ERR_GG_TYPE, "\"a.key\": boolean 2 is 3"},
    {"GG17", string_long, 1, ERR_GG_STRING, "\"a.key\": string 0 has 1048576 bytes"},
    {"GG17 huge", string_huge, 1, ERR_GG_STRING, "\"a.key\": string 0 has 18446744073709551615 bytes"},
    {"number cut", number_cut, 1, ERR_DATA_PAST_EOF, "\"a.key\""},
    {"GG18", arrays_deep, 1, ERR_DEPTH, "\"a.key\": an array of arrays"},
    {"GG19", array_u64, 1, ERR_GG_ARRAY, "\"a.key\": 2305843009213693952 elements of u64"},
    {"array cut", array_u8, 1, ERR_GG_ARRAY, "\"a.key\": 9 elements of u8"},
    {"GG20", array_strings, 1, ERR_GG_ARRAY, "\"a.key\": 1152921504606846976 elements of string"},
    {"string of an array", array_string_long, 1, ERR_GG_STRING, "\"a.key\": string 1 has 5 bytes"},
    {"GG21", array_type, 1, ERR_GG_TYPE, "\"a.key\": element type 99"},
    {"GG22", align_0, 1, ERR_GG_ALIGN, "\"general.alignment\": 0,"},
    {"GG23", align_13, 1, ERR_GG_ALIGN, "\"general.alignment\": 13,"},
    {"GG24", align_i32, 1, ERR_GG_ALIGN, "it is i32"},
    {"GG25", align_2_31, 1, ERR_GG_ALIGN, "\"general.alignment\": 2147483648,"},
    {"small alignment", align_4, 1, ERR_GG_ALIGN, "\"general.alignment\": 4,"},
    {"GG26", align_twice, 2, ERR_DUP_KEY, "\"general.alignment\""},
    {"alignment 64", align_64, 1, 0, ""},
    {"GG46 count", split_many, 2, ERR_FIELD_RANGE, "\"split.count\" is 1000000000"},
    {"GG46 no", split_no, 2, ERR_FIELD_RANGE, "\"split.no\" is 3"},
    {"a part", split_part, 2, ERR_GG_SPLIT, "part 2 of a model split over 3 files"},
    {"the only part", split_one, 2, 0, ""},
    {"split of another type", split_text, 1, ERR_FIELD_TYPE, "\"split.count\" is string"},
    {"empty arrays", arrays_empty, 2, 0, ""},
};

static void bad_keys(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct gguf_bytes b = {0};
        gb_header(&b, 0, keys[i].keys);
        keys[i].put(&b);
        bad |= gguf_case(keys[i].id, &b, keys[i].code, keys[i].says);
    }
    assert_false(bad);
}

/* GG09, on both sides of the limit. */
static void many_keys(void **state)
{
    (void)state;
    static const struct {
        uint64_t n;
        int code;
    } rows[] = {{1000000, ERR_TOO_MANY}, {GGUF_MAX_COUNT, 0}, {GGUF_MAX_COUNT + 1, ERR_TOO_MANY}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct gguf_bytes b = {0};
        struct gguf *g;
        struct err e = {0};
        char name[64];
        gb_header(&b, 0, rows[r].n);
        for (uint64_t i = 0; i < rows[r].n; i++) {
            snprintf(name, sizeof name, "a.key.that.all.of.them.share.%llu", (unsigned long long)i);
            gb_key_u32(&b, name, (uint32_t)i);
        }
        double t = cpu_seconds();
        assert_int_equal(gguf_open_memory(&g, b.data, b.n, "memory", &e), rows[r].code);
        assert_true(cpu_seconds() - t < 1 * slowness());
        if (g) {
            uint64_t v = 0;
            assert_int_equal(gguf_get_uint(g, "a.key.that.all.of.them.share.777", true, 0, 1e9, &v, &e), 0);
            assert_int_equal(v, 777);
        }
        gguf_close(g);
        gb_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_bytes),
        cmocka_unit_test(bad_keys),
        cmocka_unit_test(many_keys),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
