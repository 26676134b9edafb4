/* Section TK of the hostile inputs: tokenizer.json, templates and text. Every row starts from one sound file
 * (tests/support/tiny_tokenizer.h), spoils one thing, and expects that thing to be named. TK62 and TK63 are
 * in test_tokenizer.c. */
#include "checkpoints/file.h"
#include "checkpoints/hf_tokenizer.h"
#include "checkpoints/json.h"
#include "tests/support/clock.h"
#include "tests/support/scratch.h"
#include "tests/support/tiny_tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *sound;
static size_t sound_len;

static int setup(void **state)
{
    sound = tiny_tokenizer_json(false, &sound_len);
    return scratch_setup(state);
}

static int teardown(void **state)
{
    free(sound);
    return scratch_teardown(state);
}

static void expect(const char *id, int rc, const struct err *e, int code, const char *names, double seconds)
{
    if (rc != code || e->code != code || !strstr(e->msg, names))
        fail_msg("%s: got %s (%s), expected %s with '%s'", id, err_name(rc), e->msg, err_name(code), names);
    if (seconds > slowness()) fail_msg("%s: took %.2f s", id, seconds);
}

/* Parses exactly len bytes, with a sanitizer's guard behind them. */
static void expect_parse(const char *id, const char *json, size_t len, int64_t rows, int code,
                         const char *names)
{
    struct tokenizer *t;
    struct err e = {0};
    double start = cpu_seconds();
    int rc = hf_tokenizer_parse(&t, "tokenizer.json", json, len, rows, &e);
    expect(id, rc, &e, code, names, cpu_seconds() - start);
    assert_true((t != NULL) == (rc == 0));
    tokenizer_free(t);
}

/* ---- one replacement in tokenizer.json
 * ---------------------------------------------------------------------- */

#define PATTERN_START "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
#define PATTERN                                                                                              \
    PATTERN_START "[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| "                                       \
                  "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\""

