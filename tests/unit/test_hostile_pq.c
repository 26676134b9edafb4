/* Section PQ of the hostile inputs: one row a case. Each starts from a sound file (a base), which a few lines
 * spoil, before it is built or after. */
#include "data/parquet/parquet.h"
#include "infer/file_open.h"
#include "tests/support/clock.h"
#include "tests/support/pq_bases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#define FIXTURES "tests/fixtures/parquet/"

static struct pqb_chunk *const chunk = &pqb.chunks[0];
static struct pqb_page *const page = &pqb.chunks[0].pages[0], *const second = &pqb.chunks[0].pages[1];

/* ---- spoilers: before the file is built --------------------------------------------------------------- */

#define SPOIL(name, ...)                                                                                     \
    static void name(void)                                                                                   \
    {                                                                                                        \
        __VA_ARGS__;                                                                                         \
    }

SPOIL(pq14, pqb.rows = PQB_OMIT)
SPOIL(pq15, pqb.rows = -1)
SPOIL(pq16, pqb.n_elements = 0)
SPOIL(pq16_root, pqb.n_elements = 1; pqb.elements[0].n_children = 0; pqb.n_chunks = 0)
SPOIL(pq17, pqb.elements[0].n_children = 5)
SPOIL(pq17_huge, pqb.elements[0].n_children = INT32_MAX)
SPOIL(pq17_left_over, pqb.elements[2] = pqb_leaf("y", PQ_INT32, 0); pqb.n_elements = 3)
SPOIL(pq18, pqb.elements[0].n_children = -1)
static void pq19(void)
{
    pqb.n_elements = 20;
    for (int i = 1; i < 19; i++) pqb.elements[i] = pqb_group("g", 1, 1);
    pqb.elements[19] = pqb_leaf("x", PQ_INT32, 0);
}
SPOIL(pq20, pqb.elements[2].name = "x")
SPOIL(pq22, chunk->type = PQ_BYTE_ARRAY)
SPOIL(pq23, pqb.elements[1].repetition = 3)
SPOIL(pq23_type, pqb.elements[1].type = 8)
SPOIL(pq23_chunk, chunk->encoding = 77)
SPOIL(pq23_page, page->encoding = 42)
SPOIL(pq23_levels, page->def_encoding = 4)
/* data_page_offset is then the first page's, whatever that is */
SPOIL(dictionary_at_0, chunk->dict_offset = 0; chunk->data_offset = 4)
SPOIL(dictionary_unsaid, chunk->dict_offset = PQB_OMIT; chunk->data_offset = 4)
SPOIL(lz4_raw_as_lz4, chunk->codec = 5)
SPOIL(pq24, pqb.rows = 3; pqb.group_rows = -3)
SPOIL(pq24_sum, pqb.rows = 4)
SPOIL(pq24_none, pqb.rows = 0; pqb.writer = "parquet-rs version 1.0")
SPOIL(pq24_rs, pqb.rows = 0; pqb.writer = "parquet-rs version 0.3.0")
SPOIL(pq24_chunk, pqb.group_rows = 2)
SPOIL(pq25, pqb.n_chunks = 0)
SPOIL(pq25_more, pqb.n_elements = 2; pqb.elements[0].n_children = 1)
SPOIL(pq26, chunk->data_offset = 3)
SPOIL(pq26_negative, chunk->data_offset = -1)
SPOIL(pq26_eof, chunk->data_offset = 1ll << 40)
SPOIL(pq27, chunk->dict_offset = 1000)
SPOIL(pq28, chunk->dict_offset = 4)
SPOIL(pq28_none, chunk->n_pages = 1; *page = *second)
SPOIL(pq29, chunk->bytes = -1)
SPOIL(pq29_eof, chunk->bytes = INT64_MAX)
SPOIL(pq30, chunk->file_path = "../other.parquet")
SPOIL(pq31, pqb.chunks[1].data_offset = 4)
SPOIL(pq32, page->compressed = -5)
SPOIL(pq33, page->compressed = 5000)
/* PARQUET-816: the chunk is said to be three bytes shorter than it is. */
static void short_by_3(const char *writer)
{
    uint32_t footer;
    pqb.writer = writer;
    pqb_build(&pqb, &pqb_out);
    memcpy(&footer, pqb_out.data + pqb_out.n - 8, 4);
    chunk->bytes = (int64_t)pqb_out.n - 8 - footer - 4 - 3;
}
SPOIL(pq33_short, short_by_3("parquet-cpp"))
SPOIL(pq33_mr, short_by_3("parquet-mr"))
SPOIL(pq33_old_mr, short_by_3("parquet-mr version 1.2.8 (build x)"))
SPOIL(pq33_fixed_mr, short_by_3("parquet-mr version 1.2.9"))
SPOIL(pq34, page->uncompressed = -1)
SPOIL(pq35, page->uncompressed = INT32_MAX)
SPOIL(pq36, chunk->codec = 9)
SPOIL(pq36_lzo, chunk->codec = 3)
SPOIL(pq37, memset(page->body.data, 0xa5, page->body.n))
SPOIL(pq37_cut, page->body.n--)
SPOIL(pq37_more, pqb_put(&page->body, "", 1))
SPOIL(pq37_lengths, memset(page->body.data, 0xff, 8))
SPOIL(pq38, page->uncompressed = 13)
SPOIL(pq38_less, page->uncompressed = 11)
/* a string of 8 kB in the dictionary, and one run of 2^31-1 indices to it */
static void pq39(void)
{
    char s[8000];
    pqb.elements[1].type = PQ_BYTE_ARRAY;
    memset(s, 'a', sizeof s);
    s[sizeof s - 1] = 0;
    page->n_values = 1;
    page->body.n = 0;
    pqb_put_string(page, sizeof s - 1, s);
    second->n_values = pqb.group_rows = INT32_MAX;
    second->body.n = 0;
    pqb_put(&second->body, "", 1);
    pqb_varint(&second->body, 2ull * INT32_MAX);
}
SPOIL(pq39_levels, chunk->n_values = pqb.group_rows = 1ll << 60)
SPOIL(pq40, page->n_values = -1; chunk->n_values = 3)
SPOIL(pq40_fewer, pqb.group_rows = 4; chunk->n_values = 4)
SPOIL(pq40_more, pqb.group_rows = 2; chunk->n_values = 2)
SPOIL(pq41, page->body.data[0] = 200)
static void pq42(void)
{ /* one run of three levels of 255 where the largest is 1 */
    page->body.n = 0;
    pqb_put(&page->body, (uint8_t[]){2, 0, 0, 0, 6, 255}, 6);
}
SPOIL(pq43, pqb_put_repeated((uint8_t[]){1, 0, 0}))
SPOIL(pq44, second->body.data[0] = 33)
SPOIL(pq44_more, second->body.data[0] = 255)
static void pq45(void)
{
    second->body.n = 1;
    pqb_varint(&second->body, 1000 << 1);
    pqb_put(&second->body, "", 1);
}
SPOIL(pq45_cut, second->body.n = 1)
SPOIL(pq46, pqb_put_indices(second, 2, (uint8_t[]){0, 1, 3}))
SPOIL(pq46_none, *page = *second; chunk->n_pages = 1; chunk->dict_offset = PQB_OMIT)
SPOIL(pq47, page->body.data[0] = 200)
SPOIL(pq48, page->body.data[3] = 0x80)
SPOIL(pq49, page->body.n = 0; pqb_put_delta(0, 4, 3, 5, 0))
SPOIL(pq49_odd, page->body.n = 0; pqb_put_delta(100, 4, 3, 5, 0))
SPOIL(pq50, page->body.n = 0; pqb_put_delta(128, 0, 3, 5, 0))
SPOIL(pq50_odd, page->body.n = 0; pqb_put_delta(128, 3, 3, 5, 0))
SPOIL(pq51, page->body.n = 0; pqb_put_delta(128, 4, 3, 5, 65))
SPOIL(pq51_count, page->body.n = 0; pqb_put_delta(128, 4, 1ull << 60, 5, 0))
static void delta_strings(int encoding)
{
    pqb.elements[1].type = PQ_BYTE_ARRAY;
    page->encoding = encoding;
    page->body.n = 0;
}
SPOIL(pq52, delta_strings(6); pqb_put_delta(128, 4, 3, UINT64_MAX - 8, 0)) /* zigzag: negative lengths */
SPOIL(pq52_negative, delta_strings(6); pqb_put_delta(128, 4, 3, 0, 0); page->body.data[4] = 1;
      page->body.data[5] = 1)
