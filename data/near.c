#include "data/near.h"

#include "data/prepare/question.h"

#include <stdlib.h>
#include <string.h>

enum { BAND = 4, BANDS = NEAR_HASHES / BAND };

/* ---- sketches ------------------------------------------------------------------------------------------ */

/* The finaliser of SplitMix64 (Steele et al. 2014). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void take(struct near_sketch *s, uint64_t phrase)
{
    for (uint64_t k = 0; k < NEAR_HASHES; k++) {
        uint32_t value = (uint32_t)mix(phrase + (k + 1) * 0x9e3779b97f4a7c15u);
        if (value < s->least[k]) s->least[k] = value;
    }
}

void near_sketch(struct near_sketch *out, const char *text, size_t len)
{
    uint64_t word[NEAR_WORDS] = {0}; /* hashes of the last ones, the newest first */
    uint64_t h;
    size_t words = 0, i = 0;
    memset(out, 0xff, sizeof *out);
    while (question_word(text, len, &i, &h)) {
        memmove(word + 1, word, sizeof word - sizeof *word);
        word[0] = h, words++;
        if (words >= NEAR_WORDS) take(out, mix(mix(mix(word[2]) + word[1]) + word[0]));
    }
    if (words < NEAR_WORDS) take(out, mix(mix(word[1]) + word[0]) + words); /* all of a short text */
}

double near_alike(const struct near_sketch *a, const struct near_sketch *b)
{
    uint32_t same = 0;
    for (uint32_t k = 0; k < NEAR_HASHES; k++) same += a->least[k] == b->least[k];
    return (double)same / NEAR_HASHES;
}

/* ---- groups -------------------------------------------------------------------------------------------- */

struct entry {
    uint64_t key; /* of a band's values */
    size_t text;
};

static int by_key(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->text < y->text ? -1 : x->text > y->text;
}

/* The first text of i's tree; paths are halved on the way. */
static size_t root(size_t *parent, size_t i)
{
    for (; parent[i] != i; i = parent[i]) parent[i] = parent[parent[i]];
    return i;
}

static void join(size_t *parent, size_t a, size_t b)
{
    size_t x = root(parent, a), y = root(parent, b);
    if (x < y)
        parent[y] = x;
    else
        parent[x] = y;
}

/* Joins texts that share this band's values with the one before them, or with the first of its run, and are
 * alike. */
static void run_band(const struct near_sketch *sketch, size_t n, uint32_t band, double alike,
                     struct entry *room, size_t *parent)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t key = 0;
        for (uint32_t k = 0; k < BAND; k++) key = mix(key + sketch[i].least[band * BAND + k] + 1);
        room[i] = (struct entry){key, i};
    }
    qsort(room, n, sizeof *room, by_key);
    for (size_t i = 1, first = 0; i < n; i++) {
        if (room[i].key != room[first].key) first = i;
        if (i == first) continue;
        const size_t with[] = {room[first].text, room[i - 1].text};
        for (int k = 0; k < 2; k++)
            if (near_alike(&sketch[room[i].text], &sketch[with[k]]) >= alike)
                join(parent, room[i].text, with[k]);
    }
}

int near_groups(const struct near_sketch *sketch, uint64_t *group, size_t n, double alike, size_t *joined,
                struct err *e)
{
    struct entry *room = malloc((n + 1) * sizeof *room);
    size_t *parent = malloc((n + 1) * sizeof *parent);
    int rc = room && parent ? 0 : err_set(e, ERR_NOMEM, "no memory to compare %zu texts", n);
    *joined = 0;
    for (size_t i = 0; !rc && i < n; i++) parent[i] = i;
    for (uint32_t band = 0; !rc && band < BANDS; band++) run_band(sketch, n, band, alike, room, parent);
    for (size_t i = 0; !rc && i < n; i++) {
        uint64_t first = group[root(parent, i)]; /* roots come first: theirs are as they were */
        *joined += group[i] != first;
        group[i] = first;
    }
    free(room), free(parent);
    return rc;
}
