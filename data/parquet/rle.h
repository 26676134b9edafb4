/* The hybrid of run lengths and bit packing in which levels, dictionary indices and booleans are written.
 * Source: https://parquet.apache.org/docs/file-format/data-pages/encodings, RLE = 3. */
#ifndef TERSE_DATA_PARQUET_RLE_H
#define TERSE_DATA_PARQUET_RLE_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

struct rle {
    const uint8_t *p, *end;
    unsigned width;
    uint64_t wanted;   /* values of the stream not yet read */
    uint32_t run_left; /* values of the current run not yet read */
    uint32_t value;    /* the run's value, unless packed */
    const uint8_t *packed;
    size_t packed_bytes; /* at `packed`; the run's next value is at bit `packed_at` */
    uint64_t packed_at;
};

/* A stream of `count` values of `width` bits in data[n]. Errors: PQ_BITS (width over 32). */
int rle_init(struct rle *r, const uint8_t *data, size_t n, unsigned width, uint64_t count, struct err *e);

/* The next n values (of those not yet read) to out[n]. Errors: PQ_RLE (the data ends, or a run is longer than
 * the stream); `out` is then unspecified. */
int rle_read(struct rle *r, uint32_t *out, uint32_t n, struct err *e);

#endif
