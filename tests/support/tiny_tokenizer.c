#include "tests/support/tiny_tokenizer.h"

#include "checkpoints/file.h"
#include "checkpoints/hf_tokenizer.h"
#include "checkpoints/json.h"
#include "checkpoints/zstd.h"
#include "infer/pretoken.h"
#include "infer/utf8.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the small one
 * ------------------------------------------------------------------------------------------ */

#define G "\xc4\xa0" /* the byte alphabet's space, U+0120 */
static const char *const merges[TINY_MERGES][2] = {
    {"h", "e"},    {"l", "l"}, {"he", "ll"},     {"hell", "o"}, {G, "w"},    {"o", "r"},
    {G "w", "or"}, {"l", "d"}, {G "wor", "ld"},  {"i", "n"},    {"t", "h"},  {"th", "in"},
    {"thin", "k"}, {"#", "#"}, {"#", "include"}, {"u", "s"},    {"us", "e"}, {"use", "r"},
    {"in", "c"},   {"a", "b"}, {"inc", "lude"},  {"l", "ude"},  {"u", "de"}, {"d", "e"},
};

static const struct {
    const char *text;
    bool special;
} added[4] = {{"<|endoftext|>", true}, {"<|im_start|>", true}, {"<|im_end|>", true}, {"<tool_call>", false}};

/* The byte of GPT-2's order at `i`, as its character. */
static size_t byte_symbol(int i, char *out)
{
    int self = i < 94 ? 0x21 + i : i < 106 ? 0xa1 + (i - 94) : i < 188 ? 0xae + (i - 106) : 0x100 + (i - 188);
    return utf8_encode((uint32_t)self, out);
}

static void put_vocab(struct js_out *w, const char *key)
{
    char text[64];
    js_object(w, key);
    for (int i = 0; i < 256; i++) {
        text[byte_symbol(i, text)] = 0;
        js_put_int(w, text, i);
    }
    for (int i = 0; i < TINY_MERGES; i++) {
        snprintf(text, sizeof text, "%s%s", merges[i][0], merges[i][1]);
        js_put_int(w, text, 256 + i);
    }
    js_close(w);
}

static void put_merges(struct js_out *w, bool pairs)
{
    js_array(w, "merges");
    for (int i = 0; i < TINY_MERGES; i++) {
        char line[64];
        snprintf(line, sizeof line, "%s %s", merges[i][0], merges[i][1]);
        if (!pairs) {
            js_put_string(w, NULL, line);
            continue;
        }
        js_array(w, NULL);
        js_put_string(w, NULL, merges[i][0]);
        js_put_string(w, NULL, merges[i][1]);
        js_close(w);
    }
    js_close(w);
}

static void put_added(struct js_out *w)
{
    static const char *const off[] = {"single_word", "lstrip", "rstrip", "normalized"};
    js_array(w, "added_tokens");
    for (int i = 0; i < 4; i++) {
        js_object(w, NULL);
        js_put_int(w, "id", TINY_END + i);
        js_put_string(w, "content", added[i].text);
        for (int k = 0; k < 4; k++) js_put_bool(w, off[k], false);
        js_put_bool(w, "special", added[i].special);
        js_close(w);
    }
    js_close(w);
}

static void put_byte_level(struct js_out *w, const char *key)
{
    js_object(w, key);
    js_put_string(w, "type", "ByteLevel");
    js_put_bool(w, "add_prefix_space", false);
    js_put_bool(w, "trim_offsets", false);
    js_put_bool(w, "use_regex", false);
    js_close(w);
}

static void put_pre_tokenizer(struct js_out *w)
{
    js_object(w, "pre_tokenizer");
    js_put_string(w, "type", "Sequence");
    js_array(w, "pretokenizers");
    js_object(w, NULL);
    js_put_string(w, "type", "Split");
    js_object(w, "pattern");
    js_put_string(w, "Regex", pretoken_pattern);
    js_close(w);
    js_put_string(w, "behavior", "Isolated");
    js_put_bool(w, "invert", false);
    js_close(w);
    put_byte_level(w, NULL);
    js_close(w);
    js_close(w);
}

static void put_model(struct js_out *w, bool pairs)
{
    js_object(w, "model");
    js_put_string(w, "type", "BPE");
    js_put_null(w, "dropout");
    js_put_null(w, "unk_token");
    js_put_string(w, "continuing_subword_prefix", "");
    js_put_string(w, "end_of_word_suffix", "");
    js_put_bool(w, "fuse_unk", false);
    js_put_bool(w, "byte_fallback", false);
    put_vocab(w, "vocab");
    put_merges(w, pairs);
    js_close(w);
}

/* The text of a closed document, which leaves *w. */
static char *finish(struct js_out *w, size_t *len)
{
    struct err e = {0};
    if (js_out_end(w, &e)) fail_msg("%s", e.msg);
    *len = w->n;
    return w->text;
}

