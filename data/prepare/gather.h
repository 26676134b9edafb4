/* The last two stages: the chosen rows of a file become a sheaf, and the sheaves' documents shards, or lines.
 */
#ifndef TERSE_DATA_PREPARE_GATHER_H
#define TERSE_DATA_PREPARE_GATHER_H

#include "data/prepare/sheaf.h"
#include "data/prepare/workers.h"

/* What documents are written as. */
enum gather_format {
    GATHER_SHARDS,  /* token shards */
    GATHER_PROBLEMS /* JSON lines with "problem" and "answer", as terse ppo and terse eval read them */
};

/* Renders rows [n], ascending, of the file `path` and writes them as the sheaf `to`. A row without anything
 * to learn, or, as a problem, without question or answer, becomes an empty document (n 0). Errors: those of
 * rows_run, document_render and writing; INTERRUPTED. Nothing stands at `to` then. */
struct gather_sheaf {
    const char *path, *to, *key;
    const uint32_t *rows;
    uint64_t n;
    const struct document_rules *rules;
    enum gather_format format;
    struct ticker ticker;
    double *seconds; /* as in struct rows_job */
};
int gather_sheaf_make(const struct gather_sheaf *g, struct workers *w, struct err *e);

/* One document of the output: which sheaf, and which of its documents. */
struct gather_doc {
    uint32_t sheaf, doc;
};

/* Documents out of sheaves, sheaf i being the i-th source of the set. */
struct gather_set {
    const char *dir; /* folder of the shards, or the file of lines */
    const struct sheaf *sheaves;
    const struct gather_doc *order; /* [n] */
    uint64_t n;
    const struct shards_origin *origin; /* shards only */
    uint64_t shard_tokens;              /* after which a shard is closed */
    enum gather_format format;
    struct ticker ticker;
    uint64_t docs, tokens, resumed; /* out: written in all; of them, before this call */
};
/* Writes the set whole, going on with what DIR.tmp holds. Errors: those of sheaves and of writing;
 * DATA_EMPTY; INTERRUPTED. */
int gather_set_make(struct gather_set *g, struct pool *p, struct err *e);

#endif
