#include "data/prepare/run.h"

#include "checkpoints/hf_tokenizer.h"
#include "data/order.h"
#include "data/prepare/answer_key.h"
#include "data/prepare/question.h"
#include "data/prepare/scan.h"
#include "data/prepare/sealed.h"
#include "data/problems.h"
#include "infer/machine.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

/* ---- progress ------------------------------------------------------------------------------------------ */

static int tick(void *ctx, uint64_t done)
{
    struct run *r = ctx;
    r->done += done;
    if (r->done > r->total) r->total = r->done;
    return r->c->progress ? r->c->progress(r->c->ctx, r->stage, r->done, r->total) : 0;
}

void run_stage(struct run *r, enum prepare_stage stage, uint64_t total)
{
    r->stage = stage, r->done = 0, r->total = total;
    if (r->c->progress) r->c->progress(r->c->ctx, stage, 0, total);
}

struct ticker run_ticker(struct run *r)
{
    return (struct ticker){tick, r};
}

/* ---- what is read besides the sources --------------------------------------------------------------------
 */

static int by_question(const void *a, const void *b)
{
    const struct reference *x = a, *y = b;
    return (x->question > y->question) - (x->question < y->question);
}

static int references_add(struct run *r, const struct problems *p, struct err *e)
{
    struct reference *at = realloc(r->references, (r->n_references + p->n + 1) * sizeof *at);
    if (!at) return err_set(e, ERR_NOMEM, "no memory for %zu references", p->n);
    r->references = at;
    for (size_t i = 0; i < p->n; i++) {
        const struct problem *q = &p->at[i];
        struct answer a = answer_trim(q->reference, strlen(q->reference));
        char *text;
        size_t len;
        int rc = question_text(&text, &len, q->turns, q->n_turns + 1, r->workers.nfc, e);
        if (rc) return rc;
        at[r->n_references++] = (struct reference){question_hash(text, len), answer_key(&a)};
        free(text);
    }
    return 0;
}

static int references_load(struct run *r, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < r->c->n_references; i++) {
        struct problems p;
        rc = problems_load(&p, r->c->references[i], 0, e);
        if (rc) break;
        rc = references_add(r, &p, e);
        problems_clear(&p);
    }
    if (r->n_references) qsort(r->references, r->n_references, sizeof *r->references, by_question);
    r->rules.references = r->references, r->rules.n_references = r->n_references;
    return rc;
}

static int inputs_open(struct run *r, struct err *e)
{
    const struct prepare_config *c = r->c;
    char cache[FILE_PATH];
    r->rules = c->select;
    r->rules.learn = c->rules.learn, r->rules.cutoff_len = c->rules.cutoff_len;
    int rc = tokenizer_digest(c->rules.tokenizer, r->tokenizer, e);
    if (!rc) rc = document_template(&c->rules, r->template_, e);
    if (!rc) rc = references_load(r, e);
    if (!rc && c->n_decontaminate)
        rc = ngrams_load(&r->ngrams, c->decontaminate, c->n_decontaminate, c->ngram, e);
    if (!rc) rc = file_path(cache, e, "%s/digests", c->work);
    if (rc) return rc;
    run_stage(r, PREPARE_DIGESTS, c->n_files);
    rc = sources_digest(r->sources, c->files, c->n_files, cache, tick, r, e);
    return rc ? rc : run_recipe(r, e);
}

/* ---- scan ---------------------------------------------------------------------------------------------- */

static int scan_file(struct run *r, uint32_t file, const char *path, const char *key, struct err *e)
{
    struct facts f = {0};
    struct scan s = {.path = r->c->files[file], .rules = &r->c->rules, .ticker = run_ticker(r)};
    double from = machine_seconds();
    int rc = scan_rows(&f, &s, &r->workers, e);
    if (!rc) rc = facts_save(&f, path, key, e);
    for (uint64_t i = 0; i < f.n; i++) r->report->scan_bytes += f.at[i].bytes;
    r->report->scan_seconds += machine_seconds() - from;
    facts_clear(&f);
    r->report->scanned += !rc;
    return rc;
}

