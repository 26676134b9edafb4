/* Section GG of the hostile inputs: what a GGUF file can do wrong by itself. (What only a model's file can do
 * wrong, GG47 among it, is in test_gguf_model.c.) */
#include "tests/support/gguf_bytes.h"
#include "tests/support/scratch.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOW = 1 };
#else
enum { SLOW = 0 };
#endif

/* Seconds of this process: the machine may be busy with others. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int check_result(const char *id, int rc, int code, const struct err *e, const char *says,
                        const struct gguf *g)
{
    if (rc == code && !g == (rc != 0) && (!code || strstr(e->msg, says))) return 0;
    print_error("%s: got %s \"%s\", expected %s naming \"%s\"\n", id, err_name(rc), e->msg, err_name(code),
                says);
    return 1;
}

/* Opens the bytes from memory and from a file: both must come to the same verdict. Frees them. */
static int try_bytes(const char *id, struct gguf_bytes *b, int code, const char *says)
{
    struct gguf *g;
    struct err in_memory = {0}, in_file = {0};
    char *exact = malloc(b->n + !b->n); /* so that a sanitiser sees the first byte too many */
    if (b->n) memcpy(exact, b->data, b->n);
    int rc = gguf_open_memory(&g, exact, b->n, "memory", &in_memory);
    int bad = check_result(id, rc, code, &in_memory, says, g);
    gguf_close(g);
    rc = gguf_open(&g, scratch_write("case.gguf", exact, b->n), &in_file);
    bad |= check_result(id, rc, code, &in_file, says, g);
    gguf_close(g);
    if (rc && !strstr(in_file.msg, "case.gguf")) bad = 1, print_error("%s: the message names no file\n", id);
    free(exact);
    gb_free(b);
    return bad;
}

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
        bad |= try_bytes(headers[i].id, &b, headers[i].code, headers[i].says);
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
        bad |= try_bytes(keys[i].id, &b, keys[i].code, keys[i].says);
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
        double t = now();
        assert_int_equal(gguf_open_memory(&g, b.data, b.n, "memory", &e), rows[r].code);
        assert_true(now() - t < (SLOW ? 10 : 1));
        if (g) {
            uint64_t v = 0;
            assert_int_equal(gguf_get_uint(g, "a.key.that.all.of.them.share.777", true, 0, 1e9, &v, &e), 0);
            assert_int_equal(v, 777);
        }
        gguf_close(g);
        gb_free(&b);
    }
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

struct tensor_case {
    const char *name;
    uint32_t rank;
    uint64_t ne[4];
    int32_t type;
    uint64_t offset;
};

#define F32       0
#define LONG_NAME "a234567890123456789012345678901234567890123456789012345678901234"
#define HALF      0x7FFFFFFFFFFFFFC0ull

