/* Any bytes as LiveCodeBench's cases, plain and packed; and as "EXPECTED\nPRINTED": comparing does not depend
 * on the order, and everything equals itself. */
#include "rl/code_cases.c" /* the only file of rl/ that is not linked to all targets, and stands alone */
#include "tests/support/pack_cases.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *s = (const char *)data, *cut = n ? memchr(s, '\n', n) : NULL;
    size_t k = cut ? (size_t)(cut - s) : 0;
    const char *t = cut ? cut + 1 : s;
    size_t m = n - (size_t)(t - s);
    struct js *v;
    char *packed = pack_cases(data, n, 0);
    if (!code_cases_read(&v, "fuzz", s, n, NULL)) js_free(v);
    if (!code_cases_read(&v, "fuzz", packed, strlen(packed), NULL)) js_free(v);
    free(packed);
    if (!code_same_output(s, n, s, n)) __builtin_trap();
    if (code_same_output(s, k, t, m) != code_same_output(t, m, s, k)) __builtin_trap();
    if (code_same_value(s, k, t, m) != code_same_value(t, m, s, k)) __builtin_trap();
    return 0;
}