/* Appends a file's facts to the others', made first where they are not there. */
static int facts_need(struct run *r, uint32_t file, bool make, struct err *e)
{
    char key[SHA256_HEX], path[FILE_PATH];
    struct err why = {0};
    int rc = run_facts_key(r, file, key, e);
    if (!rc) rc = run_path(r, path, "facts", key, e);
    if (rc) return rc;
    if (make) return file_exists(path) ? 0 : scan_file(r, file, path, key, e);
    rc = facts_load(&r->facts, path, key, &why);
    if (rc != ERR_HASH && rc != ERR_MAGIC && rc != ERR_SIZE_MISMATCH)
        return rc ? err_set(e, rc, "%s", why.msg) : 0;
    rc = scan_file(r, file, path, key, e); /* damaged */
    return rc ? rc : facts_load(&r->facts, path, key, e);
}

static int flags_make(struct run *r, uint32_t file, const char *path, const char *key, struct err *e)
{
    uint8_t *flags;
    uint64_t n;
    struct scan s = {.path = r->c->files[file], .rules = &r->c->rules, .ticker = run_ticker(r)};
    int rc = scan_contaminated(&flags, &n, &s, &r->ngrams, &r->workers, e);
    if (!rc) rc = sealed_save(path, "flags", key, flags, n, e);
    free(flags);
    r->report->flagged += !rc;
    return rc;
}

/* Sets FACT_CONTAMINATED of a file's rows. */
static int flags_take(struct run *r, uint32_t file, const char *path, const char *key, struct err *e)
{
    struct fact *at = r->facts.at + r->first[file];
    uint64_t rows = r->first[file + 1] - r->first[file];
    char *data;
    size_t n;
    int rc = sealed_load(path, "flags", key, &data, &n, e);
    if (rc) return rc;
    if (n != rows)
        rc = err_set(e, ERR_SIZE_MISMATCH, "%s has %zu rows, not %llu", path, n, (unsigned long long)rows);
    for (uint64_t i = 0; !rc && i < rows; i++)
        if (data[SEALED_HEAD + i]) at[i].flags |= FACT_CONTAMINATED;
    free(data);
    return rc;
}

static int flags_need(struct run *r, uint32_t file, bool make, struct err *e)
{
    char key[SHA256_HEX], path[FILE_PATH];
    struct err why = {0};
    int rc = run_flags_key(r, file, key, e);
    if (!rc) rc = run_path(r, path, "flags", key, e);
    if (rc) return rc;
    if (make) return file_exists(path) ? 0 : flags_make(r, file, path, key, e);
    rc = flags_take(r, file, path, key, &why);
    if (rc != ERR_HASH && rc != ERR_MAGIC && rc != ERR_SIZE_MISMATCH)
        return rc ? err_set(e, rc, "%s", why.msg) : 0;
    rc = flags_make(r, file, path, key, e);
    return rc ? rc : flags_take(r, file, path, key, e);
}

static int rows_load(struct run *r, struct err *e)
{
    int rc = 0;
    for (uint32_t i = 0; !rc && i < r->c->n_files; i++) {
        r->first[i] = r->facts.n;
        rc = facts_need(r, i, false, e);
        r->first[i + 1] = r->facts.n;
    }
    for (uint32_t i = 0; !rc && r->ngrams.words && i < r->c->n_files; i++) rc = flags_need(r, i, false, e);
    return rc;
}

static int scan_all(struct run *r, struct err *e)
{
    const uint64_t rows = r->total; /* to be scanned, says the forecast */
    int rc = 0;
    run_stage(r, PREPARE_SCAN, rows);
    for (uint32_t i = 0; !rc && i < r->c->n_files; i++) rc = facts_need(r, i, true, e);
    if (rc || !r->ngrams.words) return rc;
    run_stage(r, PREPARE_FLAGS, rows);
    for (uint32_t i = 0; !rc && i < r->c->n_files; i++) rc = flags_need(r, i, true, e);
    return rc;
}

