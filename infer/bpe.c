#include "infer/bpe.h"
#include "infer/hash.h"

#include <stdlib.h>

int bpe_create(struct bpe *b, size_t n, struct err *e)
{
    size_t slots = 16;
    while (slots * 2 < n * 3) slots *= 2;
    *b = (struct bpe){.mask = slots - 1, .seed = hash_seed()};
    b->slots = malloc(slots * sizeof *b->slots);
    if (!b->slots) return err_set(e, ERR_NOMEM, "no memory for a table of %zu merges", n);
    for (size_t i = 0; i < slots; i++) b->slots[i] = (struct bpe_merge){.rank = BPE_NONE};
    return 0;
}

void bpe_free(struct bpe *b)
{
    free(b->slots);
    b->slots = NULL;
}

/* The slot that holds the pair, or the free one where it would be. */
static struct bpe_merge *slot_of(const struct bpe *b, uint32_t left, uint32_t right)
{
    uint64_t pair = (uint64_t)left << 32 | right;
    size_t at = hash_mix(pair ^ b->seed, 0x9fb21c651e98df25u) & b->mask;
    while (b->slots[at].pair != pair && b->slots[at].rank != BPE_NONE) at = (at + 1) & b->mask;
    return &b->slots[at];
}

int bpe_add(struct bpe *b, uint32_t left, uint32_t right, uint32_t rank, uint32_t id)
{
    struct bpe_merge *m = slot_of(b, left, right);
    if (m->rank != BPE_NONE) return -1;
    *m = (struct bpe_merge){(uint64_t)left << 32 | right, rank, id};
    return 0;
}

static uint32_t rank_of(const struct bpe *b, uint32_t left, uint32_t right)
{
    return slot_of(b, left, right)->rank;
}

/* ---- short words: look for the best pair again after each merge -------------------------------------------
 */

enum { SHORT = 64 };

static size_t encode_short(const struct bpe *b, const unsigned char *s, size_t n, uint32_t *ids)
{
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

/* At the place of its first byte. One struct, so that looking at a symbol costs one cache miss. */
struct bpe_symbol {
    uint32_t id, rank; /* rank: of the pair it makes with the next symbol */
    uint32_t next, prev;
};

struct chain {
    struct bpe_symbol *at;
    uint64_t *heap; /* rank << 32 | place; stale when at[place].rank differs */
    size_t n, heap_n;
};

/* Four children a node: half the levels of a binary heap, and the four are in one cache line or two. */
static size_t least_child(const uint64_t *heap, size_t n, size_t child)
{
    if (child + 4 <= n) {
        size_t a = child + (heap[child + 1] < heap[child]),
               b = child + 2 + (heap[child + 3] < heap[child + 2]);
        return heap[b] < heap[a] ? b : a;
    }
    size_t least = child;
    for (size_t i = child + 1; i < n; i++)
        if (heap[i] < heap[least]) least = i;
    return least;
}

static void sift_down(uint64_t *heap, size_t n, size_t at)
{
    uint64_t v = heap[at];
    for (size_t child; (child = 4 * at + 1) < n; at = child) {
        child = least_child(heap, n, child);
        if (heap[child] >= v) break;
        heap[at] = heap[child];
    }
    heap[at] = v;
}

static uint64_t heap_pop(struct chain *c)
{
    uint64_t top = c->heap[0];
    c->heap[0] = c->heap[--c->heap_n];
    if (c->heap_n) sift_down(c->heap, c->heap_n, 0);
    return top;
}

static void heap_push(struct chain *c, uint64_t v)
{
    size_t at = c->heap_n++;
    for (size_t up; at && c->heap[up = (at - 1) / 4] > v; at = up) c->heap[at] = c->heap[up];
    c->heap[at] = v;
}

static uint32_t pair_rank(const struct chain *c, const struct bpe *b, size_t at)
{
    size_t right = c->at[at].next;
    return right < c->n ? rank_of(b, c->at[at].id, c->at[right].id) : BPE_NONE;
}

/* The pair that starts at `at` has changed. */
static void update(struct chain *c, const struct bpe *b, size_t at)
{
    uint32_t rank = c->at[at].rank = pair_rank(c, b, at);
    if (rank != BPE_NONE) heap_push(c, (uint64_t)rank << 32 | at);
}

static void start(struct chain *c, const struct bpe *b, const unsigned char *s)
{
    for (size_t i = 0; i < c->n; i++)
        c->at[i] = (struct bpe_symbol){b->byte_ids[s[i]], BPE_NONE, (uint32_t)(i + 1), (uint32_t)(i - 1)};
    for (size_t i = 0; i < c->n; i++) {
        c->at[i].rank = pair_rank(c, b, i);
        if (c->at[i].rank != BPE_NONE) c->heap[c->heap_n++] = (uint64_t)c->at[i].rank << 32 | i;
    }
    for (size_t i = c->heap_n / 4 + 1; i-- > 0;)
        if (i < c->heap_n) sift_down(c->heap, c->heap_n, i);
}

static size_t encode_long(const struct bpe *b, const unsigned char *s, size_t n, struct bpe_scratch *w)
{
    struct chain c = {w->symbols, w->heap, n, 0};
    start(&c, b, s);
    while (c.heap_n) {
        uint64_t top = heap_pop(&c);
        size_t at = (uint32_t)top, right = c.at[at].next;
        if (c.at[at].rank != top >> 32) continue;
        c.at[at].id = slot_of(b, c.at[at].id, c.at[right].id)->id;
        c.at[right].rank = BPE_NONE;
        c.at[at].next = c.at[right].next;
        if (c.at[at].next < n) c.at[c.at[at].next].prev = (uint32_t)at;
        update(&c, b, at);
        if (at) update(&c, b, c.at[at].prev);
    }
    size_t count = 0;
    for (size_t i = 0; i < n; i = c.at[i].next) w->ids[count++] = c.at[i].id;
    return count;
}

/* Each merge takes one heap entry out and puts at most two in, so the heap never holds more than 2n. */
static int reserve(struct bpe_scratch *w, size_t n, struct err *e)
{
    if (n <= w->cap) return 0;
    size_t cap = n < 1024 ? 1024 : n + n / 2;
    bpe_scratch_free(w);
    w->ids = malloc(cap * sizeof *w->ids);
    w->symbols = malloc(cap * sizeof *w->symbols);
    w->heap = malloc(2 * cap * sizeof *w->heap);
    if (!w->ids || !w->symbols || !w->heap)
        return err_set(e, ERR_NOMEM, "no memory to encode a word of %zu bytes", n);
    w->cap = cap;
    return 0;
}

void bpe_scratch_free(struct bpe_scratch *s)
{
    free(s->ids);
    free(s->symbols);
    free(s->heap);
    *s = (struct bpe_scratch){0};
}

int bpe_encode(const struct bpe *b, const unsigned char *s, size_t n, struct bpe_scratch *w,
               const uint32_t **ids, size_t *count, struct err *e)
{
    int rc = reserve(w, n, e);
    if (rc) return rc;
    *count = n <= SHORT ? encode_short(b, s, n, w->ids) : encode_long(b, s, n, w);
    *ids = w->ids;
    return 0;
}
