#include "checkpoints/file.h"
#include "checkpoints/hdf5.h"
#include "checkpoints/sha256.h"
#include "tests/support/features_case.h"
#include "tests/support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 200, WIDTH = 24, DEPTHS = FEATURES_CASE_DEPTHS };

static struct features *open_set(void)
{
    struct features *f;
    struct err e = {0};
    if (features_open(&f, scratch("set"), &e)) fail_msg("%s", e.msg);
    return f;
}

static void assert_same_row(const struct feature *a, const struct feature *b)
{
    assert_true(a->group == b->group && a->text == b->text && a->prompt_tokens == b->prompt_tokens &&
                a->base_tokens == b->base_tokens && a->adapter_tokens == b->adapter_tokens &&
                a->chain == b->chain && a->answer == b->answer && a->label == b->label &&
                a->base_right == b->base_right && a->adapter_right == b->adapter_right);
}

static void check_set(uint32_t rows, uint32_t width)
{
    struct features *f = open_set();
    float *x = malloc(DEPTHS * width * sizeof *x), *have = malloc((size_t)rows * width * sizeof *have);
    assert_int_equal(features_count(f), rows);
    for (uint32_t k = 0; k < DEPTHS; k++) {
        assert_int_equal(features_states(f, k, have, NULL), 0);
        for (uint32_t i = 0; i < rows; i++) {
            struct feature want = features_case_row(i, width, x);
            assert_same_row(&features_rows(f)[i], &want);
            assert_memory_equal(have + (size_t)i * width, x + k * width, width * sizeof *x);
        }
    }
    free(x), free(have);
    features_close(f);
}

static void round_trip(void **state)
{
    (void)state;
    assert_int_equal(features_case_write(scratch("set"), ROWS, WIDTH, NULL), 0);
    check_set(ROWS, WIDTH);
    struct features *f = open_set();
    const struct features_origin *o = features_origin(f), *want = features_case_origin(WIDTH);
    assert_string_equal(o->task, want->task);
    assert_string_equal(o->base, want->base);
    assert_string_equal(o->tokenizer, want->tokenizer);
    assert_string_equal(o->adapter, "");
    assert_string_equal(o->pooling, want->pooling);
    assert_string_equal(o->wording, want->wording);
    assert_string_equal(o->made, want->made);
    assert_int_equal(o->width, WIDTH);
    assert_int_equal(o->n_depths, DEPTHS);
    assert_memory_equal(o->depths, want->depths, sizeof(uint32_t) * DEPTHS);
    assert_true(sha256_is_hex(features_digest(f)));
    features_close(f);
    features_close(NULL);
    assert_false(file_exists(scratch("set.tmp")));
}

/* More than one file, the last one short; written again it is the same. */
static void several_files(void **state)
{
    (void)state;
    enum { WIDE = 1 << 17, MANY = 47 /* some 42 a file */ };
    char digest[SHA256_HEX];
    for (int again = 0; again < 2; again++) {
        assert_int_equal(features_case_write(scratch("set"), MANY, WIDE, NULL), 0);
        assert_true(file_exists(scratch("set/shard-00001.h5")));
        struct features *f = open_set();
        if (again) assert_string_equal(digest, features_digest(f));
        snprintf(digest, sizeof digest, "%s", features_digest(f));
        features_close(f);
    }
    check_set(MANY, WIDE);
}

/* Adds rows [from, to) of a case's set. */
static void add_rows(struct features_writer *w, uint64_t from, uint64_t to)
{
    float x[DEPTHS * WIDTH];
    for (uint64_t i = from; i < to; i++) {
        struct feature row = features_case_row(i, WIDTH, x);
        assert_int_equal(features_writer_add(w, &row, x, NULL), 0);
    }
}

static struct features_writer *open_writer(const struct features_origin *o, uint64_t rows)
{
    struct features_writer *w;
    struct err e = {0};
    if (features_writer_open(&w, scratch("set"), o, &e)) fail_msg("%s", e.msg);
    assert_true(features_writer_count(w) == rows);
    return w;
}

