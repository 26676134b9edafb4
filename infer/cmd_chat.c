/* terse chat, terse-infer chat: turn after turn. What was said stays in the KV cache: a turn costs its own
 * tokens only. */
#include "infer/cmd_chat.h"
#include "infer/cli.h"
#include "infer/option_rows.h"
#include "infer/talk.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct chat_options {
    struct model_flags model;
    struct sampling_flags sampling;
    struct budget_flags forcing;
    struct ask_flags ask;
    char *system;
    int64_t tokens;
};

#define AT(field) .at = offsetof(struct chat_options, field)
static const struct option rows[] = {
    MODEL_ROWS(chat_options),
    HEADS_ROW(chat_options),
    BUNDLE_ROW(chat_options),
    {.key = "system",
     .type = OPT_STRING,
     AT(system),
     .unset = "the model's own",
     .group = "Conversation",
     .help = "system turn"},
    ASK_ROWS(chat_options),
    LENGTH_ROW(AT(tokens)),
    BUDGET_ROWS(chat_options, NULL, "as many as -n leaves", "\\n</think>\\n\\n"),
    SAMPLING_ROWS(chat_options, NULL),
    {0},
};

struct conversation {
    const struct chat_options *f;
    struct asker asker;
    struct ask_config how;
    struct chat_turn *turns; /* [n], contents owned */
    uint32_t n, capacity;
    char *system; /* owned; NULL: the model's own */
};

/* ---- turns ------------------------------------------------------------------------------------------- */

static int turn_add(struct conversation *c, enum chat_role role, const char *text, size_t len, struct err *e)
{
    if (c->n == c->capacity) {
        uint32_t more = c->capacity ? 2 * c->capacity : 16;
        struct chat_turn *turns = realloc(c->turns, more * sizeof *turns);
        if (!turns) return err_set(e, ERR_NOMEM, "no memory for %u turns", more);
        c->turns = turns, c->capacity = more;
    }
    char *copy = malloc(len + 1);
    if (!copy) return err_set(e, ERR_NOMEM, "no memory for a turn of %zu bytes", len);
    memcpy(copy, text, len);
    c->turns[c->n++] = (struct chat_turn){role, copy, len};
    return 0;
}

static void turns_cut(struct conversation *c, uint32_t n)
{
    while (c->n > n) free((char *)(uintptr_t)c->turns[--c->n].content);
}

static void timing_print(const struct generate_stats *stats, const struct ask *q)
{
    char text[160];
    if (!cli_live(stderr)) return;
    talk_timing(stats, q->chains, text, sizeof text);
    fprintf(stderr, "%s%s%s\n", cli_style(stderr, CLI_DIM), text, cli_style(stderr, CLI_PLAIN));
}

/* The chain that stands for the answer, shown where it was not shown as it came. */
static int chain_show(const struct ask *q, uint32_t i, struct err *e)
{
    if (q->chains == 1) return 0;
    int r = talk_vote_print(stderr, q, true, e);
    cli_text(stdout, q->text[i].text, q->text[i].n);
    putchar('\n');
    if (!r && (fflush(stdout) || ferror(stdout))) r = err_errno(e, errno, "cannot write the answer");
    return r;
}

/* Answers the last turn. The answer joins the conversation without its thinking: later turns are the base's
 * to read, and it has never seen any. */
static int answer(struct conversation *c, struct err *e)
{
    struct ask q;
    struct generate_stats stats;
    int r = ask_chat(&q, &c->asker, &c->how, c->turns, c->n, c->system, e);
    if (r) return r;
    cli_catch_signals();
    r = talk_run(&c->asker, &q, stdout, &stats, e);
    uint32_t best = q.settled && q.vote.chain < q.chains ? q.vote.chain : 0;
    if (!r) r = chain_show(&q, best, e);
    const struct detok *d = &q.text[best];
    size_t reply = d->n ? text_reply(d->text, d->n) : 0;
    if (!r) timing_print(&stats, &q);
    if (!r) r = turn_add(c, ROLE_ASSISTANT, d->n ? d->text + reply : "", d->n - reply, e);
    if (!r && cli_interrupted() == SIGTERM) r = err_set(e, ERR_INTERRUPTED, "told to end");
    cli_release_signals();
    ask_clear(&q);
    return r;
}

/* A user's turn and its answer. Where there is no answer there is no turn either. */
static int say(struct conversation *c, const char *text, size_t len, struct err *e)
{
    uint32_t before = c->n;
    int r = turn_add(c, ROLE_USER, text, len, e);
    if (!r) r = answer(c, e);
    if (r) turns_cut(c, before);
    return r;
}

/* ---- commands ---------------------------------------------------------------------------------------- */

static void help_print(void)
{
    fputs("/reset            forget the conversation\n"
          "/system TEXT      another system turn; forgets the conversation\n"
          "/mode MODE        auto, chat (the base alone) or reason (with the adapter)\n"
          "Ctrl-C stops an answer, Ctrl-D leaves.\n",
          stderr);
}

static int system_set(struct conversation *c, const char *text, struct err *e)
{
    char *copy = strdup(text);
    if (!copy) return err_set(e, ERR_NOMEM, "no memory for a system turn");
    free(c->system);
    c->system = copy;
    turns_cut(c, 0);
    return 0;
}

