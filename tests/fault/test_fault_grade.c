/* Whatever allocation fails while answers are graded: undecided, nothing lost. */
#include "data/grade.h"
#include "tests/support/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void no_memory_is_undecided(void **state)
{
    (void)state;
    static const char reference[] = "1,200, \\frac{\\sqrt{3}}{3}", text[] = "so \\boxed{1200, 1/\\sqrt3}";
    long n = 1;
    for (;; n++) {
        fault_arm(FAULT_ALLOC, n);
        struct grade g = grade_text(reference, strlen(reference), text, strlen(text), NULL);
        if (!fault_disarm()) {
            assert_int_equal(g.verdict, GRADE_EQUAL);
            break;
        }
        assert_int_equal(g.verdict, GRADE_UNDECIDED);
        assert_string_equal(g.rule, "no memory");
    }
    assert_true(n > 1);
    assert_false(fault_leaks());
}

/* Plain numbers need none. */
static void numbers_need_no_memory(void **state)
{
    (void)state;
    fault_arm(FAULT_ALLOC, 1);
    assert_int_equal(grade_text("72", 2, "so \\boxed{72.0}", 15, NULL).verdict, GRADE_EQUAL);
    assert_false(fault_disarm());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_is_undecided),
        cmocka_unit_test(numbers_need_no_memory),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    grade_thread_end();
    return r;
}