char *tiny_tokenizer_json(bool pairs, size_t *len)
{
    struct js_out w;
    js_out_init(&w, 1);
    js_object(&w, NULL);
    js_put_string(&w, "version", "1.0");
    js_put_null(&w, "truncation");
    js_put_null(&w, "padding");
    put_added(&w);
    js_object(&w, "normalizer");
    js_put_string(&w, "type", "NFC");
    js_close(&w);
    put_pre_tokenizer(&w);
    put_byte_level(&w, "post_processor");
    put_byte_level(&w, "decoder");
    put_model(&w, pairs);
    js_close(&w);
    return finish(&w, len);
}

char *tiny_vocab_json(size_t *len)
{
    struct js_out w;
    js_out_init(&w, 0);
    put_vocab(&w, NULL);
    return finish(&w, len);
}

char *tiny_merges_txt(size_t *len)
{
    char *text = malloc(TINY_MERGES * 32);
    *len = 0;
    for (int i = 0; i < TINY_MERGES; i++)
        *len += (size_t)sprintf(text + *len, "%s %s\n", merges[i][0], merges[i][1]);
    return text;
}

char *tiny_tokenizer_config(const char *chat_template, size_t *len)
{
    struct js_out w;
    char id[16];
    js_out_init(&w, 1);
    js_object(&w, NULL);
    js_object(&w, "added_tokens_decoder");
    for (int i = 0; i < 4; i++) {
        snprintf(id, sizeof id, "%d", TINY_END + i);
        js_object(&w, id);
        js_put_string(&w, "content", added[i].text);
        js_put_bool(&w, "special", added[i].special);
        js_close(&w);
    }
    js_close(&w);
    if (chat_template) js_put_string(&w, "chat_template", chat_template);
    js_put_string(&w, "eos_token", "<|im_end|>");
    js_put_string(&w, "pad_token", "<|endoftext|>");
    js_put_string(&w, "tokenizer_class", "Qwen2Tokenizer");
    js_close(&w);
    return finish(&w, len);
}

struct tokenizer *tiny_tokenizer(void)
{
    struct tokenizer *t;
    struct err e = {0};
    size_t n;
    char *json = tiny_tokenizer_json(false, &n);
    if (hf_tokenizer_parse(&t, "tiny", json, n, 0, &e)) fail_msg("%s", e.msg);
    free(json);
    return t;
}

/* ---- the real one
 * ------------------------------------------------------------------------------------------- */

static void unpack(const char *from, const char *to)
{
    struct err e = {0};
    char *packed = NULL, *plain = NULL;
    size_t n = 0;
    uint64_t size = 0;
    int rc = file_load(from, 64 << 20, &packed, &n, &e);
    if (!rc) rc = zstd_content_size(&size, 64 << 20, packed, n, &e);
    if (!rc) plain = malloc(size);
    if (!rc) rc = zstd_decompress(plain, size, packed, n, &e);
    if (!rc) rc = file_save(to, plain, size, &e);
    free(packed);
    free(plain);
    if (rc) fail_msg("%s: %s", from, e.msg);
}

static void copy(const char *from, const char *to)
{
    struct err e = {0};
    if (file_copy(from, to, &e)) fail_msg("%s", e.msg);
}

const char *qwen_folder(void)
{
    static char dir[FILE_PATH];
    if (!file_exists(QWEN_DATA "tokenizer.json.zst")) {
        printf("skip: %s is absent\n", QWEN_DATA);
        return NULL;
    }
    snprintf(dir, sizeof dir, "%s", scratch("qwen"));
    if (file_exists(dir)) return dir;
    if (file_make_dirs(dir, NULL)) fail_msg("cannot make %s", dir);
    unpack(QWEN_DATA "tokenizer.json.zst", scratch("qwen/tokenizer.json"));
    unpack(QWEN_DATA "vocab.json.zst", scratch("qwen/vocab.json"));
    unpack(QWEN_DATA "merges.txt.zst", scratch("qwen/merges.txt"));
    copy(QWEN_DATA "tokenizer_config.json", scratch("qwen/tokenizer_config.json"));
    copy(QWEN_DATA "Qwen2.5-0.5B-Instruct.config.json", scratch("qwen/config.json"));
    copy(QWEN_DATA "Qwen2.5-0.5B-Instruct.generation_config.json", scratch("qwen/generation_config.json"));
    return dir;
}

struct tokenizer *qwen_tokenizer(void)
{
    struct tokenizer *t;
    struct err e = {0};
    const char *dir = qwen_folder();
    if (!dir) return NULL;
    if (hf_tokenizer_load(&t, dir, 151936, &e)) fail_msg("%s", e.msg);
    return t;
}
