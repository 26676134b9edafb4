/* libterse: small Qwen2.5 language models inside an app.
 *
 *     struct terse_error e;
 *     struct terse_model *m;
 *     struct terse_session *s;
 *     struct terse_message said = {"user", "What is 2 plus 3?"};
 *     struct terse_question q = {.size = sizeof q};
 *     struct terse_answers *a;
 *     if (terse_model_open(&m, "model.gguf", NULL, &e)) ... e.message
 *     if (terse_session_create(&s, m, NULL, &e)) ...
 *     q.messages = &said, q.n_messages = 1;
 *     if (terse_ask(s, &q, &a, &e)) ...
 *     puts(terse_answers_text(a, 0, NULL));
 *
 * Three kinds of objects. A MODEL is weights, tokenizer and threads; an ADAPTER is a LoRA for one model; a
 * SESSION is streams of tokens on one model with their keys and values. A session may be asked (terse_ask:
 * messages in, text out, N answers side by side), or its streams be moved token by token (terse_stream_*).
 * Both share what has been encoded: a conversation that goes on costs its new tokens only.
 *
 * Errors. Functions that can fail return 0 or a negative number and then fill *error, which may be NULL. What
 * they would have made is then NULL or unchanged, unless it says otherwise. Nothing prints and nothing exits.
 *
 * Ownership. What has a _create, _open or _load is the caller's to _free or _close, in any order: a session
 * keeps the model and the adapter it uses alive. Strings and arrays that go in are copied, or used during the
 * call only. Pointers that come out belong to the object asked, until it is changed or freed.
 *
 * Threads. A model and an adapter do not change once made: any number of threads may use them at a time, each
 * with sessions of its own. Passes of sessions on one model take turns at its threads; opened with one
 * thread, they run side by side in their callers'. A session or a text belongs to one thread at a time: what
 * is said to be for "the session's thread" must not run beside another such call on the same session. Answers
 * depend on neither: the same prompt, settings and seed give the same bits, alone or beside
 * others.
 *
 * Texts are UTF-8 ending with a zero byte, unless a size in bytes stands beside them. Tokens are int32_t from
 * 0. Sizes of memory are in bytes, times in seconds of the monotonic clock.
 *
 * Structs that begin with `size` may grow: set it to sizeof of the struct and the rest to zero, which always
 * means "the default". A library newer than the header knows what an older program does not have; an older
 * one refuses (kind VERSION) what it does not know, if it is not zero.
 *
 * Reading a file maps it. So that a file cut short meanwhile is an error and not a crash, the library handles
 * SIGBUS for its own maps, and passes others on to who handled it before. It touches nothing else of the
 * process. */
#ifndef TERSE_H
#define TERSE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TERSE_API __attribute__((visibility("default")))
#else
#define TERSE_API
#endif

/* Of this header. Until 1.0, another minor version may be another ABI; the file is called libterse.so.ABI. */
#define TERSE_VERSION "0.1.0"
#define TERSE_ABI     0

/* The library's own version, "0.1.0". Any thread. */
TERSE_API const char *terse_version(void);

struct terse_error {
    int code;           /* what the function returned; numbers may change with versions */
    const char *kind;   /* "FILE_MISSING", "NOMEM", "CTX_FULL" ...: stays the same; static */
    char message[1024]; /* one sentence: what was wrong, what was expected, where, often what to do */
};

/* ---- models ----------------------------------------------------------------------------------------------
 */

struct terse_model;

/* How weights are kept in memory; the file's own way by default. */
enum terse_dtype {
    TERSE_DTYPE_FILE = 0,
    TERSE_DTYPE_BF16 = 1,
    TERSE_DTYPE_FP32 = 2,
    TERSE_DTYPE_Q8_0 = 3, /* these are made while loading, from bf16 or fp32 */
    TERSE_DTYPE_Q4_0 = 4,
    TERSE_DTYPE_W4 = 5 /* 4 bits, one scale a row */
};

struct terse_model_options {
    size_t size;
    uint32_t threads;          /* 0: one a processor */
    uint32_t context;          /* longest sequence in tokens; 0, or more than the model's: the model's */
    uint32_t dtype;            /* enum terse_dtype */
    uint32_t int8_activations; /* 1: 8-bit activations where weights are quantised: faster, less exact */
    uint64_t memory_limit;     /* bytes that weights may take; 0: no limit */
};