static const struct {
    const char *id, *find, *replace;
    int code;
    const char *names;
} rows[] = {
    {"TK02", "\"model\":", "\"modell\":", ERR_FIELD_MISSING, "\"model\""},
    {"TK03", "\"type\": \"BPE\"", "\"type\": \"Unigram\"", ERR_TOK_UNSUPPORTED, "Unigram"},
    {"TK03", "\"type\": \"BPE\"", "\"type\": \"WordPiece\"", ERR_TOK_UNSUPPORTED, "WordPiece"},
    {"TK04", "\"vocab\":", "\"vocabulary\":", ERR_TOK_VOCAB, "missing"},
    {"TK04", "\"vocab\":", "\"vocab\": [], \"v\":", ERR_TOK_VOCAB, "an array"},
    {"TK05", "\"!\": 0", "\"!\": -1", ERR_TOK_ID, "\"!\""},
    {"TK06", "\"!\": 0", "\"!\": 1.5", ERR_TOK_ID, "\"!\""},
    {"TK06", "\"!\": 0", "\"!\": \"0\"", ERR_TOK_ID, "\"!\""},
    {"TK07", "\"!\": 0", "\"!\": 2147483648", ERR_TOK_ID, "\"!\""},
    {"TK07", "\"!\": 0", "\"!\": 99999999999999999999", ERR_TOK_ID, "\"!\""},
    {"TK08", "\"!\": 0", "\"!\": 1", ERR_TOK_DUP_ID, "id 1"},
    {"TK09", "\"!\": 0", "\"!\": 0, \"!\": 0", ERR_DUP_KEY, "\"!\""},
    {"TK09", "\"!\": 0", "\"!\": 0, \"\\u0021\": 0", ERR_DUP_KEY, "\"!\""},
    {"TK10", "\"!\": 0,", "", ERR_TOK_HOLE, "id 0"},
    {"TK10", "\"!\": 0", "\"!\": 2147483647", ERR_TOK_HOLE, "\"!\""},
    {"TK11", "\"!\": 0", "\"\": 0", ERR_TOK_EMPTY, "token 0"},
    {"TK14", "\"!\": 0", "\"!!\": 0", ERR_TOK_BYTES, "0x21"},
    {"TK15", "\"!\": 0", "\"! \": 0", ERR_TOK_ALPHABET, "token 0"},
    {"TK15", "\"!\": 0", "\"\xe4\xb8\xad\": 0", ERR_TOK_ALPHABET, "token 0"},
    {"TK15", "\"!\": 0", "\"\xc5\x84\": 0", ERR_TOK_ALPHABET, "token 0"}, /* U+0144, one past the end */
    {"TK16", "\"merges\":", "\"merge\":", ERR_FIELD_MISSING, "\"merges\""},
    {"TK17", "\"h e\"", "\"he\"", ERR_TOK_MERGE, "merge 0"},
    {"TK18", "\"l l\"", "\"l  l\"", ERR_TOK_MERGE, "merge 1"},
    {"TK18", "\"l l\"", "\"l l \"", ERR_TOK_MERGE, "merge 1"},
    {"TK18", "\"l l\"", "\" l\"", ERR_TOK_MERGE, "merge 1"},
    {"TK19", "\"h e\"", "[\"h\"]", ERR_TOK_MERGE, "merge 0"},
    {"TK19", "\"h e\"", "[\"h\", \"e\", \"l\"]", ERR_TOK_MERGE, "merge 0"},
    {"TK19", "\"h e\"", "[\"h\", 7]", ERR_TOK_MERGE, "merge 0"},
    {"TK19", "\"h e\"", "7", ERR_TOK_MERGE, "merge 0"},
    {"TK20", "\"h e\"", "\"zz e\"", ERR_TOK_MERGE_OOV, "\"zz\""},
    {"TK21", "\"h e\"", "[\"h\", \"zz\"]", ERR_TOK_MERGE_OOV, "\"zz\""},
    {"TK22", "\"h e\"", "\"z z\"", ERR_TOK_MERGE_OOV, "merge 0"},
    {"TK22", "\"h e\"", "\"#include #include\"", ERR_TOK_MERGE_OOV, "merge 0"},
    {"TK23", "\"l l\"", "\"h e\"", ERR_TOK_MERGE_DUP, "merge 1"},
    {"TK24", "prefix\": \"\"", "prefix\": \"##########\"", ERR_TOK_UNSUPPORTED, "continuing_subword_prefix"},
    {"TK26", "\"id\": 280", "\"id\": 0", ERR_TOK_DUP_ID, "id 0"},
    {"TK26", "\"id\": 280", "\"id\": 281", ERR_TOK_DUP_ID, "id 281"},
    {"TK27", "\"<|im_end|>\"", "\"<|im_start|>\"", ERR_TOK_DUP_TEXT, "<|im_start|>"},
    {"TK27", "\"<|im_end|>\"", "\"hello\"", ERR_TOK_DUP_TEXT, "hello"},
    {"TK28", "\"<|im_end|>\"", "\"\"", ERR_TOK_EMPTY, "282"},
    {"TK29", "\"special\": true", "\"special\": 1", ERR_FIELD_TYPE, "\"special\""},
    {"TK32", "\"type\": \"Sequence\"", "\"type\": \"Whitespace\"", ERR_TOK_UNSUPPORTED, "Whitespace"},
    {"TK32", "\"type\": \"Split\"", "\"type\": \"Punctuation\"", ERR_TOK_UNSUPPORTED, "Punctuation"},
    {"TK32", "\"behavior\": \"Isolated\"", "\"behavior\": \"Removed\"", ERR_TOK_UNSUPPORTED, "Removed"},
    {"TK32", "\"invert\": false", "\"invert\": true", ERR_TOK_UNSUPPORTED, "invert"},
    {"TK33", PATTERN_START, PATTERN_START "\\\\p{N}{1,3}|", ERR_TOK_PATTERN, "{1,3}"},
    {"TK34", PATTERN, "\"(a+)+$\"", ERR_TOK_PATTERN, "(a+)+$"},
    {"TK35", PATTERN, "\"((a\"", ERR_TOK_PATTERN, "((a"},
    {"TK37", "\"type\": \"NFC\"", "\"type\": \"NFKC\"", ERR_TOK_UNSUPPORTED, "NFKC"},
    {"TK37", "\"type\": \"NFC\"", "\"type\": \"Lowercase\"", ERR_TOK_UNSUPPORTED, "Lowercase"},
    {"TK38", "\"decoder\": {\n  \"type\": \"ByteLevel\"", "\"decoder\": {\n  \"type\": \"Metaspace\"",
     ERR_TOK_UNSUPPORTED, "Metaspace"},
    {"TK39", "\"post_processor\": {",
     "\"post_processor\": {\"special_tokens\": {\"<bos>\": {}}, \"type\": "
     "\"TemplateProcessing\", \"x\": 1}, \"y\": {",
     ERR_TOK_SPECIAL, "<bos>"},
    {"TK40", "\"truncation\": null", "\"truncation\": {\"max_length\": -1}", ERR_FIELD_RANGE, "max_length"},
    {"TK40", "\"padding\": null", "\"padding\": {\"strategy\": {\"Fixed\": -5}}", ERR_FIELD_RANGE, "Fixed"},
    {"TK41", "\"unk_token\": null", "\"unk_token\": \"<unk>\"", ERR_TOK_SPECIAL, "<unk>"},
    {"TK42", "\"byte_fallback\": false", "\"byte_fallback\": true", ERR_TOK_UNSUPPORTED, "byte_fallback"},
    {"TK43", "\"dropout\": null", "\"dropout\": 0.1", ERR_TOK_DROPOUT, "0.1"},
    {"TK44", "{\n", "\xef\xbb\xbf{\n", ERR_JSON_BOM, "byte 0"},
    {"TK45", "\"!\": 0", "\"\xff\": 0", ERR_UTF8, "byte"},
    {"TK46", "\"!\": 0", "\"\\ud800\": 0", ERR_JSON_SURROGATE, "byte"},
    {"TK47", "\"!\": 0", "\"\\u0000\": 0", ERR_NAME_CHAR, "byte"},
    {"TK51", "\"version\": \"1.0\"", "\"version\": \"2.0\"", ERR_TOK_VERSION, "2.0"},
    {"TK51", "\"version\": \"1.0\"", "\"version\": 1", ERR_TOK_VERSION, "an integer"},
    /* beyond the list */
    {"lstrip", "\"lstrip\": false", "\"lstrip\": true", ERR_TOK_UNSUPPORTED, "lstrip"},
    {"ignore_merges", "\"fuse_unk\":", "\"ignore_merges\": true, \"fuse_unk\":", ERR_TOK_UNSUPPORTED,
     "ignore_merges"},
    {"use_regex", "\"use_regex\": false", "\"use_regex\": true", ERR_TOK_UNSUPPORTED, "use_regex"},
};

