#include "data/cmd_check.h"
#include "data/conversations.h"
#include "infer/cli.h"
#include "infer/progress.h"

#include <stdio.h>

static uint64_t text_bytes(const struct conv_row *row)
{
    uint64_t n = row->source.n + row->domain.n;
    for (size_t i = 0; row->has_turns && i < row->n_turns; i++)
        n += row->turns[i].from.n + row->turns[i].value.n;
    return n;
}

/* Reads all rows; prints what there was. */
static int check_file(const char *path, struct err *e)
{
    struct conv_file *f;
    struct conv_row row;
    char bytes[32], rate[32], time[32];
    double start = progress_clock(), seconds;
    uint64_t n = 0, rows = 0;
    int code = conv_open(&f, path, e);
    if (code) return code;
    for (; (code = conv_next(f, &row, e)) == 1; rows++) n += text_bytes(&row);
    conv_close(f);
    if (code) return code;
    seconds = progress_clock() - start;
    printf("%s: %llu rows, %s of text in %s, %s/s\n", path, (unsigned long long)rows,
           progress_bytes((double)n, bytes, sizeof bytes), progress_time(seconds, time, sizeof time),
           progress_bytes(seconds > 0 ? (double)n / seconds : 0, rate, sizeof rate));
    return 0;
}

int cmd_check(int argc, char **argv)
{
    static const struct option none[] = {{0}};
    struct options o = {0};
    struct err e = {0};
    if (options_init(&o, none, NULL, &e)) return cli_fail(&e);
    o.usage = "terse data check FILE...";
    o.about =
        "Reads every row of files of conversations (.parquet, .jsonl, .json, the latter two also with .gz or "
        ".zst), on one core, and says whether they are sound: checksums, structure, UTF-8, types.";
    o.max_positional = OPTIONS_POSITIONAL_MAX;
    int status = cli_parse(&o, argc, argv);
    if (status < 0 && !o.n_positional) {
        err_set(&e, ERR_USAGE, "no file given: terse data check FILE...");
        status = cli_usage(&e);
    }
    for (int i = 0; status < 0 && i < o.n_positional; i++)
        if (check_file(o.positional[i], &e)) status = cli_fail(&e);
    options_free(&o);
    return status < 0 ? CLI_OK : status;
}