/* Opens a model in a GGUF file, looks at every value in it and copies its weights to memory; the file is
 * closed again. o may be NULL. Any thread. Errors: FILE_MISSING, EACCES, NOT_REGULAR (a folder), GG_MAGIC and
 * others that say what is wrong with the file, CHANGED (cut or written to meanwhile), PREFLIGHT_MEM (above
 * memory_limit; nothing was taken), NOMEM, FIELD_RANGE (an option). */
TERSE_API int terse_model_open(struct terse_model **out, const char *path,
                               const struct terse_model_options *o, struct terse_error *error);
/* The same for a file in memory, which is not needed afterwards. */
TERSE_API int terse_model_open_memory(struct terse_model **out, const void *file, size_t bytes,
                                      const struct terse_model_options *o, struct terse_error *error);
/* Bytes that terse_model_open would take for weights and tables. What the tokenizer takes, some tens of bytes
 * a token and merge, is not in it. Any thread. Errors: as terse_model_open. */
TERSE_API int terse_model_plan(uint64_t *bytes, const char *path, const struct terse_model_options *o,
                               struct terse_error *error);
/* NULL is fine. Sessions and adapters may go on. Any thread, once. */
TERSE_API void terse_model_close(struct terse_model *m);

struct terse_model_info {
    size_t size;
    uint64_t parameters;
    uint64_t bytes;   /* of weights and tables in memory */
    uint32_t context; /* longest sequence, tokens */
    uint32_t vocab;   /* ids are below */
    uint32_t layers, width, heads, kv_heads, head_dim;
    uint32_t threads;
    const char *cpu; /* instruction set in use: "avx512bf16", "i8mm"; static */
};
/* Fills *out, of which out->size is set. Any thread. */
TERSE_API void terse_model_get_info(const struct terse_model *m, struct terse_model_info *out);

/* ---- adapters --------------------------------------------------------------------------------------------
 */

struct terse_adapter;

/* Loads a LoRA adapter from a GGUF file for this model. Where both files say what they were made from, it has
 * to be the same base. Any thread. Errors: as terse_model_open; AD_TYPE (no adapter), AD_SHAPE, BASE_HASH,
 * TOK_HASH (made for another model). */
TERSE_API int terse_adapter_load(struct terse_adapter **out, struct terse_model *m, const char *path,
                                 struct terse_error *error);
/* NULL is fine. Sessions that use it may go on. Any thread, once. */
TERSE_API void terse_adapter_free(struct terse_adapter *a);

/* Opens a bundle: a folder that `terse export --bundle` made, with a model and what belongs to it. Every byte
 * is compared with the bundle's manifest first. *adapter is NULL when there is none; both are the caller's,
 * to close and free like others. Any thread. Errors: as terse_model_open and terse_adapter_load; BUNDLE (no
 * manifest's line), FIELD_MISSING and others that say what is wrong with it, SIZE_MISMATCH and HASH (a file
 * is damaged), BASE_HASH, TOK_HASH, AD_HASH, HEAD_LAYER, HEAD_WIDTH (model, adapter and heads do not belong
 * together). */
TERSE_API int terse_bundle_open(struct terse_model **out, struct terse_adapter **adapter, const char *folder,
                                const struct terse_model_options *o, struct terse_error *error);

/* ---- text and tokens -------------------------------------------------------------------------------------
 */

enum terse_tokenize_flags {
    TERSE_CONTROL = 1 /* texts like <|im_start|> become control tokens. Never for what a user wrote */
};

/* Tokens of text [bytes] (SIZE_MAX: up to its zero) to ids [capacity]; *n is their number. When capacity is
 * too small, nothing past it is written, *n says what is needed, and the error is NEED. bytes + 1 is nearly
 * always enough, 3 * bytes + 1 always is. Any thread. Errors: NEED, UTF8, TEXT_LEN, NOMEM. */
TERSE_API int terse_tokenize(const struct terse_model *m, const char *text, size_t bytes, unsigned flags,
                             int32_t *ids, size_t capacity, size_t *n, struct terse_error *error);
