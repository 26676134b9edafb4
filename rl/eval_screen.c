#include "rl/eval_screen.h"
#include "checkpoints/json.h"
#include "infer/cli.h"
#include "infer/reply.h"
#include "infer/talk.h"

#include <string.h>

/* ---- as it runs ---------------------------------------------------------------------------------------- */

void eval_screen_start(struct eval_screen *sc, const char *label, size_t known, size_t n)
{
    sc->known = known;
    progress_start(&sc->bar, stderr, label, "answer", known, n);
    sc->started = progress_clock();
}

void eval_screen_end(struct eval_screen *sc, bool failed)
{
    if (failed)
        progress_clear(&sc->bar);
    else
        progress_finish(&sc->bar, sc->bar.total, NULL);
}

static void styled(enum cli_style style, const char *text, size_t n)
{
    fputs(cli_style(stdout, style), stdout);
    cli_text(stdout, text, n);
    fputs(cli_style(stdout, CLI_PLAIN), stdout);
}

/* A problem and its answer for people, the thinking dimmed. */
static void sample_print(struct eval_screen *sc, const struct eval_sample *s)
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
    printf(" (%s)%s", s->grade.rule, *s->problem->reference ? ", expected " : "");
    cli_text(stdout, s->problem->reference, strlen(s->problem->reference));
    printf("; %u tokens\n", s->tokens);
    if (s->ask->probability >= 0) printf("worth thinking about: %.0f %%\n", 100 * s->ask->probability);
    if (s->ask->c.votes) talk_vote_print(stdout, s->ask, s->ask->c.all, NULL);
    putchar('\n');
}

int eval_screen_sample(void *screen, const struct eval_sample *s, struct err *e)
{
    struct eval_screen *sc = screen;
    if (s->cap != sc->cap) sc->cap = s->cap, sc->done = sc->correct = 0;
    sc->done++, sc->correct += s->correct;
    if (!s->cap && sc->done <= sc->show) sample_print(sc, s);
    return eval_file_put(&sc->file, s, e);
}

int eval_screen_tick(void *screen, size_t done, uint64_t tokens)
{
    struct eval_screen *sc = screen;
    char note[96] = "";
    double seconds = progress_clock() - sc->started;
    int n = snprintf(note, sizeof note, "%.0f tok/s", seconds > 0 ? (double)tokens / seconds : 0);
    if (sc->done)
        n += snprintf(note + n, sizeof note - (size_t)n, "  %.1f %% right",
                      100.0 * (double)sc->correct / (double)sc->done);
    if (sc->cap) snprintf(note + n, sizeof note - (size_t)n, " at %u tokens", sc->cap);
    progress_update(&sc->bar, sc->known + done, note);
    return cli_interrupted();
}

/* ---- what is left of it -------------------------------------------------------------------------------- */

static void round_put(struct js_out *w, const struct eval_result *r)
{
    if (r->cap) js_put_uint(w, "cap", r->cap);
    js_put_real(w, "accuracy", r->accuracy);
    js_put_real(w, "stderr", r->stderr_);
    js_put_real(w, "exact", r->exact);
    js_put_uint(w, "n", r->n);
    js_put_real(w, "tokens_mean", r->tokens_mean);
    js_put_real(w, "tokens_median", r->tokens_median);
    js_put_real(w, "tokens_p95", r->tokens_p95);
    js_put_real(w, "closed", r->closed);
    js_put_real(w, "truncated", r->truncated);
    js_put_real(w, "no_answer", r->no_answer);
    js_put_real(w, "undecided", r->undecided);
    js_put_real(w, "reasoned", r->reasoned);
}

static void repeats_put(struct js_out *w, const struct eval_result *r, const struct eval_record *records)
{
    js_put_uint(w, "repeats", r->repeats);
    js_put_real(w, "stderr_repeats", r->stderr_repeats);
    if (!r->code) js_put_real(w, "majority", r->majority);
    js_object(w, "pass");
    for (size_t k = 1; k <= r->repeats; k = eval_next_k(k, r->repeats)) {
        char key[24];
        snprintf(key, sizeof key, "%zu", k);
        js_put_real(w, key, eval_pass(records, r->n, r->repeats, k));
    }
    js_close(w);
}

