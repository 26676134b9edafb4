/* The GGUF format, version 3: "GGUF", u32 version, i64 tensors, i64 keys; the keys, each a name, an i32 type
 * and a value; for each tensor its name, u32 dimensions, their sizes (fastest first: the reverse of a shape
 * here), i32 type and u64 offset of its data; padding to general.alignment; the data, each tensor padded
 * likewise. Strings are a u64 length and bytes. All little-endian.
 *
 * The reader accepts what llama.cpp's accepts, less a few things nobody writes and attackers like: more than
 * GGUF_MAX_COUNT keys or tensors, alignments below 8 or above 64 KiB, tensors without dimensions, data after
 * the last tensor. It needs memory for its tables of keys and tensors only, which are no longer than the file
 * has bytes for. Split files are refused: llama-gguf-split --merge joins them.
 *
 * Data is mapped, not read. Should the file be cut short while somebody looks at it, the missing pages read
 * as zeros (infer/map.h) and gguf_intact() says so: call it once after the last use of the data. */
#ifndef TERSE_INFER_GGUF_H
#define TERSE_INFER_GGUF_H

#include "infer/err.h"
#include "infer/tensor.h"

#include <stdbool.h>

enum {
    GGUF_VERSION = 3,
    GGUF_ALIGNMENT = 32,      /* where general.alignment is not given */
    GGUF_MAX_COUNT = 1 << 16, /* of keys, and of tensors */
    GGUF_MAX_NAME = 63,       /* bytes of a tensor's name */
    GGUF_MAX_KEY = 65535,     /* bytes of a key */
};

enum gguf_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_TYPES
};

/* A key and its value; pointers into the file. */
struct gguf_kv {
    const char *key; /* [key_len] UTF-8 without NUL, not terminated */
    uint32_t key_len;
    uint8_t type, elem; /* enum gguf_type; elem: of an array's elements, else the type */
    uint64_t n;         /* elements of an array, else 1 */
    const char *data; /* the value, unaligned; of a string and of each element of an array of them, its length
                         comes first */
    uint64_t bytes;   /* of all of it */
};

struct gguf; /* an open, validated file; immutable, so threads may share it */

/* Opens, maps and validates a regular file (HOSTILE_INPUTS GG). *out is the caller's to close. Errors, each
 * naming the key or tensor: FILE_MISSING, EACCES, NOT_REGULAR, CHANGED, NOMEM, GG_MAGIC, GG_ENDIAN, VERSION,
 * TOO_MANY, GG_STRING, GG_KEY, DUP_KEY, UTF8, GG_TYPE, DEPTH, GG_ARRAY, GG_ALIGN, GG_SPLIT, FIELD_TYPE,
 * FIELD_RANGE, NAME_LEN, DUP_TENSOR, RANK, SHAPE_INT, OVERFLOW, DTYPE, GG_BLOCK, OFFSETS, OVERLAP, HOLE,
 * DATA_PAST_EOF, TRAILING. *out is then NULL. */
int gguf_open(struct gguf **out, const char *path, struct err *e);
/* The same for a file in memory, which must outlive *out. `label` names it in messages. */
int gguf_open_memory(struct gguf **out, const void *file, size_t n, const char *label, struct err *e);
/* NULL is fine. Tensors, keys and data of the file are gone afterwards. */
void gguf_close(struct gguf *g);
/* 0 when the file is still as it was opened; ERR_CHANGED when it was cut or written to meanwhile. */
int gguf_intact(const struct gguf *g, struct err *e);

/* What names the file in messages. */
const char *gguf_label(const struct gguf *g);
uint64_t gguf_file_bytes(const struct gguf *g);

size_t gguf_count(const struct gguf *g);
/* Tensor i < count, in the order of the file; types as infer/tensor.h has them. Everything in it is owned by
 * g. */
const struct tensor *gguf_at(const struct gguf *g, size_t i);
/* The tensor of that name, or NULL. */
const struct tensor *gguf_find(const struct gguf *g, const char *name);

/* ggml's number of a type of tensors (Q4_0's for W4); -1 when there is none. */
int gguf_ggml_type(enum dtype t);

size_t gguf_keys(const struct gguf *g);
const struct gguf_kv *gguf_key_at(const struct gguf *g, size_t i);
/* The key of that name, or NULL. */
const struct gguf_kv *gguf_key(const struct gguf *g, const char *key);
/* "u32", "[string]" ... Static storage. */
const char *gguf_type_name(const struct gguf_kv *kv);

/* Single values. Each leaves *out alone and returns 0 when the key is absent, unless `need`: FIELD_MISSING.
 * Errors: FIELD_TYPE, FIELD_RANGE (below lo, above hi, not finite), UTF8 (a string, which a NUL in it makes
 * too). Any integer type will do for an integer. A string is not terminated. */
int gguf_get_uint(const struct gguf *g, const char *key, bool need, uint64_t lo, uint64_t hi, uint64_t *out,
                  struct err *e);
int gguf_get_float(const struct gguf *g, const char *key, bool need, double *out, struct err *e);
int gguf_get_bool(const struct gguf *g, const char *key, bool need, bool *out, struct err *e);
int gguf_get_string(const struct gguf *g, const char *key, bool need, const char **out, size_t *len,
                    struct err *e);
/* True when the key's value is this string. */
bool gguf_is(const struct gguf *g, const char *key, const char *text);

/* An array of elements of type `elem` (integers: any type when elem is GGUF_U32). *out is NULL when it is
 * absent. Errors: FIELD_MISSING, FIELD_TYPE. */
int gguf_get_array(const struct gguf *g, const char *key, bool need, enum gguf_type elem,
                   const struct gguf_kv **out, struct err *e);
/* Walks an array of strings:   for (struct gguf_iter it = gguf_iter(kv); gguf_next(&it);) it.text, it.len */
struct gguf_iter {
    const char *at, *end;
    uint64_t left;
    const char *text;
    size_t len;
};
struct gguf_iter gguf_iter(const struct gguf_kv *strings);
bool gguf_next(struct gguf_iter *it);
/* Element i < n of an array of integers, false when it does not fit int64_t; of booleans 0 or 1. */
bool gguf_int_at(const struct gguf_kv *kv, uint64_t i, int64_t *out);

#endif
