/* The insides of a run, for rl/ppo*.c only. */
#ifndef TERSE_RL_PPO_PARTS_H
#define TERSE_RL_PPO_PARTS_H

#include "checkpoints/file.h"
#include "checkpoints/load.h"
#include "infer/progress.h"
#include "rl/ppo.h"
#include "rl/ppo_sizes.h"
#include "train/metrics.h"
#include "train/optim.h"

enum { PPO_NUMBERS = 13 };

/* Where in an iteration a run is. */
enum phase {
    PHASE_ANSWERS, /* some answers are there; between iterations, none */
    PHASE_LEARN,   /* all are, looked at, and some mini-batches are learned from */
    PHASES
};

/* Sums over the mini-batches of an epoch. */
struct tally {
    double value_loss, kl, clipped, ratio, tokens, norm, steps;
};

struct ppo {
    struct ppo_config *c;
    struct options *o;
    const struct ppo_events *ev;
    struct file_lock lock;
    int locked;

    struct loaded l;
    struct lora *reference; /* the adapter as it was; NULL when KL is not asked for */
    struct trainee trainee;
    struct optim optim;
    struct value_head head;
    struct micro *micro;
    struct problems problems;
    struct session *session;
    struct rollout rollout;
    struct policy_config policy;

    size_t n;                   /* samples of an iteration */
    uint32_t row_docs;          /* of them, at most so many in a row */
    uint32_t batch_rows;        /* rows of a mini-batch, at most */
    uint64_t memory;            /* bytes of the session */
    struct shard_doc *docs;     /* [row_docs] of the row that is run */
    struct label_span *spans;   /* [row_docs] */
    struct policy_doc *answers; /* [row_docs] of the row */
    uint32_t *order;            /* [n] of an epoch */
    float *scratch;             /* [3][max_new] of one answer; [n] of groups */
    float **slots;

    struct metrics metrics;
    char digest_config[SHA256_HEX], digest_data[SHA256_HEX];
    size_t answered; /* of this iteration */
    double saved_at; /* clock, of the last state */
    int saving;      /* error of a state saved while answers were sampled, told in save_err */
    struct err save_err;
    bool going_on; /* in an iteration that another process began */
    /* what a state holds beside weights, moments and answers */
    int64_t step;
    int64_t place[2];                                  /* enum phase, mini-batches learned from */
    double seconds, kl_coef, rate_scale, first_tokens; /* first_tokens: mean length of the first iteration */
    double kl_judged, entropy; /* of this iteration: kl_coef as it began; of its answers */
    struct tally tally;
    double numbers[PPO_NUMBERS]; /* all of these, as they are saved */
    float *reference_logp;       /* [n][max_new] the same of every token, as they are saved */
    float *value;                /* [n][max_new] */
};

/* ppo.c: the session, the rollout's memory and the learner, for a model, an adapter and problems that are
 * there. longest: tokens of the longest prompt. */
int ppo_engine_open(struct ppo *p, uint32_t longest, struct err *e);

/* ppo_tell.c */
int ppo_logs_open(struct ppo *p, struct err *e);
int ppo_log(struct ppo *p, const struct ppo_step *t, struct err *e);
/* The first group's answers, for people who want to see what is rewarded. */
int ppo_samples_tell(struct ppo *p, struct err *e);

/* ppo_learn.c */
/* Puts samples order[0], order[1] ... of [n], as far as they fit into a row, into docs; returns how many. */
uint32_t ppo_row_fill(struct ppo *p, const uint32_t *order, size_t n);
/* Looks at the samples: values, the trainer's log-probabilities, the reference's. */
int ppo_look(struct ppo *p, struct ppo_step *t, struct err *e);
/* Rewards -> advantages, returns and weights of every token. */
int ppo_judge(struct ppo *p, struct ppo_step *t, struct err *e);
/* Epochs of mini-batches, from place on. Errors: INTERRUPTED between two of them, too. */
int ppo_learn(struct ppo *p, struct ppo_step *t, struct err *e);
/* After judging: the value head alone learns what the first answers were worth, and advantages are made anew.
 */
int ppo_pretrain(struct ppo *p, struct ppo_step *t, struct err *e);

/* ppo_state.c */
int ppo_state_prepare(struct ppo *p, struct err *e);
int ppo_state_save(struct ppo *p, struct err *e);
/* The same if save_seconds have passed since the last one. */
int ppo_state_save_late(struct ppo *p, struct err *e);
/* What was noted of the answers' tokens, out of a state that was loaded. */
void ppo_state_recall(struct ppo *p, struct ppo_step *t);

void ppo_tick(const struct ppo *p, const char *phase, size_t done, size_t all);
void ppo_note(const struct ppo *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
