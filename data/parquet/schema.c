/* From the file's list of schema elements to the tree a reader wants. */
#include "data/parquet/meta.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct builder {
    struct pq_meta *m;
    uint32_t next; /* element to be taken next */
    struct pq_arena *arena;
    struct err *e;
};

/* Levels above a node. */
struct levels {
    int depth;
    uint8_t def, rep;
};

static struct pq_field *build_field(struct builder *b, struct levels at);
static struct pq_field *build_body(struct builder *b, const struct pq_element *el, struct levels at);

static void *bad_schema(struct builder *b, const struct pq_element *el, const char *what)
{
    err_set(b->e, ERR_PQ_SCHEMA, "schema element %td '%s' %s", el - b->m->elements, el->name, what);
    return NULL;
}

static const struct pq_element *take(struct builder *b, int depth)
{
    struct pq_meta *m = b->m;
    if (b->next >= m->n_elements) {
        err_set(b->e, ERR_PQ_SCHEMA, "the schema has %u elements, its child counts want more", m->n_elements);
        return NULL;
    }
    const struct pq_element *el = &m->elements[b->next++];
    if (depth > PQ_MAX_DEPTH) {
        err_set(b->e, ERR_DEPTH, "column '%s' is nested deeper than %d", el->name, PQ_MAX_DEPTH);
        return NULL;
    }
    if (b->next > 1 && el->repetition < 0) return bad_schema(b, el, "lacks its repetition");
    if (el->type >= 0 && el->n_children) return bad_schema(b, el, "has both a type and children");
    if (el->type < 0 && !el->n_children) return bad_schema(b, el, "has neither a type nor children");
    if (el->n_children > m->n_elements - b->next) return bad_schema(b, el, "has more children than are left");
    return el;
}

static struct pq_field *field_create(struct builder *b, const struct pq_element *el, enum pq_kind kind,
                                     struct levels at, uint32_t n_children)
{
    struct pq_field *f = pq_arena_alloc(b->arena, 1, sizeof *f, b->e);
    if (!f) return NULL;
    *f = (struct pq_field){.name = el->name, .kind = kind, .def = at.def, .rep = at.rep};
    f->first_leaf = b->m->n_leaves;
    f->n_children = n_children;
    f->children = pq_arena_alloc(b->arena, n_children, sizeof *f->children, b->e);
    return f->children ? f : NULL;
}

