/* The live line and the text plot. */
#include "infer/progress.h"
#include "infer/textplot.h"
#include "infer/utf8.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct progress line_of(uint64_t first, uint64_t total, bool live, bool utf8)
{
    return (struct progress){
        .label = "train", .unit = "step", .first = first, .total = total, .live = live, .utf8 = utf8};
}

static void the_line_says_what_counts(void **state)
{
    (void)state;
    char buf[512];
    struct progress p = line_of(0, 200, true, false);
    assert_string_equal(
        progress_line(&p, 50, 25, "loss 1.5", 100, buf, sizeof buf),
        "train  #######-----------------------   25% 50/200 steps  2.0 steps/s  1:15 left  loss 1.5");
    assert_string_equal(progress_line(&p, 200, 25, NULL, 79, buf, sizeof buf),
                        "train  ##############################  100% 200/200 steps  8.0 steps/s");
    assert_string_equal(progress_line(&p, 0, 0, NULL, 40, buf, sizeof buf),
                        "train  ---------------    0% 0/200 steps");
}

static void resumed_runs_count_their_own_rate(void **state)
{
    (void)state;
    char buf[512];
    struct progress p = line_of(100, 200, false, false);
    assert_string_equal(progress_line(&p, 110, 5, NULL, 0, buf, sizeof buf),
                        "train   55% 110/200 steps  2.0 steps/s  0:45 left");
    p = line_of(0, 10, false, false);
    assert_string_equal(progress_line(&p, 1, 1000, NULL, 0, buf, sizeof buf),
                        "train   10% 1/10 steps  1000.0 s/step  2:30:00 left");
    p = line_of(0, 0, false, false);
    assert_string_equal(progress_line(&p, 123456, 1, NULL, 0, buf, sizeof buf),
                        "train  123456 steps  123.5k steps/s");
}

static void bytes_are_told_in_large_units(void **state)
{
    (void)state;
    char buf[512];
    struct progress p = line_of(0, 28000000000u, false, false);
    p.unit = "B";
    assert_string_equal(progress_line(&p, 1500000, 1, NULL, 0, buf, sizeof buf),
                        "train    0% 1.5 MB/28.00 GB  1.5 MB/s  5:11:06 left");
    p.total = 0;
    assert_string_equal(progress_line(&p, 999, 10, NULL, 0, buf, sizeof buf), "train  999 B  100 B/s");
}

/* Whatever the width and the text, a live line fits and stays valid UTF-8. */
static void the_line_fits(void **state)
{
    (void)state;
    char buf[512], note[400];
    memset(note, 0, sizeof note);
    for (int i = 0; i < 150; i += 3) memcpy(note + i, "\xe2\x82\xac", 3);
    for (int width = 1; width < 160; width++)
        for (uint64_t done = 0; done <= 8000; done += 400) {
            struct progress p = line_of(0, 8000, true, true);
            progress_line(&p, done, 3.5, note, width, buf, sizeof buf);
            size_t n = strlen(buf);
            assert_true(utf8_valid(buf, n));
            if ((int)utf8_count(buf, n) > width) fail_msg("%d columns: %s", width, buf);
        }
    struct progress p = line_of(0, 100, true, true);
    progress_line(&p, 1000, 1, NULL, 80, buf, sizeof buf); /* more done than planned */
    assert_non_null(strstr(buf, "100%"));
}

static void a_file_gets_plain_lines(void **state)
{
    (void)state;
    char *text;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    struct progress p;
    progress_start(&p, f, "data", "row", 0, 4);
    assert_false(p.live);
    for (uint64_t i = 0; i < 4; i++) progress_update(&p, i, NULL); /* all within the interval: silent */
    fflush(f);
    progress_clear(&p);
    progress_update(&p, 1, NULL); /* and still is, where nothing was wiped */
    fflush(f);
    assert_int_equal(n, 0);
    p.every = 0;
    progress_update(&p, 2, "skipped 1");
    progress_clear(&p);
    progress_finish(&p, 4, NULL);
    fclose(f);
    assert_null(strchr(text, '\r'));
    assert_non_null(strstr(text, "2/4 rows"));
    assert_non_null(strstr(text, "100% 4/4 rows"));
    assert_int_equal(text[n - 1], '\n');
    free(text);
}

