/* Any bytes as a safetensors file: open it, look at every tensor and value. Every refusal has its message. */
#include "checkpoints/safetensors.h"
#include "infer/finite.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void look(const struct safetensors *f, const uint8_t *data, size_t n)
{
    uint64_t total = 0;
    for (size_t i = 0; i < safetensors_count(f); i++) {
        const struct tensor *t = safetensors_at(f, i);
        const uint8_t *p = t->data;
        if (p < data || t->bytes > n || p > data + n - t->bytes) __builtin_trap();
        if (safetensors_find(f, t->name) != t) __builtin_trap();
        tensor_check_finite(t, NULL);
        total += t->bytes;
    }
    if (total != safetensors_data_bytes(f)) __builtin_trap();
    safetensors_meta(f, "format");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct err e = {0};
    struct safetensors *f;
    if (safetensors_open_memory(&f, data, n, "fuzz", &e)) {
        if (!e.code || !strstr(e.msg, "fuzz")) __builtin_trap();
        return 0;
    }
    look(f, data, n);
    safetensors_close(f);
    return 0;
}
