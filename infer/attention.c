/* Causal attention, blocked over the keys (Dao et al. 2022, online softmax): memory O(rows).
 *
 * A unit of work is one key/value head and a tile of consecutive rows of one sequence. Keys are visited page
 * by page (64 absolute positions), so a row meets the same blocks in the same order whatever pass it is in.
 * The keys of a page are a weight matrix and its values another: both products are gemm's. The page that
 * holds a row's own position is taken up to that position, token by token; earlier pages for all rows of the
 * tile at once. */
#include "infer/forward.h"
#include "kernels/math.h"

enum { TILE_ROWS = 112 };

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t tile_tokens(const struct model_config *c)
{
    int64_t group = c->heads / c->kv_heads;
    return group >= TILE_ROWS ? 1 : TILE_ROWS / group;
}

/* Private scratch of a unit; rows are (token, query head of the group). */
struct tile {
    const struct model *m;
    int64_t rows, k;
    char *q;          /* packed [rows][K] */
    float *s;         /* [rows][64] scores */
    char *p;          /* packed [rows][64] probabilities */
    float *o;         /* [rows][K] */
    float *max, *sum; /* [rows] */
};

static void tile_carve(struct arena *a, struct tile *t, const struct model *m)
{
    int64_t rows = tile_tokens(&m->c) * (m->c.heads / m->c.kv_heads), k = m->c.head_dim;
    t->m = m, t->k = k;
    t->q = arena_take(a, (size_t)(rows * k), m->kern.act_bytes[m->type]);
    t->s = arena_take(a, (size_t)rows * KV_PAGE, sizeof(float));
    t->p = arena_take(a, (size_t)rows * KV_PAGE, m->kern.act_bytes[m->type]);
    t->o = arena_take(a, (size_t)(rows * k), sizeof(float));
    t->max = arena_take(a, (size_t)rows, sizeof(float));
    t->sum = arena_take(a, (size_t)rows, sizeof(float));
}

size_t attention_scratch(const struct model *m)
{
    struct arena count = {0};
    struct tile t;
    tile_carve(&count, &t, m);
    return count.used;
}

/* Rows [row, row + rows) of the tile meet the first n keys of a page. */
static void block_visit(struct tile *t, int64_t row, int64_t rows, int64_t n, const void *keys,
                        const void *values)
{
    const struct kernels *kn = &t->m->kern;
    enum weight_type type = t->m->type;
    size_t act = kn->act_bytes[type];
    float *s = t->s + row * KV_PAGE, scale = 1.0f / sqrtf((float)t->k);
    kn->gemm[type](rows, t->k, n, t->q + (size_t)(row * t->k) * act, t->k, keys, s, KV_PAGE, 0);
    for (int64_t i = row; i < row + rows; i++) {
        float *si = t->s + i * KV_PAGE;
        float fade = kn->softmax_block(n, KV_PAGE, scale, type == WT_BF16, si, si, &t->max[i], &t->sum[i]);
        if (fade != 1.0f) kn->scale(t->k, fade, t->o + i * t->k, t->o + i * t->k);
    }
    char *p = t->p + (size_t)(row * KV_PAGE) * act;
    kn->act_pack[type](rows, KV_PAGE, s, KV_PAGE, p, KV_PAGE);
    for (int64_t d = 0; d < t->k; d += PANEL) {
        const char *panel = (const char *)values + (size_t)(d / PANEL) * panel_bytes(type, KV_PAGE);
        kn->gemm[type](rows, n, min64(PANEL, t->k - d), p, KV_PAGE, panel, t->o + row * t->k + d, t->k, 1);
    }
}

struct attention_job {
    const struct pass *p;
    struct workspace *w;
    uint32_t layer;
    float *lse;
    int64_t tokens; /* of a tile */
};

