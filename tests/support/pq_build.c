#include "tests/support/pq_build.h"

#include "data/gzip.h"

#include <stdlib.h>
#include <string.h>

/* ---- bytes ------------------------------------------------------------------------------------------------
 */

void pqb_put(struct pqb_bytes *b, const void *data, size_t n)
{
    if (b->n + n > sizeof b->data) abort();
    memcpy(b->data + b->n, data, n);
    b->n += n;
}

static void put_byte(struct pqb_bytes *b, unsigned v)
{
    uint8_t byte = (uint8_t)v;
    pqb_put(b, &byte, 1);
}

void pqb_varint(struct pqb_bytes *b, uint64_t v)
{
    for (; v > 0x7f; v >>= 7) put_byte(b, (v & 0x7f) | 0x80);
    put_byte(b, (unsigned)v);
}

static void put_zigzag(struct pqb_bytes *b, int64_t v)
{
    pqb_varint(b, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

/* ---- Thrift's compact protocol ------------------------------------------------------------------------ */

enum { T_TRUE = 1, T_FALSE = 2, T_I32 = 5, T_I64 = 6, T_BINARY = 8, T_LIST = 9, T_STRUCT = 12 };

/* A struct being written: *last is the id of the field before. */
static void field(struct pqb_bytes *b, int *last, int id, int type)
{
    put_byte(b, (unsigned)((id - *last) << 4 | type));
    *last = id;
}

static void number(struct pqb_bytes *b, int *last, int id, int type, int64_t v)
{
    if (v == PQB_OMIT) return;
    field(b, last, id, type);
    put_zigzag(b, v);
}

static void string(struct pqb_bytes *b, int *last, int id, const char *s)
{
    if (!s) return;
    field(b, last, id, T_BINARY);
    pqb_varint(b, strlen(s));
    pqb_put(b, s, strlen(s));
}

static void list(struct pqb_bytes *b, int *last, int id, int n, int type)
{
    field(b, last, id, T_LIST);
    put_byte(b, (unsigned)((n < 15 ? n : 15) << 4 | type));
    if (n >= 15) pqb_varint(b, (uint64_t)n);
}

static void stop(struct pqb_bytes *b)
{
    put_byte(b, 0);
}

static int64_t or_auto(int64_t v, int64_t right)
{
    return v == PQB_AUTO ? right : v;
}

/* ---- pages -------------------------------------------------------------------------------------------- */

size_t pqb_packed(struct pqb_bytes *b, const uint8_t *values, int n, int width)
{
    size_t before = b->n;
    int groups = (n + 7) / 8;
    pqb_varint(b, (uint64_t)groups << 1 | 1);
    for (int byte = 0; byte < groups * width; byte++) {
        unsigned v = 0;
        for (int bit = 0; bit < 8; bit++) {
            int at = byte * 8 + bit;
            if (at / width < n) v |= (unsigned)(values[at / width] >> at % width & 1) << bit;
        }
        put_byte(b, v);
    }
    return b->n - before;
}

void pqb_levels_v1(struct pqb_bytes *b, const uint8_t *levels, int n, int width)
{
    struct pqb_bytes run = {.n = 0};
    uint32_t size = (uint32_t)pqb_packed(&run, levels, n, width);
    pqb_put(b, &size, 4);
    pqb_put(b, run.data, run.n);
}

/* Statistics {1 max, 2 min}, the wrong way round. */
static void bad_statistics(struct pqb_bytes *b, int *last, int id)
{
    int inner = 0;
    field(b, last, id, T_STRUCT);
    string(b, &inner, 1, "aaaa");
    string(b, &inner, 2, "zzzz");
    stop(b);
}

static void data_header(struct pqb_bytes *b, const struct pqb_page *p)
{
    int last = 0;
    number(b, &last, 1, T_I32, p->n_values);
    number(b, &last, 2, T_I32, p->encoding);
    if (p->type != 2) {
        number(b, &last, 3, T_I32, or_auto(p->def_encoding, 3));
        number(b, &last, 4, T_I32, or_auto(p->rep_encoding, 3));
        if (p->bad_statistics) bad_statistics(b, &last, 5);
    }
    stop(b);
}

static void v2_header(struct pqb_bytes *b, const struct pqb_page *p)
{
    int last = 0;
    number(b, &last, 1, T_I32, p->n_values);
    number(b, &last, 2, T_I32, p->nulls);
    number(b, &last, 3, T_I32, or_auto(p->rows, p->n_values));
    number(b, &last, 4, T_I32, p->encoding);
    number(b, &last, 5, T_I32, p->def_bytes);
    number(b, &last, 6, T_I32, p->rep_bytes);
    if (p->is_compressed != PQB_OMIT) field(b, &last, 7, p->is_compressed ? T_TRUE : T_FALSE);
    stop(b);
}

static void put_page(struct pqb_bytes *b, const struct pqb_page *p)
{
    int last = 0;
    uint32_t crc = gzip_crc32(p->body.data, p->body.n);
    number(b, &last, 1, T_I32, p->type);
    number(b, &last, 2, T_I32, or_auto(p->uncompressed, (int64_t)p->body.n));
    number(b, &last, 3, T_I32, or_auto(p->compressed, (int64_t)p->body.n));
    if (p->crc) number(b, &last, 4, T_I32, (int32_t)(crc + (p->crc == PQB_CRC_WRONG)));
    field(b, &last, p->type == 2 ? 7 : p->type == 3 ? 8 : 5, T_STRUCT);
    if (p->type == 3)
        v2_header(b, p);
    else
        data_header(b, p);
    stop(b);
    pqb_put(b, p->body.data, p->body.n);
}

/* ---- the footer --------------------------------------------------------------------------------------- */

/* Where a chunk's pages came to lie. */
struct place {
    int64_t start, data, end, n_values;
};

static struct place put_chunk(struct pqb_bytes *b, const struct pqb_chunk *c)
{
    struct place at = {.start = (int64_t)b->n, .data = (int64_t)b->n};
    for (int i = 0; i < c->n_pages; i++) {
        put_page(b, &c->pages[i]);
        if (c->pages[i].type == 2 && i == 0) at.data = (int64_t)b->n;
        if (c->pages[i].type != 2) at.n_values += c->pages[i].n_values;
    }
    at.end = (int64_t)b->n;
    return at;
}

static void put_element(struct pqb_bytes *b, const struct pqb_element *e)
{
    int last = 0;
    number(b, &last, 1, T_I32, e->type);
    number(b, &last, 2, T_I32, e->length);
    number(b, &last, 3, T_I32, e->repetition);
    string(b, &last, 4, e->name);
    number(b, &last, 5, T_I32, e->n_children);
    number(b, &last, 6, T_I32, e->converted);
    stop(b);
}

static int64_t leaf_type(const struct pqb_file *f, int leaf)
{
    for (int i = 0; i < f->n_elements; i++)
        if (f->elements[i].type != PQB_OMIT && leaf-- == 0) return f->elements[i].type;
    return 0;
}

static void put_column(struct pqb_bytes *b, const struct pqb_chunk *c, const struct place *at, int64_t type)
{
    int last = 0;
    bool dict = c->n_pages && c->pages[0].type == 2;
    number(b, &last, 1, T_I32, or_auto(c->type, type));
    list(b, &last, 2, 1, T_I32);
    put_zigzag(b, or_auto(c->encoding, 0));
    list(b, &last, 3, 1, T_BINARY);
    put_byte(b, 1), put_byte(b, 'x');
    number(b, &last, 4, T_I32, or_auto(c->codec, 0));
    number(b, &last, 5, T_I64, or_auto(c->n_values, at->n_values));
    number(b, &last, 6, T_I64, at->end - at->start);
    number(b, &last, 7, T_I64, or_auto(c->bytes, at->end - at->start));
    number(b, &last, 9, T_I64, or_auto(c->data_offset, at->data));
    number(b, &last, 11, T_I64, or_auto(c->dict_offset, dict ? at->start : PQB_OMIT));
    stop(b);
}

static void put_column_chunk(struct pqb_bytes *b, const struct pqb_chunk *c, const struct place *at,
                             int64_t type)
{
    int last = 0;
    string(b, &last, 1, c->file_path);
    number(b, &last, 2, T_I64, at->start);
    field(b, &last, 3, T_STRUCT);
    put_column(b, c, at, type);
    number(b, &last, 4, T_I64, or_auto(c->page_index, PQB_OMIT));
    number(b, &last, 5, T_I32, or_auto(c->page_index, PQB_OMIT));
    number(b, &last, 6, T_I64, or_auto(c->page_index, PQB_OMIT));
    number(b, &last, 7, T_I32, or_auto(c->page_index, PQB_OMIT));
    stop(b);
}

static void put_footer(struct pqb_bytes *b, const struct pqb_file *f, const struct place *at)
{
    int last = 0, group = 0, pair = 0;
    number(b, &last, 1, T_I32, 1);
    list(b, &last, 2, f->n_elements, T_STRUCT);
    for (int i = 0; i < f->n_elements; i++) put_element(b, &f->elements[i]);
    number(b, &last, 3, T_I64, or_auto(f->rows, f->group_rows));
    list(b, &last, 4, 1, T_STRUCT);
    list(b, &group, 1, f->n_chunks, T_STRUCT);
    for (int i = 0; i < f->n_chunks; i++) put_column_chunk(b, &f->chunks[i], &at[i], leaf_type(f, i));
    number(b, &group, 2, T_I64, 100);
    number(b, &group, 3, T_I64, f->group_rows);
    stop(b);
    if (f->key) {
        list(b, &last, 5, 1, T_STRUCT);
        string(b, &pair, 1, f->key);
        string(b, &pair, 2, f->value);
        stop(b);
    }
    string(b, &last, 6, f->writer);
    stop(b);
}

static void finish(struct pqb_bytes *out, const struct pqb_bytes *footer)
{
    uint32_t n = (uint32_t)footer->n;
    pqb_put(out, footer->data, footer->n);
    pqb_put(out, &n, 4);
    pqb_put(out, "PAR1", 4);
}

void pqb_with_footer(const void *footer, size_t n, struct pqb_bytes *out)
{
    struct pqb_bytes f = {.n = 0};
    pqb_put(&f, footer, n);
    out->n = 0;
    pqb_put(out, "PAR1", 4);
    finish(out, &f);
}

void pqb_build(const struct pqb_file *f, struct pqb_bytes *out)
{
    struct place at[2];
    struct pqb_bytes footer = {.n = 0};
    out->n = 0;
    pqb_put(out, "PAR1", 4);
    for (int i = 0; i < f->n_chunks; i++) at[i] = put_chunk(out, &f->chunks[i]);
    put_footer(&footer, f, at);
    finish(out, &footer);
}