SPOIL(pq52_sum, delta_strings(6); pqb_put_delta(128, 4, 3, 100, 0))
static void pq53(void)
{
    delta_strings(7);
    pqb_put_delta(128, 4, 3, 0, 0);         /* prefixes 0, 1, 2 */
    page->body.data[page->body.n - 5] = 60; /* min_delta 30: 0, 30, 60 */
    pqb_put_delta(128, 4, 3, 1, 0);         /* suffixes of 1, 2 and 3 bytes */
    pqb_put(&page->body, "aaaaaa", 6);
}
SPOIL(pq54, page->crc = PQB_CRC_WRONG)
SPOIL(pq55, chunk->n_pages = 3; chunk->pages[2] = *second; *second = *page)
SPOIL(pq55_late, chunk->n_pages = 3; chunk->pages[2] = *page; chunk->pages[2].n_values = 2)
SPOIL(pq56, page->type = 9)
SPOIL(pq57, page->def_bytes = 1000)
SPOIL(pq57_both, page->rep_bytes = INT32_MAX; page->def_bytes = INT32_MAX)
SPOIL(pq58, page->is_compressed = 0; page->uncompressed = 20; chunk->codec = 6)
SPOIL(stored, page->is_compressed = 0; chunk->codec = 6)
SPOIL(nulls_uncounted, page->nulls = 0)
/* x inside an optional struct, which is null in the second row */
static void nulls_outside(void)
{
    pqb.n_elements = 3;
    pqb.elements[1] = pqb_group("g", 1, 1);
    pqb.elements[2] = pqb_leaf("x", PQ_INT32, 1);
    page->nulls = 0;
    page->body.n = 0;
    page->def_bytes = (int64_t)pqb_packed(&page->body, (uint8_t[]){2, 0, 2}, 3, 2);
    pqb_put_ints(page, 2);
}
SPOIL(pq59, page->body.data[4] = 0xff)
SPOIL(pq60, pqb.elements[1].repetition = 0)
/* an optional struct of an optional and a required field: present in one, null in the other */
static void pq60_inside(void)
{
    pqb.n_elements = 4;
    pqb.elements[0].n_children = 1;
    pqb.elements[1] = pqb_group("g", 1, 2);
    pqb.elements[2] = pqb_leaf("x", PQ_INT32, 1);
    pqb.elements[3] = pqb_leaf("y", PQ_INT32, 0);
    for (int c = 0; c < 2; c++) {
        struct pqb_page *p = &pqb.chunks[c].pages[0];
        p->body.n = 0;
        pqb_levels_v1(&p->body, c ? (uint8_t[]){1, 0, 1} : (uint8_t[]){2, 1, 2}, 3, c ? 1 : 2);
        pqb_put_ints(p, 2);
    }
}
SPOIL(pq61, chunk->page_index = 2000000000)
SPOIL(pq62, page->bad_statistics = true)
SPOIL(pq63, pqb.key = "ARROW:schema"; pqb.value = "\x01 not base64 [")

