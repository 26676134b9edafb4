#include "checkpoints/hf_vocab.h"

#include <stdlib.h>
#include <string.h>

/* ---- GPT-2's byte alphabet: printable bytes stand for themselves, the rest are moved to U+0100 and up
 * -------- */

/* The byte that a character of the alphabet stands for, or -1. */
static int alphabet_byte(uint32_t c)
{
    if ((c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c <= 0xac) || (c >= 0xae && c <= 0xff)) return (int)c;
    if (c >= 0x100 && c <= 0x120) return (int)(c - 0x100);
    if (c >= 0x121 && c <= 0x142) return (int)(c - 0x121 + 0x7f);
    return c == 0x143 ? 0xad : -1;
}

/* Writes the raw bytes of s[0..len) (valid UTF-8) to `out`, at most len of them. Returns how many, or -1 with
 * *bad = the offset of a character outside the alphabet. */
static int64_t undo_alphabet(const char *s, size_t len, char *out, size_t *bad)
{
    int64_t n = 0;
    for (size_t i = 0, size; i < len; i += size) {
        uint32_t c = (unsigned char)s[i];
        size = c < 0x80 ? 1 : 2;
        if (c >= 0x80) c = c < 0xe0 ? (c & 0x1f) << 6 | ((unsigned char)s[i + 1] & 0x3f) : UINT32_MAX;
        int byte = alphabet_byte(c);
        *bad = i;
        if (byte < 0) return -1;
        out[n++] = (char)byte;
    }
    return n;
}

/* ---- tokens
 * ------------------------------------------------------------------------------------------------- */

static int no_memory(const struct hf_vocab *v, struct err *e)
{
    return err_set(e, ERR_NOMEM, "%s: no memory for the vocabulary", v->what);
}

/* Ids a little beyond the count are taken, so that hf_vocab_seal can name the hole. */
enum { SPARE_IDS = 4096 };

int hf_vocab_init(struct hf_vocab *v, const char *what, size_t tokens, size_t bytes, int64_t rows,
                  struct err *e)
{
    *v = (struct hf_vocab){.what = what, .rows = rows, .room = tokens + SPARE_IDS, .cap = bytes};
    v->tokens = calloc(v->room, sizeof *v->tokens);
    v->bytes = malloc(bytes + 1);
    return v->tokens && v->bytes ? 0 : no_memory(v, e);
}

void hf_vocab_free(struct hf_vocab *v)
{
    token_map_free(&v->map);
    free(v->merges);
    free(v->bytes);
    free(v->tokens);
    *v = (struct hf_vocab){0};
}

static int check_id(const struct hf_vocab *v, const struct js *id, const char *text, int64_t *out,
                    struct err *e)
{
    if (!js_int(id, out) || *out < 0 || *out > INT32_MAX)
        return err_set(e, ERR_TOK_ID, "%s: the id of token \"%.100s\" is no integer from 0 to %d", v->what,
                       text, INT32_MAX);
    if (v->rows > 0 && *out >= v->rows)
        return err_set(e, ERR_TOK_EMBED, "%s: token \"%.100s\" has id %lld, the embedding has %lld rows",
                       v->what, text, (long long)*out, (long long)v->rows);
    if ((size_t)*out >= v->room)
        return err_set(e, ERR_TOK_HOLE, "%s: token \"%.100s\" has id %lld, but there are only %zu tokens",
                       v->what, text, (long long)*out, v->room - SPARE_IDS);
    return 0;
}

static int check_len(const struct hf_vocab *v, int64_t id, size_t len, struct err *e)
{
    if (!len) return err_set(e, ERR_TOK_EMPTY, "%s: token %lld is the empty string", v->what, (long long)id);
    if (len <= TOKEN_MAX_LEN) return 0;
    return err_set(e, ERR_TOK_LEN, "%s: token %lld has %zu bytes, the limit is %d", v->what, (long long)id,
                   len, TOKEN_MAX_LEN);
}

static int fail_dup_id(const struct hf_vocab *v, int64_t id, const char *text, struct err *e)
{
    return err_set(e, ERR_TOK_DUP_ID, "%s: id %lld belongs to \"%.*s\" and to \"%.100s\"", v->what,
                   (long long)id, (int)(v->tokens[id].len < 100 ? v->tokens[id].len : 100),
                   v->tokens[id].text, text);
}

/* The text is at v->bytes + v->used already. */
static void take(struct hf_vocab *v, int64_t id, size_t len, enum token_kind kind)
{
    v->tokens[id] = (struct token_spec){v->bytes + v->used, (uint32_t)len, (uint8_t)kind};
    v->used += len;
    v->n++;
}

int hf_vocab_add_special(struct hf_vocab *v, const struct js *id, const char *text, size_t len, bool special,
                         struct err *e)
{
    int64_t at;
    int rc = check_id(v, id, text, &at, e);
    if (!rc) rc = check_len(v, at, len, e);
    if (rc) return rc;
    if (v->tokens[at].len) return fail_dup_id(v, at, text, e);
    if (len > v->cap - v->used) return err_set(e, ERR_INTERNAL, "%s: more text than the file holds", v->what);
    memcpy(v->bytes + v->used, text, len);
    take(v, at, len, special ? TOKEN_CONTROL : TOKEN_USER);
    return 0;
}

