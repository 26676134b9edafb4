/* Hidden states pooled on the way: the poolings against sums written down plainly, the same bits however a
 * range was run, and what watching does to what a session may take from elsewhere. */
#include "infer/session.h"
#include "tests/support/random_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { T = 310, STREAMS = 4, GATE = 200, DEPTHS = 4, MAX_WIDTH = 256 };
static const struct states_config depths = {{0, 1, 2, STATES_FINAL}, DEPTHS};

struct rig {
    struct random_model r;
    struct adapter *adapter;
    struct lora *lora;
    struct session *s;
    uint32_t width;
    int32_t ids[STREAMS][T];
};

static void rig_init(struct rig *g, enum weight_type type, unsigned threads, int64_t prefill)
{
    struct model_config c = tiny_config_for(type);
    struct session_config sc = {
        .streams = STREAMS, .max_tokens = T, .prefill = prefill, .cache_bytes = 1 << 24, .states = depths};
    struct err e = {0};
    assert_int_equal(c.layers, 2);
    random_model_create(&g->r, &c, type, threads, NULL, 1);
    g->width = c.width;
    assert_true(c.width <= MAX_WIDTH);
    g->adapter = random_adapter(&c, 8, LORA_ALL, 2);
    assert_int_equal(lora_create(&g->lora, g->r.m, g->adapter, &e), 0);
    if (session_create(&g->s, g->r.m, g->lora, &sc, &e)) fail_msg("%s", e.msg);
    for (int i = 0; i < STREAMS; i++)
        for (uint64_t t = 0; t < T; t++) g->ids[i][t] = (int32_t)((random_at(9 + (uint64_t)i, t) + 1) * 37);
}

static void rig_free(struct rig *g)
{
    session_free(g->s);
    lora_free(g->lora);
    adapter_free(g->adapter);
    random_model_free(&g->r);
}

static uint32_t sync(struct rig *g, uint32_t i, const int32_t *ids, uint32_t n, uint32_t gate)
{
    uint32_t ran;
    struct err e = {0};
    if (session_sync(g->s, i, ids, n, gate, &ran, &e)) fail_msg("%s", e.msg);
    return ran;
}

static void run(struct rig *g, const struct session_part *parts, uint32_t n)
{
    struct err e = {0};
    if (session_run(g->s, parts, n, &e)) fail_msg("%s", e.msg);
}

/* ---- the poolings -------------------------------------------------------------------------------------- */

/* Each token's own states [T][DEPTHS][width], by watching one token at a time. */
static float *token_states(struct rig *g)
{
    float *all = calloc((size_t)T * DEPTHS, g->width * sizeof *all);
    session_watch(g->s, 0, 0, 0);
    sync(g, 0, g->ids[0], 1, GATE);
    session_rewind(g->s, 0, 0);
    for (uint32_t t = 0; t < T; t++) {
        session_watch(g->s, 0, t, t + 1);
        run(g, &(struct session_part){.n = 1, .ids = &g->ids[0][t], .quiet = true}, 1);
        for (uint32_t k = 0; k < DEPTHS; k++)
            assert_int_equal(session_states(g->s, 0, k, POOL_LAST, all + ((size_t)t * DEPTHS + k) * g->width),
                             1);
    }
    return all;
}

/* What infer/states.h says, of one value a token. */
static float pooled(const float *x, size_t stride, uint32_t n, enum pooling how)
{
    double e = 0, sum = 0;
    if (how == POOL_LAST) return x[(n - 1) * stride];
    for (uint32_t from = 0; from < n; from += STATES_CHUNK) {
        uint32_t r = n - from < STATES_CHUNK ? n - from : STATES_CHUNK;
        double c = 0;
        for (uint32_t i = 0; i < r; i++) c += (double)x[(from + i) * stride];
        double w = r == STATES_CHUNK ? 0.5 : 0.5 * r / STATES_CHUNK;
        e = from ? e + w * (c / r - e) : c / r;
        sum += c;
    }
    return (float)(how == POOL_MEAN ? sum / n : e);
}

static void check_range(struct rig *g, const float *all, uint32_t stream, uint32_t from, uint32_t to,
                        const char *what)
{
    float got[MAX_WIDTH];
    for (uint32_t k = 0; k < DEPTHS; k++)
        for (enum pooling how = POOL_LAST; how < POOL_COUNT; how++) {
            uint32_t n = session_states(g->s, stream, k, how, got);
            if (n != to - from) fail_msg("%s: %u tokens pooled of %u to %u", what, n, from, to);
            for (uint32_t i = 0; i < g->width; i++) {
                float want = pooled(all + ((size_t)from * DEPTHS + k) * g->width + i,
                                    (size_t)DEPTHS * g->width, n, how);
                if (memcmp(&want, &got[i], sizeof want))
                    fail_msg("%s: %s of %u to %u, depth %u, feature %u is %.9g, expected %.9g", what,
                             pooling_names[how], from, to, k, i, (double)got[i], (double)want);
            }
        }
}

