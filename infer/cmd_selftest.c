#include "infer/cmd_selftest.h"
#include "infer/cli.h"

#include <string.h>

static bool is_chosen(const struct options *o, const char *name)
{
    for (int i = 0; i < o->n_positional; i++)
        if (strstr(name, o->positional[i])) return true;
    return o->n_positional == 0;
}

static bool run_check(const struct selfcheck *c)
{
    char figure[256] = "";
    struct err e = {0};
    int r = c->run(figure, sizeof figure, &e);
    printf("%s%-4s%s %s: %s\n", cli_style(stdout, r ? CLI_RED : CLI_GREEN), r ? "FAIL" : "ok",
           cli_style(stdout, CLI_PLAIN), c->name, r ? e.msg : figure);
    fflush(stdout);
    return r == 0;
}

/* A word that chooses nothing is a mistake, not a success. */
static int run_all(const struct selfcheck *checks, const struct options *o)
{
    int failed = 0, ran = 0;
    for (; checks->name; checks++) {
        if (!is_chosen(o, checks->name)) continue;
        failed += !run_check(checks);
        ran++;
    }
    if (ran) return failed ? CLI_FAILED : CLI_OK;
    struct err e = {0};
    err_set(&e, ERR_USAGE, "no check has '%s' in its name", o->positional[0]);
    return cli_usage(&e);
}

int cmd_selftest(const struct selfcheck *checks, int argc, char **argv)
{
    static const struct option table[] = {{0}};
    struct options o;
    struct err e = {0};
    char nothing;
    int status = options_init(&o, table, &nothing, &e);
    if (status) return cli_fail(&e);
    o.usage = "terse selftest [WORD...]";
    o.about =
        "Checks what must hold on this machine, one line a check: every kernel of this processor against the "
        "reference, bit by bit, and the promises of docs/design.md. Words choose checks by name.";
    o.max_positional = OPTIONS_POSITIONAL_MAX;
    status = cli_parse(&o, argc, argv);
    if (status < 0) status = run_all(checks, &o);
    options_free(&o);
    return status;
}
