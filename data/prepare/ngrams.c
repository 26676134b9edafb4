#include "data/prepare/ngrams.h"

#include "data/order.h"
#include "data/prepare/question.h"
#include "data/problems.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 4096 };

/* ---- n-grams of a text --------------------------------------------------------------------------------- */

struct walk {
    const char *text;
    size_t len, at;
    uint32_t words, n; /* n: words so far */
    uint64_t ring[NGRAMS_WORDS_MAX];
    uint64_t sum; /* rolling: the words of the ring as digits to the base B, modulo 2^64 */
    uint64_t top; /* B^words */
};

static const uint64_t base = 0x9e3779b97f4a7c15u;

static void walk_start(struct walk *w, const char *text, size_t len, uint32_t words)
{
    *w = (struct walk){.text = text, .len = len, .words = words, .top = 1};
    for (uint32_t i = 0; i < words; i++) w->top *= base;
}

/* The next n-gram, never 0; at the end of a text of fewer words than n, all of it, told apart by their
 * number; 0 when there is no more. */
static uint64_t walk_next(struct walk *w)
{
    uint64_t word;
    while (question_word(w->text, w->len, &w->at, &word)) {
        uint64_t *slot = &w->ring[w->n % w->words];
        word = order_mix(0, word);
        w->sum = w->sum * base + word - (w->n >= w->words ? *slot * w->top : 0);
        *slot = word;
        if (++w->n >= w->words) return order_mix(1, w->sum) | 1;
    }
    if (w->n == 0 || w->n >= w->words) return 0;
    uint64_t all = order_mix(w->n + 1, w->sum) | 1;
    w->n = 0;
    return all;
}

/* ---- the set ------------------------------------------------------------------------------------------- */

static bool has(const struct ngrams *g, uint64_t h)
{
    for (size_t i = (h >> 1) & g->mask; g->at[i]; i = (i + 1) & g->mask)
        if (g->at[i] == h) return true;
    return false;
}

static void put(struct ngrams *g, uint64_t h)
{
    size_t i = (h >> 1) & g->mask;
    for (; g->at[i]; i = (i + 1) & g->mask)
        if (g->at[i] == h) return;
    g->at[i] = h;
    g->n++;
}

static int grow(struct ngrams *g, struct err *e)
{
    struct ngrams big = {.mask = 2 * g->mask + 1};
    big.at = calloc(big.mask + 1, sizeof *big.at);
    if (!big.at) return err_set(e, ERR_NOMEM, "no memory for the words of evaluation sets");
    for (size_t i = 0; i <= g->mask; i++)
        if (g->at[i]) put(&big, g->at[i]);
    free(g->at);
    g->at = big.at, g->mask = big.mask;
    return 0;
}

static int add(struct ngrams *g, const char *text, size_t len, struct err *e)
{
    struct walk w;
    int r = 0;
    walk_start(&w, text, len, g->words);
    for (uint64_t h; !r && (h = walk_next(&w));) {
        put(g, h);
        if (2 * g->n > g->mask) r = grow(g, e);
    }
    return r;
}

static int add_file(struct ngrams *g, const char *path, const struct nfc *nfc, struct err *e)
{
    struct problems p;
    int r = problems_load(&p, path, 0, e);
    if (r) return r;
    for (size_t i = 0; !r && i < p.n; i++) {
        char *text;
        size_t len;
        struct chat_turn turns[2] = {p.at[i].turns[p.at[i].n_turns - 1]};
        r = question_text(&text, &len, turns, 2, nfc, e);
        if (r) break;
        r = add(g, text, len, e);
        free(text);
    }
    g->questions += p.n;
    problems_clear(&p);
    return r;
}

/* What is in it, in whatever order it came. */
static int digest(struct ngrams *g, struct err *e)
{
    uint64_t *all = malloc((g->n + 1) * sizeof *all);
    size_t n = 0;
    if (!all) return err_set(e, ERR_NOMEM, "no memory for a digest");
    for (size_t i = 0; i <= g->mask; i++)
        if (g->at[i]) all[n++] = g->at[i];
    qsort(all, n, sizeof *all, order_ascending);
    all[n++] = g->words;
    int r = sha256_hex(all, n * sizeof *all, g->digest, e);
    free(all);
    return r;
}

int ngrams_load(struct ngrams *g, const char *const *files, size_t n, uint32_t words, struct err *e)
{
    struct nfc *nfc = NULL;
    *g = (struct ngrams){.words = words, .mask = FIRST_SLOTS - 1};
    g->at = calloc(FIRST_SLOTS, sizeof *g->at);
    int r = g->at ? nfc_create(&nfc, e) : err_set(e, ERR_NOMEM, "no memory for evaluation sets");
    for (size_t i = 0; !r && i < n; i++) r = add_file(g, files[i], nfc, e);
    if (!r) r = digest(g, e);
    nfc_free(nfc);
    if (r) ngrams_clear(g);
    return r;
}

void ngrams_clear(struct ngrams *g)
{
    free(g->at);
    *g = (struct ngrams){0};
}

bool ngrams_hit(const struct ngrams *g, const char *text, size_t len)
{
    struct walk w;
    walk_start(&w, text, len, g->words);
    for (uint64_t h; (h = walk_next(&w));)
        if (has(g, h)) return true;
    return false;
}
