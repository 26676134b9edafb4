#include "checkpoints/file.h"
#include "checkpoints/hdf5.h"
#include "checkpoints/sha256.h"
#include "data/shards.h"
#include "tests/support/scratch.h"
#include "tests/support/shards_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { DOCS = 300, MEAN = 100 };

static struct shards *open_set(void)
{
    struct shards *s;
    struct err e = {0};
    if (shards_open(&s, scratch("set"), 0, &e)) fail_msg("%s", e.msg);
    return s;
}

static void assert_same_doc(struct shards *s, uint64_t i, uint32_t mean)
{
    struct shard_doc want = shards_case_doc(i, mean), have;
    uint32_t ids[4096];
    assert_int_equal(shards_doc(s, i, &have, NULL), 0);
    assert_null(have.ids);
    assert_int_equal(have.n, want.n);
    assert_int_equal(shards_read(s, i, ids, NULL), 0);
    assert_memory_equal(ids, want.ids, want.n * sizeof *ids);
    assert_int_equal(have.header_at, want.header_at);
    assert_int_equal(have.response_at, want.response_at);
    assert_int_equal(have.n_spans, want.n_spans);
    assert_memory_equal(have.spans, want.spans, want.n_spans * sizeof *want.spans);
    assert_true(have.domain == want.domain && have.source == want.source);
    assert_true(have.source_row == want.source_row && have.question == want.question);
}

static void round_trip(void **state)
{
    (void)state;
    assert_int_equal(shards_case_write(scratch("set"), DOCS, MEAN, NULL), 0);
    struct shards *s = open_set();
    uint64_t tokens = 0;
    assert_int_equal(shards_docs(s), DOCS);
    for (uint64_t i = 0; i < DOCS; i++) {
        assert_same_doc(s, i * 7 % DOCS, MEAN);
        tokens += shards_case_doc(i, MEAN).n;
    }
    assert_int_equal(shards_tokens(s), tokens);
    const struct shards_origin *o = shards_origin(s);
    assert_string_equal(o->recipe, "rec1pe");
    assert_string_equal(o->tokenizer, "t0ken");
    assert_string_equal(o->template_, "temp1ate");
    assert_int_equal(o->n_sources, 2);
    assert_string_equal(o->source_names[1], "b.parquet");
    assert_int_equal(o->source_hashes[1][0], '1');
    assert_int_equal(o->vocab, CASE_VOCAB);
    assert_true(sha256_is_hex(shards_digest(s)));
    shards_close(s);
    shards_close(NULL);
    assert_false(file_exists(scratch("set.tmp")));
}

/* More than one file: documents on both sides of the border, and the same digest when written again. */
static void several_files(void **state)
{
    (void)state;
    enum { MANY = 13000, LONG = 2000 };
    char digest[SHA256_HEX];
    for (int again = 0; again < 2; again++) {
        assert_int_equal(shards_case_write(scratch("set"), MANY, LONG, NULL), 0);
        assert_true(file_exists(scratch("set/shard-00001.h5")));
        struct shards *s = open_set();
        if (again) assert_string_equal(digest, shards_digest(s));
        snprintf(digest, sizeof digest, "%s", shards_digest(s));
        for (uint64_t i = 0; i < MANY; i += i % 500 ? 1 : 490) assert_same_doc(s, i, LONG);
        for (uint64_t i = MANY - 5; i < MANY; i++) assert_same_doc(s, i, LONG);
        shards_close(s);
    }
}

