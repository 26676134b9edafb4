/* The chosen rows of a file become a sheaf. */
#include "data/prepare/gather.h"

#include "data/prepare/question.h"
#include "data/prepare/rows.h"
#include "infer/answer.h"
#include "infer/json_write.h"

#include <stdlib.h>
#include <string.h>

struct tokens {
    const struct gather_sheaf *g;
    struct workers *workers;
    struct sheaf_frame *frames; /* [ROWS_BATCH] */
    struct sheaf_writer *w;
};

/* The question's hash, which all answers to it share, whatever their white space. */
static int question_set(struct tokens *t, struct document *d, struct err *e)
{
    char *text;
    size_t len;
    int r = question_text(&text, &len, d->turns, d->n_turns, t->workers->nfc, e);
    if (r) return r;
    d->doc.question = question_hash(text, len);
    free(text);
    return 0;
}

static int frame_tokens(struct tokens *t, struct document *d, struct sheaf_frame *out, struct err *e)
{
    int r = document_render(d, t->g->rules, e);
    if (r || document_cut(d, t->g->rules) != DOCUMENT_OK) return r;
    r = question_set(t, d, e);
    return r ? r : sheaf_frame_make(out, &d->doc, d->doc.ids, 4, e);
}

/* {"problem": what the user says last, "answer": the reference, the row's own or the one that its answer ends
 * with}. */
static int frame_problem(struct document *d, const struct conv_row *row, struct sheaf_frame *out,
                         struct err *e)
{
    const struct chat_turn *answer = &d->turns[d->n_turns - 1], *user = answer - 1;
    struct answer a = row->reference.n ? answer_reference(row->reference.s, row->reference.n)
                                       : answer_reference(answer->content, answer->len);
    struct js_out w;
    if (!a.kind || user->role != ROLE_USER || user->len == 0) return 0;
    js_out_init(&w, 0);
    js_object(&w, NULL);
    js_put_text(&w, "problem", user->content, user->len);
    js_put_text(&w, "answer", a.s, a.n);
    js_close(&w);
    int r = js_out_end(&w, e);
    if (!r) {
        w.text[w.n] = '\n'; /* in place of its NUL */
        d->doc.n = (uint32_t)w.n + 1;
        r = sheaf_frame_make(out, &d->doc, w.text, 1, e);
    }
    js_out_free(&w);
    return r;
}

static int work(void *ctx, const struct conv_row *row, uint32_t slot, unsigned thread, struct err *e)
{
    struct tokens *t = ctx;
    struct document *d = &t->workers->room[thread];
    struct sheaf_frame *out = &t->frames[slot];
    *out = (struct sheaf_frame){.doc = {.row = (uint32_t)row->index}};
    if (document_turns(d, row) != DOCUMENT_OK) return 0;
    return t->g->format == GATHER_PROBLEMS ? frame_problem(d, row, out, e) : frame_tokens(t, d, out, e);
}

static int take(void *ctx, const struct conv_row *rows, uint32_t n, struct err *e)
{
    struct tokens *t = ctx;
    int r = 0;
    (void)rows;
    for (uint32_t i = 0; i < n; i++) {
        if (!r) r = sheaf_writer_add(t->w, &t->frames[i], e);
        sheaf_frame_clear(&t->frames[i]);
    }
    return r ? r : ticker_tick(&t->g->ticker, n, e);
}

static int rows_write(struct tokens *t, struct err *e)
{
    struct rows_job j = {.path = t->g->path,
                         .only = t->g->rows,
                         .n_only = t->g->n,
                         .work = work,
                         .take = take,
                         .ctx = t,
                         .seconds = t->g->seconds};
    int r = sheaf_writer_open(&t->w, t->g->to, t->g->key, e);
    if (!r) r = rows_run(&j, t->workers->pool, e);
    if (!r) return sheaf_writer_commit(t->w, e);
    sheaf_writer_abort(t->w);
    return r;
}

int gather_sheaf_make(const struct gather_sheaf *g, struct workers *w, struct err *e)
{
    struct tokens t = {.g = g, .workers = w, .frames = calloc(ROWS_BATCH, sizeof *t.frames)};
    if (!t.frames) return err_set(e, ERR_NOMEM, "no memory to tokenise");
    int r = rows_write(&t, e);
    for (uint32_t i = 0; i < ROWS_BATCH; i++) sheaf_frame_clear(&t.frames[i]);
    free(t.frames);
    return r;
}
