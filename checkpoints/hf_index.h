/* model.safetensors.index.json: which tensor lies in which shard. */
#ifndef TERSE_CHECKPOINTS_HF_INDEX_H
#define TERSE_CHECKPOINTS_HF_INDEX_H

#include "checkpoints/file.h"
#include "checkpoints/json.h"

enum { HF_MAX_SHARDS = 1000 };

struct hf_index {
    struct js *root;                   /* owned, and all strings with it */
    const struct js *map;              /* weight_map: an object of strings */
    const char *shards[HF_MAX_SHARDS]; /* [n] file names in order of first use, each a plain one */
    size_t n;
    uint64_t total_size; /* bytes of all tensors; UINT64_MAX when the index does not say */
    char path[FILE_PATH];
};

/* Reads an index. Errors: those of JSON files, INDEX_TYPE, PATH (a shard's name is not a plain file name).
 * Release it with hf_index_free, after a failure too. */
int hf_index_load(struct hf_index *x, const char *path, struct err *e);
void hf_index_free(struct hf_index *x);

/* The place of a file name of weight_map in x->shards. `hint` is a guess, such as the last answer. */
size_t hf_index_shard(const struct hf_index *x, const char *file, size_t hint);

/* The real path of a shard, which must lie inside `dir` or, when that is a snapshot in Hugging Face's cache
 * (.../snapshots/REVISION), in the cache's blobs. Errors: SHARD_MISSING, PATH, EACCES, IO. */
int hf_index_resolve(const char *dir, const char *shard, char path[FILE_PATH], struct err *e);

#endif
