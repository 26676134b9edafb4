/* Every field of a saved state is needed: a run that goes on with one of them lost ends elsewhere. */
#include "checkpoints/hf_random.h"
#include "checkpoints/hf_tokenizer.h"
#include "checkpoints/sha256.h"
#include "tests/support/run.h"
#include "train/sft_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 12, STOP = 6 };

static char folder[256];

static void must(int r, const struct err *e)
{
    if (r) fail_msg("%s: %s", err_name(r), e->msg);
}

static int setup(void **state)
{
    (void)state;
    struct err e = {0};
    struct model_config c;
    struct pool *pool;
    char path[300];
    run_folder(folder, sizeof folder, "fields");
    snprintf(path, sizeof path, "%s/base", folder);
    model_config_init(&c);
    c.layers = 2, c.width = 64, c.heads = 2, c.kv_heads = 1, c.head_dim = 32, c.ff = 96, c.vocab = 1024;
    c.max_positions = 256, c.tied = true, c.eos[0] = 1023, c.n_eos = 1;
    must(pool_create(&pool, 2, &e), &e);
    must(hf_random_save(path, &c, DTYPE_BF16, 1, 0, pool, NULL, &e), &e);
    must(hf_tokenizer_copy("checkpoints/nano", path, &e), &e);
    pool_free(pool);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    run_folder_remove(folder);
    return 0;
}

/* ---- a run, perhaps stopped half-way and tampered with
 * ------------------------------------------------------------- */

static int steps_seen;

static void on_step(void *ctx, const struct sft_step *s)
{
    *(uint64_t *)ctx = s->tokens;
    steps_seen++;
}

static int stop_half_way(void *ctx)
{
    (void)ctx;
    return steps_seen == STOP;
}

/* What is lost. Each is done to the run after its state was loaded. */
static void lose_nothing(struct sft *s)
{
    (void)s;
}
static void lose_weights(struct sft *s)
{
    memset(s->trainee.weights, 0, s->trainee.count * sizeof(float));
}
static void lose_m(struct sft *s)
{
    memset(s->optim.m, 0, s->trainee.count * sizeof(float));
}
static void lose_v(struct sft *s)
{
    memset(s->optim.v, 0, s->trainee.count * sizeof(float));
}
static void lose_step(struct sft *s)
{
    s->optim.step = 0;
}
static void lose_tokens(struct sft *s)
{
    s->tokens = 0;
}

static void lose_cursor(struct sft *s)
{
    struct loader_pos start = {0};
    struct err e = {0};
    must(loader_seek(s->loader, &start, &e), &e);
}

static void options_fill(struct options *o, struct sft_config *c, const char *name)
{
    const char *const set[][2] = {
        {"dataset", "data/nano/sft.parquet"},
        {"max_samples", "60"},
        {"cutoff_len", "192"},
        {"lora_rank", "8"},
        {"lora_dropout", "0.1"},
        {"max_steps", "12"},
        {"learning_rate", "2e-3"},
    };
    struct err e = {0};
    char path[400];
    must(sft_options_init(o, c, &e), &e);
    for (unsigned i = 0; i < sizeof set / sizeof *set; i++)
        must(options_set_text(o, set[i][0], set[i][1], &e), &e);
    snprintf(path, sizeof path, "%s/base", folder);
    must(options_set_text(o, "model_name_or_path", path, &e), &e);
    snprintf(path, sizeof path, "%s/tokens", folder);
    must(options_set_text(o, "tokenized_path", path, &e), &e);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    must(options_set_text(o, "output_dir", path, &e), &e);
    must(sft_config_check(c, o, &e), &e);
}

/* One process's part of the run: from its state, if there is one, to the end or to the stop. */
static int part(const char *name, int stops, void (*lose)(struct sft *), char adapter[FILE_PATH],
                uint64_t *tokens)
{
    struct sft_config c;
    struct options o;
    struct sft_events ev = {.step = on_step, .interrupted = stops ? stop_half_way : NULL, .ctx = tokens};
    struct sft *s;
    struct err e = {0};
    uint64_t step;
    steps_seen = 0;
    options_fill(&o, &c, name);
    must(sft_open(&s, &c, &o, &ev, &e), &e);
    must(sft_resume(s, &step, &e), &e);
    lose(s);
    int r = sft_train(s, &e);
    if (r != ERR_INTERRUPTED) must(r, &e);
    if (!r) must(sft_save(s, adapter, &(struct err){0}), &e);
    sft_close(s);
    options_free(&o);
    return r;
}

/* sha256 of the adapter, and the tokens counted, of a run stopped half-way that then goes on without
 * something. */
static void run_without(const char *name, void (*lose)(struct sft *), char hex[SHA256_HEX], uint64_t *tokens)
{
    char adapter[FILE_PATH], path[FILE_PATH + 40];
    struct err e = {0};
    if (lose) assert_int_equal(part(name, 1, lose_nothing, adapter, tokens), ERR_INTERRUPTED);
    assert_int_equal(part(name, 0, lose ? lose : lose_nothing, adapter, tokens), 0);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", adapter);
    must(sha256_file(path, hex, NULL, &e), &e);
}

static void every_field_is_needed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*lose)(struct sft *);
    } fields[] = {
        {"weights", lose_weights}, {"adam.m", lose_m},           {"adam.v", lose_v},
        {"step", lose_step},       {"seen.tokens", lose_tokens}, {"cursor", lose_cursor},
    };
    char want[SHA256_HEX], got[SHA256_HEX];
    uint64_t want_tokens, tokens;
    run_without("whole", NULL, want, &want_tokens);
    run_without("resumed", lose_nothing, got, &tokens);
    assert_string_equal(got, want);
    assert_true(tokens == want_tokens);
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++) {
        run_without(fields[i].name, fields[i].lose, got, &tokens);
        if (!strcmp(got, want) && tokens == want_tokens)
            fail_msg("a run that lost %s half-way ends as if it had not", fields[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_field_is_needed)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