static void a_terminal_gets_one_line(void **state)
{
    (void)state;
    char *text;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    struct progress p;
    progress_start(&p, f, "data", "row", 0, 4);
    p.live = true, p.every = 0;
    progress_update(&p, 1, NULL);
    progress_update(&p, 2, NULL);
    progress_clear(&p);
    fflush(f);
    assert_true(n > 4 && !strcmp(text + n - 4, "\r\033[K"));
    assert_null(strchr(text, '\n'));
    progress_finish(&p, 4, NULL);
    fclose(f);
    assert_int_equal(text[n - 1], '\n');
    free(text);
}

static void times(void **state)
{
    (void)state;
    char buf[32];
    assert_string_equal(progress_time(7.4, buf, sizeof buf), "0:07");
    assert_string_equal(progress_time(754, buf, sizeof buf), "12:34");
    assert_string_equal(progress_time(3723, buf, sizeof buf), "1:02:03");
    assert_string_equal(progress_time(-1, buf, sizeof buf), "0:00");
    assert_string_equal(progress_time(1e300, buf, sizeof buf), "100000:00:00");
}

static char *plot_text(const struct textplot *p, int want)
{
    char *text;
    size_t n;
    struct err e = {0};
    FILE *f = open_memstream(&text, &n);
    int code = textplot_draw(p, f, &e);
    fclose(f);
    if (code != want) fail_msg("%s: %s", err_name(code), e.msg);
    return text;
}

static void a_falling_line(void **state)
{
    (void)state;
    double y[21];
    for (int i = 0; i < 21; i++) y[i] = 20 - i;
    struct textplot p = {.y = y,
                         .n = 21,
                         .x_first = 1,
                         .x_last = 21,
                         .title = "loss",
                         .x_label = "step",
                         .width = 30,
                         .height = 8};
    char *text = plot_text(&p, 0);
    /* Point of column x: floor(x * 21 / 26); rows round to 20, 15, 10, 5, 0: 3 5 5 5 3 points, 4 6 7 6 3
     * columns. */
    assert_string_equal(text, "    loss\n"
                              "20 +****                      \n"
                              "   |    ******                \n"
                              "   |          *******         \n"
                              "   |                 ******   \n"
                              " 0 +                       ***\n"
                              "   +--------------------------\n"
                              "    1                  step 21\n");
    free(text);
}

/* Every shape keeps to its size, and in braille too. */
static void plots_keep_their_size(void **state)
{
    (void)state;
    double y[500];
    for (int i = 0; i < 500; i++) y[i] = i % 7 == 3 ? NAN : i % 11 == 5 ? INFINITY : sin(i * 0.05) * 1e5;
    for (int width = 24; width <= 120; width += 16)
        for (int height = 5; height <= 30; height += 5)
            for (size_t n = 1; n <= 500; n += 83)
                for (int unicode = 0; unicode < 2; unicode++) {
                    struct textplot p = {y, n, 0, 1, "t", "x", width, height, unicode};
                    char *text = plot_text(&p, 0);
                    int lines = 0;
                    assert_true(utf8_valid(text, strlen(text)));
                    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++)
                        assert_true((int)utf8_count(line, strlen(line)) <= width);
                    assert_int_equal(lines, height);
                    free(text);
                }
}

static void plots_of_nothing_are_refused(void **state)
{
    (void)state;
    double y[2] = {NAN, INFINITY};
    struct textplot p = {y, 2, 0, 1, NULL, NULL, 40, 10, false};
    free(plot_text(&p, ERR_FIELD_RANGE));
    p.n = 0;
    free(plot_text(&p, ERR_FIELD_RANGE));
    y[0] = 1;
    p.n = 1;
    free(plot_text(&p, 0)); /* a flat line has no height to divide by */
    p.width = 10;
    free(plot_text(&p, ERR_FIELD_RANGE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_says_what_counts),
        cmocka_unit_test(resumed_runs_count_their_own_rate),
        cmocka_unit_test(bytes_are_told_in_large_units),
        cmocka_unit_test(the_line_fits),
        cmocka_unit_test(a_file_gets_plain_lines),
        cmocka_unit_test(a_terminal_gets_one_line),
        cmocka_unit_test(times),
        cmocka_unit_test(a_falling_line),
        cmocka_unit_test(plots_keep_their_size),
        cmocka_unit_test(plots_of_nothing_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
