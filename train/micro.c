#include "train/micro.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct micro {
    const struct model *m;
    const struct adapter *adapter;
    const struct lora *lora;
    struct micro_config c;
    struct kv_pool *kv;
    struct kv_stream **stream; /* [max_docs] */
    struct workspace w;
    struct tape tape;
    struct back back;
    struct loss_scratch loss;
    int32_t *ids;              /* [max_tokens] taped rows' tokens, in tape order */
    uint64_t *keys;            /* [max_tokens] dropout keys of the taped rows */
    struct label *labels;      /* [max_tokens] of taped rows */
    struct segment *seg;       /* [max_docs + passes] */
    struct pass *pass;         /* [passes] */
    float *edge;               /* [max_docs][D] residual of a base-only row that predicts a label */
    struct label *edge_label;  /* [max_docs] */
    struct micro_place *place; /* [max_tokens + max_docs] of edges, then of labels */
    int64_t passes, edges, taped, n_labels;
    struct arena arena;
};

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t chunk_of(const struct micro_config *c)
{
    int64_t chunk = c->chunk ? c->chunk : MICRO_CHUNK;
    return min64(chunk, c->max_tokens);
}

static int64_t max_passes(const struct micro_config *c)
{
    return c->max_tokens / chunk_of(c) + 2;
}

static uint32_t kv_pages(const struct micro_config *c)
{
    return c->max_tokens / KV_PAGE + c->max_docs + 1;
}

static void carve(struct arena *a, struct micro *u)
{
    size_t tokens = u->c.max_tokens, docs = u->c.max_docs, passes = (size_t)max_passes(&u->c);
    u->stream = arena_take(a, docs, sizeof *u->stream);
    u->ids = arena_take(a, tokens, sizeof *u->ids);
    u->keys = arena_take(a, tokens, sizeof *u->keys);
    u->labels = arena_take(a, tokens, sizeof *u->labels);
    u->seg = arena_take(a, docs + passes, sizeof *u->seg);
    u->pass = arena_take(a, passes, sizeof *u->pass);
    u->edge = arena_take(a, docs * u->m->c.width, sizeof *u->edge);
    u->edge_label = arena_take(a, docs, sizeof *u->edge_label);
    u->place = arena_take(a, tokens + docs, sizeof *u->place);
}

uint64_t micro_plan(const struct model *m, const struct adapter_config *adapter, const struct micro_config *c)
{
    struct arena count = {0};
    struct micro u = {.m = m, .c = *c};
    struct lora lora = {.rank = adapter ? adapter->rank : 0, .targets = adapter ? adapter->targets : 0};
    carve(&count, &u);
    return count.used + kv_pool_plan(m, kv_pages(c)) +
           workspace_plan(m, chunk_of(c), lora.rank, c->dropout > 0) +
           tape_plan(m, adapter ? &lora : NULL, c->max_tokens, c->recompute) +
           back_plan(m, lora.rank, c->max_tokens, chunk_of(c), c->max_tokens) + loss_plan(m);
}

static int parts_create(struct micro *u, struct err *e)
{
    const struct micro_config *c = &u->c;
    uint32_t rank = u->lora ? u->lora->rank : 0;
    struct arena count = {0};
    carve(&count, u);
    int r = arena_create(&u->arena, count.used, "a training row", e);
    if (r) return r;
    carve(&u->arena, u);
    if ((r = kv_pool_create(&u->kv, u->m, kv_pages(c), e))) return r;
    if ((r = workspace_create(&u->w, u->m, chunk_of(c), rank, c->dropout > 0, e))) return r;
    if ((r = tape_create(&u->tape, u->m, u->lora, c->max_tokens, c->recompute, e))) return r;
    if ((r = back_create(&u->back, u->m, rank, c->max_tokens, chunk_of(c), c->max_tokens, e))) return r;
    if ((r = loss_create(&u->loss, u->m, e))) return r;
    for (uint32_t i = 0; i < c->max_docs; i++)
        if ((r = kv_stream_create(&u->stream[i], u->kv, c->max_tokens, e))) return r;
    return 0;
}

int micro_create(struct micro **out, const struct model *m, const struct adapter *adapter,
                 const struct lora *lora, const struct micro_config *c, struct err *e)
{
    *out = NULL;
    struct micro *u = calloc(1, sizeof *u);
    if (!u) return err_set(e, ERR_NOMEM, "no memory for a training row");
    u->m = m, u->adapter = adapter, u->lora = lora, u->c = *c;
    int r = parts_create(u, e);
    if (r) {
        micro_free(u);
        return r;
    }
    *out = u;
    return 0;
}

