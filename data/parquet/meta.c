#include "data/parquet/meta.h"
#include "data/parquet/thrift.h"
#include "infer/ascii.h"
#include "infer/utf8.h"

#include <stdio.h>
#include <string.h>

struct parser {
    struct thrift t;
    struct pq_arena *arena;
};

static void *alloc(struct parser *p, uint64_t count, size_t size)
{
    void *mem = p->t.code ? NULL : pq_arena_alloc(p->arena, count, size, p->t.e);
    if (!mem && !p->t.code) p->t.code = p->t.e->code;
    return mem ? memset(mem, 0, count * size) : NULL;
}

static const char *parse_name(struct parser *p, const struct thrift_field *f)
{
    size_t n;
    const uint8_t *bytes = thrift_binary(&p->t, f, &n);
    if (!p->t.code && n > PQ_MAX_NAME)
        thrift_fail(&p->t, ERR_NAME_LEN, "a column name of %zu bytes, at most %d,", n, PQ_MAX_NAME);
    if (!p->t.code && (!utf8_valid((const char *)bytes, n) || memchr(bytes, 0, n)))
        thrift_fail(&p->t, ERR_UTF8, "a column name is not UTF-8 text");
    char *name = alloc(p, n + 1, 1);
    return name ? memcpy(name, bytes, n) : NULL;
}

static void annotate_converted(struct pq_element *el, int converted)
{
    if (converted == 1 || converted == 2) el->annotation = PQ_AS_MAP;
    if (converted == 3) el->annotation = PQ_AS_LIST;
    if (converted >= 11 && converted <= 14) el->annotation = PQ_AS_UNSIGNED;
    const char *name = converted == 5    ? "DECIMAL"
                       : converted == 20 ? "BSON"
                       : converted == 21 ? "INTERVAL"
                                         : NULL;
    if (name) el->annotation = PQ_AS_UNSUPPORTED, el->unsupported = name;
}

/* IntType: 1 bit width, 2 signed. */
static void parse_int_type(struct thrift *t, struct pq_element *el)
{
    struct thrift_field f = {0};
    bool is_signed = true;
    while (thrift_next(t, &f)) {
        if (f.id == 2)
            is_signed = thrift_bool(t, &f);
        else
            thrift_skip(t, &f);
    }
    el->annotation = is_signed ? PQ_PLAIN_VALUE : PQ_AS_UNSIGNED;
}

/* LogicalType, a union: the id of its one field is the type. Ids from the future change nothing. */
static void parse_logical(struct thrift *t, const struct thrift_field *parent, struct pq_element *el)
{
    static const char *const unsupported[] = {
        [5] = "DECIMAL",  [13] = "BSON",     [14] = "UUID",     [15] = "FLOAT16",
        [16] = "VARIANT", [17] = "GEOMETRY", [18] = "GEOGRAPHY"};
    struct thrift_field f = {0};
    if (parent->type != THRIFT_STRUCT) {
        thrift_fail(t, ERR_FIELD_TYPE, "logicalType is not a struct");
        return;
    }
    while (thrift_next(t, &f)) {
        if (f.id == 2) el->annotation = PQ_AS_MAP;
        if (f.id == 3) el->annotation = PQ_AS_LIST;
        if (f.id > 0 && f.id < 19 && unsupported[f.id]) {
            el->annotation = PQ_AS_UNSUPPORTED;
            el->unsupported = unsupported[f.id];
        }
        if (f.id == 10 && f.type == THRIFT_STRUCT)
            parse_int_type(t, el);
        else
            thrift_skip(t, &f);
    }
}

static void parse_element(struct parser *p, struct pq_element *el)
{
    struct thrift *t = &p->t;
    struct thrift_field f = {0};
    int converted = -1;
    *el = (struct pq_element){.type = -1, .repetition = -1};
    while (thrift_next(t, &f)) switch (f.id) {
        case 1:
            el->type = thrift_int(t, &f, PQ_BOOLEAN, PQ_FIXED, ERR_PQ_ENUM, "physical type");
            break;
        case 2:
            el->length = (uint32_t)thrift_int(t, &f, 0, INT32_MAX, ERR_PQ_SCHEMA, "type_length");
            break;
        case 3:
            el->repetition = thrift_int(t, &f, PQ_REQUIRED, PQ_REPEATED, ERR_PQ_ENUM, "repetition");
            break;
        case 4:
            el->name = parse_name(p, &f);
            break;
        case 5:
            el->n_children = (uint32_t)thrift_int(t, &f, 0, INT32_MAX, ERR_PQ_SCHEMA, "num_children");
            break;
        case 6:
            converted = (int)thrift_i64(t, &f);
            break;
        case 10:
            parse_logical(t, &f, el);
            break;
        default:
            thrift_skip(t, &f);
        }
    thrift_require(t, &f, 1 << 4, "schema element");
    if (!(f.seen & 1 << 10)) annotate_converted(el, converted);
}

static void parse_schema(struct parser *p, const struct thrift_field *f, struct pq_meta *m)
{
    struct thrift_field item;
    uint32_t n = thrift_list(&p->t, f, 3, &item);
    m->elements = alloc(p, n, sizeof *m->elements);
    if (!p->t.code && item.type != THRIFT_STRUCT && n)
        thrift_fail(&p->t, ERR_FIELD_TYPE, "schema is not a list of structs");
    for (; m->n_elements < n && !p->t.code; m->n_elements++) parse_element(p, &m->elements[m->n_elements]);
}

