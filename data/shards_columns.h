/* The datasets of one shard file, in one list for its writer and its reader. Private to shards*.c. */
#ifndef TERSE_DATA_SHARDS_COLUMNS_H
#define TERSE_DATA_SHARDS_COLUMNS_H

/* X(name in the file, type of an element) */
#define SHARD_COLUMNS(X)                                                                                     \
    X(ids, U32)                                                                                              \
    X(doc_offset, U64)                                                                                       \
    X(header_at, U32)                                                                                        \
    X(response_at, U32)                                                                                      \
    X(n_labels, U32)                                                                                         \
    X(label_from, U32) X(label_to, U32) X(domain, U8) X(source, U32) X(source_row, U64) X(question, U64)

enum shard_column {
#define X(name, type) COL_##name,
    SHARD_COLUMNS(X)
#undef X
        COL_COUNT
};

#endif
