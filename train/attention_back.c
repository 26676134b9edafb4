/* Attention backwards, blocked (Dao et al. 2022, algorithm 4): scores are made again tile by tile from the
 * taped queries and the log of the softmax's sum, so memory stays O(T).
 *
 * With p = exp(s - lse), s = scale q.k:
 *     dv = p^T do;   dp = do v^T;   ds = p (dp - do.o) scale;   dq = ds k;   dk = ds^T q.
 * A unit is one segment and one key/value head, so that dk and dv have one owner. Keys before the segment's
 * first row (the base-only prompt) get no gradient. */
#include "kernels/math.h"
#include "train/backward.h"
#include "train/blas.h"

enum { TILE_TOKENS = 32, TILE_KEYS = 256 };

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct tile {
    const struct model *m;
    int64_t group, k;
    float *key, *value;       /* [tokens][K] of the sequence so far */
    float *q, *o, *dout, *dq; /* [rows][K], rows = (token, query head) */
    float *s, *dp;            /* [rows][TILE_KEYS] */
    float *lse, *delta;       /* [rows] */
};

static void carve(struct arena *a, struct tile *t, const struct model *m, uint32_t max_tokens)
{
    t->m = m, t->k = m->c.head_dim, t->group = m->c.heads / m->c.kv_heads;
    size_t rows = (size_t)(TILE_TOKENS * t->group), k = (size_t)t->k, f = sizeof(float);
    t->key = arena_take(a, max_tokens * k, f);
    t->value = arena_take(a, max_tokens * k, f);
    t->q = arena_take(a, rows * k, f);
    t->o = arena_take(a, rows * k, f);
    t->dout = arena_take(a, rows * k, f);
    t->dq = arena_take(a, rows * k, f);
    t->s = arena_take(a, rows * TILE_KEYS, f);
    t->dp = arena_take(a, rows * TILE_KEYS, f);
    t->lse = arena_take(a, rows, f);
    t->delta = arena_take(a, rows, f);
}

size_t attention_back_scratch(const struct model *m, uint32_t max_tokens)
{
    struct arena count = {0};
    struct tile t;
    carve(&count, &t, m, max_tokens);
    return count.used;
}

struct job {
    const struct back_pass *p;
    struct back *b;
    uint32_t layer;
};

static void load(const struct model *m, int64_t n, const void *tape, int64_t at, float *out)
{
    if (m->type == WT_BF16)
        m->kern.from_bf16(n, (const uint16_t *)tape + at, out);
    else
        memcpy(out, (const float *)tape + at, (size_t)n * sizeof *out);
}

/* Rows of `tokens` tokens from tape row `row`, the query heads of one key/value head. */
static void tile_load(struct tile *t, const struct job *j, int64_t row, int64_t tokens, uint32_t head)
{
    const struct layer_tape *tape = &j->p->tape->layer[j->layer];
    int64_t heads = t->m->c.heads, width = t->group * t->k;
    for (int64_t i = 0; i < tokens; i++) {
        int64_t at = ((row + i) * heads + head * t->group) * t->k;
        load(t->m, width, tape->q, at, t->q + i * width);
        load(t->m, width, tape->o, at, t->o + i * width);
        memcpy(t->dout + i * width, j->b->dout + at, (size_t)width * sizeof(float));
        memcpy(t->lse + i * t->group, tape->lse + (row + i) * heads + head * t->group,
               (size_t)t->group * sizeof(float));
    }
    for (int64_t r = 0; r < tokens * t->group; r++) {
        float d = 0;
        for (int64_t i = 0; i < t->k; i++) d += t->dout[r * t->k + i] * t->o[r * t->k + i];
        t->delta[r] = d;
    }
    memset(t->dq, 0, (size_t)(tokens * width) * sizeof(float));
}

/* s becomes the probabilities and dp the gradient of the scores. */
static void tile_softmax(struct tile *t, int64_t tokens, int64_t pos, int64_t key0, int64_t keys, float scale)
{
    for (int64_t r = 0; r < tokens * t->group; r++) {
        float *s = t->s + r * TILE_KEYS, *dp = t->dp + r * TILE_KEYS;
        int64_t seen = pos + r / t->group - key0 + 1;
        seen = seen < 0 ? 0 : min64(seen, keys);
        t->m->kern.softmax_scaled(seen, t->lse[r], 1, s);
        for (int64_t i = 0; i < seen; i++) dp[i] = s[i] * (dp[i] - t->delta[r]) * scale;
        for (int64_t i = seen; i < keys; i++) s[i] = dp[i] = 0;
    }
}

