/* Prompts with a label: what a switcher learns from. */
#ifndef TERSE_DATA_LABELLED_H
#define TERSE_DATA_LABELLED_H

#include "infer/chatml.h"

#include <stdint.h>

struct labelled_prompt {
    struct chat_turn *turns; /* [n_turns] the last is the user's */
    uint32_t n_turns;
    char *text;     /* holds the turns' contents; owned, as all of the above */
    uint8_t label;  /* 1: worth thinking about */
    uint64_t group; /* hash of the turns: equal prompts are never split */
    uint64_t row;   /* of its file, from 0 */
};

struct labelled {
    struct labelled_prompt *at; /* [n] */
    size_t n, capacity;
    uint64_t without; /* rows left out: no question, or no label */
};

/* Adds the prompts of a file. FILE.jsonl: lines with "prompt" and "label", which is 0 or 1, "chat" or
 * "reason" ("reasoning"). FILE.parquet in OpenThoughts3's schema: what comes before the last assistant turn,
 * with label 1 from `difficulty` on. *out is zeroed before the first file and the caller's to labelled_clear,
 * also after an error, which names file and line: those of conv_open and conv_next; of file_load and
 * js_parse; USAGE (another name), ROW_TYPE, FIELD_MISSING, FIELD_TYPE, FIELD_RANGE (a label), ROLE,
 * DATA_EMPTY (no prompt in it at all). */
int labelled_load(struct labelled *out, const char *path, int64_t difficulty, struct err *e);
void labelled_clear(struct labelled *p);

#endif
