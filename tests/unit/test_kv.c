/* Pages of keys and values: who holds them, what is copied when, what is zero; the index that finds pages by
 * what they hold; 8-bit storage. */
#include "infer/kv.h"
#include "tests/support/random_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STREAMS = 6, MOST = 512 };
static const struct kv_gate base_only = {0, UINT32_MAX};

struct rig {
    struct random_model r;
    struct kv_pool *pool;
    struct kv_stream *s[STREAMS];
    uint32_t pages;
    int32_t ids[MOST];
};

static void rig_init(struct rig *g, uint32_t pages, uint32_t resting, enum kv_type type)
{
    struct model_config c = tiny_config();
    struct kv_config kc = {.pages = pages, .resting = resting, .type = type};
    struct err e = {0};
    c.kv_heads = 2, c.heads = 4, g->pages = pages;
    random_model_create(&g->r, &c, WT_BF16, 1, NULL, 1);
    assert_int_equal(kv_pool_create_for(&g->pool, g->r.m, &kc, &e), 0);
    for (int i = 0; i < STREAMS; i++) assert_int_equal(kv_stream_create(&g->s[i], g->pool, MOST, &e), 0);
    for (int i = 0; i < MOST; i++) g->ids[i] = i * 7 % 75;
}

static void rig_free(struct rig *g)
{
    for (int i = 0; i < STREAMS; i++) kv_stream_free(g->s[i]);
    assert_int_equal(kv_pool_unused(g->pool), g->pages);
    kv_pool_free(g->pool);
    random_model_free(&g->r);
}

/* What history `tag` has at (position, layer, head): small integers, which every type holds exactly enough.
 */
static float value_at(uint32_t tag, uint32_t t, uint32_t layer, uint32_t head, uint32_t d)
{
    return d == 0 ? 127 : (float)((tag * 31 + t * 7 + layer * 5 + head * 3 + d) % 100) - 50;
}

static void grow(struct rig *g, uint32_t i, uint32_t n, uint32_t tag)
{
    float key[32], value[32];
    struct err e = {0};
    uint32_t from = g->s[i]->length;
    if (kv_stream_extend(g->s[i], n, &e)) fail_msg("%s", e.msg);
    for (uint32_t t = from; t < from + n; t++)
        for (uint32_t l = 0; l < 2; l++)
            for (uint32_t h = 0; h < 2; h++) {
                for (uint32_t d = 0; d < 32; d++)
                    key[d] = value_at(tag, t, l, h, d), value[d] = value_at(tag + 1, t, l, h, d);
                kv_put(g->s[i], t, l, h, key, value);
            }
}

/* Positions [from, to) of stream i are those of `tag`. */
static void holds(const struct rig *g, uint32_t i, uint32_t from, uint32_t to, uint32_t tag)
{
    float key[32], value[32];
    for (uint32_t t = from; t < to; t++)
        for (uint32_t l = 0; l < 2; l++)
            for (uint32_t h = 0; h < 2; h++) {
                kv_get(g->s[i], t, l, h, key, value);
                for (uint32_t d = 0; d < 32; d++) {
                    assert_true(key[d] == value_at(tag, t, l, h, d));
                    assert_true(value[d] == value_at(tag + 1, t, l, h, d));
                }
            }
}

/* Values past the end of the last page are zero. */
static void tail_is_zero(const struct rig *g, uint32_t i)
{
    float key[32], value[32];
    for (uint32_t t = g->s[i]->length; t % KV_PAGE; t++)
        for (uint32_t l = 0; l < 2; l++) {
            kv_get(g->s[i], t, l, 1, key, value);
            for (uint32_t d = 0; d < 32; d++) assert_true(value[d] == 0);
        }
}

/* ---- forks --------------------------------------------------------------------------------------------- */