/* A writer that was stopped twice: the rows are those of one that was not, the old set stands until then. */
static void goes_on(void **state)
{
    (void)state;
    struct features_origin o = *features_case_origin(WIDTH);
    assert_int_equal(features_case_write(scratch("set"), 3, WIDTH, NULL), 0);
    for (uint64_t done = 0; done < 180; done += 90) {
        struct features_writer *w = open_writer(&o, done);
        add_rows(w, done, done + 90);
        assert_int_equal(features_writer_leave(w, NULL), 0);
        check_set(3, WIDTH);
    }
    struct features_writer *w = open_writer(&o, 180);
    add_rows(w, 180, ROWS);
    assert_int_equal(features_writer_commit(w, NULL), 0);
    check_set(ROWS, WIDTH);
    assert_false(file_exists(scratch("set.tmp")));
}

/* What was left by another, or was damaged, is begun anew. */
static void begins_anew(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct features_origin o = *features_case_origin(WIDTH);
        struct features_writer *w = open_writer(&o, 0);
        add_rows(w, 0, 20);
        assert_int_equal(features_writer_leave(w, NULL), 0);
        if (i == 0) o.made = "other";
        if (i == 1) o.made = ""; /* unknown is never the same */
        if (i == 2) o.pooling = "mean";
        if (i == 3) scratch_write("set.tmp/shard-00000.h5", "x", 1);
        if (i == 4) scratch_write("set.tmp/manifest.json", "{", 1);
        w = open_writer(&o, 0);
        assert_false(file_exists(scratch("set.tmp/shard-00000.h5")));
        features_writer_abort(w);
    }
}

static void writer_refuses_rows(void **state)
{
    (void)state;
    struct features_writer *w;
    float x[DEPTHS * WIDTH];
    for (int i = 0; i < 7; i++) {
        struct feature row = features_case_row(4, WIDTH, x);
        struct err e = {0};
        if (i == 1) row.label = 3;
        if (i == 2) row.base_right = 255;
        if (i == 3) row.adapter_right = 3;
        if (i == 4) row.answer = -2;
        if (i == 5) row.prompt_tokens = 0;
        if (i == 6) x[WIDTH + 3] = NAN;
        assert_int_equal(features_writer_open(&w, scratch("refused"), features_case_origin(WIDTH), NULL), 0);
        assert_int_equal(features_writer_add(w, &row, x, &e), i == 0   ? 0
                                                              : i == 6 ? ERR_NONFINITE
                                                                       : ERR_FIELD_RANGE);
        if (i == 6) assert_non_null(strstr(e.msg, "depth 4"));
        features_writer_abort(w);
        assert_false(file_exists(scratch("refused")) || file_exists(scratch("refused.tmp")));
    }
    assert_int_equal(features_writer_open(&w, scratch("refused"), features_case_origin(WIDTH), NULL), 0);
    assert_int_equal(features_writer_commit(w, NULL), ERR_DATA_EMPTY);
    assert_false(file_exists(scratch("refused")) || file_exists(scratch("refused.tmp")));
    features_writer_abort(NULL);
}

static void writer_refuses_origins(void **state)
{
    (void)state;
    static const uint32_t twice[] = {3, 5, 3};
    static char endless[HDF5_TEXT + 1];
    memset(endless, 'x', HDF5_TEXT);
    for (int i = 0; i < 6; i++) {
        struct features_origin o = *features_case_origin(WIDTH);
        struct features_writer *w;
        if (i == 0) o.width = 0;
        if (i == 1) o.width = FEATURES_WIDTH_MAX + 1;
        if (i == 2) o.n_depths = 0;
        if (i == 3) o.n_depths = FEATURES_DEPTHS_MAX + 1;
        if (i == 4) o.depths = twice;
        if (i == 5) o.wording = endless;
        assert_int_equal(features_writer_open(&w, scratch("refused"), &o, NULL), ERR_FIELD_RANGE);
        assert_null(w);
    }
}

/* ---- hostile files ------------------------------------------------------------------------------------- */

