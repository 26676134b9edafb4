/* From a page's bytes to values, for every encoding.
 * Source: https://parquet.apache.org/docs/file-format/data-pages/encodings. */
#ifndef TERSE_DATA_PARQUET_VALUES_H
#define TERSE_DATA_PARQUET_VALUES_H

#include "data/parquet/arena.h"
#include "data/parquet/parquet.h"

enum pq_encoding {
    PQ_PLAIN,
    PQ_PLAIN_DICTIONARY = 2,
    PQ_RLE,
    PQ_BIT_PACKED,
    PQ_DELTA_BINARY_PACKED,
    PQ_DELTA_LENGTH_BYTE_ARRAY,
    PQ_DELTA_BYTE_ARRAY,
    PQ_RLE_DICTIONARY,
    PQ_BYTE_STREAM_SPLIT
};

/* A value that is not null, of any type: i for integers (sign-extended) and booleans, f for FLOAT and DOUBLE,
 * s[length] for byte arrays. */
struct pq_value {
    union {
        int64_t i;
        double f;
        const uint8_t *s;
    };
    uint32_t length;
};

struct pq_dict {
    const struct pq_value *values; /* NULL: the column has no dictionary */
    uint32_t n;
};

/* Decodes n values of the leaf's type from data[size] to out[n]. Strings point into `data`, into the
 * dictionary, or into memory of `arena`. Errors: PQ_BYTES, PQ_BITS, PQ_RLE, PQ_DICT, PQ_DELTA,
 * PQ_UNSUPPORTED (encoding and type do not go together), those of the arena; `out` is then unspecified. */
int values_decode(const struct pq_field *leaf, enum pq_encoding encoding, const struct pq_dict *dict,
                  const uint8_t *data, size_t size, struct pq_value *out, uint32_t n, struct pq_arena *arena,
                  struct err *e);

/* The DELTA encodings (delta.c), with the arguments of values_decode(). */
int delta_binary(const struct pq_field *leaf, const uint8_t *data, size_t size, struct pq_value *out,
                 uint32_t n, struct err *e);
int delta_length(const uint8_t *data, size_t size, struct pq_value *out, uint32_t n, struct err *e);
int delta_prefix(const struct pq_field *leaf, const uint8_t *data, size_t size, struct pq_value *out,
                 uint32_t n, struct pq_arena *arena, struct err *e);

#endif
