/* Prompts with a label: what a switcher learns from. */
#ifndef TERSE_DATA_LABELLED_H
#define TERSE_DATA_LABELLED_H

#include "infer/chatml.h"

#include <stdbool.h>
#include <stdint.h>

struct labelled_prompt {
    struct chat_turn *turns; /* [n_turns] the last is the user's */
    uint32_t n_turns;
    char *text;      /* holds the turns' contents and the reference; owned, as all of the above */
    char *reference; /* what a right answer is, NUL-terminated, in text; NULL where no rule asks for it */
    bool whole;     /* a whole reply, to be compared as such (grade_reply); else an answer to be looked for */
    uint8_t label;  /* 1: worth thinking about, 0: not, FEATURE_UNKNOWN */
    uint64_t group; /* hash of the turns: equal prompts are never split */
    uint64_t row;   /* of its file, from 0 */
};

struct labelled {
    struct labelled_prompt *at; /* [n] */
    size_t n, capacity;
    uint64_t without; /* rows left out: no question, or not what was asked for */
};

/* What is asked of a row. */
struct labelled_rules {
    int64_t difficulty; /* label 1 from here on, in a parquet file */
    uint64_t max;       /* prompts of a file, the first ones; 0: all */
    bool label, answer; /* rows must have the one, the other; what is not asked for may be missing */
};

/* Adds the prompts of a file. FILE.jsonl or another of data/json_file.h: rows with "prompt" and "label",
 * which is 0 or 1, "chat" or "reason" ("reasoning"), and as reference "answer" (as answer_reference finds it
 * in there) or "reply" (all of it). FILE.parquet in OpenThoughts3's schema: what comes before the last
 * assistant turn; the label is by its difficulty, the reference what that turn has in its last \boxed{}, or,
 * without one, its reply as it stands. *out is zeroed before the first file and the caller's to
 * labelled_clear, also after an error, which names file and line: those of conv_open and conv_next; of
 * json_file_each; USAGE (another name), ROW_TYPE, FIELD_MISSING, FIELD_TYPE, FIELD_RANGE (a label), ROLE,
 * DATA_EMPTY (no prompt in it at all). */
int labelled_load(struct labelled *out, const char *path, const struct labelled_rules *rules, struct err *e);
/* Gives near-duplicates (data/near.h) one group, so that they are never split; *joined: prompts whose group
 * changed. Errors: NOMEM. */
int labelled_join(struct labelled *p, double alike, size_t *joined, struct err *e);
void labelled_clear(struct labelled *p);

#endif
