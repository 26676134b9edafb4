/* Asking: a question is answered at once by the base or thought about with the adapter, by one chain or by
 * several side by side, of which a vote picks one.
 *
 * A question that may go either way has two prompts that begin alike. As their common part has been run, the
 * switcher reads what it left (infer/states.h) and one of the two is gone on with, on the same pages: no
 * token is run twice, and the first token comes after one prefill either way.
 *
 * A chain that is over is read by the verifier, after a few tokens more on its own keys and values; its
 * answer (infer/answer.h) is compared with the others' and votes. When no chain that is still under way could
 * change the outcome, these are given up. */
#ifndef TERSE_INFER_ASK_H
#define TERSE_INFER_ASK_H

#include "infer/answer.h"
#include "infer/detok.h"
#include "infer/generate.h"
#include "infer/prompt.h"
#include "infer/vote.h"

enum ask_mode {
    ASK_AUTO,  /* as the switcher says */
    ASK_CHAT,  /* the base alone */
    ASK_REASON /* with the adapter, if there is one */
};
#define ASK_MODES "auto|chat|reason"

/* Whether two answers are the same. */
typedef bool ask_same(const struct answer *a, const struct answer *b);
/* Numbers by what they are, other answers by their text, where white space only parts words. */
bool ask_same_text(const struct answer *a, const struct answer *b);

/* ---- who is asked -------------------------------------------------------------------------------------- */

/* A head and where its states are in the session's. */
struct ask_head {
    const struct head *h; /* NULL: none */
    uint32_t at[STATES_MAX_DEPTHS];
};

struct asker {
    const struct loaded *l;
    struct session *s, *own; /* own: what asker_open made, or NULL */
    uint32_t streams;
    struct ask_head head[HEAD_TASKS];
    struct request_check check; /* the verifier's; ids owned */
    float *x;                   /* inputs of either head */
    int32_t stop[PROMPT_MAX_STOPS];
    uint32_t n_stop;
};

/* What a session needs for the heads of l: sets c->states, and adds to c->max_tokens, of a prompt and its
 * answer, what the verifier takes, up to the model's context. Errors: FIELD_RANGE (too many depths together),
 * those of tokenizer_encode. */
int ask_session(struct session_config *c, const struct loaded *l, struct err *e);
/* Streams 0..streams-1 of a session of l's model with those states are to answer; l and s are borrowed. *a is
 * the caller's to asker_clear, empty after an error. Errors: NOMEM, those of tokenizer_encode. */
int asker_init(struct asker *a, const struct loaded *l, struct session *s, uint32_t streams, struct err *e);
/* The same with a session of its own, as `c` and ask_session say. Errors: those of session_create too. */
int asker_open(struct asker *a, const struct loaded *l, struct session_config c, struct err *e);
void asker_clear(struct asker *a); /* an empty one too */

/* ---- what is asked ------------------------------------------------------------------------------------- */

/* How questions are to be answered. */
struct ask_config {
    enum ask_mode mode;
    bool think;       /* reasoning begins with PROMPT_THINK */
    double threshold; /* of the switcher's probability; negative: the head's own */
    uint32_t chains;  /* >= 1 */
    uint32_t max_new; /* tokens of a chain; 0: as many as the stream holds */
    bool votes;       /* else every chain is an answer of its own */
    enum vote_kind vote;
    bool scores;    /* the verifier reads every chain, whether the vote goes by it or not */
    bool all;       /* no chain is given up */
    ask_same *same; /* NULL: ask_same_text */
    struct sampler_config sampler;
    const struct budget *budget; /* borrowed; NULL: none */
    bool logprobs;
};

/* One question and what became of it. */
struct ask {
    struct ask_config c;
    struct asker *asker;
    struct prompt chat, reason; /* owned; one of them is empty where there is nothing to decide */
    uint32_t from, to;          /* what the switcher reads of both; to 0: there is nothing to decide */
    uint64_t draw;              /* chain i draws with the stream name draw + i */

    bool reasons;             /* which way it went */
    double probability;       /* the switcher's; negative: it was not asked */
    uint32_t chains;          /* that answer: one in chat that was chosen by the switcher */
    struct request *request;  /* [c.chains] */
    struct vote_chain *chain; /* [chains] VOTE_PENDING: not over, or given up; score < 0: not read */
    struct detok *text;       /* [chains] with what the prompt dictates; made when it is over */
    struct answer *answer;    /* [chains] found in the text, and points into it; ANSWER_NONE: none */
    struct vote vote;
    bool early; /* chains were given up */
    bool settled;

    struct request *kept; /* owned: what `request` is but while it runs */
    int32_t *ids;         /* owned, [c.chains][most] */
    float *logprob;       /* likewise, or NULL */
    uint32_t most;
};

/* Whether l can do what c asks: USAGE, with a sentence, for `auto` without a switcher, an adapter or a gate
 * that leaves the question to the base, for a vote by scores without a verifier, or in chat. */
int ask_config_check(const struct ask_config *c, const struct loaded *l, struct err *e);

/* Turns to be answered. *q is the caller's to ask_clear, empty after an error. Errors: those of
 * ask_config_check, prompt_chat; CTX_FULL (no room for an answer), NOMEM. */
int ask_chat(struct ask *q, struct asker *a, const struct ask_config *c, const struct chat_turn *turns,
             uint32_t n, const char *system, struct err *e);
/* A prompt as it is, taken over (emptied) in any case; there is nothing to decide, but in chat the adapter
 * does not act. Errors as above. */
int ask_prompt(struct ask *q, struct asker *a, const struct ask_config *c, struct prompt *p, struct err *e);
void ask_clear(struct ask *q); /* an empty one too */

/* The prompt that was, or will be, gone on with. */
const struct prompt *ask_way(const struct ask *q);

/* ---- asking -------------------------------------------------------------------------------------------- */

/* What a caller may want to hear; each may be NULL. */
struct ask_events {
    /* A question's way is known: before its first token, and where there is nothing to decide at once. */
    void (*routed)(void *ctx, struct ask *q);
    /* A token has joined chain i; returns as generate_token. */
    int (*token)(void *ctx, struct ask *q, uint32_t i, int32_t token);
    /* All chains of a question are over or given up, and the vote is counted; nonzero ends everything. */
    int (*settled)(void *ctx, struct ask *q);
    void *ctx;
};

/* Answers all questions of `a`, filling its streams. Errors: those of generate_run, NOMEM. Cancelled
 * questions keep what they have and are not settled. */
int ask_run(struct asker *a, struct ask *q, size_t n, const struct ask_events *ev,
            struct generate_stats *stats, struct err *e);

#endif
