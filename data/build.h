/* From conversations to token shards: render as ChatML, mark what is learned, write.
 *
 * A set of shards is made once for what it is made of: its recipe is a hash over the sources' bytes, the
 * tokenizer, the template and the settings, and a set with the same recipe is used again. */
#ifndef TERSE_DATA_BUILD_H
#define TERSE_DATA_BUILD_H

#include "checkpoints/sha256.h"
#include "data/document.h"

#include <stdbool.h>
#include <stdint.h>

struct build_config {
    const char *const *files; /* parquet files in OpenThoughts3's schema */
    uint32_t n_files;
    const struct tokenizer *tokenizer;
    const char *system;  /* default system turn; NULL: the tokenizer's own */
    uint32_t cutoff_len; /* longer conversations are cut at the end */
    enum build_learn learn;
    uint64_t max_samples; /* use the first rows only; 0: all */
    uint32_t vocab;       /* rows of the embedding */
    /* Hears of progress, rows done of rows in all; nonzero stops with INTERRUPTED. NULL: nobody. */
    int (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
};

/* What became of the rows. */
struct build_report {
    bool reused;        /* the set was there; only docs and tokens are filled */
    uint64_t rows;      /* read */
    uint64_t docs;      /* written */
    uint64_t tokens;    /* of them */
    uint64_t cut;       /* documents cut at cutoff_len */
    uint64_t empty;     /* rows left out: null or without turns */
    uint64_t no_labels; /* left out: no assistant text, or all of it beyond cutoff_len */
    uint64_t bad_roles; /* left out: a null or unknown role, or turns out of order */
};

/* Makes DIR, or finds it made. Errors: those of the sources (conversations.h), DUP_SHARD (a file given
 * twice), DATA_EMPTY (nothing left to learn from; the message counts why), those of writing, INTERRUPTED;
 * then there is no half-made set. */
int data_build(const char *dir, const struct build_config *c, struct build_report *out, struct err *e);

/* One line for people: "12000 conversations, 1834112 tokens; left out: 3 without an answer". */
void build_report_text(const struct build_report *r, char *text, size_t size);

#endif
