/* A tiny Qwen2 model, or an adapter for it, as a GGUF file: sound, or with one thing changed. */
#ifndef TERSE_TESTS_GGUF_TINY_H
#define TERSE_TESTS_GGUF_TINY_H

#include "checkpoints/gguf_write.h"
#include "infer/config.h"

/* 1 layer, width 32, 1 head, feed-forward 64, vocabulary 264: 256 bytes, one merge, three control tokens,
 * padding. */
struct model_config gguf_tiny_config(void);

struct gguf_change {
    const char *drop;                 /* key that is left out, or NULL */
    void (*put)(struct gguf_keys *k); /* adds keys, or NULL */
    const char *tensor;               /* tensor that is changed, or NULL */
    int dtype;                        /* its type; -1: it is left out */
    uint64_t rows;                    /* its rows; 0: as they are */
    const char *rename;               /* its name, or NULL */
    bool nan;                         /* all its values are NaN */
};

/* Writes it to `path`; c may be NULL. Fails the test when the writer itself refuses. */
void gguf_tiny_model(const char *path, const struct gguf_change *c);
/* Rank 4 on q and v: blk.0.attn_q.weight.lora_a ... */
void gguf_tiny_adapter(const char *path, const struct gguf_change *c);

#endif
