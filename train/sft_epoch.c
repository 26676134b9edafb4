#include "train/sft_epoch.h"
#include "data/conversations.h"
#include "train/sft_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SAMPLE_FILES = 4 }; /* at most so many files of a dataset are looked into */

void epoch_clear(struct epoch *p)
{
    free(p->doc);
    memset(p, 0, sizeof *p);
}

static int docs_add(struct epoch *p, const struct shards *s, struct err *e)
{
    size_t more = (size_t)shards_docs(s);
    struct epoch_doc *grown = realloc(p->doc, (p->n + more) * sizeof *grown);
    if (!grown) return err_set(e, ERR_NOMEM, "no memory for the lengths of %zu documents", p->n + more);
    p->doc = grown;
    for (size_t i = 0; i < more; i++) {
        struct shard_doc d;
        shards_doc(s, i, &d);
        struct epoch_doc *to = &p->doc[p->n++];
        *to = (struct epoch_doc){d.n, d.header_at, d.response_at, 0};
        for (uint32_t k = 0; k < d.n_spans; k++) to->labels += d.spans[k].to - d.spans[k].from;
    }
    return 0;
}

/* Adds the shards in `dir`; *rows grows by the packed rows they make. */
static int shards_look(struct epoch *p, const struct sft_config *c, const char *dir, uint64_t *rows,
                       struct err *e)
{
    struct shards *s;
    struct loader *l = NULL;
    struct loader_config lc;
    int r = shards_open(&s, dir, SHARDS_TRUST, e);
    if (r) return r;
    sft_loader_config(&lc, c, LOADER_TRAIN);
    r = docs_add(p, s, e);
    for (size_t i = 0; i < p->n; i++) /* they may have been made for longer rows */
        if (p->doc[i].n > p->cutoff_len) p->cutoff_len = p->doc[i].n;
    lc.cutoff_len = p->cutoff_len;
    if (!r) r = loader_open(&l, s, &lc, e);
    if (!r) *rows += loader_rows_per_epoch(l, 0), p->docs += (double)loader_docs(l);
    loader_close(l);
    shards_close(s);
    return r;
}

static void fill_count(struct epoch *p, uint64_t rows)
{
    double tokens = 0;
    for (size_t i = 0; i < p->n; i++) tokens += p->doc[i].n;
    tokens *= p->docs / (double)p->n; /* some are held out */
    p->fill = tokens / (double)rows / p->cutoff_len;
}

/* Bytes of the files that hold the ids. */
static uint64_t disk_count(const char *dir)
{
    uint64_t bytes = 0;
    char path[FILE_PATH];
    struct stat st;
    for (unsigned i = 0; !file_path(path, NULL, "%s/shard-%05u.h5", dir, i) && !stat(path, &st); i++)
        bytes += (uint64_t)st.st_size;
    return bytes;
}

/* ---- a sample ------------------------------------------------------------------------------------------ */

/* Rows of one file tokenised aside. */
static int file_sample(struct epoch *p, const struct sft_config *c, struct build_config *b, const char *file,
                       uint64_t *rows, struct err *e)
{
    char dir[FILE_PATH], shards[FILE_PATH];
    const char *tmp = getenv("TMPDIR");
    struct build_report report;
    int r = file_path(dir, e, "%s/terse-plan-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!r && !mkdtemp(dir)) r = err_set(e, ERR_EACCES, "cannot make a folder like %s", dir);
    if (r) return r;
    b->files = &file, b->n_files = 1;
    r = file_path(shards, e, "%s/tokens", dir);
    if (!r) r = data_build(shards, b, &report, e);
    if (!r) r = shards_look(p, c, shards, rows, e);
    if (!r) p->disk += disk_count(shards);
    file_remove_tree(dir, NULL);
    return r;
}

static int rows_count(const glob_t *g, uint64_t most, double *out, struct err *e)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < g->gl_pathc; i++) {
        struct conv_file *f;
        int r = conv_open(&f, g->gl_pathv[i], e);
        if (r) return r;
        rows += conv_rows(f);
        conv_close(f);
    }
    *out = (double)(most && most < rows ? most : rows);
    return 0;
}

