#include "checkpoints/hf_tokenizer.h"
#include "checkpoints/file.h"
#include "checkpoints/hf_vocab.h"
#include "infer/chat_template.h"
#include "infer/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { MERGES_MAX = 64 << 20, CONFIG_MAX = 16 << 20, TEMPLATE_FILE_MAX = 65536 };

/* A folder being read. Configs that are not there stay NULL. */
struct folder {
    const char *dir;
    int64_t rows;
    struct js *config, *generation, *tokenizer;
    char *system; /* default system turn */
    struct vocab vocab;
    struct err *e;
};

/* *out stays NULL when the file is not there. */
static int load_if_there(const struct folder *f, const char *name, uint64_t max, struct js **out)
{
    char path[FILE_PATH];
    int rc = file_path(path, f->e, "%s/%s", f->dir, name);
    if (rc || !file_exists(path)) return rc;
    return js_load(out, path, &(struct js_limits){.bytes = max}, f->e);
}

static int has(const struct folder *f, const char *name)
{
    char path[FILE_PATH];
    return !file_path(path, NULL, "%s/%s", f->dir, name) && file_exists(path);
}

/* ---- the chat template
 * -------------------------------------------------------------------------------------- */

static int read_template_file(struct folder *f, const char *inline_text)
{
    char path[FILE_PATH], *text = NULL;
    size_t n;
    int rc = file_path(path, f->e, "%s/chat_template.jinja", f->dir);
    if (!rc) rc = file_load(path, TEMPLATE_FILE_MAX, &text, &n, f->e);
    if (!rc && inline_text && strcmp(inline_text, text) != 0)
        rc = err_set(f->e, ERR_TOK_CONFLICT, "%s differs from the chat_template of tokenizer_config.json",
                     path);
    if (!rc) rc = chat_template_read(path, text, n, &f->system, f->e);
    free(text);
    return rc;
}

static int read_template(struct folder *f)
{
    const struct js *v = js_get(f->tokenizer, "chat_template");
    size_t n = 0;
    const char *text = js_string(v, &n);
    if (js_type(v) != JS_NULL && !text)
        return err_set(f->e, ERR_TPL_UNKNOWN,
                       "%s/tokenizer_config.json: chat_template is %s, expected one string", f->dir,
                       js_type_name(js_type(v)));
    if (has(f, "chat_template.jinja")) return read_template_file(f, text);
    return text ? chat_template_read("tokenizer_config.json", text, n, &f->system, f->e) : 0;
}

int hf_template_text(char **text, size_t *n, const char *dir, struct err *e)
{
    struct folder f = {.dir = dir, .e = e};
    char path[FILE_PATH];
    *text = NULL, *n = 0;
    int rc = file_path(path, e, "%s/chat_template.jinja", dir);
    if (rc || file_exists(path)) return rc ? rc : file_load(path, TEMPLATE_FILE_MAX, text, n, e);
    rc = load_if_there(&f, "tokenizer_config.json", CONFIG_MAX, &f.tokenizer);
    const char *s = rc ? NULL : js_string(js_get(f.tokenizer, "chat_template"), n);
    if (s && !(*text = strndup(s, *n)))
        rc = err_set(e, ERR_NOMEM, "no memory for the chat template of %s", dir);
    js_free(f.tokenizer);
    return rc;
}

/* ---- ids and tokens that the configs name
 * ------------------------------------------------------------------- */

static int check_named_id(const struct folder *f, const char *file, const char *key, const struct js *v,
                          int64_t *id)
{
    if (js_int(v, id) && *id >= 0 && *id < (int64_t)f->vocab.n) return 0;
    return err_set(f->e, ERR_TOK_SPECIAL, "%s/%s: %s is %lld, which is no token; the vocabulary has %zu",
                   f->dir, file, key, js_int(v, id) ? (long long)*id : -1LL, f->vocab.n);
}

static int check_pad(const struct folder *f, const char *file, const struct js *config)
{
    int64_t id;
    const struct js *v = js_get(config, "pad_token_id");
    return js_type(v) == JS_NULL ? 0 : check_named_id(f, file, "pad_token_id", v, &id);
}

