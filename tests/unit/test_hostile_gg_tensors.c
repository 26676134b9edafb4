/* Section GG of the hostile inputs: what a GGUF file says of its tensors, and where their bytes lie. (What
 * only a model's file can do wrong, GG47 among it, is in test_gguf_model.c.) */
#include "tests/support/gguf_case.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct tensor_case {
    const char *name;
    uint32_t rank;
    uint64_t ne[4];
    int32_t type;
    uint64_t offset;
};

#define F32       0
#define LONG_NAME "a234567890123456789012345678901234567890123456789012345678901234"
#define HALF      0x7FFFFFFFFFFFFFC0ull

static const struct {
    const char *id;
    struct tensor_case t[2];
    uint64_t n, data;
    int code;
    const char *says;
} tensors[] = {
    {"GG27", {{LONG_NAME, 1, {8}, F32, 0}}, 1, 32, ERR_NAME_LEN, "tensor 0 has 64 bytes"},
    {"63 bytes", {{&LONG_NAME[1], 1, {8}, F32, 0}}, 1, 32, 0, ""},
    {"no name", {{"", 1, {8}, F32, 0}}, 1, 32, ERR_NAME_LEN, "tensor 0 has 0 bytes"},
    {"bad name", {{"\xff", 1, {8}, F32, 0}}, 1, 32, ERR_UTF8, "tensor 0"},
    {"GG28", {{"aa", 1, {8}, F32, 0}, {"aa", 1, {8}, F32, 32}}, 2, 64, ERR_DUP_TENSOR, "\"aa\""},
    {"GG29", {{"aa", 5, {1, 1, 1, 1}, F32, 0}}, 1, 99, ERR_RANK, "\"aa\": 5 dimensions"},
    {"GG29 most", {{"aa", UINT32_MAX, {1, 1, 1, 1}, F32, 0}}, 1, 99, ERR_RANK, "4294967295 dimensions"},
    {"GG30", {{"aa", 0, {1}, F32, 0}}, 1, 32, ERR_RANK, "\"aa\": 0 dimensions"},
    {"4 dimensions", {{"aa", 4, {2, 2, 2, 1}, F32, 0}}, 1, 32, 0, ""},
    {"GG31", {{"aa", 2, {8, UINT64_MAX}, F32, 0}}, 1, 32, ERR_SHAPE_INT, "\"aa\": dimension 1 is -1"},
    {"GG32", {{"aa", 2, {8, 0}, F32, 0}, {"bb", 1, {8}, F32, 0}}, 2, 32, 0, ""},
    {"GG32 quantised", {{"aa", 2, {0, 8}, 2, 0}}, 1, 0, 0, ""},
    {"GG33", {{"aa", 2, {1 << 22, (1ull << 42) + 1}, F32, 0}}, 1, 32, ERR_OVERFLOW, "\"aa\""},
    {"GG33 alone", {{"aa", 2, {1, (1ull << 42) + 1}, F32, 0}}, 1, 32, ERR_DATA_PAST_EOF, "\"aa\""},
    {"GG33 behind a 0", {{"aa", 3, {0, 1 << 22, (1ull << 42) + 1}, F32, 0}}, 1, 32, ERR_OVERFLOW, "\"aa\""},
    {"GG34", {{"aa", 4, {INT64_MAX, 2, 1, 1}, F32, 0}}, 1, 32, ERR_OVERFLOW, "\"aa\""},
    {"GG35", {{"aa", 1, {SIZE_MAX / 4}, F32, 0}}, 1, 32, ERR_OVERFLOW, "\"aa\""},
    {"GG36", {{"aa", 1, {HALF}, 24, 0}, {"bb", 1, {HALF}, 24, HALF}}, 2, 32, ERR_OVERFLOW, "\"bb\""},
    {"GG37 negative", {{"aa", 1, {8}, -1, 0}}, 1, 32, ERR_DTYPE, "\"aa\": type -1"},
    {"GG37 removed", {{"aa", 1, {8}, 4, 0}}, 1, 32, ERR_DTYPE, "\"aa\": type 4"},
    {"GG37 too high", {{"aa", 1, {8}, 42, 0}}, 1, 32, ERR_DTYPE, "\"aa\": type 42"},
    {"GG37 highest", {{"aa", 1, {8}, INT32_MAX, 0}}, 1, 32, ERR_DTYPE, "\"aa\": type 2147483647"},
    {"Q4_K", {{"aa", 1, {256}, 12, 0}}, 1, 160, ERR_DTYPE, "\"aa\": it is Q4_K; terse reads"},
    {"GG38", {{"aa", 2, {33, 2}, 8, 0}}, 1, 96, ERR_GG_BLOCK, "\"aa\": rows of 33"},
    {"Q8_0", {{"aa", 2, {64, 2}, 8, 0}}, 1, 136, 0, ""},
    {"Q4_0", {{"aa", 2, {64, 2}, 2, 0}}, 1, 72, 0, ""},
    {"Q4_0 short", {{"aa", 2, {64, 2}, 2, 0}}, 1, 71, ERR_DATA_PAST_EOF, "\"aa\": 72 bytes"},
    {"GG39", {{"aa", 1, {8}, F32, UINT64_MAX}}, 1, 32, ERR_OFFSETS, "\"aa\": offset 18446744073709551615"},
    {"GG40", {{"aa", 1, {8}, F32, 0}, {"bb", 1, {8}, F32, 40}}, 2, 96, ERR_OFFSETS, "\"bb\": offset 40"},
    {"GG41", {{"aa", 1, {8}, F32, 0}, {"bb", 1, {8}, F32, 0}}, 2, 64, ERR_OVERLAP, "\"bb\""},
    {"GG42", {{"aa", 1, {8}, F32, 0}, {"bb", 1, {8}, F32, 64}}, 2, 96, ERR_HOLE, "\"bb\": offset 64"},
    {"hole in front", {{"aa", 1, {8}, F32, 32}}, 1, 64, ERR_HOLE, "\"aa\""},
    {"GG43", {{"aa", 1, {8}, F32, 0}, {"bb", 1, {8}, F32, 32}}, 2, 63, ERR_DATA_PAST_EOF, "\"bb\": 32 bytes"},
    {"GG44", {{"aa", 1, {8}, F32, 0}}, 1, 33, ERR_TRAILING, "1 bytes after"},
    {"padding at the end", {{"aa", 1, {7}, F32, 0}}, 1, 32, 0, ""},
    {"none at the end", {{"aa", 1, {7}, F32, 0}}, 1, 28, 0, ""},
    {"one byte more than it", {{"aa", 1, {7}, F32, 0}}, 1, 33, ERR_TRAILING, "1 bytes after"},
};

static void bad_tensors(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        struct gguf_bytes b = {0};
        gb_header(&b, tensors[i].n, 0);
        for (uint64_t k = 0; k < tensors[i].n; k++) {
            const struct tensor_case *t = &tensors[i].t[k];
            gb_tensor(&b, t->name, t->rank, t->ne, t->type, t->offset);
        }
        gb_pad(&b, 32);
        gb_zeros(&b, tensors[i].data);
        bad |= gguf_case(tensors[i].id, &b, tensors[i].code, tensors[i].says);
    }
    assert_false(bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_tensors),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