/* Some rows of some files, evenly spread. */
static int sample_look(struct epoch *p, const struct sft_config *c, const glob_t *g,
                       const struct tokenizer *t, uint32_t vocab, uint32_t sample, struct err *e)
{
    size_t files = g->gl_pathc < SAMPLE_FILES ? g->gl_pathc : SAMPLE_FILES;
    enum lora_gate gate = c->tuning == TUNING_DENSE ? GATE_ALL : (enum lora_gate)c->lora_gate;
    uint64_t rows = 0;
    double all;
    struct build_config b;
    sft_build_config(&b, c, gate, t, vocab);
    int r = rows_count(g, b.max_samples, &all, e);
    uint64_t some = (sample + files - 1) / files;
    if (!b.max_samples || b.max_samples > some) b.max_samples = some;
    for (size_t i = 0; i < files && !r; i++)
        r = file_sample(p, c, &b, g->gl_pathv[i * g->gl_pathc / files], &rows, e);
    if (r) return r;
    double seen = (double)(b.max_samples * files);
    fill_count(p, rows);
    if (seen > all) seen = all;
    p->disk = (uint64_t)((double)p->disk * all / seen);
    p->docs *= all / seen; /* rows that were left out, too, stand for others */
    p->source = EPOCH_SAMPLE;
    return 0;
}

/* ---- what there is ---------------------------------------------------------------------------------------
 */

static int assume(struct epoch *p, const struct sft_config *c, const struct epoch_assumed *a, struct err *e)
{
    uint32_t n = a->tokens ? a->tokens : OT3_TOKENS, prompt = a->prompt ? a->prompt : OT3_PROMPT;
    p->doc = calloc(1, sizeof *p->doc);
    if (!p->doc) return err_set(e, ERR_NOMEM, "no memory for a document");
    if (prompt + 2 > n) return err_set(e, ERR_FIELD_RANGE, "a prompt of %u tokens in a row of %u", prompt, n);
    p->doc[0] = (struct epoch_doc){n, prompt, prompt, n - prompt};
    p->n = 1, p->source = EPOCH_ASSUMED, p->fill = 1, p->docs = a->rows ? a->rows : OT3_ROWS;
    if (c->max_samples && (double)c->max_samples < p->docs) p->docs = (double)c->max_samples;
    return 0;
}

static int look(struct epoch *p, const struct sft_config *c, const struct tokenizer *t, uint32_t vocab,
                const struct epoch_assumed *a, uint32_t sample, struct err *e)
{
    char path[FILE_PATH];
    uint64_t rows = 0;
    glob_t g;
    int r = sft_shards_dir(c, "tokens", p->where, e);
    if (!r) r = file_path(path, e, "%s/manifest.json", p->where);
    if (r) return r;
    if (file_exists(path)) {
        r = shards_look(p, c, p->where, &rows, e);
        if (!r) fill_count(p, rows), p->disk = disk_count(p->where);
        return r;
    }
    snprintf(p->where, sizeof p->where, "%s", c->dataset.items[0]);
    if ((r = sft_names_expand(&c->dataset, &g, e))) return r;
    r = t && file_exists(g.gl_pathv[0]) ? sample_look(p, c, &g, t, vocab, sample, e) : assume(p, c, a, e);
    globfree(&g);
    return r;
}

int epoch_look(struct epoch *out, const struct sft_config *c, const struct tokenizer *t, uint32_t vocab,
               const struct epoch_assumed *a, uint32_t sample, struct err *e)
{
    *out = (struct epoch){.cutoff_len = (uint32_t)c->cutoff_len};
    if (a->rows > 0 || a->tokens) {
        snprintf(out->where, sizeof out->where, "%s", c->dataset.items[0]);
        return assume(out, c, a, e);
    }
    return look(out, c, t, vocab, a, sample, e);
}
