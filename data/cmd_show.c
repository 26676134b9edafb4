#include "data/cmd_show.h"
#include "checkpoints/file.h"
#include "data/prepare/measure.h"
#include "data/prepare/recipe.h"
#include "infer/cli.h"
#include "infer/option_rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct show_config {
    char *model, *system_prompt;
    int64_t row, cutoff_len;
    int learn;
};

#define AT(field) .at = offsetof(struct show_config, field)

static const struct option options[] = {
    MODEL_ROW(AT(model), .help = "folder or GGUF file of the model whose tokenizer is meant"),
    {.key = "row",
     .type = OPT_INT,
     AT(row),
     .preset = "0",
     .min = 0,
     .max = 1e15,
     .short_flag = 'n',
     .help = "which one, from 0: row of a file, document of a folder of token shards"},
    {.key = "cutoff_len",
     .type = OPT_INT,
     AT(cutoff_len),
     .preset = "16384",
     .min = 2,
     .max = 1 << 30,
     .unit = "tokens",
     .help = "of a file: longer conversations are cut at the end"},
    {.key = "learn",
     .type = OPT_ENUM,
     AT(learn),
     .preset = "last",
     .choices = "last|answers|all",
     .help = "of a file: the last answer, every answer, or every token"},
    {.key = "system_prompt",
     .type = OPT_STRING,
     AT(system_prompt),
     .unset = "the model's own",
     .help = "of a file: system turn of conversations that bring none"},
    {0}};

/* ---- the document -------------------------------------------------------------------------------------- */

enum part { PROMPT, THINKING, ANSWER, PARTS };

static const struct {
    const char *name;
    enum cli_style style;
} parts[PARTS] = {{"prompt", CLI_YELLOW}, {"thinking", CLI_PLAIN}, {"answer", CLI_GREEN}};

struct shown {
    const struct tokenizer *t;
    const struct shard_doc *d;
    uint32_t answer_at; /* first token after the thinking */
};

static enum part part_of(const struct shown *s, uint32_t i)
{
    return i < s->d->response_at ? PROMPT : i < s->answer_at ? THINKING : ANSWER;
}

static bool is_learned(const struct shard_doc *d, uint32_t i)
{
    for (uint32_t k = 0; k < d->n_spans; k++)
        if (i >= d->spans[k].from && i < d->spans[k].to) return true;
    return false;
}

/* The text of tokens [from, to), *n bytes, the caller's to free. */
static char *text_of(const struct shown *s, uint32_t from, uint32_t to, size_t *n)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, n);
    for (uint32_t i = from; f && i < to; i++) {
        const char *piece = tokenizer_text(s->t, (int32_t)s->d->ids[i], &len);
        fwrite(piece, 1, len, f);
    }
    if (f && fclose(f) == 0) return text;
    free(text);
    return NULL;
}

static int find_answer(struct shown *s, struct err *e)
{
    size_t n, at = 0, len;
    char *text = text_of(s, s->d->response_at, s->d->n, &n);
    if (!text) return err_set(e, ERR_NOMEM, "no memory for a document of %u tokens", s->d->n);
    size_t thinking = measure_thinking(text, n);
    free(text);
    for (s->answer_at = s->d->response_at; s->answer_at < s->d->n && at < thinking; at += len)
        tokenizer_text(s->t, (int32_t)s->d->ids[s->answer_at++], &len);
    return 0;
}

/* ---- printing ------------------------------------------------------------------------------------------ */

/* Tokens [from, to) of one part, all learned or none: in its colour, or, without a terminal, behind a marker.
 */
static int print_run(const struct shown *s, uint32_t from, uint32_t to, struct err *e)
{
    enum part part = part_of(s, from);
    bool learned = is_learned(s->d, from);
    size_t n;
    char *text = text_of(s, from, to, &n);
    if (!text) return err_set(e, ERR_NOMEM, "no memory for a document of %u tokens", s->d->n);
    if (!cli_colour(stdout))
        printf("%s[%s, %u tokens%s]\n", from ? "\n" : "", parts[part].name, to - from,
               learned ? ", learned" : "");
    else
        fputs(cli_style(stdout, part != PROMPT && !learned ? CLI_DIM : parts[part].style), stdout);
    int bad = cli_text(stdout, text, n);
    if (cli_colour(stdout)) fputs(cli_style(stdout, CLI_PLAIN), stdout);
    free(text);
    return bad ? err_errno(e, errno, "cannot write to standard output") : 0;
}

static int print_doc(const struct shown *s, struct err *e)
{
    int r = 0;
    for (uint32_t i = 0, end; !r && i < s->d->n; i = end) {
        for (end = i + 1; end < s->d->n && part_of(s, end) == part_of(s, i) &&
                          is_learned(s->d, end) == is_learned(s->d, i);
             end++)
            continue;
        r = print_run(s, i, end, e);
    }
    putchar('\n');
    return r;
}

static void print_counts(const struct shown *s)
{
    static const char *const domains[DOMAIN_COUNT] = {"other", "math", "code", "science", "chat"};
    uint32_t learned = 0;
    for (uint32_t k = 0; k < s->d->n_spans; k++) learned += s->d->spans[k].to - s->d->spans[k].from;
    const char *plain = cli_style(stdout, CLI_PLAIN);
    fflush(stdout);
    printf("%s%u tokens%s: %sprompt %u%s, %sthinking %u%s, %sanswer %u%s; %u learned; domain %s\n",
           cli_style(stdout, CLI_BOLD), s->d->n, plain, cli_style(stdout, parts[PROMPT].style),
           s->d->response_at, plain, cli_style(stdout, parts[THINKING].style),
           s->answer_at - s->d->response_at, plain, cli_style(stdout, parts[ANSWER].style),
           s->d->n - s->answer_at, plain, learned, domains[s->d->domain]);
}