/* A conversation as the tokens the model was trained to see, ended with the header of an assistant's turn,
 * for the model to go on. system: where no message is a system turn; NULL: the model's own. ids, capacity and
 * n as above. Any thread. Errors: NEED, ROLE (not system, user or assistant), ROLE_ORDER (a system turn that
 * is not the first, no turn), UTF8, TOK_SPECIAL (the model knows no chat), NOMEM. */
struct terse_message {
    const char *role;    /* "system", "user", "assistant" */
    const char *content; /* always plain text: no control tokens come of it */
};
TERSE_API int terse_chat_tokenize(const struct terse_model *m, const struct terse_message *messages, size_t n,
                                  const char *system, int32_t *ids, size_t capacity, size_t *n_ids,
                                  struct terse_error *error);
/* Bytes of one token, *bytes of them, no zero after them; may be part of a character. Empty for ids without
 * text. Owned by m. Any thread. */
TERSE_API const char *terse_token_bytes(const struct terse_model *m, int32_t id, size_t *bytes);
/* 1 when the token ends an answer. Any thread. */
TERSE_API int terse_token_is_end(const struct terse_model *m, int32_t id);
/* Text of tokens ids [n], control tokens left out, always valid UTF-8, to text [capacity] with a zero after
 * it; *bytes is its size without that. When capacity is too small nothing is written but *bytes, and the
 * error is NEED. Any thread. Errors: NEED, NOMEM. */
TERSE_API int terse_detokenize(const struct terse_model *m, const int32_t *ids, size_t n, char *text,
                               size_t capacity, size_t *bytes, struct terse_error *error);

/* Tokens to text as they come: a character whose bytes are spread over tokens is held back until it is whole.
 */
struct terse_text;
/* Any thread. Errors: NOMEM. */
TERSE_API int terse_text_create(struct terse_text **out, struct terse_model *m, struct terse_error *error);
/* What the token completes: *bytes of UTF-8 and a zero, perhaps none. Owned by t until the next call.
 * Allocates nothing, cannot fail. The text's thread. */
TERSE_API const char *terse_text_push(struct terse_text *t, int32_t id, size_t *bytes);
/* After the last token: U+FFFD if a character was left incomplete, else "". t can begin anew. The text's
 * thread. */
TERSE_API const char *terse_text_end(struct terse_text *t, size_t *bytes);
/* NULL is fine. The text's thread. */
TERSE_API void terse_text_free(struct terse_text *t);

/* ---- sessions --------------------------------------------------------------------------------------------
 */

struct terse_session;

enum terse_kv { TERSE_KV_MODEL = 0 /* bf16, or fp32 with fp32 weights */, TERSE_KV_INT8 = 1 };

struct terse_session_options {
    size_t size;
    uint32_t streams;      /* at a time; 0: 1, at most TERSE_MAX_STREAMS */
    uint32_t max_tokens;   /* of a stream, prompt and answer; 0: 4096; never more than the model's context */
    uint32_t kv;           /* enum terse_kv: how keys and values are kept */
    uint32_t adapter_rank; /* highest rank of adapters to come; 0: 256 */
    uint64_t cache_bytes;  /* keys and values kept for prompts that begin alike; 0: 64 MiB, TERSE_NO_CACHE */
    uint64_t memory_limit; /* bytes that the session may take; 0: no limit */
};
#define TERSE_MAX_STREAMS 1024
#define TERSE_NO_CACHE    1

/* Takes all the memory that the session needs: no token allocates later, questions take some for their
 * prompts and answers. o may be NULL. Any thread.
 * Errors: FIELD_RANGE, PREFLIGHT_MEM (above memory_limit; nothing was taken), NOMEM. */
TERSE_API int terse_session_create(struct terse_session **out, struct terse_model *m,
                                   const struct terse_session_options *o, struct terse_error *error);
/* Bytes that terse_session_create would take. Memory that is not written to yet is only promised by most
 * systems. Any thread. Errors: FIELD_RANGE. */
TERSE_API int terse_session_plan(uint64_t *bytes, const struct terse_model *m,
                                 const struct terse_session_options *o, struct terse_error *error);
