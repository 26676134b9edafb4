/* Sound little Parquet files to start from, one feature each. Every base fills `pqb` afresh. */
#ifndef TERSE_TESTS_SUPPORT_PQ_BASES_H
#define TERSE_TESTS_SUPPORT_PQ_BASES_H

#include "tests/support/pq_build.h"

extern struct pqb_file pqb;
extern struct pqb_bytes pqb_out; /* where tests build it */

/* One column x in one row group and, but for the dictionary's, one page. */
void pqb_ints(void);          /* required INT32: 1, 2, 3 */
void pqb_optional_ints(void); /* 1, null, 2 */
void pqb_repeated_ints(void); /* [1, 2], [3] */
void pqb_strings(void);       /* required BYTE_ARRAY: "ab", "", "c" */
void pqb_dictionary(void);    /* 1, 2, 2 of a dictionary 1, 2 */
void pqb_v2(void);            /* 1, null, 2 in a v2 page */
void pqb_delta(void);         /* required INT64: 5, 6, 7 in DELTA_BINARY_PACKED */
void pqb_two_columns(void);   /* x and y: 1, 2, 3 */
void pqb_zstd(void);          /* 1, 2, 3 compressed */
void pqb_snappy(void);        /* the same as one literal */
void pqb_brotli(void);        /* the same, stored */
void pqb_lz4(void);           /* the same as one literal, in Hadoop's framing: 2 integers, then 1 */
void pqb_lz4_raw(void);       /* the same as one literal */

struct pqb_element pqb_leaf(const char *name, int type, int repetition);
struct pqb_element pqb_group(const char *name, int64_t repetition, int n_children);

void pqb_put_ints(struct pqb_page *p, int n); /* 1 .. n */
void pqb_put_string(struct pqb_page *p, uint32_t length, const char *s);
/* The first page's body again: these repetition levels, all present. */
void pqb_put_repeated(const uint8_t rep[3]);
/* The page's body: bit width, then a packed run of three indices. */
void pqb_put_indices(struct pqb_page *p, uint8_t width, const uint8_t index[3]);
/* Appends to the first page a DELTA_BINARY_PACKED header, and a block of min_delta 1 and 4 miniblocks, the
 * first of `width` bits. `first` is the first value. */
void pqb_put_delta(uint64_t block, uint64_t minis, uint64_t n, uint64_t first, uint8_t width);

#endif
