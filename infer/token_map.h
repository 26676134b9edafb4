/* Finds tokens by their bytes. */
#ifndef TERSE_INFER_TOKEN_MAP_H
#define TERSE_INFER_TOKEN_MAP_H

#include "infer/hash.h"
#include "infer/tokenizer.h"

struct token_map {
    const struct token_spec *tokens; /* not owned; a token's text must stay while it is in the map */
    uint64_t *slots;                 /* upper half of the hash, then id + 1; 0 = free */
    size_t mask;
    uint64_t seed;
};

/* Room for ids 0 .. n-1 of tokens[]; empty at first. NOMEM leaves *m freed. */
int token_map_create(struct token_map *m, const struct token_spec *tokens, size_t n, struct err *e);
void token_map_free(struct token_map *m);
/* Adds token `id`. Returns -1, or the id of the token that has these bytes already (then nothing changes). */
int32_t token_map_add(struct token_map *m, uint32_t id);

static inline int32_t token_map_find(const struct token_map *m, const char *text, size_t len)
{
    uint64_t h = hash_bytes(text, len, m->seed), slot;
    for (size_t at = h & m->mask; (slot = m->slots[at]); at = (at + 1) & m->mask) {
        if ((slot ^ h) >> 32) continue;
        const struct token_spec *t = &m->tokens[(uint32_t)slot - 1];
        if (t->len == len && memcmp(t->text, text, len) == 0) return (int32_t)((uint32_t)slot - 1);
    }
    return -1;
}

#endif
