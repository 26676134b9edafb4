#include "data/conversations.h"
#include "data/parquet/parquet.h"

#include <stdlib.h>
#include <string.h>

enum { CONVERSATIONS, DIFFICULTY, SOURCE, DOMAIN, N_COLUMNS };

struct conv_file {
    struct pq *pq;
    int column[N_COLUMNS]; /* index in the rows; -1: the file does not have it */
    int from, value;       /* index in a turn */
    uint64_t index;        /* of the next row */
    struct conv_turn *turns;
    size_t turns_cap;
};

static int child_index(const struct pq_field *f, const char *name)
{
    for (uint32_t i = 0; i < f->n_children; i++)
        if (!strcmp(f->children[i]->name, name)) return (int)i;
    return -1;
}

static bool is_string(const struct pq_field *f)
{
    return f->kind == PQ_LEAF && (f->type == PQ_BYTE_ARRAY || f->type == PQ_FIXED) && !f->unsupported;
}

static bool is_integer(const struct pq_field *f)
{
    return f->kind == PQ_LEAF && (f->type == PQ_INT64 || f->type == PQ_INT32) && !f->unsupported;
}

static int wrong_type(const char *path, const char *column, const char *wanted, struct err *e)
{
    return err_set(e, ERR_COL_TYPE, "%s: column '%s' is not %s", path, column, wanted);
}

static int check_turns(struct conv_file *f, const struct pq_field *list, const char *path, struct err *e)
{
    static const char wanted[] = "a list of structs {from, value} of strings";
    const struct pq_field *turn = list->kind == PQ_LIST ? list->children[0] : NULL;
    if (!turn || turn->kind != PQ_STRUCT) return wrong_type(path, list->name, wanted, e);
    f->from = child_index(turn, "from");
    f->value = child_index(turn, "value");
    if (f->from < 0 || f->value < 0)
        return err_set(e, ERR_COL_MISSING, "%s: the turns of '%s' have no '%s'", path, list->name,
                       f->from < 0 ? "from" : "value");
    if (!is_string(turn->children[f->from]) || !is_string(turn->children[f->value]))
        return wrong_type(path, list->name, wanted, e);
    return 0;
}

static int bind_columns(struct conv_file *f, const char *path, struct err *e)
{
    static const char *const all[N_COLUMNS] = {"conversations", "difficulty", "source", "domain"};
    const struct pq_field *schema = pq_schema(f->pq);
    const char *names[N_COLUMNS];
    uint32_t n = 0;
    for (int c = 0; c < N_COLUMNS; c++) {
        int at = child_index(schema, all[c]);
        f->column[c] = at < 0 ? -1 : (int)n;
        if (at < 0) continue;
        names[n++] = all[c];
        const struct pq_field *field = schema->children[at];
        if (c == DIFFICULTY && !is_integer(field)) return wrong_type(path, all[c], "an integer", e);
        if ((c == SOURCE || c == DOMAIN) && !is_string(field)) return wrong_type(path, all[c], "a string", e);
        int code = c == CONVERSATIONS ? check_turns(f, field, path, e) : 0;
        if (code) return code;
    }
    if (f->column[CONVERSATIONS] < 0)
        return err_set(e, ERR_COL_MISSING, "%s: there is no column 'conversations'", path);
    return pq_select(f->pq, names, n, e);
}

int conv_open(struct conv_file **out, const char *path, struct err *e)
{
    *out = NULL;
    struct conv_file *f = calloc(1, sizeof *f);
    if (!f) return err_set(e, ERR_NOMEM, "%s: no memory", path);
    int code = pq_open(&f->pq, path, e);
    if (!code) code = bind_columns(f, path, e);
    if (code)
        conv_close(f);
    else
        *out = f;
    return code;
}

void conv_close(struct conv_file *f)
{
    if (!f) return;
    pq_close(f->pq);
    free(f->turns);
    free(f);
}

uint64_t conv_rows(const struct conv_file *f)
{
    return pq_rows(f->pq);
}

static struct conv_text text_of(const struct pq_datum *d)
{
    return d->kind == PQ_DATUM_STRING ? (struct conv_text){d->s, d->n} : (struct conv_text){0};
}

/* Makes room for n turns; at least one, so that an empty list has a pointer too. */
static int reserve_turns(struct conv_file *f, size_t n, struct err *e)
{
    if (f->turns && n <= f->turns_cap) return 0;
    size_t cap = n < 16 ? 16 : n;
    struct conv_turn *grown = realloc(f->turns, cap * sizeof *grown);
    if (!grown) return err_set(e, ERR_NOMEM, "no memory for %zu turns", n);
    f->turns = grown;
    f->turns_cap = cap;
    return 0;
}

static int take_turns(struct conv_file *f, const struct pq_datum *list, struct conv_row *row, struct err *e)
{
    if (list->kind == PQ_DATUM_NULL) return 0;
    int code = reserve_turns(f, list->n, e);
    if (code) return code;
    for (uint32_t i = 0; i < list->n; i++) {
        const struct pq_datum *turn = &list->items[i];
        f->turns[i] = (struct conv_turn){0};
        if (turn->kind == PQ_DATUM_NULL) continue;
        f->turns[i].from = text_of(&turn->items[f->from]);
        f->turns[i].value = text_of(&turn->items[f->value]);
    }
    row->has_turns = true;
    row->n_turns = list->n;
    row->turns = f->turns;
    return 0;
}

int conv_next(struct conv_file *f, struct conv_row *row, struct err *e)
{
    static const struct pq_datum null = {.kind = PQ_DATUM_NULL};
    const struct pq_datum *d, *column[N_COLUMNS];
    int code = pq_next(f->pq, &d, e);
    if (code != 1) return code;
    for (int c = 0; c < N_COLUMNS; c++) column[c] = f->column[c] < 0 ? &null : &d->items[f->column[c]];
    *row = (struct conv_row){.index = f->index++};
    row->has_difficulty = column[DIFFICULTY]->kind != PQ_DATUM_NULL;
    if (row->has_difficulty) row->difficulty = column[DIFFICULTY]->i;
    row->source = text_of(column[SOURCE]);
    row->domain = text_of(column[DOMAIN]);
    code = take_turns(f, column[CONVERSATIONS], row, e);
    return code ? code : 1;
}

int conv_seek(struct conv_file *f, uint64_t row, struct err *e)
{
    int code = pq_seek(f->pq, row, e);
    if (!code) f->index = row;
    return code;
}
