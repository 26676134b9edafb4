/* manifest.json of a set of shards. Private to shards*.c. */
#ifndef TERSE_DATA_SHARDS_MANIFEST_H
#define TERSE_DATA_SHARDS_MANIFEST_H

#include "data/shard_set.h"
#include "data/shards.h"

#define SHARDS_INDEX "documents.h5"

/* Finishes a set whose shards are all in DIR, written and sealed: its index, then its manifest, both durable.
 * Errors: of reading the shards (they are looked at as a reader would), of writing. */
int shards_seal(const char *dir, const struct shards_origin *origin, const struct shard_entry *entries,
                size_t n, struct err *e);

/* Writes PATH whole. index: sha256 of the index, NULL: there is none. */
int shards_manifest_save(const char *path, const struct shards_origin *origin,
                         const struct shard_entry *entries, size_t n, const char *index, struct err *e);
/* *index = what the manifest says of the index, or NULL; `dir` is for messages. FIELD_*. */
int shards_manifest_index(const struct js *root, const char *dir, const char **index, struct err *e);

/* Reads PATH: *entries[*n] is the caller's to free, *origin's texts live in *root (js_free) and its arrays
 * are the caller's to free; `digest` is of the file's bytes. Errors: those of file_load and js_parse, MAGIC,
 * VERSION, FIELD_*, TOO_MANY, PATH (a shard's name that is not ours), NOMEM; nothing is then to be freed. */
int shards_manifest_load(const char *path, struct js **root, struct shards_origin *origin,
                         struct shard_entry **entries, size_t *n, char digest[SHA256_HEX], struct err *e);

#endif
