/* tokenizer.json as Qwen2 writes it. What would change the ids and is not known here is refused by name. */
#include "checkpoints/hf_vocab.h"
#include "infer/pretoken.h"

#include <string.h>

struct reader {
    struct vocab *v;
    const struct js *root;
    const char *what;
    struct err *e;
};

static int unsupported(const struct reader *r, const char *part, const char *found, const char *expected)
{
    return err_set(r->e, ERR_TOK_UNSUPPORTED, "%s: %s is %.100s, expected %s", r->what, part, found,
                   expected);
}

/* The member's string, or what else it is, for messages. */
static const char *shown(const struct js *o, const char *key)
{
    const struct js *v = js_get(o, key);
    return js_type(v) == JS_STRING ? js_string(v, NULL) : v ? js_type_name(js_type(v)) : "missing";
}

static bool is_true(const struct js *o, const char *key)
{
    return js_true(js_get(o, key));
}

/* An option that must be absent, null, false or "". */
static int check_off(const struct reader *r, const struct js *o, const char *part, const char *key)
{
    const struct js *v = js_get(o, key);
    if (js_type(v) == JS_NULL || (js_type(v) == JS_BOOL && !js_true(v)) || js_is(v, "")) return 0;
    return err_set(r->e, ERR_TOK_UNSUPPORTED, "%s: %s with \"%s\" is not supported", r->what, part, key);
}

/* ---- everything but the model
 * ------------------------------------------------------------------------------- */

static int check_version(const struct reader *r)
{
    const struct js *v = js_get(r->root, "version");
    if (!v || js_is(v, "1.0")) return 0;
    return err_set(r->e, ERR_TOK_VERSION, "%s: version is \"%.40s\", expected \"1.0\"", r->what,
                   shown(r->root, "version"));
}

/* Saved by a program that once truncated or padded; neither is done here, but nonsense is not passed over. */
static int check_lengths(const struct reader *r)
{
    static const char *const keys[][2] = {{"truncation", "max_length"},
                                          {"truncation", "stride"},
                                          {"padding", "pad_to_multiple_of"},
                                          {"padding", "pad_id"},
                                          {"padding", "length"}};
    int rc = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !rc; i++) {
        const struct js *block = NULL;
        int64_t unused;
        rc = js_want(r->root, r->what, keys[i][0], JS_OBJECT, &block, r->e);
        if (!rc) rc = js_want_int(block, keys[i][0], keys[i][1], 0, INT32_MAX, &unused, r->e);
    }
    const struct js *strategy = js_get(js_get(r->root, "padding"), "strategy");
    int64_t fixed;
    return rc ? rc : js_want_int(strategy, "padding.strategy", "Fixed", 0, INT32_MAX, &fixed, r->e);
}

static int read_normalizer(const struct reader *r)
{
    const struct js *n = js_get(r->root, "normalizer");
    r->v->nfc = js_is(js_get(n, "type"), "NFC");
    return r->v->nfc || js_type(n) == JS_NULL ? 0
                                              : unsupported(r, "normalizer", shown(n, "type"), "NFC or null");
}

static int check_byte_level(const struct reader *r, const char *part, const struct js *o)
{
    if (!js_is(js_get(o, "type"), "ByteLevel")) return unsupported(r, part, shown(o, "type"), "ByteLevel");
    return 0;
}

static int check_split(const struct reader *r, const struct js *split)
{
    const struct js *regex = js_get(js_get(split, "pattern"), "Regex");
    if (!js_is(js_get(split, "type"), "Split"))
        return unsupported(r, "pre_tokenizer[0]", shown(split, "type"), "Split");
    if (!js_is(regex, pretoken_pattern))
        return err_set(r->e, ERR_TOK_PATTERN, "%s: the split pattern is not Qwen2's: \"%.200s\"", r->what,
                       js_string(regex, NULL) ? js_string(regex, NULL) : "(none)");
    if (!js_is(js_get(split, "behavior"), "Isolated"))
        return unsupported(r, "the split's behavior", shown(split, "behavior"), "Isolated");
    return check_off(r, split, "a split", "invert");
}

