/* Byte pair encoding of one pre-token: the adjacent pair with the best rank is merged, leftmost first, until
 * none is left. */
#ifndef TERSE_INFER_BPE_H
#define TERSE_INFER_BPE_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

struct bpe_merge {
    uint64_t pair;     /* left id << 32 | right id */
    uint32_t rank, id; /* of the result; rank BPE_NONE = free slot */
};

#define BPE_NONE UINT32_MAX

struct bpe {
    struct bpe_merge *slots;
    size_t mask;
    uint64_t seed;
    uint32_t byte_ids[256];
};

/* An empty table with room for n merges. NOMEM leaves *b freed. */
int bpe_create(struct bpe *b, size_t n, struct err *e);
void bpe_free(struct bpe *b);
/* Returns 0, or -1 when the pair is there already. */
int bpe_add(struct bpe *b, uint32_t left, uint32_t right, uint32_t rank, uint32_t id);

/* Memory that one thread reuses from word to word; all zero at first. */
struct bpe_scratch {
    uint32_t *ids;
    struct bpe_symbol *symbols;
    uint64_t *heap;
    size_t cap; /* bytes of the longest word they hold */
};
void bpe_scratch_free(struct bpe_scratch *s);

/* Encodes s[0..n), n >= 1. *ids points to *count ids, valid until the next call on `w`. O(n log n). NOMEM. */
int bpe_encode(const struct bpe *b, const unsigned char *s, size_t n, struct bpe_scratch *w,
               const uint32_t **ids, size_t *count, struct err *e);

#endif
