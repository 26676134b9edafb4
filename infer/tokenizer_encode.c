#include "infer/tokenizer_private.h"
#include "infer/utf8.h"

#include <stdlib.h>

/* One call of tokenizer_encode. */
struct encoder {
    const struct tokenizer *t;
    struct bpe_scratch scratch;
    int32_t *ids;
    size_t cap, n; /* n counts on past cap */
    struct err *e;
};

static inline void emit(struct encoder *c, uint32_t id)
{
    if (c->n < c->cap) c->ids[c->n] = (int32_t)id;
    c->n++;
}

/* ---- plain text
 * --------------------------------------------------------------------------------------------- */

static int merge_word(struct encoder *c, const char *s, size_t len, struct token_slot *slot)
{
    const uint32_t *ids;
    size_t count;
    int rc = bpe_encode(&c->t->bpe, (const unsigned char *)s, len, &c->scratch, &ids, &count, c->e);
    if (rc) return rc;
    int32_t whole = token_slot_id(slot);
    if (whole >= 0) token_slot_learn(slot, count == 1 && ids[0] == (uint32_t)whole ? WORD_WHOLE : WORD_SPLIT);
    for (size_t i = 0; i < count; i++) emit(c, ids[i]);
    return 0;
}

static int encode_word(struct encoder *c, const char *s, size_t len)
{
    if (len == 1) {
        emit(c, c->t->bpe.byte_ids[(unsigned char)*s]);
        return 0;
    }
    struct token_slot *slot = token_map_slot(&c->t->map, s, len);
    if (token_slot_state(slot) != WORD_WHOLE) return merge_word(c, s, len, slot);
    emit(c, (uint32_t)token_slot_id(slot));
    return 0;
}

static int encode_words(struct encoder *c, const char *s, size_t len)
{
    struct pretoken_walk w;
    int rc = 0;
    pretoken_start(&w, c->t->pretoken, s, len);
    while (w.at < len && !rc) {
        size_t end = 0;
        rc = pretoken_next(&w, &end, c->e);
        if (!rc) rc = encode_word(c, s + w.at, end - w.at);
        w.at = end;
    }
    pretoken_stop(&w);
    return rc;
}

static int encode_plain(struct encoder *c, const char *s, size_t len)
{
    char *normal = NULL;
    size_t n = 0;
    if (!c->t->nfc || !len) return encode_words(c, s, len);
    int rc = nfc_normalize(c->t->nfc, s, len, &normal, &n, c->e);
    if (!rc) rc = normal ? encode_words(c, normal, n) : encode_words(c, s, len);
    free(normal);
    return rc;
}

/* ---- added tokens
 * ------------------------------------------------------------------------------------------- */

/* The longest added token that s[0..len), len >= 1, begins with; -1 if none. */
static int32_t added_at(const struct tokenizer *t, const char *s, size_t len)
{
    unsigned char c = (unsigned char)s[0];
    for (uint32_t i = t->first[c]; i < t->first[c + 1]; i++) {
        const struct token_spec *a = &t->tokens[t->added[i]];
        if (a->len <= len && memcmp(a->text, s, a->len) == 0) return (int32_t)t->added[i];
    }
    return -1;
}

static int encode_with_added(struct encoder *c, const char *s, size_t len)
{
    size_t from = 0;
    int rc = 0;
    for (size_t i = 0; i < len && !rc;) {
        int32_t id = added_at(c->t, s + i, len - i);
        if (id < 0) {
            i++;
            continue;
        }
        rc = encode_plain(c, s + from, i - from);
        emit(c, (uint32_t)id);
        from = i += c->t->tokens[id].len;
    }
    return rc ? rc : encode_plain(c, s + from, len - from);
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t len, int allow_control, int32_t *ids,
                     size_t cap, size_t *n, struct err *e)
{
    *n = 0;
    if (len > INT32_MAX)
        return err_set(e, ERR_TEXT_LEN, "text of %zu bytes, the limit is %d", len, INT32_MAX);
    size_t good = utf8_prefix(text, len);
    if (good < len) return err_set(e, ERR_UTF8, "text is not UTF-8 at byte %zu of %zu", good, len);
    struct encoder c = {.t = t, .ids = ids, .cap = cap, .e = e};
    int rc = allow_control ? encode_with_added(&c, text, len) : encode_plain(&c, text, len);
    bpe_scratch_free(&c.scratch);
    if (rc) return rc;
    *n = c.n;
    return c.n <= cap ? 0 : err_set(e, ERR_NEED, "room for %zu ids, %zu are needed", cap, c.n);
}