/* One id or a list of them; `spec` gets them unless it has some already. */
static int read_eos(const struct folder *f, const char *file, const struct js *config,
                    struct tokenizer_spec *spec)
{
    const struct js *v = js_get(config, "eos_token_id");
    bool wanted = spec->n_eos == 0, list = js_type(v) == JS_ARRAY;
    size_t n = list ? js_size(v) : js_type(v) != JS_NULL;
    if (n > TOKENIZER_MAX_EOS)
        return err_set(f->e, ERR_TOO_MANY, "%s/%s: %zu end-of-text ids, the limit is %d", f->dir, file, n,
                       TOKENIZER_MAX_EOS);
    int rc = check_pad(f, file, config);
    for (size_t i = 0; i < n && !rc; i++) {
        int64_t id = 0;
        rc = check_named_id(f, file, "eos_token_id", list ? js_at(v, i) : v, &id);
        if (!rc && wanted) spec->eos_ids[spec->n_eos++] = (int32_t)id;
    }
    return rc;
}

/* eos_token, pad_token: a string, or an object with its text as "content". */
static int named_token(const struct folder *f, const char *key, int32_t *id)
{
    const struct js *v = js_get(f->tokenizer, key);
    size_t n = 0;
    const char *text = js_string(js_type(v) == JS_OBJECT ? js_get(v, "content") : v, &n);
    *id = -1;
    if (js_type(v) == JS_NULL) return 0;
    if (text) *id = vocab_find(&f->vocab, text, n);
    if (*id >= 0) return 0;
    return err_set(f->e, ERR_TOK_SPECIAL, "%s/tokenizer_config.json: %s \"%.100s\" is no token", f->dir, key,
                   text ? text : js_type_name(js_type(v)));
}

static int read_special(const struct folder *f, struct tokenizer_spec *spec)
{
    int32_t eos, pad;
    int rc = read_eos(f, "generation_config.json", f->generation, spec);
    if (!rc) rc = read_eos(f, "config.json", f->config, spec);
    if (!rc) rc = named_token(f, "eos_token", &eos);
    if (!rc) rc = named_token(f, "pad_token", &pad);
    if (!rc && spec->n_eos == 0 && eos >= 0) spec->eos_ids[spec->n_eos++] = eos;
    return rc;
}

/* ---- tokenizer.json
 * ----------------------------------------------------------------------------------------- */

static int compare_vocab(const struct folder *f, const struct js *listed)
{
    for (struct js_iter it = {0}; js_next(listed, &it);) {
        int64_t id = -1;
        if (!js_int(it.value, &id) || vocab_find(&f->vocab, it.key, it.key_len) != id)
            return err_set(f->e, ERR_TOK_CONFLICT,
                           "%s: token \"%.100s\" has id %lld in vocab.json, %d in tokenizer.json", f->dir,
                           it.key, (long long)id, vocab_find(&f->vocab, it.key, it.key_len));
    }
    size_t plain = 0;
    for (size_t i = 0; i < f->vocab.n; i++) plain += f->vocab.tokens[i].kind == TOKEN_NORMAL;
    if (js_size(listed) >= plain) return 0;
    return err_set(f->e, ERR_TOK_CONFLICT, "%s: vocab.json has %zu tokens, tokenizer.json has %zu", f->dir,
                   js_size(listed), plain);
}

static int read_tokenizer_json(struct folder *f)
{
    char path[FILE_PATH];
    struct js *root = NULL, *listed = NULL;
    char *text = NULL;
    size_t n = 0;
    int rc = file_path(path, f->e, "%s/tokenizer.json", f->dir);
    if (!rc) rc = file_load(path, 256u << 20, &text, &n, f->e);
    if (!rc) rc = js_parse(&root, path, text, n, NULL, f->e);
    free(text);
    if (!rc) rc = hf_json_read(&f->vocab, root, "tokenizer.json", n, f->rows, f->e);
    if (!rc) rc = load_if_there(f, "vocab.json", 0, &listed);
    if (!rc && listed) rc = compare_vocab(f, listed);
    js_free(listed);
    js_free(root);
    return rc;
}

