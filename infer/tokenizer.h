/* Byte-level BPE with Qwen2's split rule: text to token ids and back.
 *
 * The same ids as Hugging Face's tokenizers: (added tokens when asked for,) NFC, split by regular expression,
 * then byte pairs merged by rank, leftmost first (Sennrich et al. 2016; bytes as in GPT-2). A tokenizer knows
 * no file format: whoever reads one (checkpoints/hf_tokenizer.c, GGUF) fills a tokenizer_spec.
 *
 * Immutable after create as far as anyone can see: any number of threads may use one. */
#ifndef TERSE_INFER_TOKENIZER_H
#define TERSE_INFER_TOKENIZER_H

#include "infer/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum token_kind {
    TOKEN_NORMAL,
    TOKEN_CONTROL, /* added, special: <|im_start|>; never made from a user's text */
    TOKEN_USER,    /* added, not special: <tool_call> */
    TOKEN_UNUSED   /* a row of the embedding without text */
};

enum {
    TOKEN_MAX_LEN = 65536,   /* bytes of one token */
    TOKENIZER_MAX = 1 << 22, /* tokens, and merges */
    TOKENIZER_MAX_EOS = 4
};

struct token_spec {
    const char *text; /* the raw bytes it stands for (byte alphabet undone); may be part of a character */
    uint32_t len;     /* 1 .. TOKEN_MAX_LEN; ignored when UNUSED */
    uint8_t kind;     /* enum token_kind */
};

/* Everything is copied by tokenizer_create. */
struct tokenizer_spec {
    const struct token_spec *tokens; /* [n], index = id */
    size_t n;
    const uint32_t (*merges)[2]; /* [n_merges], pairs of ids, best rank first */
    size_t n_merges;
    bool nfc; /* normalise text first */
    int32_t eos_ids[TOKENIZER_MAX_EOS];
    int n_eos;
    const char *default_system; /* the chat template's system turn when a chat has none; NULL: no such turn */
};

struct tokenizer;

/* *out is the caller's to free, NULL after an error. Errors: TOO_MANY, TOK_EMPTY, TOK_LEN, TOK_BYTES (one of
 * the 256 bytes is no NORMAL token), TOK_DUP_TEXT, TOK_MERGE_OOV (part or result is no token), TOK_MERGE_DUP,
 * TOK_SPECIAL (an eos id outside the vocabulary, or a merge that would make an added token), NOMEM. */
int tokenizer_create(struct tokenizer **out, const struct tokenizer_spec *spec, struct err *e);
void tokenizer_free(struct tokenizer *t); /* NULL ok */

/* Encodes len bytes of UTF-8 text (need not end in NUL). Without allow_control text like "<|im_start|>" is
 * plain text, as are USER tokens; with it, every added token is matched first, leftmost and longest.
 * Returns 0 and *n ids written. Errors: NEED (cap is too small: *n says what is needed, ids[0..cap) are
 * right, nothing is written past them), UTF8 (message: byte offset), TEXT_LEN (len >= 2^31), NOMEM. `ids` may
 * be NULL when cap is 0. len + 1 is always enough for text in NFC, 3 * len + 1 for any. */
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t len, int allow_control, int32_t *ids,
                     size_t cap, size_t *n, struct err *e);

int32_t tokenizer_vocab(const struct tokenizer *t); /* highest id + 1; embedding rows beyond are padding */
/* Raw bytes of a token, owned by `t`, *len of them; "" and 0 for ids that have none. */
const char *tokenizer_text(const struct tokenizer *t, int32_t id, size_t *len);
enum token_kind tokenizer_kind(const struct tokenizer *t, int32_t id); /* UNUSED for unknown ids */
/* The token, of whatever kind, with exactly these bytes; -1 if none. */
int32_t tokenizer_id(const struct tokenizer *t, const char *text, size_t len);
bool tokenizer_is_eos(const struct tokenizer *t, int32_t id);
const int32_t *tokenizer_eos(const struct tokenizer *t, int *n);
/* The spec's pairs, for digests and exports; [*n], owned by `t`. */
const uint32_t (*tokenizer_merges(const struct tokenizer *t, size_t *n))[2];
bool tokenizer_nfc(const struct tokenizer *t);
const char *tokenizer_default_system(const struct tokenizer *t); /* NULL: none */

#endif
