/* Heads as files: switcher.safetensors and verifier.safetensors, one head each, the keys of infer/head_text.h
 * in __metadata__; and GGUF (infer/gguf_head.h reads it), one or both. What is read is what was written, bit
 * for bit. */
#ifndef TERSE_CHECKPOINTS_HEAD_FILE_H
#define TERSE_CHECKPOINTS_HEAD_FILE_H

#include "infer/gguf_head.h"

/* Loads a safetensors file. *out is the caller's to head_free, NULL after an error: those of
 * safetensors_open, FIELD_MISSING (a key), FIELD_RANGE, those of head_text_read, CHANGED. */
int head_file_load(struct head **out, const char *path, struct err *e);
/* The same, whatever the file is: out[task] of the task it has, or of both. */
int head_file_load_any(struct head *out[HEAD_TASKS], const char *path, struct err *e);

/* Writes PATH whole or not at all. Errors: NONFINITE, AD_NORM, FIELD_RANGE (head_values_check), those of
 * safetensors_save; the old file is then untouched. */
int head_file_save(const char *path, const struct head *h, struct err *e);
/* A GGUF file with the heads there are; h[task] may be NULL, not both. Errors: HEAD_TYPE (none), as above,
 * those of gguf_save. */
int head_gguf_save(const char *path, const struct head *const h[HEAD_TASKS], struct err *e);

#endif