static const struct {
    const char *id;
    struct tensor_case t[2];
    uint64_t n, data;
    int code;
    const char *says;
} tensors[] = {
    {"GG27", {{LONG_NAME, 1, {8}, F32, 0}}, 1, 32, ERR_NAME_LEN, "tensor 0 has 64 bytes"},
    {"63 bytes", {{LONG_NAME + 1, 1, {8}, F32, 0}}, 1, 32, 0, ""},
    {"no name", {{"", 1, {8}, F32, 0}}, 1, 32, ERR_NAME_LEN, "tensor 0 has 0 bytes"},
    {"bad name", {{"\xff", 1, {8}, F32, 0}}, 1, 32, ERR_UTF8, "tensor 0"},
    {"GG28", {{"aa", 1, {8}, F32, 0}, {"aa", 1, {8}, F32, 32}}, 2, 64, ERR_DUP_TENSOR, "\"aa\""},
    {"GG29", {{"aa", 5, {1, 1, 1, 1}, F32, 0}}, 1, 99, ERR_RANK, "\"aa\": 5 dimensions"},
    {"GG29 most", {{"aa", UINT32_MAX, {1, 1, 1, 1}, F32, 0}}, 1, 99, ERR_RANK, "4294967295 dimensions"},
    {"GG30", {{"aa", 0, {1}, F32, 0}}, 1, 32, ERR_RANK, "\"aa\": 0 dimensions"},
    {"4 dimensions", {{"aa", 4, {2, 2, 2, 1}, F32, 0}}, 1, 32, 0, ""},
    {"GG31", {{"aa", 2, {8, UINT64_MAX}, F32, 0}}, 1, 32, ERR_SHAPE_INT, "\"aa\": dimension 1 is -1"},
    {"GG32", {{"aa", 2, {8, 0}, F32, 0}, {"bb", 1, {8}, F32, 0}}, 2, 32, 0, ""},
    {"GG32 quantised", {{"aa", 2, {0, 8}, 2, 0}}, 1, 0, 0, ""},
    {"GG33", {{"aa", 2, {1 << 22, (1ull << 42) + 1}, F32, 0}}, 1, 32, ERR_OVERFLOW, "\"aa\""},
    {"GG33 alone", {{"aa", 2, {1, (1ull << 42) + 1}, F32, 0}}, 1, 32, ERR_DATA_PAST_EOF, "\"aa\""},
    {"GG33 behind a 0", {{"aa", 3, {0, 1 << 22, (1ull << 42) + 1}, F32, 0}}, 1, 32, ERR_OVERFLOW, "\"aa\""},
    {"GG34", {{"aa", 4, {INT64_MAX, 2, 1, 1}, F32, 0}}, 1, 32, ERR_OVERFLOW, "\"aa\""},
    {"GG35", {{"aa", 1, {SIZE_MAX / 4}, F32, 0}}, 1, 32, ERR_OVERFLOW, "\"aa\""},
    {"GG36", {{"aa", 1, {HALF}, 24, 0}, {"bb", 1, {HALF}, 24, HALF}}, 2, 32, ERR_OVERFLOW, "\"bb\""},
    {"GG37 negative", {{"aa", 1, {8}, -1, 0}}, 1, 32, ERR_DTYPE, "\"aa\": type -1"},
    {"GG37 removed", {{"aa", 1, {8}, 4, 0}}, 1, 32, ERR_DTYPE, "\"aa\": type 4"},
    {"GG37 too high", {{"aa", 1, {8}, 42, 0}}, 1, 32, ERR_DTYPE, "\"aa\": type 42"},
    {"GG37 highest", {{"aa", 1, {8}, INT32_MAX, 0}}, 1, 32, ERR_DTYPE, "\"aa\": type 2147483647"},
    {"Q4_K", {{"aa", 1, {256}, 12, 0}}, 1, 160, ERR_DTYPE, "\"aa\": it is Q4_K; terse reads"},
    {"GG38", {{"aa", 2, {33, 2}, 8, 0}}, 1, 96, ERR_GG_BLOCK, "\"aa\": rows of 33"},
    {"Q8_0", {{"aa", 2, {64, 2}, 8, 0}}, 1, 136, 0, ""},
    {"Q4_0", {{"aa", 2, {64, 2}, 2, 0}}, 1, 72, 0, ""},
    {"Q4_0 short", {{"aa", 2, {64, 2}, 2, 0}}, 1, 71, ERR_DATA_PAST_EOF, "\"aa\": 72 bytes"},
    {"GG39", {{"aa", 1, {8}, F32, UINT64_MAX}}, 1, 32, ERR_OFFSETS, "\"aa\": offset 18446744073709551615"},
    {"GG40", {{"aa", 1, {8}, F32, 0}, {"bb", 1, {8}, F32, 40}}, 2, 96, ERR_OFFSETS, "\"bb\": offset 40"},
    {"GG41", {{"aa", 1, {8}, F32, 0}, {"bb", 1, {8}, F32, 0}}, 2, 64, ERR_OVERLAP, "\"bb\""},
    {"GG42", {{"aa", 1, {8}, F32, 0}, {"bb", 1, {8}, F32, 64}}, 2, 96, ERR_HOLE, "\"bb\": offset 64"},
    {"hole in front", {{"aa", 1, {8}, F32, 32}}, 1, 64, ERR_HOLE, "\"aa\""},
    {"GG43", {{"aa", 1, {8}, F32, 0}, {"bb", 1, {8}, F32, 32}}, 2, 63, ERR_DATA_PAST_EOF, "\"bb\": 32 bytes"},
    {"GG44", {{"aa", 1, {8}, F32, 0}}, 1, 33, ERR_TRAILING, "1 bytes after"},
    {"padding at the end", {{"aa", 1, {7}, F32, 0}}, 1, 32, 0, ""},
    {"none at the end", {{"aa", 1, {7}, F32, 0}}, 1, 28, 0, ""},
    {"one byte more than it", {{"aa", 1, {7}, F32, 0}}, 1, 33, ERR_TRAILING, "1 bytes after"},
};

