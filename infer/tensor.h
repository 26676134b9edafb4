/* A tensor as it lies in some file or buffer: the common currency between readers (safetensors, GGUF), the
 * parameter table and writers. Row-major, last dimension fastest, little-endian. */
#ifndef TERSE_INFER_TENSOR_H
#define TERSE_INFER_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TENSOR_MAX_RANK = 64 };

/* X(name as safetensors spells it, bits an element) */
#define DTYPE_LIST(X)                                                                                        \
    X(F32, 32)                                                                                               \
    X(BF16, 16)                                                                                              \
    X(F16, 16)                                                                                               \
    X(F64, 64)                                                                                               \
    X(I64, 64)                                                                                               \
    X(U64, 64)                                                                                               \
    X(I32, 32)                                                                                               \
    X(U32, 32)                                                                                               \
    X(I16, 16)                                                                                               \
    X(U16, 16) X(I8, 8) X(U8, 8) X(BOOL, 8) X(F8_E4M3, 8) X(F8_E5M2, 8) X(F8_E8M0, 8) X(C64, 64) X(F4, 4)

/* Quantised types, in GGUF's blocks: X(name, elements of a block, its bytes). Blocks lie along the last
 * dimension, which is a multiple of them. safetensors knows none of these.
 *   Q8_0  f16 d; 32 int8 q: w = d q
 *   Q4_0  f16 d; 16 bytes, byte i: q[i] in its low half, q[i + 16] in its high half: w = d (q - 8)
 *   W4    the bytes of Q4_0, with the same d in all blocks of a row */
#define DTYPE_BLOCK_LIST(X) X(Q8_0, 32, 34) X(Q4_0, 32, 18) X(W4, 32, 18)

enum dtype {
#define X(name, bits) DTYPE_##name,
    DTYPE_LIST(X)
#undef X
        DTYPE_COUNT, /* of those with single elements */
    DTYPE_BLOCKS_ = DTYPE_COUNT - 1,
#define X(name, elems, bytes) DTYPE_##name,
    DTYPE_BLOCK_LIST(X)
#undef X
        DTYPE_END
};

struct tensor {
    const char *name; /* NUL-terminated UTF-8; owned by whoever made the tensor */
    enum dtype dtype;
    int rank;          /* 0..TENSOR_MAX_RANK; only the first 8 sizes are kept, the rest must be 1 */
    uint64_t shape[8]; /* outermost first */
    const void *data;  /* may be unaligned; NULL only when bytes == 0 */
    uint64_t bytes;    /* exactly product(shape) * bits / 8, or the bytes of its blocks */
    bool mapped;       /* data lies in a map (infer/map.h) */
};

/* "BF16" for DTYPE_BF16. Static storage. */
const char *dtype_name(enum dtype t);
/* Bits of an element; 0 for quantised types. */
unsigned dtype_bits(enum dtype t);
/* Elements and bytes of a block; for types with single elements 1 element, and bits / 8 bytes. */
unsigned dtype_block(enum dtype t);
unsigned dtype_block_bytes(enum dtype t);
static inline int dtype_quantised(enum dtype t)
{
    return t >= DTYPE_COUNT && t < DTYPE_END;
}

/* Nobody will look at the data for a while: gives back what memory it takes in a map. */
void tensor_release(const struct tensor *t);

/* Row i of a matrix (element i of a vector), `cols` values, in fp32: exactly, whatever the type. F32, BF16,
 * F16 and the quantised types; others are the caller's mistake (asserted). */
void tensor_row(const struct tensor *t, uint64_t i, uint64_t cols, float *out);

#endif
