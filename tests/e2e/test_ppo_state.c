/* A run of PPO stopped while it answers, while it learns and between iterations goes on to the same adapter;
 * with any part of its state lost it does not, and a state that lacks a field is refused by its name (CK17 to
 * CK20 of the hostile inputs). */
#include "checkpoints/file.h"
#include "rl/ppo_parts.h"
#include "tests/support/run.h"
#include "tests/support/small_base.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum stop { NEVER, IN_ANSWERS, IN_LEARNING, BETWEEN, STOPS };

static char folder[256], log_path[300];
static char want[SHA256_HEX];

static void must(int r, const struct err *e)
{
    if (r) fail_msg("%s: %s", err_name(r), e->msg);
}

static int teardown(void **state)
{
    (void)state;
    run_folder_remove(folder);
    return 0;
}

/* ---- a run, perhaps stopped and tampered with ------------------------------------------------------------
 */

struct watch {
    enum stop stop;
    uint64_t step; /* done */
    bool now;
    const char *kill; /* the phase in which the second iteration kills itself, or NULL */
    char note[256];   /* the last one */
};

static void on_note(void *ctx, const char *sentence)
{
    snprintf(((struct watch *)ctx)->note, sizeof((struct watch *)ctx)->note, "%s", sentence);
}

static void on_step(void *ctx, const struct ppo_step *s)
{
    struct watch *w = ctx;
    w->step = s->step;
    if (w->stop == BETWEEN && s->step == 2) w->now = true;
}

static void on_tick(void *ctx, const char *phase, size_t done, size_t all)
{
    struct watch *w = ctx;
    if (w->kill && w->step == 1 && !strcmp(phase, w->kill) && done > all / 2) kill(getpid(), SIGKILL);
    if (w->step == 1 && w->stop == IN_ANSWERS && !strcmp(phase, "answering") && done == 3) w->now = true;
    if (w->step == 1 && w->stop == IN_LEARNING && !strcmp(phase, "learn") && done == 3) w->now = true;
}

static int interrupted(void *ctx)
{
    return ((struct watch *)ctx)->now;
}

static void options_fill(struct options *o, struct ppo_config *c, const char *name)
{
    static const char *const set[][2] = {
        {"dataset", "data/nano/rl.parquet"},
        {"max_samples", "40"},
        {"prompts_per_step", "4"},
        {"num_generations", "2"},
        {"response_length", "12"},
        {"truncated", "keep"},
        {"learning_rate", "1e-3"},
        {"critic_learning_rate", "1e-2"},
        {"num_ppo_epochs", "2"},
        {"num_mini_batches", "2"},
        {"row_tokens", "256"},
        {"total_steps", "4"},
        {"kl_coef", "0.1"},
        {"kl_target", "0.01"},
        {"kl_horizon", "100"},
        {"save_steps", "1"},
        {"threads", "1"},
    };
    struct err e = {0};
    char path[400];
    must(ppo_options_init(o, c, &e), &e);
    for (unsigned i = 0; i < sizeof set / sizeof *set; i++)
        must(options_set_text(o, set[i][0], set[i][1], &e), &e);
    snprintf(path, sizeof path, "%s/base", folder);
    must(options_set_text(o, "model_name_or_path", path, &e), &e);
    snprintf(path, sizeof path, "%s/sft/adapter", folder);
    must(options_set_text(o, "adapter_name_or_path", path, &e), &e);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    must(options_set_text(o, "output_dir", path, &e), &e);
    must(ppo_config_check(c, o, &e), &e);
}

/* One process's part of the run: from its state, if there is one, to the end or to the stop. Returns what
 * loading or training returned. */
static int part_watched(const char *name, struct watch *w, const char *save_seconds,
                        void (*lose)(struct ppo *), struct err *e)
{
    struct ppo_events ev = {
        .note = on_note, .step = on_step, .tick = on_tick, .interrupted = interrupted, .ctx = w};
    struct ppo_config c;
    struct options o;
    struct ppo *p;
    char path[FILE_PATH];
    options_fill(&o, &c, name);
    must(options_set_text(&o, "save_seconds", save_seconds, e), e);
    must(ppo_open(&p, &c, &o, &ev, e), e);
    int r = ppo_resume(p, &w->step, e);
    if (!r && lose) lose(p);
    if (!r) r = ppo_train(p, e);
    if (!r) must(ppo_save(p, path, e), e);
    ppo_close(p);
    options_free(&o);
    return r;
}

static int part(const char *name, enum stop stop, void (*lose)(struct ppo *), struct err *e)
{
    struct watch w = {.stop = stop};
    return part_watched(name, &w, "600", lose, e);
}

static void remove_run(const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    run_folder_remove(path);
}

static void stopped(const char *name, enum stop stop)
{
    struct err e = {0};
    remove_run(name);
    int r = part(name, stop, NULL, &e);
    if (r != ERR_INTERRUPTED) fail_msg("stop %d: %s %s", (int)stop, err_name(r), e.msg);
}