void eval_result_put(struct js_out *w, const struct eval_result *r, const struct eval_config *c,
                     const struct eval_record *records, const struct eval_identity *id)
{
    round_put(w, &r[0]);
    if (r[0].repeats > 1) repeats_put(w, &r[0], records);
    js_put_real(w, "tokens_per_second", r[0].tokens_per_second);
    js_put_real(w, "first_token_seconds", r[0].first_token_seconds);
    js_put_uint(w, "kv_bytes", r[0].kv_bytes);
    if (c->forcing && c->forcing->tokens) js_put_uint(w, "budget", c->forcing->tokens);
    if (c->ask.chains > 1) {
        js_put_uint(w, "chains", c->ask.chains);
        js_put_string(w, "vote", c->ask.votes ? vote_name(c->ask.vote) : "none");
        js_put_real(w, "early", r[0].early);
    }
    if (c->ask.chains > 1 && c->ask.all) {
        js_put_real(w, "single", r[0].single);
        js_put_real(w, "oracle", r[0].oracle);
    }
    if (c->n_caps) js_array(w, "caps");
    for (uint32_t i = 1; i <= c->n_caps; i++) {
        js_object(w, NULL);
        round_put(w, &r[i]);
        js_close(w);
    }
    if (c->n_caps) js_close(w);
    js_object(w, "digests");
    eval_identity_put(w, id);
    js_close(w);
}

static void cap_print(const struct eval_result *r)
{
    char cap[16] = "none";
    if (r->cap) snprintf(cap, sizeof cap, "%u", r->cap);
    printf("%8s  %7.1f +- %-4.1f  %8.1f  %8.1f  %10.1f\n", cap, 100 * r->accuracy, 100 * r->stderr_,
           r->tokens_mean, 100 * r->closed, 100 * r->truncated);
}

static void chains_print(const struct eval_result *r, const struct eval_config *c)
{
    if (c->ask.votes)
        printf("%s vote of %u chains, %.1f %% over early\n", vote_name(c->ask.vote), c->ask.chains,
               100 * r->early);
    if (c->ask.chains > 1 && c->ask.all)
        printf("one chain %.1f %%, the best of %u %.1f %%\n", 100 * r->single, c->ask.chains,
               100 * r->oracle);
}

void eval_result_print(const struct eval_result *r, const struct eval_config *c, const char *judge)
{
    printf("accuracy %.1f %% +- %.1f of %zu problems; tokens %.0f mean, %.0f median, %.0f at 95 %%, "
           "%.1f %% truncated, %.1f %% without an answer",
           100 * r->accuracy, 100 * r->stderr_, r->n, r->tokens_mean, r->tokens_median, r->tokens_p95,
           100 * r->truncated, 100 * r->no_answer);
    if (c->forcing && c->forcing->tokens) printf(", %.1f %% closed by the budget", 100 * r->closed);
    if (r->tokens_per_second > 0) printf("; %.0f tok/s", r->tokens_per_second);
    if (r->code)
        printf("\njudged by running the programs: %s\n", judge);
    else
        printf("\nby the string rule of published tables %.1f %%\n", 100 * r->exact);
    if (r->repeats > 1)
        printf("%zu answers to each: +- %.1f over repeats", r->repeats, 100 * r->stderr_repeats);
    if (r->repeats > 1 && !r->code)
        printf("; the most common answer is right for %.1f %%", 100 * r->majority);
    if (r->repeats > 1) putchar('\n');
    if (c->ask.mode == ASK_AUTO) printf("%.1f %% reasoned about\n", 100 * r->reasoned);
    chains_print(r, c);
    if (!c->n_caps) return;
    printf("\n%8s  %15s  %8s  %8s  %10s\n", "cap", "accuracy %", "tokens", "closed %", "no end %");
    for (uint32_t i = 1; i <= c->n_caps; i++) cap_print(&r[i]);
    cap_print(&r[0]);
}
