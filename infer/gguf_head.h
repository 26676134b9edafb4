/* Heads in a GGUF file: general.architecture "terse-head", and for each of at most two heads the keys of
 * infer/head_text.h as strings under "terse.switcher." or "terse.verifier.", its tensors under the task's
 * name too ("switcher.output.weight"). A device reads it without JSON. */
#ifndef TERSE_INFER_GGUF_HEAD_H
#define TERSE_INFER_GGUF_HEAD_H

#include "infer/gguf.h"
#include "infer/head.h"

/* Loads the heads in the file `path`: out[task] is the caller's to head_free, NULL where the file has none
 * and after an error. Errors, each naming the file: those of gguf_open, HEAD_TYPE (no file of heads, or one
 * without any), FIELD_MISSING, FIELD_TYPE, those of head_text_read, CHANGED. */
int gguf_heads_load(struct head *out[HEAD_TASKS], const char *path, struct err *e);
/* The same for a file that is open already. */
int gguf_heads_read(struct head *out[HEAD_TASKS], const struct gguf *g, struct err *e);

#endif
