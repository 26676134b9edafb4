/* terse bench loader: what training waits for. Opening a set, its first row, going on in the middle, and rows
 * read one after the other, ahead or when they are asked for. */
#include "data/cmd_bench_loader.h"

#include "checkpoints/file.h"
#include "data/loader.h"
#include "data/order.h"
#include "infer/bench.h"
#include "infer/cli.h"
#include "infer/machine.h"
#include "infer/option_rows.h"
#include "infer/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { AHEAD = 16, VOCAB = 151665 };

struct flags {
    char *data;
    int64_t cutoff_len, documents;
    double mean, seconds;
    int output;
};

#define AT(field) .at = offsetof(struct flags, field)
static const struct option table[] = {
    {.key = "data",
     .type = OPT_PATH,
     AT(data),
     .required = true,
     .help = "folder of token shards; made of random tokens where it is absent"},
    {.key = "cutoff_len",
     .type = OPT_INT,
     AT(cutoff_len),
     .preset = "16384",
     .min = 2,
     .max = 1 << 20,
     .unit = "tokens",
     .help = "length of a row"},
    {.key = "documents",
     .type = OPT_INT,
     AT(documents),
     .preset = "20000",
     .min = 1,
     .max = 1e8,
     .help = "how many to make"},
    {.key = "mean",
     .type = OPT_FLOAT,
     AT(mean),
     .preset = "15000",
     .min = 4,
     .max = 1e6,
     .unit = "tokens",
     .help = "of their lengths before the cut, log-normal, the logarithm's deviation 0.75"},
    {.key = "seconds",
     .type = OPT_FLOAT,
     AT(seconds),
     .preset = "3",
     .min = 0.01,
     .max = 1000,
     .help = "for each way of reading"},
    FORMAT_ROW(AT(output)),
    {0},
};

/* ---- a set
 * ------------------------------------------------------------------------------------------------- */

static uint32_t length_of(const struct flags *f, uint64_t doc)
{
    const double spread = 0.75, two_pi = 6.283185307179586;
    double u = ((double)(order_mix(1, doc) >> 11) + 0.5) * 0x1p-53;
    double v = (double)(order_mix(2, doc) >> 11) * 0x1p-53;
    double n = f->mean * exp(spread * sqrt(-2 * log(u)) * cos(two_pi * v) - spread * spread / 2);
    return n < 4 ? 4 : n > (double)f->cutoff_len ? (uint32_t)f->cutoff_len : (uint32_t)n;
}

static int make_documents(const struct flags *f, struct shard_writer *w, uint32_t *ids, struct err *e)
{
    int rc = 0;
    for (uint64_t doc = 0; !rc && doc < (uint64_t)f->documents; doc++) {
        const uint32_t n = length_of(f, doc);
        struct label_span span = {2, n};
        struct shard_doc d = {.ids = ids, .n = n, .header_at = 1, .response_at = 2, .spans = &span};
        d.n_spans = 1, d.source_row = doc, d.question = doc / 16;
        for (uint32_t t = 0; t < n; t++) ids[t] = (uint32_t)(order_mix(doc, t) >> 40) % 4096;
        rc = shard_writer_add(w, &d, e);
    }
    return rc;
}

static int make_set(const struct flags *f, struct err *e)
{
    static const char hash[] = "0000000000000000000000000000000000000000000000000000000000000000";
    static const char *const name = "random", *const hashes = hash;
    const struct shards_origin origin = {hash, hash, hash, &name, &hashes, 1, VOCAB};
    uint32_t *ids = malloc((size_t)f->cutoff_len * sizeof *ids);
    struct shard_writer *w = NULL;
    int rc =
        ids ? shard_writer_open(&w, f->data, &origin, e) : err_set(e, ERR_NOMEM, "no memory for a document");
    if (!rc) rc = make_documents(f, w, ids, e);
    if (!rc)
        rc = shard_writer_commit(w, e);
    else
        shard_writer_abort(w);
    free(ids);
    return rc;
}

/* ---- reading it
 * -------------------------------------------------------------------------------------------- */

struct reading {
    struct shards *shards;
    struct loader *l;
};

