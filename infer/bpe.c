#include "infer/bpe.h"
#include "infer/hash.h"

#include <stdlib.h>

int bpe_create(struct bpe *b, size_t n, struct err *e) {
    size_t slots = 16;
    while (slots * 2 < n * 3) slots *= 2;
    *b = (struct bpe){.mask = slots - 1, .seed = hash_seed()};
    b->slots = malloc(slots * sizeof *b->slots);
    if (!b->slots) return err_set(e, ERR_NOMEM, "no memory for a table of %zu merges", n);
    for (size_t i = 0; i < slots; i++) b->slots[i] = (struct bpe_merge){.rank = BPE_NONE};
    return 0;
}

void bpe_free(struct bpe *b) {
    free(b->slots);
    b->slots = NULL;
}

/* The slot that holds the pair, or the free one where it would be. */
static struct bpe_merge *slot_of(const struct bpe *b, uint32_t left, uint32_t right) {
    uint64_t pair = (uint64_t)left << 32 | right;
    size_t at = hash_mix(pair ^ b->seed, 0x9fb21c651e98df25u) & b->mask;
    while (b->slots[at].pair != pair && b->slots[at].rank != BPE_NONE) at = (at + 1) & b->mask;
    return &b->slots[at];
}

int bpe_add(struct bpe *b, uint32_t left, uint32_t right, uint32_t rank, uint32_t id) {
    struct bpe_merge *m = slot_of(b, left, right);
    if (m->rank != BPE_NONE) return -1;
    *m = (struct bpe_merge){(uint64_t)left << 32 | right, rank, id};
    return 0;
}

static uint32_t rank_of(const struct bpe *b, uint32_t left, uint32_t right) {
    return slot_of(b, left, right)->rank;
}

/* ---- short words: look for the best pair again after each merge -------------------------------------------
 */

enum { SHORT = 64 };

static size_t encode_short(const struct bpe *b, const unsigned char *s, size_t n, uint32_t *ids) {
    uint32_t ranks[SHORT];
    for (size_t i = 0; i < n; i++) ids[i] = b->byte_ids[s[i]];
    for (size_t i = 0; i + 1 < n; i++) ranks[i] = rank_of(b, ids[i], ids[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (ranks[i] < ranks[best]) best = i;
        if (ranks[best] == BPE_NONE) break;
        ids[best] = slot_of(b, ids[best], ids[best + 1])->id;
        n--;
        memmove(ids + best + 1, ids + best + 2, (n - best - 1) * sizeof *ids);
        if (best + 1 < n) {
            memmove(ranks + best, ranks + best + 1, (n - best - 1) * sizeof *ranks);
            ranks[best] = rank_of(b, ids[best], ids[best + 1]);
        }
        if (best) ranks[best - 1] = rank_of(b, ids[best - 1], ids[best]);
    }
    return n;
}

/* ---- long words: a linked list of symbols and a heap of (rank, place)
 * -------------------------------------- */

struct chain {
    uint32_t *ids, *ranks, *next, *prev; /* by place of the symbol's first byte; ranks: with its successor */
    uint64_t *heap;                      /* rank << 32 | place; stale when ranks[place] differs */
    size_t n, heap_n;
};

static void sift_down(uint64_t *heap, size_t n, size_t at) {
    uint64_t v = heap[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= v) break;
        heap[at] = heap[child];
    }
    heap[at] = v;
}

static uint64_t heap_pop(struct chain *c) {
    uint64_t top = c->heap[0];
    c->heap[0] = c->heap[--c->heap_n];
    if (c->heap_n) sift_down(c->heap, c->heap_n, 0);
    return top;
}

static void heap_push(struct chain *c, uint64_t v) {
    size_t at = c->heap_n++;
    for (size_t up; at && c->heap[up = (at - 1) / 2] > v; at = up) c->heap[at] = c->heap[up];
    c->heap[at] = v;
}

/* The rank of the pair that starts at `at` has changed. */
static void update(struct chain *c, const struct bpe *b, size_t at) {
    size_t right = c->next[at];
    c->ranks[at] = right < c->n ? rank_of(b, c->ids[at], c->ids[right]) : BPE_NONE;
    if (c->ranks[at] != BPE_NONE) heap_push(c, (uint64_t)c->ranks[at] << 32 | at);
}

static void start(struct chain *c, const struct bpe *b, const unsigned char *s) {
    for (size_t i = 0; i < c->n; i++) {
        c->ids[i] = b->byte_ids[s[i]];
        c->next[i] = (uint32_t)(i + 1);
        c->prev[i] = (uint32_t)(i - 1);
    }
    for (size_t i = 0; i < c->n; i++) {
        c->ranks[i] = i + 1 < c->n ? rank_of(b, c->ids[i], c->ids[i + 1]) : BPE_NONE;
        if (c->ranks[i] != BPE_NONE) c->heap[c->heap_n++] = (uint64_t)c->ranks[i] << 32 | i;
    }
    for (size_t i = c->heap_n / 2; i-- > 0;) sift_down(c->heap, c->heap_n, i);
}

static size_t encode_long(const struct bpe *b, const unsigned char *s, size_t n, struct bpe_scratch *w) {
    size_t stride = w->cap;
    struct chain c = {w->words, w->words + stride, w->words + 2 * stride, w->words + 3 * stride, w->heap, n,
                      0};
    start(&c, b, s);
    while (c.heap_n) {
        uint64_t top = heap_pop(&c);
        size_t at = (uint32_t)top, right = c.next[at];
        if (c.ranks[at] != top >> 32) continue;
        c.ids[at] = slot_of(b, c.ids[at], c.ids[right])->id;
        c.ranks[right] = BPE_NONE;
        c.next[at] = c.next[right];
        if (c.next[at] < n) c.prev[c.next[at]] = (uint32_t)at;
        update(&c, b, at);
        if (at) update(&c, b, c.prev[at]);
    }
    size_t count = 0;
    for (size_t i = 0; i < n; i = c.next[i]) c.ids[count++] = c.ids[i];
    return count;
}

/* Each merge takes one heap entry out and puts at most two in, so the heap never holds more than 2n. */
static int reserve(struct bpe_scratch *w, size_t n, struct err *e) {
    if (n <= w->cap) return 0;
    size_t cap = n < 1024 ? 1024 : n + n / 2;
    bpe_scratch_free(w);
    w->words = malloc(4 * cap * sizeof *w->words);
    w->heap = malloc(2 * cap * sizeof *w->heap);
    if (!w->words || !w->heap) return err_set(e, ERR_NOMEM, "no memory to encode a word of %zu bytes", n);
    w->cap = cap;
    return 0;
}

void bpe_scratch_free(struct bpe_scratch *s) {
    free(s->words);
    free(s->heap);
    *s = (struct bpe_scratch){0};
}

int bpe_encode(const struct bpe *b, const unsigned char *s, size_t n, struct bpe_scratch *w,
               const uint32_t **ids, size_t *count, struct err *e) {
    int rc = reserve(w, n, e);
    if (rc) return rc;
    *count = n <= SHORT ? encode_short(b, s, n, w->words) : encode_long(b, s, n, w);
    *ids = w->words;
    return 0;
}