/* NULL is fine. The session's thread. */
TERSE_API void terse_session_free(struct terse_session *s);

/* Uses this adapter from now on, NULL: none. What the base alone has made of the streams stays, only tokens
 * that an adapter has acted on are forgotten. Where it acts is the adapter's own rule, usually from the
 * header of the last assistant turn on: so all that comes before is encoded once for the base and for every
 * adapter. The session's thread. Errors: AD_RANK (above the session's adapter_rank), BASE_HASH (loaded for
 * another model). */
TERSE_API int terse_session_set_adapter(struct terse_session *s, struct terse_adapter *a,
                                        struct terse_error *error);

/* How the next token is chosen. All zero but `size`: the likeliest token always. */
struct terse_sampling {
    size_t size;
    double temperature;    /* 0: the likeliest token */
    double top_p;          /* keep the fewest tokens that reach this probability; 0 or 1: all */
    double min_p;          /* drop tokens below this share of the likeliest's probability; 0: none */
    double repeat_penalty; /* above 1: tokens of the text so far become less likely; 0 or 1: off */
    uint32_t top_k;        /* keep the k likeliest; 0: all */
    uint32_t reserved;
    uint64_t seed; /* the same seed, the same answer */
};
/* What the model's makers recommend, to be changed: of *out, out->size is set. Any thread. */
TERSE_API void terse_model_sampling(const struct terse_model *m, struct terse_sampling *out);

struct terse_stats {
    size_t size;
    uint64_t prompt_tokens;  /* of all prompts so far */
    uint64_t encoded_tokens; /* of them, those that had to be run: the rest was there already */
    uint64_t answer_tokens;
    double prefill_seconds, decode_seconds;
    double first_token_seconds; /* of the last terse_ask, from the call until its first token */
    uint64_t bytes;             /* memory of the session */
    uint32_t page_tokens;       /* keys and values are kept in pages of so many tokens */
    uint32_t pages_held;        /* by streams, each counted once */
    uint32_t pages_shared;      /* pages that sharing saves now */
    uint32_t pages_cached;      /* held by no stream, for prompts to come */
    uint64_t page_bytes;
    uint64_t cache_asked, cache_found; /* pages looked for in the cache, and found */
};
/* Of the session since it was made. Of *out, out->size is set. The session's thread. */
TERSE_API void terse_session_get_stats(const struct terse_session *s, struct terse_stats *out);

/* ---- asking ----------------------------------------------------------------------------------------------
 */

enum terse_finish {
    TERSE_UNFINISHED = 0,
    TERSE_END = 1,      /* the model ended its turn */
    TERSE_LENGTH = 2,   /* max_tokens, or the stream is full */
    TERSE_CANCELLED = 3 /* the caller wanted no more */
};

/* One token of one answer, on its way. */
struct terse_piece {
    uint32_t answer;  /* 0 .. answers - 1 */
    int32_t token;    /* -1: text that the question dictates */
    const char *text; /* [bytes] whole characters and a zero; empty while one is incomplete */
    size_t bytes;
    float logprob;   /* of the token, where the question wants log-probabilities, else 0; 0 if put in */
    uint32_t tokens; /* of this answer so far, this one included */
    uint32_t finish; /* enum terse_finish: when not TERSE_UNFINISHED, this is the answer's last piece */
};

enum terse_go { TERSE_GO_ON = 0, TERSE_STOP_ALL = 1, TERSE_STOP_THIS = 2 };
/* Called by the thread that asked, for every token. Returns enum terse_go: whether this answer, or all of the
 * call's, are to end here; they keep what they have. What it may not do is use the session. */
typedef int terse_on_piece(void *context, const struct terse_piece *piece);

/* How a question is answered. */
enum terse_mode {
    TERSE_AUTO =
        0, /* by TERSE_CHAT or TERSE_REASON, as the switcher of the model's bundle says when it has read
            * the question; without a switcher, without an adapter, or from ids: by TERSE_REASON */
    TERSE_CHAT = 1,  /* by the base alone: the adapter does not act */
    TERSE_REASON = 2 /* with the session's adapter, if there is one */
};
/* Which of several answers is the answer: the one that most of them give, that has the most of the verifier's
 * probability, or the verifier's favourite. Answers are the same when they are the same number or text. */
