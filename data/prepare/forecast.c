/* What a build will take, before it takes it: a block of rows out of some of the files is scanned, and one of
 * them tokenised, as the stages would. How much text a file has is told by a part of it that is read, and by
 * how many bytes the parts take: rows differ too much in length for a few of them to speak for the rest. */
#include "data/prepare/run.h"

#include "data/prepare/scan.h"
#include "infer/machine.h"

#include <stdlib.h>
#include <sys/stat.h>

enum {
    BLOCK = 448,    /* rows of a sample side by side: answers to one question often are */
    LEAST = 32,     /* rows of a block, where the file has them */
    PART = 1 << 16, /* rows that tell a file's text, at most */
    FILES = 16,     /* sampled at most, evenly spread: files are sorted by domain */
    SHARE = 20,     /* at most one row of so many is sampled, but for the least of blocks */
    PER_TOKEN = 2   /* bytes of a token on the disk where nothing is known: 1.5 to 1.9 were seen */
};
/* Measured on files like OpenThoughts3 (docs/performance.md): shards are as large as sheaves, and a byte of
 * ids is gathered in these parts of the time that one thread takes to scan a byte of text: what is done by
 * one thread, and what by all. */
static const double gather_alone = 0.28, gather_shared = 0.32;

/* Bytes of a row that is still to be scanned, and of one that only facts are kept of. */
enum { FACTS = sizeof(struct fact) + 1 };

/* ---- sampling ------------------------------------------------------------------------------------------ */

/* A file, if it is still to be scanned. */
struct missing {
    bool is;
    uint64_t rows, bytes; /* conv_bytes */
};

static int find_missing(struct run *r, struct missing *m, uint32_t *files, struct err *e)
{
    char key[SHA256_HEX], path[FILE_PATH];
    int rc = 0;
    for (uint32_t i = 0; !rc && i < r->c->n_files; i++) {
        rc = run_facts_key(r, i, key, e);
        if (!rc) rc = run_path(r, path, "facts", key, e);
        m[i].is = !rc && !file_exists(path);
        *files += m[i].is;
    }
    return rc;
}

/* Tokens of documents, and how many are left of them by the rules about length. */
struct lengths {
    double whole, kept;
};

static void lengths_add(struct lengths *l, const struct select_rules *rules, double tokens, double times)
{
    bool out =
        tokens < (double)rules->min_tokens || (rules->max_tokens && tokens > (double)rules->max_tokens);
    l->whole += times * tokens;
    if (!out) l->kept += times * (tokens < (double)rules->cutoff_len ? tokens : (double)rules->cutoff_len);
}

/* What a sample says of all that is missing. */
struct sampled {
    struct facts facts;
    double text, bytes;   /* of the sampled files: text in them, and their size */
    struct lengths parts; /* of the rows that told the text, at so many tokens a byte as the block has */
    uint32_t last, block[BLOCK], n; /* the last of these files, and the rows of its block */
};

/* A part of a file that is read, as far as it is not too long, and nothing more. */
struct part {
    struct file_part is;
    uint64_t rows; /* that are read */
    double *bytes; /* [rows] of text */
    double text;   /* all of them */
};

static int read_part(struct run *r, struct conv_file *f, struct part *p, struct err *e)
{
    struct conv_row row;
    p->rows = p->is.rows < PART ? p->is.rows : PART;
    p->bytes = calloc(p->rows, sizeof *p->bytes);
    int rc = p->bytes ? conv_seek(f, p->is.first, e) : err_set(e, ERR_NOMEM, "no memory for a forecast");
    double from = machine_seconds();
    for (uint64_t i = 0; rc >= 0 && i < p->rows; i++) {
        rc = conv_next(f, &row, e);
        for (size_t k = 0; rc == 1 && row.has_turns && k < row.n_turns; k++)
            p->bytes[i] += (double)row.turns[k].value.n;
        p->text += p->bytes[i];
    }
    r->rates.read_bytes += p->text, r->rates.read_seconds += machine_seconds() - from;
    return rc < 0 ? rc : 0;
}