/* ---- tokens and shards --------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The chosen rows of each file, ascending. */
static int rows_group(struct run *r, struct err *e)
{
    const struct selection *s = &r->selection;
    uint32_t n_files = r->c->n_files;
    r->rows = malloc((s->n + 1) * sizeof *r->rows);
    r->rows_first = calloc(n_files + 2, sizeof *r->rows_first);
    if (!r->rows || !r->rows_first)
        return err_set(e, ERR_NOMEM, "no memory for %llu rows", (unsigned long long)s->n);
    for (uint64_t i = 0; i < s->n; i++) r->rows_first[s->at[i].file + 2]++;
    for (uint32_t i = 1; i <= n_files; i++) r->rows_first[i + 1] += r->rows_first[i];
    for (uint64_t i = 0; i < s->n; i++) r->rows[r->rows_first[s->at[i].file + 1]++] = s->at[i].row;
    for (uint32_t i = 0; i < n_files; i++)
        qsort(r->rows + r->rows_first[i], r->rows_first[i + 1] - r->rows_first[i], sizeof *r->rows,
              ascending);
    return 0;
}

static int sheaf_need(struct run *r, uint32_t file, struct err *e)
{
    char key[SHA256_HEX], path[FILE_PATH];
    struct gather_sheaf g = {.path = r->c->files[file],
                             .to = path,
                             .key = key,
                             .rows = r->rows + r->rows_first[file],
                             .n = r->rows_first[file + 1] - r->rows_first[file],
                             .rules = &r->c->rules,
                             .format = r->c->format,
                             .ticker = run_ticker(r)};
    if (g.n == 0) return 0;
    int rc = run_sheaf_key(r, file, key, e);
    if (!rc) rc = run_path(r, path, "sheaf", key, e);
    if (rc) return rc;
    if (!sheaf_open(&r->sheaves[file], path, key, NULL)) {
        tick(r, g.n);
        return 0;
    }
    rc = gather_sheaf_make(&g, &r->workers, e);
    r->report->sheaves += !rc;
    return rc ? rc : sheaf_open(&r->sheaves[file], path, key, e);
}

static struct gather_doc doc_of(const struct run *r, struct pick p)
{
    uint64_t low = r->rows_first[p.file], high = r->rows_first[p.file + 1];
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        if (r->rows[middle] <= p.row)
            low = middle;
        else
            high = middle;
    }
    return (struct gather_doc){p.file, (uint32_t)(low - r->rows_first[p.file])};
}

static int set_make(struct run *r, int set, struct err *e)
{
    const struct selection *s = &r->selection;
    uint64_t from = set == SET_EVAL ? s->n - s->held_out : 0,
             to = set == SET_EVAL ? s->n : s->n - s->held_out;
    uint32_t n_files = r->c->n_files;
    char dir[FILE_PATH];
    const char **names = calloc(n_files + 1, sizeof *names), **hashes = calloc(n_files + 1, sizeof *hashes);
    struct gather_doc *order = malloc((to - from + 1) * sizeof *order);
    struct shards_origin o = {.recipe = r->recipe[set], .tokenizer = r->tokenizer, .template_ = r->template_};
    o.source_names = names, o.source_hashes = hashes, o.n_sources = n_files;
    o.vocab = (uint32_t)tokenizer_vocab(r->c->rules.tokenizer);
    struct gather_set g = {.dir = dir,
                           .sheaves = r->sheaves,
                           .order = order,
                           .n = to - from,
                           .origin = &o,
                           .shard_tokens = r->c->shard_tokens,
                           .format = r->c->format,
                           .ticker = run_ticker(r)};
    int rc =
        names && hashes && order ? run_output(r, set, dir, e) : err_set(e, ERR_NOMEM, "no memory to gather");
    for (uint32_t i = 0; !rc && i < n_files; i++)
        names[i] = r->sources[i].name, hashes[i] = r->sources[i].sha256;
    for (uint64_t i = from; !rc && i < to; i++) order[i - from] = doc_of(r, s->at[i]);
    if (!rc) rc = gather_set_make(&g, r->workers.pool, e);
    r->report->resumed += g.resumed;
    r->set_docs[set] = g.docs, r->set_tokens[set] = g.tokens;
    free(names), free(hashes), free(order);
    return rc;
}

