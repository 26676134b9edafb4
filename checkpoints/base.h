/* A model as it lies on disk, whatever it lies in: a Hugging Face folder or a GGUF file. */
#ifndef TERSE_CHECKPOINTS_BASE_H
#define TERSE_CHECKPOINTS_BASE_H

#include "checkpoints/hf_model.h"
#include "infer/gguf_model.h"

struct base {
    struct model_config config;
    const struct tensor *const
        *bound;       /* [params_slots(&config)], as params_bind makes it; Hugging Face's names */
    enum dtype dtype; /* of products: F32 or BF16 */
    uint64_t bytes;   /* of all tensors */
    const char *path;
    struct hf_model *hf; /* one of these two */
    struct gguf_model *gguf;
};

/* Opens a folder, or a file that begins with "GGUF", and looks at every value. *out is the caller's to close,
 * NULL after an error: those of hf_model_open and gguf_model_open. */
int base_open(struct base **out, const char *path, struct err *e);
/* NULL is fine. The tensors are gone afterwards. */
void base_close(struct base *b);
/* 0 when no file changed since it was opened, else ERR_CHANGED. */
int base_intact(const struct base *b, struct err *e);

/* The tokenizer beside or inside. Errors: those of hf_tokenizer_load and gguf_tokenizer. */
int base_tokenizer(struct tokenizer **out, const struct base *b, struct err *e);
/* The text of the chat template, *n bytes and a NUL, the caller's to free; NULL when there is none. */
int base_template(char **text, size_t *n, const struct base *b, struct err *e);
/* What tells models apart: hf_model_digest of the folder. A GGUF file has that of the model it was made from,
 * if it says so, and else its own tensors'. */
int base_digest(const struct base *b, char hex[SHA256_HEX], struct err *e);
/* The last part of a path, "nano" of checkpoints/nano/: what a file made of it is called inside. */
void base_name(const char *path, char *name, size_t size);
/* False for a GGUF file that does not say what it was made from: an adapter's word cannot be held against it.
 */
bool base_is_known(const struct base *b);

#endif
