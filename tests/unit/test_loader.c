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

#include <cmocka.h>

enum { DOCS = 20000, MEAN = 60, CUTOFF = 512 };

static struct shards *shards;
static const struct loader_config plain = {.cutoff_len = CUTOFF, .packing = 1, .seed = 42, .ahead = 8};

static int setup(void **state)
{
    if (scratch_setup(state) || shards_case_write(scratch("set"), DOCS, MEAN, NULL)) return -1;
    return shards_open(&shards, scratch("set"), 0, NULL);
}

static int teardown(void **state)
{
    shards_close(shards);
    return scratch_teardown(state);
}

/* A loader's thread reads from its shards: each gets a handle of its own. */
static struct {
    struct loader *l;
    struct shards *s;
} opened[8];

static struct loader *open_loader_of(const char *dir, const struct loader_config *c)
{
    struct loader *l;
    struct err e = {0};
    int i = 0;
    while (opened[i].l) i++;
    if (shards_open(&opened[i].s, scratch(dir), SHARDS_LAZY, &e)) fail_msg("%s", e.msg);
    struct loader_set set = {opened[i].s, 1};
    if (loader_open(&l, &set, 1, c, &e)) fail_msg("%s", e.msg);
    return opened[i].l = l;
}

static struct loader *open_loader(const struct loader_config *c)
{
    return open_loader_of("set", c);
}

static void close_loader(struct loader *l)
{
    int i = 0;
    while (opened[i].l != l) i++;
    loader_close(l);
    shards_close(opened[i].s);
    opened[i].l = NULL;
}

static struct packed_row next(struct loader *l)
{
    struct packed_row row;
    struct err e = {0};
    if (loader_next_row(l, &row, &e)) fail_msg("%s", e.msg);
    return row;
}

static uint64_t rows_of(const struct loader *l, uint64_t epoch)
{
    uint64_t rows;
    assert_int_equal(loader_count_rows(l, epoch, &rows, NULL, NULL), 0);
    return rows;
}

/* Which document of the case this is (source_row says), after checking all of it. */
static uint64_t check_doc(const struct shard_doc *d)
{
    uint64_t i = d->source_row - ((uint64_t)1 << 40);
    assert_in_range(i, 0, DOCS - 1);
    struct shard_doc want = shards_case_doc(i, MEAN);
    assert_int_equal(d->n, want.n);
    assert_memory_equal(d->ids, want.ids, want.n * sizeof *want.ids);
    assert_int_equal(d->header_at, want.header_at);
    assert_int_equal(d->response_at, want.response_at);
    assert_int_equal(d->n_spans, want.n_spans);
    assert_memory_equal(d->spans, want.spans, want.n_spans * sizeof *want.spans);
    return i;
}

/* Reads one epoch; seen[i] counts document i. Returns the rows and checks their sums. */
static uint64_t read_epoch(struct loader *l, const struct loader_config *c, uint64_t epoch, uint8_t *seen)
{
    uint64_t rows = 0;
    for (int last = 0; !last; rows++) {
        struct packed_row row = next(l);
        uint32_t tokens = 0, labels = 0;
        assert_int_equal(row.epoch, epoch);
        assert_true(row.n_docs >= 1 && (c->packing || row.n_docs == 1));
        for (uint32_t i = 0; i < row.n_docs; i++) {
            seen[check_doc(&row.docs[i])]++;
            tokens += row.docs[i].n;
            for (uint32_t s = 0; s < row.docs[i].n_spans; s++)
                labels += row.docs[i].spans[s].to - row.docs[i].spans[s].from;
        }
        assert_int_equal(row.tokens, tokens);
        assert_int_equal(row.labels, labels);
        assert_in_range(tokens, 1, c->cutoff_len);
        last = row.last;
    }
    return rows;
}

static void every_document_once_an_epoch(void **state)
{
    (void)state;
    for (int packing = 0; packing < 2; packing++) {
        struct loader_config c = plain;
        c.packing = packing;
        struct loader *l = open_loader(&c);
        assert_int_equal(loader_docs(l), DOCS);
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            uint8_t seen[DOCS] = {0};
            uint64_t rows = read_epoch(l, &c, epoch, seen);
            for (int i = 0; i < DOCS; i++) assert_int_equal(seen[i], 1);
            assert_int_equal(rows, rows_of(l, epoch));
            if (!packing) assert_int_equal(rows, DOCS);
        }
        close_loader(l);
    }
    loader_close(NULL);
}

/* A fingerprint of a row: its documents in order. */
static uint64_t print_of(const struct packed_row *row)
{
    uint64_t h = row->epoch * 1000003 + (uint64_t)row->last;
    for (uint32_t i = 0; i < row->n_docs; i++) h = h * 6364136223846793005u + row->docs[i].source_row + 1;
    return h;
}

static void resumes_at_every_position(void **state)
{
    (void)state;
    enum { ROWS = 5600 };
    static struct loader_pos at[ROWS];
    static uint64_t prints[ROWS];
    struct loader *l = open_loader(&plain);
    assert_true(2 * rows_of(l, 0) < ROWS); /* crosses epochs and windows */
    for (int i = 0; i < ROWS; i++) {
        loader_tell(l, &at[i]);
        struct packed_row row = next(l);
        prints[i] = print_of(&row);
    }
    for (int i = ROWS - 3; i >= 0; i -= 97) {
        struct loader *fresh = i % 4 ? l : open_loader(&plain);
        assert_int_equal(loader_seek(fresh, &at[i], NULL), 0);
        for (int k = i; k < i + 3; k++) {
            struct packed_row row = next(fresh);
            assert_int_equal(print_of(&row), prints[k]);
        }
        if (fresh != l) close_loader(fresh);
    }
    close_loader(l);
}

