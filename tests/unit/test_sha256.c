#include "checkpoints/sha256.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* FIPS 180-4 examples, and the message of a million 'a' */
static const struct {
    const char *text, *hex;
} vectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};
static const char million[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

static void whole_buffers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        char hex[SHA256_HEX];
        assert_int_equal(sha256_hex(vectors[i].text, strlen(vectors[i].text), hex, NULL), 0);
        assert_string_equal(hex, vectors[i].hex);
    }
}

static void pieces_and_files(void **state)
{
    (void)state;
    char *text = malloc(1000000), hex[SHA256_HEX];
    memset(text, 'a', 1000000);
    struct sha256 s;
    assert_int_equal(sha256_init(&s, NULL), 0);
    for (size_t at = 0, n = 1; at < 1000000; at += n, n = n * 7 % 9973) {
        if (n > 1000000 - at) n = 1000000 - at;
        sha256_update(&s, text + at, n);
    }
    sha256_final(&s, hex);
    assert_string_equal(hex, million);
    uint64_t bytes;
    assert_int_equal(sha256_file(scratch_write("a", text, 1000000), hex, &bytes, NULL), 0);
    assert_string_equal(hex, million);
    assert_int_equal(bytes, 1000000);
    free(text);
}

static void refusals(void **state)
{
    (void)state;
    struct err e = {0};
    char hex[SHA256_HEX] = "untouched";
    assert_int_equal(sha256_file(scratch("absent"), hex, NULL, &e), ERR_FILE_MISSING);
    assert_non_null(strstr(e.msg, "absent"));
    assert_int_equal(sha256_file("/dev/zero", hex, NULL, NULL), ERR_NOT_REGULAR);
    assert_string_equal(hex, "untouched");
    sha256_final(&(struct sha256){NULL}, hex);
    assert_string_equal(hex, "untouched");
    assert_true(sha256_is_hex(million));
    assert_false(sha256_is_hex("abc"));
    assert_false(sha256_is_hex("CDC76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_buffers),
        cmocka_unit_test(pieces_and_files),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
