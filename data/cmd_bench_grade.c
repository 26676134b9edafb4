/* terse bench grade: how many answers a core grades in a minute, found in texts of a usual length. */
#include "data/cmd_bench_grade.h"
#include "data/grade.h"
#include "infer/bench.h"
#include "infer/cli.h"
#include "infer/option_rows.h"
#include "infer/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHAINS = 64, CHAIN_MAX = 4096 };

struct flags {
    double seconds;
    int64_t length;
    int output;
};

#define AT(field) .at = offsetof(struct flags, field)
static const struct option table[] = {
    {.key = "length",
     .type = OPT_INT,
     AT(length),
     .preset = "800",
     .min = 100,
     .max = CHAIN_MAX - 200,
     .unit = "bytes",
     .help = "of a text, about"},
    {.key = "seconds",
     .type = OPT_FLOAT,
     AT(seconds),
     .preset = "1",
     .min = 0.01,
     .max = 1000,
     .help = "for each row"},
    FORMAT_ROW(AT(output)),
    {0},
};

/* What ends a text, around a number, and the reference that 72 there makes right. */
struct ending {
    const char *test, *before, *after, *reference;
};
static const struct ending endings[] = {
    {"grade boxed number", "So Natalia pays \\boxed{", "} dollars.", "72"},
    {"grade #### number", "\n#### ", "", "72"},
    {"grade said number", "So the answer is ", ".", "72"},
    {"grade last number", "That makes ", " in all.", "72"},
    {"grade fraction", "Therefore $x = \\boxed{\\frac{", "}{7}}$.", "\\frac{144}{14}"},
    {"grade algebra", "Thus \\[\\boxed{\\frac{x^2-1}{x-1} + ", "}\\]", "x+73"},
    {"grade surd", "Thus \\(\\boxed{\\frac{", "}{\\sqrt{3}}}\\)", "24\\sqrt{3}"},
};

struct chains {
    char text[CHAINS][CHAIN_MAX];
    size_t n[CHAINS];
};

/* Sentences like a model's, then the ending; the numbers differ, and in every other text the last is right.
 */
static void chains_fill(struct chains *c, const struct ending *e, size_t length)
{
    for (int i = 0; i < CHAINS; i++) {
        char *s = c->text[i];
        size_t n = 0;
        for (int step = 1; n < length; step++)
            n += (size_t)snprintf(
                s + n, CHAIN_MAX - n,
                "Step %d: she sells %d clips in May, half as many as in April, so \\(%d \\times %d "
                "= %d\\) of them are left.\n",
                step, i + step, i, step, i * step);
        n += (size_t)snprintf(s + n, CHAIN_MAX - n, "%s%d%s", e->before, i % 2 ? 72 : i, e->after);
        c->n[i] = n;
    }
}

/* Seconds of one grading. */
static double measure(const struct chains *c, const char *reference, double seconds)
{
    double start = progress_clock(), passed = 0;
    size_t n = 0, k = strlen(reference), equal = 0;
    while (passed < seconds) {
        for (int i = 0; i < CHAINS; i++)
            equal += grade_text(reference, k, c->text[i], c->n[i], NULL).verdict == GRADE_EQUAL;
        n += CHAINS;
        passed = progress_clock() - start;
    }
    return equal <= n ? passed / (double)n : 0;
}

static int run(const struct flags *f, struct err *e)
{
    struct chains *c = malloc(sizeof *c);
    struct bench_list list;
    if (!c) return err_set(e, ERR_NOMEM, "no memory for %d texts", CHAINS);
    bench_begin(&list, (enum bench_format)f->output);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        chains_fill(c, &endings[i], (size_t)f->length);
        double one = measure(c, endings[i].reference, f->seconds);
        struct bench_row row = {.test = endings[i].test, .threads = 1, .ns = one * 1e9};
        bench_print(&list, &row);
        if (f->output == BENCH_TEXT) printf("    %.2f million a minute\n", 60e-6 / one);
    }
    bench_end(&list);
    free(c);
    grade_thread_end();
    return 0;
}

int cmd_bench_grade(int argc, char **argv)
{
    struct flags f;
    struct options o;
    struct err e = {0};
    int status = options_init(&o, table, &f, &e) ? cli_fail(&e) : -1;
    o.usage = "terse bench grade [--length BYTES]";
    o.about = "Finds and compares answers in texts of a usual length on one core.";
    if (status < 0) status = cli_parse(&o, argc, argv);
    if (status < 0) status = run(&f, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