/* ---- spoilers: after ---------------------------------------------------------------------------------- */

static void set_footer_length(uint32_t n)
{
    memcpy(pqb_out.data + pqb_out.n - 8, &n, 4);
}

SPOIL(pq01, pqb_out.n = 11)
SPOIL(pq02, pqb_out.data[0] = 'Q')
SPOIL(pq03, pqb_out.data[pqb_out.n - 1] = '2')
SPOIL(pq04, memcpy(pqb_out.data + pqb_out.n - 4, "PARE", 4))
SPOIL(pq05, set_footer_length(0))
SPOIL(pq06, set_footer_length((uint32_t)pqb_out.n - 11))
SPOIL(pq07, set_footer_length(UINT32_MAX))
#define FOOTER(...)                                                                                          \
    static const uint8_t bytes[] = {__VA_ARGS__};                                                            \
    pqb_with_footer(bytes, sizeof bytes, &pqb_out)
SPOIL(pq08, FOOTER(0x15, 0x80))
SPOIL(pq09, FOOTER(0x15, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0))
SPOIL(pq10, FOOTER(0x29, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x08, 0, 0, 0, 0))
SPOIL(pq11, FOOTER(0x29, 0x1c, 0x48, 0xe8, 0x07, 'x', 0, 0))
static void pq12(void)
{
    static uint8_t deep[10000];
    memset(deep, 0x1c, sizeof deep);
    pqb_with_footer(deep, sizeof deep, &pqb_out);
}
SPOIL(pq12_lists, static uint8_t deep[10000]; memset(deep, 0x19, sizeof deep);
      pqb_with_footer(deep, sizeof deep, &pqb_out))
