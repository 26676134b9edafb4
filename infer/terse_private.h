/* What the terse_*.c share: the insides of libterse's handles. */
#ifndef TERSE_INFER_TERSE_PRIVATE_H
#define TERSE_INFER_TERSE_PRIVATE_H

#include "infer/generate.h"
#include "infer/loaded.h"
#include "infer/prompt.h"
#include "infer/terse.h"
#include "infer/utf8.h"

#include <stdatomic.h>

/* Handles that others need are counted, so that they can be closed in any order. */
struct terse_model {
    atomic_uint owners;
    struct loaded l;
    uint64_t bytes;      /* of weights and tables */
    uint32_t token_room; /* bytes that the text of any token needs in a terse_text */
    int32_t stop[PROMPT_MAX_STOPS];
    uint32_t n_stop;
};

struct terse_adapter {
    atomic_uint owners;
    struct terse_model *m;
    struct loaded l; /* m's, with the adapter */
};

/* How a stream chooses. */
struct choice {
    struct sampler_config sampler;
    uint64_t luck;
};

struct terse_session {
    struct terse_model *m;
    struct terse_adapter *a; /* or NULL */
    struct session *s;
    struct sampler *sampler;
    struct choice *choice; /* [streams] */
    uint32_t streams;
    struct terse_stats stats; /* what is counted here */
};

struct terse_text {
    struct terse_model *m;
    struct utf8_stream utf8;
    char buffer[]; /* [m->token_room] */
};

/* The end of a call: *out is filled when r is an error. Returns r. */
int terse_end(struct terse_error *out, const struct err *e, int r);

/* A struct with `size` from the caller to one of `known` bytes here; NULL: zeros. Errors: USAGE (no size),
 * VERSION (it says more than we know). */
int terse_take(void *to, size_t known, const void *from, const char *what, struct err *e);
/* The other way round, as much as the caller knows. */
void terse_give(void *to, const void *from, size_t known);

void terse_model_hold(struct terse_model *m);
void terse_adapter_hold(struct terse_adapter *a);

/* The model with the session's adapter, if it has one. */
const struct loaded *terse_loaded(const struct terse_session *s);
/* NULL: the model's way. Errors: those of terse_take and sampler_config_check. */
int terse_sampler_config(struct sampler_config *out, const struct terse_model *m,
                         const struct terse_sampling *from, struct err *e);
/* Messages as turns, *out the caller's to free. Errors: ROLE, USAGE (a NULL), NOMEM. */
int terse_turns(struct chat_turn **out, const struct terse_message *messages, size_t n, struct err *e);
/* Writes what a token completes, and a zero, to out [m->token_room]; returns its bytes. */
size_t terse_piece_text(const struct terse_model *m, struct utf8_stream *u, int32_t id, char *out);

#endif
