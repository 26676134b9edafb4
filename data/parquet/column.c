#include "data/parquet/column.h"
#include "data/parquet/bits.h"
#include "data/parquet/page.h"
#include "data/parquet/rle.h"

#include <string.h>

enum { BATCH = 1024 };

struct reader {
    const struct pq_field *leaf;
    const struct pq_chunk *chunk;
    struct pq_column *out;
    struct pq_dict dict;
    bool seen_data;
    uint64_t rows; /* repetition levels of 0 so far */
    struct pq_arena *keep;
    struct err *e;
};

/* Decodes n levels into out[n] and counts those equal to `count_of`. */
static int read_levels(const uint8_t *data, size_t size, uint8_t max, uint8_t *out, uint32_t n,
                       uint8_t count_of, uint32_t *count, struct err *e)
{
    struct rle r;
    struct err why = {0};
    uint32_t batch[BATCH];
    rle_init(&r, data, size, bits_for(max), n, e);
    for (uint32_t done = 0; done < n;) {
        uint32_t take = n - done < BATCH ? n - done : BATCH;
        int code = rle_read(&r, batch, take, &why);
        if (code) return err_set(e, code, "levels: %s", why.msg);
        for (uint32_t i = 0; i < take; i++) {
            if (batch[i] > max) return err_set(e, ERR_PQ_LEVELS, "a level of %u, at most %u", batch[i], max);
            out[done + i] = (uint8_t)batch[i];
            *count += batch[i] == count_of;
        }
        done += take;
    }
    return 0;
}

/* Cuts one v1 level block, a length and as many bytes, off *data. */
static int cut_levels(const uint8_t **data, size_t *size, enum pq_encoding encoding, const uint8_t **levels,
                      size_t *n, struct err *e)
{
    if (encoding != PQ_RLE)
        return err_set(e, ERR_PQ_UNSUPPORTED, "levels in encoding %d, only RLE is supported", encoding);
    if (*size < 4 || load_u32(*data) > *size - 4)
        return err_set(e, ERR_PQ_LEVELS, "levels of %u bytes in a page of %zu",
                       *size < 4 ? 0 : load_u32(*data), *size);
    *n = load_u32(*data);
    *levels = *data + 4;
    *data += 4 + *n;
    *size -= 4 + *n;
    return 0;
}

/* The two level blocks and the values of a data page. */
struct parts {
    const uint8_t *rep, *def, *values;
    size_t n_rep, n_def, n_values;
};

static int split_v1(struct reader *r, const struct pq_page *page, struct parts *s)
{
    int code = page_decompress(page, (enum pq_codec)r->chunk->codec, 0, r->keep, &s->values, r->e);
    s->n_values = page->uncompressed;
    if (!code && r->leaf->rep)
        code = cut_levels(&s->values, &s->n_values, page->rep_encoding, &s->rep, &s->n_rep, r->e);
    if (!code && r->leaf->def)
        code = cut_levels(&s->values, &s->n_values, page->def_encoding, &s->def, &s->n_def, r->e);
    return code;
}

static int split_v2(struct reader *r, const struct pq_page *page, struct parts *s)
{
    size_t levels = page->rep_bytes + page->def_bytes;
    s->rep = page->body;
    s->n_rep = page->rep_bytes;
    s->def = page->body + page->rep_bytes;
    s->n_def = page->def_bytes;
    s->n_values = page->uncompressed - levels;
    return page_decompress(page, (enum pq_codec)r->chunk->codec, levels, r->keep, &s->values, r->e);
}

/* What a v2 header says of its levels must be what they are, but for nulls inside of something: older Arrow
 * (12) leaves those out whose struct or list is not there. */
static int check_v2(struct reader *r, const struct pq_page *page, uint32_t rows, uint32_t present)
{
    if (!r->leaf->def && page->n_nulls)
        return err_set(r->e, ERR_PQ_NULL, "%u nulls in a required column", page->n_nulls);
    bool nested = r->leaf->rep || r->leaf->def > 1;
    if ((page->n_values - present != page->n_nulls && !nested) || rows != page->n_rows)
        return err_set(r->e, ERR_PQ_COUNT, "the header says %u rows and %u nulls, the levels %u and %u",
                       page->n_rows, page->n_nulls, rows, page->n_values - present);
    return 0;
}

/* Decodes the levels of `page` behind those already there. */
static int append_levels(struct reader *r, const struct pq_page *page, const struct parts *s,
                         uint32_t *present)
{
    struct pq_column *out = r->out;
    uint32_t rows = r->leaf->rep ? 0 : page->n_values;
    int code = 0;
    *present = r->leaf->def ? 0 : page->n_values;
    if (r->leaf->rep)
        code = read_levels(s->rep, s->n_rep, r->leaf->rep, out->rep + out->n_levels, page->n_values, 0, &rows,
                           r->e);
    if (!code && r->leaf->rep && !out->n_levels && page->n_values && out->rep[0])
        code = err_set(r->e, ERR_PQ_LEVELS, "the first repetition level is %u, expected 0", out->rep[0]);
    if (!code && r->leaf->def)
        code = read_levels(s->def, s->n_def, r->leaf->def, out->def + out->n_levels, page->n_values,
                           r->leaf->def, present, r->e);
    if (!code && page->type == PQ_PAGE_DATA_V2) code = check_v2(r, page, rows, *present);
    out->n_levels += page->n_values;
    r->rows += rows;
    return code;
}

