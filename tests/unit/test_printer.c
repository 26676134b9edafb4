/* Answers on their way out: characters cut by tokens, thinking dimmed, nothing a terminal could be tricked
 * with. */
#include "checkpoints/hf_tokenizer.h"
#include "infer/printer.h"

#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

static struct tokenizer *nano;

static int setup(void **state)
{
    (void)state;
    struct err e = {0};
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    return hf_tokenizer_load(&nano, "checkpoints/nano", 0, &e);
}

static int teardown(void **state)
{
    (void)state;
    tokenizer_free(nano);
    return 0;
}

/* Prints text to f, in the tokenizer's pieces or byte by byte. */
static void print_text(FILE *f, const char *text, bool bytes, char *seen)
{
    struct printer p = {.f = f, .text.t = nano};
    struct err e = {0};
    int32_t ids[512];
    size_t n = strlen(text);
    if (bytes)
        for (size_t i = 0; i < n; i++) ids[i] = tokenizer_id(nano, text + i, 1);
    else
        assert_int_equal(tokenizer_encode(nano, text, n, 1, ids, 512, &n, &e), 0);
    for (size_t i = 0; i < n; i++) assert_int_equal(printer_token(&p, ids[i], &e), 0);
    assert_int_equal(printer_end(&p, &e), 0);
    if (seen) strcpy(seen, p.text.text ? p.text.text : "");
    printer_clear(&p);
}

/* What a terminal gets of it. */
static void on_terminal(const char *text, bool bytes, const char *expected)
{
    int master, slave;
    char got[2048] = "";
    struct termios raw;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    tcgetattr(slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    FILE *f = fdopen(slave, "w");
    print_text(f, text, bytes, NULL);
    fclose(f); /* what was written stays to be read, then comes an error */
    for (ssize_t n = 0, k; (k = read(master, got + n, sizeof got - 1 - (size_t)n)) > 0;) n += k;
    close(master);
    assert_string_equal(got, expected);
}

static void thinking_is_dimmed(void **state)
{
    (void)state;
    for (int bytes = 0; bytes < 2; bytes++) {
        on_terminal("<think>\nhm\n</think>\n\n5", bytes, "\033[2m<think>\nhm\n</think>\033[0m\n\n5\n");
        on_terminal("a < b <thin> <think>x", bytes,
                    "a < b <thin> \033[2m<think>x\033[0m\n"); /* never ended */
        on_terminal("1 <think>a</think><think>b</think>2", bytes,
                    "1 \033[2m<think>a</think>\033[0m\033[2m<think>b</think>\033[0m2\n");
        on_terminal("ends <thi", bytes, "ends <thi\n"); /* held back, then let go */
        on_terminal("</think>", bytes, "</think>\n");
        on_terminal("", bytes, "\n");
    }
}

static void a_terminal_takes_no_orders(void **state)
{
    (void)state;
    on_terminal("a\033[31mb\tc\r\n\177", true, "a?[31mb\tc?\n?\n");
    on_terminal("\xc2\x9b"
                "31m\xc2\xa0\xc3\x9b\xc2\x80",
                true, "?31m\xc2\xa0\xc3\x9b?\n"); /* C1 */
}

static void elsewhere_it_is_plain(void **state)
{
    (void)state;
    char *out = NULL, seen[256];
    size_t n;
    FILE *f = open_memstream(&out, &n);
    print_text(f, "<think>\nZo\xc3\xab \xf0\x9f\x99\x82</think>\n", true, seen);
    fclose(f);
    assert_string_equal(out, "<think>\nZo\xc3\xab \xf0\x9f\x99\x82</think>\n");
    assert_string_equal(seen, out);
    free(out);
    print_text(NULL, "cut \xf0\x9f\x99", true, seen);
    assert_string_equal(seen, "cut \xef\xbf\xbd");
    print_text(NULL, "<|im_start|>a<|im_end|>", false, seen);
    assert_string_equal(seen, "a"); /* control tokens have no text */
}

static void a_full_device_is_an_error(void **state)
{
    (void)state;
    struct printer p = {.text.t = nano};
    struct err e = {0};
    p.f = fopen("/dev/full", "w");
    assert_non_null(p.f);
    assert_int_equal(printer_token(&p, tokenizer_id(nano, "a", 1), &e), ERR_ENOSPC);
    fclose(p.f);
    printer_clear(&p);
}

static void replies(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reply;
    } rows[] = {{"5", "5"},
                {"<think>a</think>\n\n5", "5"},
                {"<think>a", ""},
                {"", ""},
                {"a</think> b", "b"},
                {"<think>a</think>", ""},
                {"<think>a</think>b</think>c", "c"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(rows[i].text + text_reply(rows[i].text, strlen(rows[i].text)), rows[i].reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thinking_is_dimmed),
        cmocka_unit_test(a_terminal_takes_no_orders),
        cmocka_unit_test(elsewhere_it_is_plain),
        cmocka_unit_test(a_full_device_is_an_error),
        cmocka_unit_test(replies),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
