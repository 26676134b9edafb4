/* A tokenizer being put together from Hugging Face's files: for hf_*.c only. */
#ifndef TERSE_CHECKPOINTS_HF_VOCAB_H
#define TERSE_CHECKPOINTS_HF_VOCAB_H

#include "checkpoints/json.h"
#include "infer/token_map.h"
#include "infer/tokenizer.h"

struct hf_vocab {
    const char *what;          /* the file, for messages */
    int64_t rows;              /* of the embedding; 0 = unknown */
    struct token_spec *tokens; /* [room]; len 0 = id not taken yet */
    size_t room, n;            /* n: ids taken */
    char *bytes;               /* text of the tokens */
    size_t used, cap;
    struct token_map map; /* once hf_vocab_seal has run */
    uint32_t (*merges)[2];
    size_t n_merges, merges_room;
    bool nfc;
};

/* Takes memory for `tokens` ids and `bytes` of their text. Everything is released by hf_vocab_free, also
 * after an error. */
int hf_vocab_init(struct hf_vocab *v, const char *what, size_t tokens, size_t bytes, int64_t rows,
                  struct err *e);
void hf_vocab_free(struct hf_vocab *v);

/* An added token: raw text. Add these before the others. Errors: TOK_ID, TOK_EMPTY, TOK_LEN, TOK_DUP_ID,
 * TOK_EMBED, TOK_HOLE. */
int hf_vocab_add_special(struct hf_vocab *v, const struct js *id, const char *text, size_t len, bool special,
                         struct err *e);
/* An entry of vocab{}, spelled in the byte alphabet. Also: TOK_ALPHABET. An added token listed here again,
 * with the same id and text, is fine. */
int hf_vocab_add(struct hf_vocab *v, const char *text, size_t len, const struct js *id, struct err *e);
/* All of vocab{}: hf_vocab_add for each member. */
int hf_vocab_add_all(struct hf_vocab *v, const struct js *vocab, struct err *e);
/* No more tokens: TOK_HOLE unless the ids are 0 .. n-1; TOK_DUP_TEXT. */
int hf_vocab_seal(struct hf_vocab *v, struct err *e);

/* The next merge, its parts spelled in the byte alphabet. Errors: TOK_MERGE_OOV, NOMEM. */
int hf_vocab_merge(struct hf_vocab *v, const char *left, size_t left_len, const char *right, size_t right_len,
                   struct err *e);
/* The same for "left right". Also: TOK_MERGE. */
int hf_vocab_merge_line(struct hf_vocab *v, const char *line, size_t len, struct err *e);

/* The id of a token given as text (added tokens) or in the byte alphabet; -1 if none. */
int32_t hf_vocab_find(const struct hf_vocab *v, const char *text, size_t len);

/* tokenizer.json -> *v (initialised by this call, the caller frees it in any case). */
int hf_json_read(struct hf_vocab *v, const struct js *root, const char *what, size_t bytes, int64_t rows,
                 struct err *e);

/* The default system turn of a chat template: *out = NULL when it has none, else the caller's to free.
 * Errors: TPL_UNKNOWN, TOO_LARGE (over 64 KiB), NOMEM. */
int hf_template_read(const char *what, const char *text, size_t len, char **out, struct err *e);

#endif
