/* terse generate, terse-infer run: answers to a prompt, as they come. */
#include "infer/cmd_run.h"
#include "infer/cli.h"
#include "infer/file_open.h"
#include "infer/json_write.h"
#include "infer/option_rows.h"
#include "infer/talk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROMPT_MAX = 64 << 20 /* bytes */, MAX_STREAMS = 64 };

struct generate_flags {
    struct model_flags model;
    struct sampling_flags sampling;
    struct budget_flags forcing;
    char *prompt, *file, *system;
    int64_t tokens, answers;
    bool raw, think, json;
};

#define AT(field) .at = offsetof(struct generate_flags, field)
static const struct option rows[] = {
    MODEL_ROWS(generate_flags),
    BUNDLE_ROW(generate_flags),
    {.key = "prompt",
     .type = OPT_STRING,
     AT(prompt),
     .unset = "what -f or standard input says",
     .short_flag = 'p',
     .group = "Prompt",
     .help = "the user's turn"},
    {.key = "file",
     .type = OPT_PATH,
     AT(file),
     .unset = "none",
     .short_flag = 'f',
     .help = "file with the user's turn"},
    {.key = "system", .type = OPT_STRING, AT(system), .unset = "the model's own", .help = "system turn"},
    {.key = "raw",
     .type = OPT_BOOL,
     AT(raw),
     .help = "go on from the text as it is, without a chat around it"},
    {.key = "think", .type = OPT_BOOL, AT(think), .help = "begin the answer with <think>"},
    LENGTH_ROW(AT(tokens), .group = "Answer"),
    {.key = "answers",
     .type = OPT_INT,
     AT(answers),
     .preset = "1",
     .min = 1,
     .max = 1024,
     .short_flag = 'N',
     .help = "so many answers to the one prompt, each with its own luck, side by side"},
    {.key = "json", .type = OPT_BOOL, AT(json), .help = "print an object a line and answer instead of text"},
    BUDGET_ROWS(generate_flags, NULL, "as many as -n leaves", "\\n</think>\\n\\n"),
    SAMPLING_ROWS(generate_flags, NULL),
    {0},
};

/* ---- the prompt -------------------------------------------------------------------------------------- */

static int read_stdin(char **text, size_t *n, struct err *e)
{
    size_t cap = 0, got = 1;
    *text = NULL, *n = 0;
    if (isatty(0)) fprintf(stderr, "type the prompt, and Ctrl-D at the end of it\n");
    while (got > 0 && *n < PROMPT_MAX) {
        if (*n + 1 >= cap) {
            cap = cap ? 2 * cap : 4096;
            char *more = realloc(*text, cap);
            if (!more) return err_set(e, ERR_NOMEM, "no memory for a prompt of %zu bytes", cap);
            *text = more;
        }
        got = fread(*text + *n, 1, cap - *n - 1, stdin);
        *n += got;
    }
    if (ferror(stdin)) return err_errno(e, errno, "cannot read standard input");
    return *n < PROMPT_MAX ? 0 : err_set(e, ERR_TOO_LARGE, "a prompt of more than %d bytes", PROMPT_MAX);
}

/* The text of the prompt, [*n], the caller's to free. A newline at the end of a file is the file's, not the
 * turn's. */
static int prompt_text(const struct generate_flags *f, char **text, size_t *n, struct err *e)
{
    if (f->prompt) {
        *n = strlen(f->prompt);
        *text = strdup(f->prompt);
        return *text ? 0 : err_set(e, ERR_NOMEM, "no memory for the prompt");
    }
    int r = f->file ? file_load(f->file, PROMPT_MAX, text, n, e) : read_stdin(text, n, e);
    while (!r && !f->raw && *n && ((*text)[*n - 1] == '\n' || (*text)[*n - 1] == '\r')) --*n;
    return r;
}

static int prompt_make(struct prompt *out, const struct generate_flags *f, const struct loaded *l,
                       const char *text, size_t n, struct err *e)
{
    struct chat_turn turn = {ROLE_USER, text, n};
    int r = f->raw ? prompt_raw(out, l, text, n, e) : prompt_chat(out, l, &turn, 1, f->system, f->think, e);
    if (!r && l->lora && out->adapt_from == UINT32_MAX)
        fprintf(stderr, "the adapter does not act: the prompt does not hold the tokens it waits for\n");
    if (!r && l->cold) fprintf(stderr, "the adapter changes nothing: its B matrices are all zero\n");
    return r;
}

/* ---- the answers ------------------------------------------------------------------------------------- */

static const char *finish_name(enum finish f)
{
    return f == FINISH_STOP ? "stop" : f == FINISH_LENGTH ? "length" : "cancel";
}

static int json_print(const struct answered *a, uint32_t index, const struct prompt *p, struct err *e)
{
    const struct detok *d = &a->text.text;
    size_t reply = d->n ? text_reply(d->text, d->n) : 0;
    struct js_out w;
    js_out_init(&w, 0);
    js_object(&w, NULL);
    js_put_uint(&w, "index", index);
    js_put_text(&w, "text", d->n ? d->text : "", d->n);
    js_put_text(&w, "reply", d->n ? d->text + reply : "", d->n - reply);
    js_put_string(&w, "finish", finish_name(a->finish));
    js_put_bool(&w, "closed", a->closed);
    js_put_uint(&w, "prompt_tokens", p->n);
    js_put_uint(&w, "tokens", a->tokens);
    js_close(&w);
    int r = js_out_end(&w, e);
    if (!r && (fwrite(w.text, 1, w.n, stdout) != w.n || putchar('\n') == EOF || fflush(stdout)))
        r = err_errno(e, errno, "cannot write the answer");
    js_out_free(&w);
    return r;
}

