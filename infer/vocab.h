/* A tokenizer being put together by whoever reads one from a file: checkpoints/hf_*.c,
 * infer/gguf_tokenizer.c. */
#ifndef TERSE_INFER_VOCAB_H
#define TERSE_INFER_VOCAB_H

#include "infer/token_map.h"
#include "infer/tokenizer.h"

struct vocab {
    const char *what;          /* the file, for messages */
    int64_t rows;              /* of the embedding; 0 = unknown */
    struct token_spec *tokens; /* [room]; len 0 and not UNUSED = id not taken yet */
    size_t room, n;            /* n: ids taken */
    char *bytes;               /* text of the tokens */
    size_t used, cap;
    struct token_map map; /* once vocab_seal has run */
    uint32_t (*merges)[2];
    size_t n_merges, merges_room;
    bool nfc;
};

/* Takes memory for `tokens` ids and `bytes` of their text. Everything is released by vocab_free, also
 * after an error. */
int vocab_init(struct vocab *v, const char *what, size_t tokens, size_t bytes, int64_t rows, struct err *e);
void vocab_free(struct vocab *v);

/* An added token: raw text. Add these before the others. Errors: TOK_ID, TOK_EMPTY, TOK_LEN, TOK_DUP_ID,
 * TOK_EMBED, TOK_HOLE. */
int vocab_add_special(struct vocab *v, int64_t id, const char *text, size_t len, bool special, struct err *e);
/* A plain token, spelled in the byte alphabet (valid UTF-8). Also: TOK_ALPHABET. An added token given here
 * again, with the same id and text, is fine. */
int vocab_add(struct vocab *v, int64_t id, const char *text, size_t len, struct err *e);
/* An id without text: a row of the embedding that nothing uses. */
int vocab_add_unused(struct vocab *v, int64_t id, struct err *e);
/* No more tokens: TOK_HOLE unless the ids are 0 .. n-1; TOK_DUP_TEXT. */
int vocab_seal(struct vocab *v, struct err *e);

/* The next merge, its parts spelled in the byte alphabet. Errors: TOK_MERGE_OOV, NOMEM. */
int vocab_merge(struct vocab *v, const char *left, size_t left_len, const char *right, size_t right_len,
                struct err *e);
/* The same for "left right". Also: TOK_MERGE. */
int vocab_merge_line(struct vocab *v, const char *line, size_t len, struct err *e);

/* The id of a token given as text (added tokens) or in the byte alphabet; -1 if none. */
int32_t vocab_find(const struct vocab *v, const char *text, size_t len);

#endif
