/* manifest.json of a set of shards. Private to shards*.c. */
#ifndef TERSE_DATA_SHARDS_MANIFEST_H
#define TERSE_DATA_SHARDS_MANIFEST_H

#include "data/shard_set.h"
#include "data/shards.h"

/* Writes PATH whole. */
int shards_manifest_save(const char *path, const struct shards_origin *origin,
                         const struct shard_entry *entries, size_t n, struct err *e);

/* Reads PATH: *entries[*n] is the caller's to free, *origin's texts live in *root (js_free) and its arrays
 * are the caller's to free; `digest` is of the file's bytes. Errors: those of file_load and js_parse, MAGIC,
 * VERSION, FIELD_*, TOO_MANY, PATH (a shard's name that is not ours), NOMEM; nothing is then to be freed. */
int shards_manifest_load(const char *path, struct js **root, struct shards_origin *origin,
                         struct shard_entry **entries, size_t *n, char digest[SHA256_HEX], struct err *e);

#endif