static struct pq_field *build_leaf(struct builder *b, const struct pq_element *el, struct levels at)
{
    struct pq_field *f = field_create(b, el, PQ_LEAF, at, 0);
    if (!f) return NULL;
    f->type = (enum pq_type)el->type;
    f->length = el->length;
    f->is_unsigned = el->annotation == PQ_AS_UNSIGNED;
    f->unsupported = el->type == PQ_INT96 ? "INT96" : el->unsupported;
    f->n_leaves = 1;
    if (f->type == PQ_FIXED && !f->length) return bad_schema(b, el, "has a fixed length of 0");
    b->m->leaves[b->m->n_leaves++] = f;
    return f;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int names_differ(struct builder *b, const struct pq_field *f)
{
    const char **names = pq_arena_alloc(b->arena, f->n_children, sizeof *names, b->e);
    if (!names) return b->e->code;
    for (uint32_t i = 0; i < f->n_children; i++) names[i] = f->children[i]->name;
    qsort(names, f->n_children, sizeof *names, compare_names);
    for (uint32_t i = 1; i < f->n_children; i++)
        if (!strcmp(names[i - 1], names[i]))
            return err_set(b->e, ERR_DUP_KEY, "two columns are named '%s' inside '%s'", names[i], f->name);
    return 0;
}

static struct pq_field *build_struct(struct builder *b, const struct pq_element *el, struct levels at)
{
    struct pq_field *f = field_create(b, el, PQ_STRUCT, at, el->n_children);
    if (!f) return NULL;
    at.depth++;
    for (uint32_t i = 0; i < f->n_children; i++)
        if (!(f->children[i] = build_field(b, at))) return NULL;
    f->n_leaves = b->m->n_leaves - f->first_leaf;
    return names_differ(b, f) ? NULL : f;
}

/* Is the repeated group `r` the element itself (two-level lists of old writers), or a wrapper around it?
 * Source: LogicalTypes.md of parquet-format, "backward-compatibility rules"; the one place where names are
 * looked at, since only names tell a wrapper from a struct of one field. */
static bool is_element(const struct pq_element *r, const struct pq_element *list)
{
    if (r->type >= 0 || r->n_children != 1 || r[1].repetition == PQ_REPEATED || !strcmp(r->name, "array"))
        return true;
    size_t n = strlen(list->name);
    return !strncmp(r->name, list->name, n) && !strcmp(r->name + n, "_tuple");
}

static struct pq_field *build_list(struct builder *b, const struct pq_element *el, struct levels at)
{
    struct pq_field *f = field_create(b, el, PQ_LIST, at, 1);
    if (!f) return NULL;
    const struct pq_element *r = el->n_children == 1 ? take(b, at.depth + 1) : NULL;
    if (b->e->code) return NULL;
    if (!r || r->repetition != PQ_REPEATED)
        return bad_schema(b, el, "is a list or map without one repeated child");
    struct levels inner = {at.depth + 1, (uint8_t)(at.def + 1), (uint8_t)(at.rep + 1)};
    bool is_map = el->annotation == PQ_AS_MAP;
    if (is_map && r->type >= 0) return bad_schema(b, r, "is a map's entry, but no group");
    if (is_map && r->n_children > 1)
        f->children[0] = build_struct(b, r, inner);
    else if (!is_map && is_element(r, el))
        f->children[0] = build_body(b, r, inner);
    else
        inner.depth++, f->children[0] = build_field(b, inner); /* a wrapper, or a map of keys alone: a set */
    f->rep = inner.rep;
    f->n_leaves = b->m->n_leaves - f->first_leaf;
    return f->children[0] ? f : NULL;
}

/* A node without regard to its own repetition. */
static struct pq_field *build_body(struct builder *b, const struct pq_element *el, struct levels at)
{
    if (el->type >= 0) return build_leaf(b, el, at);
    if (el->annotation == PQ_AS_LIST || el->annotation == PQ_AS_MAP) return build_list(b, el, at);
    return build_struct(b, el, at);
}

/* A repeated element outside any LIST group: a required list of required elements. */
static struct pq_field *build_repeated(struct builder *b, const struct pq_element *el, struct levels at)
{
    struct pq_field *f = field_create(b, el, PQ_LIST, at, 1);
    if (!f) return NULL;
    f->rep = ++at.rep;
    at.def++;
    f->children[0] = build_body(b, el, at);
    f->n_leaves = b->m->n_leaves - f->first_leaf;
    return f->children[0] ? f : NULL;
}

static struct pq_field *build_field(struct builder *b, struct levels at)
{
    const struct pq_element *el = take(b, at.depth);
    if (!el) return NULL;
    if (el->repetition == PQ_REPEATED) return build_repeated(b, el, at);
    at.def += el->repetition == PQ_OPTIONAL;
    struct pq_field *f = build_body(b, el, at);
    if (f) f->optional = el->repetition == PQ_OPTIONAL;
    return f;
}

int meta_schema(struct pq_meta *m, struct pq_arena *a, struct err *e)
{
    struct builder b = {.m = m, .arena = a, .e = e};
    m->n_leaves = 0;
    if (!m->n_elements) return err_set(e, ERR_PQ_SCHEMA, "the schema is empty");
    m->leaves = pq_arena_alloc(a, m->n_elements, sizeof *m->leaves, e);
    if (!m->leaves) return e->code;
    if (m->elements[0].type >= 0) return err_set(e, ERR_PQ_SCHEMA, "the schema's root is not a group");
    const struct pq_element *root = take(&b, 0);
    if (!root) return e->code;
    m->root = build_struct(&b, root, (struct levels){0});
    if (!m->root) return e->code;
    if (b.next != m->n_elements)
        return err_set(e, ERR_PQ_SCHEMA, "%u schema elements belong to no group", m->n_elements - b.next);
    return 0;
}

const char *meta_leaf_path(const struct pq_field *root, uint32_t leaf, char *out, size_t size)
{
    size_t n = 0;
    out[0] = 0;
    while (root->n_children) {
        const struct pq_field *const *child = (const struct pq_field *const *)root->children;
        while (leaf - (*child)->first_leaf >= (*child)->n_leaves) child++;
        if (n < size) n += (size_t)snprintf(out + n, size - n, "%s%s", n ? "." : "", (*child)->name);
        root = *child;
    }
    return out;
}
