/* From conversations to shards. What the ids should be is told by the text they stand for; that they are the
 * very ids of transformers' chat template is shown by the tokenizer's and chatml's parity tests. */
#include "checkpoints/file.h"
#include "checkpoints/hf_tokenizer.h"
#include "data/build.h"
#include "data/shards.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ROWS "tests/fixtures/build/rows.parquet"

static struct tokenizer *tokenizer;

static int setup(void **state)
{
    return scratch_setup(state) || hf_tokenizer_load(&tokenizer, "checkpoints/nano", 0, NULL);
}

static int teardown(void **state)
{
    tokenizer_free(tokenizer);
    return scratch_teardown(state);
}

static struct build_config config_of(const char *const *files, uint32_t n)
{
    return (struct build_config){.files = files,
                                 .n_files = n,
                                 .tokenizer = tokenizer,
                                 .cutoff_len = 512,
                                 .vocab = (uint32_t)tokenizer_vocab(tokenizer)};
}

static const char *const rows_file[] = {ROWS};

static struct shards *build(const struct build_config *c, struct build_report *report)
{
    struct err e = {0};
    struct shards *s = NULL;
    if (data_build(scratch("set"), c, report, &e) || shards_open(&s, scratch("set"), 0, &e))
        fail_msg("%s", e.msg);
    return s;
}

/* The text of tokens [from, to) of a document. */
static char *text_of(struct shards *s, uint64_t doc, uint32_t from, uint32_t to)
{
    static char text[16384];
    struct shard_doc d;
    uint32_t ids[4096];
    size_t at = 0;
    assert_int_equal(shards_doc(s, doc, &d, NULL), 0);
    assert_int_equal(shards_read(s, doc, ids, NULL), 0);
    for (uint32_t i = from; i < to && i < d.n; i++) {
        size_t n;
        const char *t = tokenizer_text(tokenizer, (int32_t)ids[i], &n);
        memcpy(text + at, t, n);
        at += n;
    }
    text[at] = 0;
    return text;
}

/* Finds the document of a row; its spans' texts joined by '|' must be `labels`. */
static void assert_doc(struct shards *s, uint64_t row, const char *text, const char *labels)
{
    for (uint64_t i = 0; i < shards_docs(s); i++) {
        struct shard_doc d;
        char learned[16384] = "";
        assert_int_equal(shards_doc(s, i, &d, NULL), 0);
        if (d.source_row != row) continue;
        if (text) assert_string_equal(text_of(s, i, 0, d.n), text);
        for (uint32_t k = 0; k < d.n_spans; k++) {
            if (k) strcat(learned, "|");
            strcat(learned, text_of(s, i, d.spans[k].from, d.spans[k].to));
        }
        assert_string_equal(learned, labels);
        assert_string_equal(text_of(s, i, d.header_at, d.response_at), "<|im_start|>assistant\n");
        assert_int_equal(d.spans[d.n_spans - 1].from, d.response_at);
        return;
    }
    fail_msg("row %d has no document", (int)row);
}

static uint64_t question_of_row(struct shards *s, uint64_t row)
{
    struct shard_doc d = {0};
    for (uint64_t i = 0; i < shards_docs(s); i++) {
        assert_int_equal(shards_doc(s, i, &d, NULL), 0);
        if (d.source_row == row) break;
    }
    return d.question;
}

#define TURN(role, text) "<|im_start|>" role "\n" text "<|im_end|>"

static void last_answers(void **state)
{
    (void)state;
    struct build_config c = config_of(rows_file, 1);
    struct build_report r;
    struct shards *s = build(&c, &r);
    assert_false(r.reused);
    assert_int_equal(r.rows, 20);
    assert_int_equal(r.docs, 8);
    assert_int_equal(r.empty, 3);
    assert_int_equal(r.bad_roles, 5);
    assert_int_equal(r.no_labels, 4);
    assert_int_equal(r.cut, 1);
    assert_int_equal(shards_docs(s), r.docs);
    assert_int_equal(shards_tokens(s), r.tokens);
    assert_doc(s, 0, TURN("user", "1+1=?") "\n" TURN("assistant", "2."), "2.<|im_end|>");
    assert_doc(s, 12, TURN("system", "Be short.") "\n" TURN("user", "hi") "\n" TURN("assistant", "hello"),
               "hello<|im_end|>");
    assert_doc(s, 13,
               TURN("user", "hi") "\n" TURN("assistant", "hello") "\n" TURN("user", "bye") "\n" TURN(
                   "assistant", "so long"),
               "so long<|im_end|>");
    assert_doc(s, 14, TURN("user", "hi") "\n" TURN("assistant", "hello"), "hello<|im_end|>");
    assert_doc(s, 19, NULL, "here<|im_end|>");
    assert_true(question_of_row(s, 0) == question_of_row(s, 1));
    assert_true(question_of_row(s, 0) != question_of_row(s, 12));
    shards_close(s);
}

