/* Budget forcing at run time: thinking that is still open when an answer has used up its budget is closed,
 * and the final answer asked for, by tokens that are put into the answer instead of being chosen (Qualcomm
 * 2026, section 3; s1, Muennighoff et al. 2025). */
#ifndef TERSE_INFER_BUDGET_H
#define TERSE_INFER_BUDGET_H

#include "infer/reply.h"
#include "infer/tokenizer.h"

/* What is put in. The first closes the thinking as traces do, and leaves the reply to the model: for chats.
 * The second also begins a mathematical answer in the form that is graded: for evaluations under a cap.
 * (Wordings measured: docs/performance.md.) */
#define BUDGET_CLOSING "\n</think>\n\n"
#define BUDGET_ASKING  BUDGET_CLOSING "So \\boxed{"

struct budget {
    uint32_t tokens; /* of an answer, from its first one on, before thinking is closed; at least 1 */
    uint32_t answer; /* tokens that follow, those put in not counted; 0: as many as there is room for */
    const struct tokenizer *t;
    int32_t *closing; /* [n], owned: what is put in */
    uint32_t n;
};

/* closing: text without control tokens. t is borrowed. *b is the caller's to budget_clear, empty after an
 * error. Errors: those of tokenizer_encode, ROW_EMPTY (no text). */
int budget_init(struct budget *b, const struct tokenizer *t, uint32_t tokens, uint32_t answer,
                const char *closing, struct err *e);
void budget_clear(struct budget *b); /* an empty one too */

/* reply_watch_feed for a token. */
void budget_watch(struct reply_watch *w, const struct tokenizer *t, int32_t id);

#endif
