/* Sets mixed by weights, rows made ahead by a thread: shares, permutations, positions, errors. */
#include "checkpoints/file.h"
#include "data/loader.h"
#include "tests/support/scratch.h"
#include "tests/support/shards_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SETS = 3, MEAN = 40, CUTOFF = 256, MOST = 12000 };

static const uint64_t sizes[SETS] = {MOST, 2000, 300};
static const double weights[SETS] = {0.6, 0.3, 0.1};
static const struct loader_config plain = {
    .cutoff_len = CUTOFF, .packing = 1, .seed = 5, .mix = LOADER_OVER, .keep = 1, .ahead = 8};

static const char *dir_of(int set)
{
    static const char *const names[SETS] = {"a", "b", "c"};
    return scratch(names[set]);
}

static int setup(void **state)
{
    int rc = scratch_setup(state);
    for (int i = 0; !rc && i < SETS; i++) rc = shards_case_write(dir_of(i), sizes[i], MEAN, NULL);
    return rc;
}

/* A loader and the handles its thread reads from. */
struct mixed {
    struct loader_set sets[SETS];
    struct loader *l;
};

static struct mixed open_mixed(const struct loader_config *c, const double *w)
{
    struct mixed m;
    struct err e = {0};
    for (int i = 0; i < SETS; i++) {
        m.sets[i].weight = w[i];
        if (shards_open(&m.sets[i].shards, dir_of(i), SHARDS_LAZY, &e)) fail_msg("%s", e.msg);
    }
    if (loader_open(&m.l, m.sets, SETS, c, &e)) fail_msg("%s", e.msg);
    return m;
}

static void close_mixed(struct mixed *m)
{
    loader_close(m->l);
    for (int i = 0; i < SETS; i++) shards_close(m->sets[i].shards);
}

static struct packed_row next(struct loader *l)
{
    struct packed_row row;
    struct err e = {0};
    if (loader_next_row(l, &row, &e)) fail_msg("%s", e.msg);
    return row;
}

/* Everything a row says and holds. */
static uint64_t print_of(const struct packed_row *row)
{
    uint64_t h = row->epoch * 1000003 + (uint64_t)row->last + row->tokens * 31 + row->labels * 7;
    for (uint32_t i = 0; i < row->n_docs; i++) {
        const struct shard_doc *d = &row->docs[i];
        h = h * 6364136223846793005u + d->source_row * 8 + d->source + 1;
        for (uint32_t t = 0; t < d->n; t++) h = h * 1099511628211u ^ d->ids[t];
        for (uint32_t s = 0; s < d->n_spans; s++) h = h * 31 + d->spans[s].from * 65537 + d->spans[s].to;
    }
    return h;
}

/* Sources count over all sets, and each of these has two. */
static int set_of(const struct shard_doc *d)
{
    return (int)d->source / 2;
}

static uint64_t doc_of(const struct shard_doc *d)
{
    return d->source_row - ((uint64_t)1 << 40);
}

/* ---- shares ------------------------------------------------------------------------------------------ */

/* After every epoch each set has given its share, within one document, and has been gone through evenly: no
 * document is one time more behind another of its set. */
static void shares_and_permutations(enum loader_mix mix, uint64_t epoch_docs)
{
    static uint32_t seen[SETS][MOST];
    struct loader_config c = plain;
    c.mix = mix;
    struct mixed m = open_mixed(&c, weights);
    uint64_t count[SETS] = {0};
    memset(seen, 0, sizeof seen);
    assert_int_equal(loader_epoch_docs(m.l), epoch_docs);
    assert_int_equal(loader_docs(m.l), sizes[0] + sizes[1] + sizes[2]);
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        struct packed_row row = {0};
        while (!row.last) {
            row = next(m.l);
            assert_int_equal(row.epoch, epoch);
            for (uint32_t i = 0; i < row.n_docs; i++) {
                int set = set_of(&row.docs[i]);
                seen[set][doc_of(&row.docs[i])]++, count[set]++;
            }
        }
        for (int i = 0; i < SETS; i++) {
            assert_true(fabs((double)count[i] - weights[i] * (double)(epoch_docs * (epoch + 1))) < 1.001);
            assert_true(fabs(loader_passes(m.l, (uint32_t)i) - (double)count[i] / (double)sizes[i]) < 1e-12);
            for (uint64_t d = 0; d < sizes[i]; d++)
                assert_in_range(seen[i][d], count[i] / sizes[i], count[i] / sizes[i] + 1);
        }
    }
    close_mixed(&m);
}

