#include "data/cmd_data.h"
#include "data/cmd_build.h"
#include "data/cmd_fetch.h"
#include "data/cmd_rows.h"
#include "data/parquet/parquet.h"
#include "infer/cli.h"

#include <errno.h>
#include <stdio.h>

struct cat_config {
    int64_t rows, skip;
};

static const struct option cat_options[] = {
    {.key = "rows",
     .type = OPT_INT,
     .at = offsetof(struct cat_config, rows),
     .preset = "-1",
     .min = -1,
     .max = 1e15,
     .short_flag = 'n',
     .help = "print at most so many; -1 for all"},
    {.key = "skip",
     .type = OPT_INT,
     .at = offsetof(struct cat_config, skip),
     .preset = "0",
     .min = 0,
     .max = 1e15,
     .unit = "rows",
     .help = "leave out the first rows (whole row groups are not even read)"},
    {0}};

/* Prints the rows of one file; c counts down over all of them. */
static int cat_rows(struct pq *p, struct cat_config *c, struct err *e)
{
    uint64_t skip = (uint64_t)c->skip < pq_rows(p) ? (uint64_t)c->skip : pq_rows(p);
    uint64_t left = c->rows < 0 ? UINT64_MAX : (uint64_t)c->rows;
    int code = pq_seek(p, skip, e);
    c->skip -= (int64_t)skip;
    if (!code) code = rows_print(p, &left, e);
    if (c->rows >= 0) c->rows = (int64_t)left;
    return code;
}

static int cat_files(const char *const *paths, int n, struct cat_config *c, struct err *e)
{
    int code = 0;
    for (int i = 0; i < n && !code && c->rows; i++) {
        struct pq *p;
        code = pq_open(&p, paths[i], e);
        if (code) break;
        code = cat_rows(p, c, e);
        pq_close(p);
    }
    if (!code && fflush(stdout)) code = err_errno(e, errno, "cannot write to standard output");
    return code;
}

static int run_cat(int argc, char **argv)
{
    struct cat_config config;
    struct options o = {0};
    struct err e = {0};
    int status = CLI_OK;
    if (options_init(&o, cat_options, &config, &e)) return cli_fail(&e);
    o.usage = "terse data cat FILE... [-n ROWS] [--skip ROWS]";
    o.about = "Prints the rows of Parquet files as JSON, one object a line.";
    o.max_positional = OPTIONS_POSITIONAL_MAX;
    status = cli_parse(&o, argc, argv);
    if (status < 0 && !o.n_positional) {
        err_set(&e, ERR_USAGE, "no file given: terse data cat FILE...");
        status = cli_usage(&e);
    }
    if (status < 0) status = cat_files(o.positional, o.n_positional, &config, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}

int cmd_data(int argc, char **argv)
{
    static const struct command commands[] = {
        {.name = "fetch",
         .summary = "fetch datasets and models: the one command that uses the network",
         .run = cmd_fetch},
        {.name = "build",
         .summary = "make token shards out of conversations: filtered, chosen, shuffled",
         .run = cmd_build},
        {.name = "cat", .summary = "print the rows of Parquet files as JSON lines", .run = run_cat},
        {0},
    };
    static const struct program data = {
        .name = "terse data",
        .about = "Fetches training data and looks at it.",
        .first = "terse data cat data/nano/sft.parquet -n 3",
        .commands = commands,
    };
    return cli_main(&data, argc, argv);
}