/* The sound text with the first `find` replaced; the caller's to free. */
static char *spoil(const char *id, const char *find, const char *replace, size_t *len)
{
    const char *at = strstr(sound, find);
    if (!at) fail_msg("%s: the sound file has no %s", id, find);
    size_t before = (size_t)(at - sound), after = sound_len - before - strlen(find);
    *len = before + strlen(replace) + after;
    char *text = malloc(*len), *end = mempcpy(mempcpy(text, sound, before), replace, strlen(replace));
    memcpy(end, at + strlen(find), after);
    return text;
}

static void replacements(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n;
        char *text = spoil(rows[i].id, rows[i].find, rows[i].replace, &n);
        expect_parse(rows[i].id, text, n, 0, rows[i].code, rows[i].names);
        free(text);
    }
}

static void must_accept(void **state)
{
    (void)state;
    static const char *const harmless[][2] = {
        {"\"normalizer\": {\n  \"type\": \"NFC\"\n }", "\"normalizer\": null"},
        {"\"version\": \"1.0\",", ""},
        {"\"post_processor\": {", "\"post_processor\": null, \"x\": {"},
        {"\"dropout\": null", "\"dropout\": 0.0"},
        {"\"unk_token\": null", "\"unk_token\": \"<|endoftext|>\""},
        {"\"truncation\": null", "\"truncation\": {\"max_length\": 512, \"stride\": 0}"},
        {"\"!\": 0", "\"!\": 0, \"<|im_end|>\": 282"}, /* an added token listed in vocab too */
        {"\"continuing_subword_prefix\": \"\"", "\"continuing_subword_prefix\": null"},
    };
    expect_parse("sound", sound, sound_len, TINY_TOKENS, 0, "");
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        size_t n;
        char *text = spoil(harmless[i][1], harmless[i][0], harmless[i][1], &n);
        expect_parse(harmless[i][1], text, n, TINY_TOKENS, 0, "");
        free(text);
    }
}

