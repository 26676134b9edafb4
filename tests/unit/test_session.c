/* Sessions: what sync keeps and runs again, gates, rewinding, streams in company; and clause 2 of the
 * numerics contract: the log-probability recorded while sampling is, bit for bit, the loss the trainer
 * computes. */
#include "tests/support/session_rig.h"
#include "train/micro.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_TOKENS = 150, STREAMS = 5 };

static int32_t text[STREAMS][MAX_TOKENS];

static void rig_init(struct session_rig *g, enum weight_type type)
{
    struct model_config m = tiny_config_for(type);
    struct session_config c = {.streams = STREAMS, .max_tokens = MAX_TOKENS, .prefill = 48};
    session_rig_init(g, &m, type, 2, &c);
    for (uint64_t i = 0; i < STREAMS; i++) random_text(text[i], MAX_TOKENS, 9 + i);
}

/* Stream i holds ids [n], and its logits are those of a session that ran them from scratch. */
static void as_from_scratch(struct session_rig *g, const char *what, uint32_t i, const int32_t *ids,
                            uint32_t n, uint32_t adapt_from)
{
    uint32_t held;
    assert_memory_equal(session_tokens(g->s, i, &held), ids, n * sizeof *ids);
    assert_int_equal(held, n);
    rig_as_from_scratch(g, what, i, adapt_from);
}

/* ---- sync ---------------------------------------------------------------------------------------------- */

#define NO UINT32_MAX

struct sync_case {
    const char *what;
    uint32_t n1, gate1; /* held before */
    uint32_t change;    /* first token that differs; NO: none */
    uint32_t n2, gate2; /* asked for */
    uint32_t ran;       /* tokens that must be run */
};

static const struct sync_case sync_cases[] = {
    {"the same again: the last token's logits", 100, NO, NO, 100, NO, 1},
    {"ten more", 100, NO, NO, 110, NO, 10},
    {"a prefix", 100, NO, NO, 60, NO, 1},
    {"a prefix that ends a page", 130, NO, NO, 64, NO, 1},
    {"one token", 100, NO, NO, 1, NO, 1},
    {"another first token", 100, NO, 0, 100, NO, 100},
    {"another token in the middle", 100, NO, 70, 100, NO, 30},
    {"another last token", 100, NO, 99, 100, NO, 1},
    {"another token past the new end", 100, NO, 80, 70, NO, 1},
    {"the adapter on from the end on: nothing changed", 100, NO, NO, 100, 100, 1},
    {"the adapter turned on for the last 20", 100, NO, NO, 100, 80, 20},
    {"the adapter turned off again", 100, 80, NO, 100, NO, 20},
    {"the adapter turned on earlier", 100, 80, NO, 100, 30, 70},
    {"the adapter turned on later", 100, 30, NO, 100, 80, 70},
    {"the adapter on everything", 100, NO, NO, 100, 0, 100},
    {"the adapter stays, the text goes on", 100, 40, NO, 120, 40, 20},
    {"a gate behind what both hold", 90, 95, NO, 90, 120, 1},
    {"a gate behind the prefix, then its rows", 90, 95, NO, 110, 100, 20},
    {"base text that an adapted continuation shares", 64, NO, NO, 128, 64, 64},
    {"another token before the gate", 100, 80, 50, 100, 80, 50},
    {"another token, and the gate before it", 100, 80, 90, 100, 60, 40},
    {"another token before the gate, which moved", 100, 80, 20, 100, 60, 80},
};