static const struct {
    uint32_t from, to;
} ranges[] = {{0, 1}, {0, 127}, {0, 128}, {0, 129}, {0, T}, {50, 190}, {150, 290}, {37, 293}, {T - 1, T}};

static void poolings_are_what_they_say(void **state)
{
    (void)state;
    struct rig g;
    for (enum weight_type type = WT_F32; type <= WT_BF16; type++) {
        rig_init(&g, type, 2, 64);
        float *all = token_states(&g);
        for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
            session_watch(g.s, 1, ranges[i].from, ranges[i].to);
            sync(&g, 1, g.ids[0], T, GATE);
            check_range(&g, all, 1, ranges[i].from, ranges[i].to, "sync");
        }
        free(all);
        rig_free(&g);
    }
}

/* The final state is what the logits are made of: the norm of the last layer's. */
static void final_is_what_the_head_reads(void **state)
{
    (void)state;
    struct rig g;
    float last[MAX_WIDTH], final[MAX_WIDTH], want[MAX_WIDTH];
    rig_init(&g, WT_F32, 1, 0);
    session_watch(g.s, 0, 0, T);
    sync(&g, 0, g.ids[0], T, GATE);
    assert_int_equal(session_states(g.s, 0, 2, POOL_LAST, last), T);
    assert_int_equal(session_states(g.s, 0, 3, POOL_LAST, final), T);
    g.r.m->kern.rmsnorm(g.width, (float)g.r.m->c.rms_eps, last, model_vec(g.r.m, P_NORM, 0), want);
    assert_memory_equal(final, want, g.width * sizeof *want);
    rig_free(&g);
}

/* ---- however they were run ----------------------------------------------------------------------------- */

/* Threads, passes cut everywhere, other streams on the way, the adapter beginning inside the range. */
static void bits_do_not_depend_on_company(void **state)
{
    (void)state;
    static const unsigned threads[] = {1, 2, 3, 7};
    static const int64_t prefill[] = {256, 64, 33, 5};
    struct rig g;
    float *all = NULL;
    for (int v = 0; v < 4; v++) {
        rig_init(&g, WT_BF16, threads[v], prefill[v]);
        if (!all) all = token_states(&g);
        for (uint32_t i = 0; i < STREAMS; i++) session_rewind(g.s, i, 0), session_watch(g.s, i, 20, T);
        int32_t *const own = g.ids[0];
        sync(&g, 0, own, 150, GATE);
        for (uint32_t i = 1; i < STREAMS; i++) sync(&g, i, g.ids[i], 10 + i, 5);
        for (uint32_t t = 150, n; t < T; t += n) {
            n = (uint32_t)prefill[v] - 3 < T - t ? (uint32_t)prefill[v] - 3 : T - t;
            const struct session_part parts[] = {
                {3, 1, &g.ids[3][t % 100], true}, {0, n, own + t, true}, {1, 1, &g.ids[1][t % 100], false}};
            run(&g, parts, 3);
        }
        check_range(&g, all, 0, 20, T, "in company");
        rig_free(&g);
    }
    free(all);
}

static void logits_do_not_know_the_tap(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g, WT_BF16, 2, 48);
    size_t bytes = g.r.m->c.vocab * sizeof(float);
    float *want = malloc(bytes);
    sync(&g, 0, g.ids[0], T, GATE);
    memcpy(want, session_logits(g.s, 0), bytes);
    session_rewind(g.s, 0, 0);
    session_watch(g.s, 0, 0, T);
    assert_int_equal(sync(&g, 0, g.ids[0], T, GATE), T);
    assert_memory_equal(want, session_logits(g.s, 0), bytes);
    free(want);
    rig_free(&g);
}

/* ---- what is there already ----------------------------------------------------------------------------- */