static int check_pre_tokenizer(const struct reader *r)
{
    const struct js *p = js_get(r->root, "pre_tokenizer"), *list = js_get(p, "pretokenizers");
    if (!js_is(js_get(p, "type"), "Sequence"))
        return unsupported(r, "pre_tokenizer", shown(p, "type"), "Sequence");
    if (js_size(list) != 2 || js_type(list) != JS_ARRAY)
        return unsupported(r, "pre_tokenizer", "another sequence", "[Split, ByteLevel]");
    const struct js *byte_level = js_at(list, 1);
    int rc = check_split(r, js_at(list, 0));
    if (!rc) rc = check_byte_level(r, "pre_tokenizer[1]", byte_level);
    if (!rc) rc = check_off(r, byte_level, "pre_tokenizer", "add_prefix_space");
    if (!rc && (js_type(js_get(byte_level, "use_regex")) != JS_BOOL || is_true(byte_level, "use_regex")))
        rc = unsupported(r, "pre_tokenizer's use_regex", "not false", "false");
    return rc;
}

/* A template may only be refused, but a missing token is the better reason to give. */
static int check_post_processor(const struct reader *r)
{
    const struct js *p = js_get(r->root, "post_processor");
    if (js_type(p) == JS_NULL || js_is(js_get(p, "type"), "ByteLevel")) return 0;
    for (struct js_iter it = {0}; js_next(js_get(p, "special_tokens"), &it);)
        if (it.key && vocab_find(r->v, it.key, it.key_len) < 0)
            return err_set(r->e, ERR_TOK_SPECIAL, "%s: post_processor names \"%.100s\", which is no token",
                           r->what, it.key);
    return unsupported(r, "post_processor", shown(p, "type"), "ByteLevel or null");
}

/* ---- added tokens
 * ------------------------------------------------------------------------------------------- */

static int read_added_token(const struct reader *r, const struct js *a)
{
    const struct js *content;
    bool special = false;
    size_t len = 0;
    int rc = js_need(a, "added token", "content", JS_STRING, &content, r->e);
    if (!rc) rc = js_need_bool(a, "added token", "special", &special, r->e);
    if (!rc) rc = check_off(r, a, "an added token", "single_word");
    if (!rc) rc = check_off(r, a, "an added token", "lstrip");
    if (!rc) rc = check_off(r, a, "an added token", "rstrip");
    if (rc) return rc;
    const char *text = js_string(content, &len);
    return vocab_add_special(r->v, hf_vocab_id(js_get(a, "id")), text, len, special, r->e);
}

static int read_added_tokens(const struct reader *r)
{
    const struct js *list = NULL;
    int rc = js_want(r->root, r->what, "added_tokens", JS_ARRAY, &list, r->e);
    for (struct js_iter it = {0}; !rc && js_next(list, &it);) rc = read_added_token(r, it.value);
    return rc;
}

/* ---- the model
 * ---------------------------------------------------------------------------------------------- */

static int check_model(const struct reader *r, const struct js *model)
{
    static const char *const off[] = {"continuing_subword_prefix", "end_of_word_suffix", "byte_fallback",
                                      "ignore_merges"};
    double dropout = 0;
    if (!js_get(model, "type")) return err_set(r->e, ERR_FIELD_MISSING, "%s: model has no \"type\"", r->what);
    if (!js_is(js_get(model, "type"), "BPE"))
        return unsupported(r, "model.type", shown(model, "type"), "BPE");
    int rc = js_want_number(model, "model", "dropout", &dropout, r->e);
    if (!rc && dropout != 0)
        rc = err_set(r->e, ERR_TOK_DROPOUT, "%s: model.dropout is %g: ids would be random", r->what, dropout);
    for (size_t i = 0; i < sizeof off / sizeof *off && !rc; i++) rc = check_off(r, model, "model", off[i]);
    return rc;
}

