/* Any bytes as a text and a reference: "REFERENCE\nTEXT". Grading is the same twice, and an answer equals
 * itself. */
#include "data/grade.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *s = (const char *)data, *cut = n ? memchr(s, '\n', n) : NULL;
    size_t k = cut ? (size_t)(cut - s) : 0;
    const char *text = cut ? cut + 1 : s;
    size_t len = n - (size_t)(text - s);
    struct answer reference = answer_reference(s, k);
    struct grade g = grade_text(reference.s, reference.n, text, len, NULL);
    struct grade h = grade_text(reference.s, reference.n, text, len, NULL);
    if (!g.rule || g.verdict != h.verdict || strcmp(g.rule, h.rule)) __builtin_trap();
    if (g.answer.kind && (g.answer.s < text || g.answer.s + g.answer.n > text + len)) __builtin_trap();
    if (!g.answer.n) return 0;
    h = grade_answers(g.answer.s, g.answer.n, g.answer.s, g.answer.n, NULL);
    if (h.verdict == GRADE_DIFFERENT || h.verdict == GRADE_NO_ANSWER) __builtin_trap();
    grade_thread_end();
    return 0;
}
