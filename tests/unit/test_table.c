/* Tables in every form: figures, reasons, what is reported; and no text can break out of its cell. */
#include "rl/paper.h"
#include "rl/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct table t;

static void fill(void)
{
    static const char *const heads[] = {"a|b", "time", "size", "n"};
    static const enum table_unit units[] = {TABLE_PERCENT, TABLE_MS, TABLE_MB, TABLE_COUNT};
    struct err e = {0};
    assert_int_equal(table_init(&t, "one", "A <table>", 4, heads, units, &e), 0);
    assert_int_equal(table_row(&t, "first, \"x\"", &e), 0);
    assert_int_equal(table_row(&t, "é & co", &e), 1);
    *table_at(&t, 0, 0) = (struct table_cell){true, true, 0.8512, 0.014, 0.56, ""};
    *table_at(&t, 0, 1) = (struct table_cell){true, false, 0.00456, 0, 0, ""};
    *table_at(&t, 0, 2) = (struct table_cell){true, false, 1234567, 0, 0, ""};
    *table_at(&t, 0, 3) = (struct table_cell){false, false, 0, 0, 0, "no <b>model</b>"};
    *table_at(&t, 1, 0) = (struct table_cell){false, true, 0, 0, 0.4, "no <b>model</b>"};
    *table_at(&t, 1, 3) = (struct table_cell){false, false, 0, 0, 0, "another"};
    t.note = "A note.";
}

/* What a writer writes; static. */
static const char *written(void (*write)(FILE *f, const struct table *t))
{
    static char text[8192];
    FILE *f = fmemopen(text, sizeof text, "w");
    write(f, &t);
    fclose(f);
    return text;
}

static void has(const char *text, const char *what)
{
    if (!strstr(text, what)) fail_msg("no \"%s\" in\n%s", what, text);
}

static void as_text(void **state)
{
    (void)state;
    fill();
    const char *s = written(table_text);
    has(s, "85.1 +- 1.4 (paper 56.0)");
    has(s, "  4.6  ");
    has(s, "  1.2  ");
    has(s, "- [1] (paper 40.0)");
    has(s, "- [2]\n  [1] no <b>model</b>\n  [2] another\n  A note.\n");
    table_free(&t);
}

static void as_markdown(void **state)
{
    (void)state;
    fill();
    t.source = "said";
    const char *s = written(table_markdown);
    has(s, "## A <table>\n\n| | a\\|b, % | time, ms | size, MB | n |\n|---|---:|---:|---:|---:|\n");
    has(s, "| first, \"x\" | 85.1 ± 1.4 (said 56.0) | 4.6 | 1.2 | - [1] |\n");
    table_free(&t);
}

static void as_csv(void **state)
{
    (void)state;
    fill();
    const char *s = written(table_csv);
    has(s, "\"one\",\"first, \"\"x\"\"\",\"a|b\",fraction,0.8512,0.014,0.56,\"\"\n");
    has(s, "\"one\",\"first, \"\"x\"\"\",\"size\",bytes,1234567,,,\"\"\n");
    has(s, "\"one\",\"é & co\",\"a|b\",fraction,,,0.4,\"no <b>model</b>\"\n");
    has(s, "\"one\",\"é & co\",\"time\",seconds,,,,\"\"\n");
    table_free(&t);
}

static void html(FILE *f, const struct table *table)
{
    struct err e = {0};
    assert_int_equal(table_html(f, "Title <x>", "Intro & all", table, 1, &e), 0);
}

static void as_html(void **state)
{
    (void)state;
    fill();
    const char *s = written(html);
    has(s, "<title>Title &lt;x&gt;</title>");
    has(s, "A &lt;table&gt;</h2>");
    has(s, "<td>85.1 <small>± 1.4</small><small>paper 56.0</small></td>");
    has(s, "<sup>1</sup> no &lt;b&gt;model&lt;/b&gt;</p>");
    has(s, "é &amp; co");
    assert_null(strstr(s, "<b>"));
    assert_null(strstr(s, "http"));
    table_free(&t);
}

static void what_the_paper_reports(void **state)
{
    double x;
    (void)state;
    assert_true(paper_figure("table1", "7b", "lora128", "math500", &x) && x == .93);
    assert_true(paper_figure("table1", "3b", "dense", "livecodebench", &x) && x == .50);
    assert_true(paper_figure("page", "7b", "w4", "gpqa", &x) && x == .45);
    assert_true(paper_figure("table9", "7b", "weighted", "8", &x) && x == .782);
    assert_false(paper_figure("table9", "7b", "greedy", "8", &x));
    assert_false(paper_figure("table1", "3b", "lora64", "math500", &x));
    assert_false(paper_figure("table1", "none", "base", "math500", &x));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_text), cmocka_unit_test(as_markdown),
                                       cmocka_unit_test(as_csv), cmocka_unit_test(as_html),
                                       cmocka_unit_test(what_the_paper_reports)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
