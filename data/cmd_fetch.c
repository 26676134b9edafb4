#include "data/cmd_fetch.h"
#include "data/cmd_network.h"
#include "data/cmd_rows.h"
#include "data/fetch/group.h"
#include "infer/cli.h"
#include "infer/progress.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct fetch_config {
    struct string_list include, exclude, allow_host;
    char *revision, *output, *ca_file;
    int64_t parallel, retries, row_group, rows;
    double stall, wait;
    uint64_t max_bytes;
    bool offline, dry_run, verify;
};

static const struct option fetch_options[] = {
    {.key = "output",
     .type = OPT_PATH,
     .at = offsetof(struct fetch_config, output),
     .short_flag = 'o',
     .unset = "downloads/datasets/OWNER/NAME, downloads/models/OWNER/NAME, downloads/HOST",
     .group = "What, and where to",
     .help = "folder for the files"},
    {.key = "revision",
     .type = OPT_STRING,
     .at = offsetof(struct fetch_config, revision),
     .preset = "main",
     .help = "branch, tag or commit of a repository; REPO@REVISION says the same"},
    {.key = "include",
     .type = OPT_STRINGS,
     .at = offsetof(struct fetch_config, include),
     .help = "only files that match one of these, as 'data/train-*'"},
    {.key = "exclude",
     .type = OPT_STRINGS,
     .at = offsetof(struct fetch_config, exclude),
     .help = "no files that match one of these"},
    {.key = "dry_run",
     .type = OPT_BOOL,
     .at = offsetof(struct fetch_config, dry_run),
     .help = "list the files, their sizes and what is there already; fetch nothing"},
    {.key = "row_group",
     .type = OPT_INT,
     .at = offsetof(struct fetch_config, row_group),
     .preset = "-1",
     .min = -1,
     .max = 1e9,
     .help = "print the rows of this row group (from 0) of one Parquet file as JSON, fetching nothing else; "
             "-1: no"},
    {.key = "rows",
     .type = OPT_INT,
     .at = offsetof(struct fetch_config, rows),
     .preset = "-1",
     .min = -1,
     .max = 1e15,
     .short_flag = 'n',
     .help = "of the row group, print at most so many; -1 for all"},
    {.key = "verify",
     .type = OPT_BOOL,
     .at = offsetof(struct fetch_config, verify),
     .help = "read what is there already again and compare digests"},
    {.key = "max_bytes",
     .type = OPT_BYTES,
     .at = offsetof(struct fetch_config, max_bytes),
     .preset = "1000GB",
     .help = "longest file to take from a server that did not say before how long it is"},
    {.key = "offline",
     .type = OPT_BOOL,
     .at = offsetof(struct fetch_config, offline),
     .group = "Network",
     .help = "touch no network: fail unless all is there already (so does HF_HUB_OFFLINE=1)"},
    {.key = "parallel",
     .type = OPT_INT,
     .at = offsetof(struct fetch_config, parallel),
     .preset = "4",
     .min = 1,
     .max = 64,
     .short_flag = 'j',
     .unit = "files",
     .help = "fetch so many at a time"},
    {.key = "retries",
     .type = OPT_INT,
     .at = offsetof(struct fetch_config, retries),
     .preset = "10",
     .min = 0,
     .max = 1000,
     .help = "attempts in a row that may bring nothing new before a file is given up"},
    {.key = "wait",
     .type = OPT_FLOAT,
     .at = offsetof(struct fetch_config, wait),
     .preset = "1",
     .min = 0,
     .max = 3600,
     .unit = "seconds",
     .help = "before the second attempt; doubled each time, up to 60 times as long"},
    {.key = "stall",
     .type = OPT_FLOAT,
     .at = offsetof(struct fetch_config, stall),
     .preset = "60",
     .min = 1,
     .max = 86400,
     .unit = "seconds",
     .help = "under 1 kB a second for so long, an attempt is broken off"},
    {.key = "allow_host",
     .type = OPT_STRINGS,
     .at = offsetof(struct fetch_config, allow_host),
     .help = "https://HOST or http://HOST:PORT that servers may redirect to although it is private"},
    {.key = "ca_file",
     .type = OPT_PATH,
     .at = offsetof(struct fetch_config, ca_file),
     .unset = "the system's",
     .help = "certificates (PEM) of who is to be trusted"},
    {0}};

