#include "data/cmd_cat.h"
#include "checkpoints/json.h"
#include "data/cmd_network.h"
#include "data/cmd_rows.h"
#include "data/conversations.h"
#include "data/fetch/group.h"
#include "data/json_file.h"
#include "data/url.h"
#include "infer/cli.h"
#include "infer/progress.h"

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
     .help = "leave out the first rows (Parquet's row groups before them are not even read)"},
    {0}};

/* How many of a file's n rows to skip; c counts down over all files. */
static uint64_t take_skip(struct cat_config *c, uint64_t n)
{
    uint64_t skip = (uint64_t)c->skip < n ? (uint64_t)c->skip : n;
    c->skip -= (int64_t)skip;
    return skip;
}

/* ---- Parquet ---------------------------------------------------------------------------------------------
 */

static int cat_rows(struct pq *p, struct cat_config *c, struct err *e)
{
    uint64_t left = c->rows < 0 ? UINT64_MAX : (uint64_t)c->rows;
    int code = pq_seek(p, take_skip(c, pq_rows(p)), e);
    if (!code) code = rows_print(p, &left, e);
    if (c->rows >= 0) c->rows = (int64_t)left;
    return code;
}

static int cat_parquet(const char *path, struct cat_config *c, struct err *e)
{
    struct pq *p;
    int code = pq_open(&p, path, e);
    if (code) return code;
    code = cat_rows(p, c, e);
    pq_close(p);
    return code;
}

static int cat_remote(struct remote *r, struct cat_config *c, struct err *e)
{
    char got[32], of[32];
    struct pq *p;
    int code = network_parquet(&p, r, e);
    if (code) return code;
    code = cat_rows(p, c, e);
    pq_close(p);
    if (!code)
        fprintf(stderr, "%s: %s fetched of %s\n", r->name,
                progress_bytes((double)r->received, got, sizeof got),
                progress_bytes((double)r->size, of, sizeof of));
    remote_close(r);
    return code;
}

/* The same of a file elsewhere, of which the footer and the row groups that are printed are fetched. */
static int cat_url(const char *url, struct cat_config *c, struct err *e)
{
    static const struct transfer_limits limits = {
        .connect_seconds = 30, .stall_seconds = 60, .stall_rate = 1000, .redirects = 10};
    static const struct download_policy policy = {
        .parallel = 1, .retries = 10, .wait_first = 1, .wait_most = 60, .wait_asked = 300};
    struct network net;
    struct group g = {0};
    size_t taken;
    int code = network_open(&net, &limits, e);
    if (!code)
        code = group_open(&g, &url, 1, &taken, &(struct group_source){.set = net.set, .policy = &policy}, e);
    if (!code)
        code = cat_remote(&(struct remote){.set = net.set,
                                           .policy = &policy,
                                           .url = g.files[0].url,
                                           .name = g.files[0].path,
                                           .size = DOWNLOAD_UNKNOWN},
                          c, e);
    group_close(&g);
    network_close(&net);
    return code;
}

/* ---- JSON ------------------------------------------------------------------------------------------------
 */

/* A sound row, on one line. */
static int print_text(const char *text, size_t n, const char *what, struct err *e)
{
    static const struct js_limits limits = {.nul = true};
    struct js *v;
    int code = js_parse(&v, what, text, n, &limits, e);
    js_free(v);
    if (code) return code;
    while (n && (text[n - 1] == '\r' || text[n - 1] == '\n' || text[n - 1] == ' ')) n--;
    for (size_t i = 0; i < n; i++) /* a line's end is white space, never in a string */
        if (putchar_unlocked(text[i] == '\n' || text[i] == '\r' ? ' ' : text[i]) == EOF) break;
    if (putchar('\n') == EOF) return err_errno(e, errno, "cannot write to standard output");
    return 0;
}

static int cat_json(const char *path, struct cat_config *c, struct err *e)
{
    struct json_file *f;
    const char *text;
    size_t n;
    int code = json_file_open(&f, path, e);
    if (code) return code;
    code = json_file_seek(f, take_skip(c, json_file_rows(f)), e);
    while (!code && c->rows && (code = json_file_next(f, &text, &n, e)) == 1) {
        code = print_text(text, n, json_file_where(f), e);
        c->rows -= c->rows > 0;
    }
    json_file_close(f);
    return code;
}

/* ---- the command -----------------------------------------------------------------------------------------
 */

static int cat_file(const char *path, struct cat_config *c, struct err *e)
{
    bool parquet;
    if (url_is(path)) return cat_url(path, c, e);
    int code = conv_is_parquet(&parquet, path, e);
    if (code) return code;
    return parquet ? cat_parquet(path, c, e) : cat_json(path, c, e);
}

static int cat_files(const char *const *paths, int n, struct cat_config *c, struct err *e)
{
    int code = 0;
    for (int i = 0; i < n && !code && c->rows; i++) code = cat_file(paths[i], c, e);
    if (!code && fflush(stdout)) code = err_errno(e, errno, "cannot write to standard output");
    return code;
}

int cmd_cat(int argc, char **argv)
{
    struct cat_config config;
    struct options o = {0};
    struct err e = {0};
    if (options_init(&o, cat_options, &config, &e)) return cli_fail(&e);
    o.usage = "terse data cat FILE|URL... [-n ROWS] [--skip ROWS]";
    o.about =
        "Prints rows as JSON, one object a line: of Parquet, and of .jsonl and .json, compressed or not, all "
        "of whose printed rows are checked. Of a Parquet file at an address (https://HOST/FILE) only the "
        "footer and the row groups that are printed are fetched; HF_TOKEN is for the hub.";
    o.max_positional = OPTIONS_POSITIONAL_MAX;
    int status = cli_parse(&o, argc, argv);
    if (status < 0 && !o.n_positional) {
        err_set(&e, ERR_USAGE, "no file given: terse data cat FILE...");
        status = cli_usage(&e);
    }
    if (status < 0) status = cat_files(o.positional, o.n_positional, &config, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