void micro_free(struct micro *u)
{
    if (!u) return;
    for (uint32_t i = 0; u->stream && i < u->c.max_docs; i++) kv_stream_free(u->stream[i]);
    loss_free(&u->loss);
    back_free(&u->back);
    tape_free(&u->tape);
    workspace_free(&u->w);
    kv_pool_free(u->kv);
    arena_free(&u->arena);
    free(u);
}

/* First token of a document that the adapter acts on, or that is trained at all. */
static uint32_t tape_from(const struct micro *u, const struct shard_doc *d)
{
    if (!u->lora || u->c.gate == GATE_ALL) return 0;
    return u->c.gate == GATE_ASSISTANT ? d->header_at : d->response_at;
}

static int streams_start(struct micro *u, const struct shard_doc *docs, uint32_t n_docs, struct err *e)
{
    uint64_t tokens = 0;
    for (uint32_t i = 0; i < n_docs; i++) tokens += docs[i].n;
    if (n_docs > u->c.max_docs || tokens > u->c.max_tokens)
        return err_set(e, ERR_FIELD_RANGE, "a row of %u documents and %llu tokens, planned for %u and %u",
                       n_docs, (unsigned long long)tokens, u->c.max_docs, u->c.max_tokens);
    for (uint32_t i = 0; i < u->c.max_docs; i++) kv_stream_cut(u->stream[i], 0);
    for (uint32_t i = 0; i < n_docs; i++) {
        int r = kv_stream_extend(u->stream[i], docs[i].n, e);
        if (r) return r;
    }
    return 0;
}

/* Cuts one part of the documents into passes of at most w.max_rows rows: what the base alone runs, or what is
 * taped. Returns the rows planned. */
static int64_t passes_plan(struct micro *u, const struct shard_doc *docs, uint32_t n_docs, int taped)
{
    struct segment *seg = u->seg;
    struct pass *p = NULL;
    int64_t row = 0;
    u->passes = 0;
    for (uint32_t i = 0; i < n_docs; i++) {
        uint32_t from = tape_from(u, &docs[i]), end = taped ? docs[i].n : from;
        for (uint32_t t = taped ? from : 0; t < end;) {
            if (!p || p->rows == u->w.max_rows) {
                p = &u->pass[u->passes++];
                *p =
                    (struct pass){.m = u->m, .lora = taped ? u->lora : NULL, .ids = u->ids + row, .seg = seg};
                p->tape = taped ? u->tape.layer : NULL, p->tape_row = row;
                p->dropout = (struct dropout){u->c.dropout, u->keys + row};
            }
            int64_t n = min64(u->w.max_rows - p->rows, end - t);
            *seg++ = (struct segment){u->stream[i], t, p->rows, n};
            memcpy(u->ids + row, docs[i].ids + t, (size_t)n * sizeof *u->ids);
            p->segs++, p->rows += n, row += n, t += (uint32_t)n;
        }
    }
    return row;
}

/* ---- the base-only part
 * ------------------------------------------------------------------------------------ */

/* Keeps the residual of a document's last base-only row when the token after it is learned: its loss counts,
 * though no gradient flows. */
static void edge_keep(struct micro *u, const struct shard_doc *docs, uint32_t doc, uint32_t from,
                      const float *x)
{
    const struct shard_doc *d = &docs[doc];
    for (uint32_t s = 0; s < d->n_spans; s++) {
        if (d->spans[s].from > from || from >= d->spans[s].to) continue;
        memcpy(u->edge + u->edges * u->m->c.width, x, u->m->c.width * sizeof *x);
        u->edge_label[u->edges] = (struct label){u->edges, (int32_t)d->ids[from]};
        u->place[u->edges] = (struct micro_place){doc, from};
        u->edges++;
    }
}

static void prompts_run(struct micro *u, const struct shard_doc *docs, uint32_t n_docs)
{
    uint32_t doc = 0;
    u->edges = 0;
    passes_plan(u, docs, n_docs, 0);
    for (int64_t i = 0; i < u->passes; i++) {
        forward(&u->pass[i], &u->w);
        for (const struct segment *s = u->pass[i].seg; s < u->pass[i].seg + u->pass[i].segs; s++) {
            while (u->stream[doc] != s->kv) doc++;
            if (s->pos + s->rows == tape_from(u, &docs[doc]))
                edge_keep(u, docs, doc, (uint32_t)(s->pos + s->rows),
                          u->w.x + (s->row + s->rows - 1) * u->m->c.width);
        }
    }
}

/* ---- the taped part
 * ------------------------------------------------------------------------------------------ */

uint64_t micro_dropout_key(uint64_t key, const struct shard_doc *d, uint32_t t)
{
    uint64_t doc = (key ^ (d->source_row * 0x9e3779b97f4a7c15u + d->source)) * 0xbf58476d1ce4e5b9u;
    return doc + (uint64_t)t * 0x94d049bb133111ebu;
}

