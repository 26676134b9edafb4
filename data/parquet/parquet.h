/* Reading Parquet files (https://parquet.apache.org/docs/file-format): the schema, then row by row.
 *
 * Columns become rows by the record assembly of Dremel (Melnik et al., VLDB 2010, section 4.2). One row group
 * is in memory at a time. Every size in the file is a claim: it is checked against the bytes that are there
 * before anything is allocated for it, and what a row group may decompress to is capped.
 *
 * Read:    INT32, INT64, BOOLEAN, FLOAT, DOUBLE, BYTE_ARRAY, FIXED_LEN_BYTE_ARRAY; structs, lists and maps,
 *          nested up to 16 deep; data pages v1 and v2; all encodings of the specification but BIT_PACKED
 *          levels; snappy, gzip, zstd, brotli, LZ4 (Hadoop's and raw).
 * Refused: INT96, DECIMAL, FLOAT16, INTERVAL, UUID, encryption, columns in other files (PQ_UNSUPPORTED,
 *          PQ_EXTERNAL), LZO (PQ_CODEC) - each by name, and only if the column is selected.
 * Not interpreted: dates and times (their stored integer is given), statistics, page indexes, bloom filters,
 *          key-value metadata. */
#ifndef TERSE_DATA_PARQUET_PARQUET_H
#define TERSE_DATA_PARQUET_PARQUET_H

#include "infer/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Physical types, numbered as in the file. */
enum pq_type { PQ_BOOLEAN, PQ_INT32, PQ_INT64, PQ_INT96, PQ_FLOAT, PQ_DOUBLE, PQ_BYTE_ARRAY, PQ_FIXED };

enum pq_kind { PQ_LEAF, PQ_STRUCT, PQ_LIST };

/* A node of the schema as a reader sees it: the wrapper groups of lists are gone. A list is known by its LIST
 * annotation (or by bare repetition), not by the names inside. A map is a list of structs {key, value}, or
 * of its keys where it has no values. */
struct pq_field {
    const char *name; /* NUL-terminated; of a list's element: the name it has in the file */
    enum pq_kind kind;
    bool optional;           /* may be null */
    bool is_unsigned;        /* leaf: INT32 or INT64 holding an unsigned number */
    enum pq_type type;       /* leaf */
    uint32_t length;         /* leaf, PQ_FIXED: bytes a value */
    const char *unsupported; /* leaf: why values cannot be read ("DECIMAL"); NULL if they can */
    uint32_t n_children;     /* struct: its fields; list: 1, the element */
    struct pq_field **children;
    /* Dremel's levels, for the assembler. */
    uint8_t def;         /* definition level from which this node is present (not null) */
    uint8_t rep;         /* list: repetition level at which its next item starts */
    uint32_t first_leaf; /* leaves of this node: first_leaf .. first_leaf + n_leaves - 1 */
    uint32_t n_leaves;
};

enum pq_datum_kind {
    PQ_DATUM_NULL,
    PQ_DATUM_BOOL,   /* i */
    PQ_DATUM_INT,    /* i */
    PQ_DATUM_UINT,   /* i, to be read as uint64_t */
    PQ_DATUM_FLOAT,  /* f, a float's exact value */
    PQ_DATUM_DOUBLE, /* f */
    PQ_DATUM_STRING, /* n bytes of valid UTF-8 at s, no NUL after them */
    PQ_DATUM_LIST,   /* n items */
    PQ_DATUM_STRUCT  /* n items, in the order of the field's children */
};

/* One value of one row, of the shape its pq_field says. */
struct pq_datum {
    uint32_t kind; /* enum pq_datum_kind */
    uint32_t n;
    union {
        int64_t i;
        double f;
        const char *s;
        const struct pq_datum *items;
    };
};

struct pq;

/* Opens a regular file and checks its footer whole: schema, counts, and that every column chunk lies inside
 * the file and apart from the others. `path` is copied.
 * Errors: FILE_MISSING, NOT_REGULAR, PQ_*, THRIFT_*, FIELD_*, DUP_KEY, DEPTH, OVERLAP, TOO_MANY, NOMEM, IO;
 * *out is then NULL. Messages of every function here start with the path. */
int pq_open(struct pq **out, const char *path, struct err *e);

/* The same for data[bytes], which must outlive the reader; `name` takes the path's place in messages. */
int pq_open_memory(struct pq **out, const char *name, const void *data, size_t bytes, struct err *e);

/* Bytes from wherever a caller has them. */
struct pq_reader {
    /* bytes [at, at + n), which lie inside the `size` bytes, into out: 0 or an error */
    int (*read)(void *ctx, uint64_t at, size_t n, void *out, struct err *e);
    void *ctx; /* must outlive the struct pq */
    uint64_t size;
};

/* The same for what a reader reads: the footer now, then each selected column of a row group as it is needed.
 * Its errors are passed on. */
int pq_open_reader(struct pq **out, const char *name, const struct pq_reader *reader, struct err *e);

void pq_close(struct pq *p); /* NULL ok */

/* The root: a struct of the columns (after pq_select: of the selected ones, in that order). Owned by `p`. */
const struct pq_field *pq_schema(const struct pq *p);
uint64_t pq_rows(const struct pq *p);

/* Row groups, and the rows of one: *n from *first on. FIELD_RANGE if there is no such group. */
uint32_t pq_groups(const struct pq *p);
int pq_group(const struct pq *p, uint64_t group, uint64_t *first, uint64_t *n, struct err *e);

/* The group with `row` (below pq_rows()) in it. */
uint32_t pq_group_of(const struct pq *p, uint64_t row);

/* Bytes that the selected columns of a row group (below pq_groups()) take, compressed. */
uint64_t pq_group_bytes(const struct pq *p, uint32_t group);

/* Keeps only the n top-level columns `names`; the others are never read. At most once, before any row.
 * Errors: COL_MISSING, DUP_KEY (one name twice), NOMEM; the selection is then unchanged. */
int pq_select(struct pq *p, const char *const *names, uint32_t n, struct err *e);

/* The next row: *row is a PQ_DATUM_STRUCT, valid until the next call on `p`. Returns 1, 0 after the last row,
 * or a negative error, after which only pq_close() is allowed.
 * Errors: PQ_*, THRIFT_*, BOMB, ZSTD, SNAPPY, GZIP, BROTLI, LZ4, COL_TYPE, UTF8 (strings are checked; the
 * message has the row, from 0), CHANGED, NOMEM, IO. */
int pq_next(struct pq *p, const struct pq_datum **row, struct err *e);

/* Makes `row` (0 .. pq_rows()) the next one; row groups in between are not read. Errors: those of pq_next,
 * FIELD_RANGE if there is no such row. */
int pq_seek(struct pq *p, uint64_t row, struct err *e);

#endif
