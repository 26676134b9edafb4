/* Streams that share: forks, the prefix cache, gates that differ, contexts longer than a chunk, with keys and
 * values in every type. Whatever a stream went through, its logits are those of a run from scratch, bit for
 * bit. */
#include "tests/support/quick.h"
#include "tests/support/session_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_TOKENS = 300, STREAMS = 9, LONG = 1300 };

static const struct kind {
    enum weight_type type;
    enum kv_type kv;
} kinds[] = {{WT_BF16, KV_MODEL}, {WT_F32, KV_MODEL}, {WT_BF16, KV_INT8}, {WT_F32, KV_INT8}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int32_t text[LONG];

static void rig_init(struct session_rig *g, struct kind kind, unsigned threads, struct session_config c)
{
    struct model_config m = tiny_config();
    m.max_positions = LONG, c.kv = kind.kv;
    session_rig_init(g, &m, kind.type, threads, &c);
    random_text(text, LONG, 9);
}

static struct kv_index_stats cache(const struct session_rig *g)
{
    struct kv_index_stats s;
    session_cache(g->s, &s);
    return s;
}

/* ---- a random life
 * ----------------------------------------------------------------------------------------- */

struct life {
    struct session_rig g;
    uint32_t n[STREAMS], gate[STREAMS]; /* n 0: the stream is idle */
    uint64_t seed, drawn;
};

static uint32_t dice(struct life *l, uint32_t sides)
{
    return (uint32_t)((double)(random_at(l->seed, l->drawn++) + 1) * 0.4999 * sides);
}

/* A prompt that begins like others: one of three beginnings up to some place, then its own. */
static uint32_t prompt_make(struct life *l, int32_t *ids)
{
    uint32_t n = 1 + dice(l, 250), own = n - dice(l, n / 2 + 1), kind = dice(l, 2), tail = dice(l, 5);
    for (uint32_t t = 0; t < n; t++) ids[t] = text[t + kind * 300 + (t >= own ? 20 + 7 * tail : 0)];
    return n;
}

static void live_join(struct life *l, uint32_t i)
{
    static const uint32_t gates[] = {0, 64, 150, 150, UINT32_MAX, UINT32_MAX};
    int32_t ids[MAX_TOKENS];
    l->n[i] = prompt_make(l, ids), l->gate[i] = gates[dice(l, 6)];
    rig_sync(&l->g, i, ids, l->n[i], l->gate[i]);
    rig_as_from_scratch(&l->g, "joined", i, l->gate[i]);
}

static void live_fork(struct life *l, uint32_t i)
{
    uint32_t from = dice(l, STREAMS);
    if (!l->n[from] || from == i) return;
    uint32_t n = dice(l, 2) ? l->n[from] : 1 + dice(l, l->n[from]);
    session_fork(l->g.s, from, i, n);
    l->n[i] = n, l->gate[i] = l->gate[from];
    if (n == l->n[from]) rig_as_from_scratch(&l->g, "forked", i, l->gate[i]);
}

/* Some of the streams take 1 token, others chunks, in one pass. */
static void live_run(struct life *l)
{
    struct session_part part[STREAMS];
    uint32_t parts = 0, skip = dice(l, 4);
    struct err e = {0};
    for (uint32_t k = 0; k < STREAMS; k++) {
        uint32_t i = (k + skip) % STREAMS, n = dice(l, 3) ? 1 : 1 + dice(l, 30);
        if (!l->n[i] || dice(l, 4) == 0 || l->n[i] + n > MAX_TOKENS) continue;
        part[parts++] = (struct session_part){.stream = i, .n = n, .ids = text + dice(l, 900)};
        l->n[i] += n;
    }
    if (session_run(l->g.s, part, parts, &e)) fail_msg("%s", e.msg);
    for (uint32_t k = 0; k < parts; k += 1 + dice(l, 3))
        rig_as_from_scratch(&l->g, "run together", part[k].stream, l->gate[part[k].stream]);
}

static void live(struct life *l, int turns)
{
    for (int turn = 0; turn < turns; turn++) {
        uint32_t what = dice(l, 10), i = dice(l, STREAMS);
        if (what < 3) {
            live_join(l, i);
        } else if (what < 4) {
            live_fork(l, i);
        } else if (what == 4) {
            session_rewind(l->g.s, i, 0); /* leaves */
            l->n[i] = 0;
        } else if (what == 5 && l->n[i] > 1) {
            l->n[i] = 1 + dice(l, l->n[i] - 1);
            session_rewind(l->g.s, i, l->n[i]);
        } else {
            live_run(l);
        }
        if (what == 6 && l->n[i] && session_logits(l->g.s, i))
            rig_as_from_scratch(&l->g, "kept", i, l->gate[i]);
    }
}

static void streams_that_come_and_go_do_not_know_each_other(void **state)
{
    (void)state;
    for (int k = 0; k < KINDS; k++) {
        struct life l = {.seed = 100 + (uint64_t)k};
        struct session_config c = {.streams = STREAMS, .max_tokens = MAX_TOKENS, .prefill = 300};
        struct random_model probe;
        struct model_config mc = tiny_config();
        random_model_create(&probe, &mc, kinds[k].type, 1, NULL, 1);
        c.cache_bytes = 7 * kv_page_bytes(probe.m, kinds[k].kv);
        random_model_free(&probe);
        rig_init(&l.g, kinds[k], 2, c);
        live(&l, QUICK ? 30 : kinds[k].kv == KV_INT8 ? 20 : 150);
        struct kv_index_stats s = cache(&l.g);
        if ((!QUICK && kinds[k].kv == KV_MODEL && (!s.found || !s.evicted)) || s.resting > s.limit ||
            s.limit != 7)
            fail_msg("%d pages found, %d evicted, %u resting of %u", (int)s.found, (int)s.evicted, s.resting,
                     s.limit);
        session_rig_free(&l.g);
    }
}

/* ---- long contexts
 * ------------------------------------------------------------------------------------------- */

/* Several chunks of 8 pages, on any number of threads, run in any portions: the same bits. */
static void chunks_are_merged_alike(void **state)
{
    static const struct {
        unsigned threads;
        int64_t prefill;
    } ways[] = {{1, 512}, {2, 100}, {3, 512}, {3, 64}, {7, 700}};
    static const uint32_t lengths[] = {511, 512, 513, 640, 1024, 1025, 1299};
    (void)state;
    for (int k = 0; k < (QUICK ? 1 : KINDS); k++) {
        float *want = calloc(7, 75 * sizeof *want);
        for (int w = 0; w < 5; w += kinds[k].kv == KV_INT8 ? 3 : 1) {
            struct session_rig g;
            struct session_config c = {.streams = 2, .max_tokens = LONG, .prefill = ways[w].prefill};
            rig_init(&g, kinds[k], ways[w].threads, c);
            for (int i = 0; i < 7; i++) {
                rig_sync(&g, 0, text, lengths[i] - 1, 700);
                rig_step(&g, 0, text[lengths[i] - 1]);
                if (w == 0) memcpy(want + i * 75, session_logits(g.s, 0), 75 * sizeof *want);
                if (memcmp(want + i * 75, session_logits(g.s, 0), 75 * sizeof *want))
                    fail_msg("%u threads, passes of %d: %u tokens differ", ways[w].threads,
                             (int)ways[w].prefill, lengths[i]);
            }
            session_rig_free(&g);
        }
        free(want);
    }
}

/* ---- sharing
 * --------------------------------------------------------------------------------------------------- */

/* Chat and reasoning on one prompt: every page up to the assistant's header is the same one, and no token
 * before it is run again. */
static void chat_and_reasoning_share_the_prompt(void **state)
{
    enum { HEADER = 197, PROMPT = 200 };
    (void)state;
    for (int k = 0; k < KINDS; k++) {
        struct session_rig g;
        struct session_config c = {.streams = 4, .max_tokens = MAX_TOKENS};
        rig_init(&g, kinds[k], 2, c);
        assert_int_equal(rig_sync(&g, 0, text, PROMPT, UINT32_MAX), PROMPT);
        uint32_t unused = session_unused_pages(g.s);
        assert_int_equal(rig_sync(&g, 1, text, PROMPT, HEADER),
                         PROMPT - HEADER); /* the header, adapted: never run yet */
        rig_as_from_scratch(&g, "reasoning", 1, HEADER);
        assert_int_equal(unused - session_unused_pages(g.s), 1); /* the page with the header in it */
        for (uint32_t i = 2; i < 4; i++) session_fork(g.s, 1, i, PROMPT);
        assert_int_equal(unused - session_unused_pages(g.s), 1);
        for (int t = 0; t < 70; t++) {
            uint32_t stream[] = {3, 0, 2, 1};
            int32_t token[] = {(t + 1) % 75, (t + 2) % 75, (t + 3) % 75, (t + 4) % 75};
            struct err e = {0};
            assert_int_equal(session_step(g.s, stream, token, 4, &e), 0);
            for (uint32_t i = 0; i < 4 && t % 23 == 0; i++)
                rig_as_from_scratch(&g, "together", i, i ? HEADER : UINT32_MAX);
        }
        assert_int_equal(unused - session_unused_pages(g.s),
                         3 + 4); /* a copy of that page, and one more each */
        session_rig_free(&g);
    }
}

static void a_fork_is_what_running_again_would_be(void **state)
{
    static const uint32_t lengths[] = {1, 2, 63, 64, 65, 100, 128, 190, 191};
    (void)state;
    for (int k = 0; k < KINDS - 1; k++) {
        struct session_rig g;
        struct session_config c = {.streams = 3, .max_tokens = MAX_TOKENS};
        rig_init(&g, kinds[k], 2, c);
        rig_sync(&g, 0, text, 191, 90);
        for (int i = 0; i < 9; i++) {
            session_fork(g.s, 0, 1, lengths[i]);
            session_fork(g.s, 1, 2, lengths[i]);
            if (lengths[i] == 191) rig_as_from_scratch(&g, "forked whole", 2, 90);
            rig_step(&g, 1, 11);
            rig_step(&g, 2, 12);
            rig_as_from_scratch(&g, "forked", 1, 90);
            rig_as_from_scratch(&g, "forked again", 2, 90);
        }
        rig_step(&g, 0, 13);
        rig_as_from_scratch(&g, "the first", 0, 90);
        session_rig_free(&g);
    }
}

/* Logits of a stream that others leave behind stay its own; a fork's too. */
static void logits_stay_until_their_stream_changes(void **state)
{
    struct session_rig g;
    struct session_config c = {.streams = 4, .max_tokens = MAX_TOKENS};
    (void)state;
    rig_init(&g, kinds[0], 2, c);
    rig_sync(&g, 0, text, 20, UINT32_MAX);
    session_fork(g.s, 0, 1, 20);
    rig_sync(&g, 2, text + 5, 30, UINT32_MAX);
    session_fork(g.s, 1, 3, 20);
    rig_step(&g, 1, 9);
    rig_step(&g, 2, 9);
    rig_as_from_scratch(&g, "the source", 0, UINT32_MAX);
    rig_as_from_scratch(&g, "a fork that went on", 1, UINT32_MAX);
    rig_as_from_scratch(&g, "a fork of the fork", 3, UINT32_MAX);
    rig_step(&g, 0, 9);
    rig_step(&g, 1, 9);
    rig_as_from_scratch(&g, "a fork of the fork", 3, UINT32_MAX);
    session_rewind(g.s, 3, 10);
    assert_null(session_logits(g.s, 3));
    session_rig_free(&g);
}

/* ---- the prefix cache
 * ------------------------------------------------------------------------------------------ */

static void prompts_are_found_again(void **state)
{
    struct session_rig g;
    struct session_config c = {.streams = 2, .max_tokens = MAX_TOKENS, .cache_bytes = 64 << 20};
    (void)state;
    rig_init(&g, kinds[0], 2, c);
    assert_int_equal(rig_sync(&g, 0, text, 250, UINT32_MAX), 250);
    session_rewind(g.s, 0, 0);
    assert_int_equal(rig_sync(&g, 1, text, 250, UINT32_MAX), 250 - 192);
    rig_as_from_scratch(&g, "found", 1, UINT32_MAX);
    session_rewind(g.s, 1, 0);
    assert_int_equal(rig_sync(&g, 0, text, 192, UINT32_MAX), 64); /* the last token's logits are wanted */
    rig_as_from_scratch(&g, "found, whole pages", 0, UINT32_MAX);
    session_rewind(g.s, 0, 0);
    assert_int_equal(rig_sync(&g, 0, text, 250, 100), 250 - 64);
    rig_as_from_scratch(&g, "found, another gate", 0, 100);
    session_rewind(g.s, 0, 0);
    assert_int_equal(rig_sync(&g, 1, text, 251, 100), 251 - 192); /* adapted pages too */
    rig_as_from_scratch(&g, "found, the same gate", 1, 100);
    session_rig_free(&g);
}

/* Other weights behind the same adapter, or another one: only what the base made is found. */
static void adapters_are_never_mixed(void **state)
{
    struct session_rig g;
    struct lora *other;
    struct err e = {0};
    struct session_config c = {.streams = 2, .max_tokens = MAX_TOKENS, .cache_bytes = 64 << 20};
    (void)state;
    rig_init(&g, kinds[0], 2, c);
    struct adapter *second = random_adapter(&g.r.m->c, 8, LORA_ALL, 77),
                   *wide = random_adapter(&g.r.m->c, 9, LORA_ALL, 1);
    assert_int_equal(lora_create(&other, g.r.m, second, &e), 0);
    rig_sync(&g, 0, text, 250, 128);
    rig_sync(&g, 1, text, 250, 0);
    assert_int_equal(session_set_lora(g.s, other, &e), 0);
    assert_int_equal(session_set_lora(g.fresh, other, &e), 0);
    uint32_t n;
    session_tokens(g.s, 0, &n);
    assert_int_equal(n, 128);
    session_tokens(g.s, 1, &n);
    assert_int_equal(n, 0);
    session_rewind(g.s, 0, 0);
    assert_int_equal(rig_sync(&g, 0, text, 250, 128), 250 - 128);
    rig_as_from_scratch(&g, "another adapter", 0, 128);
    assert_int_equal(rig_sync(&g, 1, text, 250, 0), 250);
    rig_as_from_scratch(&g, "another adapter everywhere", 1, 0);
    assert_int_equal(session_set_lora(g.s, NULL, &e), 0);
    assert_int_equal(session_set_lora(g.fresh, NULL, &e), 0);
    rig_sync(&g, 1, text, 250, 0);
    rig_as_from_scratch(&g, "none", 1, 0);
    struct lora *too_wide;
    assert_int_equal(lora_create(&too_wide, g.r.m, wide, &e), 0);
    assert_int_equal(session_set_lora(g.s, too_wide, &e), ERR_AD_RANK);
    lora_free(too_wide);
    lora_free(other);
    adapter_free(second);
    adapter_free(wide);
    session_rig_free(&g);
}

/* ---- short of pages
 * -------------------------------------------------------------------------------------------- */

static void short_pages_are_an_error_and_nothing_is_lost(void **state)
{
    struct session_rig g;
    struct err e = {0};
    uint32_t both[2] = {0, 1};
    int32_t token[2] = {1, 2};
    struct session_config c = {.streams = 3, .max_tokens = MAX_TOKENS, .pages = 4};
    (void)state;
    rig_init(&g, kinds[0], 2, c);
    rig_sync(&g, 0, text, 100, UINT32_MAX);
    rig_sync(&g, 1, text + 9, 128, UINT32_MAX);
    assert_int_equal(session_step(g.s, both, token, 2, &e), ERR_CTX_FULL);
    assert_non_null(strstr(e.msg, "KV cache is full"));
    rig_as_from_scratch(&g, "the other's pages are short", 0, UINT32_MAX);
    rig_as_from_scratch(&g, "its pages are short", 1, UINT32_MAX);
    assert_int_equal(session_sync(g.s, 2, text + 50, 70, UINT32_MAX, NULL, &e), ERR_CTX_FULL);
    rig_step(&g, 0, 3);
    rig_as_from_scratch(&g, "there is room in its page", 0, UINT32_MAX);
    session_rewind(g.s, 0, 50);
    rig_step(&g, 1, 3);
    rig_as_from_scratch(&g, "a page came free", 1, UINT32_MAX);
    session_rig_free(&g);
}

static void passes_too_large_are_refused(void **state)
{
    struct session_rig g;
    struct err e = {0};
    struct session_config c = {.streams = 2, .max_tokens = MAX_TOKENS, .prefill = 16};
    (void)state;
    rig_init(&g, kinds[0], 1, c);
    struct session_part parts[] = {{.stream = 0, .n = 8, .ids = text}, {.stream = 1, .n = 9, .ids = text}};
    assert_int_equal(session_rows(g.s), 16);
    assert_int_equal(session_run(g.s, parts, 2, &e), ERR_TOO_MANY);
    parts[1].n = 8;
    assert_int_equal(session_run(g.s, parts, 2, &e), 0);
    assert_memory_equal(session_logits(g.s, 0), session_logits(g.s, 1), 75 * sizeof(float));
    session_rig_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_that_come_and_go_do_not_know_each_other),
        cmocka_unit_test(chunks_are_merged_alike),
        cmocka_unit_test(chat_and_reasoning_share_the_prompt),
        cmocka_unit_test(a_fork_is_what_running_again_would_be),
        cmocka_unit_test(logits_stay_until_their_stream_changes),
        cmocka_unit_test(prompts_are_found_again),
        cmocka_unit_test(adapters_are_never_mixed),
        cmocka_unit_test(short_pages_are_an_error_and_nothing_is_lost),
        cmocka_unit_test(passes_too_large_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
