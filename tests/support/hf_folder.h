/* A small Qwen2 model as a Hugging Face folder, made well-formed and then spoilt. */
#ifndef TERSE_TESTS_SUPPORT_HF_FOLDER_H
#define TERSE_TESTS_SUPPORT_HF_FOLDER_H

#include "infer/params.h"

#include <stddef.h>

/* 4 layers, width 16, 4/2 heads, ff 24, vocabulary 40, tied. */
struct model_config hf_folder_config(void);

/* Its tensors with random F32 or BF16 data, as hf_tensor_list orders them; free with hf_folder_free. `extra`
 * more entries are left free at the end. */
struct tensor *hf_folder_tensors(const struct model_config *c, enum dtype dtype, size_t extra, size_t *n);
void hf_folder_free(struct tensor *t, size_t n);
/* The tensor of that name. */
struct tensor *hf_folder_find(struct tensor *t, size_t n, const char *name);

/* Reads DIR/NAME, replaces the first `old` by `new` (or all of it when old is NULL), writes it back. Returns
 * what it was before, the caller's to free. */
char *hf_folder_edit(const char *dir, const char *name, const char *old, const char *new);
/* Writes it back and frees it. */
void hf_folder_restore(const char *dir, const char *name, char *before);

#endif
