#include "data/build.h"

#include "checkpoints/file.h"
#include "checkpoints/hf_tokenizer.h"
#include "data/conversations.h"
#include "data/shards.h"
#include "infer/chatml.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECIPE_VERSION = 1, TURNS_MAX = 4096 };

struct build {
    const struct build_config *c;
    struct build_report *report;
    struct shard_writer *w;
    char (*hash)[SHA256_HEX]; /* [n_files] */
    const char **names, **hashes;
    char recipe[SHA256_HEX], template_[SHA256_HEX];
    struct chat_turn *turns;  /* [TURNS_MAX] */
    struct label_span *spans; /* [TURNS_MAX] */
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
    const char *system = c->system ? c->system : tokenizer_default_system(c->tokenizer);
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return err_set(b->e, ERR_NOMEM, "no memory for a recipe");
    fprintf(f, "chatml 1\nsystem %s\n", system ? system : "");
    fflush(f);
    int r = sha256_hex(text, n, b->template_, b->e);
    fprintf(f, "version %d\ntokenizer %s\ncutoff %u\nturns %d\nsamples %" PRIu64 "\nvocab %u\n",
            RECIPE_VERSION, tokenizer_hex, c->cutoff_len, c->learn, c->max_samples, c->vocab);
    for (uint32_t i = 0; i < c->n_files; i++) fprintf(f, "source %s\n", b->hash[i]);
    fclose(f);
    if (!r) r = sha256_hex(text, n, b->recipe, b->e);
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

static bool is_answer(const struct chat_turn *t)
{
    return t->role == ROLE_ASSISTANT && t->len > 0;
}

/* Turns up to the last assistant's; -1 with the reason counted when the row cannot be used. */
static int64_t turns_of(struct build *b, const struct conv_row *row)
{
    int64_t n = 0, last = -1;
    if (!row->has_turns || row->n_turns == 0 || row->n_turns > TURNS_MAX) return b->report->empty++, -1;
    for (size_t i = 0; i < row->n_turns; i++) {
        const struct conv_turn *t = &row->turns[i];
        struct chat_turn *out = &b->turns[n];
        if (!t->from.s || chat_role_of(&out->role, t->from.s, t->from.n, NULL) ||
            (i > 0 && out->role == ROLE_SYSTEM))
            return b->report->bad_roles++, -1;
        if (!t->value.s) return b->report->empty++, -1;
        out->content = t->value.s, out->len = t->value.n;
        if (is_answer(out)) last = n;
        n++;
    }
    if (last < 0) return b->report->no_labels++, -1;
    if (b->turns[0].role == ROLE_ASSISTANT) return b->report->bad_roles++, -1;
    return last + 1;
}

static enum shard_domain domain_of(struct conv_text t)
{
    static const char *const names[DOMAIN_COUNT] = {"", "math", "code", "science", "chat"};
    for (int i = 1; i < DOMAIN_COUNT; i++)
        if (t.s && t.n == strlen(names[i]) && !memcmp(t.s, names[i], t.n)) return (enum shard_domain)i;
    return DOMAIN_OTHER;
}

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

/* The last answer that begins within cutoff_len, of those to learn; -1 when there is none. */
static int64_t answer_of(const struct build *b, const struct chat *chat)
{
    int64_t i = (int64_t)chat->turns - 1;
    while (i >= 0 && (!is_answer(&b->turns[i]) || chat->span[i].content >= b->c->cutoff_len))
        i = b->c->learn == LEARN_LAST ? -1 : i - 1;
    return i;
}

/* What is learned: turn `last` with its <|im_end|>, all answers up to it as far as they are not cut off, or
 * all. */
static uint32_t spans_of(struct build *b, const struct chat *chat, int64_t last, uint32_t n)
{
    uint32_t spans = 0;
    if (b->c->learn == LEARN_ALL) {
        b->spans[0] = (struct label_span){1, n};
        return 1;
    }
    for (int64_t i = b->c->learn == LEARN_ANSWERS ? 0 : last; i <= last; i++) {
        const struct chat_span *s = &chat->span[i];
        if (is_answer(&b->turns[i]))
            b->spans[spans++] = (struct label_span){s->content, s->end < n ? s->end : n};
    }
    return spans;
}

static int doc_add(struct build *b, const struct conv_row *row, uint32_t source, const struct chat *chat)
{
    int64_t last = answer_of(b, chat);
    if (last < 0) {
        b->report->no_labels++;
        return 0;
    }
    const struct chat_span *s = &chat->span[last];
    uint32_t n = s->end < b->c->cutoff_len ? s->end : b->c->cutoff_len;
    struct shard_doc d = {.ids = (const uint32_t *)chat->ids, .n = n, .spans = b->spans, .source = source};
    d.header_at = s->header, d.response_at = s->content, d.source_row = row->index;
    d.n_spans = spans_of(b, chat, last, n), d.domain = domain_of(row->domain);
    d.question = question_of(b->turns, last);
    b->report->docs++, b->report->tokens += n;
    b->report->cut += chat->span[chat->turns - 1].end > b->c->cutoff_len;
    return shard_writer_add(b->w, &d, b->e);
}

static int row_add(struct build *b, const struct conv_row *row, uint32_t source)
{
    struct chat chat;
    int64_t turns = turns_of(b, row);
    b->report->rows++;
    if (turns < 0) return 0;
    int r = chatml_render(&chat, b->c->tokenizer, b->turns, (uint32_t)turns, b->c->system, 0, b->e);
    if (r) return r;
    r = doc_add(b, row, source, &chat);
    chat_clear(&chat);
    return r;
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
    char hex[SHA256_HEX];
    *out = (struct build_report){0};
    b.hash = calloc(c->n_files, sizeof *b.hash);
    b.names = calloc(c->n_files, sizeof *b.names);
    b.hashes = calloc(c->n_files, sizeof *b.hashes);
    b.turns = calloc(TURNS_MAX, sizeof *b.turns);
    b.spans = calloc(TURNS_MAX, sizeof *b.spans);
    int r = b.hash && b.names && b.hashes && b.turns && b.spans
                ? 0
                : err_set(e, ERR_NOMEM, "no memory to tokenise");
    if (!r) r = tokenizer_digest(c->tokenizer, hex, e);
    if (!r) r = sources_hash(&b);
    if (!r) r = recipe_make(&b, hex);
    if (!r && !is_made(&b, dir)) r = shards_write(&b, dir, hex);
    free(b.hash);
    free(b.names);
    free(b.hashes);
    free(b.turns);
    free(b.spans);
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