static int show_doc(const struct tokenizer *t, const struct shard_doc *d, struct err *e)
{
    struct shown s = {.t = t, .d = d};
    int r = find_answer(&s, e);
    if (r) return r;
    print_counts(&s);
    r = print_doc(&s, e);
    return r ? r : fflush(stdout) ? err_errno(e, errno, "cannot write to standard output") : 0;
}

/* ---- where it is --------------------------------------------------------------------------------------- */

static int show_shards(const char *dir, const struct show_config *c, const struct tokenizer *t, struct err *e)
{
    struct shards *s;
    struct shard_doc d;
    uint32_t *ids = NULL;
    int r = shards_open(&s, dir, SHARDS_LAZY, e);
    if (r) return r;
    if ((uint64_t)c->row >= shards_docs(s))
        r = err_set(e, ERR_FIELD_RANGE, "%s has %" PRIu64 " documents, none has the number %" PRId64, dir,
                    shards_docs(s), c->row);
    if (!r && shards_origin(s)->vocab > (uint32_t)tokenizer_vocab(t))
        r = err_set(e, ERR_TOK_HASH, "%s has ids up to %u, the tokenizer of %s has %d", dir,
                    shards_origin(s)->vocab, c->model, tokenizer_vocab(t));
    if (!r) r = shards_doc(s, (uint64_t)c->row, &d, e);
    if (!r && !(ids = malloc(d.n * sizeof *ids))) r = err_set(e, ERR_NOMEM, "no memory for %u tokens", d.n);
    if (!r) r = shards_read(s, (uint64_t)c->row, ids, e);
    if (!r) {
        d.ids = ids;
        printf("%s, row %" PRIu64 "\n", shards_origin(s)->source_names[d.source], d.source_row);
        r = show_doc(t, &d, e);
    }
    free(ids);
    shards_close(s);
    return r;
}

static int show_row(const struct conv_row *row, const struct show_config *c, const struct tokenizer *t,
                    struct err *e)
{
    static const char *const why[DOCUMENT_FATES] = {
        [DOCUMENT_EMPTY] = "it is empty",
        [DOCUMENT_NO_ANSWER] = "there is no answer in it, or none that begins within cutoff_len",
        [DOCUMENT_BAD_ROLES] = "its roles are unknown or in an impossible order"};
    struct document_rules rules = {t, c->system_prompt, (uint32_t)c->cutoff_len, (enum build_learn)c->learn};
    struct document d;
    int r = document_init(&d, e);
    if (r) return r;
    enum document_fate fate = document_turns(&d, row);
    if (fate == DOCUMENT_OK) r = document_render(&d, &rules, e);
    if (!r && fate == DOCUMENT_OK) fate = document_cut(&d, &rules);
    if (!r && fate != DOCUMENT_OK)
        r = err_set(e, ERR_NO_LABELS, "nothing can be learned from row %" PRIu64 ": %s", row->index,
                    why[fate]);
    if (!r) r = show_doc(t, &d.doc, e);
    document_release(&d);
    return r;
}

static int show_file(const char *path, const struct show_config *c, const struct tokenizer *t, struct err *e)
{
    struct conv_file *f;
    struct conv_row row;
    int r = conv_open(&f, path, e);
    if (r) return r;
    if ((uint64_t)c->row >= conv_rows(f))
        r = err_set(e, ERR_FIELD_RANGE, "%s has %" PRIu64 " rows, none has the number %" PRId64, path,
                    conv_rows(f), c->row);
    if (!r) r = conv_seek(f, (uint64_t)c->row, e);
    if (!r) r = conv_next(f, &row, e) == 1 ? show_row(&row, c, t, e) : e->code;
    conv_close(f);
    return r;
}

static int show(const char *path, const struct show_config *c, struct err *e)
{
    struct tokenizer *t;
    char manifest[FILE_PATH];
    int r = file_path(manifest, e, "%s/manifest.json", path);
    if (!r) r = recipe_tokenizer(&t, c->model, e);
    if (r) return r;
    r = file_exists(manifest) ? show_shards(path, c, t, e) : show_file(path, c, t, e);
    tokenizer_free(t);
    return r;
}

int cmd_show(int argc, char **argv)
{
    struct show_config c;
    struct options o;
    struct err e = {0};
    if (options_init(&o, options, &c, &e)) return cli_fail(&e);
    o.usage = "terse data show FILE|FOLDER [--row N] [-m MODEL]";
    o.about = "Prints a conversation as the model sees it: prompt, thinking, answer, each with its number of "
              "tokens; what of an answer is not learned is dimmed.";
    o.max_positional = 1;
    int status = cli_parse(&o, argc, argv);
    if (status < 0 && !o.n_positional) {
        err_set(&e, ERR_USAGE, "no file or folder given: terse data show FILE|FOLDER");
        status = cli_usage(&e);
    }
    if (status < 0) status = show(o.positional[0], &c, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
