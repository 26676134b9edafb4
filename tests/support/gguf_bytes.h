/* GGUF files put together byte by byte, right or wrong. */
#ifndef TERSE_TESTS_GGUF_BYTES_H
#define TERSE_TESTS_GGUF_BYTES_H

#include "infer/gguf.h"

struct gguf_bytes {
    char *data; /* [n], owned; gb_free */
    size_t n, cap;
};

void gb_free(struct gguf_bytes *b);
void gb_put(struct gguf_bytes *b, const void *data, size_t n);
void gb_u32(struct gguf_bytes *b, uint32_t v);
void gb_u64(struct gguf_bytes *b, uint64_t v);
void gb_string(struct gguf_bytes *b, const char *s); /* a length and the bytes */
/* "GGUF", version 3 and the two counts. */
void gb_header(struct gguf_bytes *b, uint64_t tensors, uint64_t keys);
/* The name and type of a key; its value is to follow. */
void gb_key(struct gguf_bytes *b, const char *key, int32_t type);
void gb_key_u32(struct gguf_bytes *b, const char *key, uint32_t v);
void gb_key_f32(struct gguf_bytes *b, const char *key, float v);
void gb_key_bool(struct gguf_bytes *b, const char *key, int v);
void gb_key_string(struct gguf_bytes *b, const char *key, const char *v);
/* The head of an array of n elements, which are to follow. */
void gb_key_array(struct gguf_bytes *b, const char *key, int32_t elem, uint64_t n);
/* A tensor of `rank` dimensions, fastest first. */
void gb_tensor(struct gguf_bytes *b, const char *name, uint32_t rank, const uint64_t *ne, int32_t type,
               uint64_t offset);
/* Zeros up to a multiple of `to`. */
void gb_pad(struct gguf_bytes *b, size_t to);
void gb_zeros(struct gguf_bytes *b, size_t n);

#endif