static void sync_keeps_the_common_prefix(void **state)
{
    (void)state;
    for (int type = WT_F32; type <= WT_BF16; type++) {
        struct session_rig g;
        rig_init(&g, (enum weight_type)type);
        for (size_t k = 0; k < sizeof sync_cases / sizeof *sync_cases; k++) {
            const struct sync_case *c = &sync_cases[k];
            int32_t other[MAX_TOKENS];
            memcpy(other, text[0], sizeof other);
            if (c->change != NO) other[c->change] = (other[c->change] + 1) % 75;
            session_rewind(g.s, 3, 0);
            assert_int_equal(rig_sync(&g, 3, text[0], c->n1, c->gate1), c->n1);
            as_from_scratch(&g, c->what, 3, text[0], c->n1, c->gate1);
            uint32_t ran = rig_sync(&g, 3, other, c->n2, c->gate2);
            if (ran != c->ran) fail_msg("%s: %u tokens run, not %u", c->what, ran, c->ran);
            as_from_scratch(&g, c->what, 3, other, c->n2, c->gate2);
        }
        session_rig_free(&g);
    }
}

/* A walk of syncs, steps and rewinds in which each state equals a run from scratch. */
static void a_long_walk_leaves_no_trace(void **state)
{
    struct session_rig g;
    uint32_t n = 0, gate = NO;
    int32_t ids[MAX_TOKENS];
    (void)state;
    rig_init(&g, WT_BF16);
    for (uint64_t i = 0; i < 60; i++) {
        uint32_t u = (uint32_t)((random_at(70, i) + 1) * 500), at = n ? u % n : 0;
        if (n == 0 || u % 4 == 0) { /* another continuation, perhaps with another gate */
            uint32_t more = 1 + u % 29;
            if (at + more > MAX_TOKENS) continue;
            for (uint32_t t = at; t < at + more; t++) ids[t] = (int32_t)((random_at(i, t) + 1) * 37);
            n = at + more, gate = u % 3 ? gate : u % 140;
            rig_sync(&g, 1, ids, n, gate);
        } else if (u % 4 == 1 && at) {
            session_rewind(g.s, 1, n = at);
            rig_step(&g, 1, ids[n++] = (int32_t)(u % 75));
        } else if (n < MAX_TOKENS)
            rig_step(&g, 1, ids[n++] = (int32_t)(u % 75));
        as_from_scratch(&g, "walk", 1, ids, n, gate);
    }
    session_rig_free(&g);
}

/* Rewinding to every length and going on gives what was there before; the gate holds for steps too. */
static void rewind_then_go_on(void **state)
{
    struct session_rig g;
    (void)state;
    rig_init(&g, WT_F32);
    rig_sync(&g, 0, text[0], MAX_TOKENS, 50);
    for (uint32_t n = MAX_TOKENS; n-- > 1;) {
        if (n > 5 && n % 64 > 1 && n % 64 < 63 && n % 9) continue;
        session_rewind(g.s, 0, n);
        rig_step(&g, 0, text[0][n]);
        as_from_scratch(&g, "rewound", 0, text[0], n + 1, 50);
    }
    session_rewind(g.s, 0, 99); /* holds two: nothing to forget */
    uint32_t n;
    session_tokens(g.s, 0, &n);
    assert_int_equal(n, 2);
    session_rig_free(&g);
}

/* ---- streams in company -------------------------------------------------------------------------------- */

/* Streams of different lengths and gates, stepped in one pass in changing company and order, against each
 * alone. */
static void streams_do_not_know_each_other(void **state)
{
    static const uint32_t start[STREAMS] = {1, 63, 64, 100, 20}, gate[STREAMS] = {NO, 66, 0, 100, 24};
    (void)state;
    for (int type = WT_F32; type <= WT_W4; type++) {
        struct session_rig g;
        uint32_t n[STREAMS];
        rig_init(&g, (enum weight_type)type);
        for (uint32_t i = 0; i < STREAMS; i++) rig_sync(&g, i, text[i], n[i] = start[i], gate[i]);
        for (uint32_t turn = 0; turn < 12; turn++) {
            uint32_t stream[STREAMS], count = 0;
            int32_t token[STREAMS];
            struct err e = {0};
            for (uint32_t k = 0; k < STREAMS; k++) {
                uint32_t i = turn % 2 ? k : STREAMS - 1 - k;
                if ((turn + i) % 4 == 0) continue;
                stream[count] = i, token[count++] = text[i][n[i]];
                n[i]++;
            }
            assert_int_equal(session_step(g.s, stream, token, count, &e), 0);
            for (uint32_t i = 0; i < STREAMS; i++)
                as_from_scratch(&g, "stepped together", i, text[i], n[i], gate[i]);
        }
        session_rig_free(&g);
    }
}