/* ---- vocab.json and merges.txt
 * ------------------------------------------------------------------------------ */

/* {"151643": {"content": "<|endoftext|>", "special": true, ...}, ...} */
static int read_added_decoder(struct folder *f, const struct js *added)
{
    int rc = 0;
    for (struct js_iter it = {0}; !rc && js_next(added, &it);) {
        struct js *id = NULL;
        const struct js *content;
        bool special = false;
        size_t n = 0;
        rc = js_parse(&id, "id of an added token", it.key, it.key_len, NULL, f->e);
        if (!rc) rc = js_need(it.value, "added token", "content", JS_STRING, &content, f->e);
        if (!rc) rc = js_want_bool(it.value, "added token", "special", &special, f->e);
        if (!rc) {
            const char *text = js_string(content, &n);
            rc = vocab_add_special(&f->vocab, hf_vocab_id(id), text, n, special, f->e);
        }
        js_free(id);
    }
    return rc;
}

/* Only a first line "#version ..." is no merge: other lines may begin with '#' and be one. */
static int read_merges_text(struct folder *f, const char *text, size_t n)
{
    size_t at = 0, good = utf8_prefix(text, n);
    if (good < n) return err_set(f->e, ERR_UTF8, "%s/merges.txt: not UTF-8 at byte %zu", f->dir, good);
    int rc = 0;
    while (at < n && !rc) {
        const char *line = text + at, *end = memchr(line, '\n', n - at);
        size_t len = end ? (size_t)(end - line) : n - at;
        if (len && !(at == 0 && len >= 8 && memcmp(line, "#version", 8) == 0))
            rc = vocab_merge_line(&f->vocab, line, len, f->e);
        at += len + 1;
    }
    return rc;
}

static int read_vocab_json(struct folder *f)
{
    const struct js *added = js_get(f->tokenizer, "added_tokens_decoder");
    struct js *vocab = NULL;
    char path[FILE_PATH];
    size_t bytes = 0;
    int rc = file_path(path, f->e, "%s/vocab.json", f->dir);
    if (!rc) rc = js_load(&vocab, path, NULL, f->e);
    if (!rc && js_type(vocab) != JS_OBJECT)
        rc = err_set(f->e, ERR_TOK_VOCAB, "%s is %s, expected an object", path, js_type_name(js_type(vocab)));
    for (struct js_iter it = {0}; js_next(vocab, &it);) bytes += it.key_len;
    for (struct js_iter it = {0}; js_next(added, &it);) bytes += js_size(js_get(it.value, "content"));
    if (!rc) rc = vocab_init(&f->vocab, "vocab.json", js_size(vocab) + js_size(added), bytes, f->rows, f->e);
    if (!rc) rc = read_added_decoder(f, added);
    if (!rc) rc = hf_vocab_add_all(&f->vocab, vocab, f->e);
    if (!rc) rc = vocab_seal(&f->vocab, f->e);
    js_free(vocab);
    return rc;
}

static int read_vocab_and_merges(struct folder *f)
{
    const struct js *class = js_get(f->tokenizer, "tokenizer_class");
    char path[FILE_PATH], *text = NULL;
    size_t n = 0;
    if (!js_is(class, "Qwen2Tokenizer") && !js_is(class, "Qwen2TokenizerFast"))
        return err_set(f->e, ERR_TOK_UNSUPPORTED,
                       "%s: with vocab.json instead of tokenizer.json, tokenizer_config.json must say "
                       "\"tokenizer_class\": \"Qwen2Tokenizer\"; it says \"%.60s\"",
                       f->dir, js_string(class, NULL) ? js_string(class, NULL) : "nothing");
    int rc = read_vocab_json(f);
    f->vocab.nfc = true; /* as Qwen2Tokenizer does, whatever the files say */
    if (!rc) rc = file_path(path, f->e, "%s/merges.txt", f->dir);
    if (!rc) rc = file_load(path, MERGES_MAX, &text, &n, f->e);
    if (!rc) rc = read_merges_text(f, text, n);
    free(text);
    return rc;
}

