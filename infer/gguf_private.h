/* What an open GGUF file is, for gguf*.c only. */
#ifndef TERSE_INFER_GGUF_PRIVATE_H
#define TERSE_INFER_GGUF_PRIVATE_H

#include "infer/gguf.h"
#include "infer/map.h"

struct gguf {
    struct map *map;  /* NULL when in memory */
    const char *file; /* [size] */
    uint64_t size;
    uint32_t alignment;
    struct gguf_kv *kv;            /* [keys] in the order of the file */
    const struct gguf_kv **by_key; /* the same, sorted */
    size_t keys;
    struct tensor *tensors; /* [n] in the order of the file */
    const struct tensor **by_name;
    char (*names)[GGUF_MAX_NAME + 1];
    size_t n;
    char label[];
};

/* Where reading has come to. Whatever is taken lies inside the file. */
struct gguf_cursor {
    const struct gguf *g;
    const char *at;
    struct err *e;
};

/* Bytes of a number, bool included; 0 for strings, arrays and what is no type. */
unsigned gguf_type_bytes(int32_t type);

/* Little-endian numbers, and `n` bytes that are only stepped over. `what` says what was to come.
 * DATA_PAST_EOF. */
int gguf_take_u32(struct gguf_cursor *c, uint32_t *out, const char *what);
int gguf_take_u64(struct gguf_cursor *c, uint64_t *out, const char *what);
/* A length and as many bytes of valid UTF-8 without NUL. Errors: DATA_PAST_EOF, GG_STRING (longer than the
 * file), UTF8. */
int gguf_take_name(struct gguf_cursor *c, const char **s, uint64_t *len, const char *what, uint64_t index);

/* `n` keys from the cursor on: fills kv, by_key, alignment. Errors: as gguf_open. */
int gguf_parse_keys(struct gguf *g, struct gguf_cursor *c, uint64_t n);
/* `n` tensors from the cursor on, and where their data lies. */
int gguf_parse_tensors(struct gguf *g, struct gguf_cursor *c, uint64_t n);

static inline uint64_t gguf_left(const struct gguf_cursor *c)
{
    return (uint64_t)(c->g->file + c->g->size - c->at);
}

#endif
