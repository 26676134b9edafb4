/* terse bench infer and terse perplexity, as a user types them. */
#include "tests/support/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NANO "checkpoints/nano"

/* What the last command printed to stdout. Static storage. */
static const char *printed(void)
{
    static char text[1 << 16];
    FILE *f = fopen(run_out, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return text;
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (; (text = strstr(text, what)); text += strlen(what)) n++;
    return n;
}

static void rows_in_every_format(void **state)
{
    (void)state;
    const char *args = "bench infer -m " NANO " -p 70 -n 2 --streams 1,2 -r 1 --dtype q8_0 --lora-rank 4";
    run_expect(0, run_log, "%s %s -o json >%s", run_terse(), args, run_out);
    const char *text = printed();
    assert_int_equal(count(text, "\"dtype\": \"q8_0\""), 10);
    assert_int_equal(count(text, "\"lora\": 4"), 5);
    assert_non_null(strstr(text, "{\"test\": \"memory\", \"weights_bytes\": "));
    assert_non_null(strstr(text, "{\"test\": \"load\", \"seconds\": "));
    assert_non_null(strstr(text, "\n]\n"));
    run_expect(0, run_log, "%s %s -o md >%s", run_terse(), args, run_out);
    text = printed();
    assert_int_equal(count(text, "\n| "), 10);
    assert_non_null(strstr(text, "| tg2 x2 lora | q8_0 |"));
    assert_non_null(strstr(text, "memory planned: "));
}

static void wrong_command_lines(void **state)
{
    (void)state;
    static const char *const wrong[] = {"--streams 0",
                                        "--streams 1,x",
                                        "--streams 2000",
                                        "--shape tiny",
                                        "--isa z80",
                                        "-m nowhere",
                                        "-m " NANO " --dtype bf16 --act-dtype int8",
                                        "-m " NANO " -p 100000"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        run_expect(1, run_log, "%s bench infer -n 1 -r 1 %s", run_terse(), wrong[i]);
    run_expect(2, run_log, "%s bench infer --lora nowhere", run_terse());
    run_expect(2, run_log, "%s bench infer -p 0 -n 0 -o json", run_terse());
}

static double number(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    if (!at) fail_msg("no %s in %s", key, text);
    return strtod(at + strlen(key), NULL);
}

static void perplexity_of_a_text(void **state)
{
    char path[300];
    double plain, kv8, coarse;
    (void)state;
    snprintf(path, sizeof path, "%s/text", run_dir);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 40; i++)
        fprintf(f, "<|im_start|>user\nWhat is %d+%d?<|im_end|>\n<|im_start|>assistant\nIt is %d.<|im_end|>\n",
                i + 2, 50 - i, 52);
    fclose(f);
    run_expect(0, run_log, "%s perplexity -m " NANO " -f %s --json >%s", run_terse(), path, run_out);
    plain = number(printed(), "\"perplexity\": ");
    assert_int_equal(number(printed(), "\"context\": "), 512);
    run_expect(0, run_log, "%s perplexity -m " NANO " -f %s --json --kv-dtype int8 >%s", run_terse(), path,
               run_out);
    kv8 = number(printed(), "\"perplexity\": ");
    run_expect(0, run_log, "%s perplexity -m " NANO " -f %s --json --dtype q4_0 >%s", run_terse(), path,
               run_out);
    coarse = number(printed(), "\"perplexity\": ");
    assert_true(plain > 1 && plain < 20);
    assert_true(kv8 != plain && kv8 < 1.02 * plain && kv8 > 0.98 * plain);
    assert_true(coarse != plain && coarse < 1.5 * plain);
    run_expect(1, run_log, "%s perplexity -m " NANO " -f %s/none", run_terse(), run_dir);
    run_expect(2, run_log, "%s perplexity -m " NANO, run_terse());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_in_every_format),
        cmocka_unit_test(wrong_command_lines),
        cmocka_unit_test(perplexity_of_a_text),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