static int append_values(struct reader *r, const struct pq_page *page, const struct parts *s, uint32_t n)
{
    struct pq_run *run = pq_arena_alloc(r->keep, 1, sizeof *run, r->e);
    if (!run) return r->e->code;
    *run = (struct pq_run){.n = n, .values = pq_arena_alloc(r->keep, n, sizeof *run->values, r->e)};
    if (!run->values) return r->e->code;
    int code = values_decode(r->leaf, page->encoding, &r->dict, s->values, s->n_values, run->values, n,
                             r->keep, r->e);
    if (code) return code;
    if (r->out->last)
        r->out->last->next = run;
    else
        r->out->runs = run;
    r->out->last = run;
    return 0;
}

static int read_data(struct reader *r, const struct pq_page *page)
{
    struct parts s = {0};
    uint32_t present = 0;
    uint64_t wanted = (uint64_t)r->chunk->n_values - r->out->n_levels;
    r->seen_data = true;
    if (page->n_values > wanted)
        return err_set(r->e, ERR_PQ_COUNT, "%u values, the column chunk has only %llu more", page->n_values,
                       (unsigned long long)wanted);
    int code = page->type == PQ_PAGE_DATA ? split_v1(r, page, &s) : split_v2(r, page, &s);
    if (!code) code = append_levels(r, page, &s, &present);
    if (!code && present) code = append_values(r, page, &s, present);
    return code;
}

static int read_dict(struct reader *r, const struct pq_page *page)
{
    const uint8_t *data;
    if (r->dict.values || r->seen_data)
        return err_set(r->e, ERR_PQ_DICT, "a dictionary page %s",
                       r->seen_data ? "after the data" : "for a second time");
    if (page->encoding != PQ_PLAIN && page->encoding != PQ_PLAIN_DICTIONARY)
        return err_set(r->e, ERR_PQ_DICT, "a dictionary in encoding %d", page->encoding);
    if (r->leaf->type == PQ_BOOLEAN || page->n_values > page->uncompressed)
        return err_set(r->e, ERR_PQ_DICT, "a dictionary of %u values in %u bytes", page->n_values,
                       page->uncompressed);
    int code = page_decompress(page, (enum pq_codec)r->chunk->codec, 0, r->keep, &data, r->e);
    if (code) return code;
    struct pq_value *values = pq_arena_alloc(r->keep, page->n_values, sizeof *values, r->e);
    if (!values) return r->e->code;
    r->dict = (struct pq_dict){values, page->n_values};
    return values_decode(r->leaf, PQ_PLAIN, NULL, data, page->uncompressed, values, page->n_values, r->keep,
                         r->e);
}

static int read_page(struct reader *r, const uint8_t *data, size_t n, size_t *used)
{
    struct pq_page page;
    int code = page_parse(&page, data, n, used, r->e);
    if (code) return code;
    if (page.type == PQ_PAGE_DICT) return read_dict(r, &page);
    if (r->chunk->has_dict_offset && !r->dict.values)
        return err_set(r->e, ERR_PQ_DICT, "a dictionary is announced here, found a page of type %d",
                       page.type);
    return page.type == PQ_PAGE_INDEX ? 0 : read_data(r, &page);
}

static int read_pages(struct reader *r, const uint8_t *data, uint64_t start, struct err *e)
{
    size_t bytes = (size_t)r->chunk->bytes, used = 0;
    for (size_t at = 0; at < bytes; at += used) {
        struct err why = {0};
        r->e = &why;
        int code = read_page(r, data + at, bytes + r->chunk->slack - at, &used);
        if (code)
            return err_set(e, code, "page at offset %llu: %s", (unsigned long long)(start + at), why.msg);
    }
    return 0;
}

int column_read(struct pq_column *out, const struct pq_source *src, const struct pq_field *leaf,
                const struct pq_chunk *c, uint64_t rows, struct pq_arena *keep, struct pq_arena *scratch,
                struct err *e)
{
    struct reader r = {.leaf = leaf, .chunk = c, .out = out, .keep = keep};
    *out = (struct pq_column){0};
    if (leaf->def && !(out->def = pq_arena_alloc(keep, (uint64_t)c->n_values, 1, e))) return e->code;
    if (leaf->rep && !(out->rep = pq_arena_alloc(keep, (uint64_t)c->n_values, 1, e))) return e->code;
    const uint8_t *data =
        source_read(src, c->start, (size_t)c->bytes + c->slack, c->codec == PQ_NONE ? keep : scratch, e);
    if (!data) return e->code;
    int code = read_pages(&r, data, c->start, e);
    if (code) return code;
    if (out->n_levels != (uint64_t)c->n_values || r.rows != rows)
        return err_set(e, ERR_PQ_COUNT,
                       "its pages have %llu values in %llu rows, the footer says %lld in %llu",
                       (unsigned long long)out->n_levels, (unsigned long long)r.rows, (long long)c->n_values,
                       (unsigned long long)rows);
    out->run = out->runs;
    return 0;
}
