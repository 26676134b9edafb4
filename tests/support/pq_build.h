/* Builds small Parquet files, right ones and wrong ones: every number in the file can be told to lie. */
#ifndef TERSE_TESTS_SUPPORT_PQ_BUILD_H
#define TERSE_TESTS_SUPPORT_PQ_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In a field of numbers: what a correct writer would put there; or: leave the field out. */
#define PQB_AUTO INT64_MIN
#define PQB_OMIT (INT64_MIN + 1)

struct pqb_bytes {
    uint8_t data[1 << 14];
    size_t n;
};

void pqb_put(struct pqb_bytes *b, const void *data, size_t n);
void pqb_varint(struct pqb_bytes *b, uint64_t v);

enum pqb_crc { PQB_CRC_NONE, PQB_CRC_RIGHT, PQB_CRC_WRONG };

struct pqb_page {
    int64_t type;                     /* 0 data, 1 index, 2 dictionary, 3 data v2 */
    int64_t uncompressed, compressed; /* AUTO: the body's size */
    enum pqb_crc crc;
    int64_t n_values, encoding, def_encoding, rep_encoding; /* level encodings: AUTO is RLE */
    int64_t nulls, rows, def_bytes, rep_bytes;              /* v2 */
    int64_t is_compressed;                                  /* v2: 0, 1 or OMIT */
    bool bad_statistics;                                    /* min > max */
    struct pqb_bytes body;
};

struct pqb_chunk {
    int64_t type, codec, n_values, bytes,
        data_offset;     /* AUTO: the schema's type, none, the sum, as written */
    int64_t dict_offset; /* AUTO: where the first page is a dictionary */
    int64_t encoding;
    int64_t page_index; /* OMIT, or an offset for column and offset index */
    const char *file_path;
    int n_pages;
    struct pqb_page pages[3];
};

struct pqb_element {
    const char *name;
    int64_t type, length, repetition, n_children, converted; /* OMIT is fine */
};

struct pqb_file {
    int n_elements;
    struct pqb_element elements[48]; /* the root is elements[0] */
    int64_t rows, group_rows;        /* rows: AUTO is group_rows */
    int n_chunks;
    struct pqb_chunk chunks[2];
    const char *key, *value; /* key-value metadata; NULL none */
    const char *writer;      /* created_by; NULL none */
};

/* Appends a level block as v1 has it: u32 length, then one packed run of n levels of `width` bits. */
void pqb_levels_v1(struct pqb_bytes *b, const uint8_t *levels, int n, int width);
/* The run alone, as v2 has it. Returns its bytes. */
size_t pqb_packed(struct pqb_bytes *b, const uint8_t *values, int n, int width);

/* The whole file. */
void pqb_build(const struct pqb_file *f, struct pqb_bytes *out);
/* A file with this footer and nothing else in it. */
void pqb_with_footer(const void *footer, size_t n, struct pqb_bytes *out);

#endif
