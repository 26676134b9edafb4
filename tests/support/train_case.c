#include "tests/support/train_case.h"
#include "tests/support/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void train_run(const struct train_case *c, const char *name, const char *extra)
{
    char line[2048];
    c->command(line, sizeof line, name, extra);
    run_expect(0, c->log, "%s", line);
}

void train_digest(const struct train_case *c, const char *name, char hex[SHA256_HEX])
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", c->folder, name);
    run_adapter(path, hex);
}

static void refused(const struct train_case *c, const char *name, const char *extra, const char *says)
{
    char line[2048];
    c->command(line, sizeof line, name, extra);
    run_expect(1, c->log, "%s", line);
    run_says(c->log, says);
    run_says(c->log, "[RUN_MISMATCH]");
}

static int logged(const struct train_case *c, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s/metrics.jsonl", c->folder, name);
    return run_lines(path);
}

void train_overwrite(const struct train_case *c, const char *name, const char *changed, const char *says)
{
    char line[2048], before[SHA256_HEX], want[SHA256_HEX], got[SHA256_HEX];
    train_digest(c, name, before);
    refused(c, name, changed, says);
    refused(c, name, "--seed 9", "seed is 9 here (--seed) and ");

    train_run(c, "nine", "--seed 9");
    train_digest(c, "nine", want);
    assert_string_not_equal(before, want);
    c->command(line, sizeof line, name, "--seed 9 --overwrite-output-dir");
    run_kill(c->log, line, 5, 0.2, 3);
    run_expect(0, c->log, "%s", line);
    train_digest(c, name, got);
    assert_string_equal(got, want);
    assert_int_equal(logged(c, name), logged(c, "nine"));
    train_run(c, name, "--seed 9"); /* it is that run now */
    train_digest(c, name, got);
    assert_string_equal(got, want);
}
