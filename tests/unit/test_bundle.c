/* Bundles: made, opened as a device opens them, answering as their parts do; refused when a file is damaged
 * or exchanged, when the parts do not belong together, and when the manifest is none. */
#include "checkpoints/export_bundle.h"
#include "checkpoints/file.h"
#include "checkpoints/head_file.h"
#include "infer/bundle.h"
#include "infer/terse.h"
#include "tests/support/scratch.h"
#include "tests/support/small_base.h"
#include "tests/support/small_head.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 64 };

static char base[300], adapter[300], switcher[300], verifier[300], folder[300];

static void must(int r, const struct err *e)
{
    if (r) fail_msg("%s: %s", err_name(r), e->msg);
}

static int setup(void **state)
{
    scratch_setup(state);
    snprintf(base, sizeof base, "%s", scratch("base"));
    snprintf(adapter, sizeof adapter, "%s", scratch("adapter"));
    snprintf(switcher, sizeof switcher, "%s", scratch("switcher.safetensors"));
    snprintf(verifier, sizeof verifier, "%s", scratch("verifier.safetensors"));
    snprintf(folder, sizeof folder, "%s", scratch("bundle"));
    small_base(base, 1024, 1);
    small_adapter(adapter, base, GATE_ASSISTANT, 2);
    small_heads(switcher, verifier, base, adapter);
    return 0;
}

static int make(const char *from, const char *with, bool force, struct err *e)
{
    struct export_bundle_options o = {
        .gguf = {.model = from, .adapter = with, .force = force, .check = true, .threads = 1},
        .heads = {switcher, with ? verifier : NULL}};
    struct export_report report;
    return export_bundle(folder, &o, &report, e);
}

static void made(void)
{
    struct err e = {0};
    must(make(base, adapter, true, &e), &e);
}

static int bundle_try(struct terse_error *e)
{
    struct terse_model *m;
    struct terse_adapter *a;
    struct terse_model_options o = {.size = sizeof o, .threads = 1, .context = 128};
    int r = terse_bundle_open(&m, &a, folder, &o, e);
    if (!m != !!r || (r && a)) fail_msg("result %d and pointers disagree", r);
    terse_adapter_free(a);
    terse_model_close(m);
    return r;
}

static void opens(const char *what)
{
    struct terse_error e;
    if (bundle_try(&e)) fail_msg("%s: %s [%s]", what, e.message, e.kind);
}

static void fails(const char *what, const char *kind, const char *says)
{
    struct terse_error e;
    if (!bundle_try(&e)) fail_msg("%s: it opens, expected %s", what, kind);
    if (strcmp(e.kind, kind) || !strstr(e.message, says))
        fail_msg("%s: \"%s\" [%s], expected %s with \"%s\"", what, e.message, e.kind, kind, says);
}

/* ---- whole --------------------------------------------------------------------------------------------- */

static void a_bundle_is_its_parts(void **state)
{
    (void)state;
    struct bundle b;
    struct loaded l;
    struct err e = {0};
    made();
    opens("made");
    must(bundle_open(&b, folder, &e), &e);
    struct load_options o = {.model = b.part[BUNDLE_MODEL].path,
                             .adapter = b.part[BUNDLE_ADAPTER].path,
                             .heads = {b.part[BUNDLE_HEADS].path},
                             .threads = 1};
    must(load_gguf(&l, &o, &e), &e);
    must(bundle_check(&b, &l, folder, &e), &e);
    assert_string_equal(b.base, l.digest_base);
    assert_string_equal(b.adapter, l.info.self);
    for (int t = 0; t < HEAD_TASKS; t++) {
        struct head *h;
        must(head_file_load(&h, t ? verifier : switcher, &e), &e);
        assert_memory_equal(h->data, l.head[t]->data, h->count * sizeof *h->data);
        head_free(h);
    }
    loaded_clear(&l);
}

