/* No example sees another: rows that the loader packs out of random sets, run by the trainer, give every
 * label the very loss it has alone, whatever stands beside it in the row. */
#include "data/loader.h"
#include "tests/support/quick.h"
#include "tests/support/random_model.h"
#include "tests/support/scratch.h"
#include "tests/support/shards_case.h"
#include "train/micro.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SETS = QUICK ? 2 : 4, DOCS = QUICK ? 20 : 60, CUTOFF = 128, MAX_DOCS = CUTOFF / 2 };

static uint32_t below(uint64_t seed, uint64_t i, uint32_t n)
{
    return (uint32_t)((random_at(seed, i) + 1) / 2 * (float)n) % n;
}

/* DOCS documents of 2 to CUTOFF tokens, most of them short, with random headers and label spans. */
static void random_set(const char *dir, uint64_t seed, uint32_t vocab)
{
    static const char hash[] = "0000000000000000000000000000000000000000000000000000000000000000";
    static const char *const name = "a", *const hashes = hash;
    const struct shards_origin origin = {"r", "t", "c", &name, &hashes, 1, vocab};
    struct shard_writer *w;
    assert_int_equal(shard_writer_open(&w, dir, &origin, NULL), 0);
    for (uint64_t i = 0; i < DOCS; i++) {
        uint32_t ids[CUTOFF], n = 2 + below(seed, i, i % 3 ? 30 : CUTOFF - 1), response = 1;
        if (n > 2) response += below(seed + 100, i, n - 2);
        struct label_span spans[2] = {{response, n}, {0, 0}};
        if (n - response > 4) spans[0].to = response + 2, spans[1] = (struct label_span){response + 3, n};
        for (uint32_t t = 0; t < n; t++) ids[t] = below(seed + 200 + i, t, vocab);
        struct shard_doc d = {.ids = ids, .n = n, .response_at = response, .spans = spans, .source_row = i};
        d.header_at = below(seed + 300, i, response + 1), d.n_spans = 1 + (spans[1].to > 0), d.question = i;
        assert_int_equal(shard_writer_add(w, &d, NULL), 0);
    }
    assert_int_equal(shard_writer_commit(w, NULL), 0);
}

static uint32_t losses(struct micro *u, const struct shard_doc *docs, uint32_t n, float *nats)
{
    struct micro_result r;
    struct err e = {0};
    if (micro_run(u, docs, n, 0, 0, NULL, &r, nats, &e)) fail_msg("%s", e.msg);
    return (uint32_t)r.labels;
}

/* Each document's labels: as in the row, as alone; and once more beside another's that were changed. */
static void check_row(struct micro *u, const struct packed_row *row, uint32_t vocab)
{
    float packed[CUTOFF], alone[CUTOFF], beside[CUTOFF];
    uint32_t other[CUTOFF], at = 0;
    struct shard_doc docs[MAX_DOCS];
    const uint32_t labels = losses(u, row->docs, row->n_docs, packed);
    assert_int_equal(labels, row->labels);
    for (uint32_t i = 0; i < row->n_docs; i++) {
        const struct shard_doc *d = &row->docs[i];
        const uint32_t n = losses(u, d, 1, alone);
        assert_memory_equal(packed + at, alone, n * sizeof *alone);
        memcpy(docs, row->docs, row->n_docs * sizeof *docs);
        for (uint32_t k = 0, t = 0; k < row->n_docs; t += docs[k++].n)
            if (k != i) {
                for (uint32_t j = 0; j < docs[k].n; j++) other[t + j] = (docs[k].ids[j] + 1) % vocab;
                docs[k].ids = other + t;
            }
        losses(u, docs, row->n_docs, beside);
        assert_memory_equal(packed + at, beside + at, n * sizeof *alone);
        at += n;
    }
    assert_int_equal(at, labels);
}

static void every_row(enum weight_type type, uint64_t seed)
{
    struct model_config c = tiny_config_for(type);
    struct random_model r;
    struct micro *u;
    struct shards *shards;
    struct loader *l;
    struct packed_row row = {0};
    struct err e = {0};
    const struct micro_config mc = {
        .max_tokens = CUTOFF, .max_docs = MAX_DOCS, .chunk = 1 + below(seed, 9, 60)};
    const struct loader_config lc = {.cutoff_len = CUTOFF, .packing = 1, .seed = seed, .ahead = 2};
    uint32_t shared = 0;
    random_model_create(&r, &c, type, 1, NULL, seed);
    assert_int_equal(micro_create(&u, r.m, NULL, NULL, &mc, &e), 0);
    random_set(scratch("set"), seed, c.vocab);
    assert_int_equal(shards_open(&shards, scratch("set"), 0, &e), 0);
    assert_int_equal(loader_open(&l, &(struct loader_set){shards, 1}, 1, &lc, &e), 0);
    while (!row.last) {
        if (loader_next_row(l, &row, &e)) fail_msg("%s", e.msg);
        shared += row.n_docs > 1;
        check_row(u, &row, c.vocab);
    }
    assert_true(shared > 1);
    loader_close(l);
    shards_close(shards);
    micro_free(u);
    random_model_free(&r);
}

static void no_example_sees_another(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SETS; seed++) every_row(seed % 2 ? WT_F32 : WT_BF16, seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_example_sees_another)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
