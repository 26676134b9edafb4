/* What a build will take, before it takes it: a block of rows out of some of the files is scanned, and one of
 * them tokenised, as the stages would. */
#include "data/prepare/run.h"

#include "data/prepare/scan.h"

#include <stdlib.h>
#include <sys/stat.h>

enum {
    BLOCK = 448,  /* rows of a sample side by side: answers to one question often are */
    LEAST = 32,   /* rows of a block, where the file has them */
    FILES = 16,   /* sampled at most, evenly spread: files are sorted by domain */
    SHARE = 20,   /* at most one row of so many is sampled, but for the least of blocks */
    PER_TOKEN = 2 /* bytes of a token on the disk where nothing is known: 1.5 to 1.9 were seen */
};
/* Measured on files like OpenThoughts3 (docs/performance.md): shards are as large as sheaves, and
 * gathered at so many bytes of ids for a byte of text scanned. */
static const double gather_speed = 1.8, read_speed = 400e6; /* of text a thread */

/* Bytes of a row that is still to be scanned, and of one that only facts are kept of. */
enum { FACTS = sizeof(struct fact) + 1 };

/* ---- sampling ------------------------------------------------------------------------------------------ */

static int rows_missing(struct run *r, uint64_t *rows, uint32_t *files, struct err *e)
{
    char key[SHA256_HEX], path[FILE_PATH];
    int rc = 0;
    for (uint32_t i = 0; !rc && i < r->c->n_files; i++) {
        struct conv_file *f;
        rc = run_facts_key(r, i, key, e);
        if (!rc) rc = run_path(r, path, "facts", key, e);
        rows[i] = 0;
        if (rc || file_exists(path)) continue;
        rc = conv_open(&f, r->c->files[i], e);
        if (rc) break;
        rows[i] = conv_rows(f), *files += rows[i] > 0;
        conv_close(f);
    }
    return rc;
}

/* The rows of the block in the middle of a file; returns how many. */
static uint32_t block_of(uint64_t rows, uint32_t block[BLOCK])
{
    uint64_t share = rows / SHARE, most = share < LEAST ? LEAST : share < BLOCK ? share : BLOCK;
    uint32_t n = (uint32_t)(rows < most ? rows : most);
    for (uint32_t i = 0; i < n; i++) block[i] = (uint32_t)((rows - n) / 2) + i;
    return n;
}

static int scan_block(struct run *r, uint32_t file, uint64_t rows, struct facts *f, struct err *e)
{
    uint32_t block[BLOCK];
    struct scan s = {.path = r->c->files[file],
                     .only = block,
                     .n_only = block_of(rows, block),
                     .rules = &r->c->rules,
                     .ticker = run_ticker(r),
                     .seconds = &r->rates.scan_seconds};
    uint64_t at = f->n, bytes = 0;
    int rc = scan_rows(f, &s, &r->workers, e);
    for (uint64_t i = at; i < f->n; i++) bytes += f->at[i].bytes;
    r->rates.scan_bytes += (double)bytes;
    return rc;
}

/* Makes a sheaf of some rows of a file, and throws it away. */
static int tokens_block(struct run *r, uint32_t file, const uint32_t *rows, uint64_t n, double text,
                        struct err *e)
{
    char path[FILE_PATH];
    struct stat st;
    struct sheaf s;
    struct gather_sheaf g = {.path = r->c->files[file],
                             .to = path,
                             .key = r->tokenizer,
                             .rows = rows,
                             .n = n,
                             .rules = &r->c->rules,
                             .format = r->c->format,
                             .ticker = run_ticker(r),
                             .seconds = &r->rates.tokens_seconds};
    int rc = file_path(path, e, "%s/sheaf-sample", r->c->work);
    double tokens = 0;
    if (!rc) rc = gather_sheaf_make(&g, &r->workers, e);
    if (rc) return rc;
    r->rates.tokens_bytes = text;
    rc = sheaf_open(&s, path, g.key, e);
    for (uint32_t i = 0; !rc && i < s.n; i++) tokens += s.docs[i].n;
    if (!rc && tokens > 0 && !stat(path, &st)) r->rates.per_token = (double)st.st_size / tokens;
    sheaf_close(&s);
    return rc ? rc : file_remove_tree(path, e);
}

static int sample(struct run *r, const uint64_t *rows, uint32_t files, struct facts *f, struct err *e)
{
    uint32_t block[BLOCK], seen = 0, last = 0;
    const uint64_t n = files < FILES ? files : FILES;
    double text = 0;
    int rc = 0;
    run_stage(r, PREPARE_SAMPLE, (n + 1) * LEAST); /* or more */
    for (uint32_t i = 0; !rc && i < r->c->n_files; i++) {
        if (!rows[i]) continue;
        bool wanted = (seen * n + n / 2) % files < n; /* evenly spread */
        seen++;
        if (!wanted) continue;
        last = i;
        rc = scan_block(r, i, rows[i], f, e);
    }
    uint32_t tail = rc ? 0 : block_of(rows[last], block);
    for (uint64_t i = f->n - tail; i < f->n; i++) text += f->at[i].bytes;
    return rc || !tail ? rc : tokens_block(r, last, block, tail, text, e);
}

/* ---- forecasts ----------------------------------------------------------------------------------------- */

