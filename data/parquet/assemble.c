#include "data/parquet/assemble.h"
#include "infer/utf8.h"

#include <stdbool.h>

/* The levels of the entry that the column gives next. */
static uint8_t rep_of(const struct pq_column *c)
{
    return c->rep ? c->rep[c->at] : 0;
}
static uint8_t def_of(const struct pq_column *c)
{
    return c->def ? c->def[c->at] : 0;
}

/* Every entry is taken through here: the column must go on, and the entry belong to what is being built. */
static int check_entry(const struct pq_column *c, const struct pq_field *f, uint8_t rep, struct err *e)
{
    if (c->at >= c->n_levels) return err_set(e, ERR_PQ_LEVELS, "column '%s' ends early", f->name);
    if (rep_of(c) != rep)
        return err_set(e, ERR_PQ_LEVELS, "column '%s' has repetition level %u, expected %u", f->name,
                       rep_of(c), rep);
    return 0;
}

static int make_datum(const struct pq_field *f, const struct pq_value *v, struct pq_datum *out, struct err *e)
{
    switch (f->type) {
    case PQ_BOOLEAN:
        *out = (struct pq_datum){.kind = PQ_DATUM_BOOL, .i = v->i & 1};
        return 0;
    case PQ_INT32:
        *out = (struct pq_datum){.kind = f->is_unsigned ? PQ_DATUM_UINT : PQ_DATUM_INT,
                                 .i = f->is_unsigned ? (int64_t)(uint32_t)v->i : v->i};
        return 0;
    case PQ_INT64:
        *out = (struct pq_datum){.kind = f->is_unsigned ? PQ_DATUM_UINT : PQ_DATUM_INT, .i = v->i};
        return 0;
    case PQ_FLOAT:
        *out = (struct pq_datum){.kind = PQ_DATUM_FLOAT, .f = v->f};
        return 0;
    case PQ_DOUBLE:
        *out = (struct pq_datum){.kind = PQ_DATUM_DOUBLE, .f = v->f};
        return 0;
    default:
        break;
    }
    if (!utf8_valid((const char *)v->s, v->length))
        return err_set(e, ERR_UTF8, "column '%s' has a value of %u bytes that is not UTF-8", f->name,
                       v->length);
    *out = (struct pq_datum){.kind = PQ_DATUM_STRING, .n = v->length, .s = (const char *)v->s};
    return 0;
}

static const struct pq_value *next_value(struct pq_column *c)
{
    while (c->run_at == c->run->n) {
        c->run = c->run->next;
        c->run_at = 0;
    }
    return &c->run->values[c->run_at++];
}

static int read_leaf(struct assembler *a, const struct pq_field *f, uint8_t rep, struct pq_datum *out,
                     struct err *e)
{
    struct pq_column *c = &a->columns[f->first_leaf];
    int code = check_entry(c, f, rep, e);
    if (code) return code;
    uint8_t def = def_of(c);
    c->at++;
    if (def == f->def) return make_datum(f, next_value(c), out, e);
    *out = (struct pq_datum){.kind = PQ_DATUM_NULL};
    if (f->optional && def == f->def - 1) return 0;
    return err_set(e, f->optional ? ERR_PQ_LEVELS : ERR_PQ_NULL,
                   "column '%s' has definition level %u, expected %u%s", f->name, def, f->def,
                   f->optional ? "" : ": a null where none is allowed");
}

/* Takes the one entry that every leaf of `f` has where f is null (or an empty list): level `def` in all. */
static int take_absent(struct assembler *a, const struct pq_field *f, uint8_t rep, uint8_t def, struct err *e)
{
    for (uint32_t i = f->first_leaf; i < f->first_leaf + f->n_leaves; i++) {
        struct pq_column *c = &a->columns[i];
        int code = check_entry(c, f, rep, e);
        if (code) return code;
        if (def_of(c) != def)
            return err_set(e, ERR_PQ_LEVELS, "the columns of '%s' disagree: definition level %u, expected %u",
                           f->name, def_of(c), def);
        c->at++;
    }
    return 0;
}

/* Items of the list whose first entry in `c` is the next one. */
static uint64_t count_items(const struct pq_column *c, uint8_t item_rep)
{
    uint64_t n = 1;
    for (uint64_t i = c->at + 1; i < c->n_levels && c->rep[i] >= item_rep; i++) n += c->rep[i] == item_rep;
    return n;
}

static int read_field(struct assembler *a, const struct pq_field *f, uint8_t rep, struct pq_datum *out,
                      struct err *e);

static int read_struct(struct assembler *a, const struct pq_field *f, uint8_t rep, struct pq_datum *out,
                       struct err *e)
{
    struct pq_datum *items = pq_arena_alloc(a->row, f->n_children, sizeof *items, e);
    int code = items ? 0 : e->code;
    for (uint32_t i = 0; !code && i < f->n_children; i++)
        code = read_field(a, f->children[i], rep, &items[i], e);
    *out = (struct pq_datum){.kind = PQ_DATUM_STRUCT, .n = f->n_children, .items = items};
    return code;
}

static int read_list(struct assembler *a, const struct pq_field *f, uint8_t rep, struct pq_datum *out,
                     struct err *e)
{
    const struct pq_column *first = &a->columns[f->first_leaf];
    *out = (struct pq_datum){.kind = PQ_DATUM_LIST};
    if (def_of(first) == f->def) return take_absent(a, f, rep, f->def, e);
    uint64_t n = count_items(first, f->rep);
    if (n > UINT32_MAX)
        return err_set(e, ERR_TOO_MANY, "list '%s' has %llu items", f->name, (unsigned long long)n);
    struct pq_datum *items = pq_arena_alloc(a->row, n, sizeof *items, e);
    int code = items ? 0 : e->code;
    for (uint64_t i = 0; !code && i < n; i++)
        code = read_field(a, f->children[0], i ? f->rep : rep, &items[i], e);
    out->n = (uint32_t)n;
    out->items = items;
    return code;
}

/* Reads `f`, whose first entries must have repetition level `rep`. */
static int read_field(struct assembler *a, const struct pq_field *f, uint8_t rep, struct pq_datum *out,
                      struct err *e)
{
    if (f->kind == PQ_LEAF) return read_leaf(a, f, rep, out, e);
    const struct pq_column *first = &a->columns[f->first_leaf];
    int code = check_entry(first, f, rep, e);
    if (code) return code;
    if (def_of(first) < f->def) {
        *out = (struct pq_datum){.kind = PQ_DATUM_NULL};
        if (!f->optional) return err_set(e, ERR_PQ_NULL, "'%s' is null, which it must not be", f->name);
        return take_absent(a, f, rep, (uint8_t)(f->def - 1), e);
    }
    return f->kind == PQ_STRUCT ? read_struct(a, f, rep, out, e) : read_list(a, f, rep, out, e);
}

int assemble_row(struct assembler *a, struct pq_datum *out, struct err *e)
{
    return read_struct(a, a->root, 0, out, e);
}

int assemble_end(const struct assembler *a, struct err *e)
{
    for (uint32_t k = 0; k < a->root->n_children; k++) {
        const struct pq_field *f = a->root->children[k];
        for (uint32_t i = f->first_leaf; i < f->first_leaf + f->n_leaves; i++)
            if (a->columns[i].at != a->columns[i].n_levels)
                return err_set(e, ERR_PQ_LEVELS, "column '%s' has values beyond the last row", f->name);
    }
    return 0;
}
