/* Do the footer's numbers agree with each other and with the file? */
#include "data/parquet/meta.h"
#include "infer/size.h"

#include <stdlib.h>

/* Of the header that parquet-mr forgot: what others allow for it. */
enum { SLACK = 100 };

static int check_chunk(struct pq_meta *m, uint32_t leaf, const struct pq_group *g, uint64_t data_end,
                       struct err *e)
{
    struct pq_chunk *c = &g->chunks[leaf];
    const struct pq_field *f = m->leaves[leaf];
    if (c->type != (int)f->type)
        return err_set(e, ERR_COL_TYPE, "its chunk has physical type %d, the schema says %d", c->type,
                       f->type);
    if (c->n_values < 0 || c->n_values < g->rows || (!f->rep && c->n_values != g->rows))
        return err_set(e, ERR_PQ_COUNT, "%lld values in %lld rows", (long long)c->n_values,
                       (long long)g->rows);
    if (c->bytes < 0) return err_set(e, ERR_PQ_SIZE, "its compressed size is %lld", (long long)c->bytes);
    if (!c->n_values) { /* nothing to read; writers leave odd offsets there */
        c->bytes = 0;
        return 0;
    }
    if (c->data_offset < 4 || (uint64_t)c->data_offset >= data_end)
        return err_set(e, ERR_PQ_OFFSET, "its data page offset is %lld, expected 4 to %llu",
                       (long long)c->data_offset, (unsigned long long)data_end - 1);
    if (c->has_dict_offset && (c->dict_offset < 4 || c->dict_offset > c->data_offset))
        return err_set(e, ERR_PQ_OFFSET, "its dictionary page offset is %lld, expected 4 to %lld",
                       (long long)c->dict_offset, (long long)c->data_offset);
    c->start = (uint64_t)(c->has_dict_offset ? c->dict_offset : c->data_offset);
    if ((uint64_t)c->bytes > data_end - c->start)
        return err_set(e, ERR_PQ_SIZE, "%lld bytes at offset %llu pass the end of the data at %llu",
                       (long long)c->bytes, (unsigned long long)c->start, (unsigned long long)data_end);
    uint64_t behind = data_end - c->start - (uint64_t)c->bytes;
    if (m->short_chunks) c->slack = behind < SLACK ? (uint32_t)behind : SLACK;
    return 0;
}

static int check_group(struct pq_meta *m, uint32_t group, uint64_t data_end, struct err *e)
{
    char path[256];
    const struct pq_group *g = &m->groups[group];
    if (g->rows < 0) return err_set(e, ERR_PQ_COUNT, "row group %u has %lld rows", group, (long long)g->rows);
    if (g->n_chunks != m->n_leaves)
        return err_set(e, ERR_PQ_SCHEMA, "row group %u has %u columns, the schema %u", group, g->n_chunks,
                       m->n_leaves);
    for (uint32_t i = 0; i < m->n_leaves; i++) {
        struct err why = {0};
        int code = check_chunk(m, i, g, data_end, &why);
        if (code)
            return err_set(e, code, "row group %u, column %s: %s", group,
                           meta_leaf_path(m->root, i, path, sizeof path), why.msg);
    }
    return 0;
}

static int compare_starts(const void *a, const void *b)
{
    const struct pq_chunk *x = *(struct pq_chunk *const *)a, *y = *(struct pq_chunk *const *)b;
    return (x->start > y->start) - (x->start < y->start);
}

static int check_overlap(struct pq_meta *m, struct pq_arena *a, struct err *e)
{
    uint64_t n = 0, max = (uint64_t)m->n_groups * m->n_leaves;
    struct pq_chunk **all = pq_arena_alloc(a, max, sizeof *all, e);
    if (!all) return e->code;
    for (uint32_t g = 0; g < m->n_groups; g++)
        for (uint32_t i = 0; i < m->n_leaves; i++)
            if (m->groups[g].chunks[i].bytes) all[n++] = &m->groups[g].chunks[i];
    qsort(all, n, sizeof *all, compare_starts);
    for (uint64_t i = 1; i < n; i++)
        if (all[i]->start - all[i - 1]->start < (uint64_t)all[i - 1]->bytes)
            return err_set(e, ERR_OVERLAP, "the column chunks at offsets %llu and %llu overlap",
                           (unsigned long long)all[i - 1]->start, (unsigned long long)all[i]->start);
    return 0;
}

int meta_check(struct pq_meta *m, uint64_t data_end, struct pq_arena *a, struct err *e)
{
    uint64_t rows = 0;
    if (m->rows < 0) return err_set(e, ERR_PQ_COUNT, "num_rows is %lld", (long long)m->rows);
    for (uint32_t g = 0; g < m->n_groups; g++) {
        int code = check_group(m, g, data_end, e);
        if (code) return code;
        if (ckd_add(&rows, rows, (uint64_t)m->groups[g].rows)) rows = UINT64_MAX;
    }
    if (m->no_rows && !m->rows && rows <= INT64_MAX) m->rows = (int64_t)rows;
    if (rows != (uint64_t)m->rows)
        return err_set(e, ERR_PQ_COUNT, "num_rows is %lld, the row groups have %llu", (long long)m->rows,
                       (unsigned long long)rows);
    return check_overlap(m, a, e);
}
