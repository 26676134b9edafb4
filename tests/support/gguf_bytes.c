#include "tests/support/gguf_bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gb_free(struct gguf_bytes *b)
{
    free(b->data);
    *b = (struct gguf_bytes){0};
}

void gb_put(struct gguf_bytes *b, const void *data, size_t n)
{
    if (b->n + n > b->cap) {
        b->cap = 2 * (b->n + n) + 64;
        b->data = realloc(b->data, b->cap);
        if (!b->data) abort();
    }
    if (n) memcpy(b->data + b->n, data, n);
    b->n += n;
}

void gb_u32(struct gguf_bytes *b, uint32_t v)
{
    gb_put(b, &v, sizeof v);
}

void gb_u64(struct gguf_bytes *b, uint64_t v)
{
    gb_put(b, &v, sizeof v);
}

void gb_string(struct gguf_bytes *b, const char *s)
{
    gb_u64(b, strlen(s));
    gb_put(b, s, strlen(s));
}

void gb_header(struct gguf_bytes *b, uint64_t tensors, uint64_t keys)
{
    gb_put(b, "GGUF", 4);
    gb_u32(b, GGUF_VERSION);
    gb_u64(b, tensors);
    gb_u64(b, keys);
}

void gb_key(struct gguf_bytes *b, const char *key, int32_t type)
{
    gb_string(b, key);
    gb_u32(b, (uint32_t)type);
}

void gb_key_u32(struct gguf_bytes *b, const char *key, uint32_t v)
{
    gb_key(b, key, GGUF_U32);
    gb_u32(b, v);
}

void gb_key_f32(struct gguf_bytes *b, const char *key, float v)
{
    gb_key(b, key, GGUF_F32);
    gb_put(b, &v, sizeof v);
}

void gb_key_bool(struct gguf_bytes *b, const char *key, int v)
{
    char byte = (char)v;
    gb_key(b, key, GGUF_BOOL);
    gb_put(b, &byte, 1);
}

void gb_key_string(struct gguf_bytes *b, const char *key, const char *v)
{
    gb_key(b, key, GGUF_STRING);
    gb_string(b, v);
}

void gb_key_array(struct gguf_bytes *b, const char *key, int32_t elem, uint64_t n)
{
    gb_key(b, key, GGUF_ARRAY);
    gb_u32(b, (uint32_t)elem);
    gb_u64(b, n);
}

void gb_tensor(struct gguf_bytes *b, const char *name, uint32_t rank, const uint64_t *ne, int32_t type,
               uint64_t offset)
{
    gb_string(b, name);
    gb_u32(b, rank);
    for (uint32_t i = 0; i < rank && i < 8; i++) gb_u64(b, ne[i]);
    gb_u32(b, (uint32_t)type);
    gb_u64(b, offset);
}

void gb_zeros(struct gguf_bytes *b, size_t n)
{
    static const char zeros[4096];
    for (size_t m; n; n -= m) gb_put(b, zeros, m = n < sizeof zeros ? n : sizeof zeros);
}

void gb_pad(struct gguf_bytes *b, size_t to)
{
    while (b->n % to) gb_zeros(b, 1);
}
