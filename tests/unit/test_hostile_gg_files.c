/* Section GG of the hostile inputs: a sound file and what is read from it; the same file cut and spoilt; what
 * is no file. */
#include "tests/support/gguf_bytes.h"
#include "tests/support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

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
        cmocka_unit_test(a_sound_file),          cmocka_unit_test(values_of_the_wrong_kind),
        cmocka_unit_test(cut_at_every_byte),     cmocka_unit_test(every_byte_spoilt),
        cmocka_unit_test(files_of_another_kind),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
