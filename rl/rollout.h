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

struct rollout {
    struct rollout_config c;
    const struct loaded *l;
    const struct problems *problems;
    struct session *session; /* borrowed; streams of it are used */
    uint32_t streams;
    struct sample *sample;   /* [prompts * group]; answers to one prompt side by side */
    struct request *request; /* [prompts * group] */
    struct prompt *prompt;   /* [prompts] */
    uint32_t *order;         /* [problems] of the epoch `shuffled` */
    uint64_t shuffled;       /* epoch + 1; 0: none yet */
    int32_t *ids;            /* [samples][longest] */
    float *logp;             /* [samples][max_new] */
    struct policy_token *token;
    uint32_t longest; /* tokens of a prompt and its answer, at most */
    struct generate_stats stats;
};

/* Tokens of the longest prompt that can come. Errors: those of prompt_chat. */
int rollout_longest(const struct rollout_config *c, const struct loaded *l, const struct problems *p,
                    uint32_t *out, struct err *e);
/* l, p and session are borrowed; longest: rollout_longest's. Errors: NOMEM. */
int rollout_create(struct rollout *r, const struct rollout_config *c, const struct loaded *l,
                   const struct problems *p, struct session *session, uint32_t streams, uint32_t longest,
                   struct err *e);
void rollout_clear(struct rollout *r);

/* Samples and grades the answers of iteration `step`, a function of (seed, step) and the weights. scale: of
 * the budgets. on_token as in generate_config. Errors: those of prompt_chat, generate_run, detok_push. */
int rollout_run(struct rollout *r, uint64_t step, double scale, generate_token *on_token, void *ctx,
                struct err *e);

/* The problem's turns with the budget told after the last one: *text (owned) holds that turn. */
int budget_turns(const struct problem *p, const char *wording, uint32_t budget, struct chat_turn *turns,
                 char **text, struct err *e);

#endif