/* ---- shapes that need a program to write
 * -------------------------------------------------------------------- */

/* The sound text with `count` times `item` put in behind `find`; the caller's to free. */
static char *flood(const char *find, const char *item, size_t count, size_t *len)
{
    const char *at = strstr(sound, find) + strlen(find);
    size_t before = (size_t)(at - sound), size = strlen(item);
    *len = sound_len + count * size;
    char *text = malloc(*len), *end = mempcpy(text, sound, before);
    for (size_t i = 0; i < count; i++) end = mempcpy(end, item, size);
    memcpy(end, at, sound_len - before);
    return text;
}

static void whole_file(void **state)
{
    (void)state;
    size_t n;
    expect_parse("TK01", "[]", 2, 0, ERR_TOK_ROOT, "an array");
    expect_parse("TK30", sound, sound_len, TINY_TOKENS - 1, ERR_TOK_EMBED, "283 rows");
    for (int i = 0; i < 64; i++)
        expect_parse("TK49", sound, sound_len * (size_t)i / 64, 0, ERR_JSON_TRUNC, "ends early");
    char *twice = malloc(sound_len + 2);
    memcpy(twice, sound, sound_len);
    memcpy(twice + sound_len, "{}", 2);
    expect_parse("TK50", twice, sound_len + 2, 0, ERR_JSON_TRAILING, "after");
    free(twice);
    char *nul = spoil("TK47", "\"!\": 0", "\"?!\": 0", &n);
    *strstr(nul, "?!\": 0") = 0;
    expect_parse("TK47", nul, n, 0, ERR_NAME_CHAR, "byte");
    free(nul);
}

static void floods(void **state)
{
    (void)state;
    size_t n;
    char *text = flood("\"vocab\": {", "\"hello\":1,", 10000000, &n);
    expect_parse("TK13", text, n, 0, ERR_TOO_MANY, "3000000");
    free(text);
    text = flood("\"merges\": [", "\"h e\",", 10000000, &n);
    expect_parse("TK25", text, n, 0, ERR_TOO_MANY, "3000000");
    free(text);
    enum { LEVELS = 100000 };
    text = flood("\"pretokenizers\": ", "[{\"a\":", LEVELS, &n);
    expect_parse("TK36", text, n, 0, ERR_DEPTH, "64");
    free(text);
    char *item = malloc(TOKEN_MAX_LEN + 16);
    memset(item, 'a', TOKEN_MAX_LEN + 16);
    item[0] = '"';
    strcpy(item + TOKEN_MAX_LEN + 2, "\": 0");
    text = spoil("TK12", "\"!\": 0", item, &n);
    expect_parse("TK12", text, n, 0, ERR_TOK_LEN, "65537");
    free(text);
    free(item);
}

/* ---- the folder
 * --------------------------------------------------------------------------------------------- */

static void expect_load(const char *id, int code, const char *names)
{
    struct tokenizer *t;
    struct err e = {0};
    double start = cpu_seconds();
    int rc = hf_tokenizer_load(&t, scratch("folder"), 0, &e);
    expect(id, rc, &e, code, names, cpu_seconds() - start);
    tokenizer_free(t);
}

/* A folder with the sound tokenizer.json and nothing else. */
static void fresh_folder(void)
{
    struct err e = {0};
    assert_int_equal(file_remove_tree(scratch("folder"), &e), 0);
    assert_int_equal(file_make_dirs(scratch("folder"), &e), 0);
    scratch_write("folder/tokenizer.json", sound, sound_len);
}

static void put(const char *name, const char *text)
{
    scratch_write(name, text, strlen(text));
}