/* An app asks a bundle: the switcher routes, the verifier reads, the chains vote. */
static void an_app_asks_it(void **state)
{
    struct terse_model_options mo = {.size = sizeof mo, .threads = 1};
    struct terse_session_options so = {.size = sizeof so, .streams = 3, .max_tokens = 200};
    struct terse_message said = {"user", "What is 2 plus 3?"};
    struct terse_sampling warm = {.size = sizeof warm, .temperature = 1.2};
    struct terse_question q = {.size = sizeof q, .messages = &said, .n_messages = 1, .answers = 4};
    struct terse_outcome o = {.size = sizeof o};
    struct terse_model *m;
    struct terse_adapter *a;
    struct terse_session *s;
    struct terse_answers *got, *chat;
    struct terse_error e;
    size_t n;
    (void)state;
    made();
    assert_int_equal(terse_bundle_open(&m, &a, folder, &mo, &e), 0);
    assert_int_equal(terse_session_create(&s, m, &so, &e), 0);
    assert_int_equal(terse_session_set_adapter(s, a, &e), 0);
    q.sampling = &warm, q.max_tokens = 20, q.vote = TERSE_WEIGHTED, q.run_all = 1;
    q.threshold = 1e-9;
    assert_int_equal(terse_ask(s, &q, &got, &e), 0);
    terse_answers_outcome(got, &o);
    assert_true(o.reasoned && o.probability > 0 && o.probability < 1 && o.winner < 4 && !o.given_up);
    assert_int_equal(terse_answers_count(got), 4);
    double sum = 0;
    for (uint32_t i = 0; i < 4; i++) {
        double score = terse_answers_score(got, i);
        assert_true(score > 0 && score < 1);
        if (terse_answers_final(got, i, &n)) sum += score;
    }
    assert_true(fabs(sum - o.total) < 1e-6 && o.weight <= o.total);
    terse_answers_free(got);
    q.threshold = 1;
    assert_int_equal(terse_ask(s, &q, &got, &e), 0);
    terse_answers_outcome(got, &o);
    assert_true(!o.reasoned && terse_answers_count(got) == 1 && terse_answers_score(got, 0) < 0);
    q.mode = TERSE_CHAT, q.vote = TERSE_MAJORITY;
    assert_int_equal(terse_ask(s, &q, &chat, &e), 0);
    assert_string_equal(terse_answers_text(got, 0, NULL), terse_answers_text(chat, 0, NULL));
    terse_answers_outcome(chat, &o);
    assert_true(o.probability < 0);
    q.vote = TERSE_BEST;
    assert_true(terse_ask(s, &q, NULL, &e) < 0);
    assert_string_equal(e.kind, "USAGE");
    terse_answers_free(got), terse_answers_free(chat);
    terse_session_free(s);
    terse_adapter_free(a);
    terse_model_close(m);
}

static void without_an_adapter(void **state)
{
    (void)state;
    struct err e = {0};
    must(make(base, NULL, true, &e), &e);
    opens("base and switcher");
    assert_false(file_exists(scratch("bundle/adapter.gguf")));
}

static void nothing_is_replaced_unasked(void **state)
{
    (void)state;
    struct err e = {0};
    made();
    assert_int_equal(make(base, adapter, false, &e), ERR_EXISTS);
    e = (struct err){0};
    assert_int_equal(file_remove_tree(scratch("bundle/bundle.txt"), NULL), 0);
    assert_int_equal(make(base, adapter, true, &e), ERR_EXISTS);
    assert_non_null(strstr(e.msg, "no bundle"));
    assert_int_equal(file_remove_tree(folder, NULL), 0);
}

/* ---- damaged and exchanged ----------------------------------------------------------------------------- */

static void damaged_files(void **state)
{
    (void)state;
    static const char *const names[] = {"model.gguf", "adapter.gguf", "heads.gguf"};
    made();
    for (int i = 0; i < 3; i++) {
        char path[400], *data;
        size_t n;
        snprintf(path, sizeof path, "bundle/%s", names[i]);
        assert_int_equal(file_load(scratch(path), 1 << 26, &data, &n, NULL), 0);
        scratch_write(path, data, n - 1);
        fails("cut", "SIZE_MISMATCH", names[i]);
        data[n / 2] = (char)(data[n / 2] ^ 4);
        scratch_write(path, data, n);
        fails("a bit", "HASH", "damaged or exchanged");
        assert_int_equal(file_remove_tree(scratch(path), NULL), 0);
        fails("gone", "FILE_MISSING", names[i]);
        data[n / 2] = (char)(data[n / 2] ^ 4);
        scratch_write(path, data, n);
        opens("put back");
        free(data);
    }
}

