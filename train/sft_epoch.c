#include "train/sft_epoch.h"
#include "data/conversations.h"
#include "data/globs.h"
#include "train/sft_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    SAMPLE_FILES = 4, /* at most so many files of a dataset are looked into */
    BLOCKS = 64,
    BLOCK = 1024 /* documents of a set: at most so many blocks of so many */
};

void epoch_clear(struct epoch *p)
{
    free(p->doc);
    memset(p, 0, sizeof *p);
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

/* Documents [from, from + n) of a set. */
static int docs_add(struct epoch *p, struct shards *s, uint64_t from, uint64_t n, struct err *e)
{
    struct epoch_doc *grown = realloc(p->doc, (p->n + n) * sizeof *grown);
    if (!grown) return err_set(e, ERR_NOMEM, "no memory for the lengths of %zu documents", p->n + n);
    p->doc = grown;
    for (uint64_t i = from; i < from + n; i++) {
        struct shard_doc d;
        int r = shards_doc(s, i, &d, e);
        if (r) return r;
        struct epoch_doc *to = &p->doc[p->n++];
        *to = (struct epoch_doc){d.n, d.header_at, d.response_at, 0};
        for (uint32_t k = 0; k < d.n_spans; k++) to->labels += d.spans[k].to - d.spans[k].from;
    }
    return 0;
}

/* All documents of a set; of a large one some blocks, evenly spread, since each shard has to be looked into.
 */
static int set_look(struct epoch *p, struct shards *s, struct err *e)
{
    uint64_t n = shards_docs(s);
    const uint32_t *length = shards_lengths(s);
    int r = 0;
    for (uint64_t i = 0; i < n; i++) /* they may have been made for longer rows */
        if (length[i] > p->cutoff_len) p->cutoff_len = length[i];
    if (n <= BLOCKS * BLOCK) return docs_add(p, s, 0, n, e);
    for (uint64_t i = 0; i < BLOCKS && !r; i++) r = docs_add(p, s, (n - BLOCK) * i / (BLOCKS - 1), BLOCK, e);
    return r;
}

/* The sets together, as a run packs them: adds to p's documents, *rows and *tokens. */
static int sets_look(struct epoch *p, const struct sft_config *c, const struct loader_set *sets, uint32_t n,
                     struct err *e)
{
    struct loader *l = NULL;
    struct loader_config lc;
    uint64_t rows, tokens;
    int r = 0;
    sft_loader_config(&lc, c, LOADER_TRAIN);
    lc.ahead = 0;
    for (uint32_t i = 0; i < n && !r; i++) r = set_look(p, sets[i].shards, e);
    lc.cutoff_len = p->cutoff_len;
    if (!r) r = loader_open(&l, sets, n, &lc, e);
    if (!r) r = loader_count_rows(l, 0, &rows, &tokens, e);
    if (!r) p->rows += rows, p->tokens += tokens, p->docs += (double)loader_epoch_docs(l);
    loader_close(l);
    return r;
}

/* What the folders dir [n] hold. */
static int shards_look(struct epoch *p, const struct sft_config *c, const char *const *dir, uint32_t n,
                       struct err *e)
{
    struct loader_set set[LOADER_SETS] = {{0}};
    int r = n <= LOADER_SETS ? 0 : err_set(e, ERR_TOO_MANY, "dataset: more than %d sets", LOADER_SETS);
    for (uint32_t i = 0; i < n && !r; i++) {
        r = shards_open(&set[i].shards, dir[i], SHARDS_TRUST | SHARDS_LAZY, e);
        set[i].weight = c->weights[i];
        p->disk += disk_count(dir[i]);
    }
    if (!r) r = sets_look(p, c, set, n, e);
    for (uint32_t i = 0; i < n && i < LOADER_SETS; i++) shards_close(set[i].shards);
    return r;
}

/* ---- a sample ------------------------------------------------------------------------------------------ */

/* Rows of one file tokenised aside. */
static int file_sample(struct epoch *p, const struct sft_config *c, struct build_config *b, const char *file,
                       struct err *e)
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
    if (!r) r = shards_look(p, c, &(const char *){shards}, 1, e);
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
    double all;
    struct build_config b;
    sft_build_config(&b, c, gate, t, vocab);
    int r = rows_count(g, b.max_samples, &all, e);
    uint64_t some = (sample + files - 1) / files;
    if (!b.max_samples || b.max_samples > some) b.max_samples = some;
    for (size_t i = 0; i < files && !r; i++)
        r = file_sample(p, c, &b, g->gl_pathv[i * g->gl_pathc / files], e);
    if (r) return r;
    double seen = (double)(b.max_samples * files);
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

static bool is_set(const char *dir)
{
    char path[FILE_PATH];
    return !file_path(path, NULL, "%s/manifest.json", dir) && file_exists(path);
}

/* Token shards that are there: the dataset's own, and those that the run has made. */
static int sets_find(struct epoch *p, const struct sft_config *c, const char *dir[LOADER_SETS + 1],
                     uint32_t *n, struct err *e)
{
    *n = 0;
    int r = sft_shards_dir(c, "tokens", p->where, e);
    if (r) return r;
    if (is_set(p->where)) dir[(*n)++] = p->where;
    for (size_t i = 0; i < c->dataset.n && *n < LOADER_SETS; i++)
        if (is_set(c->dataset.items[i])) dir[(*n)++] = c->dataset.items[i];
    return 0;
}

static int look(struct epoch *p, const struct sft_config *c, const struct tokenizer *t, uint32_t vocab,
                const struct epoch_assumed *a, uint32_t sample, struct err *e)
{
    const char *dir[LOADER_SETS + 1];
    uint32_t n;
    glob_t g;
    int r = sets_find(p, c, dir, &n, e);
    if (r) return r;
    if (n) {
        r = shards_look(p, c, dir, n, e);
        if (dir[0] != p->where) snprintf(p->where, sizeof p->where, "%s", dir[0]);
        return r;
    }
    snprintf(p->where, sizeof p->where, "%s", c->dataset.items[0]);
    if ((r = globs_expand(&c->dataset, &g, e))) return r;
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
    int r = look(out, c, t, vocab, a, sample, e);
    if (out->rows) out->fill = (double)out->tokens / (double)out->rows / out->cutoff_len;
    return r;
}