static void order_depends_on_seed_and_epoch(void **state)
{
    (void)state;
    struct loader_config c = plain;
    struct loader *a = open_loader(&plain), *b = open_loader(&plain);
    c.seed = 43;
    struct loader *other = open_loader(&c);
    int same_seed = 0, other_seed = 0, other_epoch = 0;
    struct loader_pos second = {1, 0, 0};
    struct loader *later = open_loader(&plain);
    assert_int_equal(loader_seek(later, &second, NULL), 0);
    for (int i = 0; i < 100; i++) {
        struct packed_row r = next(a), s = next(b), t = next(other), u = next(later);
        same_seed += print_of(&r) == print_of(&s);
        other_seed += r.docs[0].source_row == t.docs[0].source_row;
        other_epoch += r.docs[0].source_row == u.docs[0].source_row;
    }
    assert_int_equal(same_seed, 100);
    assert_in_range(other_seed, 0, 5);
    assert_in_range(other_epoch, 0, 5);
    close_loader(a), close_loader(b), close_loader(other), close_loader(later);
}

/* Rows are filled to 98 % of the cutoff, and long documents do not come first. */
static void fills_rows(void **state)
{
    (void)state;
    struct loader *l = open_loader(&plain);
    uint64_t rows = rows_of(l, 0);
    double fill = (double)shards_tokens(shards) / (double)(rows * CUTOFF);
    if (fill < 0.98) fail_msg("fill %.4f", fill);
    double half[2] = {0, 0};
    for (uint64_t i = 0; i < rows; i++) {
        struct packed_row row = next(l);
        half[i * 2 / rows] += row.n_docs;
    }
    assert_true(fabs(half[0] / half[1] - 1) < 0.1);
    close_loader(l);
}

static void split_by_question(void **state)
{
    (void)state;
    static const double sizes[] = {0.1, 0.001, 250, 1};
    for (int k = 0; k < 4; k++) {
        uint8_t train[DOCS] = {0}, val[DOCS] = {0};
        struct loader_config c = plain;
        c.val_size = sizes[k];
        struct loader *t = open_loader(&c);
        c.split = LOADER_VALIDATION;
        c.seed = 7;
        struct loader *v = open_loader(&c);
        double want = sizes[k] < 1 ? ceil(sizes[k] * DOCS) : sizes[k];
        assert_true(loader_docs(v) >= want && loader_docs(v) <= want + 2); /* questions have three answers */
        assert_int_equal(loader_docs(t) + loader_docs(v), DOCS);
        read_epoch(t, &c, 0, train);
        read_epoch(v, &c, 0, val);
        for (int i = 0; i < DOCS; i++) {
            assert_int_equal(train[i] + val[i], 1);
            assert_int_equal(val[i], val[i / 3 * 3]); /* all answers to one question on one side */
        }
        close_loader(t), close_loader(v);
    }
}

/* CK34, CK35 and what a configuration may not say */
static void refuses(void **state)
{
    (void)state;
    struct loader *l = open_loader(&plain);
    struct loader_pos before, after;
    const struct loader_pos bad[] = {{0, 3, 0}, {0, UINT64_MAX, 0}, {0, 0, 3000}, {0, 2, UINT64_MAX}};
    next(l);
    loader_tell(l, &before);
    for (int i = 0; i < 4; i++) {
        struct err e = {0};
        assert_int_equal(loader_seek(l, &bad[i], &e), ERR_CK_CURSOR);
        assert_non_null(strstr(e.msg, i < 2 ? "window" : "row"));
    }
    loader_tell(l, &after);
    assert_memory_equal(&before, &after, sizeof before);
    close_loader(l);
    static const struct {
        struct loader_config c;
        int code;
    } rows[] = {
        {{.cutoff_len = 0}, ERR_FIELD_RANGE},
        {{.cutoff_len = 100}, ERR_FIELD_RANGE},
        {{.cutoff_len = 512, .val_size = -1}, ERR_FIELD_RANGE},
        {{.cutoff_len = 512, .val_size = NAN}, ERR_FIELD_RANGE},
        {{.cutoff_len = 512, .val_size = 1e30}, ERR_DATA_EMPTY},
        {{.cutoff_len = 512, .val_size = DOCS}, ERR_DATA_EMPTY},
        {{.cutoff_len = 512, .split = LOADER_VALIDATION}, ERR_DATA_EMPTY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        struct loader_set set = {shards, 1};
        assert_int_equal(loader_open(&l, &set, 1, &rows[i].c, &e), rows[i].code);
        assert_null(l);
        assert_true(e.msg[0] != 0);
    }
}

/* One document, and exactly one window of them */
static void small_sets(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 2, 3, LOADER_WINDOW, LOADER_WINDOW + 1};
    for (int k = 0; k < 5; k++) {
        uint8_t seen[DOCS] = {0};
        assert_int_equal(shards_case_write(scratch("small"), sizes[k], MEAN, NULL), 0);
        struct loader *l = open_loader_of("small", &plain);
        for (uint64_t epoch = 0; epoch < 4; epoch++) read_epoch(l, &plain, epoch, seen);
        for (uint64_t i = 0; i < DOCS; i++) assert_int_equal(seen[i], i < sizes[k] ? 4 : 0);
        close_loader(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_document_once_an_epoch),
        cmocka_unit_test(resumes_at_every_position),
        cmocka_unit_test(order_depends_on_seed_and_epoch),
        cmocka_unit_test(fills_rows),
        cmocka_unit_test(split_by_question),
        cmocka_unit_test(refuses),
        cmocka_unit_test(small_sets),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
