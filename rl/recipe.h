/* A recipe seen from outside: which command it is for, what can be known of its model and data without
 * running it, and what it would take; also with something changed. */
#ifndef TERSE_RL_RECIPE_H
#define TERSE_RL_RECIPE_H

#include "rl/plan_ppo.h"

enum recipe_kind { RECIPE_AUTO, RECIPE_SFT, RECIPE_PPO };

/* What a user asks, and says where there is nothing to look at. Pointers are borrowed. */
struct recipe_request {
    const char *path;       /* the YAML file */
    const char *const *set; /* [n_set] "key=value", over the file's */
    int n_set;
    enum recipe_kind kind; /* RECIPE_AUTO: that of the command which knows all its keys */
    const char *shape;     /* of the model (hf_config_shape); NULL: the folder's, else by its name */
    struct epoch_assumed assumed;
    double answer_tokens; /* mean answer of reinforcement learning; 0: as long as they may be */
    uint32_t sample;      /* rows to look into */
    uint32_t rank;        /* of an adapter that is not there yet; 0: 128 */
    unsigned threads;
    uint64_t limit; /* bytes of memory to fit into; 0: any */
};

struct recipe {
    struct recipe_request q;
    enum recipe_kind kind;
    struct model_config model;
    enum dtype own;                        /* of the model's products */
    struct epoch epoch;                    /* SFT */
    struct plan_answers answers;           /* PPO */
    struct adapter_config adapter;         /* PPO */
    char name[512];                        /* of the model */
    char model_from[512], data_from[1024]; /* where what is known of them comes from, for people */
};

/* Errors: KIND (no command knows the file), FIELD_*, those of reading what is there. *r is the caller's to
 * recipe_close, after an error too. */
int recipe_open(struct recipe *r, const struct recipe_request *q, struct err *e);
void recipe_close(struct recipe *r);
/* The forecast, with one more key=value (NULL: as it is). */
int recipe_plan(const struct recipe *r, const char *change, struct plan *out, struct err *e);

/* Changes worth trying, "key=value" [n] of at most RECIPE_CHANGE bytes. Returns how many. */
enum { RECIPE_CHANGES = 10, RECIPE_CHANGE = 64 };
int recipe_changes(const struct recipe *r, char change[RECIPE_CHANGES][RECIPE_CHANGE], struct err *e);

#endif
