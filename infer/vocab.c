#include "infer/vocab.h"
#include "infer/byte_alphabet.h"

#include <stdlib.h>
#include <string.h>

/* ---- tokens
 * ------------------------------------------------------------------------------------------------- */

static int no_memory(const struct vocab *v, struct err *e)
{
    return err_set(e, ERR_NOMEM, "%s: no memory for the vocabulary", v->what);
}

/* Ids a little beyond the count are taken, so that vocab_seal can name the hole. */
enum { SPARE_IDS = 4096 };

int vocab_init(struct vocab *v, const char *what, size_t tokens, size_t bytes, int64_t rows, struct err *e)
{
    *v = (struct vocab){.what = what, .rows = rows, .room = tokens + SPARE_IDS, .cap = bytes};
    v->tokens = calloc(v->room, sizeof *v->tokens);
    v->bytes = malloc(bytes + 1);
    return v->tokens && v->bytes ? 0 : no_memory(v, e);
}

void vocab_free(struct vocab *v)
{
    token_map_free(&v->map);
    free(v->merges);
    free(v->bytes);
    free(v->tokens);
    *v = (struct vocab){0};
}

/* What of a text a message shows. */
#define SHOWN(text, len) (int)((len) < 100 ? (len) : 100), text

static int check_id(const struct vocab *v, int64_t id, const char *text, size_t len, struct err *e)
{
    if (id < 0 || id > INT32_MAX)
        return err_set(e, ERR_TOK_ID, "%s: the id of token \"%.*s\" is no integer from 0 to %d", v->what,
                       SHOWN(text, len), INT32_MAX);
    if (v->rows > 0 && id >= v->rows)
        return err_set(e, ERR_TOK_EMBED, "%s: token \"%.*s\" has id %lld, the embedding has %lld rows",
                       v->what, SHOWN(text, len), (long long)id, (long long)v->rows);
    if ((size_t)id >= v->room)
        return err_set(e, ERR_TOK_HOLE, "%s: token \"%.*s\" has id %lld, but there are only %zu tokens",
                       v->what, SHOWN(text, len), (long long)id, v->room - SPARE_IDS);
    return 0;
}

static int check_len(const struct vocab *v, int64_t id, size_t len, struct err *e)
{
    if (!len) return err_set(e, ERR_TOK_EMPTY, "%s: token %lld is the empty string", v->what, (long long)id);
    if (len <= TOKEN_MAX_LEN) return 0;
    return err_set(e, ERR_TOK_LEN, "%s: token %lld has %zu bytes, the limit is %d", v->what, (long long)id,
                   len, TOKEN_MAX_LEN);
}

static int fail_dup_id(const struct vocab *v, int64_t id, const char *text, size_t len, struct err *e)
{
    return err_set(e, ERR_TOK_DUP_ID, "%s: id %lld belongs to \"%.*s\" and to \"%.*s\"", v->what,
                   (long long)id, SHOWN(v->tokens[id].text, v->tokens[id].len), SHOWN(text, len));
}

static bool taken(const struct token_spec *t)
{
    return t->len || t->kind == TOKEN_UNUSED;
}

/* The text is at v->bytes + v->used already. */
static void take(struct vocab *v, int64_t id, size_t len, enum token_kind kind)
{
    v->tokens[id] = (struct token_spec){v->bytes + v->used, (uint32_t)len, (uint8_t)kind};
    v->used += len;
    v->n++;
}

int vocab_add_special(struct vocab *v, int64_t at, const char *text, size_t len, bool special, struct err *e)
{
    int rc = check_id(v, at, text, len, e);
    if (!rc) rc = check_len(v, at, len, e);
    if (rc) return rc;
    if (taken(&v->tokens[at])) return fail_dup_id(v, at, text, len, e);
    if (len > v->cap - v->used) return err_set(e, ERR_INTERNAL, "%s: more text than the file holds", v->what);
    memcpy(v->bytes + v->used, text, len);
    take(v, at, len, special ? TOKEN_CONTROL : TOKEN_USER);
    return 0;
}

