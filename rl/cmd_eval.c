/* terse eval: how many problems of a file a model solves. */
#include "rl/cmd_eval.h"
#include "checkpoints/file.h"
#include "checkpoints/json.h"
#include "infer/cli.h"
#include "infer/printer.h"
#include "infer/progress.h"
#include "infer/run_options.h"
#include "infer/talk.h"
#include "rl/eval.h"
#include "rl/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CAPS_MAX = 16 };

struct eval_flags {
    struct model_flags model;
    struct sampling_flags sampling;
    struct budget_flags forcing;
    struct ask_flags ask;
    struct string_list caps;
    char *dataset, *output, *samples, *system;
    int64_t max_samples, streams, max_new, show;
    uint32_t cap[CAPS_MAX]; /* [caps.n], read */
};

#define AT(field) .at = offsetof(struct eval_flags, field)
static const struct option rows[] = {
    MODEL_ROWS(eval_flags),
    HEADS_ROW(eval_flags),
    BUNDLE_ROW(eval_flags),
    {.key = "dataset",
     .type = OPT_PATH,
     AT(dataset),
     .required = true,
     .group = "Problems",
     .help = "FILE.parquet in OpenThoughts3's schema, or FILE.jsonl with problem (or question) and answer"},
    {.key = "max_samples",
     .type = OPT_INT,
     AT(max_samples),
     .preset = "300",
     .min = 0,
     .max = 1e9,
     .help = "use the first so many; 0 for all"},
    {.key = "system", .type = OPT_STRING, AT(system), .unset = "the model's own", .help = "system turn"},
    ASK_ROWS(eval_flags),
    {.key = "streams",
     .type = OPT_INT,
     AT(streams),
     .preset = "32",
     .min = 1,
     .max = 4096,
     .group = "Generation",
     .help = "answers generated at a time; they do not depend on it"},
    {.key = "max_new",
     .alias = "max_new_tokens",
     .type = OPT_INT,
     AT(max_new),
     .preset = "512",
     .min = 1,
     .max = 1 << 20,
     .unit = "tokens",
     .short_flag = 'n',
     .help = "longest answer"},
    BUDGET_ROWS(eval_flags, "64", NULL, "\\n</think>\\n\\nSo \\boxed{"),
    {.key = "caps",
     .type = OPT_STRINGS,
     AT(caps),
     .unset = "none",
     .unit = "tokens",
     .help = "32,64,128: accuracy without a budget, and beside it under each of these"},
    SAMPLING_ROWS(eval_flags, "0"),
    {.key = "output",
     .type = OPT_PATH,
     AT(output),
     .unset = "none",
     .short_flag = 'o',
     .group = "Files",
     .help = "JSON file for the figures"},
    {.key = "show",
     .type = OPT_INT,
     AT(show),
     .preset = "0",
     .min = 0,
     .max = 1 << 20,
     .unit = "problems",
     .help = "print so many problems with their answers, as they finish"},
    {.key = "samples",
     .type = OPT_PATH,
     AT(samples),
     .unset = "none",
     .help = "JSON lines file for the answers, written as they finish"},
    {0},
};

/* ---- as it runs -------------------------------------------------------------------------------------- */

struct screen {
    struct progress bar;
    const char *path; /* of the samples, or NULL */
    int fd;
    uint32_t cap; /* that answers now have */
    size_t done, correct, show;
    double started;
};

static void styled(enum cli_style style, const char *text, size_t n)
{
    fputs(cli_style(stdout, style), stdout);
    cli_text(stdout, text, n);
    fputs(cli_style(stdout, CLI_PLAIN), stdout);
}

/* A problem and its answer for people, the thinking dimmed. */
static void sample_print(struct screen *sc, const struct eval_sample *s)
{
    const struct chat_turn *asked = &s->problem->turns[s->problem->n_turns - 1];
    size_t reply = text_reply(s->text, s->len);
    progress_clear(&sc->bar);
    styled(CLI_BOLD, asked->content, asked->len);
    putchar('\n');
    styled(CLI_DIM, s->text, reply);
    cli_text(stdout, s->text + reply, s->len - reply);
    putchar('\n');
    styled(s->correct ? CLI_GREEN : CLI_RED, s->correct ? "right" : "wrong", 5);
    printf(" (%s), expected ", s->grade.rule);
    cli_text(stdout, s->problem->reference, strlen(s->problem->reference));
    printf("; %u tokens\n", s->tokens);
    if (s->ask->probability >= 0) printf("worth thinking about: %.0f %%\n", 100 * s->ask->probability);
    if (s->ask->c.votes) talk_vote_print(stdout, s->ask, s->ask->c.all, NULL);
    putchar('\n');
}

