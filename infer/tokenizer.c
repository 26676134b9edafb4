#include "infer/tokenizer_private.h"

#include <stdlib.h>

static int no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the tokenizer");
}

/* ---- building
 * ----------------------------------------------------------------------------------------------- */

static int check_token(const struct token_spec *s, size_t id, struct err *e)
{
    if (s->kind > TOKEN_UNUSED) return err_set(e, ERR_INTERNAL, "token %zu has kind %d", id, s->kind);
    if (s->len == 0) return err_set(e, ERR_TOK_EMPTY, "token %zu is the empty string", id);
    if (s->len > TOKEN_MAX_LEN)
        return err_set(e, ERR_TOK_LEN, "token %zu has %u bytes, the limit is %d", id, s->len, TOKEN_MAX_LEN);
    return 0;
}

static int copy_tokens(struct tokenizer *t, const struct tokenizer_spec *spec, struct err *e)
{
    size_t bytes = 0;
    for (size_t i = 0; i < spec->n; i++) {
        if (spec->tokens[i].kind == TOKEN_UNUSED) continue;
        int rc = check_token(&spec->tokens[i], i, e);
        if (rc) return rc;
        bytes += spec->tokens[i].len;
    }
    t->n = spec->n;
    t->tokens = malloc((spec->n + 1) * sizeof *t->tokens);
    t->bytes = malloc(bytes + 1);
    if (!t->tokens || !t->bytes) return no_memory(e);
    char *at = t->bytes;
    for (size_t i = 0; i < spec->n; i++) {
        t->tokens[i] = (struct token_spec){.text = at, .kind = spec->tokens[i].kind};
        if (t->tokens[i].kind == TOKEN_UNUSED) continue;
        t->tokens[i].len = spec->tokens[i].len;
        memcpy(at, spec->tokens[i].text, spec->tokens[i].len);
        at += spec->tokens[i].len;
    }
    return 0;
}

static int index_tokens(struct tokenizer *t, struct err *e)
{
    int rc = token_map_create(&t->map, t->tokens, t->n, e);
    for (size_t i = 0; i < t->n && !rc; i++) {
        if (t->tokens[i].kind == TOKEN_UNUSED) continue;
        int32_t other = token_map_add(&t->map, (uint32_t)i);
        if (other >= 0)
            rc = err_set(e, ERR_TOK_DUP_TEXT, "tokens %d and %zu are the same text \"%.*s\"", other, i,
                         (int)t->tokens[i].len, t->tokens[i].text);
    }
    return rc;
}

static int find_bytes(struct tokenizer *t, struct err *e)
{
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        int32_t id = token_map_find(&t->map, &byte, 1);
        if (id < 0 || t->tokens[id].kind != TOKEN_NORMAL)
            return err_set(e, ERR_TOK_BYTES,
                           "no token stands for byte 0x%02x; a byte-level vocabulary has all 256", c);
        t->bpe.byte_ids[c] = (uint32_t)id;
    }
    return 0;
}

static int fail_merge(struct err *e, int code, size_t rank, const char *what)
{
    return err_set(e, code, "merge %zu: %s", rank, what);
}

/* The token that merge `rank` makes: its parts' bytes joined. */
static int merge_result(const struct tokenizer *t, size_t rank, char *joined, uint32_t *id, struct err *e)
{
    uint32_t left = t->merges[rank][0], right = t->merges[rank][1];
    if (left >= t->n || t->tokens[left].kind != TOKEN_NORMAL)
        return fail_merge(e, ERR_TOK_MERGE_OOV, rank, "its left part is no token of the vocabulary");
    if (right >= t->n || t->tokens[right].kind != TOKEN_NORMAL)
        return fail_merge(e, ERR_TOK_MERGE_OOV, rank, "its right part is no token of the vocabulary");
    size_t a = t->tokens[left].len, b = t->tokens[right].len;
    int32_t found = -1;
    if (a + b <= TOKEN_MAX_LEN) {
        memcpy(joined, t->tokens[left].text, a);
        memcpy(joined + a, t->tokens[right].text, b);
        found = token_map_find(&t->map, joined, a + b);
    }
    if (found < 0) return fail_merge(e, ERR_TOK_MERGE_OOV, rank, "its result is no token of the vocabulary");
    if (t->tokens[found].kind != TOKEN_NORMAL)
        return fail_merge(e, ERR_TOK_SPECIAL, rank,
                          "its result is an added token, which plain text must not make");
    *id = (uint32_t)found;
    return 0;
}

static int copy_merges(struct tokenizer *t, const struct tokenizer_spec *spec, struct err *e)
{
    char *joined = malloc(TOKEN_MAX_LEN);
    t->merges = malloc((spec->n_merges + 1) * sizeof *t->merges);
    int rc = t->merges && joined ? bpe_create(&t->bpe, spec->n_merges, e) : no_memory(e);
    if (!rc && spec->n_merges) memcpy(t->merges, spec->merges, spec->n_merges * sizeof *t->merges);
    for (size_t i = 0; i < spec->n_merges && !rc; i++) {
        uint32_t id = 0;
        rc = merge_result(t, i, joined, &id, e);
        if (!rc && bpe_add(&t->bpe, t->merges[i][0], t->merges[i][1], (uint32_t)i, id) != 0)
            rc = fail_merge(e, ERR_TOK_MERGE_DUP, i, "the same pair was merged before");
    }
    t->n_merges = spec->n_merges;
    free(joined);
    return rc;
}

