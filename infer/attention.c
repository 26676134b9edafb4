/* Causal attention, blocked over the keys (Dao et al. 2022, online softmax): memory O(rows).
 *
 * What a row's result is. Its keys are visited in pages of 64 absolute positions, 8 pages a chunk. In a
 * chunk, page by page, a running maximum, sum and weighted sum of values are kept; the chunks' three are then
 * merged in ascending order. Decode, prefill and training all compute this, so a row meets the same
 * operations in the same order whatever else is in its pass, and chunks can be computed at the same time.
 *
 * How it is computed. The keys of a page are a weight matrix and its values another: both products are
 * gemm's. A tile is some rows of the pass, of one sequence or of many, and one key/value head; tokens of a
 * tile that stand side by side and share a page visit it in one product. Rows that see less of the page than
 * others have probability 0 for the rest, which changes no bit of a sum. A unit of work is a tile, or, where
 * tiles are fewer than threads, a chunk of a tile. */
#include "infer/forward.h"
#include "kernels/math.h"

enum { TILE_ROWS = 112, CHUNK_PAGES = 8, CHUNK = CHUNK_PAGES * KV_PAGE, UNITS_A_THREAD = 4 };

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t group_of(const struct model *m)
{
    return m->c.heads / m->c.kv_heads;
}

/* Tokens of a tile at most. */
static int64_t tile_most(const struct model *m)
{
    int64_t group = group_of(m);
    return group >= TILE_ROWS ? 1 : TILE_ROWS / group;
}

/* What is known of a tile's rows after some pages. */
struct state {
    float *o;         /* [rows][K] weighted sum of values */
    float *max, *sum; /* [rows] of scores; of their exponentials */
};

/* A token's place in the tile. */
struct seat {
    const struct kv_stream *kv;
    int64_t row, pos;
};

/* Private scratch of a unit; rows are (token, query head of the group). */
struct tile {
    const struct model *m;
    uint32_t layer, head;
    int64_t tokens, group, k;
    struct seat *seat; /* [tokens] */
    char *q;           /* packed [rows][K] */
    float *s;          /* [rows][64] scores */
    char *p;           /* packed [rows][64] probabilities */
    struct state all, part;
};

static void state_carve(struct arena *a, struct state *s, const struct model *m)
{
    size_t rows = (size_t)(tile_most(m) * group_of(m));
    s->o = arena_take(a, rows * m->c.head_dim, sizeof(float));
    s->max = arena_take(a, rows, sizeof(float));
    s->sum = arena_take(a, rows, sizeof(float));
}

static void tile_carve(struct arena *a, struct tile *t, const struct model *m)
{
    size_t tokens = (size_t)tile_most(m), rows = tokens * (size_t)group_of(m),
           act = m->kern.act_bytes[m->type];
    t->m = m, t->k = m->c.head_dim, t->group = group_of(m);
    t->seat = arena_take(a, tokens, sizeof *t->seat);
    t->q = arena_take(a, rows * m->c.head_dim, act);
    t->s = arena_take(a, rows * KV_PAGE, sizeof(float));
    t->p = arena_take(a, rows * KV_PAGE, act);
    state_carve(a, &t->all, m);
    state_carve(a, &t->part, m);
}

size_t attention_scratch(const struct model *m)
{
    struct arena count = {0};
    struct tile t;
    tile_carve(&count, &t, m);
    return count.used;
}

static size_t state_bytes(const struct model *m)
{
    struct arena count = {0};
    struct state s;
    state_carve(&count, &s, m);
    return count.used;
}

/* ---- one page --------------------------------------------------------------------------------------------
 */

static void scale_by(int64_t n, const float *scale, float *x)
{
    for (int64_t i = 0; i < n; i++) x[i] *= scale[i];
}

/* Scores of one row -> probabilities of the n keys it sees; earlier output fades. An 8-bit key's scale
 * multiplies its score, an 8-bit value's its probability, after the sum has taken that. */
static void row_softmax(const struct tile *t, const struct state *st, const struct kv_block *b, int64_t row,
                        int64_t n, int first)
{
    const struct kernels *kn = &t->m->kern;
    float *s = t->s + row * KV_PAGE, *o = st->o + row * t->k, scale = 1.0f / sqrtf((float)t->k);
    if (first) st->max[row] = -(float)INFINITY, st->sum[row] = 0;
    if (b->key_scale) scale_by(n, b->key_scale, s);
    float fade = kn->softmax_block(n, KV_PAGE, scale, b->type != WT_F32, s, s, &st->max[row], &st->sum[row]);
    if (!first && fade != 1.0f) kn->scale(t->k, fade, o, o);
    if (b->value_scale) scale_by(n, b->value_scale, s);
}

/* Tokens [from, to) of the tile, which share the page that holds positions base..base+63. first: of their
 * chunk. */
