/* Whether a question is one that a model is evaluated on: they have n words in a row in common (n = 13 in
 * Brown et al. 2020, appendix C). */
#ifndef TERSE_DATA_PREPARE_NGRAMS_H
#define TERSE_DATA_PREPARE_NGRAMS_H

#include "checkpoints/sha256.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NGRAMS_WORDS_MAX = 64 };

struct ngrams {
    uint32_t words; /* n */
    uint64_t *at;   /* [mask + 1] hashes, 0 free */
    size_t n, mask;
    uint64_t questions;      /* that are in it */
    char digest[SHA256_HEX]; /* of what is in it */
};

/* Takes the questions (what the user says) of files that terse eval reads (data/problems.h). Words are those
 * of question_word; a question of fewer than `words` is matched by one that is the same, word for word. *g is
 * the caller's to ngrams_clear; empty after an error: those of problems_load, NOMEM. */
int ngrams_load(struct ngrams *g, const char *const *files, size_t n, uint32_t words, struct err *e);
void ngrams_clear(struct ngrams *g);

/* True when text [len] shares an n-gram, or all of its words, with a question of the set. */
bool ngrams_hit(const struct ngrams *g, const char *text, size_t len);

#endif