/* Puts `value` where the manifest has `key`, or leaves the line out. */
static void manifest_edit(const char *key, const char *value)
{
    char *text, out[BUNDLE_TEXT], start[64];
    size_t n;
    assert_int_equal(file_load(scratch("bundle/bundle.txt"), BUNDLE_TEXT, &text, &n, NULL), 0);
    snprintf(start, sizeof start, "%s = ", key);
    char *at = strstr(text, start), *end = at ? strchr(at, '\n') : NULL;
    assert_non_null(end);
    int m = value ? snprintf(out, sizeof out, "%.*s%s%s%s", (int)(at - text), text, start, value, end)
                  : snprintf(out, sizeof out, "%.*s%s", (int)(at - text), text, end + 1);
    scratch_write("bundle/bundle.txt", out, (size_t)m);
    free(text);
}

static void another_digest_in_the_manifest(void **state)
{
    (void)state;
    static const char *const hex = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";
    static const struct {
        const char *key, *kind;
    } rows[] = {
        {"base", "BASE_HASH"}, {"tokenizer", "TOK_HASH"}, {"adapter", "AD_HASH"}, {"heads.sha256", "HASH"}};
    for (int i = 0; i < 4; i++) {
        made();
        manifest_edit(rows[i].key, hex);
        fails(rows[i].key, rows[i].kind, "");
    }
}

/* What does not belong together is not even written. */
static void parts_of_others(void **state)
{
    (void)state;
    char other[300], with[300];
    struct err e = {0};
    snprintf(other, sizeof other, "%s", scratch("other"));
    snprintf(with, sizeof with, "%s", scratch("other-adapter"));
    small_base(other, 1024, 9);
    small_adapter(with, other, GATE_ASSISTANT, 5);
    assert_int_equal(file_remove_tree(folder, NULL), 0);
    assert_int_equal(make(base, with, true, &e), ERR_BASE_HASH);
    e = (struct err){0};
    assert_int_equal(make(other, with, true, &e), ERR_BASE_HASH);
    assert_non_null(strstr(e.msg, "heads.gguf: this switcher was trained for base model"));
    snprintf(with, sizeof with, "%s", scratch("third-adapter"));
    small_adapter(with, base, GATE_ASSISTANT, 6);
    e = (struct err){0};
    assert_int_equal(make(base, with, true, &e), ERR_AD_HASH);
    assert_non_null(strstr(e.msg, "this verifier was trained for adapter"));
    assert_false(file_exists(folder));
    assert_false(file_exists(scratch("bundle.unfinished")));
}

/* ---- manifests ----------------------------------------------------------------------------------------- */

#define HEX   "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define MODEL "model.file = m.gguf\nmodel.bytes = 12\nmodel.sha256 = " HEX "\n"