static void forks_share_whole_pages_and_copy_the_rest(void **state)
{
    static const uint32_t lengths[] = {1, 5, 63, 64, 65, 127, 128, 130};
    (void)state;
    for (int type = KV_MODEL; type <= KV_INT8; type++)
        for (int k = 0; k < 8; k++) {
            struct rig g;
            uint32_t n = lengths[k];
            rig_init(&g, 40, 0, (enum kv_type)type);
            grow(&g, 0, 140, 10);
            uint32_t unused = kv_pool_unused(g.pool);
            for (uint32_t i = 1; i < 4; i++) kv_stream_fork(g.s[i], g.s[0], n);
            assert_int_equal(kv_pool_unused(g.pool), unused); /* nothing is copied yet */
            assert_int_equal(kv_stream_wants(g.s[1], n + 1), 1);
            for (uint32_t i = 1; i < 4; i++) {
                grow(&g, i, 20, 20 * i);
                holds(&g, i, 0, n, 10);
                holds(&g, i, n, n + 20, 20 * i);
                tail_is_zero(&g, i);
                assert_ptr_equal(kv_block(g.s[i], 0, 0, 0).keys == kv_block(g.s[0], 0, 0, 0).keys, n >= 64);
            }
            holds(&g, 0, 0, 140, 10); /* untouched */
            kv_stream_cut(g.s[0], 0);
            holds(&g, 2, 0, n, 10);
            rig_free(&g);
        }
}

/* The first owner goes on while forks hold its last page: it copies as well, and the last holder does not. */
static void the_last_owner_writes_in_place(void **state)
{
    struct rig g;
    (void)state;
    rig_init(&g, 40, 0, KV_MODEL);
    grow(&g, 0, 70, 1);
    kv_stream_fork(g.s[1], g.s[0], 66);
    const void *page = kv_block(g.s[0], 1, 0, 0).keys;
    grow(&g, 0, 5, 1);
    assert_ptr_not_equal(kv_block(g.s[0], 1, 0, 0).keys, page);
    holds(&g, 0, 0, 75, 1);
    grow(&g, 1, 1, 30);
    assert_ptr_equal(kv_block(g.s[1], 1, 0, 0).keys, page);
    holds(&g, 1, 0, 66, 1);
    holds(&g, 1, 66, 67, 30);
    tail_is_zero(&g, 1);
    rig_free(&g);
}

/* Cut to any length and gone on: what was there shows nowhere. */
static void cut_streams_begin_anew(void **state)
{
    (void)state;
    for (int type = KV_MODEL; type <= KV_INT8; type++) {
        struct rig g;
        rig_init(&g, 10, 0, (enum kv_type)type);
        for (uint32_t n = 128; n-- > 0;) {
            grow(&g, 0, 130 - g.s[0]->length, 3);
            kv_stream_cut(g.s[0], n);
            assert_int_equal(kv_pool_unused(g.pool), 10 - (n + 63) / 64);
            grow(&g, 0, 1, 50);
            tail_is_zero(&g, 0);
            holds(&g, 0, 0, n, 3);
            kv_stream_cut(g.s[0], n);
        }
        rig_free(&g);
    }
}

static void a_full_pool_refuses_and_changes_nothing(void **state)
{
    struct rig g;
    struct err e = {0};
    (void)state;
    rig_init(&g, 4, 0, KV_MODEL);
    grow(&g, 0, 130, 1);
    kv_stream_fork(g.s[1], g.s[0], 130);
    grow(&g, 0, 2, 1); /* the fourth page */
    assert_int_equal(kv_pool_unused(g.pool), 0);
    kv_stream_fork(g.s[2], g.s[1], 130);
    assert_int_equal(kv_stream_extend(g.s[1], 1, &e), ERR_CTX_FULL);
    assert_int_equal(kv_stream_extend(g.s[0], 64, &e), ERR_CTX_FULL);
    assert_int_equal(g.s[1]->length, 130);
    holds(&g, 0, 0, 132, 1);
    holds(&g, 1, 0, 130, 1);
    kv_stream_cut(g.s[2], 0);
    grow(&g, 1, 1, 9); /* the only owner now */
    holds(&g, 1, 0, 130, 1);
    rig_free(&g);
}

/* ---- the index -------------------------------------------------------------------------------------------
 */

static void offer(struct rig *g, uint32_t i, struct kv_gate gate)
{
    for (uint32_t b = 0; b < g->s[i]->length / KV_PAGE; b++)
        kv_stream_offer(g->s[i], b, g->ids + b * KV_PAGE, gate);
}

static struct kv_index_stats stats(const struct rig *g)
{
    struct kv_index_stats s;
    kv_index_stats(g->pool, &s);
    return s;
}