static void tile_load(struct tile *t, const struct attention_job *j, int64_t row, int64_t tokens,
                      uint32_t head)
{
    const struct model_config *c = &t->m->c;
    int64_t group = c->heads / c->kv_heads, ld = (int64_t)c->heads * c->head_dim;
    size_t act = t->m->kern.act_bytes[t->m->type];
    t->rows = tokens * group;
    for (int64_t i = 0; i < tokens; i++)
        t->m->kern.act_pack[t->m->type](group, t->k, j->w->q + (row + i) * ld + head * group * t->k, t->k,
                                        t->q + (size_t)(i * group * t->k) * act, t->k);
    memset(t->o, 0, (size_t)(t->rows * t->k) * sizeof *t->o);
    for (int64_t i = 0; i < t->rows; i++) t->max[i] = -(float)INFINITY, t->sum[i] = 0;
}

static void tile_store(const struct tile *t, const struct attention_job *j, int64_t row, int64_t tokens,
                       uint32_t head)
{
    const struct model_config *c = &t->m->c;
    int64_t group = c->heads / c->kv_heads;
    for (int64_t i = 0; i < tokens; i++)
        for (int64_t g = 0; g < group; g++) {
            int64_t r = i * group + g, h = (row + i) * c->heads + head * group + g;
            t->m->kern.scale(t->k, 1.0f / t->sum[r], t->o + r * t->k, j->w->o + h * t->k);
            if (j->lse) j->lse[h] = t->max[r] + log_f32(t->sum[r]);
        }
}

static void tile_run(struct tile *t, const struct segment *s, uint32_t layer, uint32_t head, int64_t first,
                     int64_t tokens)
{
    int64_t group = t->rows / tokens, pos = s->pos + first;
    for (int64_t block = 0; block <= (pos + tokens - 1) / KV_PAGE; block++) {
        int64_t base = block * KV_PAGE, end = base + KV_PAGE;
        const void *keys = kv_keys(s->kv, (uint32_t)block, layer, head);
        const void *values = kv_values(s->kv, (uint32_t)block, layer, head);
        int64_t whole = end - 1 - pos; /* first token of the tile that sees the whole page */
        if (whole < 0) whole = 0;
        for (int64_t i = base > pos ? base - pos : 0; i < min64(whole, tokens); i++)
            block_visit(t, i * group, group, pos + i - base + 1, keys, values);
        if (whole < tokens) block_visit(t, whole * group, (tokens - whole) * group, KV_PAGE, keys, values);
    }
}

/* Units: segments' tiles one after the other, times the key/value heads. */
static void attention_unit(void *ctx, int64_t unit, unsigned thread)
{
    const struct attention_job *j = ctx;
    const struct pass *p = j->p;
    struct tile t = {0};
    struct arena scratch = {j->w->attn + thread * j->w->attn_bytes, j->w->attn_bytes, 0};
    uint32_t head = (uint32_t)(unit % p->m->c.kv_heads);
    int64_t tile = unit / p->m->c.kv_heads;
    const struct segment *s = p->seg;
    for (; tile >= (s->rows + j->tokens - 1) / j->tokens; s++) tile -= (s->rows + j->tokens - 1) / j->tokens;
    int64_t first = tile * j->tokens, tokens = min64(j->tokens, s->rows - first);
    tile_carve(&scratch, &t, p->m);
    tile_load(&t, j, s->row + first, tokens, head);
    tile_run(&t, s, j->layer, head, first, tokens);
    tile_store(&t, j, s->row + first, tokens, head);
}

void attention(const struct pass *p, struct workspace *w, uint32_t layer, float *lse)
{
    struct attention_job j = {p, w, layer, lse, tile_tokens(&p->m->c)};
    int64_t tiles = 0;
    for (int64_t i = 0; i < p->segs; i++) tiles += (p->seg[i].rows + j.tokens - 1) / j.tokens;
    pool_for(p->m->pool, tiles * p->m->c.kv_heads, attention_unit, &j);
}