/* Any change of a shard's bytes is found before libhdf5 sees the file, when opening and when reading. */
static void digest_guards(void **state)
{
    (void)state;
    char *bytes;
    size_t n;
    struct features *f, *held;
    static float x[ROWS * WIDTH];
    assert_int_equal(features_case_write(scratch("set"), ROWS, WIDTH, NULL), 0);
    assert_int_equal(file_load(scratch("set/shard-00000.h5"), 1 << 24, &bytes, &n, NULL), 0);
    held = open_set();
    for (size_t at = 0; at < n; at += 509) {
        bytes[at] ^= 4;
        scratch_write("set/shard-00000.h5", bytes, n);
        assert_int_equal(features_open(&f, scratch("set"), NULL), ERR_HASH);
        assert_null(f);
        assert_int_equal(features_states(held, 1, x, NULL), ERR_HASH);
        bytes[at] ^= 4;
    }
    scratch_write("set/shard-00000.h5", bytes, n - 1);
    assert_int_equal(features_open(&f, scratch("set"), NULL), ERR_HASH);
    features_close(held);
    free(bytes);
}

/* What one hostile shard differs in from a sound one. */
struct hostile {
    const char *id;
    const char *skip; /* a dataset or attribute that is absent */
    uint64_t fewer;   /* rows less in each column of the name `skip`, when `fewer` is set */
    int version;      /* 0: the right one */
    const char *base; /* NULL: the right one */
    uint32_t depth;   /* 0: the right first depth */
    uint8_t label;    /* of row 0 */
    int32_t answer;   /* of row 0 */
    uint32_t tokens;  /* of row 0's prompt */
    float number;     /* first of states_1 */
    int f64;          /* states_1 of another type */
    int code;
};

static const struct hostile hostiles[] = {
    {.id = "sound", .code = 0},
    {.id = "version", .version = 9, .code = ERR_VERSION},
    {.id = "base", .base = "other", .code = ERR_DATA_HASH},
    {.id = "depths", .depth = 7, .code = ERR_DATA_HASH},
    {.id = "no version", .skip = "version", .code = ERR_H5_MISSING},
    {.id = "no wording", .skip = "wording", .code = ERR_H5_MISSING},
    {.id = "no label", .skip = "label", .code = ERR_H5_MISSING},
    {.id = "no group", .skip = "group", .code = ERR_H5_MISSING},
    {.id = "no states", .skip = "states_1", .code = ERR_H5_MISSING},
    {.id = "labels short", .skip = "label", .fewer = 1, .code = ERR_H5_SPACE},
    {.id = "answers short", .skip = "answer", .fewer = 1, .code = ERR_H5_SPACE},
    {.id = "states short", .skip = "states_1", .fewer = 1, .code = ERR_H5_SPACE},
    {.id = "states f64", .f64 = 1, .code = ERR_H5_TYPE},
    {.id = "label 7", .label = 7, .code = ERR_FIELD_RANGE},
    {.id = "answer -9", .answer = -9, .code = ERR_FIELD_RANGE},
    {.id = "prompt longer than told", .tokens = 99, .code = ERR_FIELD_RANGE},
    {.id = "NaN", .number = NAN, .code = ERR_NONFINITE},
    {.id = "infinity", .number = INFINITY, .code = ERR_NONFINITE},
};

enum { FEW = 5, NARROW = 4 };

static void put(struct hdf5 *f, const struct hostile *h, const char *name, enum dtype t, const void *data,
                uint64_t n)
{
    static const struct hdf5_layout layout = {64, 3, NULL};
    int named = h->skip && strcmp(h->skip, name) == 0;
    if (named && !h->fewer) return;
    assert_int_equal(hdf5_write(f, name, t, data, n - (named ? h->fewer : 0), &layout, NULL), 0);
}

static void put_text(struct hdf5 *f, const struct hostile *h, const char *name, const char *text)
{
    if (h->skip && strcmp(h->skip, name) == 0) return;
    assert_int_equal(hdf5_set_text(f, name, text, NULL), 0);
}

static void put_rows(struct hdf5 *f, const struct hostile *h)
{
    uint64_t group[FEW] = {1, 1, 2, 2, 3};
    uint32_t tokens[FEW] = {h->tokens ? h->tokens : 10, 10, 10, 10, 10}, zero[FEW] = {0};
    int32_t answer[FEW] = {h->answer};
    uint8_t label[FEW] = {h->label, 1, 0, 1, 2}, known[FEW] = {0};
    float x[FEW * NARROW] = {h->number}, zeros[FEW * NARROW] = {0};
    double wide[FEW * NARROW] = {0};
    put(f, h, "group", DTYPE_U64, group, FEW);
    put(f, h, "text", DTYPE_U64, group, FEW);
    put(f, h, "prompt_tokens", DTYPE_U32, tokens, FEW);
    put(f, h, "base_tokens", DTYPE_U32, zero, FEW);
    put(f, h, "adapter_tokens", DTYPE_U32, zero, FEW);
    put(f, h, "chain", DTYPE_U32, zero, FEW);
    put(f, h, "answer", DTYPE_I32, answer, FEW);
    put(f, h, "label", DTYPE_U8, label, FEW);
    put(f, h, "base_right", DTYPE_U8, known, FEW);
    put(f, h, "adapter_right", DTYPE_U8, known, FEW);
    put(f, h, "states_0", DTYPE_F32, zeros, FEW * NARROW);
    put(f, h, "states_1", h->f64 ? DTYPE_F64 : DTYPE_F32, h->f64 ? (void *)wide : (void *)x, FEW * NARROW);
}

