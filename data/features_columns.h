/* The columns of a feature shard, in one list for its writer and its reader. Private to features*.c. */
#ifndef TERSE_DATA_FEATURES_COLUMNS_H
#define TERSE_DATA_FEATURES_COLUMNS_H

#include "data/features.h"
#include "data/shard_set.h"

/* X(name in the file and in struct feature, type of an element, its C type) */
#define FEATURE_COLUMNS(X)                                                                                   \
    X(group, U64, uint64_t)                                                                                  \
    X(text, U64, uint64_t)                                                                                   \
    X(prompt_tokens, U32, uint32_t)                                                                          \
    X(base_tokens, U32, uint32_t)                                                                            \
    X(adapter_tokens, U32, uint32_t)                                                                         \
    X(chain, U32, uint32_t)                                                                                  \
    X(answer, I32, int32_t) X(label, U8, uint8_t) X(base_right, U8, uint8_t) X(adapter_right, U8, uint8_t)

/* X(name) of the origin's texts, in the manifest and as attributes of each shard. */
#define FEATURE_TEXTS(X) X(task) X(base) X(tokenizer) X(adapter) X(pooling) X(wording) X(made)

/* FIELD_RANGE unless the origin can be written. */
int features_origin_check(const struct features_origin *o, const char *what, struct err *e);
/* FIELD_RANGE unless the row can stand in a file. */
int features_row_check(const struct feature *row, const char *what, uint64_t at, struct err *e);

struct js;

int features_manifest_save(const char *path, const struct features_origin *o,
                           const struct shard_entry *entries, size_t n, struct err *e);
/* *entries[*n] and *depths are the caller's to free, the origin's texts live in *root (js_free); nothing is
 * to be freed after an error. */
int features_manifest_load(const char *path, struct js **root, struct features_origin *o, uint32_t **depths,
                           struct shard_entry **entries, size_t *n, char digest[SHA256_HEX], struct err *e);

#endif