/* Rows side by side behind the part, or as near to it as there are rows. */
static void place_block(struct sampled *s, const struct file_part *part, uint64_t rows)
{
    uint64_t share = rows / SHARE, most = share < LEAST ? LEAST : share < BLOCK ? share : BLOCK;
    s->n = (uint32_t)(rows < most ? rows : most);
    const uint64_t behind = part->first + part->rows, at = rows - behind < s->n ? rows - s->n : behind;
    for (uint32_t i = 0; i < s->n; i++) s->block[i] = (uint32_t)(at + i);
}

/* Adds the facts of the block; *tokens and *bytes: its own. */
static int scan_block(struct run *r, struct conv_file *f, struct sampled *s, double *tokens, double *bytes,
                      struct err *e)
{
    struct scan scan = {.path = r->c->files[s->last],
                        .file = f,
                        .only = s->block,
                        .n_only = s->n,
                        .rules = &r->c->rules,
                        .ticker = run_ticker(r),
                        .seconds = &r->rates.scan_seconds};
    uint64_t at = s->facts.n;
    int rc = scan_rows(&s->facts, &scan, &r->workers, e);
    for (; at < s->facts.n; at++) *tokens += s->facts.at[at].tokens, *bytes += s->facts.at[at].bytes;
    r->rates.scan_bytes += *bytes;
    return rc;
}