static void page_visit(const struct tile *t, const struct state *st, int64_t from, int64_t to, int64_t base,
                       const struct kv_block *b, int first)
{
    const struct kernels *kn = &t->m->kern;
    size_t act = kn->act_bytes[b->type];
    int64_t row = from * t->group, rows = (to - from) * t->group, most = 0;
    for (int64_t i = from; i < to; i++) {
        int64_t n = min64(KV_PAGE, t->seat[i].pos - base + 1);
        most = n > most ? n : most;
    }
    most = (most + 3) & ~3; /* whole quads of 8-bit values */
    kn->gemm[b->type](rows, t->k, most > PANEL ? KV_PAGE : PANEL, t->q + (size_t)(row * t->k) * act, t->k,
                      b->keys, t->s + row * KV_PAGE, KV_PAGE, 0);
    for (int64_t r = row; r < row + rows; r++)
        row_softmax(t, st, b, r, min64(KV_PAGE, t->seat[r / t->group].pos - base + 1), first);
    char *p = t->p + (size_t)(row * KV_PAGE) * act;
    kn->act_pack[b->type](rows, KV_PAGE, t->s + row * KV_PAGE, KV_PAGE, p, KV_PAGE);
    for (int64_t d = 0; d < t->k; d += PANEL) {
        const char *panel = (const char *)b->values + (size_t)(d / PANEL) * panel_bytes(b->type, KV_PAGE);
        kn->gemm[b->type](rows, most, min64(PANEL, t->k - d), p, KV_PAGE, panel, st->o + row * t->k + d, t->k,
                          !first);
    }
}

/* ---- one chunk -------------------------------------------------------------------------------------------
 */

/* All tokens of the tile meet the pages of a chunk that they see. */
static void chunk_visit(const struct tile *t, const struct state *st, int64_t chunk)
{
    for (int64_t page = chunk * CHUNK_PAGES, end = page + CHUNK_PAGES; page < end; page++) {
        int64_t base = page * KV_PAGE;
        for (int64_t i = 0, to; i < t->tokens; i = to) {
            to = i + 1;
            if (t->seat[i].pos < base) continue;
            struct kv_block b = kv_block(t->seat[i].kv, (uint32_t)page, t->layer, t->head);
            while (to < t->tokens && t->seat[to].pos >= base &&
                   kv_block(t->seat[to].kv, (uint32_t)page, t->layer, t->head).keys == b.keys)
                to++;
            page_visit(t, st, i, to, base, &b, page % CHUNK_PAGES == 0);
        }
    }
}

static int64_t last_chunk(const struct tile *t)
{
    int64_t last = 0;
    for (int64_t i = 0; i < t->tokens; i++) last = t->seat[i].pos > last ? t->seat[i].pos : last;
    return last / CHUNK;
}

/* Adds a chunk's state to that of all before it. */
static void chunk_merge(const struct tile *t, const struct state *all, const struct state *part,
                        int64_t chunk)
{
    const struct kernels *kn = &t->m->kern;
    for (int64_t r = 0; r < t->tokens * t->group; r++) {
        if (t->seat[r / t->group].pos < chunk * CHUNK) continue;
        float *o = all->o + r * t->k, top = part->max[r] > all->max[r] ? part->max[r] : all->max[r];
        float old = exp_f32(all->max[r] - top), new = exp_f32(part->max[r] - top);
        if (old != 1.0f) kn->scale(t->k, old, o, o);
        kn->mul_add(t->k, new, part->o + r * t->k, o);
        all->sum[r] = fmaf(part->sum[r], new, all->sum[r] * old);
        all->max[r] = top;
    }
}

/* ---- tiles -----------------------------------------------------------------------------------------------
 */

struct attention_job {
    const struct pass *p;
    struct workspace *w;
    uint32_t layer;
    float *lse;
    int64_t tokens, units; /* of a tile; tiles times heads */
    int64_t chunk, chunks; /* of a wave: the first, and how many */
    size_t state_bytes;
};

/* Tile and head of a unit; the last tiles, which see most, come first. */
static void tile_init(struct tile *t, const struct attention_job *j, int64_t unit, unsigned thread)
{
    const struct pass *p = j->p;
    struct arena scratch = {j->w->attn + thread * j->w->attn_bytes, j->w->attn_bytes, 0};
    int64_t heads = p->m->c.kv_heads, first = (j->units - 1 - unit) / heads * j->tokens;
    const struct segment *s = p->seg;
    tile_carve(&scratch, t, p->m);
    t->layer = j->layer, t->head = (uint32_t)(unit % heads);
    t->tokens = min64(j->tokens, p->rows - first);
    for (int64_t i = 0; i < t->tokens; i++) {
        int64_t row = first + i;
        while (row >= s->row + s->rows) s++;
        t->seat[i] = (struct seat){s->kv, row, s->pos + row - s->row};
    }
}

