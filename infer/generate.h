/* Answers to a list of prompts: continuous batching.
 *
 * A pass takes one token of every answer that is under way and, in the rows that are left, chunks of prompts
 * that are not encoded yet; an answer leaves as soon as it is done and the next prompt takes its stream.
 * Prompts that are the same are encoded once: the others fork it. What an answer is does not depend on any of
 * this. */
#ifndef TERSE_INFER_GENERATE_H
#define TERSE_INFER_GENERATE_H

#include "infer/budget.h"
#include "infer/sampler.h"
#include "infer/session.h"

enum finish {
    FINISH_NONE,
    FINISH_STOP,   /* the last token is a stop token */
    FINISH_LENGTH, /* max_new tokens, or the budget's, or the stream is full */
    FINISH_CANCEL,
};

/* Tokens that are run after a finished answer, for the hidden states they leave: a verifier's question. */
struct request_check {
    const int32_t *ids; /* [n]; n may be 0 */
    uint32_t n;
    bool whole; /* the states of all of the answer, and nothing after it; else of the last token of all */
};

/* One prompt and its answer. */
struct request {
    const int32_t *prompt; /* [n_prompt], n_prompt >= 1 */
    uint32_t n_prompt;
    uint32_t adapt_from;           /* first token the adapter acts on; UINT32_MAX: never */
    uint32_t max_new;              /* tokens at most, the stop token included */
    struct sampler_config sampler; /* checked */
    uint64_t stream;               /* names the draw: same seed and stream, same answer */
    const struct budget *budget;   /* NULL: none. It closes nothing where that would not leave a token of
                                    * max_new, or of the stream, to answer with */
    bool thinking;                 /* the prompt ends inside <think> */
    /* Where on_route decides how to go on: the first route_to tokens of the prompt are run alone, the states
     * of [route_from, route_to) being watched. 0: nowhere. Gates begin at route_to or later. */
    uint32_t route_from, route_to;
    const struct request_check *check; /* NULL: none; left out where the stream has no room for it */
    bool unwanted;   /* set by who is called back: this request ends here, or does not begin */
    int32_t *answer; /* [max_new] filled; the stop token is kept */
    float *logprob;  /* [max_new] log-probability of each token, or NULL; 0 for those that a
                      * budget put in: they were no choice */
    uint32_t n_answer;
    bool closed; /* answer [budget->tokens] and the budget->n - 1 after it were put in */
    enum finish finish;
    bool checking;        /* it is finished, and its check is yet to be run */
    double first_seconds; /* from the call until its first token */
};

struct generate_stats {
    double prefill_seconds, decode_seconds; /* a pass that does both is shared by rows */
    uint64_t prompt_tokens;                 /* run; what could be had otherwise is not counted */
    uint64_t decoded_tokens;                /* of answers, those put in too */
    uint64_t checked_tokens;                /* run after answers, their last ones included */
    uint64_t passes;
    double first_token_seconds; /* of the first request */
};

/* Hears every token, after it has joined the answer and r->finish is decided. Returning GENERATE_LEAVE
 * cancels this request, another nonzero value all that is unfinished. */
enum { GENERATE_LEAVE = 2 };
typedef int generate_token(void *ctx, struct request *r, int32_t token);

/* Hears when a prompt has been run to route_to: session_states(s, stream, ...) has what was watched. May
 * change what the request goes on with (prompt, adapt_from, max_new, budget, thinking), as long as the first
 * tokens stay as they are, and the same of others; route_to becomes 0. */
typedef void generate_route(void *ctx, struct request *r, uint32_t stream);
/* Hears when the check of a finished answer has been run: session_states has what was watched. What it
 * returns is as of generate_token. */
typedef int generate_checked(void *ctx, struct request *r, uint32_t stream);

struct generate_config {
    uint32_t streams;    /* of the session that may be used: 0..streams-1 */
    uint32_t vocab;      /* tokens that may be chosen: ids below */
    const int32_t *stop; /* [n_stop] each ends an answer */
    uint32_t n_stop;
    generate_token *on_token;     /* or NULL */
    generate_route *on_route;     /* where requests have a route */
    generate_checked *on_checked; /* where they have a check */
    void *ctx;
    bool release; /* a finished answer's pages are free at once, but for those the prefix cache keeps */
};

/* Runs the requests. stats may be NULL. Allocates at the start only. Errors: those of session_begin,
 * session_run and sampler_pick, NOMEM; answers that are finished by then stay whole, others are FINISH_NONE.
 * Where the session's pages are short, requests wait for each other; CTX_FULL comes when one does not fit
 * alone. */
int generate_run(struct session *s, const struct generate_config *c, struct request *requests, size_t n,
                 struct generate_stats *stats, struct err *e);

#endif
