/* A conversation as a training document: its turns as ChatML tokens, and which of them are learned. */
#ifndef TERSE_DATA_DOCUMENT_H
#define TERSE_DATA_DOCUMENT_H

#include "data/conversations.h"
#include "data/shards.h"
#include "infer/chatml.h"

enum { DOCUMENT_TURNS = 4096 }; /* a conversation has at most so many */

/* The tokens that are learned: the last assistant turn, every assistant turn, or everything. */
enum build_learn { LEARN_LAST, LEARN_ANSWERS, LEARN_ALL };

/* What makes ids and labels out of a row. */
struct document_rules {
    const struct tokenizer *tokenizer;
    const char *system;  /* default system turn; NULL: the tokenizer's own */
    uint32_t cutoff_len; /* longer documents are cut at the end */
    enum build_learn learn;
};

/* Whether a row can be used. */
enum document_fate {
    DOCUMENT_OK,
    DOCUMENT_EMPTY,     /* null, without turns, or a turn without text */
    DOCUMENT_NO_ANSWER, /* no assistant text, or none that begins within cutoff_len */
    DOCUMENT_BAD_ROLES, /* a null or unknown role, or turns out of order */
    DOCUMENT_FATES
};

/* Room for one document at a time; one a thread. */
struct document {
    struct chat_turn *turns; /* [n_turns] of the row, up to the last answer; contents are the row's */
    uint32_t n_turns;
    struct chat chat;         /* after document_render */
    struct label_span *spans; /* doc's */
    struct shard_doc doc;     /* after document_cut: ids are chat's; source and question are the caller's */
    uint32_t answer;          /* doc's last answer, of turns */
    bool cut;                 /* it was longer than cutoff_len */
};

/* NOMEM; then there is nothing to release. */
int document_init(struct document *d, struct err *e);
void document_release(struct document *d);

/* Takes a row's turns, up to the last answer, its own last one. */
enum document_fate document_turns(struct document *d, const struct conv_row *row);
/* Renders them: the last turn is the last answer. Errors: those of chatml_render. */
int document_render(struct document *d, const struct document_rules *rules, struct err *e);
/* Cuts at cutoff_len and marks what is learned. DOCUMENT_OK or DOCUMENT_NO_ANSWER. */
enum document_fate document_cut(struct document *d, const struct document_rules *rules);

/* The turn has text to learn. */
bool document_is_answer(const struct chat_turn *t);
/* "math", "code", "science", "chat", by name; anything else is DOMAIN_OTHER. */
enum shard_domain document_domain(struct conv_text name);

/* The text of what makes ids of turns, hashed into `hex`: the template and its system turn. Errors: NOMEM. */
int document_template(const struct document_rules *rules, char hex[65], struct err *e);

#endif