static void tile_load(struct tile *t, const struct attention_job *j)
{
    const struct model *m = t->m;
    enum weight_type type = kv_block(t->seat->kv, 0, t->layer, t->head).type;
    size_t act = m->kern.act_bytes[type];
    int64_t heads = m->c.heads, width = t->group * t->k;
    for (int64_t i = 0; i < t->tokens; i++)
        m->kern.act_pack[type](t->group, t->k, j->w->q + (t->seat[i].row * heads + t->head * t->group) * t->k,
                               t->k, t->q + (size_t)(i * width) * act, t->k);
}

static void tile_store(const struct tile *t, const struct attention_job *j, const struct state *all)
{
    const struct model *m = t->m;
    for (int64_t r = 0; r < t->tokens * t->group; r++) {
        int64_t h = t->seat[r / t->group].row * m->c.heads + t->head * t->group + r % t->group;
        m->kern.scale(t->k, 1.0f / all->sum[r], all->o + r * t->k, j->w->o + h * t->k);
        if (j->lse) j->lse[h] = all->max[r] + log_f32(all->sum[r]);
    }
}

/* A tile from its first chunk to its last. */
static void tile_unit(void *ctx, int64_t unit, unsigned thread)
{
    const struct attention_job *j = ctx;
    struct tile t;
    tile_init(&t, j, unit, thread);
    tile_load(&t, j);
    chunk_visit(&t, &t.all, 0);
    for (int64_t chunk = 1; chunk <= last_chunk(&t); chunk++) {
        chunk_visit(&t, &t.part, chunk);
        chunk_merge(&t, &t.all, &t.part, chunk);
    }
    tile_store(&t, j, &t.all);
}

/* ---- chunks of few tiles, in waves
 * ------------------------------------------------------------------------- */

/* The state of a unit after chunk `slot` of the wave; slot -1: of all before the wave. */
static struct state split_state(const struct attention_job *j, int64_t slot, int64_t unit)
{
    struct arena a = {j->w->attn_split + (size_t)((slot + 1) * j->units + unit) * j->state_bytes,
                      j->state_bytes, 0};
    struct state s;
    state_carve(&a, &s, j->p->m);
    return s;
}

static void chunk_unit(void *ctx, int64_t index, unsigned thread)
{
    const struct attention_job *j = ctx;
    int64_t slot = index / j->units, unit = index % j->units;
    struct tile t;
    tile_init(&t, j, unit, thread);
    if (j->chunk + slot > last_chunk(&t)) return;
    tile_load(&t, j);
    struct state s = split_state(j, j->chunk + slot ? slot : -1, unit);
    chunk_visit(&t, &s, j->chunk + slot);
}

static void merge_unit(void *ctx, int64_t unit, unsigned thread)
{
    const struct attention_job *j = ctx;
    struct state all = split_state(j, -1, unit);
    struct tile t;
    tile_init(&t, j, unit, thread);
    int64_t last = last_chunk(&t), end = j->chunk + j->chunks;
    for (int64_t chunk = j->chunk ? j->chunk : 1; chunk < end && chunk <= last; chunk++) {
        struct state part = split_state(j, chunk - j->chunk, unit);
        chunk_merge(&t, &all, &part, chunk);
    }
    if (last >= j->chunk && last < end) tile_store(&t, j, &all);
}

/* States kept at most: fewer units than UNITS_A_THREAD a thread, and as many chunks of them as make that
 * number. */
size_t attention_split_bytes(const struct model *m)
{
    return 3 * UNITS_A_THREAD * pool_threads(m->pool) * state_bytes(m);
}

static void split(struct attention_job *j, int64_t longest)
{
    struct pool *pool = j->p->m->pool;
    j->chunks = UNITS_A_THREAD * (int64_t)pool_threads(pool) / j->units + 1;
    j->state_bytes = state_bytes(j->p->m);
    for (j->chunk = 0; j->chunk * CHUNK < longest; j->chunk += j->chunks) {
        pool_for(pool, j->chunks * j->units, chunk_unit, j);
        pool_for(pool, j->units, merge_unit, j);
    }
}

void attention(const struct pass *p, struct workspace *w, uint32_t layer, float *lse)
{
    const struct model *m = p->m;
    int64_t threads = pool_threads(m->pool), heads = m->c.kv_heads, longest = 0;
    struct attention_job j = {.p = p, .w = w, .layer = layer, .lse = lse};
    for (int64_t i = 0; i < p->segs; i++) {
        int64_t end = p->seg[i].pos + p->seg[i].rows;
        longest = end > longest ? end : longest;
    }
    j.tokens = min64(tile_most(m), (p->rows * heads + threads - 1) / threads);
    j.units = (p->rows + j.tokens - 1) / j.tokens * heads;
    if (longest > CHUNK && j.units < UNITS_A_THREAD * threads && j.units % threads)
        split(&j, longest);
    else
        pool_for(m->pool, j.units, tile_unit, &j);
}