static void sizes(const struct run *r, struct prepare_forecast *f, uint64_t rows)
{
    const double per_token = r->rates.per_token > 0 ? r->rates.per_token : PER_TOKEN;
    f->output_bytes = (uint64_t)((double)f->tokens * per_token);
    f->work_bytes = (uint64_t)((double)f->tokens * per_token) + rows * FACTS;
}

/* Of text out of its file: little beside tokenising it, and done meanwhile. */
static double reading(const struct run *r, double text)
{
    return text / read_speed / pool_threads(r->c->pool);
}

/* Seconds of tokens and gather; shards are written by one thread. */
static double seconds_after(const struct run *r, double text, double tokens)
{
    const struct run_rates *m = &r->rates;
    double tokenise = m->tokens_bytes > 0 ? text * m->tokens_seconds / m->tokens_bytes : 0;
    double scan = m->scan_bytes > 0     ? m->scan_seconds / m->scan_bytes
                  : m->tokens_bytes > 0 ? m->tokens_seconds / m->tokens_bytes
                                        : 0;
    return tokenise + reading(r, text) + 4 * tokens * scan * pool_threads(r->c->pool) / gather_speed;
}

static int disk_check(const struct run *r, const struct prepare_forecast *f, struct err *e)
{
    char work[FILE_PATH], output[FILE_PATH];
    struct stat a, b;
    file_nearest(work, r->c->work), file_nearest(output, r->c->output);
    bool same = !stat(work, &a) && !stat(output, &b) && a.st_dev == b.st_dev;
    int rc = file_need_space(work, f->work_bytes + (same ? f->output_bytes : 0), e);
    return rc || same ? rc : file_need_space(output, f->output_bytes, e);
}

static int tell(struct run *r, const struct prepare_forecast *f, struct err *e)
{
    if (r->c->forecast) r->c->forecast(r->c->ctx, f);
    return disk_check(r, f, e);
}

/* What would be chosen of the sample, in proportion. */
static int estimate(struct run *r, const struct facts *f, uint64_t total, struct prepare_forecast *out,
                    struct err *e)
{
    const uint64_t first[2] = {0, f->n};
    struct select_rules rules = r->rules;
    struct selection s;
    double scale = f->n ? (double)total / (double)f->n : 0, picked = 1;
    rules.max_samples = 0, rules.val_size = 0;
    int rc = select_rows(&s, f, first, 1, &rules, NULL);
    if (rc && rc != ERR_DATA_EMPTY) return err_set(e, rc, "no memory for a forecast");
    if (r->c->select.max_samples && (double)s.n * scale > (double)r->c->select.max_samples)
        picked = (double)r->c->select.max_samples / ((double)s.n * scale);
    out->rows = total;
    out->text = (uint64_t)(r->rates.scan_bytes * scale);
    out->docs = (uint64_t)((double)s.n * scale * picked),
    out->tokens = (uint64_t)((double)s.tokens * scale * picked);
    sizes(r, out, total);
    if (r->rates.scan_bytes > 0)
        out->seconds = r->rates.scan_seconds * scale + reading(r, (double)out->text) +
                       seconds_after(r, (double)s.bytes * scale * picked, (double)out->tokens);
    selection_clear(&s);
    return 0;
}

int run_forecast(struct run *r, bool *missing, struct err *e)
{
    uint64_t *rows = calloc(r->c->n_files + 1, sizeof *rows), total = 0;
    uint32_t files = 0;
    struct facts f = {0};
    struct prepare_forecast out = {0};
    int rc = rows ? rows_missing(r, rows, &files, e) : err_set(e, ERR_NOMEM, "no memory for a forecast");
    for (uint32_t i = 0; !rc && i < r->c->n_files; i++) total += rows[i];
    *missing = total > 0;
    if (!rc && total) rc = sample(r, rows, files, &f, e);
    if (!rc && total) rc = estimate(r, &f, total, &out, e);
    if (!rc && total) rc = tell(r, &out, e);
    facts_clear(&f);
    free(rows);
    if (!rc) run_stage(r, PREPARE_SCAN, total);
    return rc;
}

/* Where nothing was sampled, since all facts were there: a block of the first file with chosen rows is. */
static int measure_chosen(struct run *r, struct err *e)
{
    uint32_t file = 0;
    double text = 0;
    while (r->rows_first[file + 1] == r->rows_first[file]) file++;
    uint64_t n = r->rows_first[file + 1] - r->rows_first[file],
             rows = n / SHARE < BLOCK ? n / SHARE + 1 : BLOCK;
    const uint32_t *at = r->rows + r->rows_first[file];
    for (uint64_t i = 0; i < rows; i++) text += r->facts.at[r->first[file] + at[i]].bytes;
    run_stage(r, PREPARE_SAMPLE, rows);
    return tokens_block(r, file, at, rows, text, e);
}

int run_forecast_selected(struct run *r, struct err *e)
{
    const struct selection *s = &r->selection;
    struct prepare_forecast out = {.rows = r->facts.n, .docs = s->n, .tokens = s->tokens, .exact = true};
    int rc = r->rates.tokens_bytes > 0 ? 0 : measure_chosen(r, e);
    if (rc) return rc;
    for (uint64_t i = 0; i < r->facts.n; i++) out.text += r->facts.at[i].bytes;
    sizes(r, &out, 0);
    out.seconds = seconds_after(r, (double)s->bytes, (double)s->tokens);
    return tell(r, &out, e);
}
