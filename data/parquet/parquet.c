#include "data/parquet/parquet.h"
#include "data/parquet/assemble.h"
#include "data/parquet/bits.h"
#include "data/parquet/column.h"
#include "data/parquet/meta.h"
#include "data/parquet/page.h"
#include "infer/size.h"

#include <stdlib.h>
#include <string.h>

struct pq {
    char *name;
    struct pq_source source;
    struct pq_meta meta;
    struct pq_field *root;                     /* the selected columns */
    struct pq_column *columns;                 /* by leaf; of the selected ones, the group that is loaded */
    struct pq_arena file, group, scratch, row; /* by lifetime; scratch: one column */
    uint32_t next_group;                       /* the one after the group that is loaded */
    uint64_t rows_left;                        /* in the loaded group */
    uint64_t index;                            /* of the next row */
    struct pq_datum datum;
};

static int named(const struct pq *p, const struct err *why, struct err *e)
{
    return why->code ? err_set(e, why->code, "%s: %s", p->name, why->msg) : 0;
}

/* ---- the footer ------------------------------------------------------------------------------------------
 */

/* Finds the footer: *at and *n, from the last 8 bytes. */
static int find_footer(struct pq *p, uint64_t *at, uint32_t *n, struct err *e)
{
    uint64_t size = p->source.size;
    if (size < 12)
        return err_set(e, ERR_PQ_SHORT, "%llu bytes, no parquet file is under 12", (unsigned long long)size);
    const uint8_t *head = source_read(&p->source, 0, 4, &p->file, e);
    const uint8_t *tail = head ? source_read(&p->source, size - 8, 8, &p->file, e) : NULL;
    if (!tail) return e->code;
    if (!memcmp(tail + 4, "PARE", 4) || !memcmp(head, "PARE", 4))
        return err_set(e, ERR_PQ_UNSUPPORTED, "the file is encrypted");
    if (memcmp(head, "PAR1", 4)) return err_set(e, ERR_PQ_MAGIC, "does not start with PAR1");
    if (memcmp(tail + 4, "PAR1", 4)) return err_set(e, ERR_PQ_MAGIC, "does not end with PAR1: cut off?");
    *n = load_u32(tail);
    if (!*n || *n > size - 12)
        return err_set(e, ERR_PQ_FOOTER, "a footer of %u bytes in a file of %llu", *n,
                       (unsigned long long)size);
    *at = size - 8 - *n;
    return 0;
}

static int read_footer(struct pq *p, struct err *e)
{
    uint64_t at = 0;
    uint32_t n = 0;
    struct err why = {0};
    p->file.limit = 1 << 20;
    p->scratch.limit = p->source.size;
    int code = find_footer(p, &at, &n, e);
    if (code) return code;
    p->file.limit += (uint64_t)64 * n;
    const uint8_t *footer = source_read(&p->source, at, n, &p->scratch, e);
    if (!footer) return e->code;
    code = meta_parse(&p->meta, footer, n, &p->file, &why);
    if (code) return err_set(e, code, "footer: %s", why.msg);
    code = meta_schema(&p->meta, &p->file, e);
    if (!code) code = meta_check(&p->meta, at, &p->file, e);
    if (code) return code;
    p->root = p->meta.root;
    p->columns = pq_arena_alloc(&p->file, p->meta.n_leaves, sizeof *p->columns, e);
    pq_arena_free(&p->scratch);
    return p->columns ? 0 : e->code;
}

/* ---- open, select, close ---------------------------------------------------------------------------------
 */

static struct pq *create(const char *name, struct err *e)
{
    struct pq *p = calloc(1, sizeof *p);
    if (p) p->name = strdup(name);
    if (p && p->name) {
        p->source.fd = -1;
        return p;
    }
    free(p);
    err_set(e, ERR_NOMEM, "%s: no memory", name);
    return NULL;
}