/* ---- the whole
 * ---------------------------------------------------------------------------------------------- */

static int create(struct tokenizer **out, const struct vocab *v, struct tokenizer_spec *spec, struct err *e)
{
    spec->tokens = v->tokens;
    spec->n = v->n;
    spec->merges = (const uint32_t(*)[2])v->merges;
    spec->n_merges = v->n_merges;
    spec->nfc = v->nfc;
    return tokenizer_create(out, spec, e);
}

int hf_tokenizer_load(struct tokenizer **out, const char *dir, int64_t embedding_rows, struct err *e)
{
    struct folder f = {.dir = dir, .rows = embedding_rows, .e = e};
    struct tokenizer_spec spec = {0};
    *out = NULL;
    int rc = load_if_there(&f, "config.json", CONFIG_MAX, &f.config);
    if (!rc) rc = load_if_there(&f, "generation_config.json", CONFIG_MAX, &f.generation);
    if (!rc) rc = load_if_there(&f, "tokenizer_config.json", CONFIG_MAX, &f.tokenizer);
    if (!rc) rc = read_template(&f);
    if (!rc)
        rc = has(&f, "tokenizer.json") || !has(&f, "vocab.json") ? read_tokenizer_json(&f)
                                                                 : read_vocab_and_merges(&f);
    if (!rc) rc = read_special(&f, &spec);
    spec.default_system = f.system;
    if (!rc) rc = create(out, &f.vocab, &spec, e);
    vocab_free(&f.vocab);
    free(f.system);
    js_free(f.tokenizer);
    js_free(f.generation);
    js_free(f.config);
    return rc;
}

int hf_tokenizer_parse(struct tokenizer **out, const char *what, const char *json, size_t len,
                       int64_t embedding_rows, struct err *e)
{
    struct js *root = NULL;
    struct vocab v = {0};
    *out = NULL;
    int rc = js_parse(&root, what, json, len, NULL, e);
    if (!rc) rc = hf_json_read(&v, root, what, len, embedding_rows, e);
    if (!rc) rc = create(out, &v, &(struct tokenizer_spec){0}, e);
    vocab_free(&v);
    js_free(root);
    return rc;
}

int hf_tokenizer_copy(const char *from, const char *to, struct err *e)
{
    static const char *const names[] = {"tokenizer.json",      "vocab.json",
                                        "merges.txt",          "tokenizer_config.json",
                                        "chat_template.jinja", "special_tokens_map.json",
                                        "added_tokens.json"};
    int rc = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names && !rc; i++) {
        char source[FILE_PATH], target[FILE_PATH];
        rc = file_path(source, e, "%s/%s", from, names[i]);
        if (!rc) rc = file_path(target, e, "%s/%s", to, names[i]);
        if (!rc && file_exists(source)) rc = file_copy(source, target, e);
    }
    return rc;
}

static void add_u32(struct sha256 *s, uint32_t v)
{
    const unsigned char le[4] = {v & 255, v >> 8 & 255, v >> 16 & 255, v >> 24};
    sha256_update(s, le, sizeof le);
}

int tokenizer_digest(const struct tokenizer *t, char hex[SHA256_HEX], struct err *e)
{
    struct sha256 s;
    size_t n_merges;
    const uint32_t(*merges)[2] = tokenizer_merges(t, &n_merges);
    int rc = sha256_init(&s, e);
    if (rc) return rc;
    add_u32(&s, (uint32_t)tokenizer_vocab(t));
    for (int32_t id = 0; id < tokenizer_vocab(t); id++) {
        size_t len;
        const char *text = tokenizer_text(t, id, &len);
        add_u32(&s, (uint32_t)len);
        add_u32(&s, tokenizer_kind(t, id));
        sha256_update(&s, text, len);
    }
    add_u32(&s, (uint32_t)n_merges);
    for (size_t i = 0; i < n_merges; i++) {
        add_u32(&s, merges[i][0]);
        add_u32(&s, merges[i][1]);
    }
    add_u32(&s, tokenizer_nfc(t));
    sha256_final(&s, hex);
    return 0;
}