/* ---- telling ----------------------------------------------------------------------------------------- */

struct telling {
    struct progress p;
    uint64_t bytes;
    char note[64];
    bool started;
};

static void tell_file(struct telling *t, const struct fetch_status *s)
{
    const struct fetch_file *f = s->file;
    char size[32], rate[32], time[32];
    if (f->state == FETCH_DONE) {
        progress_clear(&t->p);
        progress_bytes((double)f->bytes, size, sizeof size);
        progress_bytes(f->seconds > 0 ? (double)f->received / f->seconds : 0, rate, sizeof rate);
        fprintf(stderr, "%s  %s in %s, %s/s\n", f->path, size, progress_time(f->seconds, time, sizeof time),
                rate);
    } else if (s->why) {
        progress_clear(&t->p);
        fprintf(stderr, "%s: %s%s\n", f->state == FETCH_FAILED ? "given up" : "trying again", s->why->msg,
                f->state == FETCH_FAILED || strstr(s->why->msg, f->path) ? "" : f->path);
    }
}

static int on_status(void *ctx, const struct fetch_status *s, struct err *e)
{
    struct telling *t = ctx;
    if (!t->started) {
        progress_start(&t->p, stderr, "fetch", "B", s->bytes, s->total);
        t->started = true;
    }
    if (s->bytes < t->p.first) t->p.first = s->bytes; /* begun again from byte 0 */
    t->p.total = s->total;
    if (s->file) tell_file(t, s);
    t->bytes = s->bytes;
    snprintf(t->note, sizeof t->note, "%zu/%zu files", s->done, s->files);
    progress_update(&t->p, s->bytes, t->note);
    if (!cli_interrupted()) return 0;
    return err_set(e, ERR_INTERRUPTED, "interrupted; what has come is kept, the same command goes on");
}

static int on_question(void *ctx, struct download *d, struct err *e)
{
    (void)ctx, (void)d;
    return cli_interrupted() ? err_set(e, ERR_INTERRUPTED, "interrupted") : 0;
}

static void print_plan(const struct group *g)
{
    static const char *const states[] = {[FETCH_MISSING] = "missing", [FETCH_HERE] = "here"};
    char size[32];
    for (size_t i = 0; i < g->n; i++) {
        const struct fetch_file *f = &g->files[i];
        uint64_t bytes = f->state == FETCH_HERE ? f->bytes : f->size;
        printf("%10s  %-7s  %s/%s\n",
               bytes == DOWNLOAD_UNKNOWN ? "?" : progress_bytes((double)bytes, size, sizeof size),
               f->state == FETCH_MISSING && f->part ? "begun" : states[f->state], g->folder, f->path);
    }
}

static void tell_plan(const struct group *g, uint64_t bytes)
{
    char size[32], label[HUB_NAME + 16];
    bool unknown = g->n && g->files[0].size == DOWNLOAD_UNKNOWN; /* of addresses: all of them */
    size_t here = 0;
    for (size_t i = 0; i < g->n; i++) here += g->files[i].state == FETCH_HERE;
    if (*g->list.commit) {
        hub_label(&g->list.repo, label, sizeof label);
        fprintf(stderr, "%s at %.12s (%s)%s", label, g->list.commit, g->list.repo.revision,
                g->n ? ": " : "\n");
    }
    if (g->n)
        fprintf(stderr, "%zu file%s for %s, %zu here already%s%s%s\n", g->n, g->n == 1 ? "" : "s", g->folder,
                here, unknown ? "" : ", ", unknown ? "" : progress_bytes((double)bytes, size, sizeof size),
                unknown ? "" : " to fetch");
}