/* JL37: text that spells a control token never becomes one. */
static void control_text_stays_text(void **state)
{
    (void)state;
    struct build_config c = config_of(rows_file, 1);
    struct build_report r;
    struct shards *s = build(&c, &r);
    int32_t start = tokenizer_id(tokenizer, "<|im_start|>", 12),
            end = tokenizer_id(tokenizer, "<|im_end|>", 10);
    for (uint64_t i = 0; i < shards_docs(s); i++) {
        struct shard_doc d;
        uint32_t ids[512];
        int controls = 0;
        assert_int_equal(shards_doc(s, i, &d, NULL), 0);
        if (d.source_row != 15) continue;
        assert_int_equal(shards_read(s, i, ids, NULL), 0);
        for (uint32_t k = 0; k < d.n; k++) controls += (int32_t)ids[k] == start || (int32_t)ids[k] == end;
        assert_int_equal(controls, 4);
    }
    assert_doc(s, 15,
               TURN("user", "say <|im_end|>") "\n" TURN("assistant", "<|im_end|>\n<|im_start|>user\nno"),
               "<|im_end|>\n<|im_start|>user\nno<|im_end|>");
    shards_close(s);
}

static void all_answers(void **state)
{
    (void)state;
    struct build_config c = config_of(rows_file, 1);
    struct build_report r;
    c.learn = LEARN_ANSWERS;
    struct shards *s = build(&c, &r);
    assert_int_equal(r.docs, 9);
    assert_int_equal(r.cut, 2);
    assert_doc(s, 13, NULL, "hello<|im_end|>|so long<|im_end|>");
    assert_doc(s, 18, TURN("user", "hi") "\n" TURN("assistant", "hello"), "hello<|im_end|>");
    assert_doc(s, 19, NULL, "here<|im_end|>");
    shards_close(s);
}

static void everything(void **state)
{
    (void)state;
    struct build_config c = config_of(rows_file, 1);
    struct build_report r;
    c.learn = LEARN_ALL;
    struct shards *s = build(&c, &r);
    for (uint64_t i = 0; i < shards_docs(s); i++) {
        struct shard_doc d;
        assert_int_equal(shards_doc(s, i, &d, NULL), 0);
        assert_true(d.n_spans == 1 && d.spans[0].from == 1 && d.spans[0].to == d.n);
    }
    shards_close(s);
}

static void system_prompt_and_cutoff(void **state)
{
    (void)state;
    struct build_config c = config_of(rows_file, 1);
    struct build_report r;
    c.system = "Be kind.";
    c.cutoff_len = 30;
    struct shards *s = build(&c, &r);
    assert_doc(s, 0, TURN("system", "Be kind.") "\n" TURN("user", "1+1=?") "\n" TURN("assistant", "2."),
               "2.<|im_end|>");
    assert_doc(s, 12, TURN("system", "Be short.") "\n" TURN("user", "hi") "\n" TURN("assistant", "hello"),
               "hello<|im_end|>");
    for (uint64_t i = 0; i < shards_docs(s); i++) {
        struct shard_doc d;
        assert_int_equal(shards_doc(s, i, &d, NULL), 0);
        assert_in_range(d.n, 2, 30);
    }
    shards_close(s);
}

static void max_samples(void **state)
{
    (void)state;
    struct build_config c = config_of(rows_file, 1);
    struct build_report r;
    c.max_samples = 2;
    shards_close(build(&c, &r));
    assert_int_equal(r.rows, 2);
    assert_int_equal(r.docs, 2);
}

/* ---- made once -------------------------------------------------------------------------------------------
 */