/* Rows [tokens] at position pos against keys [key0, key0 + keys). dk, dv: rows of position `first` on. */
static void tile_visit(struct tile *t, int64_t tokens, int64_t pos, int64_t key0, int64_t keys, int64_t first,
                       float *dk, float *dv, int64_t ld)
{
    int64_t rows = tokens * t->group, k = t->k;
    const float *key = t->key + key0 * k, *value = t->value + key0 * k;
    float scale = 1.0f / sqrtf((float)k);
    blas_gemm(BLAS_N, BLAS_T, rows, keys, k, scale, t->q, k, key, k, 0, t->s, TILE_KEYS);
    blas_gemm(BLAS_N, BLAS_T, rows, keys, k, 1, t->dout, k, value, k, 0, t->dp, TILE_KEYS);
    tile_softmax(t, tokens, pos, key0, keys, scale);
    blas_gemm(BLAS_N, BLAS_N, rows, k, keys, 1, t->dp, TILE_KEYS, key, k, 1, t->dq, k);
    int64_t skip = first > key0 ? first - key0 : 0;
    if (skip >= keys) return;
    float *dki = dk + (key0 + skip - first) * ld, *dvi = dv + (key0 + skip - first) * ld;
    blas_gemm(BLAS_T, BLAS_N, keys - skip, k, rows, 1, t->dp + skip, TILE_KEYS, t->q, k, 1, dki, ld);
    blas_gemm(BLAS_T, BLAS_N, keys - skip, k, rows, 1, t->s + skip, TILE_KEYS, t->dout, k, 1, dvi, ld);
}

static void segment_back(struct tile *t, const struct job *j, const struct segment *s, int64_t row,
                         uint32_t head, int64_t first, float *dk, float *dv)
{
    int64_t ld = (int64_t)t->m->c.kv_heads * t->k, width = t->group * t->k;
    for (int64_t i = 0; i < s->rows; i += TILE_TOKENS) {
        int64_t tokens = min64(TILE_TOKENS, s->rows - i), pos = s->pos + i, end = pos + tokens;
        tile_load(t, j, row + i, tokens, head);
        for (int64_t key0 = 0; key0 < end; key0 += TILE_KEYS)
            tile_visit(t, tokens, pos, key0, min64(TILE_KEYS, end - key0), first, dk, dv, ld);
        for (int64_t n = 0; n < tokens; n++)
            memcpy(j->b->dq + ((row + i + n) * t->m->c.heads + head * t->group) * t->k, t->dq + n * width,
                   (size_t)width * sizeof(float));
    }
}

/* Segments of one sequence lie in consecutive passes when a sequence was cut into chunks; its first taped
 * segment owns the whole sequence. */
static const struct segment *next_piece(const struct back_pass *p, const struct segment *s, int64_t *pass)
{
    if (s + 1 < p->pass[*pass].seg + p->pass[*pass].segs || *pass + 1 >= p->passes) return NULL;
    const struct segment *next = p->pass[*pass + 1].seg;
    if (next->kv != s->kv) return NULL;
    ++*pass;
    return next;
}

static int is_first_piece(const struct back_pass *p, int64_t pass, int64_t seg)
{
    if (seg || !pass) return 1;
    const struct pass *before = &p->pass[pass - 1];
    return before->seg[before->segs - 1].kv != p->pass[pass].seg[0].kv;
}

static void unit(void *ctx, int64_t index, unsigned thread)
{
    const struct job *j = ctx;
    const struct back_pass *p = j->p;
    const struct model *m = p->pass->m;
    uint32_t head = (uint32_t)(index % m->c.kv_heads);
    int64_t seg = index / m->c.kv_heads, pass = 0;
    while (seg >= p->pass[pass].segs) seg -= p->pass[pass++].segs;
    if (!is_first_piece(p, pass, seg)) return;
    const struct segment *s = &p->pass[pass].seg[seg];
    struct arena scratch = {j->b->thread + thread * j->b->thread_bytes, j->b->thread_bytes, 0};
    struct tile t;
    carve(&scratch, &t, m, s->kv->length);
    for (uint32_t i = 0; i < s->kv->length; i++)
        kv_get(s->kv, i, j->layer, head, t.key + i * t.k, t.value + i * t.k);
    int64_t row = p->pass[pass].tape_row + s->row, first = s->pos;
    float *dk = j->b->dk + (row * m->c.kv_heads + head) * t.k,
          *dv = j->b->dv + (row * m->c.kv_heads + head) * t.k;
    for (; s; s = next_piece(p, s, &pass))
        segment_back(&t, j, s, p->pass[pass].tape_row + s->row, head, first, dk, dv);
}

void attention_back(const struct back_pass *p, struct back *b, uint32_t layer)
{
    const struct model_config *c = &p->pass->m->c;
    struct job j = {p, b, layer};
    int64_t segs = 0, kv = (int64_t)c->kv_heads * c->head_dim;
    for (int64_t i = 0; i < p->passes; i++) segs += p->pass[i].segs;
    memset(b->dk, 0, (size_t)(b->rows * kv) * sizeof *b->dk);
    memset(b->dv, 0, (size_t)(b->rows * kv) * sizeof *b->dv);
    pool_for(p->pass->m->pool, segs * c->kv_heads, unit, &j);
}