/* ---- refusals ------------------------------------------------------------------------------------------ */

static void bad_tokens_change_nothing(void **state)
{
    static const int32_t bad[] = {-1, 75, INT32_MAX, INT32_MIN};
    struct session_rig g;
    (void)state;
    rig_init(&g, WT_F32);
    rig_sync(&g, 0, text[0], 40, 10);
    for (int i = 0; i < 4; i++) {
        int32_t ids[50], two[2] = {3, bad[i]};
        uint32_t streams[2] = {0, 1};
        struct err e = {0};
        memcpy(ids, text[0], sizeof ids);
        ids[47] = bad[i];
        assert_int_equal(session_sync(g.s, 0, ids, 50, 10, NULL, &e), ERR_TOKEN_RANGE);
        assert_non_null(strstr(e.msg, "at 47"));
        assert_int_equal(session_step(g.s, streams, two, 2, &e), ERR_TOKEN_RANGE);
        as_from_scratch(&g, "after a refusal", 0, text[0], 40, 10);
    }
    session_rig_free(&g);
}

/* A stream takes max_tokens and not one more, though its last page would have room. */
static void full_streams_refuse(void **state)
{
    struct session_rig g;
    uint32_t both[2] = {1, 0};
    int32_t token[2] = {7, 8};
    struct err e = {0};
    (void)state;
    rig_init(&g, WT_F32);
    int32_t *more = calloc(MAX_TOKENS + 1, sizeof *more);
    rig_sync(&g, 0, text[0], MAX_TOKENS - 1, NO);
    rig_step(&g, 0, text[0][MAX_TOKENS - 1]);
    rig_sync(&g, 1, text[1], 10, NO);
    assert_int_equal(session_step(g.s, both, token, 2, &e), ERR_CTX_FULL);
    assert_non_null(strstr(e.msg, "150"));
    as_from_scratch(&g, "full", 0, text[0], MAX_TOKENS, NO);
    as_from_scratch(&g, "beside a full one", 1, text[1], 10, NO);
    assert_int_equal(session_sync(g.s, 1, more, MAX_TOKENS + 1, NO, NULL, &e), ERR_CTX_FULL);
    as_from_scratch(&g, "beside a full one", 1, text[1], 10, NO);
    session_rewind(g.s, 0, MAX_TOKENS - 1);
    rig_step(&g, 0, text[0][MAX_TOKENS - 1]);
    as_from_scratch(&g, "room again", 0, text[0], MAX_TOKENS, NO);
    free(more);
    session_rig_free(&g);
}

static void session_longer_than_the_context_is_refused(void **state)
{
    struct session_rig g;
    struct session *s;
    struct err e = {0};
    struct session_config c = {.streams = 1, .max_tokens = 513};
    (void)state;
    rig_init(&g, WT_F32);
    assert_int_equal(session_create(&s, g.r.m, NULL, &c, &e), ERR_CTX_FULL);
    assert_null(s);
    assert_non_null(strstr(e.msg, "513"));
    session_rig_free(&g);
}

/* ---- clause 2 ------------------------------------------------------------------------------------------ */

/* Log-probabilities of the answer as a session gives them: prompt at once, then token by token, beside
 * others. */
static void sampled_logprobs(struct session_rig *g, uint32_t prompt, uint32_t n, uint32_t gate, float *out)
{
    struct err e = {0};
    rig_sync(g, 2, text[1], 30, NO);
    rig_sync(g, 4, text[2], 50, 0);
    rig_sync(g, 0, text[0], prompt, gate);
    for (uint32_t t = prompt; t < n; t++) {
        uint32_t stream[3] = {4, 0, 2};
        int32_t token[3] = {text[2][t], text[0][t], text[1][t]};
        out[t - prompt] = session_logprob(g->s, 0, token[1]);
        assert_int_equal(session_step(g->s, stream + (t % 3 > 0), token + (t % 3 > 0), 3 - t % 3, &e), 0);
    }
}

