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

enum {
    PROMPT_MAX = 64 << 20 /* bytes */,
    MAX_STREAMS = 64,
    HEADERS = 64 /* tokens around two turns, at most */
};

struct generate_flags {
    struct model_flags model;
    struct sampling_flags sampling;
    struct budget_flags forcing;
    struct ask_flags ask;
    char *prompt, *file, *system;
    int64_t tokens;
    bool raw, json;
};

#define AT(field) .at = offsetof(struct generate_flags, field)
static const struct option rows[] = {
    MODEL_ROWS(generate_flags),
    HEADS_ROW(generate_flags),
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
    ASK_ROWS(generate_flags),
    LENGTH_ROW(AT(tokens), .group = "Answer"),
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

/* The question, in the one way or the two that it may be answered. */
static int question_make(struct ask *q, struct asker *a, const struct generate_flags *f,
                         const struct ask_config *c, const char *text, size_t n, struct err *e)
{
    const struct loaded *l = a->l;
    struct chat_turn turn = {ROLE_USER, text, n};
    struct prompt p;
    int r = f->raw ? prompt_raw(&p, l, text, n, e) : 0;
    if (!r) r = f->raw ? ask_prompt(q, a, c, &p, e) : ask_chat(q, a, c, &turn, 1, f->system, e);
    if (!r && l->lora && q->reason.n && q->reason.adapt_from == UINT32_MAX)
        fprintf(stderr, "the adapter does not act: the prompt does not hold the tokens it waits for\n");
    if (!r && l->cold) fprintf(stderr, "the adapter changes nothing: its B matrices are all zero\n");
    return r;
}

/* ---- the answers ------------------------------------------------------------------------------------- */

static const char *finish_name(enum finish f)
{
    return f == FINISH_STOP ? "stop" : f == FINISH_LENGTH ? "length" : "cancel";
}

/* What is known of a chain, in the object that is open. */
static void chain_put(struct js_out *w, const struct ask *q, uint32_t i)
{
    const struct request *r = &q->request[i];
    const struct detok *d = &q->text[i];
    struct answer a = q->answer[i];
    bool scored = q->chain[i].score >= 0;
    size_t reply = d->n ? text_reply(d->text, d->n) : 0;
    js_put_uint(w, "index", i);
    js_put_text(w, "text", d->n ? d->text : "", d->n);
    js_put_text(w, "reply", d->n ? d->text + reply : "", d->n - reply);
    js_put_string(w, "finish", finish_name(r->finish));
    js_put_bool(w, "closed", r->closed);
    js_put_uint(w, "tokens", r->n_answer);
    if (!q->c.votes && !scored) return;
    if (a.kind == ANSWER_NONE)
        js_put_null(w, "answer");
    else
        js_put_text(w, "answer", a.s, a.n);
    if (scored)
        js_put_real(w, "score", (double)q->chain[i].score);
    else
        js_put_null(w, "score");
}

/* How the question was taken. */
static void way_put(struct js_out *w, const struct ask *q)
{
    js_put_string(w, "mode", q->reasons ? "reason" : "chat");
    if (q->probability >= 0) js_put_real(w, "probability", q->probability);
    js_put_uint(w, "prompt_tokens", ask_way(q)->n);
}

static void vote_put(struct js_out *w, const struct ask *q)
{
    js_object(w, "vote");
    js_put_string(w, "kind", vote_name(q->c.vote));
    js_put_uint(w, "chain", q->vote.chain);
    js_put_real(w, "weight", (double)q->vote.weight / VOTE_ONE);
    js_put_real(w, "total", (double)q->vote.total / VOTE_ONE);
    js_put_bool(w, "early", q->early);
    js_close(w);
}

static int line_print(struct js_out *w, struct err *e)
{
    int r = js_out_end(w, e);
    if (!r && (fwrite(w->text, 1, w->n, stdout) != w->n || putchar('\n') == EOF || fflush(stdout)))
        r = err_errno(e, errno, "cannot write the answer");
    js_out_free(w);
    return r;
}

/* An object a line: one for each answer, or where there was a vote one for the question. */
static int json_print(const struct ask *q, struct err *e)
{
    struct js_out w;
    int r = 0;
    for (uint32_t i = 0; !r && !q->c.votes && i < q->chains; i++) {
        js_out_init(&w, 0);
        js_object(&w, NULL);
        chain_put(&w, q, i);
        way_put(&w, q);
        js_close(&w);
        r = line_print(&w, e);
    }
    if (r || !q->c.votes) return r;
    js_out_init(&w, 0);
    js_object(&w, NULL);
    chain_put(&w, q, q->vote.chain < q->chains ? q->vote.chain : 0);
    way_put(&w, q);
    vote_put(&w, q);
    js_array(&w, "chains");
    for (uint32_t i = 0; i < q->chains; i++) {
        js_object(&w, NULL);
        chain_put(&w, q, i);
        js_close(&w);
    }
    js_close(&w);
    js_close(&w);
    return line_print(&w, e);
}

static int text_print(const struct ask *q, uint32_t i, struct err *e)
{
    cli_text(stdout, q->text[i].text, q->text[i].n);
    putchar('\n');
    return fflush(stdout) || ferror(stdout) ? err_errno(e, errno, "cannot write the answers") : 0;
}

/* Several chains come side by side, so they are printed when all are done: all of them, or the one that the
 * vote has picked. */
static int answers_print(const struct generate_flags *f, const struct ask *q, struct err *e)
{
    int r = 0;
    if (f->json) return json_print(q, e);
    if (q->chains == 1) /* it came as it was written */
        return f->ask.show_chains ? talk_vote_print(stderr, q, true, e) : 0;
    for (uint32_t i = 0; !r && i < q->chains && (!q->c.votes || f->ask.show_chains); i++) {
        printf("--- answer %u of %u\n", i + 1, q->chains);
        r = text_print(q, i, e);
    }
    if (!r && q->c.votes) r = talk_vote_print(stderr, q, true, e);
    if (!r && q->c.votes && f->ask.show_chains) puts("--- voted for");
    return !r && q->c.votes && q->vote.chain < q->chains ? text_print(q, q->vote.chain, e) : r;
}

/* One line on what it took. */
static void timing_print(const struct generate_stats *stats, const struct ask *q)
{
    char timing[160];
    const struct request *r = &q->request[0];
    talk_timing(stats, q->chains, timing, sizeof timing);
    fprintf(stderr, "%s%s%s%s%s\n", cli_style(stderr, CLI_DIM), timing,
            r->closed && q->chains == 1 ? ", the thinking closed by its budget" : "",
            r->finish == FINISH_LENGTH && q->chains == 1 ? ", cut there" : "", cli_style(stderr, CLI_PLAIN));
}

static bool cut_short(const struct ask *q)
{
    return !q->settled && q->request[0].finish == FINISH_CANCEL;
}

static int answer(const struct generate_flags *f, const struct ask_config *c, struct asker *a,
                  const char *text, size_t n, struct err *e)
{
    struct ask q;
    struct generate_stats stats = {0};
    int r = question_make(&q, a, f, c, text, n, e);
    if (r) return r;
    r = talk_run(a, &q, f->json ? NULL : stdout, &stats, e);
    if (!r) r = answers_print(f, &q, e);
    if (!r) timing_print(&stats, &q);
    if (!r && cut_short(&q)) r = err_set(e, ERR_INTERRUPTED, "interrupted");
    ask_clear(&q);
    return r;
}

/* Tokens that a stream needs, at most: a byte may become three of another form. */
static uint32_t longest(const struct generate_flags *f, const struct loaded *l, size_t n)
{
    const char *system = f->system ? f->system : tokenizer_default_system(l->tokenizer);
    uint64_t most = (uint64_t)f->tokens + 3 * (n + (system ? strlen(system) : 0)) + HEADERS;
    return f->tokens && most < l->m->context ? (uint32_t)most : l->m->context;
}

static int ask_all(const struct model_source *from, const struct generate_flags *f, const struct options *o,
                   const struct loaded *l, const char *text, size_t n, struct err *e)
{
    struct ask_config c;
    struct asker a;
    struct budget b;
    int r = run_options_ask(&c, o, &f->ask, from, l, e);
    if (!r) r = run_options_budget(&b, &f->forcing, l->tokenizer, BUDGET_CLOSING, e);
    if (r) return r;
    uint32_t streams = c.chains < MAX_STREAMS ? c.chains : MAX_STREAMS;
    run_options_sampler(&c.sampler, o, &f->sampling, &l->m->c);
    c.max_new = (uint32_t)f->tokens, c.budget = b.tokens ? &b : NULL;
    r = sampler_config_check(&c.sampler, e);
    if (!r) r = asker_open(&a, l, run_options_session(&f->model, streams, longest(f, l, n)), e);
    if (!r) {
        r = answer(f, &c, &a, text, n, e);
        asker_clear(&a);
    }
    budget_clear(&b);
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
        r = ask_all(from, f, o, &l, text, n, e);
        loaded_clear(&l);
    }
    free(text);
    return r;
}

static int check(const struct options *o, const struct generate_flags *f, struct err *e)
{
    if (f->prompt && f->file) return err_set(e, ERR_USAGE, "-p and -f both give a prompt; leave one out");
    if (f->raw && (f->system || f->ask.think))
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