/* Every chain's answer, score and length; null where it was given up, has none or was not read. */
static void chains_put(struct js_out *w, const struct ask *q)
{
    js_array(w, "chains");
    for (uint32_t i = 0; i < q->chains; i++) {
        struct answer a = q->chain[i].answer < 0 ? (struct answer){0} : q->answer[i];
        js_object(w, NULL);
        if (a.n)
            js_put_text(w, "answer", a.s, a.n);
        else
            js_put_null(w, "answer");
        if (q->chain[i].score >= 0)
            js_put_real(w, "score", (double)q->chain[i].score);
        else
            js_put_null(w, "score");
        js_put_uint(w, "tokens", q->request[i].n_answer);
        js_close(w);
    }
    js_close(w);
}

static int sample_save(const struct screen *sc, const struct eval_sample *s, struct err *e)
{
    struct js_out w;
    js_out_init(&w, 0);
    js_object(&w, NULL);
    js_put_uint(&w, "row", s->problem->row);
    const struct chat_turn *asked = &s->problem->turns[s->problem->n_turns - 1];
    js_put_text(&w, "problem", asked->content, asked->len);
    js_put_string(&w, "reference", s->problem->reference);
    if (s->grade.answer.kind)
        js_put_text(&w, "answer", s->grade.answer.s, s->grade.answer.n);
    else
        js_put_null(&w, "answer");
    js_put_bool(&w, "correct", s->correct);
    js_put_string(&w, "verdict", grade_verdict_name(s->grade.verdict));
    js_put_string(&w, "rule", s->grade.rule);
    js_put_string(&w, "found", answer_kind_name(s->grade.answer.kind));
    js_put_bool(&w, "truncated", s->truncated);
    js_put_bool(&w, "closed", s->closed);
    if (s->cap) js_put_uint(&w, "cap", s->cap);
    js_put_uint(&w, "tokens", s->tokens);
    js_put_string(&w, "mode", s->ask->reasons ? "reason" : "chat");
    if (s->ask->probability >= 0) js_put_real(&w, "probability", s->ask->probability);
    if (s->ask->c.votes) chains_put(&w, s->ask);
    js_put_text(&w, "text", s->text, s->len);
    js_close(&w);
    int r = js_out_end(&w, e);
    if (!r) {
        w.text[w.n++] = '\n'; /* in the place of its NUL */
        r = file_write_fd(sc->fd, sc->path, w.text, w.n, e);
    }
    js_out_free(&w);
    return r;
}

static int on_sample(void *ctx, const struct eval_sample *s, struct err *e)
{
    struct screen *sc = ctx;
    if (s->cap != sc->cap) sc->cap = s->cap, sc->done = sc->correct = 0;
    sc->done++, sc->correct += s->correct;
    if (!s->cap && sc->done <= sc->show) sample_print(sc, s);
    return sc->path ? sample_save(sc, s, e) : 0;
}

static int on_tick(void *ctx, size_t done, uint64_t tokens)
{
    struct screen *sc = ctx;
    char note[96] = "";
    double seconds = progress_clock() - sc->started;
    int n = snprintf(note, sizeof note, "%.0f tok/s", seconds > 0 ? (double)tokens / seconds : 0);
    if (sc->done)
        n += snprintf(note + n, sizeof note - (size_t)n, "  %.1f %% right",
                      100.0 * (double)sc->correct / (double)sc->done);
    if (sc->cap) snprintf(note + n, sizeof note - (size_t)n, " at %u tokens", sc->cap);
    progress_update(&sc->bar, done, note);
    return cli_interrupted();
}

/* ---- what is left of it ------------------------------------------------------------------------------ */

static void result_put(struct js_out *w, const struct eval_result *r)
{
    if (r->cap) js_put_uint(w, "cap", r->cap);
    js_put_real(w, "accuracy", r->accuracy);
    js_put_real(w, "stderr", r->stderr_);
    js_put_uint(w, "n", r->n);
    js_put_real(w, "tokens_mean", r->tokens_mean);
    js_put_real(w, "tokens_median", r->tokens_median);
    js_put_real(w, "closed", r->closed);
    js_put_real(w, "truncated", r->truncated);
    js_put_real(w, "no_answer", r->no_answer);
    js_put_real(w, "undecided", r->undecided);
    js_put_real(w, "reasoned", r->reasoned);
}