static int compare_added(const void *a, const void *b)
{
    const struct token_spec *x = *(const struct token_spec *const *)a;
    const struct token_spec *y = *(const struct token_spec *const *)b;
    unsigned char cx = (unsigned char)x->text[0], cy = (unsigned char)y->text[0];
    return cx != cy ? (cx < cy ? -1 : 1) : x->len != y->len ? (x->len > y->len ? -1 : 1) : 0;
}

static int index_added(struct tokenizer *t, struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += t->tokens[i].kind == TOKEN_CONTROL || t->tokens[i].kind == TOKEN_USER;
    const struct token_spec **sorted = malloc((n + 1) * sizeof *sorted); /* Android has no qsort_r */
    t->added = malloc((n + 1) * sizeof *t->added);
    if (!t->added || !sorted) {
        free(sorted);
        return no_memory(e);
    }
    n = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (t->tokens[i].kind != TOKEN_CONTROL && t->tokens[i].kind != TOKEN_USER) continue;
        sorted[n++] = &t->tokens[i];
        t->first[(unsigned char)t->tokens[i].text[0] + 1]++;
    }
    for (int c = 0; c < 256; c++) t->first[c + 1] += t->first[c];
    qsort(sorted, n, sizeof *sorted, compare_added);
    for (size_t i = 0; i < n; i++) t->added[i] = (uint32_t)(sorted[i] - t->tokens);
    free(sorted);
    return 0;
}

static int copy_eos(struct tokenizer *t, const struct tokenizer_spec *spec, struct err *e)
{
    if (spec->n_eos < 0 || spec->n_eos > TOKENIZER_MAX_EOS)
        return err_set(e, ERR_TOO_MANY, "%d end-of-text ids, the limit is %d", spec->n_eos,
                       TOKENIZER_MAX_EOS);
    for (int i = 0; i < spec->n_eos; i++) {
        int32_t id = spec->eos_ids[i];
        if (id < 0 || (size_t)id >= t->n || t->tokens[id].kind == TOKEN_UNUSED)
            return err_set(e, ERR_TOK_SPECIAL, "end-of-text id %d is no token; the vocabulary has %zu", id,
                           t->n);
        t->eos[t->n_eos++] = id;
    }
    if (!spec->default_system) return 0;
    t->default_system = strdup(spec->default_system);
    return t->default_system ? 0 : no_memory(e);
}

int tokenizer_create(struct tokenizer **out, const struct tokenizer_spec *spec, struct err *e)
{
    *out = NULL;
    if (spec->n > TOKENIZER_MAX || spec->n_merges > TOKENIZER_MAX)
        return err_set(e, ERR_TOO_MANY, "%zu tokens and %zu merges, the limit is %d", spec->n, spec->n_merges,
                       TOKENIZER_MAX);
    struct tokenizer *t = calloc(1, sizeof *t);
    if (!t) return no_memory(e);
    int rc = copy_tokens(t, spec, e);
    if (!rc) rc = index_tokens(t, e);
    if (!rc) rc = copy_merges(t, spec, e);
    if (!rc) rc = find_bytes(t, e);
    if (!rc) rc = index_added(t, e);
    if (!rc) rc = copy_eos(t, spec, e);
    if (!rc) rc = pretoken_create(&t->pretoken, e);
    if (!rc && spec->nfc) rc = nfc_create(&t->nfc, e);
    if (rc) {
        tokenizer_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void tokenizer_free(struct tokenizer *t)
{
    if (!t) return;
    nfc_free(t->nfc);
    pretoken_free(t->pretoken);
    bpe_free(&t->bpe);
    token_map_free(&t->map);
    free(t->default_system);
    free(t->added);
    free(t->merges);
    free(t->bytes);
    free(t->tokens);
    free(t);
}

/* ---- asking
 * ------------------------------------------------------------------------------------------------- */

static const struct token_spec *token_at(const struct tokenizer *t, int32_t id)
{
    static const struct token_spec none = {"", 0, TOKEN_UNUSED};
    return id < 0 || (size_t)id >= t->n ? &none : &t->tokens[id];
}

int32_t tokenizer_vocab(const struct tokenizer *t)
{
    return (int32_t)t->n;
}

const char *tokenizer_text(const struct tokenizer *t, int32_t id, size_t *len)
{
    *len = token_at(t, id)->len;
    return token_at(t, id)->text;
}

enum token_kind tokenizer_kind(const struct tokenizer *t, int32_t id)
{
    return (enum token_kind)token_at(t, id)->kind;
}

int32_t tokenizer_id(const struct tokenizer *t, const char *text, size_t len)
{
    return token_map_find(&t->map, text, len);
}

bool tokenizer_is_eos(const struct tokenizer *t, int32_t id)
{
    for (int i = 0; i < t->n_eos; i++)
        if (t->eos[i] == id) return true;
    return false;
}

const int32_t *tokenizer_eos(const struct tokenizer *t, int *n)
{
    *n = t->n_eos;
    return t->eos;
}

const uint32_t (*tokenizer_merges(const struct tokenizer *t, size_t *n))[2]
{
    *n = t->n_merges;
    return (const uint32_t(*)[2])t->merges;
}

bool tokenizer_nfc(const struct tokenizer *t)
{
    return t->nfc != NULL;
}

const char *tokenizer_default_system(const struct tokenizer *t)
{
    return t->default_system;
}