/* A shard as told, and a manifest that vouches for it. */
static void write_hostile(const struct hostile *h)
{
    const char *path = scratch("bad/shard-00000.h5");
    struct hdf5 *f;
    uint32_t depths[] = {h->depth ? h->depth : 2, 5};
    char hash[SHA256_HEX], manifest[2048];
    assert_int_equal(file_make_dirs(scratch("bad"), NULL), 0);
    assert_int_equal(hdf5_create(&f, path, NULL), 0);
    if (!h->skip || strcmp(h->skip, "version") != 0)
        assert_int_equal(hdf5_set_i64(f, "version", h->version ? h->version : FEATURES_VERSION, NULL), 0);
    assert_int_equal(hdf5_set_i64(f, "width", NARROW, NULL), 0);
    put_text(f, h, "task", "switcher");
    put_text(f, h, "base", h->base ? h->base : "b");
    put_text(f, h, "tokenizer", "t");
    put_text(f, h, "adapter", "");
    put_text(f, h, "pooling", "ema");
    put_text(f, h, "wording", "");
    put_text(f, h, "made", "");
    assert_int_equal(hdf5_write(f, "depths", DTYPE_U32, depths, 2, &(struct hdf5_layout){0}, NULL), 0);
    put_rows(f, h);
    assert_int_equal(hdf5_close(f, NULL), 0);
    assert_int_equal(sha256_file(path, hash, NULL, NULL), 0);
    int n =
        snprintf(manifest, sizeof manifest,
                 "{\"format\":\"terse-features\",\"version\":1,\"task\":\"switcher\",\"base\":\"b\","
                 "\"tokenizer\":\"t\",\"adapter\":\"\",\"pooling\":\"ema\",\"wording\":\"\",\"made\":\"\","
                 "\"width\":%d,"
                 "\"depths\":[2,5],\"shards\":[{\"name\":\"shard-00000.h5\",\"sha256\":\"%s\",\"docs\":%d,"
                 "\"tokens\":50}]}",
                 NARROW, hash, FEW);
    scratch_write("bad/manifest.json", manifest, (size_t)n);
}

static void hostile_shards(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostiles / sizeof *hostiles; i++) {
        struct features *f;
        struct err e = {0};
        float x[FEW * NARROW];
        write_hostile(&hostiles[i]);
        int rc = features_open(&f, scratch("bad"), &e);
        if (!rc) rc = features_states(f, 1, x, &e);
        features_close(f);
        if (rc != hostiles[i].code || (rc && !e.msg[0]))
            fail_msg("%s: %s \"%s\", expected %s", hostiles[i].id, err_name(rc), e.msg,
                     err_name(hostiles[i].code));
    }
}

static const struct {
    const char *from, *to;
    int code;
} manifests[] = {
    {"terse-features", "terse-shards", ERR_MAGIC},
    {"\"version\":1", "\"version\":2", ERR_VERSION},
    {"\"base\":\"b\"", "\"base\":7", ERR_FIELD_TYPE},
    {"\"pooling\":\"ema\",", "", ERR_FIELD_MISSING},
    {"\"width\":4", "\"width\":0", ERR_FIELD_RANGE},
    {"\"width\":4", "\"width\":8", ERR_DATA_HASH},
    {"\"width\":4", "\"width\":99999999", ERR_FIELD_RANGE},
    {"[2,5]", "[]", ERR_FIELD_RANGE},
    {"[2,5]", "[2,2]", ERR_FIELD_RANGE},
    {"[2,5]", "[2,-5]", ERR_FIELD_RANGE},
    {"[2,5]", "[2,4294967296]", ERR_FIELD_RANGE},
    {"[2,5]", "[2,6]", ERR_DATA_HASH},
    {"[2,5]", "[2]", ERR_H5_SPACE},
    {"shard-00000", "../../../../", ERR_PATH},
    {"shard-00000", "shard-00001", ERR_PATH},
    {"\"docs\":5", "\"docs\":6", ERR_H5_SPACE},
    {"\"docs\":5", "\"docs\":4294967295", ERR_H5_SPACE},
    {"\"docs\":5", "\"docs\":0", ERR_FIELD_RANGE},
    {"\"tokens\":50", "\"tokens\":51", ERR_FIELD_RANGE},
    {"}]}", "}]", ERR_JSON_TRUNC},
};