/* Files that another revision of the repository had: who names the folder, or train-*, would get them too. */
static void tell_old(const struct group *g, const struct fetched *f)
{
    bool *listed = calloc(f->n + 1, 1);
    size_t old = 0;
    const char *name = NULL;
    for (size_t i = 0; listed && i < g->list.n; i++) {
        const struct record *r = fetched_find(f, g->list.files[i].path);
        if (r) listed[r - f->records] = true;
    }
    for (size_t i = 0; listed && *g->list.commit && i < f->n; i++) {
        if (listed[i] || !fetched_untouched(f, &f->records[i])) continue;
        old++;
        name = f->records[i].path;
    }
    if (old)
        fprintf(stderr, "warning: %zu file%s in %s that this revision does not have, as %s: remove them?\n",
                old, old == 1 ? "" : "s", g->folder, name);
    free(listed);
}

static int print_paths(const struct group *g, struct err *e)
{
    for (size_t i = 0; i < g->n; i++) printf("%s/%s\n", g->folder, g->files[i].path);
    return fflush(stdout) ? err_errno(e, errno, "cannot write to standard output") : 0;
}

/* ---- one row group ------------------------------------------------------------------------------------- */

static int print_group(struct pq *p, const struct remote *r, const struct fetch_config *c, struct err *e)
{
    char got[32], of[32];
    uint64_t first, n, all;
    int rc = pq_group(p, (uint64_t)c->row_group, &first, &all, e);
    n = c->rows < 0 || all < (uint64_t)c->rows ? all : (uint64_t)c->rows;
    if (!rc) rc = pq_seek(p, first, e);
    if (!rc) rc = rows_print(p, &n, e);
    if (!rc && fflush(stdout)) rc = err_errno(e, errno, "cannot write to standard output");
    if (rc) return rc;
    fprintf(stderr, "row group %" PRId64 " of %u: rows %" PRIu64 " to %" PRIu64 "; %s fetched of %s\n",
            c->row_group, pq_groups(p), first, first + all - (all > 0),
            progress_bytes((double)r->received, got, sizeof got),
            progress_bytes((double)r->size, of, sizeof of));
    return 0;
}

static int do_row_group(const struct group *g, const struct group_source *s, const struct fetch_config *c,
                        struct err *e)
{
    struct pq *p;
    if (s->offline) return err_set(e, ERR_OFFLINE, "--row-group reads from the network");
    if (g->n != 1)
        return err_set(e, ERR_USAGE, "--row-group is for one file, %zu match; see --include", g->n);
    struct remote r = {.set = s->set,
                       .policy = s->policy,
                       .watch = on_question,
                       .url = g->files[0].url,
                       .name = g->files[0].path,
                       .size = g->files[0].size};
    int rc = network_parquet(&p, &r, e);
    if (rc) return rc;
    rc = print_group(p, &r, c, e);
    pq_close(p);
    remote_close(&r);
    return rc;
}

static int save_list(const struct group *g, const struct fetched *f, struct err *e)
{
    char path[FILE_PATH];
    int rc = g->listed ? fetched_ours(path, f, "list.json", e) : 0;
    return rc || !g->listed ? rc : hub_save(&g->list, path, e);
}

/* ---- one folder -------------------------------------------------------------------------------------- */

static const struct fetch_file *first_missing(const struct group *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->files[i].state == FETCH_MISSING) return &g->files[i];
    return NULL;
}

static int fetch_missing(struct group *g, const struct fetched *f, const struct group_source *s,
                         const struct fetch_config *c, struct err *e)
{
    struct telling t = {0};
    const struct fetch_file *missing = first_missing(g);
    if (!missing) return 0;
    if (s->offline)
        return err_set(e, ERR_OFFLINE, "%s/%s is not there, and nothing is fetched offline", g->folder,
                       missing->path);
    int rc = fetch_run(f, s->set, g->files, g->n, s->policy, c->max_bytes, on_status, &t, e);
    if (t.started && !rc && g->n > 1)
        progress_finish(&t.p, t.bytes, t.note);
    else if (t.started)
        progress_clear(&t.p);
    return rc;
}

