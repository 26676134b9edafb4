#include "train/micro.h"
#include "train/prompt_store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Tokens of one sequence that are to be run. */
struct stretch {
    const struct kv_stream *kv;
    const uint32_t *ids; /* of the sequence */
    uint32_t from, to;
};

struct micro {
    const struct model *m;
    const struct adapter *adapter;
    const struct lora *lora;
    struct micro_config c;
    struct kv_pool *kv;
    struct kv_stream **stream; /* [max_docs] */
    struct prompt_store store;
    struct stored_prompt **prompt; /* [max_docs] of the documents; NULL: nothing stands before the adapter */
    struct stretch *stretch;       /* [max_docs] */
    const uint32_t **begin;        /* [max_docs] scratch of asking the store */
    uint32_t *begins;              /* [max_docs] */
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
    return c->max_tokens / KV_PAGE + 2 * c->max_docs + 1 + c->keep;
}

static void carve(struct arena *a, struct micro *u)
{
    size_t tokens = u->c.max_tokens, docs = u->c.max_docs, passes = (size_t)max_passes(&u->c);
    struct prompt_store_config sc = {u->c.max_docs, u->c.max_tokens, u->c.keep};
    u->stream = arena_take(a, docs, sizeof *u->stream);
    u->prompt = arena_take(a, docs, sizeof *u->prompt);
    u->stretch = arena_take(a, docs, sizeof *u->stretch);
    u->begin = arena_take(a, docs, sizeof *u->begin);
    u->begins = arena_take(a, docs, sizeof *u->begins);
    prompt_store_carve(a, &u->store, &sc, u->m->c.width);
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
    return prompt_store_open(&u->store, u->kv, c->max_tokens, e);
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
    prompt_store_free(&u->store);
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

static int row_check(const struct micro *u, const struct shard_doc *docs, uint32_t n_docs, struct err *e)
{
    uint64_t tokens = 0;
    for (uint32_t i = 0; i < n_docs; i++) tokens += docs[i].n;
    if (n_docs <= u->c.max_docs && tokens <= u->c.max_tokens) return 0;
    return err_set(e, ERR_FIELD_RANGE, "a row of %u documents and %llu tokens, planned for %u and %u", n_docs,
                   (unsigned long long)tokens, u->c.max_docs, u->c.max_tokens);
}

/* Cuts the stretches into passes of at most w.max_rows rows. Returns the rows planned. */
static int64_t passes_plan(struct micro *u, uint32_t stretches, int taped)
{
    struct segment *seg = u->seg;
    struct pass *p = NULL;
    int64_t row = 0;
    u->passes = 0;
    for (const struct stretch *s = u->stretch; s < u->stretch + stretches; s++)
        for (uint32_t t = s->from; t < s->to;) {
            if (!p || p->rows == u->w.max_rows) {
                p = &u->pass[u->passes++];
                *p =
                    (struct pass){.m = u->m, .lora = taped ? u->lora : NULL, .ids = u->ids + row, .seg = seg};
                p->tape = taped ? u->tape.layer : NULL, p->tape_row = row;
                p->dropout = (struct dropout){u->c.dropout, u->keys + row};
            }
            int64_t n = min64(u->w.max_rows - p->rows, s->to - t);
            *seg++ = (struct segment){s->kv, t, p->rows, n};
            memcpy(u->ids + row, s->ids + t, (size_t)n * sizeof *u->ids);
            p->segs++, p->rows += n, row += n, t += (uint32_t)n;
        }
    return row;
}

/* ---- the base-only part
 * ------------------------------------------------------------------------------------ */

/* Keeps the residual of each prompt's last token. */
static void ends_keep(struct micro *u, const struct pass *p)
{
    size_t d = u->m->c.width;
    for (const struct segment *s = p->seg; s < p->seg + p->segs; s++)
        for (uint32_t i = 0; i < u->store.count; i++) {
            const struct stored_prompt *at = &u->store.at[i];
            if (at->kv == s->kv && s->pos + s->rows == at->n)
                memcpy(at->x, u->w.x + (size_t)(s->row + s->rows - 1) * d, d * sizeof *at->x);
        }
}

/* Documents whose first taped token is learned: its loss counts, though no gradient flows. */
static void edges_plan(struct micro *u, const struct shard_doc *docs, uint32_t n_docs)
{
    size_t d = u->m->c.width;
    u->edges = 0;
    for (uint32_t i = 0; i < n_docs; i++)
        for (uint32_t s = 0; s < docs[i].n_spans && u->prompt[i]; s++) {
            uint32_t from = u->prompt[i]->n;
            if (docs[i].spans[s].from > from || from >= docs[i].spans[s].to) continue;
            memcpy(u->edge + (size_t)u->edges * d, u->prompt[i]->x, d * sizeof *u->edge);
            u->edge_label[u->edges] = (struct label){u->edges, (int32_t)docs[i].ids[from]};
            u->place[u->edges] = (struct micro_place){i, from};
            u->edges++;
        }
}

/* Runs the prompts that are not stored yet. Returns their rows, or an error. */
static int64_t prompts_run(struct micro *u, const struct shard_doc *docs, uint32_t n_docs, struct err *e)
{
    uint32_t fresh = 0;
    for (uint32_t i = 0; i < n_docs; i++) u->begin[i] = docs[i].ids, u->begins[i] = tape_from(u, &docs[i]);
    int r = prompt_store_ask(&u->store, u->begin, u->begins, n_docs, u->prompt, e);
    if (r) return r;
    for (uint32_t i = 0; i < u->store.count; i++) {
        const struct stored_prompt *p = &u->store.at[i];
        if (p->fresh) u->stretch[fresh++] = (struct stretch){p->kv, p->ids, 0, p->n};
    }
    int64_t rows = passes_plan(u, fresh, 0);
    for (int64_t i = 0; i < u->passes; i++) {
        forward(&u->pass[i], &u->w);
        ends_keep(u, &u->pass[i]);
    }
    prompt_store_ran(&u->store);
    edges_plan(u, docs, n_docs);
    return rows;
}

/* Documents go on from their prompts. */
static int streams_start(struct micro *u, const struct shard_doc *docs, uint32_t n_docs, struct err *e)
{
    int r = 0;
    for (uint32_t i = 0; i < n_docs && !r; i++) {
        uint32_t from = u->begins[i];
        if (from) kv_stream_fork(u->stream[i], u->prompt[i]->kv, from);
        r = kv_stream_extend(u->stream[i], docs[i].n - from, e);
        u->stretch[i] = (struct stretch){u->stream[i], docs[i].ids, from, docs[i].n};
    }
    return r;
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
    int r = row_check(u, docs, n_docs, e);
    if (r) return r;
    for (uint32_t i = 0; i < u->c.max_docs; i++) kv_stream_cut(u->stream[i], 0);
    int64_t based = prompts_run(u, docs, n_docs, e);
    if (based < 0) return (int)based;
    if ((r = streams_start(u, docs, n_docs, e))) return r;
    u->taped = passes_plan(u, n_docs, 1);
    labels_plan(u, docs, n_docs, key);
    passes_run(u);
    *out = (struct micro_result){.labels = u->n_labels + u->edges, .taped = u->taped, .based = based};
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