/* Held-out questions of an earlier recipe must not outlive it. */
static int eval_drop(struct run *r, struct err *e)
{
    char dir[FILE_PATH], manifest[FILE_PATH];
    int rc = run_output(r, SET_EVAL, dir, e);
    if (!rc) rc = file_path(manifest, e, "%s/manifest.json", dir);
    return rc || !file_exists(manifest) ? rc : file_remove_tree(dir, e);
}

static int sets_make(struct run *r, struct err *e)
{
    bool made[SETS];
    int rc = 0;
    for (int set = 0; set < SETS; set++) made[set] = run_set_is_made(r, set);
    if (!r->selection.held_out) {
        rc = eval_drop(r, e);
        made[SET_EVAL] = true;
    }
    if (!rc && !(made[SET_EVAL] && made[SET_TRAIN])) {
        run_stage(r, PREPARE_TOKENS, r->selection.n);
        for (uint32_t i = 0; !rc && i < r->c->n_files; i++) rc = sheaf_need(r, i, e);
        if (!rc) run_stage(r, PREPARE_GATHER, r->selection.n);
    }
    for (int set = 0; !rc && set < SETS; set++)
        if (!made[set]) rc = set_make(r, set, e);
    return rc;
}

/* Parts have done their work; an older recipe's too. */
static int sheaves_drop(struct run *r, struct err *e)
{
    DIR *d = opendir(r->c->work);
    int rc = 0;
    for (struct dirent *entry; !rc && d && (entry = readdir(d));) {
        char path[FILE_PATH];
        if (strncmp(entry->d_name, "sheaf-", 6) != 0) continue;
        rc = file_path(path, e, "%s/%s", r->c->work, entry->d_name);
        if (!rc) rc = file_remove_tree(path, e);
    }
    if (d) closedir(d);
    return rc;
}

/* ---- all of it -------------------------------------------------------------------------------------------
 */

static int stages(struct run *r, struct err *e)
{
    bool missing = false;
    int rc = inputs_open(r, e);
    if (rc) return rc;
    r->report->reused = run_is_made(r);
    if (r->report->reused) return 0;
    rc = run_forecast(r, &missing, e);
    if (rc || (r->c->dry_run && missing)) return rc;
    rc = scan_all(r, e);
    if (!rc) rc = rows_load(r, e);
    if (!rc) rc = select_rows(&r->selection, &r->facts, r->first, r->c->n_files, &r->rules, e);
    if (rc) return rc;
    if (r->c->selected) r->c->selected(r->c->ctx, &r->selection);
    rc = rows_group(r, e);
    if (!rc) rc = run_forecast_selected(r, e);
    if (rc || r->c->dry_run) return rc;
    if (!rc) rc = sets_make(r, e);
    if (!rc) rc = run_report_save(r, e);
    return rc ? rc : sheaves_drop(r, e);
}

static void release(struct run *r)
{
    for (uint32_t i = 0; r->sheaves && i < r->c->n_files; i++) sheaf_close(&r->sheaves[i]);
    selection_clear(&r->selection);
    facts_clear(&r->facts);
    ngrams_clear(&r->ngrams);
    workers_release(&r->workers);
    free(r->sources), free(r->references), free(r->first), free(r->sheaves), free(r->rows),
        free(r->rows_first);
}

int prepare_run(const struct prepare_config *c, struct prepare_report *out, struct err *e)
{
    struct run r = {.c = c, .report = out};
    struct file_lock lock = {.fd = -1};
    char path[FILE_PATH];
    *out = (struct prepare_report){0};
    r.sources = calloc(c->n_files + 1, sizeof *r.sources);
    r.first = calloc(c->n_files + 1, sizeof *r.first);
    r.sheaves = calloc(c->n_files + 1, sizeof *r.sheaves);
    int rc =
        r.sources && r.first && r.sheaves ? 0 : err_set(e, ERR_NOMEM, "no memory for %u files", c->n_files);
    if (!rc) rc = file_path(path, e, "%s/lock", c->work);
    if (!rc) rc = file_make_dirs(c->work, e);
    if (!rc) rc = file_lock_take(&lock, path, e);
    if (!rc) rc = workers_init(&r.workers, c->pool, e);
    if (!rc) rc = stages(&r, e);
    if (lock.fd >= 0) file_lock_release(&lock);
    release(&r);
    return rc;
}