enum terse_vote { TERSE_NO_VOTE = 0, TERSE_MAJORITY = 1, TERSE_WEIGHTED = 2, TERSE_BEST = 3 };

struct terse_question {
    size_t size;
    const struct terse_message *messages; /* [n_messages] the conversation, ended by the user's turn */
    size_t n_messages;
    const int32_t *ids; /* [n_ids] instead of messages: tokens to go on from */
    size_t n_ids;
    const char *system;  /* where no message is a system turn; NULL: the model's own */
    uint32_t answers;    /* 0: 1; more than the session's streams wait for their turn */
    uint32_t max_tokens; /* of each answer; 0: as many as the stream holds */
    uint32_t mode;       /* enum terse_mode */
    uint32_t think;      /* 1: an answer by TERSE_REASON begins with "<think>\n"; messages only */
    uint32_t logprobs;   /* 1: log-probabilities are recorded */
    uint32_t vote;       /* enum terse_vote; chains that could not change it any more are given up */
    const struct terse_sampling *sampling; /* NULL: the model's; answer i draws with luck of its own */
    terse_on_piece *on_piece;              /* or NULL */
    void *context;
    /* Thinking that is still open after `budget` tokens of an answer is closed, by tokens that are put in as
     * if the model had chosen them, with log-probability 0; at most answer_tokens follow. Where max_tokens or
     * the stream leaves no room for a token behind them, nothing is closed. */
    uint32_t budget;        /* 0: none */
    uint32_t answer_tokens; /* also when the thinking had ended by then; 0: as many as there is room for */
    const char *closing;    /* how, as text; NULL: "\n</think>\n\n" */
    double threshold;       /* of the switcher's probability; 0: the switcher's own */
    uint32_t run_all;       /* 1: no answer is given up before its end */
    uint32_t scores;        /* 1: the verifier reads every answer, whether a vote goes by it or not */
};

struct terse_answers;

/* Answers a question: encodes what is not encoded yet, once for all answers, and lets them run side by side.
 * *out, which may be NULL, is the caller's to terse_answers_free. Afterwards the session's streams hold what
 * they last did, and the next question finds it there. The session's thread. Errors: CTX_FULL
 * (no room for an answer), FIELD_RANGE, TOKEN_RANGE, ROLE, ROLE_ORDER, UTF8, ROW_EMPTY (nothing to go on
 * from, or to close with), NONFINITE (the model computes no numbers), NOMEM. */
TERSE_API int terse_ask(struct terse_session *s, const struct terse_question *q, struct terse_answers **out,
                        struct terse_error *error);
/* n questions [n] at a time, each with its answers out[i] (out may be NULL): they fill the same streams, as
 * these become free. TERSE_STOP_ALL ends all of them. The session's thread. Errors: as terse_ask; all out[i]
 * are then NULL. */
TERSE_API int terse_ask_many(struct terse_session *s, const struct terse_question *q, size_t n,
                             struct terse_answers **out, struct terse_error *error);

/* Of answer i, which must be below the count. Owned by a. Any thread, all of these: answers do not change. */
TERSE_API uint32_t terse_answers_count(const struct terse_answers *a);
/* Its text; *bytes (may be NULL) of it and a zero. */
TERSE_API const char *terse_answers_text(const struct terse_answers *a, uint32_t i, size_t *bytes);
/* Where in the text the reply begins: after the last </think> and white space; 0 when nothing was thought,
 * the end when the thinking never ended. */
TERSE_API size_t terse_answers_reply(const struct terse_answers *a, uint32_t i);
/* Its tokens [*n], the one that ends the turn included. */
TERSE_API const int32_t *terse_answers_tokens(const struct terse_answers *a, uint32_t i, uint32_t *n);
/* Their log-probabilities [n], before temperature and cuts, 0 of those a budget put in; NULL where the
 * question wanted none. */
TERSE_API const float *terse_answers_logprobs(const struct terse_answers *a, uint32_t i);
TERSE_API enum terse_finish terse_answers_finish(const struct terse_answers *a, uint32_t i);
/* 1 when its thinking was closed by the budget. */
TERSE_API int terse_answers_closed(const struct terse_answers *a, uint32_t i);

