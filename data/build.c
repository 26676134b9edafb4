#include "data/build.h"

#include "checkpoints/file.h"
#include "checkpoints/hf_tokenizer.h"
#include "data/shards.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECIPE_VERSION = 1 };

struct build {
    const struct build_config *c;
    struct build_report *report;
    struct shard_writer *w;
    char (*hash)[SHA256_HEX]; /* [n_files] */
    const char **names, **hashes;
    char recipe[SHA256_HEX], template_[SHA256_HEX];
    struct document_rules rules;
    struct document document;
    uint64_t total, done;
    struct err *e;
};

/* ---- what the set is made of ------------------------------------------------------------------------- */

static int sources_hash(struct build *b)
{
    for (uint32_t i = 0; i < b->c->n_files; i++) {
        int r = sha256_file(b->c->files[i], b->hash[i], NULL, b->e);
        if (r) return r;
        for (uint32_t j = 0; j < i; j++)
            if (!strcmp(b->hash[i], b->hash[j]))
                return err_set(b->e, ERR_DUP_SHARD, "%s and %s are the same file", b->c->files[j],
                               b->c->files[i]);
        const char *slash = strrchr(b->c->files[i], '/');
        b->names[i] = slash ? slash + 1 : b->c->files[i], b->hashes[i] = b->hash[i];
    }
    return 0;
}

static int recipe_make(struct build *b, const char *tokenizer_hex)
{
    const struct build_config *c = b->c;
    char *text = NULL;
    size_t n = 0;
    int r = document_template(&b->rules, b->template_, b->e);
    FILE *f = r ? NULL : open_memstream(&text, &n);
    if (!f) return err_set(b->e, ERR_NOMEM, "no memory for a recipe");
    fprintf(f, "version %d\ntemplate %s\ntokenizer %s\ncutoff %u\nturns %d\nsamples %" PRIu64 "\nvocab %u\n",
            RECIPE_VERSION, b->template_, tokenizer_hex, c->cutoff_len, c->learn, c->max_samples, c->vocab);
    for (uint32_t i = 0; i < c->n_files; i++) fprintf(f, "source %s\n", b->hash[i]);
    fclose(f);
    r = sha256_hex(text, n, b->recipe, b->e);
    free(text);
    return r;
}

/* 1 when DIR holds a sound set of this recipe. */
static int is_made(struct build *b, const char *dir)
{
    struct shards *s;
    struct err why = {0};
    if (!file_exists(dir) || shards_open(&s, dir, 0, &why)) return 0;
    int same = !strcmp(shards_origin(s)->recipe, b->recipe);
    if (same)
        *b->report =
            (struct build_report){.reused = true, .docs = shards_docs(s), .tokens = shards_tokens(s)};
    shards_close(s);
    return same;
}

/* ---- one conversation -------------------------------------------------------------------------------- */

/* FNV-1a over all that comes before the answer: equal for all answers to one question. */
static uint64_t question_of(const struct chat_turn *turns, int64_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (int64_t i = 0; i < n; i++)
        for (size_t j = 0; j <= turns[i].len; j++) {
            h ^= j < turns[i].len ? (unsigned char)turns[i].content[j] : 0u;
            h *= 0x100000001b3u;
        }
    return h;
}

static int doc_add(struct build *b, uint32_t source)
{
    struct document *d = &b->document;
    d->doc.source = source;
    d->doc.question = question_of(d->turns, d->answer);
    b->report->docs++, b->report->tokens += d->doc.n, b->report->cut += d->cut;
    return shard_writer_add(b->w, &d->doc, b->e);
}

static int row_add(struct build *b, const struct conv_row *row, uint32_t source)
{
    int r = 0;
    enum document_fate fate = document_turns(&b->document, row);
    b->report->rows++;
    if (fate == DOCUMENT_OK) r = document_render(&b->document, &b->rules, b->e);
    if (fate == DOCUMENT_OK && !r) fate = document_cut(&b->document, &b->rules);
    b->report->empty += fate == DOCUMENT_EMPTY;
    b->report->no_labels += fate == DOCUMENT_NO_ANSWER;
    b->report->bad_roles += fate == DOCUMENT_BAD_ROLES;
    return r || fate != DOCUMENT_OK ? r : doc_add(b, source);
}

