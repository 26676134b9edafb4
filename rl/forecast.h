/* A recipe seen from outside: which command it is for, what can be known of its model and data without
 * running it, and what it would take; also with something changed. */
#ifndef TERSE_RL_FORECAST_H
#define TERSE_RL_FORECAST_H

#include "rl/plan_ppo.h"

enum forecast_kind { FORECAST_AUTO, FORECAST_SFT, FORECAST_PPO };

/* What a user asks, and says where there is nothing to look at. Pointers are borrowed. */
struct forecast_request {
    const char *path;       /* the YAML file */
    const char *const *set; /* [n_set] "key=value", over the file's */
    int n_set;
    enum forecast_kind kind; /* FORECAST_AUTO: that of the command which knows all its keys */
    const char *shape;       /* of the model (hf_config_shape); NULL: the folder's, else by its name */
    struct epoch_assumed assumed;
    double answer_tokens; /* mean answer of reinforcement learning; 0: as long as they may be */
    uint32_t sample;      /* rows to look into */
    uint32_t rank;        /* of an adapter that is not there yet; 0: 128 */
    unsigned threads;
    uint64_t limit; /* bytes of memory to fit into; 0: any */
};

struct forecast {
    struct forecast_request q;
    enum forecast_kind kind;
    struct model_config model;
    enum dtype own;                        /* of the model's products */
    struct epoch epoch;                    /* SFT */
    struct plan_answers answers;           /* PPO */
    struct adapter_config adapter;         /* PPO */
    char name[512];                        /* of the model */
    char model_from[512], data_from[1024]; /* where what is known of them comes from, for people */
};

/* Errors: KIND (no command knows the file), FIELD_*, those of reading what is there. *r is the caller's to
 * forecast_close, after an error too. */
int forecast_open(struct forecast *r, const struct forecast_request *q, struct err *e);
void forecast_close(struct forecast *r);
/* The forecast, with one more key=value (NULL: as it is). */
int forecast_plan(const struct forecast *r, const char *change, struct plan *out, struct err *e);

/* Changes worth trying, "key=value" [n] of at most FORECAST_CHANGE bytes. Returns how many. */
enum { FORECAST_CHANGES = 10, FORECAST_CHANGE = 64 };
int forecast_changes(const struct forecast *r, char change[FORECAST_CHANGES][FORECAST_CHANGE], struct err *e);
/* Whether it leaves the run's result as it is, to the bit. */
bool forecast_change_is_free(const char *change);

#endif