static void pages_are_found_by_what_they_hold(void **state)
{
    struct rig g;
    (void)state;
    rig_init(&g, 40, 16, KV_MODEL);
    grow(&g, 0, 200, 1);
    offer(&g, 0, base_only);
    assert_int_equal(kv_find(g.pool, g.ids, 200, base_only), 192); /* while its owner is there */
    kv_stream_cut(g.s[0], 0);
    assert_int_equal(kv_pool_unused(g.pool), 40);
    assert_int_equal(stats(&g).resting, 3);
    assert_int_equal(kv_find(g.pool, g.ids, 191, base_only), 128);
    g.ids[64]++;
    assert_int_equal(kv_find(g.pool, g.ids, 200, base_only), 64);
    g.ids[64]--, g.ids[0]++;
    assert_int_equal(kv_find(g.pool, g.ids, 200, base_only), 0);
    g.ids[0]--;
    assert_int_equal(kv_find(g.pool, g.ids + 64, 128, base_only), 0); /* the second page is not a first one */
    for (uint32_t i = 1; i < 3; i++) {
        assert_int_equal(kv_stream_find(g.s[i], g.ids, 200, base_only), 192);
        holds(&g, i, 0, 192, 1);
    }
    assert_int_equal(stats(&g).held, 3);
    grow(&g, 1, 20, 5);
    kv_stream_cut(g.s[1], 150); /* in the middle of a page that is in the index */
    grow(&g, 1, 10, 7);
    holds(&g, 1, 128, 150, 1);
    holds(&g, 1, 150, 160, 7);
    tail_is_zero(&g, 1);
    holds(&g, 2, 0, 192, 1);
    rig_free(&g);
}