SPOIL(pq13, FOOTER(0x1f, 0, 0, 0))

/* ---- the cases ---------------------------------------------------------------------------------------- */

static const struct {
    const char *id;
    void (*base)(void), (*spoil)(void), (*after)(void);
    int code; /* 0: must be accepted */
    const char *says;
} cases[] = {
    {"bases", pqb_ints, NULL, NULL, 0, ""},
    {"bases", pqb_optional_ints, NULL, NULL, 0, ""},
    {"bases", pqb_repeated_ints, NULL, NULL, 0, ""},
    {"bases", pqb_strings, NULL, NULL, 0, ""},
    {"bases", pqb_dictionary, NULL, NULL, 0, ""},
    {"bases", pqb_v2, NULL, NULL, 0, ""},
    {"bases", pqb_delta, NULL, NULL, 0, ""},
    {"bases", pqb_two_columns, NULL, NULL, 0, ""},
    {"bases", pqb_zstd, NULL, NULL, 0, ""},
    {"bases", pqb_snappy, NULL, NULL, 0, ""},
    {"bases", pqb_brotli, NULL, NULL, 0, ""},
    {"bases", pqb_lz4, NULL, NULL, 0, ""},
    {"bases", pqb_lz4_raw, NULL, NULL, 0, ""},
    {"LZ4 without framing", pqb_lz4_raw, lz4_raw_as_lz4, NULL, 0, ""},
    {"dictionary offset 0", pqb_dictionary, dictionary_at_0, NULL, 0, ""},
    {"dictionary offset absent", pqb_dictionary, dictionary_unsaid, NULL, 0, ""},
    {"PQ01", pqb_ints, NULL, pq01, ERR_PQ_SHORT, "11 bytes"},
    {"PQ02", pqb_ints, NULL, pq02, ERR_PQ_MAGIC, "start with PAR1"},
    {"PQ03", pqb_ints, NULL, pq03, ERR_PQ_MAGIC, "end with PAR1"},
    {"PQ04", pqb_ints, NULL, pq04, ERR_PQ_UNSUPPORTED, "encrypted"},
    {"PQ05", pqb_ints, NULL, pq05, ERR_PQ_FOOTER, "footer of 0 bytes"},
    {"PQ06", pqb_ints, NULL, pq06, ERR_PQ_FOOTER, "footer of"},
    {"PQ07", pqb_ints, NULL, pq07, ERR_PQ_FOOTER, "4294967295"},
    {"PQ08", pqb_ints, NULL, pq08, ERR_THRIFT_TRUNC, "footer: the data ends at byte 2"},
    {"PQ09", pqb_ints, NULL, pq09, ERR_THRIFT_VARINT, "varint"},
    {"PQ10", pqb_ints, NULL, pq10, ERR_THRIFT_SIZE, "2147483648 elements"},
    {"PQ11", pqb_ints, NULL, pq11, ERR_THRIFT_SIZE, "1000 bytes"},
    {"PQ12", pqb_ints, NULL, pq12, ERR_DEPTH, "deeper than 32"},
    {"PQ12", pqb_ints, NULL, pq12_lists, ERR_DEPTH, "deeper than 32"},
    {"PQ13", pqb_ints, NULL, pq13, ERR_THRIFT_TYPE, "type 15"},
    {"PQ14", pqb_ints, pq14, NULL, ERR_FIELD_MISSING, "FileMetaData lacks field 3"},
    {"PQ15", pqb_ints, pq15, NULL, ERR_PQ_COUNT, "num_rows is -1"},
    {"PQ16", pqb_ints, pq16, NULL, ERR_PQ_SCHEMA, "empty"},
    {"PQ16", pqb_ints, pq16_root, NULL, ERR_PQ_SCHEMA, "'schema' has neither"},
    {"PQ17", pqb_ints, pq17, NULL, ERR_PQ_SCHEMA, "'schema' has more children"},
    {"PQ17", pqb_ints, pq17_huge, NULL, ERR_PQ_SCHEMA, "'schema' has more children"},
    {"PQ17", pqb_ints, pq17_left_over, NULL, ERR_PQ_SCHEMA, "1 schema elements"},
    {"PQ18", pqb_ints, pq18, NULL, ERR_PQ_SCHEMA, "num_children is -1"},
    {"PQ19", pqb_ints, pq19, NULL, ERR_DEPTH, "deeper than 16"},
    {"PQ20", pqb_two_columns, pq20, NULL, ERR_DUP_KEY, "'x'"},
    {"PQ22", pqb_ints, pq22, NULL, ERR_COL_TYPE, "column x"},
    {"PQ23", pqb_ints, pq23, NULL, ERR_PQ_ENUM, "repetition is 3"},
    {"PQ23", pqb_ints, pq23_type, NULL, ERR_PQ_ENUM, "physical type is 8"},
    {"PQ23", pqb_ints, pq23_chunk, NULL, ERR_PQ_ENUM, "encoding is 77"},
    {"PQ23", pqb_ints, pq23_page, NULL, ERR_PQ_ENUM, "column x: page at offset 4: encoding is 42"},
    {"PQ23", pqb_optional_ints, pq23_levels, NULL, ERR_PQ_UNSUPPORTED, "levels in encoding 4"},
    {"PQ24", pqb_ints, pq24, NULL, ERR_PQ_COUNT, "row group 0 has -3"},
    {"PQ24", pqb_ints, pq24_sum, NULL, ERR_PQ_COUNT, "num_rows is 4"},
    {"PQ24", pqb_ints, pq24_none, NULL, ERR_PQ_COUNT, "num_rows is 0"},
    {"PQ24, parquet-rs 0.x", pqb_ints, pq24_rs, NULL, 0, ""},
    {"PQ24", pqb_ints, pq24_chunk, NULL, ERR_PQ_COUNT, "column x: 3 values in 2 rows"},
    {"PQ25", pqb_ints, pq25, NULL, ERR_PQ_SCHEMA, "row group 0 has 0 columns"},
    {"PQ25", pqb_two_columns, pq25_more, NULL, ERR_PQ_SCHEMA, "row group 0 has 2 columns"},
    {"PQ26", pqb_ints, pq26, NULL, ERR_PQ_OFFSET, "offset is 3"},
    {"PQ26", pqb_ints, pq26_negative, NULL, ERR_PQ_OFFSET, "offset is -1"},
    {"PQ26", pqb_ints, pq26_eof, NULL, ERR_PQ_OFFSET, "offset is 1099511627776"},
    {"PQ27", pqb_dictionary, pq27, NULL, ERR_PQ_OFFSET, "dictionary page offset is 1000"},
    {"PQ28", pqb_ints, pq28, NULL, ERR_PQ_DICT, "page at offset 4"},
    {"PQ28", pqb_dictionary, pq28_none, NULL, ERR_PQ_DICT, "the column has none"},
    {"PQ29", pqb_ints, pq29, NULL, ERR_PQ_SIZE, "compressed size is -1"},
    {"PQ29", pqb_ints, pq29_eof, NULL, ERR_PQ_SIZE, "column x: 9223372036854775807 bytes"},
    {"PQ30", pqb_ints, pq30, NULL, ERR_PQ_EXTERNAL, "another file"},
    {"PQ31", pqb_two_columns, pq31, NULL, ERR_OVERLAP, "offsets 4 and 4"},
    {"PQ32", pqb_ints, pq32, NULL, ERR_PQ_SIZE, "compressed_page_size is -5"},
    {"PQ33", pqb_ints, pq33, NULL, ERR_PQ_SIZE, "a page of 5000 bytes"},
    {"PQ33", pqb_dictionary, pq33_short, NULL, ERR_PQ_SIZE, "are left in the column chunk"},
    {"PQ33, parquet-mr 1.2.9", pqb_dictionary, pq33_fixed_mr, NULL, ERR_PQ_SIZE, "are left"},
    {"PQ33, parquet-mr 1.2.8", pqb_dictionary, pq33_old_mr, NULL, 0, ""},
    {"PQ33, parquet-mr", pqb_dictionary, pq33_mr, NULL, 0, ""},
    {"PQ34", pqb_ints, pq34, NULL, ERR_PQ_SIZE, "uncompressed_page_size is -1"},
    {"PQ35", pqb_zstd, pq35, NULL, ERR_BOMB, "2147483647"},
    {"PQ36", pqb_ints, pq36, NULL, ERR_PQ_CODEC, "codec is 9"},
    {"PQ36", pqb_ints, pq36_lzo, NULL, ERR_PQ_CODEC, "LZO"},
    {"PQ37", pqb_zstd, pq37, NULL, ERR_ZSTD, "column x: page at offset 4"},
    {"PQ37", pqb_snappy, pq37, NULL, ERR_SNAPPY, "not a block"},
    {"PQ37", pqb_brotli, pq37, NULL, ERR_BROTLI, "column x: page at offset 4: brotli: 16 bytes"},
    {"PQ37", pqb_lz4, pq37, NULL, ERR_LZ4, "column x: page at offset 4: LZ4: 30 bytes"},
    {"PQ37", pqb_lz4_raw, pq37, NULL, ERR_LZ4, "column x: page at offset 4: LZ4: 13 bytes"},
    {"PQ37", pqb_brotli, pq37_cut, NULL, ERR_BROTLI, "ends early"},
    {"PQ37", pqb_brotli, pq37_more, NULL, ERR_BROTLI, "1 of 17 bytes follow its end"},
    {"PQ37", pqb_lz4, pq37_cut, NULL, ERR_LZ4, "29 bytes"},
    {"PQ37", pqb_lz4, pq37_lengths, NULL, ERR_LZ4, "30 bytes"},
    {"PQ37", pqb_lz4_raw, pq37_cut, NULL, ERR_LZ4, "12 bytes"},
    {"PQ38", pqb_zstd, pq38, NULL, ERR_PQ_SIZE, "to 12, expected 13"},
    {"PQ38", pqb_zstd, pq38_less, NULL, ERR_PQ_SIZE, "expected 11"},
    {"PQ38", pqb_snappy, pq38, NULL, ERR_PQ_SIZE, "declare 12, expected 13"},
    {"PQ38", pqb_ints, pq38, NULL, ERR_PQ_SIZE, "said to hold 13"},
    {"PQ38", pqb_brotli, pq38, NULL, ERR_PQ_SIZE, "to 12, expected 13"},
    {"PQ38", pqb_brotli, pq38_less, NULL, ERR_PQ_SIZE, "more than the expected 11"},
    {"PQ38", pqb_lz4, pq38, NULL, ERR_PQ_SIZE, "to 12, expected 13"},
    {"PQ38", pqb_lz4, pq38_less, NULL, ERR_LZ4, "to 11"},
    {"PQ38", pqb_lz4_raw, pq38, NULL, ERR_PQ_SIZE, "to 12, expected 13"},
    {"PQ38", pqb_lz4_raw, pq38_less, NULL, ERR_LZ4, "to 11"},
    {"PQ39", pqb_dictionary, pq39, NULL, ERR_BOMB, "2147483647 x"},
    {"PQ39", pqb_optional_ints, pq39_levels, NULL, ERR_BOMB, "1152921504606846976 x"},
    {"PQ40", pqb_ints, pq40, NULL, ERR_PQ_COUNT, "num_values is -1"},
    {"PQ40", pqb_ints, pq40_fewer, NULL, ERR_PQ_COUNT, "3 values"},
    {"PQ40", pqb_ints, pq40_more, NULL, ERR_PQ_COUNT, "3 values, the column chunk has only 2"},
    {"PQ41", pqb_optional_ints, pq41, NULL, ERR_PQ_LEVELS, "levels of 200 bytes"},
    {"PQ42", pqb_optional_ints, pq42, NULL, ERR_PQ_LEVELS, "a level of 255, at most 1"},
    {"PQ43", pqb_repeated_ints, pq43, NULL, ERR_PQ_LEVELS, "first repetition level is 1"},
    {"PQ44", pqb_dictionary, pq44, NULL, ERR_PQ_BITS, "width of 33"},
    {"PQ44", pqb_dictionary, pq44_more, NULL, ERR_PQ_BITS, "width of 255"},
    {"PQ45", pqb_dictionary, pq45, NULL, ERR_PQ_RLE, "run of 1000 values, only 3"},
    {"PQ45", pqb_dictionary, pq45_cut, NULL, ERR_PQ_RLE, "3 values early"},
    {"PQ46", pqb_dictionary, pq46, NULL, ERR_PQ_DICT, "index 3 into a dictionary of 2"},
    {"PQ46", pqb_dictionary, pq46_none, NULL, ERR_PQ_DICT, "has none"},
    {"PQ47", pqb_strings, pq47, NULL, ERR_PQ_BYTES, "length 200"},
    {"PQ48", pqb_strings, pq48, NULL, ERR_PQ_BYTES, "length 2147483650"},
    {"PQ49", pqb_delta, pq49, NULL, ERR_PQ_DELTA, "block of 0"},
    {"PQ49", pqb_delta, pq49_odd, NULL, ERR_PQ_DELTA, "block of 100"},
    {"PQ50", pqb_delta, pq50, NULL, ERR_PQ_DELTA, "0 miniblocks"},
    {"PQ50", pqb_delta, pq50_odd, NULL, ERR_PQ_DELTA, "3 miniblocks"},
    {"PQ51", pqb_delta, pq51, NULL, ERR_PQ_DELTA, "65 bits"},
    {"PQ51", pqb_delta, pq51_count, NULL, ERR_PQ_DELTA, "expected 3"},
    {"PQ52", pqb_delta, pq52, NULL, ERR_PQ_DELTA, "string 0 has length"},
    {"PQ52", pqb_delta, pq52_negative, NULL, ERR_PQ_DELTA, "string 0 has length -1"},
    {"PQ52", pqb_delta, pq52_sum, NULL, ERR_PQ_DELTA, "string 0 has length 100, 0 bytes"},
    {"PQ53", pqb_delta, pq53, NULL, ERR_PQ_DELTA, "string 1 takes 30 bytes of the one before, which has 1"},
    {"PQ54", pqb_ints, pq54, NULL, ERR_PQ_CRC, "page at offset 4"},
    {"PQ55", pqb_dictionary, pq55, NULL, ERR_PQ_DICT, "second time"},
    {"PQ55", pqb_dictionary, pq55_late, NULL, ERR_PQ_DICT, "after the data"},
    {"PQ56", pqb_ints, pq56, NULL, ERR_PQ_ENUM, "page type is 9"},
    {"PQ57", pqb_v2, pq57, NULL, ERR_PQ_LEVELS, "0 and 1000 bytes"},
    {"PQ57", pqb_v2, pq57_both, NULL, ERR_PQ_LEVELS, "2147483647 bytes"},
    {"PQ58", pqb_v2, pq58, NULL, ERR_PQ_SIZE, "not compressed"},
    {"stored in a compressed chunk", pqb_v2, stored, NULL, 0, ""},
    {"nulls outside", pqb_v2, nulls_outside, NULL, 0, ""},
    {"nulls", pqb_v2, nulls_uncounted, NULL, ERR_PQ_COUNT, "3 rows and 0 nulls, the levels 3 and 1"},
    {"PQ59", pqb_strings, pq59, NULL, ERR_UTF8, "row 0: column 'x'"},
    {"PQ60", pqb_v2, pq60, NULL, ERR_PQ_NULL, "1 nulls in a required column"},
    {"PQ60", pqb_two_columns, pq60_inside, NULL, ERR_PQ_NULL, "row 1: column 'y'"},
    {"PQ61", pqb_ints, pq61, NULL, 0, ""},
    {"PQ62", pqb_ints, pq62, NULL, 0, ""},
    {"PQ63", pqb_ints, pq63, NULL, 0, ""},
};

