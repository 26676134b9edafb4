/* Asking at a terminal: what generate and chat share. */
#ifndef TERSE_INFER_TALK_H
#define TERSE_INFER_TALK_H

#include "infer/ask.h"

#include <stdio.h>

/* Answers q. What the switcher thought goes to stderr where that is a terminal; the text of a single chain
 * goes to `live` as it comes, its thinking dimmed (NULL: nowhere). Ctrl-C ends it; the chains keep what they
 * have. Errors: those of ask_run, of writing. */
int talk_run(struct asker *a, struct ask *q, FILE *live, struct generate_stats *stats, struct err *e);

/* "The switcher: 93 % worth thinking about (from 50 % on): reasoning"; "" where it was not asked. */
void talk_route(const struct ask *q, char *text, size_t size);

/* How the vote went: a line for each chain, with tokens, score and answer, where `chains`, then one for the
 * outcome. Errors: those of writing. */
int talk_vote_print(FILE *f, const struct ask *q, bool chains, struct err *e);

/* "41 tokens read at 180 tok/s, first word after 0.25 s, 98 written at 21 tok/s", without a newline. */
void talk_timing(const struct generate_stats *s, uint32_t answers, char *text, size_t size);

#endif
