/* Finds tokens by their bytes. */
#ifndef TERSE_INFER_TOKEN_MAP_H
#define TERSE_INFER_TOKEN_MAP_H

#include "infer/hash.h"
#include "infer/tokenizer.h"

#include <stdatomic.h>

/* A short token's bytes are in the slot itself, so that a word is found with one look into memory. */
struct token_slot {
    uint64_t head;        /* of a short token its bytes (token_key), of a long one its hash */
    uint32_t tail;        /* the rest of the bytes; a long one's length */
    _Atomic uint32_t tag; /* length (LONG: see tail), state and id + 1, in this order; 0: free */
};

enum {
    TOKEN_SHORT = 12,
    TOKEN_LONG = TOKEN_SHORT + 1,
    TAG_LEN = 28,   /* bits below the length */
    TAG_STATE = 26, /* bits below the state */
    TAG_ID = (1 << TAG_STATE) - 1
};

/* Does encoding a token's bytes give that one token? True of nearly all; then a pre-token with those bytes
 * needs no merging. Found out when first asked; any thread finds the same, so a relaxed store is enough. */
enum word_state { WORD_UNKNOWN, WORD_WHOLE, WORD_SPLIT };

struct token_map {
    const struct token_spec *tokens; /* not owned; a token's text must stay while it is in the map */
    struct token_slot *slots;
    size_t mask;
    uint64_t seed;
};

/* Room for ids 0 .. n-1 of tokens[]; empty at first. NOMEM leaves *m freed. */
int token_map_create(struct token_map *m, const struct token_spec *tokens, size_t n, struct err *e);
void token_map_free(struct token_map *m);
/* Adds token `id`. Returns -1, or the id of the token that has these bytes already (then nothing changes). */
int32_t token_map_add(struct token_map *m, uint32_t id);

/* What a slot holds of text[len], but for the id: with the length in the tag no two texts of at most 12 bytes
 * are alike. len >= 1. */
static inline struct token_slot token_key(const struct token_map *m, const char *text, size_t len)
{
    if (len > TOKEN_SHORT)
        return (struct token_slot){hash_bytes(text, len, m->seed), (uint32_t)len,
                                   (uint32_t)TOKEN_LONG << TAG_LEN};
    struct token_slot k = {hash_load(text, len), 0, (uint32_t)len << TAG_LEN};
    if (len > 8) memcpy(&k.tail, text + len - 4, 4);
    return k;
}

/* The slot of these bytes, or the free one where they would be. */
static inline struct token_slot *token_map_slot(const struct token_map *m, const char *text, size_t len)
{
    const struct token_slot k = token_key(m, text, len);
    const uint32_t kind = k.tag >> TAG_LEN;
    size_t at = hash_mix(k.head ^ m->seed, ((uint64_t)k.tail << 32 | kind) ^ 0xa0761d6478bd642fu) & m->mask;
    for (;; at = (at + 1) & m->mask) {
        struct token_slot *s = &m->slots[at];
        const uint32_t tag = atomic_load_explicit(&s->tag, memory_order_relaxed);
        if (!tag) return s;
        if (s->head != k.head || s->tail != k.tail || tag >> TAG_LEN != kind) continue;
        if (kind < TOKEN_LONG || memcmp(m->tokens[(tag & TAG_ID) - 1].text, text, len) == 0) return s;
    }
}

/* A token's id, -1 of a free slot. */
static inline int32_t token_slot_id(const struct token_slot *s)
{
    return (int32_t)(atomic_load_explicit(&s->tag, memory_order_relaxed) & TAG_ID) - 1;
}

static inline enum word_state token_slot_state(const struct token_slot *s)
{
    return (enum word_state)(atomic_load_explicit(&s->tag, memory_order_relaxed) >> TAG_STATE & 3);
}

/* From WORD_UNKNOWN. */
static inline void token_slot_learn(struct token_slot *s, enum word_state state)
{
    atomic_fetch_or_explicit(&s->tag, (uint32_t)state << TAG_STATE, memory_order_relaxed);
}

/* -1: no token has these bytes. */
static inline int32_t token_map_find(const struct token_map *m, const char *text, size_t len)
{
    return len ? token_slot_id(token_map_slot(m, text, len)) : -1;
}

#endif