static void writer_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        uint32_t n, header_at, response_at, from, to, id0, source, spans;
        int code;
    } rows[] = {
        {"sound", 10, 2, 4, 4, 10, 1, 0, 1, 0},
        {"no labels", 10, 2, 4, 4, 10, 1, 0, 0, ERR_NO_LABELS},
        {"one token", 1, 0, 0, 0, 1, 1, 0, 1, ERR_FIELD_RANGE},
        {"response before header", 10, 5, 4, 4, 10, 1, 0, 1, ERR_FIELD_RANGE},
        {"response at the end", 10, 2, 10, 4, 10, 1, 0, 1, ERR_FIELD_RANGE},
        {"span past the end", 10, 2, 4, 4, 11, 1, 0, 1, ERR_FIELD_RANGE},
        {"empty span", 10, 2, 4, 4, 4, 1, 0, 1, ERR_FIELD_RANGE},
        {"first token learned", 10, 2, 4, 0, 4, 1, 0, 1, ERR_FIELD_RANGE},
        {"source unknown", 10, 2, 4, 4, 10, 1, 1, 1, ERR_FIELD_RANGE},
        {"token = vocab", 10, 2, 4, 4, 10, 50, 0, 1, ERR_TOKEN_RANGE},
    };
    static const char *const names[] = {"a"};
    static const struct shards_origin origin = {"r", "t", "c", names, names, 1, 50};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t ids[10] = {rows[i].id0};
        struct label_span span = {rows[i].from, rows[i].to};
        struct shard_doc d = {.ids = ids,
                              .n = rows[i].n,
                              .header_at = rows[i].header_at,
                              .response_at = rows[i].response_at,
                              .spans = &span,
                              .n_spans = rows[i].spans,
                              .source = rows[i].source,
                              .source_row = 77};
        struct shard_writer *w;
        struct err e = {0};
        assert_int_equal(shard_writer_open(&w, scratch("refused"), &origin, NULL), 0);
        int rc = shard_writer_add(w, &d, &e);
        if (rc != rows[i].code || (rc && !strstr(e.msg, "row 77")))
            fail_msg("%s: %d \"%s\"", rows[i].id, rc, e.msg);
        shard_writer_abort(w);
        assert_false(file_exists(scratch("refused.tmp")));
    }
    struct shard_writer *w;
    assert_int_equal(shard_writer_open(&w, scratch("refused"), &origin, NULL), 0);
    assert_int_equal(shard_writer_commit(w, NULL), ERR_DATA_EMPTY);
    assert_false(file_exists(scratch("refused")) || file_exists(scratch("refused.tmp")));
}

/* ---- hostile
 * ----------------------------------------------------------------------------------------------- */

/* JL44: any change of a shard's bytes is found before libhdf5 sees the file. */
static void digest_guards(void **state)
{
    (void)state;
    char *bytes;
    size_t n;
    struct shards *s;
    assert_int_equal(shards_case_write(scratch("set"), DOCS, MEAN, NULL), 0);
    assert_int_equal(file_load(scratch("set/shard-00000.h5"), 1 << 24, &bytes, &n, NULL), 0);
    for (size_t at = 0; at < n; at += 509) {
        struct err e = {0};
        bytes[at] ^= 4;
        scratch_write("set/shard-00000.h5", bytes, n);
        assert_int_equal(shards_open(&s, scratch("set"), 0, &e), ERR_HASH);
        assert_null(s);
        assert_non_null(strstr(e.msg, "shard-00000.h5"));
        bytes[at] ^= 4;
    }
    scratch_write("set/shard-00000.h5", bytes, n - 1);
    assert_int_equal(shards_open(&s, scratch("set"), 0, NULL), ERR_HASH);
    assert_int_equal(unlink(scratch("set/shard-00000.h5")), 0);
    assert_int_equal(shards_open(&s, scratch("set"), 0, NULL), ERR_FILE_MISSING);
    free(bytes);
}

/* JL45, JL46: a shard that changes or shrinks under an open set */
static void changed_while_open(void **state)
{
    (void)state;
    uint32_t ids[4096];
    char *bytes;
    size_t n;
    assert_int_equal(shards_case_write(scratch("set"), DOCS, MEAN, NULL), 0);
    assert_int_equal(file_load(scratch("set/shard-00000.h5"), 1 << 24, &bytes, &n, NULL), 0);
    struct shards *s = open_set();
    assert_int_equal(shards_read(s, 1, ids, NULL), 0);
    scratch_write("set/shard-00000.h5", bytes, n); /* another file, the same bytes: fine */
    assert_int_equal(shards_read(s, 1, ids, NULL), 0);
    bytes[n / 2] ^= 1;
    scratch_write("set/shard-00000.h5", bytes, n);
    assert_int_equal(shards_read(s, 1, ids, NULL), ERR_HASH);
    bytes[n / 2] ^= 1;
    scratch_write("set/shard-00000.h5", bytes, n / 2);
    assert_int_equal(shards_read(s, 1, ids, NULL), ERR_HASH);
    scratch_write("set/shard-00000.h5", bytes, n);
    assert_int_equal(shards_read(s, 1, ids, NULL), 0);
    shards_close(s);
    free(bytes);
}

/* A shard made by hand, read with SHARDS_TRUST: what the digest would have caught is caught again. */
struct forged {
    const char *id;
    const char *column; /* which column is written otherwise */
    uint64_t value;     /* at index `at`; UINT64_MAX as `at`: the column gets one element less */
    uint64_t at;
    int code;
    const char *says;
};