/* r [1 + caps]. */
static int result_save(const struct eval_result *r, const struct eval_config *c, const char *path,
                       struct err *e)
{
    struct js_out w;
    js_out_init(&w, 2);
    js_object(&w, NULL);
    result_put(&w, &r[0]);
    js_put_real(&w, "tokens_per_second", r->tokens_per_second);
    if (c->forcing && c->forcing->tokens) js_put_uint(&w, "budget", c->forcing->tokens);
    if (c->ask.chains > 1) {
        js_put_uint(&w, "chains", c->ask.chains);
        js_put_string(&w, "vote", c->ask.votes ? vote_name(c->ask.vote) : "none");
        js_put_real(&w, "early", r[0].early);
    }
    if (c->ask.chains > 1 && c->ask.all) {
        js_put_real(&w, "single", r[0].single);
        js_put_real(&w, "oracle", r[0].oracle);
    }
    if (c->n_caps) js_array(&w, "caps");
    for (uint32_t i = 1; i <= c->n_caps; i++) {
        js_object(&w, NULL);
        result_put(&w, &r[i]);
        js_close(&w);
    }
    if (c->n_caps) js_close(&w);
    js_close(&w);
    return js_out_save(&w, path, e);
}

static void cap_print(const struct eval_result *r)
{
    char cap[16] = "none";
    if (r->cap) snprintf(cap, sizeof cap, "%u", r->cap);
    printf("%8s  %7.1f +- %-4.1f  %8.1f  %8.1f  %10.1f\n", cap, 100 * r->accuracy, 100 * r->stderr_,
           r->tokens_mean, 100 * r->closed, 100 * r->truncated);
}

/* r [1 + caps]. */
static void result_print(const struct eval_result *r, const struct eval_config *c)
{
    printf("accuracy %.1f %% +- %.1f of %zu problems; tokens %.0f mean, %.0f median, %.1f %% truncated, "
           "%.1f %% without an answer",
           100 * r->accuracy, 100 * r->stderr_, r->n, r->tokens_mean, r->tokens_median, 100 * r->truncated,
           100 * r->no_answer);
    if (c->forcing && c->forcing->tokens) printf(", %.1f %% closed by the budget", 100 * r->closed);
    printf("; %.0f tok/s\n", r->tokens_per_second);
    if (c->ask.mode == ASK_AUTO) printf("%.1f %% reasoned about\n", 100 * r->reasoned);
    if (c->ask.votes)
        printf("%s vote of %u chains, %.1f %% over early\n", vote_name(c->ask.vote), c->ask.chains,
               100 * r->early);
    if (c->ask.chains > 1 && c->ask.all)
        printf("one chain %.1f %%, the best of %u %.1f %%\n", 100 * r->single, c->ask.chains,
               100 * r->oracle);
    if (!c->n_caps) return;
    printf("\n%8s  %15s  %8s  %8s  %10s\n", "cap", "accuracy %", "tokens", "closed %", "no end %");
    for (uint32_t i = 1; i <= c->n_caps; i++) cap_print(&r[i]);
    cap_print(&r[0]);
}

static int samples_open(struct screen *sc, const char *path, struct err *e)
{
    sc->path = path, sc->fd = -1;
    if (!path) return 0;
    sc->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    return sc->fd < 0 ? err_errno(e, errno, "cannot write %s", path) : 0;
}

/* Runs it under a live line; r [1 + caps] is filled. */
static int evaluate(struct eval_result *r, const struct eval_flags *f, const struct loaded *l,
                    const struct problems *p, const struct eval_config *c, struct err *e)
{
    struct screen sc;
    struct eval_events ev = {on_sample, on_tick, &sc};
    size_t all = p->n * (1 + c->n_caps);
    memset(&sc, 0, sizeof sc);
    sc.show = (size_t)f->show;
    int code = samples_open(&sc, f->samples, e);
    if (code) return code;
    progress_start(&sc.bar, stderr, "eval", c->n_caps ? "answer" : "problem", 0, all);
    sc.started = progress_clock();
    code = eval_run(r, l, p, c, &ev, e);
    if (code)
        progress_clear(&sc.bar);
    else
        progress_finish(&sc.bar, all, NULL);
    if (sc.fd >= 0 && close(sc.fd) && !code) code = err_errno(e, errno, "cannot write %s", f->samples);
    if (!code) result_print(r, c);
    return !code && f->output ? result_save(r, c, f->output, e) : code;
}