static void special_ids(void **state)
{
    (void)state;
    static const struct {
        const char *file, *text, *names;
    } cases[] = {
        {"folder/generation_config.json", "{\"eos_token_id\": 284}", "eos_token_id is 284"},
        {"folder/generation_config.json", "{\"eos_token_id\": [282, -1]}", "eos_token_id is -1"},
        {"folder/generation_config.json", "{\"pad_token_id\": 9999}", "pad_token_id is 9999"},
        {"folder/config.json", "{\"eos_token_id\": 4294967296}", "config.json"},
        {"folder/config.json", "{\"eos_token_id\": \"x\"}", "config.json"},
        {"folder/tokenizer_config.json", "{\"eos_token\": \"</s>\"}", "</s>"},
        {"folder/tokenizer_config.json", "{\"pad_token\": {\"content\": \"<pad>\"}}", "<pad>"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fresh_folder();
        put(cases[i].file, cases[i].text);
        expect_load("TK31", ERR_TOK_SPECIAL, cases[i].names);
    }
    fresh_folder();
    put("folder/generation_config.json", "{\"eos_token_id\": [1, 2, 3, 4, 5]}");
    expect_load("five ids", ERR_TOO_MANY, "5 end-of-text ids");
}

static void put_template(const char *text)
{
    size_t n;
    fresh_folder();
    char *config = tiny_tokenizer_config(text, &n);
    scratch_write("folder/tokenizer_config.json", config, n);
    free(config);
}

#define PLAIN                                                                                                \
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + "       \
    "'<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% "   \
    "endif %}"

static void templates(void **state)
{
    (void)state;
    put_template(PLAIN);
    expect_load("plain ChatML", 0, "");
    put_template(PLAIN " ");
    expect_load("TK52", ERR_TPL_UNKNOWN, "chat_template");
    put_template("{{ ''.__class__.__mro__[1].__subclasses__() }}");
    expect_load("TK53", ERR_TPL_UNKNOWN, "chat_template");
    put_template("{% for i in range(1000000000) %}{% for j in range(1000000000) %}x{% endfor %}{% endfor %}");
    expect_load("TK54", ERR_TPL_UNKNOWN, "chat_template");
    put_template("'<|im_start|>system\\nA<|im_end|>' '<|im_start|>system\\nA<|im_end|>'");
    expect_load("TK54", ERR_TPL_UNKNOWN, "chat_template");
    char *big = malloc(10000001);
    memset(big, 'x', 10000000);
    big[10000000] = 0;
    put_template(big);
    expect_load("TK55", ERR_TOO_LARGE, "chat_template has 10000000 bytes");
    fresh_folder();
    put("folder/chat_template.jinja", big);
    expect_load("TK55", ERR_TOO_LARGE, "chat_template.jinja");
    free(big);
    fresh_folder();
    put("folder/tokenizer_config.json",
        "{\"chat_template\": [{\"name\": \"default\", \"template\": \"x\"}]}");
    expect_load("list of templates", ERR_TPL_UNKNOWN, "an array");
    put_template(PLAIN);
    put("folder/chat_template.jinja", "{{ other }}");
    expect_load("two templates", ERR_TOK_CONFLICT, "chat_template.jinja");
}

static void other_files(void **state)
{
    (void)state;
    size_t n;
    fresh_folder();
    char *vocab = tiny_vocab_json(&n);
    scratch_write("folder/vocab.json", vocab, n);
    expect_load("agreeing vocab.json", 0, "");
    memcpy(strstr(vocab, "\"!\":0,\"\\\"\":1"), "\"!\":1,\"\\\"\":0", 12);
    scratch_write("folder/vocab.json", vocab, n);
    expect_load("TK56", ERR_TOK_CONFLICT, "\"!\"");
    put("folder/vocab.json", "{\"!\": 0}");
    expect_load("TK56", ERR_TOK_CONFLICT, "1 tokens");
    free(vocab);
    fresh_folder();
    assert_int_equal(truncate(scratch("folder/tokenizer.json"), (256 << 20) + 1), 0);
    expect_load("TK48", ERR_TOO_LARGE, "tokenizer.json");
    assert_int_equal(unlink(scratch("folder/tokenizer.json")), 0);
    expect_load("no files", ERR_FILE_MISSING, "tokenizer.json");
}

/* vocab.json + merges.txt have rows of their own. */
static void merges_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        const char *names;
    } cases[] = {
        {"h e\nll\n", ERR_TOK_MERGE, "merge 1"},
        {"h e\nl  l\n", ERR_TOK_MERGE, "merge 1"},
        {"h e\nh e\n", ERR_TOK_MERGE_DUP, "merge 1"},
        {"h e\r\n", ERR_TOK_MERGE_OOV, "merge 0"},
        {"h zz", ERR_TOK_MERGE_OOV, "\"zz\""},
        {"h e\n\xff \xff\n", ERR_UTF8, "byte 4"},
        {"h e\n#version: 0.2\n", ERR_TOK_MERGE_OOV, "#version:"},
    };
    size_t n;
    fresh_folder();
    unlink(scratch("folder/tokenizer.json"));
    char *vocab = tiny_vocab_json(&n);
    scratch_write("folder/vocab.json", vocab, n);
    free(vocab);
    expect_load("no class", ERR_TOK_UNSUPPORTED, "Qwen2Tokenizer");
    char *config = tiny_tokenizer_config(NULL, &n);
    scratch_write("folder/tokenizer_config.json", config, n);
    free(config);
    expect_load("no merges", ERR_FILE_MISSING, "merges.txt");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("folder/merges.txt", cases[i].text);
        expect_load(cases[i].text, cases[i].code, cases[i].names);
    }
}

