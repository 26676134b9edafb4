/* What an epoch of fine-tuning holds, as far as it can be told before a run: documents by their lengths. */
#ifndef TERSE_TRAIN_SFT_EPOCH_H
#define TERSE_TRAIN_SFT_EPOCH_H

#include "checkpoints/file.h"
#include "train/sft_options.h"

#include <stddef.h>

struct tokenizer;

/* A document: its tokens, those before its header and its answer, those to be learned. */
struct epoch_doc {
    uint32_t n, header_at, response_at, labels;
};

enum epoch_source {
    EPOCH_SHARDS,  /* counted: the token shards are there */
    EPOCH_SAMPLE,  /* some rows of the dataset, and how many rows it has */
    EPOCH_ASSUMED, /* neither: what the user says, or OpenThoughts3's size */
};

struct epoch {
    enum epoch_source source;
    struct epoch_doc *doc; /* [n], owned */
    size_t n;
    double docs;           /* documents; each of doc stands for docs / n of them */
    uint64_t rows, tokens; /* of those that were packed to see how full rows become */
    double fill;           /* part of a packed row of `cutoff_len` tokens that holds tokens */
    uint32_t cutoff_len;   /* tokens that documents were cut at */
    uint64_t disk;         /* bytes of the token shards; 0: not made yet */
    char where[FILE_PATH]; /* of the shards, or the dataset's first name */
};

/* What is said where there is nothing to look at. 0: OpenThoughts3's. */
struct epoch_assumed {
    double rows;             /* conversations */
    uint32_t tokens, prompt; /* of a conversation; of them, before the answer */
};

/* Rows of OpenThoughts3-1.2M, tokens of its conversations in the mean (cut at 16,384 tokens), and of their
 * questions: what is known of it without looking. */
enum { OT3_ROWS = 1200000, OT3_TOKENS = 15000, OT3_PROMPT = 200 };

/* Looks for the run's token shards, then for its dataset (which needs the tokenizer, or NULL), of which
 * `sample` rows are tokenised aside. *out is the caller's to epoch_clear, after an error too: those of
 * reading shards and datasets that are there. */
int epoch_look(struct epoch *out, const struct sft_config *c, const struct tokenizer *t, uint32_t vocab,
               const struct epoch_assumed *a, uint32_t sample, struct err *e);
void epoch_clear(struct epoch *p);

#endif
