/* Documents that begin alike share what the base made of their beginning, in a row and from row to row: no
 * bit of a loss or a gradient may show it, and no more is run than has to be. */
#include "tests/support/random_model.h"
#include "train/blas.h"
#include "train/micro.h"
#include "train/trainee.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PROMPTS = 4, ANSWERS = 3, N = PROMPTS * ANSWERS, ANSWER = 9, LONGEST = 150, MAX_TOKENS = N * LONGEST };

static struct random_model r;
static struct adapter *adapter;
static struct lora *lora;
static struct trainee trainee;
static struct shard_doc docs[N];
static float want_nats[N][ANSWER + 1];
static enum lora_gate gate;

/* Prompts shorter than a page, of exactly one, of two and a bit; the last two differ in one token. */
static const uint32_t prompt_tokens[PROMPTS] = {40, 64, 131, 131};

static void model_make(enum weight_type type)
{
    struct model_config c = tiny_config();
    struct err e = {0};
    random_model_create(&r, &c, type, 2, NULL, 1);
    adapter = random_adapter(&c, 6, LORA_ALL, 2);
    assert_int_equal(lora_create(&lora, r.m, adapter, &e), 0);
    assert_int_equal(trainee_init_adapter(&trainee, r.m, adapter, lora, &e), 0);
}

static void model_drop(void)
{
    trainee_clear(&trainee);
    lora_free(lora);
    adapter_free(adapter);
    random_model_free(&r);
}

/* Answers to a prompt side by side; the first token after the gate is learned too. */
static void docs_make(void)
{
    static uint32_t ids[N][LONGEST];
    static struct label_span spans[N];
    for (uint32_t i = 0; i < N; i++) {
        uint32_t p = i / ANSWERS, n = prompt_tokens[p], all = n + ANSWER;
        for (uint32_t t = 0; t < all; t++)
            ids[i][t] = (uint32_t)((random_at(t >= n ? 20 + i : t == 120 ? p : 5, t) + 1) * 37);
        spans[i] = (struct label_span){n, all};
        docs[i] = (struct shard_doc){.ids = ids[i], .n = all, .spans = &spans[i], .n_spans = 1};
        docs[i].header_at = n - 3, docs[i].response_at = n;
    }
}

static struct micro *micro_make(uint32_t max_docs, uint32_t keep)
{
    struct micro_config c = {
        .max_tokens = MAX_TOKENS, .max_docs = max_docs, .chunk = 50, .gate = gate, .keep = keep};
    struct micro *u;
    struct err e = {0};
    if (micro_create(&u, r.m, adapter, lora, &c, &e)) fail_msg("%s", e.msg);
    return u;
}

static struct micro_result run(struct micro *u, uint32_t first, uint32_t n, float *grad, float *nats)
{
    struct grads g = {.adapter = grad};
    struct micro_result out;
    struct err e = {0};
    if (micro_run(u, docs + first, n, 1.0f, 0, grad ? &g : NULL, &out, nats, &e)) fail_msg("%s", e.msg);
    return out;
}

/* Every document alone, by a trainer that never saw another. */
static void each_alone(void)
{
    for (uint32_t i = 0; i < N; i++) {
        struct micro *u = micro_make(1, 0);
        struct micro_result out = run(u, i, 1, NULL, want_nats[i]);
        assert_int_equal(out.labels, ANSWER);
        assert_int_equal(out.based, gate == GATE_ASSISTANT ? docs[i].header_at : docs[i].response_at);
        micro_free(u);
    }
}

/* With gate `response` a document's first loss is an edge's: those of all documents come first. */
static void compare(uint32_t first, uint32_t n, const float *nats)
{
    uint32_t edge = gate == GATE_RESPONSE;
    for (uint32_t i = 0; i < n; i++) {
        assert_memory_equal(nats + i, want_nats[first + i], edge * sizeof *nats);
        assert_memory_equal(nats + edge * n + i * (ANSWER - edge), want_nats[first + i] + edge,
                            (ANSWER - edge) * sizeof *nats);
    }
}

static int64_t base_tokens(uint32_t first, uint32_t prompts)
{
    int64_t n = 0;
    for (uint32_t p = first; p < first + prompts; p++)
        n += prompt_tokens[p] - (gate == GATE_ASSISTANT ? 3 : 0);
    return n;
}

static void sharing_does_not_show(enum weight_type type)
{
    float nats[N * (ANSWER + 1)];
    model_make(type);
    docs_make();
    each_alone();
    float *want = calloc(trainee.count, sizeof *want), *got = calloc(trainee.count, sizeof *got);
    struct micro *u = micro_make(N, 0);
    assert_int_equal(run(u, 0, N, want, nats).based, base_tokens(0, PROMPTS));
    compare(0, N, nats);
    micro_free(u);
    u = micro_make(N, 100);
    assert_int_equal(run(u, 0, 5, NULL, nats).based, base_tokens(0, 2));
    compare(0, 5, nats);
    assert_int_equal(run(u, 0, N, got, nats).based, base_tokens(2, 2));
    compare(0, N, nats);
    assert_memory_equal(want, got, trainee.count * sizeof *want);
    memset(got, 0, trainee.count * sizeof *got);
    assert_int_equal(run(u, 0, N, got, nats).based, 0);
    compare(0, N, nats);
    assert_memory_equal(want, got, trainee.count * sizeof *want);
    micro_free(u);
    free(want), free(got);
    model_drop();
}

static void no_bit_shows(void **state)
{
    (void)state;
    for (gate = GATE_ASSISTANT; gate <= GATE_RESPONSE; gate++) {
        sharing_does_not_show(WT_F32);
        sharing_does_not_show(WT_BF16);
    }
}

/* Room for two pages beside the row's own: the third prompt, or the first two. */
static void the_longest_not_asked_for_goes(void **state)
{
    float nats[N * ANSWER];
    (void)state;
    gate = GATE_ASSISTANT;
    model_make(WT_BF16);
    docs_make();
    each_alone();
    struct micro *u = micro_make(ANSWERS, 2);
    int64_t want[] = {base_tokens(0, 1), base_tokens(1, 1), 0, base_tokens(2, 1), 0, base_tokens(1, 1)};
    uint32_t prompt[] = {0, 1, 0, 2, 0, 1}; /* the second goes when the third rests, then the third */
    for (int i = 0; i < 6; i++) {
        assert_int_equal(run(u, prompt[i] * ANSWERS, ANSWERS, NULL, nats).based, want[i]);
        compare(prompt[i] * ANSWERS, ANSWERS, nats);
    }
    micro_free(u);
    model_drop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_bit_shows),
        cmocka_unit_test(the_longest_not_asked_for_goes),
    };
    blas_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
