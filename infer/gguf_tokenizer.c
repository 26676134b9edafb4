#include "infer/chat_template.h"
#include "infer/gguf_model.h"
#include "infer/utf8.h"
#include "infer/vocab.h"

#include <stdlib.h>
#include <string.h>

/* tokenizer.ggml.token_type */
enum { TYPE_NORMAL = 1, TYPE_CONTROL = 3, TYPE_USER = 4, TYPE_UNUSED = 5 };

struct reader {
    const struct gguf *g;
    struct vocab v;
    struct tokenizer_spec spec;
    char *system; /* default system turn, or NULL */
    struct err *e;
};

#define TOKENIZER "tokenizer.ggml."

static int check_kind(const struct reader *r)
{
    static const struct {
        const char *key, *want;
        int code;
    } rows[] = {{TOKENIZER "model", "gpt2", ERR_TOK_UNSUPPORTED},
                {TOKENIZER "pre", "qwen2", ERR_TOK_PATTERN}};
    bool bos = false;
    for (int i = 0; i < 2; i++) {
        const char *s;
        size_t n;
        int rc = gguf_get_string(r->g, rows[i].key, true, &s, &n, r->e);
        if (rc) return rc;
        if (!gguf_is(r->g, rows[i].key, rows[i].want))
            return err_set(r->e, rows[i].code, "%s: %s is \"%.*s\", expected \"%s\"", gguf_label(r->g),
                           rows[i].key, (int)(n < 60 ? n : 60), s, rows[i].want);
    }
    int rc = gguf_get_bool(r->g, TOKENIZER "add_bos_token", false, &bos, r->e);
    if (rc || !bos) return rc;
    return err_set(r->e, ERR_TOK_UNSUPPORTED, "%s: " TOKENIZER "add_bos_token is true, which Qwen2's is not",
                   gguf_label(r->g));
}

static int fail_type(const struct reader *r, uint64_t id, int64_t type)
{
    return err_set(r->e, ERR_TOK_VOCAB,
                   "%s: " TOKENIZER
                   "token_type[%llu] is %lld, expected 1 (normal), 3 (control), 4 (user) or 5 "
                   "(unused)",
                   gguf_label(r->g), (unsigned long long)id, (long long)type);
}

static int add_token(struct reader *r, uint64_t id, int64_t type, const char *s, size_t n)
{
    if (!utf8_valid(s, n))
        return err_set(r->e, ERR_UTF8, "%s: " TOKENIZER "tokens[%llu] is not valid UTF-8", gguf_label(r->g),
                       (unsigned long long)id);
    switch (type) {
    case TYPE_NORMAL:
        return vocab_add(&r->v, (int64_t)id, s, n, r->e);
    case TYPE_CONTROL:
    case TYPE_USER:
        return vocab_add_special(&r->v, (int64_t)id, s, n, type == TYPE_CONTROL, r->e);
    case TYPE_UNUSED:
        return vocab_add_unused(&r->v, (int64_t)id, r->e);
    default:
        return fail_type(r, id, type);
    }
}

/* Unused ids at the end are rows of the embedding, no tokens. */
static int count_used(const struct reader *r, const struct gguf_kv *types, uint64_t *used)
{
    int64_t type;
    *used = 0;
    for (uint64_t i = 0; i < types->n; i++) {
        if (!gguf_int_at(types, i, &type)) type = -1;
        if (type < TYPE_NORMAL || type > TYPE_UNUSED) return fail_type(r, i, type);
        if (type != TYPE_UNUSED) *used = i + 1;
    }
    return 0;
}

static int read_tokens(struct reader *r)
{
    const struct gguf_kv *tokens, *types;
    uint64_t id = 0, used;
    int64_t type = 0;
    int rc = gguf_get_array(r->g, TOKENIZER "tokens", true, GGUF_STRING, &tokens, r->e);
    if (!rc) rc = gguf_get_array(r->g, TOKENIZER "token_type", true, GGUF_U32, &types, r->e);
    if (rc) return rc;
    if (tokens->n != types->n || tokens->n > TOKENIZER_MAX)
        return err_set(r->e, tokens->n > TOKENIZER_MAX ? ERR_TOO_MANY : ERR_TOK_VOCAB,
                       "%s: %llu tokens and %llu types of tokens, expected as many, %d at most",
                       gguf_label(r->g), (unsigned long long)tokens->n, (unsigned long long)types->n,
                       TOKENIZER_MAX);
    rc = count_used(r, types, &used);
    if (!rc) rc = vocab_init(&r->v, gguf_label(r->g), used, tokens->bytes, 0, r->e);
    for (struct gguf_iter it = gguf_iter(tokens); !rc && id < used && gguf_next(&it); id++) {
        gguf_int_at(types, id, &type);
        rc = add_token(r, id, type, it.text, it.len);
    }
    return rc ? rc : vocab_seal(&r->v, r->e);
}

static int read_merges(struct reader *r)
{
    const struct gguf_kv *merges;
    int rc = gguf_get_array(r->g, TOKENIZER "merges", true, GGUF_STRING, &merges, r->e);
    if (rc) return rc;
    for (struct gguf_iter it = gguf_iter(merges); !rc && gguf_next(&it);) {
        if (!utf8_valid(it.text, it.len))
            return err_set(r->e, ERR_UTF8, "%s: " TOKENIZER "merges[%zu] is not valid UTF-8",
                           gguf_label(r->g), r->v.n_merges);
        rc = vocab_merge_line(&r->v, it.text, it.len, r->e);
    }
    return rc;
}

static int read_rest(struct reader *r)
{
    struct model_config c;
    const char *text = NULL;
    size_t n = 0;
    bool nfc = true;
    int rc = gguf_config(&c, r->g, r->e); /* the tokens that end an answer */
    for (uint32_t i = 0; !rc && i < c.n_eos && i < TOKENIZER_MAX_EOS; i++)
        r->spec.eos_ids[r->spec.n_eos++] = c.eos[i];
    if (!rc) rc = gguf_get_bool(r->g, "terse.nfc", false, &nfc, r->e);
    if (!rc) rc = gguf_get_string(r->g, "tokenizer.chat_template", false, &text, &n, r->e);
    if (!rc && text) rc = chat_template_read(gguf_label(r->g), text, n, &r->system, r->e);
    r->spec.nfc = nfc;
    return rc;
}

int gguf_tokenizer(struct tokenizer **out, const struct gguf *g, struct err *e)
{
    struct reader r = {.g = g, .e = e};
    *out = NULL;
    int rc = check_kind(&r);
    if (!rc) rc = read_tokens(&r);
    if (!rc) rc = read_merges(&r);
    if (!rc) rc = read_rest(&r);
    r.spec.tokens = r.v.tokens, r.spec.n = r.v.n;
    r.spec.merges = (const uint32_t(*)[2])r.v.merges, r.spec.n_merges = r.v.n_merges;
    r.spec.default_system = r.system;
    if (!rc) rc = tokenizer_create(out, &r.spec, e);
    vocab_free(&r.v);
    free(r.system);
    return rc;
}
