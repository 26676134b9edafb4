/* What is known of a row once it was tokenised, without its tokens: all that choosing rows needs. */
#ifndef TERSE_DATA_PREPARE_FACTS_H
#define TERSE_DATA_PREPARE_FACTS_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

enum fact_flag {
    FACT_FATE = 3,     /* two bits: enum document_fate; unless DOCUMENT_OK, only source and domain are set */
    FACT_THINKS = 4,   /* the answer has a <think> */
    FACT_FINISHED = 8, /* a </think>, and a reply behind it */
    FACT_BOXED = 16,   /* a \boxed{} in the reply (without </think>: anywhere) */
    FACT_CONTAMINATED = 32 /* set by who chooses: the question is one of an evaluation set */
};

/* 48 bytes, as in the file. Tokens count as the chat template renders them. */
struct fact {
    uint64_t question;       /* hash of what the user says (data/prepare/question.h) */
    uint64_t content;        /* hash of the last answer's text */
    uint64_t answer;         /* key of its final answer (data/prepare/answer_key.h); 0: none */
    uint32_t tokens;         /* up to the last answer's <|im_end|>, that too */
    uint32_t response_at;    /* of them, before the last answer's text */
    uint32_t first_response; /* the same of the first answer */
    uint32_t thinking;       /* of the last answer, up to its last </think> */
    uint32_t bytes;          /* of all turns' text */
    uint16_t source;         /* index into the names */
    uint8_t domain;
    uint8_t flags; /* enum fact_flag */
};

/* Distinct names, in the order they came. Name 0 is "": null, or one too many. */
struct names {
    char **at; /* [n] */
    uint32_t n;
};
enum { SOURCES_MAX = 4096, DOMAINS_MAX = 256 };

/* The index of text [n] (NULL: 0), added when new and there are fewer than `most`. Negative: NOMEM. */
int64_t names_index(struct names *t, const char *text, size_t n, uint32_t most, struct err *e);
void names_clear(struct names *t);

/* Rows in their order; start from {0}. */
struct facts {
    struct fact *at; /* [n] */
    uint64_t n, cap;
    struct names sources, domains;
};

int facts_reserve(struct facts *f, uint64_t more, struct err *e); /* NOMEM */
void facts_clear(struct facts *f);

/* A sealed file (data/prepare/sealed.h) of one source's rows. Loading appends, with names made f's own. */
int facts_save(const struct facts *f, const char *path, const char *key, struct err *e);
int facts_load(struct facts *f, const char *path, const char *key, struct err *e);

#endif
