/* A loaded model that answers: what generate, chat and the check of an export share. */
#ifndef TERSE_INFER_TALK_H
#define TERSE_INFER_TALK_H

#include "infer/generate.h"
#include "infer/printer.h"
#include "infer/prompt.h"

struct talk {
    const struct loaded *l;
    struct session *s;
    struct sampler_config sampler;
    const struct budget *budget; /* borrowed; the caller may set one. NULL: none */
    uint32_t streams, max_tokens;
    int32_t stop[PROMPT_MAX_STOPS];
    uint32_t n_stop;
};

struct answered {
    struct printer text;
    enum finish finish;
    bool closed;     /* its thinking, by the budget */
    uint32_t tokens; /* the end of the turn included */
};

/* sc: streams are the answers at a time, max_tokens (of a prompt and its answer) is clipped to the model's
 * context. *t borrows l. After an error *t is empty. Errors: those of sampler_create and session_create. */
int talk_open(struct talk *t, const struct loaded *l, const struct sampler_config *c,
              struct session_config sc, struct err *e);
void talk_close(struct talk *t);

/* n answers to one prompt, at most max_new tokens each (0: until the context is full). What the first stream
 * holds of the prompt is not run again. Each a[i].text is set by the caller (a printer, perhaps without a
 * file) and ended here; the caller clears it, after an error too. *stats may be NULL. A signal
 * (cli_interrupted) cancels: finish is then FINISH_CANCEL. Errors: CTX_FULL (no room for an answer), those of
 * generate_run and of the printer. */
int talk_answer(struct talk *t, const struct prompt *p, uint32_t max_new, struct answered *a, uint32_t n,
                struct generate_stats *stats, struct err *e);

/* "35 tokens read at 812 tok/s, first word after 0.05 s, 120 written at 95 tok/s" */
void talk_timing(const struct generate_stats *s, uint32_t answers, char *text, size_t size);

#endif
