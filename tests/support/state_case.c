#include "tests/support/state_case.h"

#include <stdio.h>
#include <string.h>

void state_case_init(struct state_case *c, int64_t step)
{
    memset(c, 0, sizeof *c);
    for (int i = 0; i < CASE_WEIGHTS; i++) {
        c->master[i] = (float)(i * 7 % 113) - (float)step;
        c->m[i] = (float)(i % 11) * -0.25f * (float)step;
        c->v[i] = (float)(i % 5) * (float)step;
    }
    c->optimizer_step = step;
    c->skipped = step / 2;
    for (uint64_t i = 0; i < 4; i++) c->rng[i] = 0x9e3779b97f4a7c15u * (i + (uint64_t)step);
    for (uint64_t i = 0; i < 3; i++) c->cursor[i] = i * (uint64_t)step;
    c->schedule = 1.0 / (double)(step + 3);
    const struct state_field fields[CASE_FIELDS] = {
        {"adapter.master", DTYPE_F32, CASE_WEIGHTS, c->master, STATE_FINITE},
        {"adam.m", DTYPE_F32, CASE_WEIGHTS, c->m, STATE_FINITE},
        {"adam.v", DTYPE_F32, CASE_WEIGHTS, c->v, STATE_NONNEGATIVE},
        {"adam.step", DTYPE_I64, 1, &c->optimizer_step, STATE_IS_STEP},
        {"guard.skipped", DTYPE_I64, 1, &c->skipped, 0},
        {"rng", DTYPE_U64, 4, c->rng, 0},
        {"data.cursor", DTYPE_U64, 3, c->cursor, 0},
        {"schedule.scale", DTYPE_F64, 1, &c->schedule, STATE_FINITE},
    };
    memcpy(c->fields, fields, sizeof fields);
    c->ident = (struct state_ident){"run-1", "c0nf1g", "ba5e", "t0ken", "da7a", "bf16", step, 1000};
}

int state_case_equal(const struct state_case *a, const struct state_case *b)
{
    for (int i = 0; i < CASE_FIELDS; i++) {
        size_t bytes = a->fields[i].count * dtype_bits(a->fields[i].dtype) / 8;
        if (memcmp(a->fields[i].data, b->fields[i].data, bytes) != 0) return 0;
    }
    return 1;
}

int state_case_save(const char *dir, int64_t step, unsigned keep, struct err *e)
{
    static struct state_case c;
    state_case_init(&c, step);
    return state_save(dir, &c.ident, c.fields, CASE_FIELDS, keep, e);
}

struct notes {
    char *text;
    size_t size;
};

static void take_note(void *ctx, const char *text)
{
    struct notes *n = ctx;
    size_t used = n->size ? strlen(n->text) : 0;
    if (n->size) snprintf(n->text + used, n->size - used, "%s\n", text);
}

int state_case_latest(const char *dir, struct state_case *c, int64_t *step, char *notes, size_t size,
                      struct err *e)
{
    static struct state_case want;
    struct notes n = {notes, notes ? size : 0};
    if (n.size) notes[0] = 0;
    state_case_init(c, 0);
    memset(c->master, 0xff, sizeof c->master);
    int rc = state_load_latest(dir, &c->ident, c->fields, CASE_FIELDS, take_note, &n, step, e);
    if (rc || *step < 0) return rc;
    state_case_init(&want, *step);
    return state_case_equal(c, &want) ? 0 : -2;
}