static void hostile_manifests(void **state)
{
    (void)state;
    char *good;
    size_t n;
    write_hostile(&hostiles[0]);
    assert_int_equal(file_load(scratch("bad/manifest.json"), 1 << 16, &good, &n, NULL), 0);
    for (size_t i = 0; i < sizeof manifests / sizeof *manifests; i++) {
        char bad[4096];
        struct features *f;
        struct err e = {0};
        const char *at = strstr(good, manifests[i].from);
        assert_non_null(at);
        int size = snprintf(bad, sizeof bad, "%.*s%s%s", (int)(at - good), good, manifests[i].to,
                            at + strlen(manifests[i].from));
        scratch_write("bad/manifest.json", bad, (size_t)size);
        int rc = features_open(&f, scratch("bad"), &e);
        if (rc != manifests[i].code || f)
            fail_msg("%s -> %s: %s \"%s\"", manifests[i].from, manifests[i].to, err_name(rc), e.msg);
    }
    free(good);
    struct features *f;
    assert_int_equal(features_open(&f, scratch("absent"), NULL), ERR_FILE_MISSING);
}

/* ---- splitting ----------------------------------------------------------------------------------------- */

static void splits(void **state)
{
    (void)state;
    enum { GROUPS = 20000 };
    uint32_t n[3] = {0}, moved = 0;
    for (uint64_t g = 0; g < GROUPS; g++) {
        enum features_part p = features_part(g, 1, 0.7, 0.1);
        n[p]++;
        moved += p != features_part(g, 2, 0.7, 0.1);
    }
    assert_in_range(n[FEATURES_TRAIN], GROUPS * 0.68, GROUPS * 0.72);
    assert_in_range(n[FEATURES_VALID], GROUPS * 0.09, GROUPS * 0.11);
    assert_in_range(n[FEATURES_TEST], GROUPS * 0.18, GROUPS * 0.22);
    assert_in_range(moved, GROUPS / 3, GROUPS / 2); /* 1 - 0.49 - 0.01 - 0.04 */

    /* every known row is in one part, all of a problem's in the same */
    assert_int_equal(features_case_write(scratch("set"), ROWS, WIDTH, NULL), 0);
    struct features *f = open_set();
    const struct feature *rows = features_rows(f);
    uint32_t pick[ROWS], total = 0, known = 0;
    int part[ROWS / 4];
    memset(part, 0xff, sizeof part);
    for (uint32_t p = 0; p < 3; p++) {
        uint32_t have = features_pick(f, 5, 0.6, 0.2, (enum features_part)p, pick);
        total += have;
        assert_true(have > 0);
        for (uint32_t i = 0; i < have; i++) {
            assert_true(rows[pick[i]].label != FEATURE_UNKNOWN && (i == 0 || pick[i] > pick[i - 1]));
            int *of = &part[pick[i] / 4];
            assert_true(*of == -1 || *of == (int)p);
            *of = (int)p;
        }
    }
    for (uint32_t i = 0; i < ROWS; i++) known += rows[i].label != FEATURE_UNKNOWN;
    assert_int_equal(total, known);
    features_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(several_files),
        cmocka_unit_test(goes_on),
        cmocka_unit_test(begins_anew),
        cmocka_unit_test(writer_refuses_rows),
        cmocka_unit_test(writer_refuses_origins),
        cmocka_unit_test(digest_guards),
        cmocka_unit_test(hostile_shards),
        cmocka_unit_test(hostile_manifests),
        cmocka_unit_test(splits),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