static const struct forged forgeries[] = {
    {"sound", "", 0, 0, 0, ""},
    {"offset 0", "doc_offset", 1, 0, ERR_DOC_OFFSETS, "document 0"},
    {"offsets fall", "doc_offset", 5, 2, ERR_DOC_OFFSETS, "document 1"},
    {"document of one token", "doc_offset", 11, 2, ERR_DOC_OFFSETS, "document 1"},
    {"offset past the end", "doc_offset", 31, 2, ERR_DOC_OFFSETS, "document 1"},
    {"offset 2^63", "doc_offset", (uint64_t)1 << 63, 2, ERR_DOC_OFFSETS, "document 1"},
    {"last offset short", "doc_offset", 29, 3, ERR_DOC_OFFSETS, "end at token 29 of 30"},
    {"one offset less", "doc_offset", 0, UINT64_MAX, ERR_H5_SPACE, "doc_offset"},
    {"one id less", "ids", 0, UINT64_MAX, ERR_H5_SPACE, "29 ids"},
    {"id = vocab", "ids", 50, 12, ERR_TOKEN_RANGE, "token 2 of document 1 is 50"},
    {"id 2^31", "ids", (uint64_t)1 << 31, 12, ERR_TOKEN_RANGE, "document 1"},
    {"response past the end", "response_at", 10, 1, ERR_FIELD_RANGE, "document 1"},
    {"header past response", "header_at", 9, 1, ERR_FIELD_RANGE, "document 1"},
    {"no labels", "n_labels", 0, 1, ERR_H5_SPACE, "label_from"},
    {"labels 2^32 - 1", "n_labels", UINT32_MAX, 1, ERR_H5_SPACE, "label_from"},
    {"span past the end", "label_to", 11, 1, ERR_FIELD_RANGE, "document 1"},
    {"span upside down", "label_to", 3, 1, ERR_FIELD_RANGE, "document 1"},
    {"span at 0", "label_from", 0, 1, ERR_FIELD_RANGE, "document 1"},
    {"domain", "domain", DOMAIN_COUNT, 1, ERR_FIELD_RANGE, "document 1"},
    {"source", "source", 2, 1, ERR_FIELD_RANGE, "document 1"},
    {"version", "version", 2, 0, ERR_VERSION, "version 2"},
    {"tokenizer", "tokenizer", 0, 0, ERR_TOK_HASH, "other"},
    {"recipe", "recipe", 0, 0, ERR_DATA_HASH, "other"},
};

static void put_column(struct hdf5 *h5, const struct forged *f, const char *name, enum dtype t,
                       const uint64_t *v, uint64_t n)
{
    static const struct hdf5_layout layout = {8, 3, NULL};
    uint64_t wide[32];
    uint32_t narrow[32];
    uint8_t bytes[32];
    memcpy(wide, v, n * sizeof *v);
    if (strcmp(f->column, name) == 0 && f->at == UINT64_MAX)
        n--;
    else if (strcmp(f->column, name) == 0)
        wide[f->at] = f->value;
    for (uint64_t i = 0; i < n; i++) narrow[i] = (uint32_t)wide[i], bytes[i] = (uint8_t)wide[i];
    const void *data = t == DTYPE_U64 ? (void *)wide : t == DTYPE_U32 ? (void *)narrow : (void *)bytes;
    assert_int_equal(hdf5_write(h5, name, t, data, n, &layout, NULL), 0);
}

/* Three documents of 10 tokens, header at 2, response at 4, labels [4, 10). */
static void forge(const struct forged *f, const char *path)
{
    static const uint64_t ids[30], offsets[4] = {0, 10, 20, 30}, twos[3] = {2, 2, 2}, fours[3] = {4, 4, 4},
                                   ones[3] = {1, 1, 1}, tens[3] = {10, 10, 10};
    struct hdf5 *h5;
    assert_int_equal(hdf5_create(&h5, path, NULL), 0);
    hdf5_set_i64(h5, "version", strcmp(f->column, "version") ? SHARDS_VERSION : (int64_t)f->value, NULL);
    hdf5_set_text(h5, "tokenizer", strcmp(f->column, "tokenizer") ? "t0ken" : "other", NULL);
    hdf5_set_text(h5, "recipe", strcmp(f->column, "recipe") ? "rec1pe" : "other", NULL);
    put_column(h5, f, "ids", DTYPE_U32, ids, 30);
    put_column(h5, f, "doc_offset", DTYPE_U64, offsets, 4);
    put_column(h5, f, "header_at", DTYPE_U32, twos, 3);
    put_column(h5, f, "response_at", DTYPE_U32, fours, 3);
    put_column(h5, f, "n_labels", DTYPE_U32, ones, 3);
    put_column(h5, f, "label_from", DTYPE_U32, fours, 3);
    put_column(h5, f, "label_to", DTYPE_U32, tens, 3);
    put_column(h5, f, "domain", DTYPE_U8, ones, 3);
    put_column(h5, f, "source", DTYPE_U32, ones, 3);
    put_column(h5, f, "source_row", DTYPE_U64, ids, 3);
    put_column(h5, f, "question", DTYPE_U64, ids, 3);
    assert_int_equal(hdf5_close(h5, NULL), 0);
}

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static void write_manifest(const char *text)
{
    scratch_write("forged/manifest.json", text, strlen(text));
}