static int open_footer(struct pq **out, struct pq *p, int code, struct err *why, struct err *e)
{
    if (!code) code = read_footer(p, why);
    if (!code) {
        *out = p;
        return 0;
    }
    named(p, why, e);
    pq_close(p);
    return code;
}

int pq_open(struct pq **out, const char *path, struct err *e)
{
    struct err why = {0};
    *out = NULL;
    struct pq *p = create(path, e);
    return p ? open_footer(out, p, source_open(&p->source, path, &why), &why, e) : ERR_NOMEM;
}

int pq_open_memory(struct pq **out, const char *name, const void *data, size_t bytes, struct err *e)
{
    struct err why = {0};
    *out = NULL;
    struct pq *p = create(name, e);
    if (!p) return ERR_NOMEM;
    p->source = (struct pq_source){.fd = -1, .memory = data, .size = bytes};
    return open_footer(out, p, 0, &why, e);
}

int pq_open_reader(struct pq **out, const char *name, const struct pq_reader *reader, struct err *e)
{
    struct err why = {0};
    *out = NULL;
    struct pq *p = create(name, e);
    if (!p) return ERR_NOMEM;
    p->source = (struct pq_source){.fd = -1, .reader = *reader, .size = reader->size};
    return open_footer(out, p, 0, &why, e);
}

void pq_close(struct pq *p)
{
    if (!p) return;
    pq_arena_free(&p->file);
    pq_arena_free(&p->group);
    pq_arena_free(&p->scratch);
    pq_arena_free(&p->row);
    source_close(&p->source);
    free(p->name);
    free(p);
}

const struct pq_field *pq_schema(const struct pq *p)
{
    return p->root;
}

uint64_t pq_rows(const struct pq *p)
{
    return (uint64_t)p->meta.rows;
}

uint32_t pq_groups(const struct pq *p)
{
    return p->meta.n_groups;
}

int pq_group(const struct pq *p, uint64_t group, uint64_t *first, uint64_t *n, struct err *e)
{
    if (group >= p->meta.n_groups)
        return err_set(e, ERR_FIELD_RANGE, "%s: row group %llu, there are %u", p->name,
                       (unsigned long long)group, p->meta.n_groups);
    *first = 0;
    for (uint64_t g = 0; g < group; g++) *first += (uint64_t)p->meta.groups[g].rows;
    *n = (uint64_t)p->meta.groups[group].rows;
    return 0;
}

/* The group with `row` in it; *first becomes the number of its first row. */
static uint32_t group_of(const struct pq *p, uint64_t row, uint64_t *first)
{
    uint32_t g = 0;
    for (*first = 0; row - *first >= (uint64_t)p->meta.groups[g].rows; g++)
        *first += (uint64_t)p->meta.groups[g].rows;
    return g;
}

uint32_t pq_group_of(const struct pq *p, uint64_t row)
{
    uint64_t first;
    return group_of(p, row, &first);
}

uint64_t pq_group_bytes(const struct pq *p, uint32_t group)
{
    uint64_t bytes = 0;
    for (uint32_t k = 0; k < p->root->n_children; k++) {
        const struct pq_field *f = p->root->children[k];
        for (uint32_t i = 0; i < f->n_leaves; i++)
            bytes += (uint64_t)p->meta.groups[group].chunks[f->first_leaf + i].bytes;
    }
    return bytes;
}

static struct pq_field *find_child(const struct pq_field *f, const char *name)
{
    for (uint32_t i = 0; i < f->n_children; i++)
        if (!strcmp(f->children[i]->name, name)) return f->children[i];
    return NULL;
}

int pq_select(struct pq *p, const char *const *names, uint32_t n, struct err *e)
{
    struct err why = {0};
    struct pq_field *root = pq_arena_alloc(&p->file, 1, sizeof *root, &why);
    struct pq_field **children = root ? pq_arena_alloc(&p->file, n, sizeof *children, &why) : NULL;
    if (!children) return named(p, &why, e);
    for (uint32_t i = 0; i < n; i++) {
        children[i] = find_child(p->meta.root, names[i]);
        if (!children[i])
            return err_set(e, ERR_COL_MISSING, "%s: there is no column '%s'", p->name, names[i]);
        for (uint32_t k = 0; k < i; k++)
            if (children[k] == children[i])
                return err_set(e, ERR_DUP_KEY, "%s: column '%s' is selected twice", p->name, names[i]);
    }
    *root = *p->meta.root;
    root->children = children;
    root->n_children = n;
    p->root = root;
    return 0;
}