/* Labels of the taped rows, and each row's dropout key: of its document and position. */
static void labels_plan(struct micro *u, const struct shard_doc *docs, uint32_t n_docs, uint64_t key)
{
    int64_t row = 0;
    u->n_labels = 0;
    for (uint32_t i = 0; i < n_docs; i++) {
        const struct shard_doc *d = &docs[i];
        uint32_t from = tape_from(u, d);
        for (uint32_t s = 0; s < d->n_spans; s++)
            for (uint32_t t = d->spans[s].from; t < d->spans[s].to; t++)
                if (t > from) {
                    u->place[u->edges + u->n_labels] = (struct micro_place){i, t};
                    u->labels[u->n_labels++] = (struct label){row + t - 1 - from, (int32_t)d->ids[t]};
                }
        for (uint32_t t = from; t < d->n; t++) u->keys[row++] = micro_dropout_key(key, d, t);
    }
}

static void passes_run(struct micro *u)
{
    for (int64_t i = 0; i < u->passes; i++) {
        forward(&u->pass[i], &u->w);
        memcpy(u->tape.x_final + u->pass[i].tape_row * u->m->c.width, u->w.x,
               (size_t)u->pass[i].rows * u->m->c.width * sizeof(float));
    }
}

static int loss_check(double nats, int64_t labels, struct err *e)
{
    if (isfinite(nats)) return 0;
    return err_set(e, ERR_NONFINITE, "the loss of a row of %lld labels is %g; nothing was learned from it",
                   (long long)labels, nats);
}

/* Forward through base and adapter; what the loss needs is then there. */
static int rows_run(struct micro *u, const struct shard_doc *docs, uint32_t n_docs, uint64_t key,
                    struct micro_result *out, struct err *e)
{
    int r = streams_start(u, docs, n_docs, e);
    if (r) return r;
    prompts_run(u, docs, n_docs);
    u->taped = passes_plan(u, docs, n_docs, 1);
    labels_plan(u, docs, n_docs, key);
    passes_run(u);
    *out = (struct micro_result){.labels = u->n_labels + u->edges, .taped = u->taped};
    for (uint32_t i = 0; i < n_docs; i++) out->tokens += docs[i].n;
    return 0;
}

/* From u->back.dx, the gradient of the last residual. */
static void rows_back(struct micro *u, const struct grads *grads)
{
    struct back_pass back = {u->adapter, u->pass, u->passes, &u->tape, &u->w, grads};
    if (u->taped) backward(&back, &u->back);
}

int micro_run(struct micro *u, const struct shard_doc *docs, uint32_t n_docs, float scale, uint64_t key,
              const struct grads *grads, struct micro_result *out, float *nats_out, struct err *e)
{
    int r = rows_run(u, docs, n_docs, key, out, e);
    if (r) return r;
    const float *x = u->tape.x_final;
    out->nats = loss_forward(u->m, &u->loss, u->edge, u->edge_label, u->edges, nats_out);
    if (nats_out) nats_out += u->edges;
    if (!grads) {
        out->nats += loss_forward(u->m, &u->loss, x, u->labels, u->n_labels, nats_out);
        return loss_check(out->nats, out->labels, e);
    }
    memset(u->back.dx, 0, (size_t)u->taped * u->m->c.width * sizeof(float));
    out->nats += loss_backward(u->m, &u->loss, &u->back, x, u->labels, u->n_labels, scale, grads, u->back.dx,
                               nats_out);
    r = loss_check(out->nats, out->labels, e);
    if (!r) rows_back(u, grads);
    return r;
}

int micro_objective(struct micro *u, const struct shard_doc *docs, uint32_t n_docs, const struct objective *o,
                    uint64_t key, const struct grads *grads, struct micro_result *out, float *nats_out,
                    struct err *e)
{
    int r = rows_run(u, docs, n_docs, key, out, e);
    if (r) return r;
    float *dx = grads ? u->back.dx : NULL;
    if (dx) memset(dx, 0, (size_t)u->taped * u->m->c.width * sizeof(float));
    out->nats =
        loss_objective(u->m, &u->loss, NULL, u->edge, u->edge_label, 0, u->edges, o, NULL, NULL, nats_out);
    if (nats_out) nats_out += u->edges;
    out->nats += loss_objective(u->m, &u->loss, &u->back, u->tape.x_final, u->labels, u->edges, u->n_labels,
                                o, grads, dx, nats_out);
    r = loss_check(out->nats, out->labels, e);
    if (!r && grads) rows_back(u, grads);
    return r;
}

const struct micro_place *micro_places(const struct micro *u)
{
    return u->place;
}

void micro_use(struct micro *u, const struct adapter *adapter, const struct lora *lora)
{
    u->adapter = adapter, u->lora = lora;
}