/* Several answers come side by side, so they are printed when all are done. */
static int answers_print(const struct generate_flags *f, const struct answered *a, const struct prompt *p,
                         struct err *e)
{
    int r = 0;
    for (uint32_t i = 0; !r && i < (uint32_t)f->answers; i++) {
        const struct detok *d = &a[i].text.text;
        if (f->json) {
            r = json_print(&a[i], i, p, e);
        } else if (f->answers > 1) {
            printf("--- answer %u of %u\n", i + 1, (uint32_t)f->answers);
            cli_text(stdout, d->text, d->n);
            putchar('\n');
        }
    }
    if (!r && (fflush(stdout) || ferror(stdout))) r = err_errno(e, errno, "cannot write the answers");
    return r;
}

/* One line on what it took. */
static void timing_print(const struct generate_stats *stats, const struct answered *a, uint32_t n)
{
    char timing[160];
    talk_timing(stats, n, timing, sizeof timing);
    fprintf(stderr, "%s%s%s%s%s\n", cli_style(stderr, CLI_DIM), timing,
            a[0].closed && n == 1 ? ", the thinking closed by its budget" : "",
            a[0].finish == FINISH_LENGTH && n == 1 ? ", cut there" : "", cli_style(stderr, CLI_PLAIN));
}

static int answers_make(const struct generate_flags *f, const struct options *o, const struct loaded *l,
                        const struct prompt *p, const struct budget *b, struct answered *a, struct err *e)
{
    struct sampler_config c;
    struct talk t;
    struct generate_stats stats = {0};
    uint32_t n = (uint32_t)f->answers, most = f->tokens ? p->n + (uint32_t)f->tokens : l->m->context;
    run_options_sampler(&c, o, &f->sampling, &l->m->c);
    struct session_config sc = run_options_session(&f->model, n < MAX_STREAMS ? n : MAX_STREAMS, most);
    int r = talk_open(&t, l, &c, sc, e);
    if (r) return r;
    if (b->tokens) t.budget = b;
    FILE *live = n > 1 || f->json ? NULL : stdout;
    for (uint32_t i = 0; i < n; i++) a[i].text = (struct printer){.f = live, .text.t = l->tokenizer};
    r = talk_answer(&t, p, (uint32_t)f->tokens, a, n, &stats, e);
    if (!r) r = answers_print(f, a, p, e);
    if (!r) {
        timing_print(&stats, a, n);
        if (a[0].finish == FINISH_CANCEL) r = err_set(e, ERR_INTERRUPTED, "interrupted");
    }
    talk_close(&t);
    return r;
}

static int answer(const struct generate_flags *f, const struct options *o, const struct loaded *l,
                  const char *text, size_t n, struct err *e)
{
    struct prompt p;
    struct budget b;
    int r = prompt_make(&p, f, l, text, n, e);
    if (r) return r;
    struct answered *a = calloc((size_t)f->answers, sizeof *a);
    r = run_options_budget(&b, &f->forcing, l->tokenizer, BUDGET_CLOSING, e);
    if (!r)
        r = a ? answers_make(f, o, l, &p, &b, a, e)
              : err_set(e, ERR_NOMEM, "no memory for %u answers", (unsigned)f->answers);
    for (uint32_t i = 0; a && i < (uint32_t)f->answers; i++) printer_clear(&a[i].text);
    free(a);
    budget_clear(&b);
    prompt_clear(&p);
    return r;
}

static int run(const struct model_source *from, const struct generate_flags *f, const struct options *o,
               struct err *e)
{
    struct loaded l;
    char *text;
    size_t n;
    int r = prompt_text(f, &text, &n, e);
    if (!r && !(r = run_options_load(&l, from, &f->model, e))) {
        cli_catch_signals();
        r = answer(f, o, &l, text, n, e);
        loaded_clear(&l);
    }
    free(text);
    return r;
}

static int check(const struct options *o, const struct generate_flags *f, struct err *e)
{
    if (f->prompt && f->file) return err_set(e, ERR_USAGE, "-p and -f both give a prompt; leave one out");
    if (f->raw && (f->system || f->think))
        return err_set(e, ERR_USAGE, "--raw takes the text as it is, so --system and --think have no place");
    int r = run_options_lengths(&f->forcing, f->tokens, e);
    return r ? r : run_options_check(o, e);
}

int cmd_run(const struct model_source *from, int argc, char **argv)
{
    struct option table[sizeof rows / sizeof *rows];
    struct generate_flags f;
    struct options o = {0};
    struct err e = {0};
    char usage[160];
    run_options_table(table, rows, sizeof rows, from);
    if (options_init(&o, table, &f, &e)) return cli_fail(&e);
    snprintf(usage, sizeof usage, "%s %s -m MODEL [--lora ADAPTER] [-p TEXT | -f FILE] [-n TOKENS]",
             cli_program(), argv[0]);
    o.usage = usage;
    o.about = "Answers a prompt (from standard input, where neither -p nor -f gives one). The thinking "
              "between <think> and "
              "</think> is dimmed on a terminal. Without an adapter the base model answers directly; an "
              "adapter acts "
              "from the assistant's header on, or wherever its gate says.";
    int status = cli_parse(&o, argc, argv);
    if (status < 0 && check(&o, &f, &e)) status = cli_usage(&e);
    if (status < 0) status = run(from, &f, &o, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
