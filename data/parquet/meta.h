/* The footer of a Parquet file: parsed (meta.c), made into a tree (schema.c), checked (check.c).
 * Field numbers and enumerations: https://github.com/apache/parquet-format, parquet.thrift. */
#ifndef TERSE_DATA_PARQUET_META_H
#define TERSE_DATA_PARQUET_META_H

#include "data/parquet/arena.h"
#include "data/parquet/parquet.h"

enum { PQ_MAX_DEPTH = 16, PQ_MAX_NAME = 512 };

enum pq_repetition { PQ_REQUIRED, PQ_OPTIONAL, PQ_REPEATED };

/* What an annotation, of the old (converted_type) or the new kind (logicalType), means to this reader. */
enum pq_annotation { PQ_PLAIN_VALUE, PQ_AS_LIST, PQ_AS_MAP, PQ_AS_UNSIGNED, PQ_AS_UNSUPPORTED };

/* One schema element as it lies in the file: the tree in depth-first order. */
struct pq_element {
    const char *name;
    int type;       /* enum pq_type; -1 for a group */
    int repetition; /* enum pq_repetition; -1 if not said */
    uint32_t length, n_children;
    enum pq_annotation annotation;
    const char *unsupported; /* with PQ_AS_UNSUPPORTED: the annotation's name */
};

enum pq_codec { PQ_NONE, PQ_SNAPPY, PQ_GZIP, PQ_LZO, PQ_BROTLI, PQ_LZ4, PQ_ZSTD, PQ_LZ4_RAW, PQ_CODEC_COUNT };

/* The pages of one column in one row group. */
struct pq_chunk {
    int type, codec;
    bool has_dict_offset;
    int64_t n_values; /* level entries, nulls included */
    int64_t data_offset, dict_offset, bytes;
    uint64_t start; /* set by meta_check(): bytes [start, start + bytes) of the file */
    uint32_t slack; /* set by meta_check(): bytes behind these which the last page may need, too */
};

struct pq_group {
    int64_t rows;
    uint32_t n_chunks;
    struct pq_chunk *chunks; /* one a leaf, in the order of the leaves */
};

struct pq_meta {
    int64_t rows;
    bool short_chunks; /* the writer left the dictionary page's header out of its chunks' sizes */
    bool no_rows;      /* the writer left num_rows 0 */
    uint32_t n_elements, n_groups, n_leaves;
    struct pq_element *elements;
    struct pq_group *groups;
    struct pq_field *root;
    struct pq_field **leaves;
};

/* Parses footer[n] into *m; everything lives in `a`. */
int meta_parse(struct pq_meta *m, const void *footer, size_t n, struct pq_arena *a, struct err *e);

/* Builds m->root and m->leaves from m->elements. Errors: PQ_SCHEMA, DEPTH, DUP_KEY, those of the arena. */
int meta_schema(struct pq_meta *m, struct pq_arena *a, struct err *e);

/* Checks counts, and that all chunks lie in bytes [4, data_end) of the file and do not overlap.
 * Errors: PQ_COUNT, PQ_SCHEMA, PQ_OFFSET, PQ_SIZE, OVERLAP, COL_TYPE, those of the arena. */
int meta_check(struct pq_meta *m, uint64_t data_end, struct pq_arena *a, struct err *e);

/* Writes the dotted path of leaf `leaf` (wrappers of lists left out), cut to `size` bytes, and returns `out`.
 */
const char *meta_leaf_path(const struct pq_field *root, uint32_t leaf, char *out, size_t size);

#endif
