/* A head as files have it, whatever their format: a few keys with texts, and tensors.
 *
 *   version    1
 *   task       switcher | verifier
 *   pooling    last | mean | ema
 *   layer      depths as infer/states.h counts them, "12" or "0,12,final"
 *   width      of one state           hidden     units, 0 for a linear head
 *   threshold, temperature            numbers that read back as the same doubles
 *   prompt     what is appended to a chain (may be empty)
 *   base, tokenizer, adapter          digests, or empty
 *   digest     SHA-256 of the above and of the tensors' values
 *
 * All of them have to be there; others are passed over. Tensors are those of head_parts, F32, and no others.
 */
#ifndef TERSE_INFER_HEAD_TEXT_H
#define TERSE_INFER_HEAD_TEXT_H

#include "infer/head.h"

enum { HEAD_KEYS = 13, HEAD_TEXT = 1024 };
extern const char *const head_keys[HEAD_KEYS];

/* The keys' values, in their order. */
struct head_text {
    char value[HEAD_KEYS][HEAD_TEXT];
};

/* What a head's file says. */
void head_text_make(struct head_text *out, const struct head *h);

/* Makes a head of what a file said, and of its tensors (`at` gives the i-th of n). *out is the caller's, NULL
 * after an error, which names `path`: VERSION, HEAD_TYPE, FIELD_RANGE, HEAD_TENSOR (missing, strange or of
 * another shape), DUP_TENSOR, DTYPE (not F32), NONFINITE, AD_NORM, HASH, NOMEM. */
int head_text_read(struct head **out, const struct head_text *text, const void *file,
                   const struct tensor *(*at)(const void *file, size_t i), size_t n, const char *path,
                   struct err *e);

#endif
