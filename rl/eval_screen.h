/* An evaluation on the screen and in its JSON file: what terse eval shows and leaves. */
#ifndef TERSE_RL_EVAL_SCREEN_H
#define TERSE_RL_EVAL_SCREEN_H

#include "infer/progress.h"
#include "rl/eval_file.h"
#include "rl/eval_identity.h"

struct js_out;

/* While it runs. */
struct eval_screen {
    struct progress bar;
    struct eval_file file;
    size_t show;  /* answers to print, of those without a cap */
    size_t known; /* answers that were there before */
    uint32_t cap;
    size_t done, correct; /* under this cap, since */
    double started;
};

/* label: of the bar, static text; `known` of n answers are there. */
void eval_screen_start(struct eval_screen *sc, const char *label, size_t known, size_t n);
/* The bar ends; after an error it goes. */
void eval_screen_end(struct eval_screen *sc, bool failed);
/* Both for struct eval_events, whose ctx is the screen: the answer is saved, and printed if it is one of the
 * first; the bar moves. */
int eval_screen_sample(void *screen, const struct eval_sample *s, struct err *e);
int eval_screen_tick(void *screen, size_t done, uint64_t tokens);

/* What has come out of it: r [1 + caps]; `judge` of programs. */
void eval_result_print(const struct eval_result *r, const struct eval_config *c, const char *judge);
/* The same as members of the object that is open. */
void eval_result_put(struct js_out *w, const struct eval_result *r, const struct eval_config *c,
                     const struct eval_record *records, const struct eval_identity *id);

#endif
