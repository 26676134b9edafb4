/* Answers sampled in groups from prompts that name a budget, then graded. */
#ifndef TERSE_RL_ROLLOUT_H
#define TERSE_RL_ROLLOUT_H

#include "data/grade.h"
#include "data/problems.h"
#include "infer/generate.h"
#include "infer/loaded.h"
#include "infer/prompt.h"
#include "rl/policy.h"
#include "rl/reward.h"

/* One answer to one prompt. */
struct sample {
    const struct problem *problem;
    int32_t *ids;               /* [n_prompt + n_answer] */
    struct policy_token *token; /* [n_answer] */
    float *logp;                /* [n_answer] when sampled */
    uint32_t n_prompt, n_answer, adapt_from, forced;
    uint32_t budget;
    uint64_t draw; /* names its random numbers */
    struct outcome outcome;
    struct grade grade; /* its answer points into `text` */
    char *text;         /* owned; of the answer, forced tokens included */
    float term[REWARD_TERMS], reward;
};

struct rollout_config {
    uint32_t prompts, group; /* of a rollout, and answers to each */
    uint32_t max_new;
    double temperature;
    uint64_t seed;
    const char *system, *budget_prompt; /* NULL: the model's own, nothing */
    bool think;
    const uint32_t *budgets; /* [n_budgets] */
    uint32_t n_budgets;
};

/* An answer that is under way: which, and how many of its tokens there were before. */
struct rollout_open {
    size_t sample;
    uint32_t had;
};

struct rollout {
    struct rollout_config c;
    const struct loaded *l;
    const struct problems *problems;
    struct session *session; /* borrowed; streams of it are used */
    uint32_t streams;
    struct sample *sample; /* [prompts * group]; answers to one prompt side by side */
    uint32_t *answered;    /* [samples] tokens of each answer so far */
    uint8_t *finish;       /* [samples] enum finish so far */
    struct request *open;  /* [samples] of the answers that are under way */
    struct rollout_open *opened;
    struct prompt *prompt; /* [prompts] */
    uint32_t *order;       /* [problems] of the epoch `shuffled` */
    uint64_t shuffled;     /* epoch + 1; 0: none yet */
    int32_t *ids;          /* [samples][longest] */
    float *logp;           /* [samples][max_new] */
    struct policy_token *token;
    uint32_t longest; /* tokens of a prompt and its answer, at most */
    struct generate_stats stats;
};

/* Tokens of the longest prompt that can come; *mean (may be NULL): of all of them. Errors: those of
 * prompt_chat. */
int rollout_longest(const struct rollout_config *c, const struct loaded *l, const struct problems *p,
                    uint32_t *out, double *mean, struct err *e);
/* l, p and session are borrowed; longest: rollout_longest's. Errors: NOMEM. */
int rollout_create(struct rollout *r, const struct rollout_config *c, const struct loaded *l,
                   const struct problems *p, struct session *session, uint32_t streams, uint32_t longest,
                   struct err *e);
void rollout_clear(struct rollout *r);

/* A rollout, step by step. All of it is a function of (seed, step), the weights, and the answers that there
 * were: answers, whole or begun, that an earlier process sampled of the same rollout can be put into ids,
 * logp, answered and finish, and are then not sampled again. */
/* Forgets all answers. */
void rollout_forget(struct rollout *r);
/* Makes the prompts of iteration `step`. scale: of the budgets. Errors: those of prompt_chat, CTX_FULL. */
int rollout_begin(struct rollout *r, uint64_t step, double scale, struct err *e);
/* Samples what is not answered yet. Hears of every token after it has joined its answer, done: the answer's
 * last; what is not 0 stops it all, and rollout_whole is then false. Errors: those of generate_run. */
typedef int rollout_token(void *ctx, bool done);
int rollout_answer(struct rollout *r, rollout_token *on_token, void *ctx, struct err *e);
bool rollout_whole(const struct rollout *r);
/* Texts, grades, outcomes. Errors: those of detok_push. */
int rollout_grade(struct rollout *r, struct err *e);

/* What rollout_begin and rollout_grade do for one: the prompt of group `group` (*prompt is taken over), draw
 * being its number in the run; and answer i, as a text [n] (taken over; NUL-terminated) whose thinking ends
 * with token `close`, 0 if it does not. */
void rollout_ask(struct rollout *r, uint32_t group, struct prompt *prompt, const struct problem *problem,
                 uint32_t budget, uint64_t draw);
void rollout_judge(struct rollout *r, size_t i, char *text, size_t n, uint32_t close);

/* The problem's turns with the budget told after the last one: *text (owned) holds that turn. */
int budget_turns(const struct problem *p, const char *wording, uint32_t budget, struct chat_turn *turns,
                 char **text, struct err *e);

#endif