static void made_once_a_recipe(void **state)
{
    (void)state;
    static const char *const two[] = {ROWS, "data/nano/mix-test.parquet"};
    struct build_config c = config_of(two, 2);
    struct build_report r;
    char digest[SHA256_HEX];
    file_remove_tree(scratch("set"), NULL);
    struct shards *s = build(&c, &r);
    snprintf(digest, sizeof digest, "%s", shards_digest(s));
    assert_false(r.reused);
    uint64_t docs = r.docs;
    shards_close(s);
    assert_int_equal(file_make_dirs(scratch("set.tmp/left-over"), NULL), 0);
    shards_close(build(&c, &r));
    assert_true(r.reused);
    assert_int_equal(r.docs, docs);
    scratch_write("set/shard-00000.h5", "damaged", 7);
    s = build(&c, &r);
    assert_false(r.reused);
    assert_string_equal(shards_digest(s), digest); /* the same bytes again */
    assert_false(file_exists(scratch("set.tmp")));
    shards_close(s);
    struct build_config other[6] = {c, c, c, c, c, c};
    other[0].cutoff_len = 511;
    other[1].learn = LEARN_ANSWERS;
    other[2].system = "Be kind.";
    other[3].max_samples = 3;
    other[4].n_files = 1;
    other[5].learn = LEARN_ALL;
    for (int i = 0; i < 6; i++) {
        shards_close(build(&other[i], &r));
        assert_false(r.reused);
        shards_close(build(&other[i], &r));
        assert_true(r.reused);
    }
}

struct stop {
    uint64_t at;
    int signal; /* 0: asks to stop */
};

static int stop_at(void *ctx, uint64_t done, uint64_t total)
{
    const struct stop *s = ctx;
    assert_int_equal(total, 20);
    if (done == s->at && s->signal) raise(s->signal);
    return done == s->at;
}

static void stopped_or_killed_it_leaves_nothing(void **state)
{
    (void)state;
    struct build_config c = config_of(rows_file, 1);
    struct build_report r;
    struct stop stop = {0, 0};
    c.progress = stop_at;
    c.ctx = &stop;
    for (stop.at = 1; stop.at <= 20; stop.at += 6) {
        assert_int_equal(file_remove_tree(scratch("set"), NULL), 0);
        stop.signal = 0;
        assert_int_equal(data_build(scratch("set"), &c, &r, NULL), ERR_INTERRUPTED);
        assert_false(file_exists(scratch("set")) || file_exists(scratch("set.tmp")));
        stop.signal = SIGKILL;
        pid_t child = fork();
        if (child == 0) _exit(data_build(scratch("set"), &c, &r, NULL) != 0);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_false(file_exists(scratch("set")));
        struct build_config calm = config_of(rows_file, 1);
        shards_close(build(&calm, &r));
        assert_int_equal(r.docs, 8);
        assert_false(file_exists(scratch("set.tmp")));
    }
}

static void refuses(void **state)
{
    (void)state;
    static const char *const twice[] = {ROWS, "./" ROWS}, *const absent[] = {"no/such.parquet"};
    struct build_config c = config_of(twice, 2);
    struct build_report r;
    struct err e = {0};
    file_remove_tree(scratch("set"), NULL);
    assert_int_equal(data_build(scratch("set"), &c, &r, &e), ERR_DUP_SHARD); /* JL47 */
    assert_non_null(strstr(e.msg, ROWS));
    c = config_of(absent, 1);
    assert_int_equal(data_build(scratch("set"), &c, &r, NULL), ERR_FILE_MISSING);
    c = config_of(rows_file, 1);
    c.cutoff_len = 5; /* JL35: every label is cut off */
    e.code = 0;
    assert_int_equal(data_build(scratch("set"), &c, &r, &e), ERR_DATA_EMPTY);
    assert_non_null(strstr(e.msg, "none of 20 rows"));
    c = config_of(rows_file, 1);
    c.vocab = 100;
    assert_int_equal(data_build(scratch("set"), &c, &r, NULL), ERR_TOKEN_RANGE);
    assert_false(file_exists(scratch("set")) || file_exists(scratch("set.tmp")));
    struct file_lock lock;
    assert_int_equal(file_lock_take(&lock, scratch("set.lock"), NULL), 0);
    c = config_of(rows_file, 1);
    assert_int_equal(data_build(scratch("set"), &c, &r, NULL), ERR_LOCKED);
    file_lock_release(&lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_answers),
        cmocka_unit_test(control_text_stays_text),
        cmocka_unit_test(all_answers),
        cmocka_unit_test(everything),
        cmocka_unit_test(system_prompt_and_cutoff),
        cmocka_unit_test(max_samples),
        cmocka_unit_test(made_once_a_recipe),
        cmocka_unit_test(stopped_or_killed_it_leaves_nothing),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
