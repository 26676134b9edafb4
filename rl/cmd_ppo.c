/* terse ppo: reinforcement learning of an adapter. */
#include "rl/cmd_ppo.h"
#include "checkpoints/file.h"
#include "checkpoints/yaml.h"
#include "infer/cli.h"
#include "infer/progress.h"
#include "rl/ppo.h"

#include <stdio.h>
#include <string.h>

struct screen {
    struct progress bar;
    const struct ppo_config *c;
    bool started;
    uint64_t step; /* done */
};

static void on_note(void *ctx, const char *sentence)
{
    struct screen *sc = ctx;
    if (sc->started) progress_clear(&sc->bar);
    fprintf(stderr, "%s\n", sentence);
}

static void on_step(void *ctx, const struct ppo_step *s)
{
    struct screen *sc = ctx;
    char note[240];
    snprintf(note, sizeof note,
             "reward %.3f  right %.1f %%  %.1f tokens  KL %.3f  first ratio %.9g..%.9g  clipped %.1f %%",
             s->reward, 100 * s->accuracy, s->tokens, s->kl, s->first_ratio_low, s->first_ratio_high,
             100 * s->clipped);
    sc->step = s->step;
    progress_update(&sc->bar, s->step, note);
    if (s->step == s->total) progress_finish(&sc->bar, s->step, note);
}

static void on_tick(void *ctx, const char *phase, size_t done, size_t all)
{
    struct screen *sc = ctx;
    char note[96];
    snprintf(note, sizeof note, "%s %zu of %zu", phase, done, all);
    progress_update(&sc->bar, sc->step, note);
}

/* A prompt and what was answered, so that an eye can see what is being rewarded. */
static void on_samples(void *ctx, uint64_t step, const struct sample *s, size_t n)
{
    struct screen *sc = ctx;
    const struct chat_turn *asked = &s->problem->turns[s->problem->n_turns - 1];
    progress_clear(&sc->bar);
    fprintf(stderr, "%siteration %llu: ", cli_style(stderr, CLI_BOLD), (unsigned long long)step);
    cli_text(stderr, asked->content, asked->len);
    fprintf(stderr, "%s  (", cli_style(stderr, CLI_PLAIN));
    cli_text(stderr, s->problem->reference, strlen(s->problem->reference));
    fputs(")\n", stderr);
    for (size_t i = 0; i < n && i < 2; i++) {
        fprintf(stderr,
                "  %s%.3f%s  %u of %u tokens:", cli_style(stderr, s[i].outcome.correct ? CLI_GREEN : CLI_RED),
                (double)s[i].reward, cli_style(stderr, CLI_PLAIN), s[i].outcome.tokens, s[i].budget);
        for (unsigned t = 0; t < REWARD_TERMS; t++)
            if (sc->c->reward.weight[t] != 0)
                fprintf(stderr, " %s %.3f", reward_name(t), (double)s[i].term[t]);
        fprintf(stderr, "\n    %s", cli_style(stderr, CLI_DIM));
        cli_text(stderr, s[i].text, strlen(s[i].text));
        fprintf(stderr, "%s\n", cli_style(stderr, CLI_PLAIN));
    }
}

static int on_interrupted(void *ctx)
{
    (void)ctx;
    return cli_interrupted();
}

static int train(struct ppo *p, struct screen *sc, struct err *e)
{
    uint64_t step;
    int r = ppo_resume(p, &step, e);
    if (r) return r;
    fprintf(stderr, "%llu problems; %lld iterations of %lld answers to each of %lld prompts\n",
            (unsigned long long)ppo_problems(p), (long long)sc->c->total_steps,
            (long long)sc->c->num_generations, (long long)sc->c->prompts_per_step);
    if (step) fprintf(stderr, "going on after iteration %llu\n", (unsigned long long)step);
    progress_start(&sc->bar, stderr, "learn", "iteration", step, (uint64_t)sc->c->total_steps);
    sc->started = true, sc->step = step;
    r = ppo_train(p, e);
    progress_clear(&sc->bar);
    return r;
}

static int run(struct ppo_config *c, struct options *o, struct err *e)
{
    struct screen sc = {.c = c};
    struct ppo_events ev = {on_note, on_step, on_samples, on_tick, on_interrupted, &sc};
    struct ppo *p;
    char path[FILE_PATH];
    int r = c->config ? yaml_load_options(c->config, o, e) : 0;
    if (!r) r = ppo_config_check(c, o, e);
    if (r) return r;
    cli_catch_signals();
    if ((r = ppo_open(&p, c, o, &ev, e))) return r;
    r = train(p, &sc, e);
    if (!r) r = ppo_save(p, path, e);
    if (!r) {
        printf("%s\n", path);
        fprintf(stderr, "next: terse eval -m %s --lora %s --dataset ...\n", c->model_name_or_path, path);
    }
    ppo_close(p);
    return r;
}

int cmd_ppo(int argc, char **argv)
{
    struct ppo_config c;
    struct options o;
    struct err e = {0};
    int status = ppo_options_init(&o, &c, &e) ? cli_fail(&e) : cli_parse(&o, argc, argv);
    if (status < 0) status = run(&c, &o, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