/* The file is opened once and read forwards: a compressed one is read from its beginning each time. */
static int sample_file(struct run *r, struct conv_file *f, const struct missing *m, struct sampled *s,
                       struct err *e)
{
    struct part p = {.is = conv_part_of(f, m->rows / 2)};
    double tokens = 0, bytes = 0;
    int rc = read_part(r, f, &p, e);
    place_block(s, &p.is, m->rows);
    if (!rc) rc = scan_block(r, f, s, &tokens, &bytes, e);
    const double part = (double)p.is.bytes * (double)p.rows / (double)p.is.rows,
                 times = part > 0 ? (double)m->bytes / part : 0;
    for (uint64_t i = 0; !rc && i < p.rows; i++)
        lengths_add(&s->parts, &r->rules, bytes > 0 ? p.bytes[i] * tokens / bytes : 0, times);
    s->text += p.text * times, s->bytes += (double)m->bytes;
    free(p.bytes);
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

static int sample(struct run *r, struct missing *m, uint32_t files, struct sampled *s, struct err *e)
{
    const uint64_t n = files < FILES ? files : FILES;
    uint32_t seen = 0;
    double text = 0;
    int rc = 0;
    run_stage(r, PREPARE_SAMPLE, (n + 1) * LEAST); /* or more */
    for (uint32_t i = 0; !rc && i < r->c->n_files; i++) {
        struct conv_file *f;
        if (!m[i].is) continue;
        rc = conv_open(&f, r->c->files[i], e);
        if (rc) break;
        m[i].rows = conv_rows(f), m[i].bytes = conv_bytes(f);
        bool wanted = (seen++ * n + n / 2) % files < n; /* evenly spread */
        if (wanted && m[i].rows) s->last = i, rc = sample_file(r, f, &m[i], s, e);
        conv_close(f);
    }
    for (uint64_t i = s->facts.n - (rc ? 0 : s->n); i < s->facts.n; i++) text += s->facts.at[i].bytes;
    return rc || !s->n ? rc : tokens_block(r, s->last, s->block, s->n, text, e);
}

/* ---- forecasts ----------------------------------------------------------------------------------------- */

static void sizes(const struct run *r, struct prepare_forecast *f, uint64_t rows)
{
    const double per_token = r->rates.per_token > 0 ? r->rates.per_token : PER_TOKEN;
    f->output_bytes = (uint64_t)((double)f->tokens * per_token);
    f->work_bytes = (uint64_t)((double)f->tokens * per_token) + rows * FACTS;
}

/* Of text out of its file, which one thread does while the others work. */
static double reading(const struct run *r, double text)
{
    const struct run_rates *m = &r->rates;
    return m->read_bytes > 0 ? text * m->read_seconds / m->read_bytes / pool_threads(r->c->pool) : 0;
}

/* Seconds of tokens and gather. */
static double seconds_after(const struct run *r, double text, double tokens)
{
    const struct run_rates *m = &r->rates;
    double tokenise = m->tokens_bytes > 0 ? text * m->tokens_seconds / m->tokens_bytes : 0;
    double scan = m->scan_bytes > 0     ? m->scan_seconds / m->scan_bytes
                  : m->tokens_bytes > 0 ? m->tokens_seconds / m->tokens_bytes
                                        : 0;
    const double threads = pool_threads(r->c->pool), gather = gather_alone + gather_shared / threads;
    return tokenise + reading(r, text) + 4 * tokens * scan * threads * gather;
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

/* How the share of tokens that is left in the parts compares with the block's, whose rows are fewer. */
static double kept(const struct run *r, const struct sampled *s)
{
    struct lengths block = {0};
    for (uint64_t i = 0; i < s->facts.n; i++) lengths_add(&block, &r->rules, s->facts.at[i].tokens, 1);
    return block.kept > 0 && s->parts.whole > 0 ? s->parts.kept / s->parts.whole * block.whole / block.kept
                                                : 1;
}

/* What would be chosen of the sample, in proportion: documents to rows, their text and tokens to all text. */
static int estimate(struct run *r, const struct missing *m, const struct sampled *s,
                    struct prepare_forecast *out, struct err *e)
{
    const uint64_t first[2] = {0, s->facts.n};
    struct select_rules rules = r->rules;
    struct selection chosen;
    double bytes = 0, picked = 1;
    for (uint32_t i = 0; i < r->c->n_files; i++) out->rows += m[i].rows, bytes += (double)m[i].bytes;
    const double text = s->bytes > 0 ? s->text * bytes / s->bytes : 0,
                 scale = r->rates.scan_bytes > 0 ? text / r->rates.scan_bytes : 0;
    rules.max_samples = 0, rules.val_size = 0;
    int rc = select_rows(&chosen, &s->facts, first, 1, &rules, NULL);
    if (rc && rc != ERR_DATA_EMPTY) return err_set(e, rc, "no memory for a forecast");
    double docs = s->facts.n ? (double)chosen.n * (double)out->rows / (double)s->facts.n : 0;
    if (r->c->select.max_samples && docs > (double)r->c->select.max_samples)
        picked = (double)r->c->select.max_samples / docs;
    out->text = (uint64_t)text, out->docs = (uint64_t)(docs * picked);
    out->tokens = (uint64_t)((double)chosen.tokens * scale * picked * kept(r, s));
    sizes(r, out, out->rows);
    out->seconds = r->rates.scan_seconds * scale + reading(r, text) +
                   seconds_after(r, (double)chosen.bytes * scale * picked, (double)out->tokens);
    selection_clear(&chosen);
    return 0;
}

int run_forecast(struct run *r, bool *missing, struct err *e)
{
    struct missing *m = calloc(r->c->n_files + 1, sizeof *m);
    uint32_t files = 0;
    struct sampled s = {0};
    struct prepare_forecast out = {0};
    int rc = m ? find_missing(r, m, &files, e) : err_set(e, ERR_NOMEM, "no memory for a forecast");
    *missing = files > 0;
    if (!rc && files) rc = sample(r, m, files, &s, e);
    if (!rc && files) rc = estimate(r, m, &s, &out, e);
    if (!rc && files) rc = tell(r, &out, e);
    facts_clear(&s.facts);
    free(m);
    r->total = out.rows;
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