static void bad_tensors(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        struct gguf_bytes b = {0};
        gb_header(&b, tensors[i].n, 0);
        for (uint64_t k = 0; k < tensors[i].n; k++) {
            const struct tensor_case *t = &tensors[i].t[k];
            gb_tensor(&b, t->name, t->rank, t->ne, t->type, t->offset);
        }
        gb_pad(&b, 32);
        gb_zeros(&b, tensors[i].data);
        bad |= try_bytes(tensors[i].id, &b, tensors[i].code, tensors[i].says);
    }
    assert_false(bad);
}

/* ---- a sound file, cut and spoilt ---------------------------------------------------------------------- */

static struct gguf_bytes sound(void)
{
    struct gguf_bytes b = {0};
    const uint64_t one[] = {5}, two[] = {3, 4}, q[] = {64, 2};
    const float data[] = {1, 2, 3, 4, 5};
    gb_header(&b, 3, 7);
    gb_key_string(&b, "general.architecture", "qwen2");
    gb_key_u32(&b, "general.alignment", 16);
    gb_key_f32(&b, "a.float", 0.5f);
    gb_key_bool(&b, "a.bool", 1);
    gb_key_array(&b, "some.strings", GGUF_STRING, 3);
    gb_string(&b, "one");
    gb_string(&b, "");
    gb_string(&b, "three");
    gb_key_array(&b, "some.numbers", GGUF_I16, 3);
    gb_put(&b, "\1\0\xff\xff\0\x80", 6);
    gb_key(&b, "a.negative", GGUF_I64);
    gb_u64(&b, (uint64_t)-2);
    gb_tensor(&b, "vector", 1, one, 0, 0);
    gb_tensor(&b, "matrix", 2, two, 30, 32);
    gb_tensor(&b, "quantised", 2, q, 8, 64);
    gb_pad(&b, 16);
    gb_put(&b, data, sizeof data);
    gb_pad(&b, 16);
    gb_zeros(&b, 32 + 136);
    return b;
}