static void until_the_first_is_through(void **state)
{
    (void)state;
    shares_and_permutations(LOADER_UNDER, 3000); /* 300 / 0.1 */
}

static void until_the_last_is_through(void **state)
{
    (void)state;
    shares_and_permutations(LOADER_OVER, 20000); /* 12000 / 0.6 */
}

/* Weights of any scale and ratio: rows come, none empty. */
static void odd_weights(void **state)
{
    (void)state;
    static const double odd[][SETS] = {{7, 2, 1}, {1e-5, 1, 1}, {1, 1e-3, 1e3}, {1e-300, 1e-300, 1e-300}};
    for (size_t k = 0; k < sizeof odd / sizeof *odd; k++) {
        struct loader_config c = plain;
        c.mix = LOADER_UNDER;
        struct mixed m = open_mixed(&c, odd[k]);
        for (int i = 0; i < 300; i++) {
            struct packed_row row = next(m.l);
            assert_in_range(row.n_docs, 1, CUTOFF);
        }
        close_mixed(&m);
    }
}

static void concat_and_split(void **state)
{
    (void)state;
    static uint8_t seen[2][SETS][MOST];
    memset(seen, 0, sizeof seen);
    for (int side = 0; side < 2; side++) {
        struct loader_config c = plain;
        c.mix = LOADER_CONCAT, c.val_size = 0.1, c.split = side ? LOADER_VALIDATION : LOADER_TRAIN;
        struct mixed m = open_mixed(&c, weights);
        for (struct packed_row row = {0}; !row.last;) {
            row = next(m.l);
            for (uint32_t i = 0; i < row.n_docs; i++)
                seen[side][set_of(&row.docs[i])][doc_of(&row.docs[i])]++;
        }
        close_mixed(&m);
    }
    for (int s = 0; s < SETS; s++)
        for (uint64_t d = 0; d < sizes[s]; d++) {
            assert_int_equal(seen[0][s][d] + seen[1][s][d], 1);
            /* the same question is on the same side, in whatever set it stands */
            if (d < sizes[SETS - 1]) assert_int_equal(seen[1][s][d], seen[1][0][d]);
        }
}

/* ---- positions --------------------------------------------------------------------------------------- */

/* With or without a thread, rows kept or not, resumed anywhere (small sets go round on the way): the same. */
static void the_same_rows_however_they_are_made(void **state)
{
    (void)state;
    enum { ROWS = 4000, STEP = 331 };
    static uint64_t prints[ROWS];
    static struct loader_pos at[ROWS];
    static double passes[ROWS];
    struct loader_config c = plain;
    c.ahead = 0;
    struct mixed m = open_mixed(&c, weights);
    for (int i = 0; i < ROWS; i++) {
        loader_tell(m.l, &at[i]);
        passes[i] = loader_passes(m.l, 2);
        struct packed_row row = next(m.l);
        prints[i] = print_of(&row);
    }
    assert_true(at[ROWS - 1].epoch >= 1 && passes[ROWS - 1] > 2);
    close_mixed(&m);
    for (uint32_t ahead = 0; ahead < 4; ahead++) {
        c.ahead = ahead * ahead * 3, c.keep = ahead;
        m = open_mixed(&c, weights);
        for (int i = 0; i < ROWS; i += i % STEP == 5 ? STEP - 5 : 1) {
            if (i % STEP == 0) assert_int_equal(loader_seek(m.l, &at[i], NULL), 0);
            assert_true(loader_passes(m.l, 2) == passes[i]);
            struct packed_row row = next(m.l);
            if (print_of(&row) != prints[i]) fail_msg("ahead %u: row %d differs", c.ahead, i);
        }
        close_mixed(&m);
    }
}