int vocab_add(struct vocab *v, int64_t at, const char *text, size_t len, struct err *e)
{
    int rc = check_id(v, at, text, len, e);
    if (!rc) rc = check_len(v, at, len, e);
    if (rc) return rc;
    const struct token_spec *t = &v->tokens[at];
    if (t->len && t->kind != TOKEN_NORMAL && t->len == len && memcmp(t->text, text, len) == 0) return 0;
    if (taken(t)) return fail_dup_id(v, at, text, len, e);
    if (len > v->cap - v->used) return err_set(e, ERR_INTERNAL, "%s: more text than the file holds", v->what);
    size_t bad;
    int64_t n = alphabet_undo(text, len, v->bytes + v->used, &bad);
    if (n < 0)
        return err_set(e, ERR_TOK_ALPHABET,
                       "%s: token %lld \"%.*s\" is outside the byte alphabet at byte %zu", v->what,
                       (long long)at, SHOWN(text, len), bad);
    take(v, at, (size_t)n, TOKEN_NORMAL);
    return 0;
}

int vocab_add_unused(struct vocab *v, int64_t at, struct err *e)
{
    int rc = check_id(v, at, "", 0, e);
    if (rc) return rc;
    if (taken(&v->tokens[at])) return fail_dup_id(v, at, "", 0, e);
    take(v, at, 0, TOKEN_UNUSED);
    return 0;
}

int vocab_seal(struct vocab *v, struct err *e)
{
    for (size_t i = 0; i < v->n; i++)
        if (!taken(&v->tokens[i]))
            return err_set(e, ERR_TOK_HOLE, "%s: no token has id %zu, though %zu tokens are given", v->what,
                           i, v->n);
    int rc = token_map_create(&v->map, v->tokens, v->n, e);
    for (size_t i = 0; i < v->n && !rc; i++) {
        if (!v->tokens[i].len) continue;
        int32_t other = token_map_add(&v->map, (uint32_t)i);
        if (other >= 0)
            rc = err_set(e, ERR_TOK_DUP_TEXT, "%s: tokens %d and %zu are the same text \"%.*s\"", v->what,
                         other, i, SHOWN(v->tokens[i].text, v->tokens[i].len));
    }
    return rc;
}

/* ---- merges
 * ------------------------------------------------------------------------------------------------- */

static int32_t find_part(const struct vocab *v, const char *s, size_t len)
{
    char raw[256], *big = NULL;
    size_t bad;
    if (len > sizeof raw && !(big = malloc(len))) return -1;
    int64_t n = alphabet_undo(s, len, big ? big : raw, &bad);
    int32_t id = n > 0 ? token_map_find(&v->map, big ? big : raw, (size_t)n) : -1;
    free(big);
    return id;
}

static int fail_part(const struct vocab *v, const char *part, size_t len, struct err *e)
{
    return err_set(e, ERR_TOK_MERGE_OOV, "%s: merge %zu: \"%.*s\" is no token of the vocabulary", v->what,
                   v->n_merges, SHOWN(part, len));
}

int vocab_merge(struct vocab *v, const char *left, size_t left_len, const char *right, size_t right_len,
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

int vocab_merge_line(struct vocab *v, const char *line, size_t len, struct err *e)
{
    const char *space = memchr(line, ' ', len), *end = line + len;
    bool good =
        space && space > line && space + 1 < end && !memchr(space + 1, ' ', (size_t)(end - space - 1));
    if (!good)
        return err_set(e, ERR_TOK_MERGE, "%s: merge %zu \"%.*s\" is not two parts with one space between",
                       v->what, v->n_merges, SHOWN(line, len));
    return vocab_merge(v, line, (size_t)(space - line), space + 1, (size_t)(end - space - 1), e);
}

int32_t vocab_find(const struct vocab *v, const char *text, size_t len)
{
    int32_t id = token_map_find(&v->map, text, len);
    return id >= 0 && v->tokens[id].kind != TOKEN_NORMAL ? id : find_part(v, text, len);
}