int64_t hf_vocab_id(const struct js *id)
{
    int64_t n;
    return js_int(id, &n) ? n : -1;
}

int hf_vocab_add_all(struct vocab *v, const struct js *vocab, struct err *e)
{
    int rc = 0;
    for (struct js_iter it = {0}; !rc && js_next(vocab, &it);)
        rc = vocab_add(v, hf_vocab_id(it.value), it.key, it.key_len, e);
    return rc;
}

static int read_vocab(const struct reader *r, const struct js *model, size_t bytes, int64_t rows)
{
    const struct js *vocab = js_get(model, "vocab");
    if (js_type(vocab) != JS_OBJECT)
        return err_set(r->e, ERR_TOK_VOCAB, "%s: model.vocab is %s, expected an object", r->what,
                       vocab ? js_type_name(js_type(vocab)) : "missing");
    size_t tokens = js_size(vocab) + js_size(js_get(r->root, "added_tokens"));
    if (tokens > TOKENIZER_MAX)
        return err_set(r->e, ERR_TOO_MANY, "%s: %zu tokens, the limit is %d", r->what, tokens, TOKENIZER_MAX);
    int rc = vocab_init(r->v, r->what, tokens, bytes, rows, r->e);
    if (!rc) rc = read_added_tokens(r);
    if (!rc) rc = hf_vocab_add_all(r->v, vocab, r->e);
    return rc ? rc : vocab_seal(r->v, r->e);
}

/* "left right" up to tokenizers 0.19, ["left", "right"] since 0.20. */
static int read_merge(const struct reader *r, const struct js *m)
{
    size_t a, b;
    const char *left = js_string(m, &a), *right;
    if (left) return vocab_merge_line(r->v, left, a, r->e);
    left = js_string(js_at(m, 0), &a);
    right = js_string(js_at(m, 1), &b);
    if (js_size(m) != 2 || !left || !right || !a || !b)
        return err_set(r->e, ERR_TOK_MERGE, "%s: merge %zu is not a pair of strings", r->what,
                       r->v->n_merges);
    return vocab_merge(r->v, left, a, right, b, r->e);
}

static int read_merges(const struct reader *r, const struct js *model)
{
    const struct js *merges;
    int rc = js_need(model, "model", "merges", JS_ARRAY, &merges, r->e);
    for (struct js_iter it = {0}; !rc && js_next(merges, &it);) rc = read_merge(r, it.value);
    return rc;
}

static int check_unk(const struct reader *r, const struct js *model)
{
    const char *unk = NULL;
    int rc = js_want_string(model, "model", "unk_token", &unk, r->e);
    if (rc || !unk || vocab_find(r->v, unk, strlen(unk)) >= 0) return rc;
    return err_set(r->e, ERR_TOK_SPECIAL, "%s: unk_token \"%.100s\" is no token", r->what, unk);
}

int hf_json_read(struct vocab *v, const struct js *root, const char *what, size_t bytes, int64_t rows,
                 struct err *e)
{
    const struct reader r = {v, root, what, e};
    const struct js *model;
    *v = (struct vocab){.what = what};
    if (js_type(root) != JS_OBJECT)
        return err_set(e, ERR_TOK_ROOT, "%s: the root is %s, expected an object", what,
                       js_type_name(js_type(root)));
    int rc = check_version(&r);
    if (!rc) rc = check_lengths(&r);
    if (!rc) rc = js_need(root, what, "model", JS_OBJECT, &model, e);
    if (!rc) rc = check_model(&r, model);
    if (!rc) rc = read_vocab(&r, model, bytes, rows);
    if (!rc) rc = read_merges(&r, model);
    if (!rc) rc = check_unk(&r, model);
    if (!rc) rc = read_normalizer(&r);
    if (!rc) rc = check_pre_tokenizer(&r);
    if (!rc) rc = check_byte_level(&r, "decoder", js_get(root, "decoder"));
    return rc ? rc : check_post_processor(&r);
}
