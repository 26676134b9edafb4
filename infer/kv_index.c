/* Pages by what they hold. A page is named by its 64 tokens, their gate, and the page before it, itself found
 * the same way; so a match is exact, and the hash only says where to look. A page whose predecessor is gone
 * cannot be found any more. It hardly comes to that before it is evicted itself: who holds or lets go of a
 * page does so with all before it, the later ones first, so that what comes before is always the more recent.
 */
#include "infer/hash.h"
#include "infer/kv_pool.h"

/* ---- resting pages, oldest to newest ------------------------------------------------------------------ */

static void rest(struct kv_pool *p, uint32_t page)
{
    p->page[page].older = p->newest, p->page[page].newer = NO_PAGE;
    if (p->newest == NO_PAGE)
        p->oldest = (int32_t)page;
    else
        p->page[p->newest].newer = (int32_t)page;
    p->newest = (int32_t)page;
    p->resting++;
}

static void rise(struct kv_pool *p, uint32_t page)
{
    const struct page *g = &p->page[page];
    if (g->older == NO_PAGE)
        p->oldest = g->newer;
    else
        p->page[g->older].newer = g->newer;
    if (g->newer == NO_PAGE)
        p->newest = g->older;
    else
        p->page[g->newer].older = g->older;
    p->resting--;
}

void page_hold(struct kv_pool *p, uint32_t page)
{
    if (p->page[page].owners++ == 0) rise(p, page);
}

uint32_t page_evict(struct kv_pool *p)
{
    uint32_t page = (uint32_t)p->oldest;
    rise(p, page);
    page_forget(p, page);
    p->evicted++;
    return page;
}

void page_drop(struct kv_pool *p, uint32_t page)
{
    if (--p->page[page].owners > 0) return;
    if (!p->page[page].serial) {
        p->spare[p->unused++] = (int32_t)page;
        return;
    }
    rest(p, page);
    if (p->resting > p->c.resting) p->spare[p->unused++] = (int32_t)page_evict(p);
}

/* ---- by content --------------------------------------------------------------------------------------- */

/* The gate as block `block` sees it: equal for all that gives the same keys and values there. */
static struct kv_gate gate_in(struct kv_gate g, uint32_t block)
{
    uint32_t base = block * KV_PAGE;
    if (g.from >= base + KV_PAGE) return (struct kv_gate){0, KV_PAGE};
    return (struct kv_gate){g.adapter, g.from > base ? g.from - base : 0};
}

static int32_t *bucket_of(struct kv_pool *p, uint64_t parent, struct kv_gate g, const int32_t *ids)
{
    uint64_t h = hash_bytes((const char *)ids, KV_PAGE * sizeof *ids, p->seed);
    h = hash_mix(h ^ parent, p->seed ^ (g.adapter * KV_PAGE + g.from));
    return &p->bucket[h & (p->buckets - 1)];
}

static int32_t look_up(struct kv_pool *p, uint64_t parent, struct kv_gate g, const int32_t *ids)
{
    int32_t page = *bucket_of(p, parent, g, ids);
    for (; page != NO_PAGE; page = p->page[page].next) {
        const struct page *a = &p->page[page];
        if (a->parent == parent && a->gate.from == g.from && a->gate.adapter == g.adapter &&
            !memcmp(a->ids, ids, sizeof a->ids))
            break;
    }
    return page;
}

void page_forget(struct kv_pool *p, uint32_t page)
{
    struct page *a = &p->page[page];
    if (!a->serial) return;
    int32_t *at = bucket_of(p, a->parent, a->gate, a->ids);
    while (*at != (int32_t)page) at = &p->page[*at].next;
    *at = a->next;
    a->serial = 0;
}

void kv_stream_offer(struct kv_stream *s, uint32_t block, const int32_t *ids, struct kv_gate gate)
{
    struct kv_pool *p = s->pool;
    struct kv_gate g = gate_in(gate, block);
    struct page *a = &p->page[s->page[block]];
    uint64_t parent = block ? p->page[s->page[block - 1]].serial : KV_ROOT;
    if (!p->buckets || !parent || a->serial) return;
    int32_t same = look_up(p, parent, g, ids);
    if (same != NO_PAGE) {
        page_hold(p, (uint32_t)same);
        page_drop(p, s->page[block]);
        s->page[block] = (uint32_t)same;
        return;
    }
    int32_t *at = bucket_of(p, parent, g, ids);
    a->serial = ++p->serial, a->parent = parent, a->gate = g, a->next = *at;
    memcpy(a->ids, ids, sizeof a->ids);
    *at = (int32_t)(a - p->page);
}

/* How many blocks can be found. */
static uint32_t match(struct kv_pool *p, const int32_t *ids, uint32_t n, struct kv_gate gate)
{
    uint64_t parent = KV_ROOT;
    uint32_t block = 0;
    for (; p->buckets && block < n / KV_PAGE; block++) {
        int32_t page = look_up(p, parent, gate_in(gate, block), ids + block * KV_PAGE);
        if (page == NO_PAGE) break;
        parent = p->page[page].serial;
    }
    return block;
}

uint32_t kv_find(struct kv_pool *p, const int32_t *ids, uint32_t n, struct kv_gate gate)
{
    uint32_t blocks = match(p, ids, n, gate);
    p->asked += p->buckets ? n / KV_PAGE : 0, p->found += blocks;
    return blocks * KV_PAGE;
}

/* Pages are held before those that the stream had are let go, the last of these first. */
uint32_t kv_stream_find(struct kv_stream *s, const int32_t *ids, uint32_t n, struct kv_gate gate)
{
    struct kv_pool *p = s->pool;
    uint32_t blocks = match(p, ids, n, gate);
    for (int pass = 0; pass < 2; pass++) {
        uint64_t parent = KV_ROOT;
        for (uint32_t block = 0; block < blocks; block++) {
            int32_t page = look_up(p, parent, gate_in(gate, block), ids + block * KV_PAGE);
            parent = p->page[page].serial;
            if (pass == 0)
                page_hold(p, (uint32_t)page);
            else
                s->page[block] = (uint32_t)page;
        }
        if (pass == 0) kv_stream_cut(s, 0);
    }
    s->pages = blocks;
    return s->length = blocks * KV_PAGE;
}

void kv_index_stats(const struct kv_pool *p, struct kv_index_stats *out)
{
    *out =
        (struct kv_index_stats){p->asked, p->found, p->evicted, p->resting, p->c.resting, 0, p->page_bytes};
    out->held = p->c.pages - p->unused - p->resting;
}