int hf_vocab_add(struct hf_vocab *v, const char *text, size_t len, const struct js *id, struct err *e)
{
    int64_t at;
    int rc = check_id(v, id, text, &at, e);
    if (!rc) rc = check_len(v, at, len, e);
    if (rc) return rc;
    const struct token_spec *t = &v->tokens[at];
    if (t->len && t->kind != TOKEN_NORMAL && t->len == len && memcmp(t->text, text, len) == 0) return 0;
    if (t->len) return fail_dup_id(v, at, text, e);
    if (len > v->cap - v->used) return err_set(e, ERR_INTERNAL, "%s: more text than the file holds", v->what);
    size_t bad;
    int64_t n = undo_alphabet(text, len, v->bytes + v->used, &bad);
    if (n < 0)
        return err_set(e, ERR_TOK_ALPHABET,
                       "%s: token %lld \"%.100s\" is outside the byte alphabet at byte %zu", v->what,
                       (long long)at, text, bad);
    take(v, at, (size_t)n, TOKEN_NORMAL);
    return 0;
}

int hf_vocab_add_all(struct hf_vocab *v, const struct js *vocab, struct err *e)
{
    int rc = 0;
    for (struct js_iter it = {0}; !rc && js_next(vocab, &it);)
        rc = hf_vocab_add(v, it.key, it.key_len, it.value, e);
    return rc;
}

int hf_vocab_seal(struct hf_vocab *v, struct err *e)
{
    for (size_t i = 0; i < v->n; i++)
        if (!v->tokens[i].len)
            return err_set(e, ERR_TOK_HOLE, "%s: no token has id %zu, though %zu tokens are given", v->what,
                           i, v->n);
    int rc = token_map_create(&v->map, v->tokens, v->n, e);
    for (size_t i = 0; i < v->n && !rc; i++) {
        int32_t other = token_map_add(&v->map, (uint32_t)i);
        if (other >= 0)
            rc = err_set(e, ERR_TOK_DUP_TEXT, "%s: tokens %d and %zu are the same text \"%.*s\"", v->what,
                         other, i, v->tokens[i].len < 100 ? (int)v->tokens[i].len : 100, v->tokens[i].text);
    }
    return rc;
}

/* ---- merges
 * ------------------------------------------------------------------------------------------------- */

static int32_t find_part(const struct hf_vocab *v, const char *s, size_t len)
{
    char raw[256], *big = NULL;
    size_t bad;
    if (len > sizeof raw && !(big = malloc(len))) return -1;
    int64_t n = undo_alphabet(s, len, big ? big : raw, &bad);
    int32_t id = n > 0 ? token_map_find(&v->map, big ? big : raw, (size_t)n) : -1;
    free(big);
    return id;
}

static int fail_part(const struct hf_vocab *v, const char *part, size_t len, struct err *e)
{
    return err_set(e, ERR_TOK_MERGE_OOV, "%s: merge %zu: \"%.*s\" is no token of the vocabulary", v->what,
                   v->n_merges, (int)(len < 100 ? len : 100), part);
}

int hf_vocab_merge(struct hf_vocab *v, const char *left, size_t left_len, const char *right, size_t right_len,
                   struct err *e)
{
    int32_t a = find_part(v, left, left_len), b = find_part(v, right, right_len);
    if (a < 0) return fail_part(v, left, left_len, e);
    if (b < 0) return fail_part(v, right, right_len, e);
    if (v->n_merges == v->merges_room) {
        size_t room = v->merges_room ? 2 * v->merges_room : 4096;
        uint32_t(*grown)[2] = realloc(v->merges, room * sizeof *grown);
        if (!grown) return no_memory(v, e);
        v->merges = grown;
        v->merges_room = room;
    }
    v->merges[v->n_merges][0] = (uint32_t)a;
    v->merges[v->n_merges++][1] = (uint32_t)b;
    return 0;
}

int hf_vocab_merge_line(struct hf_vocab *v, const char *line, size_t len, struct err *e)
{
    const char *space = memchr(line, ' ', len), *end = line + len;
    bool good =
        space && space > line && space + 1 < end && !memchr(space + 1, ' ', (size_t)(end - space - 1));
    if (!good)
        return err_set(e, ERR_TOK_MERGE, "%s: merge %zu \"%.*s\" is not two parts with one space between",
                       v->what, v->n_merges, (int)(len < 100 ? len : 100), line);
    return hf_vocab_merge(v, line, (size_t)(space - line), space + 1, (size_t)(end - space - 1), e);
}

int32_t hf_vocab_find(const struct hf_vocab *v, const char *text, size_t len)
{
    int32_t id = token_map_find(&v->map, text, len);
    return id >= 0 && v->tokens[id].kind != TOKEN_NORMAL ? id : find_part(v, text, len);
}