/* ---- row groups and rows ---------------------------------------------------------------------------------
 */

static int load_leaf(struct pq *p, const struct pq_group *g, uint32_t leaf, struct err *e)
{
    char path[256];
    const struct pq_field *f = p->meta.leaves[leaf];
    struct err why = {0};
    if (f->unsupported)
        err_set(&why, ERR_PQ_UNSUPPORTED, "type %s is not supported", f->unsupported);
    else
        column_read(&p->columns[leaf], &p->source, f, &g->chunks[leaf], (uint64_t)g->rows, &p->group,
                    &p->scratch, &why);
    pq_arena_reset(&p->scratch);
    if (!why.code) return 0;
    return err_set(e, why.code, "row group %u, column %s: %s", (unsigned)(g - p->meta.groups),
                   meta_leaf_path(p->meta.root, leaf, path, sizeof path), why.msg);
}

/* Reads the selected columns of the next row group. */
static int load_group(struct pq *p, struct err *e)
{
    const struct pq_group *g = &p->meta.groups[p->next_group++];
    uint64_t bytes = 0;
    int code = 0;
    pq_arena_free(&p->group);
    for (uint32_t i = 0; i < p->meta.n_leaves; i++) bytes += (uint64_t)g->chunks[i].bytes;
    p->group.limit = PQ_GROUP_FLOOR + PQ_RATIO * bytes;
    p->row.limit = p->group.limit;
    for (uint32_t k = 0; !code && k < p->root->n_children; k++) {
        const struct pq_field *f = p->root->children[k];
        for (uint32_t i = 0; !code && i < f->n_leaves; i++) code = load_leaf(p, g, f->first_leaf + i, e);
    }
    p->rows_left = code ? 0 : (uint64_t)g->rows;
    return code;
}

static int next_row(struct pq *p, struct err *e)
{
    struct assembler a = {p->root, p->columns, &p->row};
    struct err why = {0};
    pq_arena_reset(&p->row);
    int code = assemble_row(&a, &p->datum, &why);
    if (!code && p->rows_left == 1) code = assemble_end(&a, &why);
    if (code) return err_set(e, code, "row %llu: %s", (unsigned long long)p->index, why.msg);
    p->rows_left--;
    p->index++;
    return 1;
}

int pq_next(struct pq *p, const struct pq_datum **row, struct err *e)
{
    struct err why = {0};
    int code = 0;
    while (!code && !p->rows_left && p->next_group < p->meta.n_groups) code = load_group(p, &why);
    if (!code && !p->rows_left) return 0;
    if (!code) code = next_row(p, &why);
    *row = &p->datum;
    return code < 0 ? named(p, &why, e) : code;
}

int pq_seek(struct pq *p, uint64_t row, struct err *e)
{
    uint64_t first;
    const struct pq_datum *skipped;
    if (row > pq_rows(p))
        return err_set(e, ERR_FIELD_RANGE, "%s: row %llu, there are %llu", p->name, (unsigned long long)row,
                       (unsigned long long)pq_rows(p));
    if (row == pq_rows(p)) {
        p->rows_left = 0;
        p->next_group = p->meta.n_groups;
        p->index = row;
        return 0;
    }
    uint32_t g = group_of(p, row, &first);
    if (g + 1 != p->next_group || !p->rows_left || row < p->index) {
        p->rows_left = 0;
        p->next_group = g;
        p->index = first;
    }
    while (p->index < row) {
        int code = pq_next(p, &skipped, e);
        if (code < 0) return code;
    }
    return 0;
}