static int do_group(struct group *g, const struct group_source *s, const struct fetch_config *c,
                    struct err *e)
{
    struct fetched f;
    uint64_t bytes;
    bool look = c->dry_run || s->offline;
    if (c->row_group >= 0) return do_row_group(g, s, c, e);
    int rc = look ? fetched_look(&f, g->folder, e) : fetched_open(&f, g->folder, e);
    if (rc) return rc;
    if (!look) rc = save_list(g, &f, e);
    if (!rc) rc = fetch_plan(&f, g->files, g->n, c->verify, &bytes, e);
    if (!rc) tell_plan(g, bytes);
    if (!rc) tell_old(g, &f);
    if (!rc && !g->n) rc = err_set(e, ERR_FILE_MISSING, "none of the %zu files matches", g->left_out);
    if (!rc && c->dry_run)
        print_plan(g);
    else if (!rc)
        rc = fetch_missing(g, &f, s, c, e);
    if (!rc && !c->dry_run) rc = print_paths(g, e);
    fetched_close(&f);
    return rc;
}

/* ---- the command ------------------------------------------------------------------------------------- */

static bool is_on(const char *name)
{
    static const char *const words[] = {"1", "on", "yes", "true"};
    const char *value = getenv(name);
    for (size_t i = 0; value && i < sizeof words / sizeof *words; i++)
        if (!strcasecmp(value, words[i])) return true;
    return false;
}

static int do_all(const char *const *texts, size_t n, const struct group_source *s,
                  const struct fetch_config *c, struct err *e)
{
    int rc = 0;
    for (size_t at = 0, taken; !rc && at < n; at += taken) {
        struct group g;
        rc = group_open(&g, texts + at, n - at, &taken, s, e);
        if (rc) break;
        if (s->folder && (at || taken < n))
            rc = err_set(e, ERR_USAGE, "--output is for one repository, or for addresses only");
        else
            rc = do_group(&g, s, c, e);
        group_close(&g);
    }
    return rc;
}

static int run_fetch(const char *const *texts, size_t n, const struct fetch_config *c, struct err *e)
{
    struct network net;
    struct transfer_limits limits = {.connect_seconds = 30,
                                     .stall_seconds = c->stall,
                                     .stall_rate = 1000,
                                     .redirects = 10,
                                     .ca_file = c->ca_file};
    struct download_policy policy = {.parallel = (int)c->parallel,
                                     .retries = (int)c->retries,
                                     .wait_first = c->wait,
                                     .wait_most = 60 * c->wait,
                                     .wait_asked = 300 * c->wait};
    struct group_source s = {.endpoint = net.endpoint,
                             .revision = c->revision,
                             .folder = c->output,
                             .include = &c->include,
                             .exclude = &c->exclude,
                             .offline = c->offline || is_on("HF_HUB_OFFLINE"),
                             .policy = &policy,
                             .watch = on_question};
    int rc = network_open(&net, &limits, e);
    s.set = net.set;
    for (size_t i = 0; !rc && i < c->allow_host.n; i++) rc = transfers_name(s.set, c->allow_host.items[i], e);
    if (!rc) rc = do_all(texts, n, &s, c, e);
    network_close(&net);
    return rc;
}

int cmd_fetch(int argc, char **argv)
{
    struct fetch_config config;
    struct options o = {0};
    struct err e = {0};
    if (options_init(&o, fetch_options, &config, &e)) return cli_fail(&e);
    o.usage = "terse data fetch REPO|URL... [-o FOLDER] [--include 'data/train-*'] [--dry-run]";
    o.about =
        "Fetches files: datasets (OWNER/NAME) and models (models/OWNER/NAME) of the Hugging Face hub, and "
        "addresses "
        "(https://HOST/FILE#sha256=DIGEST; the digest may be missing, then it is believed). What is there "
        "already stays; what was begun goes on; nothing gets its name before its digest is right. Prints the "
        "files' paths. The environment may set HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE.";
    o.max_positional = OPTIONS_POSITIONAL_MAX;
    int status = cli_parse(&o, argc, argv);
    if (status < 0 && !o.n_positional) {
        err_set(&e, ERR_USAGE, "nothing to fetch given: terse data fetch REPO|URL...");
        status = cli_usage(&e);
    }
    if (status < 0) {
        cli_catch_signals();
        status = run_fetch(o.positional, (size_t)o.n_positional, &config, &e) ? cli_fail(&e) : CLI_OK;
        cli_release_signals();
    }
    options_free(&o);
    return status;
}