/* ---- text
 * --------------------------------------------------------------------------------------------------- */

static void bad_text(void **state)
{
    (void)state;
    struct tokenizer *t = tiny_tokenizer();
    struct err e = {0};
    size_t n;
    int rc = tokenizer_encode(t, "hello \xff world", 13, 0, NULL, 0, &n, &e);
    expect("TK57", rc, &e, ERR_UTF8, "byte 6", 0);
    e.code = 0;
    rc = tokenizer_encode(t, "hello \xe4\xbd", 8, 1, NULL, 0, &n, &e);
    expect("TK57", rc, &e, ERR_UTF8, "byte 6", 0);
    e.code = 0;
    rc = tokenizer_encode(t, "x", (size_t)1 << 31, 0, NULL, 0, &n, &e);
    expect("TK61", rc, &e, ERR_TEXT_LEN, "2147483648", 0);
    tokenizer_free(t);
}

/* The best of three, since other programs may be using the caches. */
static void expect_fast(const struct tokenizer *t, const char *id, const char *text, size_t len, double limit)
{
    int32_t *ids = malloc(len * sizeof *ids);
    double best = 1e9;
    for (int i = 0; i < 3 && best > limit * slowness(); i++) {
        struct err e = {0};
        size_t n;
        double start = cpu_seconds();
        if (tokenizer_encode(t, text, len, 0, ids, len, &n, &e)) fail_msg("%s: %s", id, e.msg);
        if (cpu_seconds() - start < best) best = cpu_seconds() - start;
    }
    if (best > limit * slowness()) fail_msg("%s: %.2f s, the limit is %.1f", id, best, limit);
    free(ids);
}

static void slow_text(void **state)
{
    (void)state;
    enum { N = 1000000, MIB = 1 << 20 };
    struct tokenizer *both[] = {tiny_tokenizer(), qwen_tokenizer()};
    char *text = malloc(MIB);
    for (int k = 0; k < (both[1] ? 2 : 1); k++) {
        memset(text, '^', N);
        expect_fast(both[k], "TK58", text, N, 0.5);
        memset(text, ' ', N);
        expect_fast(both[k], "TK60", text, N, 0.5);
        uint32_t random = 1;
        for (size_t i = 0; i < MIB; i++)
            text[i] = (char)('a' + ((random = random * 1664525 + 1013904223) >> 24) % 26);
        expect_fast(both[k], "TK59", text, MIB, 1);
        for (size_t i = 0; i < MIB; i++) text[i] = "he"[i % 2];
        expect_fast(both[k], "TK59", text, MIB, 1);
        for (size_t i = 0; i < MIB; i += 4)
            memcpy(text + i, i % 8 ? "\xcc\x81\xcc\xa3" : "\xcd\x85\xcc\xa7", 4);
        expect_fast(both[k], "half a million accents, to be sorted", text, MIB, 1);
        tokenizer_free(both[k]);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replacements), cmocka_unit_test(must_accept), cmocka_unit_test(whole_file),
        cmocka_unit_test(floods),       cmocka_unit_test(special_ids), cmocka_unit_test(templates),
        cmocka_unit_test(other_files),  cmocka_unit_test(merges_text), cmocka_unit_test(bad_text),
        cmocka_unit_test(slow_text),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
