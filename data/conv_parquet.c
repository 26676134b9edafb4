/* Conversations in Parquet: OpenThoughts3's columns, and those of its relatives. */
#include "data/conv_view.h"
#include "data/parquet/parquet.h"

#include <stdlib.h>
#include <string.h>

enum { LIST, QUESTION, ANSWER, INPUT, HISTORY, SYSTEM, DIFFICULTY, SOURCE, DOMAIN, N_COLUMNS };

struct view {
    struct pq *pq;
    int column[N_COLUMNS]; /* index in the rows; -1: the file does not have it */
    int from, value;       /* index in a turn */
    uint64_t index;        /* of the next row */
    struct conv_maker turns;
};

/* ---- which columns --------------------------------------------------------------------------------------
 */

static int child_index(const struct pq_field *f, const char *name)
{
    for (uint32_t i = 0; i < f->n_children; i++)
        if (!strcmp(f->children[i]->name, name)) return (int)i;
    return -1;
}

static bool has_column(const void *schema, const char *name)
{
    return child_index(schema, name) >= 0;
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

static int check_turns(struct view *v, const struct pq_field *list, const char *path, struct err *e)
{
    static const char wanted[] = "a list of structs {from, value} or {role, content} of strings";
    const struct pq_field *turn = list->kind == PQ_LIST ? list->children[0] : NULL;
    if (!turn || turn->kind != PQ_STRUCT) return wrong_type(path, list->name, wanted, e);
    const char *const *keys = conv_turn_keys[*list->name == 'm'];
    for (int i = 0; i < 2; i++)
        if (has_column(turn, conv_turn_keys[i][CONV_FROM]) && has_column(turn, conv_turn_keys[i][CONV_VALUE]))
            keys = conv_turn_keys[i];
    v->from = child_index(turn, keys[CONV_FROM]);
    v->value = child_index(turn, keys[CONV_VALUE]);
    if (v->from < 0 || v->value < 0)
        return err_set(e, ERR_COL_MISSING, "%s: the turns of '%s' have no '%s'", path, list->name,
                       keys[v->from < 0 ? CONV_FROM : CONV_VALUE]);
    if (!is_string(turn->children[v->from]) || !is_string(turn->children[v->value]))
        return wrong_type(path, list->name, wanted, e);
    return 0;
}

static int check_history(const struct pq_field *f, const char *path, struct err *e)
{
    const struct pq_field *turn = f->kind == PQ_LIST ? f->children[0] : NULL;
    if (turn && turn->kind == PQ_LIST && is_string(turn->children[0])) return 0;
    return wrong_type(path, f->name, "a list of lists of strings", e);
}

static int check_column(struct view *v, int column, const struct pq_field *f, const char *path, struct err *e)
{
    if (column == LIST) return check_turns(v, f, path, e);
    if (column == HISTORY) return check_history(f, path, e);
    if (column == DIFFICULTY) return is_integer(f) ? 0 : wrong_type(path, f->name, "an integer", e);
    return is_string(f) ? 0 : wrong_type(path, f->name, "a string", e);
}

static int bind_columns(struct view *v, const char *path, struct err *e)
{
    struct conv_shape shape;
    const struct pq_field *schema = pq_schema(v->pq);
    int rc = conv_shape_find(&shape, has_column, schema, path, e);
    if (rc) return rc;
    if (!shape.list && !shape.question)
        return err_set(e, ERR_COL_MISSING, "%s: %s: no such columns", path, conv_shapes_wanted);
    const char *const wanted[N_COLUMNS] = {[LIST] = shape.list,
                                           [QUESTION] = shape.question,
                                           [ANSWER] = shape.answer,
                                           [INPUT] = shape.alpaca ? "input" : NULL,
                                           [HISTORY] = shape.alpaca ? "history" : NULL,
                                           [SYSTEM] = "system",
                                           [DIFFICULTY] = "difficulty",
                                           [SOURCE] = "source",
                                           [DOMAIN] = "domain"};
    const char *names[N_COLUMNS];
    uint32_t n = 0;
    for (int c = 0; !rc && c < N_COLUMNS; c++) {
        int at = wanted[c] ? child_index(schema, wanted[c]) : -1;
        v->column[c] = at < 0 ? -1 : (int)n;
        if (at < 0) continue;
        names[n++] = wanted[c];
        rc = check_column(v, c, schema->children[at], path, e);
    }
    return rc ? rc : pq_select(v->pq, names, n, e);
}

/* ---- rows -----------------------------------------------------------------------------------------------
 */

static struct conv_text text_of(const struct pq_datum *d)
{
    return d->kind == PQ_DATUM_STRING ? (struct conv_text){d->s, d->n} : (struct conv_text){0};
}

static int take_list(struct view *v, const struct pq_datum *list, struct err *e)
{
    int rc = 0;
    for (uint32_t i = 0; !rc && i < list->n; i++) {
        const struct pq_datum *turn = &list->items[i];
        bool null = turn->kind == PQ_DATUM_NULL;
        rc = maker_turn(&v->turns, null ? (struct conv_text){0} : text_of(&turn->items[v->from]),
                        null ? (struct conv_text){0} : text_of(&turn->items[v->value]), e);
    }
    return rc;
}

static int take_history(struct view *v, const struct pq_datum *list, uint64_t row, struct err *e)
{
    int rc = 0;
    for (uint32_t i = 0; !rc && list->kind == PQ_DATUM_LIST && i < list->n; i++) {
        const struct pq_datum *turn = &list->items[i];
        if (turn->kind != PQ_DATUM_LIST || turn->n != 2)
            return err_set(e, ERR_FIELD_TYPE, "row %llu: 'history' is not a list of [question, answer]",
                           (unsigned long long)row);
        rc = maker_pair(
            &v->turns,
            &(struct conv_pair){.question = text_of(&turn->items[0]), .answer = text_of(&turn->items[1])}, e);
    }
    return rc;
}

static int take_turns(struct view *v, const struct pq_datum *const *column, struct conv_row *row,
                      struct err *e)
{
    bool list = v->column[LIST] >= 0;
    if (list && column[LIST]->kind == PQ_DATUM_NULL) return 0;
    int rc = maker_begin(&v->turns, e);
    if (!rc && list) rc = take_list(v, column[LIST], e);
    if (!rc && !list) rc = take_history(v, column[HISTORY], row->index, e);
    if (!rc && !list)
        rc = maker_pair(
            &v->turns,
            &(struct conv_pair){text_of(column[QUESTION]), text_of(column[INPUT]), text_of(column[ANSWER])},
            e);
    if (!rc) rc = maker_system(&v->turns, text_of(column[SYSTEM]), e);
    if (!rc) maker_end(&v->turns, row);
    return rc;
}

static int next(void *self, struct conv_row *row, struct err *e)
{
    static const struct pq_datum null = {.kind = PQ_DATUM_NULL};
    struct view *v = self;
    const struct pq_datum *d, *column[N_COLUMNS];
    int code = pq_next(v->pq, &d, e);
    if (code != 1) return code;
    for (int c = 0; c < N_COLUMNS; c++) column[c] = v->column[c] < 0 ? &null : &d->items[v->column[c]];
    *row = (struct conv_row){.index = v->index++};
    row->has_difficulty = column[DIFFICULTY]->kind != PQ_DATUM_NULL;
    if (row->has_difficulty) row->difficulty = column[DIFFICULTY]->i;
    row->source = text_of(column[SOURCE]);
    row->domain = text_of(column[DOMAIN]);
    code = take_turns(v, column, row, e);
    return code ? code : 1;
}

/* ---- the file -------------------------------------------------------------------------------------------
 */

static void close_view(void *self)
{
    struct view *v = self;
    if (!v) return;
    pq_close(v->pq);
    maker_clear(&v->turns);
    free(v);
}

static int open_view(void **self, const char *path, struct err *e)
{
    struct view *v = calloc(1, sizeof *v);
    int rc = v ? pq_open(&v->pq, path, e) : err_set(e, ERR_NOMEM, "%s: no memory", path);
    if (!rc) rc = bind_columns(v, path, e);
    *self = v;
    if (!rc) return 0;
    close_view(v);
    *self = NULL;
    return rc;
}

static uint64_t rows(const void *self)
{
    return pq_rows(((const struct view *)self)->pq);
}

static int seek(void *self, uint64_t row, struct err *e)
{
    struct view *v = self;
    int rc = pq_seek(v->pq, row, e);
    if (!rc) v->index = row;
    return rc;
}

static struct file_part part(const void *self, uint64_t row)
{
    const struct pq *pq = ((const struct view *)self)->pq;
    const uint32_t group = pq_group_of(pq, row);
    struct file_part p = {.bytes = pq_group_bytes(pq, group)};
    pq_group(pq, group, &p.first, &p.rows, NULL);
    return p;
}

static uint64_t bytes(const void *self)
{
    const struct pq *pq = ((const struct view *)self)->pq;
    uint64_t n = 0;
    for (uint32_t group = 0; group < pq_groups(pq); group++) n += pq_group_bytes(pq, group);
    return n;
}

const struct conv_view conv_parquet = {open_view, close_view, rows, next, seek, part, bytes};