static void parse_encodings(struct thrift *t, const struct thrift_field *f)
{
    struct thrift_field item;
    for (uint32_t n = thrift_list(t, f, 1, &item); n && !t->code; n--)
        thrift_int(t, &item, 0, 9, ERR_PQ_ENUM, "encoding");
}

/* ColumnMetaData. */
static void parse_column(struct thrift *t, const struct thrift_field *parent, struct pq_chunk *c)
{
    struct thrift_field f = {0};
    if (parent->type != THRIFT_STRUCT) {
        thrift_fail(t, ERR_FIELD_TYPE, "column metadata is not a struct");
        return;
    }
    while (thrift_next(t, &f)) switch (f.id) {
        case 1:
            c->type = thrift_int(t, &f, PQ_BOOLEAN, PQ_FIXED, ERR_PQ_ENUM, "physical type");
            break;
        case 2:
            parse_encodings(t, &f);
            break;
        case 4:
            c->codec = thrift_int(t, &f, PQ_NONE, PQ_CODEC_COUNT - 1, ERR_PQ_CODEC, "codec");
            break;
        case 5:
            c->n_values = thrift_i64(t, &f);
            break;
        case 7:
            c->bytes = thrift_i64(t, &f);
            break;
        case 9:
            c->data_offset = thrift_i64(t, &f);
            break;
        case 11:
            c->dict_offset = thrift_i64(t, &f);
            c->has_dict_offset = c->dict_offset != 0; /* some writers say 0 for none */
            break;
        default:
            thrift_skip(t, &f);
        }
    thrift_require(t, &f, 1 << 1 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 9, "column metadata");
}

static void parse_chunk(struct parser *p, struct pq_chunk *c)
{
    struct thrift *t = &p->t;
    struct thrift_field f = {0};
    while (thrift_next(t, &f)) switch (f.id) {
        case 1:
            thrift_fail(t, ERR_PQ_EXTERNAL, "the column lies in another file");
            break;
        case 3:
            parse_column(t, &f, c);
            break;
        case 8:
        case 9:
            thrift_fail(t, ERR_PQ_UNSUPPORTED, "the column is encrypted");
            break;
        default:
            thrift_skip(t, &f);
        }
    thrift_require(t, &f, 1 << 3, "column chunk");
}

static void parse_chunks(struct parser *p, const struct thrift_field *f, struct pq_group *g)
{
    struct thrift_field item;
    uint32_t n = thrift_list(&p->t, f, 16, &item);
    g->chunks = alloc(p, n, sizeof *g->chunks);
    if (!p->t.code && item.type != THRIFT_STRUCT && n)
        thrift_fail(&p->t, ERR_FIELD_TYPE, "columns is not a list of structs");
    for (; g->n_chunks < n && !p->t.code; g->n_chunks++) parse_chunk(p, &g->chunks[g->n_chunks]);
}

static void parse_groups(struct parser *p, const struct thrift_field *parent, struct pq_meta *m)
{
    struct thrift_field item;
    uint32_t n = thrift_list(&p->t, parent, 4, &item);
    m->groups = alloc(p, n, sizeof *m->groups);
    if (!p->t.code && item.type != THRIFT_STRUCT && n)
        thrift_fail(&p->t, ERR_FIELD_TYPE, "row_groups is not a list of structs");
    for (; m->n_groups < n && !p->t.code; m->n_groups++) {
        struct pq_group *g = &m->groups[m->n_groups];
        struct thrift_field f = {0};
        while (thrift_next(&p->t, &f)) switch (f.id) {
            case 1:
                parse_chunks(p, &f, g);
                break;
            case 3:
                g->rows = thrift_i64(&p->t, &f);
                break;
            default:
                thrift_skip(&p->t, &f);
            }
        thrift_require(&p->t, &f, 1 << 1 | 1 << 3, "row group");
    }
}

/* What to make allowance for, by who wrote the file: parquet-mr before 1.2.9, which did not always say its
 * version (PARQUET-816), and parquet-rs 0.x. */
static void parse_writer(struct thrift *t, const struct thrift_field *f, struct pq_meta *m)
{
    static const char mr[] = "parquet-mr", rs[] = "parquet-rs version 0.";
    size_t n;
    const char *s = (const char *)thrift_binary(t, f, &n);
    if (t->code) return;
    m->no_rows = starts(s, n, rs);
    if (!starts(s, n, mr)) return;
    char version[32] = "";
    int minor = 0, patch = 0;
    n -= sizeof mr - 1;
    memcpy(version, s + sizeof mr - 1, n < sizeof version ? n : sizeof version - 1);
    m->short_chunks = !*version || (sscanf(version, " version 1.%3d.%3d", &minor, &patch) == 2 &&
                                    (minor < 2 || (minor == 2 && patch < 9)));
}

int meta_parse(struct pq_meta *m, const void *footer, size_t n, struct pq_arena *a, struct err *e)
{
    struct parser p = {.t = thrift_init(footer, n, e), .arena = a};
    struct thrift_field f = {0};
    *m = (struct pq_meta){0};
    while (thrift_next(&p.t, &f)) switch (f.id) {
        case 2:
            parse_schema(&p, &f, m);
            break;
        case 3:
            m->rows = thrift_i64(&p.t, &f);
            break;
        case 4:
            parse_groups(&p, &f, m);
            break;
        case 6:
            parse_writer(&p.t, &f, m);
            break;
        case 8:
            thrift_fail(&p.t, ERR_PQ_UNSUPPORTED, "the file is encrypted");
            break;
        default:
            thrift_skip(&p.t, &f);
        }
    thrift_require(&p.t, &f, 1 << 2 | 1 << 3 | 1 << 4, "FileMetaData");
    return p.t.code;
}