static int configure(const struct eval_flags *f, const struct options *o, const struct loaded *l,
                     const struct problems *p, struct err *e)
{
    struct budget forcing;
    struct eval_result result[1 + CAPS_MAX];
    struct eval_config c = {
        .session = run_options_session(&f->model, (uint32_t)f->streams, 0),
        .system = f->system,
        .forcing = &forcing,
        .caps = f->cap,
        .n_caps = (uint32_t)f->caps.n,
    };
    int r = run_options_ask(&c.ask, o, &f->ask, &source_any, l, e);
    run_options_sampler(&c.ask.sampler, o, &f->sampling, &l->m->c);
    c.ask.max_new = (uint32_t)f->max_new;
    if (!r) r = run_options_one_answer(&c.ask, e);
    if (!r)
        r = budget_init(&forcing, l->tokenizer, (uint32_t)f->forcing.budget,
                        (uint32_t)f->forcing.answer_tokens,
                        f->forcing.closing ? f->forcing.closing : BUDGET_ASKING, e);
    if (r) return r;
    r = evaluate(result, f, l, p, &c, e);
    budget_clear(&forcing);
    return r;
}

static int run(const struct eval_flags *f, const struct options *o, struct err *e)
{
    struct problems p;
    struct loaded l;
    int r = problems_load(&p, f->dataset, (uint64_t)f->max_samples, e);
    if (r) return r;
    if (p.without)
        fprintf(stderr, "%s: %llu rows without a question or a reference answer left out\n", f->dataset,
                (unsigned long long)p.without);
    cli_catch_signals();
    if (!(r = run_options_load(&l, &source_any, &f->model, e))) {
        r = configure(f, o, &l, &p, e);
        load_clear(&l);
    }
    problems_clear(&p);
    return r;
}

static int check(struct eval_flags *f, const struct options *o, struct err *e)
{
    bool forced = f->forcing.budget || f->caps.n;
    long long most = f->max_new - f->forcing.answer_tokens;
    if (f->ask.answers > 1 && f->caps.n)
        return err_set(e, ERR_USAGE, "--caps cut single chains; leave out -N");
    if (f->forcing.budget && f->caps.n)
        return err_set(e, ERR_USAGE, "--budget and --caps: one of them, caps are budgets too");
    if (!forced && (options_given(o, "answer_tokens") || options_given(o, "closing")))
        return err_set(e, ERR_USAGE,
                       "--answer-tokens and --closing say what follows a budget; give --budget or --caps");
    if (f->caps.n > CAPS_MAX) return err_set(e, ERR_USAGE, "%zu caps, at most %d", f->caps.n, CAPS_MAX);
    for (size_t i = 0; i < f->caps.n; i++) {
        char *end;
        const char *text = f->caps.items[i];
        long cap = strtol(text, &end, 10);
        if (*end || end == text || cap < 1 || cap > most)
            return err_set(e, ERR_USAGE, "caps: \"%.40s\", expected 1 to %lld: -n less --answer-tokens", text,
                           most);
        f->cap[i] = (uint32_t)cap;
    }
    int r = run_options_check(o, e);
    return r ? r : options_check_required(o, e);
}

int cmd_eval(int argc, char **argv)
{
    struct option table[sizeof rows / sizeof *rows];
    struct eval_flags f;
    struct options o = {0};
    struct err e = {0};
    run_options_table(table, rows, sizeof rows, &source_any);
    if (options_init(&o, table, &f, &e)) return cli_fail(&e);
    o.usage = "terse eval -m DIR [--lora ADAPTER] --dataset FILE [-o results.json] [--samples samples.jsonl]";
    o.about = "Lets a model answer problems and counts the right answers: the last \\boxed{} of an answer, "
              "else what it says the answer is, else its last formula or number, is compared with the "
              "reference by what it means (docs/grading.md).";
    int status = cli_parse(&o, argc, argv);
    if (status < 0 && check(&f, &o, &e)) status = cli_usage(&e);
    if (status < 0) status = run(&f, &o, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