static void mode_set(struct conversation *c, const char *word)
{
    static const char *const names[] = {"auto", "chat", "reason"};
    struct ask_config how = c->how;
    struct err e = {0};
    int k = 0;
    while (k < 3 && strcmp(word, names[k]) != 0) k++;
    how.mode = (enum ask_mode)k;
    if (k == 3)
        fprintf(stderr, "/mode auto, /mode chat or /mode reason\n");
    else if (ask_config_check(&how, c->asker.l, &e))
        fprintf(stderr, "%s\n", e.msg);
    else
        c->how = how;
}

/* True when `line` is the command `name`; *rest is what follows it. */
static bool is_command(const char *line, const char *name, const char **rest)
{
    size_t n = strlen(name);
    if (strncmp(line, name, n) || (line[n] && line[n] != ' ')) return false;
    *rest = line + n + strspn(line + n, " ");
    return true;
}

static int obey(struct conversation *c, const char *line, struct err *e)
{
    const char *rest;
    if (is_command(line, "/reset", &rest))
        turns_cut(c, 0);
    else if (is_command(line, "/system", &rest))
        return system_set(c, rest, e);
    else if (is_command(line, "/mode", &rest))
        mode_set(c, rest);
    else {
        if (!is_command(line, "/help", &rest)) fprintf(stderr, "unknown command %.40s\n", line);
        help_print();
    }
    return 0;
}

/* ---- the loop ---------------------------------------------------------------------------------------- */

/* The next line without its newline; false at the end. */
static bool line_read(char **line, size_t *cap, size_t *len, bool terminal)
{
    if (terminal) {
        fprintf(stderr, "%s> %s", cli_style(stderr, CLI_BOLD), cli_style(stderr, CLI_PLAIN));
        fflush(stderr);
    }
    ssize_t n = getline(line, cap, stdin);
    if (n < 0) {
        if (terminal) fputc('\n', stderr);
        return false;
    }
    while (n > 0 && ((*line)[n - 1] == '\n' || (*line)[n - 1] == '\r')) (*line)[--n] = 0;
    *len = (size_t)n;
    return true;
}

/* A turn that fails for what was said (too long, not UTF-8) does not end the conversation. */
static bool can_go_on(int code)
{
    return code == ERR_CTX_FULL || code == ERR_UTF8 || code == ERR_TEXT_LEN;
}

static int loop(struct conversation *c, struct err *e)
{
    char *line = NULL;
    size_t cap = 0, len;
    bool terminal = isatty(0);
    int r = 0;
    while (!r && line_read(&line, &cap, &len, terminal)) {
        struct err why = {0};
        if (!len) continue;
        r = line[0] == '/' ? obey(c, line, &why) : say(c, line, len, &why);
        if (can_go_on(r)) {
            cli_fail(&why);
            if (r == ERR_CTX_FULL) fprintf(stderr, "/reset forgets the conversation so far\n");
            r = 0;
        } else if (r) {
            *e = why;
        }
    }
    free(line);
    return r;
}

static int converse(const struct model_source *from, const struct chat_options *f, const struct options *o,
                    const struct loaded *l, struct err *e)
{
    struct conversation c = {.f = f};
    struct budget budget;
    int r = run_options_ask(&c.how, o, &f->ask, from, l, e);
    if (!r) r = run_options_one_answer(&c.how, e);
    if (!r) r = run_options_budget(&budget, &f->forcing, l->tokenizer, BUDGET_CLOSING, e);
    if (r) return r;
    run_options_sampler(&c.how.sampler, o, &f->sampling, &l->m->c);
    c.how.max_new = (uint32_t)f->tokens, c.how.budget = budget.tokens ? &budget : NULL;
    r = sampler_config_check(&c.how.sampler, e);
    if (!r) r = asker_open(&c.asker, l, run_options_session(&f->model, c.how.chains, l->m->context), e);
    if (!r && f->system) r = system_set(&c, f->system, e);
    if (!r && l->cold) fprintf(stderr, "the adapter changes nothing: its B matrices are all zero\n");
    if (!r && isatty(0)) fprintf(stderr, "/help lists the commands, Ctrl-C stops an answer, Ctrl-D leaves\n");
    if (!r) r = loop(&c, e);
    turns_cut(&c, 0);
    free(c.turns);
    free(c.system);
    asker_clear(&c.asker);
    budget_clear(&budget);
    return r;
}

static int run(const struct model_source *from, const struct chat_options *f, const struct options *o,
               struct err *e)
{
    struct loaded l;
    int r = run_options_load(&l, from, &f->model, e);
    if (r) return r;
    r = converse(from, f, o, &l, e);
    loaded_clear(&l);
    return r;
}

int cmd_chat(const struct model_source *from, int argc, char **argv)
{
    struct option table[sizeof rows / sizeof *rows];
    struct chat_options f;
    struct options o = {0};
    struct err e = {0};
    char usage[120];
    run_options_table(table, rows, sizeof rows, from);
    if (options_init(&o, table, &f, &e)) return cli_fail(&e);
    snprintf(usage, sizeof usage, "%s %s -m MODEL [--lora ADAPTER] [--system TEXT]", cli_program(), argv[0]);
    o.usage = usage;
    o.about = "Talks: a line is a turn, Ctrl-C stops an answer, Ctrl-D leaves, /help lists the commands. "
              "From a pipe it "
              "answers line by line. The thinking is dimmed, and not kept: later turns see the answers only.";
    int status = cli_parse(&o, argc, argv);
    if (status < 0 && (run_options_check(&o, &e) || run_options_lengths(&f.forcing, f.tokens, &e)))
        status = cli_usage(&e);
    if (status < 0) status = run(from, &f, &o, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