static int read_all(const void *data, size_t n, uint64_t *rows, struct err *e)
{
    const struct pq_datum *row;
    struct pq *p;
    int code = pq_open_memory(&p, "hostile", data, n, e);
    *rows = 0;
    if (code) return code;
    while ((code = pq_next(p, &row, e)) == 1) ++*rows;
    pq_close(p);
    return code;
}

static void cases_end_as_they_must(void **state)
{
    (void)state;
    int failed = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t rows;
        struct err e = {0};
        cases[i].base();
        if (cases[i].spoil) cases[i].spoil();
        pqb_build(&pqb, &pqb_out);
        if (cases[i].after) cases[i].after();
        double start = cpu_seconds();
        int code = read_all(pqb_out.data, pqb_out.n, &rows, &e);
        bool ok = code == cases[i].code && e.code == code && strstr(e.msg, cases[i].says);
        ok = ok && (code || rows == (uint64_t)pqb.group_rows) && (!code || !strncmp(e.msg, "hostile: ", 9));
        ok = ok && cpu_seconds() - start < slowness();
        if (!ok)
            print_error("%s (row %zu): expected %s '%s', got %s: %s\n", cases[i].id, i,
                        err_name(cases[i].code), cases[i].says, err_name(code), e.msg);
        failed += !ok;
    }
    assert_int_equal(failed, 0);
}

