#include "data/pack.h"

#include "data/order.h"

#include <stdlib.h>
#include <string.h>

enum { NONE = UINT32_MAX };

struct item {
    uint32_t n, place, row, doc; /* tokens; place in the window; row it is packed into */
};

struct row {
    uint64_t key;
    uint32_t room, next, number; /* next: another row with as much room */
};

struct packer {
    uint32_t capacity, most;
    struct item *items; /* [most] */
    struct row *rows;   /* [most] */
    uint32_t *rank;     /* [most] */
    /* Rows that have room, by it: the first of each list, and a bit where there is one. */
    uint32_t *first; /* [capacity + 1] */
    uint64_t *some;  /* [capacity / 64 + 1] */
};

int packer_create(struct packer **out, uint32_t capacity, uint32_t most, struct err *e)
{
    struct packer *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p) return err_set(e, ERR_NOMEM, "no memory to pack rows");
    p->capacity = capacity, p->most = most;
    p->items = malloc(most * sizeof *p->items);
    p->rows = malloc(most * sizeof *p->rows);
    p->rank = malloc(most * sizeof *p->rank);
    p->first = malloc((capacity + 1ull) * sizeof *p->first);
    p->some = malloc((capacity / 64 + 1) * sizeof *p->some);
    if (p->items && p->rows && p->rank && p->first && p->some) {
        *out = p;
        return 0;
    }
    packer_free(p);
    return err_set(e, ERR_NOMEM, "no memory to pack %u documents", most);
}

void packer_free(struct packer *p)
{
    if (!p) return;
    free(p->items), free(p->rows), free(p->rank), free(p->first), free(p->some);
    free(p);
}

/* ---- best fit ------------------------------------------------------------------------------------------ */

static void put(struct packer *p, uint32_t row)
{
    const uint32_t room = p->rows[row].room;
    uint64_t *word = &p->some[room / 64], bit = (uint64_t)1 << room % 64;
    p->rows[row].next = *word & bit ? p->first[room] : NONE;
    p->first[room] = row;
    *word |= bit;
}

/* Takes the row with the least room that is enough for n; NONE when there is none. */
static uint32_t take(struct packer *p, uint32_t n)
{
    uint32_t at = n / 64;
    uint64_t word = p->some[at] & UINT64_MAX << n % 64;
    while (!word && at < p->capacity / 64) word = p->some[++at];
    if (!word) return NONE;
    const uint32_t room = at * 64 + (uint32_t)__builtin_ctzll(word), row = p->first[room];
    p->first[room] = p->rows[row].next;
    if (p->first[room] == NONE) p->some[at] &= ~((uint64_t)1 << room % 64);
    return row;
}

static uint32_t best_fit(struct packer *p, uint32_t n, int together)
{
    uint32_t rows = 0;
    memset(p->some, 0, (p->capacity / 64 + 1) * sizeof *p->some);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = together ? take(p, p->items[i].n) : NONE;
        if (row == NONE) {
            row = rows++;
            p->rows[row].room = p->capacity;
        }
        p->items[i].row = row;
        p->rows[row].room -= p->items[i].n;
        put(p, row);
    }
    return rows;
}

/* ---- orders -------------------------------------------------------------------------------------------- */

static int longest_first(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->n != y->n) return x->n < y->n ? 1 : -1;
    return x->place < y->place ? -1 : 1;
}

static int by_row(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->row != y->row) return x->row < y->row ? -1 : 1;
    return x->place < y->place ? -1 : 1;
}

static int by_key(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

static void shuffle_rows(struct packer *p, uint32_t n, uint32_t rows, uint64_t key)
{
    for (uint32_t r = 0; r < rows; r++) p->rows[r].number = r, p->rows[r].key = order_mix(key, r);
    qsort(p->rows, rows, sizeof *p->rows, by_key);
    for (uint32_t r = 0; r < rows; r++) p->rank[p->rows[r].number] = r;
    for (uint32_t i = 0; i < n; i++) p->items[i].row = p->rank[p->items[i].row];
}

uint32_t pack(struct packer *p, uint32_t *docs, const uint32_t *lengths, uint32_t n, int together,
              uint64_t key, uint32_t *start)
{
    for (uint32_t i = 0; i < n; i++) p->items[i] = (struct item){lengths[i], i, 0, docs[i]};
    qsort(p->items, n, sizeof *p->items, longest_first);
    const uint32_t rows = best_fit(p, n, together);
    shuffle_rows(p, n, rows, key);
    qsort(p->items, n, sizeof *p->items, by_row);
    for (uint32_t i = 0; i < n; i++) {
        docs[i] = p->items[i].doc;
        if (i == 0 || p->items[i].row != p->items[i - 1].row) start[p->items[i].row] = i;
    }
    start[rows] = n;
    return rows;
}