static int ends_as_wanted(const char *name)
{
    char path[400], got[SHA256_HEX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    run_adapter(path, got);
    return !strcmp(got, want);
}

static int setup(void **state)
{
    char path[400];
    struct err e = {0};
    (void)state;
    run_folder(folder, sizeof folder, "ppo-state");
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    snprintf(path, sizeof path, "%s/base", folder);
    small_base(path, 1024, 1);
    run_expect(0, log_path,
               "%s sft -m %s/base --dataset data/nano/sft.parquet --max-samples 20 --output-dir %s/sft "
               "--cutoff-len 256 "
               "--lora-rank 8 --max-steps 2 --learning-rate 1e-2 --per-device-train-batch-size 1",
               run_terse(), folder, folder);
    must(part("whole", NEVER, NULL, &e), &e);
    snprintf(path, sizeof path, "%s/whole", folder);
    run_adapter(path, want);
    return 0;
}

static void it_goes_on_where_it_was(void **state)
{
    (void)state;
    for (enum stop stop = IN_ANSWERS; stop < STOPS; stop++) {
        struct err e = {0};
        stopped("on", stop);
        must(part("on", NEVER, NULL, &e), &e);
        if (!ends_as_wanted("on")) fail_msg("stop %d: another adapter", (int)stop);
    }
}

/* ---- killed in a phase, with a state saved at every opportunity -------------------------------------------
 */

static void killed(const char *name, const char *phase)
{
    pid_t pid = fork();
    if (!pid) {
        struct err e = {0};
        struct watch w = {.kill = phase};
        part_watched(name, &w, "1e-9", NULL, &e);
        _exit(1); /* it outlived the phase */
    }
    int r = run_wait(pid);
    if (r != 128 + SIGKILL) fail_msg("%s: status %d", phase, r);
}

static void killed_in_every_phase(void **state)
{
    static const char *const phases[][2] = {{"answering", " goes on with "},
                                            {"looking", " goes on with 8 of 8 answers whole"},
                                            {"learn", " goes on after "}};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct err e = {0};
        struct watch w = {0};
        remove_run("killed");
        killed("killed", phases[i][0]);
        must(part_watched("killed", &w, "0", NULL, &e), &e);
        if (!strstr(w.note, phases[i][1])) fail_msg("%s: %s", phases[i][0], w.note);
        if (!ends_as_wanted("killed")) fail_msg("%s: another adapter", phases[i][0]);
    }
}

/* ---- what is lost, after the state was loaded -----------------------------------------------------------
 */

static void zero(float *x, uint64_t n)
{
    memset(x, 0, n * sizeof *x);
}
static uint64_t tokens_of(const struct ppo *p)
{
    return p->n * p->rollout.c.max_new;
}
static void lose_weights(struct ppo *p)
{
    zero(p->trainee.weights, p->trainee.count);
}
static void lose_m(struct ppo *p)
{
    zero(p->optim.m, p->trainee.count);
}
static void lose_v(struct ppo *p)
{
    zero(p->optim.v, p->trainee.count);
}
static void lose_optim_step(struct ppo *p)
{
    p->optim.step = 0;
}
static void lose_value(struct ppo *p)
{
    zero(p->head.weight, p->head.width + 1);
}
static void lose_value_m(struct ppo *p)
{
    zero(p->head.m, p->head.width + 1);
}
static void lose_value_v(struct ppo *p)
{
    zero(p->head.v, p->head.width + 1);
}
static void lose_value_step(struct ppo *p)
{
    p->head.step = 0;
}
static void lose_kl(struct ppo *p)
{
    p->kl_coef = p->c->kl_coef;
}
static void lose_kl_judged(struct ppo *p)
{
    p->kl_judged = p->c->kl_coef;
}
static void lose_rate(struct ppo *p)
{
    p->rate_scale /= 2;
}
static void lose_step(struct ppo *p)
{
    p->step--;
}
static void lose_mini_batch(struct ppo *p)
{
    p->place[1]--;
}
static void lose_token(struct ppo *p)
{
    p->rollout.ids[p->rollout.longest - p->rollout.c.max_new - 1] =
        7; /* of the longest prompt's answer at least */
    for (size_t i = 0; i < p->n * p->rollout.longest; i++) p->rollout.ids[i] = (p->rollout.ids[i] + 1) % 500;
}
static void lose_logp(struct ppo *p)
{
    for (uint64_t i = 0; i < tokens_of(p); i++) p->rollout.logp[i] -= 0.5f;
}
static void lose_reference(struct ppo *p)
{
    zero(p->reference_logp, tokens_of(p));
}
static void lose_values(struct ppo *p)
{
    zero(p->value, tokens_of(p));
}