/* The trainer's losses of the same tokens, packed behind another document, in passes of `chunk` rows. */
static void trained_nats(struct session_rig *g, int dense, uint32_t prompt, uint32_t n, enum lora_gate gate,
                         int64_t chunk, enum recompute recompute, float *out)
{
    struct micro_config mc = {.max_tokens = 2 * MAX_TOKENS, .max_docs = 2, .chunk = chunk, .gate = gate};
    struct label_span span = {prompt, n}, other = {12, 20};
    struct shard_doc docs[2] = {
        {.ids = (const uint32_t *)text[3], .n = 40, .header_at = 9, .response_at = 12},
        {.ids = (const uint32_t *)text[0], .n = n, .header_at = prompt - 3}};
    struct micro_result r;
    struct micro *u;
    struct err e = {0};
    float *nats = calloc(2 * MAX_TOKENS, sizeof *nats);
    mc.recompute = recompute;
    docs[0].spans = &other, docs[0].n_spans = 1;
    docs[1].response_at = prompt, docs[1].spans = &span, docs[1].n_spans = 1;
    assert_int_equal(micro_create(&u, g->r.m, dense ? NULL : g->adapter, dense ? NULL : g->lora, &mc, &e), 0);
    float *flat = calloc(g->adapter->count, sizeof *flat);
    struct grads grads = {.adapter = flat};
    if (micro_run(u, docs, 2, 1, 0, dense ? NULL : &grads, &r, nats, &e)) fail_msg("%s", e.msg);
    assert_int_equal(r.labels, 8 + n - prompt);
    if (!dense && gate == GATE_RESPONSE) { /* both documents' first losses come first, of base-only rows */
        out[0] = nats[1];
        memcpy(out + 1, nats + 2 + 7, (n - prompt - 1) * sizeof *out);
    } else
        memcpy(out, nats + 8, (n - prompt) * sizeof *out);
    free(flat);
    free(nats);
    micro_free(u);
}

static void compare(struct session_rig *g, int dense, enum lora_gate gate, uint32_t prompt, uint32_t n,
                    int64_t chunk)
{
    float sampled[MAX_TOKENS], nats[MAX_TOKENS];
    uint32_t from = dense ? NO : gate == GATE_ALL ? 0 : gate == GATE_ASSISTANT ? prompt - 3 : prompt;
    sampled_logprobs(g, prompt, n, from, sampled);
    trained_nats(g, dense, prompt, n, gate, chunk, (enum recompute)(chunk % 3), nats);
    for (uint32_t t = 0; t < n - prompt; t++) {
        float want = -nats[t];
        if (memcmp(&want, &sampled[t], sizeof want))
            fail_msg("gate %d, token %u of %u: sampled at %.9g, trained at %.9g", gate, t, n - prompt,
                     (double)sampled[t], (double)want);
    }
}

static void rollout_equals_trainer(void **state)
{
    (void)state;
    for (int type = WT_F32; type <= WT_W4; type++) {
        struct session_rig g;
        rig_init(&g, (enum weight_type)type);
        for (int gate = GATE_ASSISTANT; gate <= GATE_ALL; gate++)
            compare(&g, 0, (enum lora_gate)gate, 37, 149, 31 + gate);
        compare(&g, 0, GATE_RESPONSE, 64, 130, 1024);
        compare(&g, 1, GATE_ALL, 5, 70, 16);
        session_rig_free(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sync_keeps_the_common_prefix),
        cmocka_unit_test(a_long_walk_leaves_no_trace),
        cmocka_unit_test(rewind_then_go_on),
        cmocka_unit_test(streams_do_not_know_each_other),
        cmocka_unit_test(bad_tokens_change_nothing),
        cmocka_unit_test(full_streams_refuse),
        cmocka_unit_test(session_longer_than_the_context_is_refused),
        cmocka_unit_test(rollout_equals_trainer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
