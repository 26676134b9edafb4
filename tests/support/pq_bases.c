#include "tests/support/pq_bases.h"

#include "checkpoints/zstd.h"
#include "data/parquet/parquet.h"

#include <string.h>

struct pqb_file pqb;
struct pqb_bytes pqb_out;
static struct pqb_chunk *const chunk = &pqb.chunks[0];
static struct pqb_page *const page = &pqb.chunks[0].pages[0], *const second = &pqb.chunks[0].pages[1];

static const struct pqb_page plain_page = {.uncompressed = PQB_AUTO,
                                           .compressed = PQB_AUTO,
                                           .def_encoding = PQB_AUTO,
                                           .rep_encoding = PQB_AUTO,
                                           .rows = PQB_AUTO,
                                           .is_compressed = PQB_OMIT,
                                           .n_values = 3};

static void reset_chunk(struct pqb_chunk *c)
{
    *c = (struct pqb_chunk){.type = PQB_AUTO,
                            .codec = PQB_AUTO,
                            .n_values = PQB_AUTO,
                            .bytes = PQB_AUTO,
                            .data_offset = PQB_AUTO,
                            .dict_offset = PQB_AUTO,
                            .encoding = PQB_AUTO,
                            .page_index = PQB_AUTO,
                            .n_pages = 1};
    for (int i = 0; i < 3; i++) c->pages[i] = plain_page;
}

struct pqb_element pqb_leaf(const char *name, int type, int repetition)
{
    return (struct pqb_element){name, type, PQB_OMIT, repetition, PQB_OMIT, PQB_OMIT};
}

struct pqb_element pqb_group(const char *name, int64_t repetition, int n_children)
{
    return (struct pqb_element){name, PQB_OMIT, PQB_OMIT, repetition, n_children, PQB_OMIT};
}

static void one_column(int type, int repetition)
{
    memset(&pqb, 0, sizeof pqb);
    pqb.n_elements = 2;
    pqb.elements[0] = pqb_group("schema", PQB_OMIT, 1);
    pqb.elements[1] = pqb_leaf("x", type, repetition);
    pqb.rows = PQB_AUTO;
    pqb.group_rows = 3;
    pqb.n_chunks = 1;
    reset_chunk(chunk);
}

void pqb_put_ints(struct pqb_page *p, int n)
{
    for (int32_t i = 1; i <= n; i++) pqb_put(&p->body, &i, 4);
}

void pqb_put_string(struct pqb_page *p, uint32_t length, const char *s)
{
    pqb_put(&p->body, &length, 4);
    pqb_put(&p->body, s, strlen(s));
}

void pqb_ints(void)
{ /* 1, 2, 3 */
    one_column(PQ_INT32, 0);
    pqb_put_ints(page, 3);
}

void pqb_optional_ints(void)
{ /* 1, null, 2 */
    one_column(PQ_INT32, 1);
    pqb_levels_v1(&page->body, (uint8_t[]){1, 0, 1}, 3, 1);
    pqb_put_ints(page, 2);
}

void pqb_put_repeated(const uint8_t rep[3])
{
    page->body.n = 0;
    pqb_levels_v1(&page->body, rep, 3, 1);
    pqb_levels_v1(&page->body, (uint8_t[]){1, 1, 1}, 3, 1);
    pqb_put_ints(page, 3);
}

void pqb_repeated_ints(void)
{ /* [1, 2], [3] */
    one_column(PQ_INT32, 2);
    pqb.group_rows = 2;
    pqb_put_repeated((uint8_t[]){0, 1, 0});
}

void pqb_strings(void)
{ /* "ab", "", "c" */
    one_column(PQ_BYTE_ARRAY, 0);
    pqb_put_string(page, 2, "ab");
    pqb_put_string(page, 0, "");
    pqb_put_string(page, 1, "c");
}

/* Bit width, then a packed run of three indices. */
void pqb_put_indices(struct pqb_page *p, uint8_t width, const uint8_t index[3])
{
    p->encoding = 8;
    p->body.n = 0;
    pqb_put(&p->body, &width, 1);
    pqb_packed(&p->body, index, 3, width);
}

void pqb_dictionary(void)
{ /* 1, 2, 2 of a dictionary 1, 2 */
    one_column(PQ_INT32, 0);
    chunk->n_pages = 2;
    page->type = 2;
    page->n_values = 2;
    pqb_put_ints(page, 2);
    pqb_put_indices(second, 1, (uint8_t[]){0, 1, 1});
}

void pqb_v2(void)
{ /* 1, null, 2 */
    one_column(PQ_INT32, 1);
    page->type = 3;
    page->nulls = 1;
    page->def_bytes = (int64_t)pqb_packed(&page->body, (uint8_t[]){1, 0, 1}, 3, 1);
    pqb_put_ints(page, 2);
}

/* DELTA_BINARY_PACKED header; then one block of 4 miniblocks of the given width, min_delta 1. */
void pqb_put_delta(uint64_t block, uint64_t minis, uint64_t n, uint64_t first, uint8_t width)
{
    pqb_varint(&page->body, block);
    pqb_varint(&page->body, minis);
    pqb_varint(&page->body, n);
    pqb_varint(&page->body, first << 1);
    pqb_varint(&page->body, 2);
    pqb_put(&page->body, (uint8_t[]){width, 0, 0, 0}, 4);
}

void pqb_delta(void)
{ /* 5, 6, 7 */
    one_column(PQ_INT64, 0);
    page->encoding = 5;
    pqb_put_delta(128, 4, 3, 5, 0);
}

void pqb_two_columns(void)
{ /* x: 1, 2, 3; y: 1, 2, 3 */
    pqb_ints();
    pqb.n_elements = 3;
    pqb.elements[0].n_children = 2;
    pqb.elements[2] = pqb_leaf("y", PQ_INT32, 0);
    pqb.n_chunks = 2;
    reset_chunk(&pqb.chunks[1]);
    pqb_put_ints(&pqb.chunks[1].pages[0], 3);
}

void pqb_zstd(void)
{ /* 1, 2, 3 */
    pqb_ints();
    chunk->codec = 6;
    page->uncompressed = 12;
    uint8_t packed[64];
    size_t n = 0;
    zstd_compress(packed, sizeof packed, &n, page->body.data, 12, 3, NULL);
    page->body.n = 0;
    pqb_put(&page->body, packed, n);
}

/* 1, 2, 3 in `codec`: page.body becomes `bytes`, in which '#' stands for the next byte of the integers. */
static void ints_in(int codec, const char *bytes, size_t n)
{
    uint8_t ints[12];
    size_t used = 0;
    pqb_ints();
    chunk->codec = codec;
    page->uncompressed = sizeof ints;
    memcpy(ints, page->body.data, sizeof ints);
    page->body.n = 0;
    for (size_t i = 0; i < n; i++)
        pqb_put(&page->body, bytes[i] == '#' ? (char *)&ints[used++] : &bytes[i], 1);
}
#define INTS_IN(codec, bytes) ints_in(codec, bytes, sizeof(bytes) - 1)

void pqb_snappy(void)
{
    INTS_IN(1, "\x0c\x2c############");
}

void pqb_brotli(void)
{ /* a meta-block that is not compressed, and an empty last one: RFC 7932, 9.2 */
    INTS_IN(4, "\xb0\x00\x10############\x03");
}

void pqb_lz4(void)
{
    INTS_IN(5, "\0\0\0\x08\0\0\0\x09\x80########\0\0\0\x04\0\0\0\x05\x40####");
}

void pqb_lz4_raw(void)
{
    INTS_IN(7, "\xc0############");
}