/* PQ22 for a wanted type, and PQ21 inside a list, are in test_parquet. */
static void pq21_wanted_column_missing(void **state)
{
    (void)state;
    static const char *const names[] = {"x", "conversations"};
    struct err e = {0};
    struct pq *p;
    pqb_ints();
    pqb_build(&pqb, &pqb_out);
    assert_int_equal(pq_open_memory(&p, "hostile", pqb_out.data, pqb_out.n, &e), 0);
    assert_int_equal(pq_select(p, names, 2, &e), ERR_COL_MISSING);
    assert_string_equal(e.msg, "hostile: there is no column 'conversations'");
    pq_close(p);
}

/* The limit of HOSTILE_INPUTS.md: 64 MiB. Sanitizers need more for themselves. */
static void memory_stays_bounded(void **state)
{
    (void)state;
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
#ifndef __SANITIZE_ADDRESS__
    assert_true(u.ru_maxrss < 64 << 10);
#endif
}

static uint8_t *load(const char *path, size_t *n)
{
    char *data;
    assert_int_equal(file_load(path, 1 << 20, &data, n, NULL), 0);
    return (uint8_t *)data;
}

static void pq64_cut_anywhere(void **state)
{
    (void)state;
    size_t n;
    uint64_t rows;
    uint8_t *data = load(FIXTURES "pages.parquet", &n);
    for (size_t cut = 0; cut < n; cut++) {
        struct err e = {0};
        uint8_t *part = malloc(cut + 1); /* so that a sanitizer sees one byte too far */
        memcpy(part, data, cut);
        assert_int_equal(read_all(part, cut, &rows, &e), cut < 12 ? ERR_PQ_SHORT : ERR_PQ_MAGIC);
        free(part);
    }
    free(data);
}

/* Every byte of sound files, changed in three ways: any outcome but a crash, a hang or an error without
 * words. */
static void any_byte_may_change(void **state)
{
    (void)state;
    static const char *const names[] = {"nulls-zstd-v1", "nulls-snappy-v2", "types", "types-plain",
                                        "no-rows"};
    static const uint8_t flips[] = {0x01, 0x80, 0xff};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        size_t n;
        snprintf(path, sizeof path, FIXTURES "%s.parquet", names[i]);
        uint8_t *data = load(path, &n);
        for (size_t at = 0; at < 3 * n; at++) {
            struct err e = {0};
            uint64_t rows;
            data[at / 3] ^= flips[at % 3];
            int code = read_all(data, n, &rows, &e);
            assert_true(code == e.code && code <= 0 && (!code || e.msg[0]));
            data[at / 3] ^= flips[at % 3];
        }
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases_end_as_they_must), cmocka_unit_test(pq21_wanted_column_missing),
        cmocka_unit_test(memory_stays_bounded),   cmocka_unit_test(pq64_cut_anywhere),
        cmocka_unit_test(any_byte_may_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