#define SOURCES                                                                                              \
    "\"sources\":[{\"name\":\"a\",\"sha256\":\"" ZEROS "\"},{\"name\":\"b\",\"sha256\":\"" ZEROS "\"}]"
#define ORIGIN                                                                                               \
    "{\"format\":\"terse-shards\",\"version\":1,\"recipe\":\"rec1pe\",\"tokenizer\":\"t0ken\","              \
    "\"template\":\"c\",\"vocab\":50," SOURCES ","
#define SHARD(docs, tokens)                                                                                  \
    "{\"name\":\"shard-00000.h5\",\"sha256\":\"" ZEROS "\",\"docs\":" docs ",\"tokens\":" tokens "}"

static void forged_shards(void **state)
{
    (void)state;
    assert_int_equal(file_make_dirs(scratch("forged"), NULL), 0);
    write_manifest(ORIGIN "\"shards\":[" SHARD("3", "30") "]}");
    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
        struct err e = {0};
        struct shards *s;
        uint32_t ids[64];
        forge(&forgeries[i], scratch("forged/shard-00000.h5"));
        assert_int_equal(shards_open(&s, scratch("forged"), 0, NULL), ERR_HASH);
        int rc = shards_open(&s, scratch("forged"), SHARDS_TRUST, &e);
        for (uint64_t d = 0; !rc && d < 3; d++) rc = shards_read(s, d, ids, &e);
        shards_close(s);
        if (rc != forgeries[i].code || !strstr(e.msg, forgeries[i].says))
            fail_msg("%s: %s \"%s\", expected %s", forgeries[i].id, err_name(rc), e.msg,
                     err_name(forgeries[i].code));
    }
}

static void forged_manifests(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
    } rows[] = {
        {"{\"format\":\"other\"}", ERR_MAGIC},
        {"{\"format\":\"terse-shards\",\"version\":2}", ERR_VERSION},
        {"{\"format\":\"terse-shards\",\"version\":1}", ERR_FIELD_MISSING},
        {ORIGIN "\"shards\":[]}", ERR_DATA_EMPTY},
        {ORIGIN "\"shards\":{}}", ERR_FIELD_TYPE},
        {ORIGIN "\"shards\":[7]}", ERR_FIELD_MISSING},
        {ORIGIN "\"shards\":[" SHARD("0", "30") "]}", ERR_FIELD_RANGE},
        {ORIGIN "\"shards\":[" SHARD("3", "-1") "]}", ERR_FIELD_RANGE},
        {ORIGIN "\"shards\":[" SHARD("3", "18446744073709551615") "]}", ERR_FIELD_RANGE},
        {ORIGIN "\"shards\":[" SHARD("4000000000", "30") "]}", ERR_H5_SPACE},
        {ORIGIN "\"shards\":[" SHARD("3", "31") "]}", ERR_H5_SPACE},
        {ORIGIN "\"shards\":[{\"name\":\"../x.h5\",\"sha256\":\"" ZEROS "\",\"docs\":3,\"tokens\":30}]}",
         ERR_PATH},
        {ORIGIN "\"shards\":[" SHARD("3", "30") ",{\"name\":\"shard-00000.h5\"}]}", ERR_PATH}, /* JL47 */
        {ORIGIN "\"shards\":[{\"name\":\"shard-00000.h5\",\"sha256\":\"0" ZEROS "\",\"docs\":3}]}",
         ERR_FIELD_RANGE},
        {"{\"format\":\"terse-shards\",", ERR_JSON_TRUNC},
        {"[]", ERR_MAGIC},
    };
    assert_int_equal(file_make_dirs(scratch("forged"), NULL), 0);
    forge(&forgeries[0], scratch("forged/shard-00000.h5"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        struct shards *s;
        write_manifest(rows[i].text);
        int rc = shards_open(&s, scratch("forged"), SHARDS_TRUST, &e);
        if (rc != rows[i].code || (!strstr(e.msg, "forged") && !strstr(e.msg, "shard-")))
            fail_msg("%s: %s \"%s\", expected %s", rows[i].text, err_name(rc), e.msg, err_name(rows[i].code));
    }
    struct shards *s;
    assert_int_equal(unlink(scratch("forged/manifest.json")), 0);
    assert_int_equal(shards_open(&s, scratch("forged"), 0, NULL), ERR_FILE_MISSING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),         cmocka_unit_test(several_files),
        cmocka_unit_test(writer_refuses),     cmocka_unit_test(digest_guards),
        cmocka_unit_test(changed_while_open), cmocka_unit_test(forged_shards),
        cmocka_unit_test(forged_manifests),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