/* A watched turn at the end of a conversation runs once; what comes before it is found. */
static void what_is_watched_is_run_once(void **state)
{
    (void)state;
    struct rig g;
    float x[MAX_WIDTH];
    rig_init(&g, WT_BF16, 1, 0);
    float *all = token_states(&g);
    session_watch(g.s, 0, 0, 0);
    session_rewind(g.s, 0, 0);
    for (uint32_t i = 1; i < STREAMS; i++) sync(&g, i, g.ids[i], 1, GATE);
    /* the cache has pages, the range begins inside one */
    session_watch(g.s, 0, 100, 190);
    assert_int_equal(sync(&g, 0, g.ids[0], 205, GATE), 205 - 64);
    check_range(&g, all, 0, 100, 190, "from the cache");
    /* the same again, and going on: nothing is lost and nothing runs twice */
    session_watch(g.s, 0, 100, 190);
    assert_int_equal(sync(&g, 0, g.ids[0], 205, GATE), 1);
    assert_int_equal(sync(&g, 0, g.ids[0], 220, UINT32_MAX), 20);
    assert_int_equal(sync(&g, 0, g.ids[0], 220, GATE), 20);
    check_range(&g, all, 0, 100, 190, "either mode");
    /* a new turn */
    session_watch(g.s, 0, 220, 300);
    assert_int_equal(sync(&g, 0, g.ids[0], 300, GATE), 80);
    check_range(&g, all, 0, 220, 300, "the next turn");
    /* another stream forks as far as it may */
    session_watch(g.s, 1, 250, 290);
    assert_int_equal(sync(&g, 1, g.ids[0], 300, GATE), 50);
    check_range(&g, all, 1, 250, 290, "by a fork");
    /* what was run before it was watched is run again */
    session_watch(g.s, 1, 280, 300);
    assert_int_equal(session_states(g.s, 1, 0, POOL_MEAN, x), 0);
    assert_int_equal(sync(&g, 1, g.ids[0], 300, GATE), 20);
    check_range(&g, all, 1, 280, 300, "after the fact");
    free(all);
    rig_free(&g);
}

static void forks_and_rewinds(void **state)
{
    (void)state;
    struct rig g;
    float x[MAX_WIDTH];
    rig_init(&g, WT_BF16, 1, 0);
    float *all = token_states(&g);
    session_watch(g.s, 0, 0, 150);
    session_rewind(g.s, 0, 0);
    sync(&g, 0, g.ids[0], 160, GATE);
    session_fork(g.s, 0, 1, 155);
    check_range(&g, all, 1, 0, 150, "forked");
    session_fork(g.s, 0, 2, 140);
    assert_int_equal(session_states(g.s, 2, 0, POOL_MEAN, x), 0);
    session_rewind(g.s, 1, 150);
    check_range(&g, all, 1, 0, 150, "rewound to the end");
    session_rewind(g.s, 1, 149);
    assert_int_equal(session_states(g.s, 1, 0, POOL_MEAN, x), 0);
    assert_int_equal(sync(&g, 1, g.ids[0], 160, GATE), 1);
    check_range(&g, all, 1, 0, 150, "lent by stream 0");
    session_watch(g.s, 1, 0, 149);
    assert_int_equal(sync(&g, 1, g.ids[0], 160, GATE), 160);
    check_range(&g, all, 1, 0, 149, "run again");
    /* a verifier's question on a chain, and back */
    session_watch(g.s, 0, 160, UINT32_MAX);
    run(&g, &(struct session_part){0, 30, g.ids[0] + 160, true}, 1);
    check_range(&g, all, 0, 160, 190, "open");
    run(&g, &(struct session_part){0, 20, g.ids[0] + 190, true}, 1);
    check_range(&g, all, 0, 160, 210, "longer");
    session_rewind(g.s, 0, 160);
    assert_int_equal(session_states(g.s, 0, 0, POOL_LAST, x), 0);
    free(all);
    rig_free(&g);
}

static void a_session_without_states(void **state)
{
    (void)state;
    struct rig g;
    struct session *s;
    struct err e = {0};
    float x[MAX_WIDTH];
    rig_init(&g, WT_F32, 1, 0);
    struct session_config c = {.streams = 1, .max_tokens = 8};
    assert_int_equal(session_create(&s, g.r.m, NULL, &c, &e), 0);
    session_watch(s, 0, 0, 4);
    assert_int_equal(session_sync(s, 0, g.ids[0], 4, UINT32_MAX, NULL, &e), 0);
    assert_int_equal(session_states(s, 0, 0, POOL_MEAN, x), 0);
    session_free(s);
    rig_free(&g);
}

static void depths_that_are_not_there(void **state)
{
    (void)state;
    struct rig g;
    struct session *s;
    rig_init(&g, WT_F32, 1, 0);
    static const struct states_config bad[] = {{{3}, 1}, {{1, 0, 1}, 3}, {{0}, STATES_MAX_DEPTHS + 1}};
    for (int i = 0; i < 3; i++) {
        struct err e = {0};
        struct session_config c = {.streams = 1, .max_tokens = 8, .states = bad[i]};
        assert_int_equal(session_create(&s, g.r.m, NULL, &c, &e), ERR_FIELD_RANGE);
        assert_null(s);
    }
    rig_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poolings_are_what_they_say),    cmocka_unit_test(final_is_what_the_head_reads),
        cmocka_unit_test(bits_do_not_depend_on_company), cmocka_unit_test(logits_do_not_know_the_tap),
        cmocka_unit_test(what_is_watched_is_run_once),   cmocka_unit_test(forks_and_rewinds),
        cmocka_unit_test(depths_that_are_not_there),     cmocka_unit_test(a_session_without_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