static void a_sound_file(void **state)
{
    (void)state;
    static const int64_t numbers[] = {1, -1, -32768};
    static const char *const strings[] = {"one", "", "three"};
    struct gguf_bytes b = sound();
    struct gguf *g;
    struct err e = {0};
    const struct gguf_kv *kv;
    double d = 0;
    bool yes = false;
    if (gguf_open(&g, scratch_write("sound.gguf", b.data, b.n), &e)) fail_msg("%s", e.msg);
    assert_true(gguf_is(g, "general.architecture", "qwen2"));
    assert_false(gguf_is(g, "general.architecture", "qwen"));
    assert_int_equal(gguf_keys(g), 7);
    assert_int_equal(gguf_get_float(g, "a.float", true, &d, &e), 0);
    assert_true(d == 0.5);
    assert_int_equal(gguf_get_bool(g, "a.bool", true, &yes, &e), 0);
    assert_true(yes);
    assert_int_equal(gguf_get_array(g, "some.numbers", true, GGUF_U32, &kv, &e), 0);
    for (uint64_t i = 0; i < 3; i++) {
        int64_t v;
        assert_true(gguf_int_at(kv, i, &v));
        assert_int_equal(v, numbers[i]);
    }
    assert_string_equal(gguf_type_name(kv), "[i16]");
    assert_int_equal(gguf_get_array(g, "some.strings", true, GGUF_STRING, &kv, &e), 0);
    int n = 0;
    for (struct gguf_iter it = gguf_iter(kv); gguf_next(&it); n++) {
        assert_int_equal(it.len, strlen(strings[n]));
        assert_memory_equal(it.text, strings[n], it.len);
    }
    assert_int_equal(n, 3);
    const struct tensor *t = gguf_find(g, "matrix");
    assert_ptr_equal(t, gguf_at(g, 1));
    assert_int_equal(t->dtype, DTYPE_BF16);
    assert_int_equal(t->shape[0], 4);
    assert_int_equal(t->shape[1], 3);
    assert_int_equal(t->bytes, 24);
    assert_memory_equal(gguf_find(g, "vector")->data, ((float[]){1, 2, 3, 4, 5}), 20);
    assert_int_equal(gguf_find(g, "quantised")->dtype, DTYPE_Q8_0);
    assert_int_equal(gguf_find(g, "quantised")->bytes, 4 * 34);
    assert_null(gguf_find(g, "other"));
    assert_int_equal(gguf_intact(g, &e), 0);
    assert_int_equal(truncate(scratch("sound.gguf"), 100), 0);
    assert_int_equal(gguf_intact(g, &e), ERR_CHANGED);
    gguf_close(g);
    gb_free(&b);
}

static void values_of_the_wrong_kind(void **state)
{
    (void)state;
    struct gguf_bytes b = sound();
    struct gguf *g;
    struct err e = {0};
    uint64_t u = 77;
    double d = 77;
    bool yes = false;
    const char *s = "77";
    size_t n = 77;
    const struct gguf_kv *kv;
    if (gguf_open_memory(&g, b.data, b.n, "memory", &e)) fail_msg("%s", e.msg);
#define FAILS(call, code, says)                                                                              \
    do {                                                                                                     \
        e = (struct err){0};                                                                                 \
        assert_int_equal(call, code);                                                                        \
        assert_non_null(strstr(e.msg, says));                                                                \
    } while (0)
    FAILS(gguf_get_uint(g, "none", true, 0, 9, &u, &e), ERR_FIELD_MISSING, "\"none\"");
    FAILS(gguf_get_uint(g, "none", false, 0, 9, &u, &e), 0, "");
    FAILS(gguf_get_uint(g, "a.negative", true, 0, 9, &u, &e), ERR_FIELD_RANGE, "-2, expected 0 to 9");
    FAILS(gguf_get_uint(g, "general.alignment", true, 0, 9, &u, &e), ERR_FIELD_RANGE, "16, expected 0 to 9");
    FAILS(gguf_get_uint(g, "a.float", true, 0, 9, &u, &e), ERR_FIELD_TYPE, "f32");
    FAILS(gguf_get_uint(g, "some.numbers", true, 0, 9, &u, &e), ERR_FIELD_TYPE, "[i16]");
    FAILS(gguf_get_float(g, "a.bool", true, &d, &e), ERR_FIELD_TYPE, "bool");
    FAILS(gguf_get_bool(g, "a.float", true, &yes, &e), ERR_FIELD_TYPE, "f32");
    FAILS(gguf_get_string(g, "a.float", true, &s, &n, &e), ERR_FIELD_TYPE, "f32");
    FAILS(gguf_get_string(g, "some.strings", true, &s, &n, &e), ERR_FIELD_TYPE, "[string]");
    FAILS(gguf_get_array(g, "some.strings", true, GGUF_U32, &kv, &e), ERR_FIELD_TYPE, "integers");
    FAILS(gguf_get_array(g, "some.numbers", true, GGUF_STRING, &kv, &e), ERR_FIELD_TYPE, "strings");
    assert_true(u == 77 && d == 77 && !yes && n == 77);
    gguf_close(g);
    gb_free(&b);
    gb_header(&b, 0, 2);
    gb_key_f32(&b, "nan", NAN);
    gb_key_string(&b, "text", "\xff");
    if (gguf_open_memory(&g, b.data, b.n, "memory", &e)) fail_msg("%s", e.msg);
    FAILS(gguf_get_float(g, "nan", true, &d, &e), ERR_FIELD_RANGE, "not a finite number");
    FAILS(gguf_get_string(g, "text", true, &s, &n, &e), ERR_UTF8, "\"text\"");
    gguf_close(g);
    gb_free(&b);
}