/* A gate shows in the pages from it on, at its place; the adapter's identity where it acts. */
static void gates_are_never_mixed(void **state)
{
    struct rig g;
    (void)state;
    rig_init(&g, 40, 16, KV_MODEL);
    grow(&g, 0, 256, 1);
    offer(&g, 0, (struct kv_gate){7, 100});
    static const struct {
        struct kv_gate gate;
        uint32_t found;
    } cases[] = {{{7, 100}, 256},       {{8, 100}, 64}, {{7, 101}, 64}, {{7, 99}, 64},
                 {{7, 64}, 64},         {{7, 63}, 0},   {{7, 0}, 0},    {{7, UINT32_MAX}, 64},
                 {{9, UINT32_MAX}, 64}, {{0, 128}, 64}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(kv_find(g.pool, g.ids, 256, cases[i].gate), cases[i].found);
    rig_free(&g);
}

/* Streams that make the same pages come to share them; what is not offered in order is not taken. */
static void equal_pages_become_one(void **state)
{
    struct rig g;
    (void)state;
    rig_init(&g, 40, 16, KV_MODEL);
    grow(&g, 0, 128, 1);
    grow(&g, 1, 128, 1);
    offer(&g, 0, base_only);
    assert_int_equal(kv_pool_unused(g.pool), 36);
    offer(&g, 1, base_only);
    assert_int_equal(kv_pool_unused(g.pool), 38);
    assert_ptr_equal(kv_block(g.s[0], 1, 0, 0).keys, kv_block(g.s[1], 1, 0, 0).keys);
    grow(&g, 2, 128, 1);
    g.ids[3]++;
    kv_stream_offer(g.s[2], 1, g.ids + 64, base_only); /* its first page is unknown */
    assert_int_equal(kv_find(g.pool, g.ids, 128, base_only), 0);
    rig_free(&g);
}

/* At most `resting` pages stay; the least recently used go first, later pages before those they follow. */
static void the_limit_is_kept(void **state)
{
    struct rig g;
    (void)state;
    rig_init(&g, 40, 5, KV_MODEL);
    for (uint32_t i = 0; i < 4; i++) { /* four histories of three pages */
        grow(&g, i, 192, i * 2);
        g.ids[0] = (int32_t)i;
        offer(&g, i, base_only);
    }
    assert_int_equal(stats(&g).held, 12);
    kv_stream_cut(g.s[0], 0);
    kv_stream_cut(g.s[1], 0);
    assert_int_equal(stats(&g).resting, 5);
    assert_int_equal(stats(&g).evicted, 1);
    g.ids[0] = 0;
    assert_int_equal(kv_stream_find(g.s[0], g.ids, 192, base_only), 128);
    holds(&g, 0, 0, 128, 0);
    kv_stream_cut(g.s[0], 0); /* now the most recent */
    kv_stream_cut(g.s[2], 0);
    assert_int_equal(stats(&g).resting, 5);
    static const uint32_t left[] = {128, 0, 192};
    for (int32_t i = 0; i < 3; i++) {
        g.ids[0] = i;
        assert_int_equal(kv_find(g.pool, g.ids, 192, base_only), left[i]);
    }
    rig_free(&g);
}

/* Resting pages give way to streams, and the pool is as large as it was. */
static void resting_pages_make_room(void **state)
{
    struct rig g;
    struct err e = {0};
    (void)state;
    rig_init(&g, 6, 6, KV_MODEL);
    grow(&g, 0, 256, 1);
    offer(&g, 0, base_only);
    kv_stream_cut(g.s[0], 0);
    assert_int_equal(kv_pool_unused(g.pool), 6);
    grow(&g, 1, 300, 3); /* five pages: three of the four that rest have to go */
    holds(&g, 1, 0, 300, 3);
    assert_int_equal(kv_find(g.pool, g.ids, 256, base_only), 64);
    assert_int_equal(kv_stream_extend(g.s[2], 65, &e), ERR_CTX_FULL);
    grow(&g, 2, 64, 4);
    assert_int_equal(kv_find(g.pool, g.ids, 256, base_only), 0);
    /* a page in the index, no room for a copy: it leaves the index and is written */
    kv_stream_cut(g.s[2], 0);
    grow(&g, 2, 64, 4);
    offer(&g, 2, base_only);
    kv_stream_cut(g.s[2], 10);
    grow(&g, 2, 5, 8);
    holds(&g, 2, 0, 10, 4);
    holds(&g, 2, 10, 15, 8);
    assert_int_equal(kv_find(g.pool, g.ids, 64, base_only), 0);
    rig_free(&g);
}

/* ---- 8 bits ----------------------------------------------------------------------------------------------
 */

/* Half a step of max / 127 at most; zeros, and what is not finite shows. */
static void eight_bits_round_to_the_nearest(void **state)
{
    struct rig g;
    struct err e = {0};
    float key[32], value[32], k[32], v[32];
    (void)state;
    rig_init(&g, 4, 0, KV_INT8);
    assert_true(kv_page_bytes(g.r.m, KV_INT8) * 16 <= kv_page_bytes(g.r.m, KV_MODEL) * 9);
    assert_int_equal(kv_stream_extend(g.s[0], 100, &e), 0);
    for (uint32_t t = 0; t < 90; t++) {
        float most_k = 0, most_v = 0;
        for (uint32_t d = 0; d < 32; d++) {
            key[d] = random_at(t, d) * powf(10, (float)(t % 9) - 4), value[d] = random_at(t + 1000, d);
            most_k = fmaxf(most_k, fabsf(key[d])), most_v = fmaxf(most_v, fabsf(value[d]));
        }
        kv_put(g.s[0], t, t % 2, 1, key, value);
        kv_get(g.s[0], t, t % 2, 1, k, v);
        for (uint32_t d = 0; d < 32; d++) {
            assert_true(fabsf(k[d] - key[d]) <= 0.5001f * most_k / 127);
            assert_true(fabsf(v[d] - value[d]) <= 0.5001f * most_v / 127);
        }
    }
    memset(key, 0, sizeof key);
    value[3] = INFINITY;
    kv_put(g.s[0], 99, 0, 0, key, value);
    kv_get(g.s[0], 99, 0, 0, k, v);
    assert_memory_equal(k, key, sizeof k);
    assert_true(isnan(v[3]) && isnan(v[4]));
    rig_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forks_share_whole_pages_and_copy_the_rest),
        cmocka_unit_test(the_last_owner_writes_in_place),
        cmocka_unit_test(cut_streams_begin_anew),
        cmocka_unit_test(a_full_pool_refuses_and_changes_nothing),
        cmocka_unit_test(pages_are_found_by_what_they_hold),
        cmocka_unit_test(gates_are_never_mixed),
        cmocka_unit_test(equal_pages_become_one),
        cmocka_unit_test(the_limit_is_kept),
        cmocka_unit_test(resting_pages_make_room),
        cmocka_unit_test(eight_bits_round_to_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
