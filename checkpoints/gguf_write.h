/* Writing GGUF version 3 (infer/gguf.h reads it): keys first, put together in memory, then tensors made on
 * the fly. The same keys and tensors give the same bytes. */
#ifndef TERSE_CHECKPOINTS_GGUF_WRITE_H
#define TERSE_CHECKPOINTS_GGUF_WRITE_H

#include "infer/gguf.h"

/* Keys as they will lie in the file. Start from {0}; memory that gives out is noticed by gguf_save. */
struct gguf_keys {
    char *data; /* [n], owned: gguf_keys_free */
    size_t n, cap;
    uint64_t count;
    bool no_memory;
};
void gguf_keys_free(struct gguf_keys *k);

void gguf_put_u32(struct gguf_keys *k, const char *key, uint32_t v);
void gguf_put_f32(struct gguf_keys *k, const char *key, float v);
void gguf_put_f64(struct gguf_keys *k, const char *key, double v);
void gguf_put_bool(struct gguf_keys *k, const char *key, bool v);
void gguf_put_string(struct gguf_keys *k, const char *key, const char *s);
void gguf_put_text(struct gguf_keys *k, const char *key, const char *s, size_t len);
/* An array of n elements. Where data is NULL they are to follow: gguf_add_string n times, or their bytes. */
void gguf_put_array(struct gguf_keys *k, const char *key, enum gguf_type elem, const void *data, uint64_t n);
void gguf_add_string(struct gguf_keys *k, const char *s, size_t len);
void gguf_add_bytes(struct gguf_keys *k, const void *data, size_t n);

/* Makes rows [first, first + n) of tensor t[i], as they will lie in the file. Called for the tensors in
 * order, and within one from its first row; a vector is one row. n rows are GGUF_CHUNK bytes at most, or one
 * row. */
typedef int gguf_fill(void *ctx, size_t i, uint64_t first, uint64_t n, void *dst, struct err *e);
enum { GGUF_CHUNK = 8 << 20 };

/* Writes PATH whole or not at all (checkpoints/file.h). t[n]: names, types, shapes and bytes; data is not
 * looked at. Errors: DUP_KEY, DUP_TENSOR and whatever else our own reader says of the header, PREFLIGHT_DISK,
 * NOMEM, those of file_out_*, of `fill`; the old file is then untouched. */
int gguf_save(const char *path, const struct gguf_keys *keys, const struct tensor *t, size_t n,
              gguf_fill *fill, void *ctx, struct err *e);

#endif
