#include "train/prompt_store.h"

#include <string.h>

void prompt_store_carve(struct arena *a, struct prompt_store *s, const struct prompt_store_config *c,
                        uint32_t width)
{
    s->count = c->docs + c->keep, s->keep = c->keep;
    s->at = arena_take(a, s->count, sizeof *s->at);
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t *ids = arena_take(a, c->max_tokens, sizeof *ids);
        float *x = arena_take(a, width, sizeof *x);
        if (s->at) s->at[i] = (struct stored_prompt){.ids = ids, .x = x};
    }
}

int prompt_store_open(struct prompt_store *s, struct kv_pool *pool, uint32_t max_tokens, struct err *e)
{
    int r = 0;
    for (uint32_t i = 0; i < s->count && !r; i++) r = kv_stream_create(&s->at[i].kv, pool, max_tokens, e);
    return r;
}

void prompt_store_free(struct prompt_store *s)
{
    for (uint32_t i = 0; s->at && i < s->count; i++) kv_stream_free(s->at[i].kv);
    *s = (struct prompt_store){0};
}

static void forget(struct stored_prompt *p)
{
    kv_stream_cut(p->kv, 0);
    p->n = 0, p->fresh = false;
}

static struct stored_prompt *find(struct prompt_store *s, const uint32_t *ids, uint32_t n)
{
    for (struct stored_prompt *p = s->at; p < s->at + s->count; p++)
        if (p->n == n && !memcmp(p->ids, ids, n * sizeof *ids)) return p;
    return NULL;
}

/* Forgets what is over the limit, the longest not asked for first, and what a row that failed has left. */
static void shrink(struct prompt_store *s)
{
    for (;;) {
        struct stored_prompt *oldest = NULL;
        uint32_t pages = 0;
        for (struct stored_prompt *p = s->at; p < s->at + s->count; p++) {
            if (!p->n || p->asked == s->row) continue;
            pages += p->kv->pages;
            if (!oldest || p->asked < oldest->asked) oldest = p;
        }
        if (pages <= s->keep) return;
        forget(oldest);
    }
}

static int add(struct prompt_store *s, const uint32_t *ids, uint32_t n, struct stored_prompt **out,
               struct err *e)
{
    struct stored_prompt *p = s->at;
    while (p->n) p++; /* shrink has left more places than a row has documents */
    int r = kv_stream_extend(p->kv, n, e);
    if (r) return r;
    memcpy(p->ids, ids, n * sizeof *ids);
    p->n = n, p->fresh = true;
    *out = p;
    return 0;
}

int prompt_store_ask(struct prompt_store *s, const uint32_t *const *ids, const uint32_t *n, uint32_t docs,
                     struct stored_prompt **out, struct err *e)
{
    s->row++;
    for (struct stored_prompt *p = s->at; p < s->at + s->count; p++)
        if (p->fresh) forget(p);
    for (uint32_t i = 0; i < docs; i++) {
        struct stored_prompt *p = n[i] ? find(s, ids[i], n[i]) : NULL;
        if (p) p->asked = s->row;
    }
    shrink(s);
    for (uint32_t i = 0; i < docs; i++) {
        out[i] = n[i] ? find(s, ids[i], n[i]) : NULL;
        int r = n[i] && !out[i] ? add(s, ids[i], n[i], &out[i], e) : 0;
        if (r) return r;
        if (out[i]) out[i]->asked = s->row;
    }
    return 0;
}

void prompt_store_ran(struct prompt_store *s)
{
    for (struct stored_prompt *p = s->at; p < s->at + s->count; p++) p->fresh = false;
}
