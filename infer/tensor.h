/* A tensor as it lies in some file or buffer: the common currency between readers (safetensors, GGUF), the
 * parameter table and writers. Row-major, last dimension fastest, little-endian. */
#ifndef TERSE_INFER_TENSOR_H
#define TERSE_INFER_TENSOR_H

#include <stddef.h>
#include <stdint.h>

enum { TENSOR_MAX_RANK = 64 };

/* X(name as safetensors spells it, bits an element) */
#define DTYPE_LIST(X)                                                                                        \
    X(F32, 32)                                                                                               \
    X(BF16, 16)                                                                                              \
    X(F16, 16) X(F64, 64) X(I64, 64) X(U64, 64) X(I32, 32) X(U32, 32) X(I16, 16) X(U16, 16) X(I8, 8)         \
        X(U8, 8) X(BOOL, 8) X(F8_E4M3, 8) X(F8_E5M2, 8) X(F8_E8M0, 8) X(C64, 64) X(F4, 4)

enum dtype {
#define X(name, bits) DTYPE_##name,
    DTYPE_LIST(X)
#undef X
        DTYPE_COUNT
};

struct tensor {
    const char *name; /* NUL-terminated UTF-8; owned by whoever made the tensor */
    enum dtype dtype;
    int rank;          /* 0..TENSOR_MAX_RANK; only the first 8 sizes are kept, the rest must be 1 */
    uint64_t shape[8]; /* outermost first */
    const void *data;  /* may be unaligned; NULL only when bytes == 0 */
    uint64_t bytes;    /* exactly product(shape) * bits / 8 */
};

/* "BF16" for DTYPE_BF16. Static storage. */
const char *dtype_name(enum dtype t);
unsigned dtype_bits(enum dtype t);

#endif