/* ---- all of them ------------------------------------------------------------------------------------- */

static int file_add(struct build *b, uint32_t source)
{
    struct conv_file *f;
    struct conv_row row;
    int r = conv_open(&f, b->c->files[source], b->e), more = 0;
    if (r) return r;
    while (!r && b->done < b->total && (more = conv_next(f, &row, b->e)) > 0) {
        r = row_add(b, &row, source);
        b->done++;
        if (!r && b->c->progress && b->c->progress(b->c->ctx, b->done, b->total))
            r = err_set(b->e, ERR_INTERRUPTED, "stopped while tokenising %s; nothing was kept",
                        b->c->files[source]);
    }
    conv_close(f);
    return r ? r : more < 0 ? more : 0;
}

static int rows_count(struct build *b)
{
    for (uint32_t i = 0; i < b->c->n_files; i++) {
        struct conv_file *f;
        int r = conv_open(&f, b->c->files[i], b->e);
        if (r) return r;
        b->total += conv_rows(f);
        conv_close(f);
    }
    if (b->c->max_samples && b->c->max_samples < b->total) b->total = b->c->max_samples;
    return 0;
}

static int shards_write(struct build *b, const char *dir, const char *tokenizer_hex)
{
    struct shards_origin origin = {
        .recipe = b->recipe, .tokenizer = tokenizer_hex, .template_ = b->template_};
    origin.source_names = b->names, origin.source_hashes = b->hashes;
    origin.n_sources = b->c->n_files, origin.vocab = b->c->vocab;
    int r = rows_count(b);
    if (!r) r = shard_writer_open(&b->w, dir, &origin, b->e);
    if (r) return r;
    for (uint32_t i = 0; !r && i < b->c->n_files; i++) r = file_add(b, i);
    if (!r && b->report->docs == 0)
        r = err_set(b->e, ERR_DATA_EMPTY,
                    "none of %" PRIu64 " rows can be learned from: %" PRIu64 " empty, %" PRIu64
                    " with bad roles, %" PRIu64 " without an answer within cutoff_len %u",
                    b->report->rows, b->report->empty, b->report->bad_roles, b->report->no_labels,
                    b->c->cutoff_len);
    if (!r) return shard_writer_commit(b->w, b->e);
    shard_writer_abort(b->w);
    return r;
}

int data_build(const char *dir, const struct build_config *c, struct build_report *out, struct err *e)
{
    struct build b = {.c = c, .report = out, .e = e};
    b.rules = (struct document_rules){c->tokenizer, c->system, c->cutoff_len, c->learn};
    char hex[SHA256_HEX];
    *out = (struct build_report){0};
    b.hash = calloc(c->n_files, sizeof *b.hash);
    b.names = calloc(c->n_files, sizeof *b.names);
    b.hashes = calloc(c->n_files, sizeof *b.hashes);
    int r = b.hash && b.names && b.hashes ? document_init(&b.document, e)
                                          : err_set(e, ERR_NOMEM, "no memory to tokenise");
    if (!r) r = tokenizer_digest(c->tokenizer, hex, e);
    if (!r) r = sources_hash(&b);
    if (!r) r = recipe_make(&b, hex);
    if (!r && !is_made(&b, dir)) r = shards_write(&b, dir, hex);
    free(b.hash);
    free(b.names);
    free(b.hashes);
    document_release(&b.document);
    return r;
}

void build_report_text(const struct build_report *r, char *text, size_t size)
{
    int n = snprintf(text, size, "%" PRIu64 " conversations, %" PRIu64 " tokens%s", r->docs, r->tokens,
                     r->reused ? ", tokenised before" : "");
    const struct {
        uint64_t count;
        const char *what;
    } left[] = {
        {r->cut, "cut at cutoff_len"},
        {r->empty, "left out as empty"},
        {r->no_labels, "left out without an answer"},
        {r->bad_roles, "left out for their roles"},
    };
    for (unsigned i = 0; i < sizeof left / sizeof *left && n > 0 && (size_t)n < size; i++)
        if (left[i].count)
            n += snprintf(text + n, size - (size_t)n, "; %" PRIu64 " %s", left[i].count, left[i].what);
}