static const struct {
    const char *what;
    enum stop stop;
    void (*lose)(struct ppo *);
} losses[] = {
    {"weights", BETWEEN, lose_weights},
    {"adam.m", BETWEEN, lose_m},
    {"adam.v", BETWEEN, lose_v},
    {"adam.step", BETWEEN, lose_optim_step},
    {"value", BETWEEN, lose_value},
    {"value.m", BETWEEN, lose_value_m},
    {"value.v", BETWEEN, lose_value_v},
    {"value.step", BETWEEN, lose_value_step},
    {"kl_coef", BETWEEN, lose_kl},
    {"rate_scale", BETWEEN, lose_rate},
    {"step", BETWEEN, lose_step},
    {"tokens of answers", IN_ANSWERS, lose_token},
    {"their log-probabilities", IN_ANSWERS, lose_logp},
    {"tokens learned from", IN_LEARNING, lose_token},
    {"log-probabilities learned from", IN_LEARNING, lose_logp},
    {"the reference's", IN_LEARNING, lose_reference},
    {"values", IN_LEARNING, lose_values},
    {"kl_coef of the rewards", IN_LEARNING, lose_kl_judged},
    {"a mini-batch", IN_LEARNING, lose_mini_batch},
};

/* It ends elsewhere, or (answers that the trainer finds to be others) not at all. */
static void every_part_of_a_state_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        struct err e = {0};
        stopped("lost", losses[i].stop);
        int r = part("lost", NEVER, losses[i].lose, &e);
        if (r && r != ERR_MODE) fail_msg("%s: %s %s", losses[i].what, err_name(r), e.msg);
        if (!r && ends_as_wanted("lost")) fail_msg("nothing changed without %s", losses[i].what);
    }
}

/* ---- states that cannot be ------------------------------------------------------------------------------
 */

static void rename_field(const char *from, const char *to)
{
    const size_t at = strlen("{\"root_sha256\": \""), body = at + 64 + 3;
    char path[400], *out, hex[SHA256_HEX], quoted[80];
    snprintf(path, sizeof path, "%s/hostile/state/step-1/manifest.json", folder);
    snprintf(quoted, sizeof quoted, "\"%s\"", from);
    char *text = run_read(path), *field = strstr(text, quoted);
    if (!field) fail_msg("no %s in %s", from, path);
    assert_true(asprintf(&out, "%.*s\"%s\"%s", (int)(field - text), text, to, field + strlen(quoted)) > 0);
    assert_int_equal(sha256_hex(out + body, strlen(out + body), hex, NULL), 0);
    memcpy(out + at, hex, 64);
    run_write(path, out);
    free(text);
    free(out);
}

static void a_state_that_lacks_a_field(void **state)
{
    static const struct {
        const char *id, *field;
    } rows[] = {{"CK17", "value"},       {"CK18", "numbers"}, /* the KL coefficient among them */
                {"CK19", "numbers"},                          /* and what is known of rewards and lengths */
                {"CK20", "rollout.ids"}, {"CK20", "rollout.answered"}, {"CK20", "place"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        char other[80], says[120];
        stopped("hostile", IN_ANSWERS);
        snprintf(other, sizeof other, "%s.x", rows[i].field),
            snprintf(says, sizeof says, "lacks the field %s", rows[i].field);
        rename_field(rows[i].field, other);
        char path[400];
        snprintf(path, sizeof path, "%s/hostile/state/step-0", folder);
        run_folder_remove(path);
        int r = part("hostile", NEVER, NULL, &e);
        if (r != ERR_CK_NONE || !strstr(e.msg, says)) fail_msg("%s: %s %s", rows[i].id, err_name(r), e.msg);
    }
}

static void too_long(struct ppo *p)
{
    p->rollout.answered[1] = p->rollout.c.max_new + 1;
}
static void no_such_token(struct ppo *p)
{
    p->rollout.ids[5] = 1 << 20;
}
static void no_such_finish(struct ppo *p)
{
    p->rollout.finish[2] = 9;
}
static void no_such_phase(struct ppo *p)
{
    p->place[0] = 2;
}
static void no_such_mini_batch(struct ppo *p)
{
    p->place[1] = 4;
}
static void learning_from_nothing(struct ppo *p)
{
    p->place[0] = PHASE_LEARN, p->rollout.finish[0] = FINISH_NONE;
}

/* Saved as such by another program: the digests are right, the numbers are not. */
static void answers_that_cannot_be(void **state)
{
    static void (*const tampers[])(struct ppo *) = {too_long,      no_such_token,      no_such_finish,
                                                    no_such_phase, no_such_mini_batch, learning_from_nothing};
    (void)state;
    for (size_t i = 0; i < sizeof tampers / sizeof *tampers; i++) {
        struct err e = {0};
        struct ppo_config c;
        struct options o;
        struct ppo_events ev = {0};
        struct ppo *p;
        uint64_t step;
        stopped("wrong", IN_ANSWERS);
        options_fill(&o, &c, "wrong");
        must(ppo_open(&p, &c, &o, &ev, &e), &e);
        must(ppo_resume(p, &step, &e), &e);
        must(rollout_begin(&p->rollout, step, 1, &e), &e);
        tampers[i](p);
        must(ppo_state_save(p, &e), &e);
        ppo_close(p);
        options_free(&o);
        int r = part("wrong", NEVER, NULL, &e);
        if (r != ERR_CK_STATE || !strstr(e.msg, "cannot be"))
            fail_msg("%d: %s %s", (int)i, err_name(r), e.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_on_where_it_was),      cmocka_unit_test(killed_in_every_phase),
        cmocka_unit_test(every_part_of_a_state_counts), cmocka_unit_test(a_state_that_lacks_a_field),
        cmocka_unit_test(answers_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