static int reading_open(struct reading *r, const struct flags *f, uint32_t ahead, struct err *e)
{
    const struct loader_config c = {
        .cutoff_len = (uint32_t)f->cutoff_len, .packing = 1, .seed = 1, .ahead = ahead};
    r->l = NULL;
    int rc = shards_open(&r->shards, f->data, SHARDS_LAZY, e);
    return rc ? rc : loader_open(&r->l, &(struct loader_set){r->shards, 1}, 1, &c, e);
}

static void reading_close(struct reading *r)
{
    loader_close(r->l);
    shards_close(r->shards);
}

static void show(struct bench_list *list, const char *test, double seconds, double tok_s)
{
    struct bench_row row = {.test = test, .threads = 1, .ns = seconds * 1e9, .tok_s = tok_s};
    row.peak_rss = machine_peak_rss();
    bench_print(list, &row);
}

/* From nothing to the first row, at the beginning or in the middle of an epoch. */
static int first_row(const struct flags *f, struct bench_list *list, int middle, struct err *e)
{
    struct reading r;
    struct packed_row row;
    double start = progress_clock();
    int rc = reading_open(&r, f, 0, e);
    struct loader_pos pos = {0, rc ? 0 : loader_docs(r.l) / LOADER_WINDOW / 2, 1};
    if (!rc) show(list, middle ? "loader open again" : "loader open", progress_clock() - start, 0);
    if (!rc && middle) rc = loader_seek(r.l, &pos, e);
    if (!rc) rc = loader_next_row(r.l, &row, e);
    if (!rc) show(list, middle ? "loader resume" : "loader first row", progress_clock() - start, 0);
    reading_close(&r);
    return rc;
}

static int read_rows(const struct flags *f, struct bench_list *list, uint32_t ahead, struct err *e)
{
    struct reading r;
    struct packed_row row;
    uint64_t tokens = 0, rows = 0;
    int rc = reading_open(&r, f, ahead, e);
    double start = progress_clock(), passed = 0;
    while (!rc && passed < f->seconds) {
        rc = loader_next_row(r.l, &row, e);
        if (!rc) tokens += row.tokens, rows++;
        passed = progress_clock() - start;
    }
    if (!rc) show(list, ahead ? "loader ahead" : "loader", passed / (double)rows, (double)tokens / passed);
    reading_close(&r);
    return rc;
}

static int count(const struct flags *f, struct bench_list *list, struct err *e)
{
    struct reading r;
    uint64_t rows = 0, tokens = 0;
    int rc = reading_open(&r, f, 0, e);
    double start = progress_clock();
    if (!rc) rc = loader_count_rows(r.l, 0, &rows, &tokens, e);
    if (!rc) show(list, "loader pack an epoch", progress_clock() - start, 0);
    if (!rc && list->format == BENCH_TEXT)
        printf("    %llu documents, %llu tokens, %llu rows, %.2f %% of positions filled; %.0f MiB at most\n",
               (unsigned long long)loader_docs(r.l), (unsigned long long)tokens, (unsigned long long)rows,
               100 * (double)tokens / (double)rows / (double)f->cutoff_len,
               (double)machine_peak_rss() / 0x1p20);
    reading_close(&r);
    return rc;
}

static int run(const struct flags *f, struct err *e)
{
    struct bench_list list;
    if (!file_exists(f->data)) return make_set(f, e); /* measured by the next call, in a process as new */
    bench_begin(&list, (enum bench_format)f->output);
    int rc = first_row(f, &list, 0, e);
    if (!rc) rc = first_row(f, &list, 1, e);
    if (!rc) rc = count(f, &list, e);
    if (!rc) rc = read_rows(f, &list, 0, e);
    if (!rc) rc = read_rows(f, &list, AHEAD, e);
    bench_end(&list);
    if (!rc && list.format == BENCH_TEXT)
        printf("    %.0f MiB at most\n", (double)machine_peak_rss() / 0x1p20);
    return rc;
}

int cmd_bench_loader(int argc, char **argv)
{
    struct flags f;
    struct options o;
    struct err e = {0};
    int status = options_init(&o, table, &f, &e) ? cli_fail(&e) : -1;
    o.usage = "terse bench loader --data DIR";
    o.about =
        "Opens a set of token shards, goes on in its middle and reads rows; a set that is absent is made.";
    if (status < 0) status = cli_parse(&o, argc, argv);
    if (status < 0 && options_check_required(&o, &e)) status = cli_usage(&e);
    if (status < 0) status = run(&f, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