static bool listed(int rc)
{
    static const int codes[] = {
        ERR_GG_MAGIC, ERR_VERSION,    ERR_TOO_MANY, ERR_GG_STRING,   ERR_GG_KEY,        ERR_DUP_KEY,
        ERR_UTF8,     ERR_GG_TYPE,    ERR_DEPTH,    ERR_GG_ARRAY,    ERR_GG_ALIGN,      ERR_NAME_LEN,
        ERR_RANK,     ERR_DUP_TENSOR, ERR_DTYPE,    ERR_GG_BLOCK,    ERR_OVERFLOW,      ERR_SHAPE_INT,
        ERR_OFFSETS,  ERR_OVERLAP,    ERR_HOLE,     ERR_FIELD_RANGE, ERR_DATA_PAST_EOF, ERR_TRAILING,
        ERR_GG_SPLIT, ERR_FIELD_TYPE, ERR_GG_ENDIAN};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i] == rc) return true;
    return false;
}

/* GG45. The last 8 bytes are padding, which may be missing. */
static void cut_at_every_byte(void **state)
{
    (void)state;
    struct gguf_bytes b = sound();
    for (size_t n = 0; n < b.n; n++) {
        struct gguf *g = (struct gguf *)&b;
        struct err e = {0};
        char *cut = malloc(n + !n);
        memcpy(cut, b.data, n);
        int rc = gguf_open_memory(&g, cut, n, "cut", &e);
        if (!listed(rc) || g || !strstr(e.msg, "cut"))
            fail_msg("cut at byte %zu: %s \"%s\"", n, err_name(rc), e.msg);
        free(cut);
    }
    gb_free(&b);
}

/* Every byte of the header, turned over: no reading outside (for the sanitisers), a sentence with each
 * refusal. */
static void every_byte_spoilt(void **state)
{
    (void)state;
    static const unsigned char masks[] = {0x01, 0x80, 0xff};
    struct gguf_bytes b = sound();
    int refused = 0;
    for (size_t i = 0; i < b.n; i++)
        for (size_t k = 0; k < sizeof masks; k++) {
            struct gguf *g;
            struct err e = {0};
            b.data[i] = (char)(b.data[i] ^ masks[k]);
            int rc = gguf_open_memory(&g, b.data, b.n, "spoilt", &e);
            if (rc && (!listed(rc) || !e.msg[0])) fail_msg("byte %zu: %s \"%s\"", i, err_name(rc), e.msg);
            refused += rc != 0;
            gguf_close(g);
            b.data[i] = (char)(b.data[i] ^ masks[k]);
        }
    assert_true(refused > 300);
    gb_free(&b);
}

static void files_of_another_kind(void **state)
{
    (void)state;
    struct gguf *g;
    struct err e = {0}, f = {0}, h = {0};
    assert_int_equal(gguf_open(&g, scratch("absent.gguf"), &e), ERR_FILE_MISSING);
    assert_null(g);
    assert_int_equal(gguf_open(&g, scratch(""), &f), ERR_NOT_REGULAR);
    assert_int_equal(mkfifo(scratch("fifo.gguf"), 0600), 0);
    assert_int_equal(gguf_open(&g, scratch("fifo.gguf"), &h), ERR_NOT_REGULAR);
    assert_null(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_bytes),
        cmocka_unit_test(bad_keys),
        cmocka_unit_test(many_keys),
        cmocka_unit_test(bad_tensors),
        cmocka_unit_test(a_sound_file),
        cmocka_unit_test(values_of_the_wrong_kind),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(every_byte_spoilt),
        cmocka_unit_test(files_of_another_kind),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
