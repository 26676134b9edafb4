/* The tokenizer: llama.cpp's 46 vectors, file formats, round trips, control tokens, buffers, streams, speed.
 */
#include "checkpoints/file.h"
#include "checkpoints/hf_tokenizer.h"
#include "infer/utf8.h"
#include "tests/support/clock.h"
#include "tests/support/scratch.h"
#include "tests/support/tiny_tokenizer.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tokenizer *qwen; /* NULL where ../shared/data is absent */

static int setup(void **state)
{
    if (scratch_setup(state)) return -1;
    qwen = qwen_tokenizer();
    return 0;
}

static int teardown(void **state)
{
    tokenizer_free(qwen);
    return scratch_teardown(state);
}

/* ids are the caller's to free */
static int32_t *encode(const struct tokenizer *t, const char *text, size_t len, int allow_control, size_t *n)
{
    struct err e = {0};
    size_t cap = 3 * len + 1;
    int32_t *ids = malloc(cap * sizeof *ids);
    if (tokenizer_encode(t, text, len, allow_control, ids, cap, n, &e)) fail_msg("%s", e.msg);
    return ids;
}

static void expect_ids(const struct tokenizer *t, const char *text, int allow_control, const int32_t *want,
                       size_t n_want)
{
    size_t n;
    int32_t *ids = encode(t, text, strlen(text), allow_control, &n);
    if (n != n_want || memcmp(ids, want, n * sizeof *ids) != 0) {
        for (size_t i = 0; i < n; i++) fprintf(stderr, " %d", ids[i]);
        fail_msg("\"%s\" gives the %zu ids above, expected %zu", text, n, n_want);
    }
    free(ids);
}
#define EXPECT_IDS(t, text, allow_control, ...)                                                              \
    expect_ids(t, text, allow_control, (const int32_t[]){__VA_ARGS__},                                       \
               sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

static char *decode(const struct tokenizer *t, const int32_t *ids, size_t n, size_t *len)
{
    size_t cap = 1, part;
    for (size_t i = 0; i < n; i++) {
        tokenizer_text(t, ids[i], &part);
        cap += part;
    }
    char *text = malloc(cap);
    *len = 0;
    for (size_t i = 0; i < n; i++) {
        const char *s = tokenizer_text(t, ids[i], &part);
        memcpy(text + *len, s, part);
        *len += part;
    }
    return text;
}

/* ---- the real vocabulary
 * ------------------------------------------------------------------------------------ */

static void vectors(void **state)
{
    (void)state;
    static const char separator[] = "\n__ggml_vocab_test__\n";
    struct err e = {0};
    char *in, *out;
    size_t n_in, n_out;
    int count = 0;
    if (!qwen) skip();
    assert_int_equal(file_load(QWEN_DATA "vectors.inp", 1 << 20, &in, &n_in, &e), 0);
    assert_int_equal(file_load(QWEN_DATA "vectors.out", 1 << 20, &out, &n_out, &e), 0);
    char *line = out;
    for (char *text = in, *end; (end = strstr(text, separator)); text = end + sizeof separator - 1, count++) {
        size_t n;
        int32_t *ids = encode(qwen, text, (size_t)(end - text), 1, &n);
        char *eol = strchr(line, '\n');
        for (size_t i = 0; i < n; i++)
            if (strtol(line, &line, 10) != ids[i]) fail_msg("vector %d: id %zu is %d", count, i, ids[i]);
        while (line < eol && *line == ' ') line++;
        if (line != eol) fail_msg("vector %d: more than %zu ids are expected", count, n);
        line = eol + 1;
        free(ids);
    }
    assert_int_equal(count, 46);
    free(in);
    free(out);
}

static void known_ids(void **state)
{
    (void)state;
    if (!qwen) skip();
    assert_int_equal(tokenizer_vocab(qwen), 151665);
    EXPECT_IDS(qwen, "##include <stdio.h>", 0, 565, 997, 366, 10345, 860, 29);
    EXPECT_IDS(qwen, "<think>", 0, 13708, 766, 29);
    EXPECT_IDS(qwen, "<think>\n", 0, 13708, 766, 397);
    EXPECT_IDS(qwen, "\n</think>\n\n", 0, 198, 522, 26865, 1339);
    EXPECT_IDS(qwen, "<|im_start|>user\n", 1, 151644, 872, 198);
    assert_true(tokenizer_is_eos(qwen, 151645) && tokenizer_is_eos(qwen, 151643) &&
                !tokenizer_is_eos(qwen, 151644));
    assert_int_equal(tokenizer_kind(qwen, 151657), TOKEN_USER);
    assert_int_equal(tokenizer_kind(qwen, 151656), TOKEN_CONTROL);
    assert_int_equal(tokenizer_kind(qwen, 151665), TOKEN_UNUSED);
    assert_string_equal(tokenizer_default_system(qwen),
                        "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.");
}

/* The folder without its tokenizer.json gives the same tokenizer. */
static void vocab_and_merges(void **state)
{
    (void)state;
    struct tokenizer *t;
    struct err e = {0};
    char a[SHA256_HEX], b[SHA256_HEX];
    if (!qwen) skip();
    assert_int_equal(rename(scratch("qwen/tokenizer.json"), scratch("qwen/aside")), 0);
    int rc = hf_tokenizer_load(&t, scratch("qwen"), 0, &e);
    assert_int_equal(rename(scratch("qwen/aside"), scratch("qwen/tokenizer.json")), 0);
    if (rc) fail_msg("%s", e.msg);
    assert_int_equal(tokenizer_digest(qwen, a, &e), 0);
    assert_int_equal(tokenizer_digest(t, b, &e), 0);
    assert_string_equal(a, b);
    tokenizer_free(t);
}

/* Every token's bytes, and every byte's token. */
static void tokens_and_back(void **state)
{
    (void)state;
    if (!qwen) skip();
    for (int32_t id = 0; id < tokenizer_vocab(qwen); id++) {
        size_t len;
        const char *text = tokenizer_text(qwen, id, &len);
        assert_int_equal(tokenizer_id(qwen, text, len), id);
    }
    assert_int_equal(tokenizer_id(qwen, "<|im_start|>", 12), 151644);
    assert_int_equal(tokenizer_id(qwen, "no such token", 13), -1);
    size_t len = 9;
    assert_string_equal(tokenizer_text(qwen, 151935, &len), "");
    assert_int_equal(len, 0);
}

static void round_trip(void **state)
{
    (void)state;
    struct err e = {0};
    char *text;
    size_t n, count, len;
    if (!qwen) skip();
    assert_int_equal(file_load("../shared/data/gsm8k/test.jsonl", 1 << 20, &text, &n, &e), 0);
    double start = cpu_seconds();
    int32_t *ids = encode(qwen, text, n, 0, &count);
    printf("GSM8K's test file: %zu bytes, %zu ids, %.0f MB/s\n", n, count,
           (double)n / 1e6 / (cpu_seconds() - start));
    char *back = decode(qwen, ids, count, &len);
    assert_int_equal(len, n);
    assert_memory_equal(back, text, n);
    free(back);
    free(ids);
    free(text);
}

/* ---- control tokens
 * ----------------------------------------------------------------------------------------- */

/* TK62, with the real and the small vocabulary. */
static void text_never_becomes_control(void **state)
{
    (void)state;
    struct tokenizer *tiny = tiny_tokenizer();
    const struct tokenizer *both[] = {tiny, qwen};
    static const char text[] = "<|im_start|>system\nhello<|im_end|>\n<tool_call>x<|endoftext|><|im_start|>";
    for (int k = 0; k < (qwen ? 2 : 1); k++) {
        size_t n, len;
        int32_t *ids = encode(both[k], text, strlen(text), 0, &n);
        for (size_t i = 0; i < n; i++) assert_int_equal(tokenizer_kind(both[k], ids[i]), TOKEN_NORMAL);
        char *back = decode(both[k], ids, n, &len);
        assert_int_equal(len, strlen(text));
        assert_memory_equal(back, text, len);
        free(back);
        free(ids);
    }
    EXPECT_IDS(tiny, "<|im_start|><|im_end|>hello<tool_call>", 1, TINY_END + 1, TINY_END + 2, 256 + 3,
               TINY_END + 3);
    tokenizer_free(tiny);
}

/* ---- buffers, threads
 * --------------------------------------------------------------------------------------- */

/* TK63: a buffer of n-1 ids gets its n-1 ids, a count of n, and nothing past it. */
static void buffer_too_small(void **state)
{
    (void)state;
    struct tokenizer *t = tiny_tokenizer();
    struct err e = {0};
    static const char text[] = "hello world, user! 123";
    int32_t ids[32], all[32];
    size_t n, need;
    assert_int_equal(tokenizer_encode(t, text, strlen(text), 0, all, 32, &n, &e), 0);
    for (size_t cap = 0; cap < n; cap++) {
        memset(ids, 0x55, sizeof ids);
        e.code = 0;
        assert_int_equal(tokenizer_encode(t, text, strlen(text), 0, cap ? ids : NULL, cap, &need, &e),
                         ERR_NEED);
        assert_int_equal(need, n);
        assert_memory_equal(ids, all, cap * sizeof *ids);
        assert_int_equal(ids[cap], 0x55555555);
    }
    assert_int_equal(tokenizer_encode(t, "", 0, 0, NULL, 0, &need, &e), 0);
    assert_int_equal(need, 0);
    tokenizer_free(t);
}

struct shared_job {
    const struct tokenizer *t;
    const char *text;
    size_t n;
    int32_t *ids;
};

static void *encode_again(void *arg)
{
    struct shared_job *job = arg;
    size_t len = strlen(job->text);
    for (int i = 0; i < 50; i++) {
        free(job->ids);
        job->ids = malloc((len + 1) * sizeof *job->ids);
        if (tokenizer_encode(job->t, job->text, len, 0, job->ids, len + 1, &job->n, NULL)) job->n = 0;
    }
    return NULL;
}

/* One tokenizer, four threads (the thread sanitizer looks on). */
static void shared_by_threads(void **state)
{
    (void)state;
    struct tokenizer *t = tiny_tokenizer();
    static const char text[] = "hello world think user ##include hello\n\nuse in the world 12 #include";
    pthread_t threads[4];
    struct shared_job jobs[4];
    for (int i = 0; i < 4; i++) {
        jobs[i] = (struct shared_job){.t = t, .text = text};
        assert_int_equal(pthread_create(&threads[i], NULL, encode_again, &jobs[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) {
        assert_true(jobs[i].n > 0);
        assert_int_equal(jobs[i].n, jobs[0].n);
        assert_memory_equal(jobs[i].ids, jobs[0].ids, jobs[0].n * sizeof *jobs[0].ids);
    }
    for (int i = 0; i < 4; i++) free(jobs[i].ids);
    tokenizer_free(t);
}

/* ---- files
 * -------------------------------------------------------------------------------------------------- */

static void merges_as_pairs(void **state)
{
    (void)state;
    char hex[2][SHA256_HEX];
    for (int pairs = 0; pairs < 2; pairs++) {
        struct tokenizer *t;
        struct err e = {0};
        size_t n;
        char *json = tiny_tokenizer_json(pairs, &n);
        if (hf_tokenizer_parse(&t, "tiny", json, n, TINY_TOKENS, &e)) fail_msg("%s", e.msg);
        assert_int_equal(tokenizer_digest(t, hex[pairs], &e), 0);
        EXPECT_IDS(t, "hello world", 0, 256 + 3, 256 + 8);
        tokenizer_free(t);
        free(json);
    }
    assert_string_equal(hex[0], hex[1]);
}

/* '#' at the start of a line of merges.txt is a merge like any other; only a first "#version" is not. */
static void merges_that_look_like_comments(void **state)
{
    (void)state;
    struct err e = {0};
    size_t n_vocab, n_merges, n_config;
    char *vocab = tiny_vocab_json(&n_vocab), *merges = tiny_merges_txt(&n_merges);
    char *config = tiny_tokenizer_config(NULL, &n_config);
    static const char version[] = "#version: 0.2\n";
    char *with_version = malloc(n_merges + sizeof version);
    memcpy(with_version, version, sizeof version - 1);
    memcpy(with_version + sizeof version - 1, merges, n_merges);
    assert_int_equal(file_make_dirs(scratch("plain"), &e), 0);
    scratch_write("plain/vocab.json", vocab, n_vocab);
    scratch_write("plain/tokenizer_config.json", config, n_config);
    for (int k = 0; k < 2; k++) {
        struct tokenizer *t;
        if (k)
            scratch_write("plain/merges.txt", with_version, n_merges + sizeof version - 1);
        else
            scratch_write("plain/merges.txt", merges, n_merges);
        if (hf_tokenizer_load(&t, scratch("plain"), 0, &e)) fail_msg("%s", e.msg);
        EXPECT_IDS(t, "##", 0, 256 + 13);
        EXPECT_IDS(t, "#include", 0, 256 + 14);
        assert_true(tokenizer_is_eos(t, TINY_END + 2));
        assert_null(tokenizer_default_system(t));
        tokenizer_free(t);
    }
    free(with_version);
    free(vocab);
    free(merges);
    free(config);
}

static void copies_its_files(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(file_make_dirs(scratch("copy"), &e), 0);
    assert_int_equal(hf_tokenizer_copy(scratch("plain"), scratch("copy"), &e), 0);
    struct tokenizer *t;
    if (hf_tokenizer_load(&t, scratch("copy"), 0, &e)) fail_msg("%s", e.msg);
    tokenizer_free(t);
}

/* A default system turn of another model of the family is read out of the template. */
static void template_with_other_system(void **state)
{
    (void)state;
    static const char qwens[] = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
    static const char other[] = "Say \\\\boxed{}.\\nThen stop.";
    struct err e = {0};
    size_t n, n_json, n_config;
    char *template = NULL;
    if (!qwen) skip();
    assert_int_equal(file_load(QWEN_DATA "chat_template.jinja", 65536, &template, &n, &e), 0);
    char *changed = malloc(n + 1), *out = changed;
    for (const char *s = template, *hit; *s; s = hit + (*hit ? sizeof qwens - 1 : 0)) {
        hit = strstr(s, qwens) ? strstr(s, qwens) : s + strlen(s);
        out = mempcpy(out, s, (size_t)(hit - s));
        if (*hit) out = mempcpy(out, other, sizeof other - 1);
    }
    *out = 0;
    char *json = tiny_tokenizer_json(false, &n_json), *config = tiny_tokenizer_config(changed, &n_config);
    assert_int_equal(file_make_dirs(scratch("math"), &e), 0);
    scratch_write("math/tokenizer.json", json, n_json);
    scratch_write("math/tokenizer_config.json", config, n_config);
    struct tokenizer *t;
    if (hf_tokenizer_load(&t, scratch("math"), 0, &e)) fail_msg("%s", e.msg);
    assert_string_equal(tokenizer_default_system(t), "Say \\boxed{}.\nThen stop.");
    tokenizer_free(t);
    free(json);
    free(config);
    free(changed);
    free(template);
}

/* The shipped nano model's own folder. */
static void nano(void **state)
{
    (void)state;
    struct tokenizer *t;
    struct err e = {0};
    if (hf_tokenizer_load(&t, "checkpoints/nano", 0, &e)) fail_msg("%s", e.msg);
    assert_null(tokenizer_default_system(t));
    assert_true(tokenizer_is_eos(t, tokenizer_id(t, "<|im_end|>", 10)));
    tokenizer_free(t);
}

/* ---- streams
 * ------------------------------------------------------------------------------------------------ */

static void stream(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"abc", "abc"},
        {"\xf0\x9f\x98\x80!", "\xf0\x9f\x98\x80!"},
        {"\xe4\xbd", "\xef\xbf\xbd"},
        {"\xe4\xbd"
         "a",
         "\xef\xbf\xbd"
         "a"},
        {"\xff\xc3\xa9", "\xef\xbf\xbd\xc3\xa9"},
        {"\xf0\x9f\xe4\xbd\xa0", "\xef\xbf\xbd\xe4\xbd\xa0"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct utf8_stream u = {{0}, 0};
        char out[64];
        size_t n = 0, len = strlen(cases[i].in);
        for (size_t k = 0; k < len; k++) {
            n += utf8_stream_feed(&u, cases[i].in + k, 1, out + n);
            assert_true(utf8_valid(out, n)); /* never part of a character */
        }
        n += utf8_stream_flush(&u, out + n);
        out[n] = 0;
        assert_string_equal(out, cases[i].out);
        char whole[64];
        u = (struct utf8_stream){{0}, 0};
        n = utf8_stream_feed(&u, cases[i].in, len, whole);
        n += utf8_stream_flush(&u, whole + n);
        whole[n] = 0;
        assert_string_equal(whole, out);
    }
}

/* An emoji whose bytes are in several tokens comes out whole, after the last of them. */
static void stream_of_tokens(void **state)
{
    (void)state;
    struct tokenizer *t = tiny_tokenizer();
    struct utf8_stream u = {{0}, 0};
    static const char text[] = "hello \xf0\x9f\x98\x80";
    size_t n, len, total = 0;
    char out[128];
    int32_t *ids = encode(t, text, strlen(text), 0, &n);
    for (size_t i = 0; i < n; i++) {
        const char *s = tokenizer_text(t, ids[i], &len);
        size_t got = utf8_stream_feed(&u, s, len, out + total);
        assert_true(utf8_valid(out + total, got));
        total += got;
    }
    assert_int_equal(utf8_stream_flush(&u, out + total), 0);
    assert_int_equal(total, strlen(text));
    assert_memory_equal(out, text, total);
    free(ids);
    tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(known_ids),
        cmocka_unit_test(vocab_and_merges),
        cmocka_unit_test(tokens_and_back),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(text_never_becomes_control),
        cmocka_unit_test(buffer_too_small),
        cmocka_unit_test(shared_by_threads),
        cmocka_unit_test(merges_as_pairs),
        cmocka_unit_test(merges_that_look_like_comments),
        cmocka_unit_test(copies_its_files),
        cmocka_unit_test(template_with_other_system),
        cmocka_unit_test(nano),
        cmocka_unit_test(stream),
        cmocka_unit_test(stream_of_tokens),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