/* What the switcher and the vote came to. */
struct terse_outcome {
    size_t size;
    uint32_t reasoned;    /* 1: with the adapter; 0: the base alone */
    uint32_t winner;      /* the answer to show: the vote's, or 0 */
    double probability;   /* the switcher's, that thinking pays; negative: it was not asked */
    double weight, total; /* of the winner, and of all answers, as the vote counts them */
    uint32_t given_up;    /* answers that were given up, since they could not change it */
    uint32_t reserved;
};
/* Fills *out, of which out->size is set. */
TERSE_API void terse_answers_outcome(const struct terse_answers *a, struct terse_outcome *out);
/* The verifier's probability that answer i is right; negative where it did not read it. */
TERSE_API double terse_answers_score(const struct terse_answers *a, uint32_t i);
/* The final answer in the text of answer i: what stands in its last box, or after "the answer is", or its
 * last number; *bytes of it, not ended by a zero. NULL where there is none, and for answers given up. */
TERSE_API const char *terse_answers_final(const struct terse_answers *a, uint32_t i, size_t *bytes);
TERSE_API void terse_answers_free(struct terse_answers *a);

/* ---- streams, token by token -----------------------------------------------------------------------------
 * `stream` is 0 .. streams - 1; another one is FIELD_RANGE. None of these allocates, but TERSE_GATE
 * takes a little to look. All are for the session's thread. */

/* Where an adapter begins to act: at a token's place, or */
#define TERSE_GATE  0xfffffffeu /* where the adapter's rule says for these tokens */
#define TERSE_NEVER 0xffffffffu

/* Makes the stream hold exactly ids [n], n >= 1: what it, another stream or the cache holds of them already
 * is not run again. Errors: CTX_FULL (n above max_tokens), TOKEN_RANGE; the stream is then unchanged. */
TERSE_API int terse_stream_sync(struct terse_session *s, uint32_t stream, const int32_t *ids, uint32_t n,
                                uint32_t adapt_from, struct terse_error *error);
/* Stream `to` becomes another with the first n tokens of `from` (more than it holds: all); they share their
 * keys and values. */
TERSE_API int terse_stream_fork(struct terse_session *s, uint32_t from, uint32_t to, uint32_t n,
                                struct terse_error *error);
/* Forgets all but the first n tokens. */
TERSE_API int terse_stream_rewind(struct terse_session *s, uint32_t stream, uint32_t n,
                                  struct terse_error *error);
/* How this stream's tokens are chosen from now on; NULL: the model's way. It draws with luck of its own: the
 * draw is a function of seed, `luck` and place. Errors: FIELD_RANGE. */
TERSE_API int terse_stream_set_sampling(struct terse_session *s, uint32_t stream,
                                        const struct terse_sampling *sampling, uint64_t luck,
                                        struct terse_error *error);
/* Chooses the stream's next token, and its log-probability (may be NULL), without adding it. Errors: USAGE
 * (no logits: after terse_stream_rewind, or nothing held), NONFINITE. */
TERSE_API int terse_stream_sample(struct terse_session *s, uint32_t stream, int32_t *token, float *logprob,
                                  struct terse_error *error);
/* Adds token[k] to stream[k] for n different streams, in one pass. Errors: FIELD_RANGE (a stream twice),
 * TOKEN_RANGE, CTX_FULL (a stream is full); then nothing changed. */
TERSE_API int terse_session_step(struct terse_session *s, const uint32_t *stream, const int32_t *token,
                                 uint32_t n, struct terse_error *error);

/* Logits [vocab] after the stream's last token, owned by s until it changes; NULL when there are none. */
TERSE_API const float *terse_stream_logits(const struct terse_session *s, uint32_t stream);
/* Log-probability of `token` as the stream's next, as training would compute it; NaN when there are no
 * logits. */
TERSE_API float terse_stream_logprob(const struct terse_session *s, uint32_t stream, int32_t token);
/* Tokens [*n] that the stream holds. NULL and 0 for a stream there is not. */
TERSE_API const int32_t *terse_stream_tokens(const struct terse_session *s, uint32_t stream, uint32_t *n);

#ifdef __cplusplus
}
#endif

#endif
