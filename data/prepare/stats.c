#include "data/prepare/stats.h"

#include "data/document.h"
#include "data/loader.h"
#include "data/order.h"
#include "data/pack.h"

#include <stdlib.h>
#include <string.h>

static bool is_doc(const struct fact *f)
{
    return !(f->flags & FACT_FATE);
}

/* ---- packing ------------------------------------------------------------------------------------------- */

struct packing {
    struct packer *packer;
    uint32_t docs[LOADER_WINDOW], lengths[LOADER_WINDOW], start[LOADER_WINDOW + 1]; /* of a window */
    uint32_t *all; /* lengths of all documents */
};

/* In windows of about the loader's, of documents in a random order. */
static uint64_t rows_count(struct packing *p, uint64_t n)
{
    const uint64_t windows = (n + LOADER_WINDOW - 1) / LOADER_WINDOW;
    uint64_t rows = 0;
    for (uint64_t w = 0; w < windows; w++) {
        const uint64_t from = n * w / windows, to = n * (w + 1) / windows;
        for (uint64_t i = from; i < to; i++) {
            p->docs[i - from] = (uint32_t)order_permute(0, i, n);
            p->lengths[i - from] = p->all[p->docs[i - from]];
        }
        rows += pack(p->packer, p->docs, p->lengths, (uint32_t)(to - from), 1, 0, p->start);
    }
    return rows;
}

int stats_cut_make(struct stats_cut *c, const struct facts *f, uint32_t cutoff_len, struct err *e)
{
    struct packing *p = calloc(1, sizeof *p);
    uint64_t n = 0, tokens = 0;
    *c = (struct stats_cut){.cutoff_len = cutoff_len};
    if (p) p->all = malloc((f->n + 1) * sizeof *p->all);
    int r = p && p->all ? packer_create(&p->packer, cutoff_len, LOADER_WINDOW, e)
                        : err_set(e, ERR_NOMEM, "no memory to pack %llu rows", (unsigned long long)f->n);
    for (uint64_t i = 0; !r && i < f->n; i++) {
        const struct fact *at = &f->at[i];
        if (!is_doc(at)) continue;
        bool over = at->tokens > cutoff_len;
        c->cut += over, c->lost += over ? at->tokens - cutoff_len : 0;
        c->gone += at->response_at >= cutoff_len;
        if (at->response_at >= cutoff_len) continue;
        p->all[n] = over ? cutoff_len : at->tokens;
        tokens += p->all[n++];
    }
    if (!r) c->rows = rows_count(p, n);
    if (c->rows) c->filled = (double)tokens / ((double)c->rows * cutoff_len);
    if (p) packer_free(p->packer), free(p->all);
    free(p);
    return r;
}

/* ---- lengths ------------------------------------------------------------------------------------------- */

static int ascending32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* A round number of tokens, so that all but the longest hundredth fit the bins. */
static double step_of(uint32_t most)
{
    static const double round[] = {1, 2, 2.5, 5, 10};
    for (double ten = 1;; ten *= 10)
        for (unsigned i = 0; i < sizeof round / sizeof *round; i++)
            if (round[i] * ten * STATS_BINS >= most && round[i] * ten >= 1) return round[i] * ten;
}

static int lengths(struct stats *s, const struct facts *f, struct err *e)
{
    uint32_t *all = malloc((f->n + 1) * sizeof *all);
    if (!all) return err_set(e, ERR_NOMEM, "no memory for %llu rows", (unsigned long long)f->n);
    uint64_t n = 0;
    for (uint64_t i = 0; i < f->n; i++)
        if (is_doc(&f->at[i])) all[n++] = f->at[i].tokens;
    qsort(all, n, sizeof *all, ascending32);
    s->median = all[n / 2], s->p90 = all[n - 1 - n / 10], s->longest = all[n - 1];
    s->step = step_of(all[n - 1 - n / 100]);
    for (uint64_t i = 0; i < n; i++) {
        size_t bin = (size_t)(all[i] / s->step);
        s->bins[bin < STATS_BINS ? bin : STATS_BINS - 1]++;
    }
    free(all);
    return 0;
}

/* ---- questions ----------------------------------------------------------------------------------------- */

struct pair {
    uint64_t question, content;
};

static int by_pair(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->question != y->question) return x->question < y->question ? -1 : 1;
    return x->content < y->content ? -1 : x->content > y->content;
}

static int questions(struct stats *s, const struct facts *f, struct err *e)
{
    struct pair *all = malloc((f->n + 1) * sizeof *all);
    uint64_t n = 0;
    if (!all) return err_set(e, ERR_NOMEM, "no memory for %llu rows", (unsigned long long)f->n);
    for (uint64_t i = 0; i < f->n; i++)
        if (is_doc(&f->at[i])) all[n++] = (struct pair){f->at[i].question, f->at[i].content};
    qsort(all, n, sizeof *all, by_pair);
    for (uint64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && all[end].question == all[i].question; end++)
            s->identical += all[end].content && all[end].content == all[end - 1].content;
        s->questions++;
        s->answers[end - i < STATS_ANSWERS ? end - i : STATS_ANSWERS - 1]++;
    }
    free(all);
    return 0;
}

int stats_make(struct stats *s, const struct facts *f, struct err *e)
{
    *s = (struct stats){.rows = f->n};
    for (uint64_t i = 0; i < f->n; i++) {
        const struct fact *at = &f->at[i];
        if (!is_doc(at)) continue;
        s->docs++, s->tokens += at->tokens, s->bytes += at->bytes;
        s->thinks += (at->flags & FACT_THINKS) != 0, s->finished += (at->flags & FACT_FINISHED) != 0;
        s->boxed += (at->flags & FACT_BOXED) != 0;
    }
    if (!s->docs)
        return err_set(e, ERR_DATA_EMPTY, "none of %llu rows can be learned from", (unsigned long long)f->n);
    int r = lengths(s, f, e);
    if (!r) r = questions(s, f, e);
    for (uint32_t i = 0; !r && i < STATS_CUTS; i++) r = stats_cut_make(&s->cuts[i], f, 2048u << i, e);
    return r;
}

/* ---- shards -------------------------------------------------------------------------------------------- */

int stats_shards(struct facts *f, const char *dir, struct err *e)
{
    static const char *const domains[DOMAIN_COUNT] = {"", "math", "code", "science", "chat"};
    struct shards *s;
    int r = shards_open(&s, dir, SHARDS_LAZY, e);
    if (r) return r;
    r = facts_reserve(f, shards_docs(s), e);
    for (uint64_t i = 0; !r && i < shards_docs(s); i++) {
        struct shard_doc d;
        r = shards_doc(s, i, &d, e);
        if (r) break;
        const char *source = shards_origin(s)->source_names[d.source], *domain = domains[d.domain];
        int64_t from = names_index(&f->sources, source, strlen(source), SOURCES_MAX, e);
        int64_t of = names_index(&f->domains, domain, strlen(domain), DOMAINS_MAX, e);
        if (from < 0 || of < 0) r = ERR_NOMEM;
        f->at[f->n++] = (struct fact){.question = d.question,
                                      .tokens = d.n,
                                      .response_at = d.response_at,
                                      .source = (uint16_t)from,
                                      .domain = (uint8_t)of};
    }
    shards_close(s);
    return r;
}
