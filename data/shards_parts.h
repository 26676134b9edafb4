/* What shards.c (the set) and shards_file.c (one file of it) share. Private to them. */
#ifndef TERSE_DATA_SHARDS_PARTS_H
#define TERSE_DATA_SHARDS_PARTS_H

#include "checkpoints/chunk.h"
#include "data/shard_set.h"
#include "data/shards.h"

#include <sys/stat.h>

/* What tells that a file is no longer the one that was checked. */
struct stamp {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec changed;
};

/* The documents of an open shard: its columns as they are read, and their label spans side by side. */
struct table {
    uint64_t *doc_offset, *source_row, *question;
    uint32_t *header_at, *response_at, *n_labels, *source;
    uint8_t *domain;
    struct label_span *spans;
    uint64_t *first_span;
};

struct shard {
    struct shard_entry entry;
    struct stamp stamp;       /* when its digest was checked; zeros: not yet */
    uint64_t first_doc, used; /* used: clock of the last read */
    struct hdf5 *h5;          /* NULL: not open; then there is no table either */
    struct table table;
    struct chunk_codec codec; /* of the ids */
};

/* A chunk of ids decoded before. In a set of short documents, or a small one, it is soon wanted again; what
 * is larger than these slots does not need them. */
enum { CHUNK_SLOTS = 256, CHUNK_BYTES = 16 << 20 /* of all slots, about */ };
struct chunk_slot {
    const struct shard *shard; /* NULL: none */
    uint64_t index;
    uint32_t *ids;
    size_t cap; /* bytes */
};

struct shards {
    char dir[FILE_PATH], digest[SHA256_HEX];
    unsigned flags;
    struct js *manifest; /* owner of origin's texts */
    struct shards_origin origin;
    struct shard *shards;
    size_t n_shards, n_open;
    uint64_t clock;
    uint32_t *lengths;   /* [n_docs] */
    uint64_t *questions; /* [n_docs] */
    uint64_t n_docs, tokens;
    int indexed; /* 1: both are of SHARDS_INDEX */

    struct chunk_slot chunks[CHUNK_SLOTS];
    void *raw, *scratch; /* of the chunk being decoded */
    size_t raw_cap, scratch_cap;
};

/* Makes `shard` open, its table read, and known to be the file that the manifest names: its digest is taken
 * when it is first used and again whenever the file's stamp changed since. */
int shard_use(struct shards *s, struct shard *shard, struct err *e);
void shard_shut(struct shards *s, struct shard *shard);
/* Ids [at, at + n) of a shard in use. */
int shard_read_ids(struct shards *s, const struct shard *shard, uint64_t at, uint32_t n, uint32_t *ids,
                   struct err *e);

#endif