static const struct {
    const char *what, *text;
    int code;
} manifests[] = {
    {"least", "version = 1\n" MODEL, 0},
    {"comments", "# a\n\nversion = 1\n#\n" MODEL "\n", 0},
    {"no end of line", "version = 1\nmodel.bytes = 12\nmodel.sha256 = " HEX "\nmodel.file = m", 0},
    {"all", "version = 1\nbase = " HEX "\n" MODEL "heads.file = h\nheads.bytes = 0\nheads.sha256 = " HEX "\n",
     0},
    {"empty", "", ERR_FIELD_MISSING},
    {"no version", MODEL, ERR_FIELD_MISSING},
    {"version 2", "version = 2\n" MODEL, ERR_VERSION},
    {"no model", "version = 1\n", ERR_FIELD_MISSING},
    {"no size", "version = 1\nmodel.file = m\nmodel.sha256 = " HEX "\n", ERR_FIELD_MISSING},
    {"half an adapter", "version = 1\n" MODEL "adapter.bytes = 1\n", ERR_FIELD_MISSING},
    {"twice", "version = 1\n" MODEL MODEL, ERR_DUP_KEY},
    {"version twice", "version = 1\nversion = 1\n" MODEL, ERR_DUP_KEY},
    {"unknown", "version = 1\n" MODEL "colour = red\n", ERR_KEY_UNKNOWN},
    {"no spaces", "version=1\n" MODEL, ERR_BUNDLE},
    {"space in front", " version = 1\n" MODEL, ERR_KEY_UNKNOWN},
    {"space behind", "version = 1 \n" MODEL, ERR_VERSION},
    {"CR LF", "version = 1\r\n" MODEL, ERR_BUNDLE},
    {"tab", "version\t= 1\n" MODEL, ERR_BUNDLE},
    {"umlaut", "# \xc3\xa4\nversion = 1\n" MODEL, ERR_BUNDLE},
    {"JSON", "{\"version\": 1}", ERR_BUNDLE},
    {"up", "version = 1\nmodel.file = ../m.gguf\n", ERR_PATH},
    {"root", "version = 1\nmodel.file = /etc/passwd\n", ERR_PATH},
    {"hidden", "version = 1\nmodel.file = .m\n", ERR_PATH},
    {"no name", "version = 1\nmodel.file = \n", ERR_PATH},
    {"backslash", "version = 1\nmodel.file = a\\b\n", ERR_PATH},
    {"negative", "version = 1\nmodel.bytes = -1\n", ERR_FIELD_RANGE},
    {"fraction", "version = 1\nmodel.bytes = 1.5\n", ERR_FIELD_RANGE},
    {"octal", "version = 1\nmodel.bytes = 012\n", ERR_FIELD_RANGE},
    {"huge", "version = 1\nmodel.bytes = 9999999999999999999\n", ERR_FIELD_RANGE},
    {"short digest", "version = 1\nmodel.sha256 = cc\n", ERR_FIELD_RANGE},
    {"capitals", "version = 1\nbase = CCcccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\n",
     ERR_FIELD_RANGE},
};

static void manifests_are_read_strictly(void **state)
{
    (void)state;
    struct bundle b;
    for (size_t i = 0; i < sizeof manifests / sizeof *manifests; i++) {
        struct err e = {0};
        int r = bundle_parse(&b, manifests[i].text, strlen(manifests[i].text), "b.txt", &e);
        if (r != manifests[i].code || (r && !strstr(e.msg, "b.txt")))
            fail_msg("%s: %s \"%s\", expected %s", manifests[i].what, err_name(r), e.msg,
                     err_name(manifests[i].code));
    }
    struct err e = {0};
    char longest[BUNDLE_TEXT];
    assert_int_equal(bundle_parse(&b, "version = 1\0x\n", 14, "b.txt", &e), ERR_BUNDLE);
    memset(longest, '#', sizeof longest);
    e = (struct err){0};
    assert_int_equal(bundle_parse(&b, longest, sizeof longest, "b.txt", &e), ERR_BUNDLE);
    made();
    scratch_write("bundle/bundle.txt", longest, sizeof longest);
    fails("too long", "TOO_LARGE", "bundle.txt");
    made();
    manifest_edit("model.bytes", NULL);
    fails("a line less", "FIELD_MISSING", "model.bytes");
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static struct bundle b, again;
    char text[BUNDLE_TEXT], text2[BUNDLE_TEXT];
    struct err e = {0};
    strcpy(b.base, HEX);
    strcpy(b.part[BUNDLE_MODEL].name, "m.gguf");
    strcpy(b.part[BUNDLE_MODEL].sha256, HEX);
    b.part[BUNDLE_MODEL].bytes = 123456789012345678;
    size_t n = bundle_write(&b, text);
    assert_int_equal(n, strlen(text));
    must(bundle_parse(&again, text, n, "b.txt", &e), &e);
    assert_memory_equal(&b, &again, sizeof b);
    bundle_write(&again, text2);
    assert_string_equal(text, text2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bundle_is_its_parts),   cmocka_unit_test(an_app_asks_it),
        cmocka_unit_test(without_an_adapter),      cmocka_unit_test(nothing_is_replaced_unasked),
        cmocka_unit_test(damaged_files),           cmocka_unit_test(another_digest_in_the_manifest),
        cmocka_unit_test(parts_of_others),         cmocka_unit_test(manifests_are_read_strictly),
        cmocka_unit_test(what_is_written_is_read),
    };
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