static void rows_stay_as_long_as_they_are_kept(void **state)
{
    (void)state;
    enum { KEEP = 5 };
    struct loader_config c = plain;
    for (c.ahead = 0; c.ahead < 7; c.ahead += 3) {
        struct packed_row rows[KEEP];
        uint64_t prints[KEEP];
        c.keep = KEEP;
        struct mixed m = open_mixed(&c, weights);
        for (int i = 0; i < 400; i++) {
            rows[i % KEEP] = next(m.l);
            prints[i % KEEP] = print_of(&rows[i % KEEP]);
            if (i % 50 == 49) usleep(10000); /* the thread makes all that it may */
            for (int k = 0; k <= i && k < KEEP; k++) assert_true(print_of(&rows[k]) == prints[k]);
        }
        close_mixed(&m);
    }
}

static void closed_at_any_time(void **state)
{
    (void)state;
    for (int rows = 0; rows < 12; rows++) {
        struct mixed m = open_mixed(&plain, weights);
        struct loader_pos pos = {1, 0, 0};
        for (int i = 0; i < rows; i++) next(m.l);
        if (rows % 3 == 1) assert_int_equal(loader_seek(m.l, &pos, NULL), 0);
        close_mixed(&m);
    }
}

/* ---- errors ------------------------------------------------------------------------------------------ */

/* A shard that is broken while the thread reads ahead: rows before it come, then the error, again and again;
 * once it is mended the next row is the one that would have come. */
static void the_threads_errors_come_with_their_row(void **state)
{
    (void)state;
    char *bytes;
    size_t n;
    struct mixed m = open_mixed(&plain, weights);
    char path[FILE_PATH];
    snprintf(path, sizeof path, "%s/shard-00000.h5", dir_of(1));
    assert_int_equal(file_load(path, 1 << 24, &bytes, &n, NULL), 0);
    for (int i = 0; i < 20; i++) next(m.l);
    bytes[n / 2] ^= 1;
    assert_int_equal(file_save(path, bytes, n, NULL), 0);
    struct packed_row row;
    struct loader_pos before, after;
    struct err e = {0};
    int rc = 0;
    for (int i = 0; !rc && i < 10000; i++) {
        loader_tell(m.l, &before);
        rc = loader_next_row(m.l, &row, &e);
    }
    assert_int_equal(rc, ERR_HASH);
    assert_non_null(strstr(e.msg, "shard-00000.h5"));
    loader_tell(m.l, &after);
    assert_memory_equal(&before, &after, sizeof before);
    e.code = 0;
    assert_int_equal(loader_next_row(m.l, &row, &e), ERR_HASH);
    bytes[n / 2] ^= 1;
    assert_int_equal(file_save(path, bytes, n, NULL), 0);
    struct mixed want = open_mixed(&plain, weights);
    assert_int_equal(loader_seek(want.l, &before, NULL), 0);
    for (int i = 0; i < 50; i++) {
        struct packed_row a = next(m.l), b = next(want.l);
        assert_true(print_of(&a) == print_of(&b));
    }
    close_mixed(&m);
    close_mixed(&want);
    free(bytes);
}

static void refuses(void **state)
{
    (void)state;
    static const double bad[] = {0, -1, NAN, INFINITY};
    struct mixed m = open_mixed(&plain, weights);
    struct loader_set many[LOADER_SETS + 1];
    struct loader *l;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct loader_set sets[2] = {{m.sets[1].shards, 1}, {m.sets[2].shards, bad[i]}};
        struct err e = {0};
        assert_int_equal(loader_open(&l, sets, 2, &plain, &e), ERR_FIELD_RANGE);
        assert_non_null(strstr(e.msg, "set 2"));
        assert_null(l);
    }
    for (int i = 0; i <= LOADER_SETS; i++) many[i] = m.sets[2];
    assert_int_equal(loader_open(&l, many, LOADER_SETS + 1, &plain, NULL), ERR_TOO_MANY);
    assert_int_equal(loader_open(&l, many, 0, &plain, NULL), ERR_TOO_MANY);
    close_mixed(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(until_the_first_is_through),
        cmocka_unit_test(until_the_last_is_through),
        cmocka_unit_test(odd_weights),
        cmocka_unit_test(concat_and_split),
        cmocka_unit_test(the_same_rows_however_they_are_made),
        cmocka_unit_test(rows_stay_as_long_as_they_are_kept),
        cmocka_unit_test(closed_at_any_time),
        cmocka_unit_test(the_threads_errors_come_with_their_row),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
