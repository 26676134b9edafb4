/* Which rows become documents, and in which order: from facts alone. */
#ifndef TERSE_DATA_PREPARE_SELECT_H
#define TERSE_DATA_PREPARE_SELECT_H

#include "data/document.h"
#include "data/prepare/facts.h"
#include "infer/option.h"

/* Which answers to a question are kept, best first. */
enum select_choose {
    CHOOSE_FIRST,           /* as they come */
    CHOOSE_RANDOM,          /* by the seed */
    CHOOSE_MAJORITY,        /* those that give the final answer most of them give, as they come */
    CHOOSE_SHORTEST_CORRECT /* those that give the reference's final answer, or, where there is no
                               reference, the majority's; the shortest first */
};

enum select_thinking {
    THINKING_ANY,
    THINKING_FINISHED, /* thinking that was begun has ended, with a reply behind it */
    THINKING_REQUIRED  /* there is some, and it has ended so */
};

/* The right answer to a question. */
struct reference {
    uint64_t question, answer; /* question_hash, answer_key */
};

struct select_rules {
    const struct string_list *domains, *sources; /* names that are kept; none: all */
    uint32_t min_tokens, max_tokens;             /* of the whole conversation; 0: no limit */
    enum select_thinking thinking;
    bool boxed; /* only answers with a \boxed{} in their reply */
    enum build_learn learn;
    uint32_t cutoff_len;
    uint32_t answers; /* to a question; 0: all */
    enum select_choose choose;
    bool keep_identical;                /* word for word the same answers to a question stay */
    const struct reference *references; /* [n_references] by question */
    size_t n_references;
    uint64_t seed;
    bool shuffle;         /* else in the order of the files */
    uint64_t max_samples; /* 0: all; else the first ones of the order */
    double val_size;      /* held out, whole questions: below 1 a fraction, else a count */
};

/* Why a row is left out; the first reason counts. X(name, in words) */
#define SELECT_REASONS_LIST(X)                                                                               \
    X(empty, "empty")                                                                                        \
    X(no_answer, "without an answer")                                                                        \
    X(bad_roles, "with impossible roles")                                                                    \
    X(domain, "of other domains")                                                                            \
    X(source, "of other sources")                                                                            \
    X(too_short, "under min_tokens")                                                                         \
    X(too_long, "over max_tokens")                                                                           \
    X(beyond_cutoff, "whose answer begins beyond cutoff_len")                                                \
    X(thinking, "whose thinking is not as asked")                                                            \
    X(not_boxed, "without a boxed answer")                                                                   \
    X(contaminated, "whose question is one of an evaluation set")                                            \
    X(identical, "the same answer to the same question")                                                     \
    X(other_answer, "with another final answer than the one chosen")                                         \
    X(surplus, "more answers than asked for")                                                                \
    X(samples, "beyond max_samples")

enum select_reason {
    SELECT_KEPT,
#define X(name, words) SELECT_##name,
    SELECT_REASONS_LIST(X)
#undef X
        SELECT_REASONS
};

const char *select_reason_name(enum select_reason r);  /* "too_long" */
const char *select_reason_words(enum select_reason r); /* "over max_tokens" */

struct pick {
    uint32_t file, row;
};

struct selection {
    struct pick *at;               /* [n], in their final order: those to train on, then those held out */
    uint64_t n, held_out;          /* the last held_out of them */
    uint64_t rows[SELECT_REASONS]; /* how many rows had which fate */
    uint64_t questions;            /* distinct ones among those picked */
    uint64_t tokens, bytes;        /* of those picked: ids after the cut, and text */
    uint64_t cut;                  /* of those picked, longer than cutoff_len */
};

/* first [n_files + 1]: where each file's rows begin in f. *out is the caller's to selection_clear; empty
 * after an error: NOMEM, DATA_EMPTY (nothing is left; the message counts why). */
int select_rows(struct selection *out, const struct facts *f, const uint64_t *first, uint32_t n_files,
                const struct select_rules *rules, struct err *e);
void selection_clear(struct selection *s);

/* "120 empty, 3 over max_tokens"; "" for none. */
void selection_text(const struct selection *s, char *text, size_t size);

#endif
