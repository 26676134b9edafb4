#include "data/prepare/rows.h"

#include "infer/machine.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Rows with texts of their own. */
struct batch {
    struct conv_row rows[ROWS_BATCH];
    uint32_t n;
    struct conv_turn *turns;
    size_t n_turns, turns_cap;
    char *text;
    size_t used, cap;
};

struct run {
    const struct rows_job *j;
    struct conv_file *f;
    struct batch batch[2];
    int filling;         /* which of them is being filled; the other one is worked on */
    struct conv_row row; /* read and not yet in a batch */
    bool pending, ended;
    uint64_t done; /* rows that were put into batches */
    int read_code;
    struct err read_err;
    pthread_mutex_t lock; /* of what follows */
    uint32_t bad_slot;    /* the first that failed */
    struct err bad;
};

uint64_t rows_bytes(const struct conv_row *row)
{
    uint64_t n = row->source.n + row->domain.n + row->reference.n;
    for (size_t i = 0; row->has_turns && i < row->n_turns; i++)
        n += row->turns[i].from.n + row->turns[i].value.n;
    return n;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

/* True when there is room for the row; an empty batch makes it. */
static bool has_room(struct batch *b, size_t turns, size_t bytes)
{
    if (b->n == ROWS_BATCH) return false;
    if (b->n && (b->used + bytes > b->cap || b->n_turns + turns > b->turns_cap)) return false;
    if (bytes > b->cap || !b->text) {
        size_t cap = bytes > ROWS_TEXT ? bytes : ROWS_TEXT;
        free(b->text);
        b->text = malloc(cap);
        b->cap = b->text ? cap : 0;
    }
    if (turns > b->turns_cap || !b->turns) {
        size_t cap = turns > 4 * ROWS_BATCH ? turns : 4 * ROWS_BATCH;
        free(b->turns);
        b->turns = malloc(cap * sizeof *b->turns);
        b->turns_cap = b->turns ? cap : 0;
    }
    return true;
}

static struct conv_text keep(struct batch *b, struct conv_text t)
{
    if (!t.s) return t;
    char *to = memcpy(b->text + b->used, t.s, t.n);
    b->used += t.n;
    return (struct conv_text){to, t.n};
}

static void put(struct batch *b, const struct conv_row *row)
{
    struct conv_row *to = &b->rows[b->n++];
    *to = *row;
    to->source = keep(b, row->source), to->domain = keep(b, row->domain);
    to->reference = keep(b, row->reference);
    to->turns = b->turns + b->n_turns;
    for (size_t i = 0; row->has_turns && i < row->n_turns; i++) {
        struct conv_turn *t = &b->turns[b->n_turns++];
        *t = (struct conv_turn){keep(b, row->turns[i].from), keep(b, row->turns[i].value)};
    }
}

/* Reads until the row that is wanted next; 1 when it is r->row, 0 when there is none left. */
static int next_wanted(struct run *r, struct err *e)
{
    const struct rows_job *j = r->j;
    if ((j->only || j->n_only) && r->done == j->n_only) return 0;
    if (!j->only) return conv_next(r->f, &r->row, e);
    uint64_t want = j->only[r->done];
    if (r->done == 0 || want - j->only[r->done - 1] > ROWS_BATCH) {
        int code = conv_seek(r->f, want, e);
        if (code) return code;
    }
    for (;;) {
        int code = conv_next(r->f, &r->row, e);
        if (code == 0)
            return err_set(e, ERR_FIELD_RANGE, "%s has no row %llu", j->path, (unsigned long long)want);
        if (code < 0 || r->row.index == want) return code;
    }
}

static int fill(struct run *r, struct err *e)
{
    struct batch *b = &r->batch[r->filling];
    b->n = 0, b->n_turns = 0, b->used = 0;
    for (;;) {
        int code = r->pending ? 1 : next_wanted(r, e);
        if (code <= 0) {
            r->ended = true;
            return code;
        }
        size_t turns = r->row.has_turns ? r->row.n_turns : 0;
        r->pending = true;
        if (!has_room(b, turns, rows_bytes(&r->row))) return 0;
        if (!b->text || !b->turns) return err_set(e, ERR_NOMEM, "no memory for the rows of %s", r->j->path);
        put(b, &r->row);
        r->pending = false, r->done++;
    }
}

/* ---- working ------------------------------------------------------------------------------------------- */

static void work_row(struct run *r, uint32_t slot, unsigned thread)
{
    struct err e = {0};
    const struct batch *b = &r->batch[!r->filling];
    int code = r->j->work(r->j->ctx, &b->rows[slot], slot, thread, &e);
    if (!code) return;
    pthread_mutex_lock(&r->lock);
    if (!r->bad.code || slot < r->bad_slot) r->bad = e, r->bad.code = code, r->bad_slot = slot;
    pthread_mutex_unlock(&r->lock);
}

/* Unit 0 reads on; the others are rows. */
static void unit(void *ctx, int64_t i, unsigned thread)
{
    struct run *r = ctx;
    if (i > 0)
        work_row(r, (uint32_t)i - 1, thread);
    else if (!r->ended)
        r->read_code = fill(r, &r->read_err);
    else
        r->batch[r->filling].n = 0;
}

static int run_batches(struct run *r, struct pool *p, struct err *e)
{
    for (r->read_code = fill(r, &r->read_err); !r->read_code && r->batch[r->filling].n;) {
        const struct batch *now = &r->batch[r->filling];
        r->filling = !r->filling;
        double from = machine_seconds();
        pool_for(p, 1 + (int64_t)now->n, unit, r);
        if (r->j->seconds) *r->j->seconds += machine_seconds() - from;
        if (r->bad.code) return err_set(e, r->bad.code, "%s", r->bad.msg);
        int code = r->j->take(r->j->ctx, now->rows, now->n, e);
        if (code) return code;
    }
    return r->read_code ? err_set(e, r->read_code, "%s", r->read_err.msg) : 0;
}

int rows_run(const struct rows_job *j, struct pool *p, struct err *e)
{
    struct run *r = calloc(1, sizeof *r);
    if (!r) return err_set(e, ERR_NOMEM, "no memory to read %s", j->path);
    r->j = j;
    pthread_mutex_init(&r->lock, NULL);
    r->f = j->file;
    int code = r->f ? 0 : conv_open(&r->f, j->path, e);
    if (!code) code = run_batches(r, p, e);
    if (!j->file) conv_close(r->f);
    for (int i = 0; i < 2; i++) free(r->batch[i].text), free(r->batch[i].turns);
    pthread_mutex_destroy(&r->lock);
    free(r);
    return code;
}
