#include "data/prepare/scan.h"

#include "data/prepare/measure.h"
#include "data/prepare/question.h"
#include "data/prepare/rows.h"

#include <stdlib.h>

/* ---- facts --------------------------------------------------------------------------------------------- */

struct scanning {
    const struct scan *s;
    struct workers *w;
    struct facts *f;
    struct fact slot[ROWS_BATCH];
};

static int work(void *ctx, const struct conv_row *row, uint32_t slot, unsigned thread, struct err *e)
{
    struct scanning *s = ctx;
    return measure_row(&s->slot[slot], &s->w->room[thread], s->s->rules, s->w->nfc, row, e);
}

static int take(void *ctx, const struct conv_row *rows, uint32_t n, struct err *e)
{
    struct scanning *s = ctx;
    int r = facts_reserve(s->f, n, e);
    for (uint32_t i = 0; !r && i < n; i++) {
        int64_t source = names_index(&s->f->sources, rows[i].source.s, rows[i].source.n, SOURCES_MAX, e);
        int64_t domain = names_index(&s->f->domains, rows[i].domain.s, rows[i].domain.n, DOMAINS_MAX, e);
        if (source < 0 || domain < 0) return ERR_NOMEM;
        s->slot[i].source = (uint16_t)source, s->slot[i].domain = (uint8_t)domain;
        s->f->at[s->f->n++] = s->slot[i];
    }
    return r ? r : ticker_tick(&s->s->ticker, n, e);
}

int scan_rows(struct facts *f, const struct scan *s, struct workers *w, struct err *e)
{
    struct scanning *sc = calloc(1, sizeof *sc);
    if (!sc) return err_set(e, ERR_NOMEM, "no memory to scan %s", s->path);
    sc->s = s, sc->w = w, sc->f = f;
    struct rows_job j = {.path = s->path,
                         .file = s->file,
                         .only = s->only,
                         .n_only = s->n_only,
                         .work = work,
                         .take = take,
                         .ctx = sc,
                         .seconds = s->seconds};
    int r = rows_run(&j, w->pool, e);
    free(sc);
    return r;
}

/* ---- contamination ------------------------------------------------------------------------------------- */

struct flagging {
    const struct scan *s;
    struct workers *w;
    const struct ngrams *set;
    uint8_t slot[ROWS_BATCH];
    uint8_t *flags;
    uint64_t n, cap;
};

static int flag_row(void *ctx, const struct conv_row *row, uint32_t slot, unsigned thread, struct err *e)
{
    struct flagging *f = ctx;
    struct document *d = &f->w->room[thread];
    char *text;
    size_t len;
    f->slot[slot] = 0;
    if (document_turns(d, row) != DOCUMENT_OK) return 0;
    int r = question_text(&text, &len, d->turns, d->n_turns, f->w->nfc, e);
    if (r) return r;
    f->slot[slot] = ngrams_hit(f->set, text, len);
    free(text);
    return 0;
}

static int flag_take(void *ctx, const struct conv_row *rows, uint32_t n, struct err *e)
{
    struct flagging *f = ctx;
    (void)rows;
    if (f->cap - f->n < n) {
        uint64_t cap = 2 * f->cap + ROWS_BATCH;
        uint8_t *flags = realloc(f->flags, cap);
        if (!flags) return err_set(e, ERR_NOMEM, "no memory for %llu rows", (unsigned long long)cap);
        f->flags = flags, f->cap = cap;
    }
    for (uint32_t i = 0; i < n; i++) f->flags[f->n++] = f->slot[i];
    return ticker_tick(&f->s->ticker, n, e);
}

int scan_contaminated(uint8_t **flags, uint64_t *rows, const struct scan *s, const struct ngrams *set,
                      struct workers *w, struct err *e)
{
    struct flagging f = {.s = s, .w = w, .set = set};
    struct rows_job j = {.path = s->path, .work = flag_row, .take = flag_take, .ctx = &f};
    int r = rows_run(&j, w->pool, e);
    *flags = f.flags, *rows = f.n;
    return r;
}
