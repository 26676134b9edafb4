/* Answers that are programs: found in replies, judged by tests that they cannot talk their way past. */
#include "rl/task.h"
#include "tests/support/sandbox_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void found(const char *want, const char *text)
{
    struct answer a = code_find(text, strlen(text));
    if (!want) {
        assert_int_equal(a.kind, ANSWER_NONE);
    } else if (a.kind != ANSWER_CODE || a.n != strlen(want) || memcmp(a.s, want, a.n)) {
        fail_msg("\"%.*s\", expected \"%s\"", (int)a.n, a.s ? a.s : "", want);
    }
}

static void programs_are_found(void **state)
{
    (void)state;
    found("x = 1", "<think>\n```python\ny\n```\n</think>\nHere:\n```python\nx = 1\n```\nDone.");
    found("b", "```python\na\n```\nor\n```py\nb\n```\nwhich prints\n```\n3\n```\n");
    found("b", "```\na\n```\n```\nb\n```");
    found("    b\n\n    c", "```python\n    b\n\n    c\n\n```");
    found("a = '''", "Well:\n  ```python\na = '''"); /* never closed */
    found("print(1)", "print(1)\n");
    found("```text\n3\n```", "```text\n3\n```");
    found(NULL, "<think> it never ends ```python\na\n```");
    found(NULL, "<think></think>\n\n");
    found("a\n```python\nb", "```python\na\n```python\nb\n```");
    char *big = malloc(CODE_MAX + 2);
    memset(big, 'x', CODE_MAX + 1), big[CODE_MAX + 1] = 0;
    found(NULL, big);
    big[CODE_MAX] = 0;
    found(big, big);
    free(big);
}

/* ---- the benchmarks' own ways -------------------------------------------------------------------------- */

static struct problems load(const char *name)
{
    struct problems p = {0};
    struct err e = {0};
    char path[300];
    if (task_path(path, sizeof path, task_find(name), "tests/fixtures/code", &e) ||
        task_load(&p, task_find(name), STYLE_PAPER, path, 0, 2, 1, &e))
        fail_msg("%s", e.msg);
    return p;
}

/* Judges a reply to problem i. */
static void judged(const struct problems *p, size_t i, const char *reply, const char *rule)
{
    struct grade g;
    struct err e = {0};
    if (code_grade(&g, &sandbox_rig, p->at[i].tests, reply, strlen(reply), &e)) fail_msg("%s", e.msg);
    if (strcmp(g.rule, rule)) fail_msg("%s, expected %s: %s", g.rule, rule, reply);
    assert_int_equal(g.verdict, !strcmp(rule, "every test passes") ? GRADE_EQUAL
                                : !strcmp(rule, "no program")      ? GRADE_NO_ANSWER
                                                                   : GRADE_DIFFERENT);
}

static const char right[] = "every test passes", wrong[] = "a test fails", early[] = "ended before its tests",
                  raised[] = "an exception";

static void says(const struct problem *p, const char *text)
{
    const struct chat_turn *t = &p->turns[0];
    if (!memmem(t->content, t->len, text, strlen(text)))
        fail_msg("no \"%s\" in %.*s", text, (int)t->len, t->content);
}

static void problems_are_worded(void **state)
{
    static const char *const names[] = {"humaneval", "mbpp", "livecodebench"};
    static const char *const words[][2] = {
        {"```python\nfrom typing import List", "sum_even([1, 2, 4])"},
        {"must pass these tests:\n\n```python\nassert longest", "== \"x\"\n```"},
        {"Two numbers stand on a line. Print their sum.\n\nWrite a Python program", "standard input"}};
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct problems p = load(names[k]);
        size_t n = k == 2 ? 4 : 2;
        assert_int_equal(p.n, 2 * n);
        assert_int_equal(p.without, 0);
        assert_non_null(p.at[n - 1].tests);
        assert_null(p.at[n].tests);
        says(&p.at[0], words[k][0]);
        says(&p.at[0], words[k][1]);
        says(&p.at[n], words[k][1]);
        if (k == 2) says(&p.at[1], "```python\nclass Solution:");
        problems_clear(&p);
    }
}

static void functions(void **state)
{
    struct problems p = load("humaneval");
    (void)state;
    sandbox_rig_need();
    judged(&p, 0, "```python\ndef sum_even(xs):\n    return sum(x for x in xs if x % 2 == 0)\n```", right);
    judged(&p, 0, "```python\n    return sum(x for x in xs if x % 2 == 0)\n```", right); /* goes on */
    judged(&p, 0, "```python\nsum_even = lambda xs: sum(xs)\n```", wrong);
    judged(&p, 1, "```python\ndef half(x):\n    return x // 2\n```",
           right); /* the prompt's helper is there */
    judged(&p, 1, "def half(x):\n    retrun x\n", raised);
    judged(&p, 1, "<think>", "no program");
    problems_clear(&p);
    p = load("mbpp");
    judged(&p, 0, "def longest(words):\n    return max(words, key=len)", right);
    judged(&p, 0, "def longest(words):\n    return words[0]", wrong);
    judged(&p, 1, "def area(r):\n    return 3.14159265358979 * r ** 2", right); /* the tests' own import */
    problems_clear(&p);
}

/* Whatever a program prints, and however it ends, its tests have to have been through. */
static void cheats(void **state)
{
    static const char *const replies[] = {
        "import sys\nprint('all passed')\nsys.exit(0)",
        "import os\nos.write(1, b'passed')\nos._exit(0)",
        "def half(x):\n    import os\n    print('all passed', flush=True)\n    os._exit(0)",
        "def half(x):\n    import sys\n    sys.exit(0)",
        "import atexit, os\natexit.register(os._exit, 0)\ndef half(x):\n    return 7",
        "import os\nfor i in range(64):\n    try: os.write(i, b'1')\n    except OSError: pass\nos._exit(0)",
        "import os, sys\nsys.excepthook = lambda *a: os._exit(0)\ndef half(x): raise ValueError",
        "def half(x): return 7\ndef check(f): pass",
        "import builtins\nbuiltins.AssertionError = KeyError\ndef half(x): return 7",
    };
    static const char *const rules[] = {raised, early, early, raised, wrong, early, raised, wrong, NULL};
    struct problems p = load("humaneval");
    (void)state;
    sandbox_rig_need();
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        struct grade g;
        struct err e = {0};
        if (code_grade(&g, &sandbox_rig, p.at[1].tests, replies[i], strlen(replies[i]), &e))
            fail_msg("%s", e.msg);
        if (g.verdict != GRADE_DIFFERENT || (rules[i] && strcmp(g.rule, rules[i])))
            fail_msg("%s: %s", g.rule, replies[i]);
    }
    sandbox_rig.seconds = 1;
    judged(&p, 1, "while True: pass", "timed out");
    judged(&p, 1, "import time\ndef half(x): time.sleep(99)", "timed out");
    sandbox_rig.seconds = 60;
    problems_clear(&p);
}

static void whole_programs(void **state)
{
    struct problems p = load("livecodebench");
    (void)state;
    sandbox_rig_need();
    judged(&p, 0, "print(sum(map(int, input().split())))", right);
    judged(&p, 0,
           "if __name__ == '__main__':\n    a, b = map(int, open(0).read().split())\n    print(a + b)\n    "
           "exit()",
           right);
    judged(&p, 0,
           "import threading\ndef go():\n    print(sum(map(int, input().split())))\n"
           "threading.Thread(target=go).start()",
           right);
    judged(&p, 0, "print(3)", wrong);
    judged(&p, 0, "print(sum(map(float, input().split())))", wrong); /* the last of the private cases */
    judged(&p, 0, "print(sum(map(int, input().split())))\nprint(input())", raised);
    judged(&p, 0, "while True: print('x' * 1000)", "too much output");
    judged(&p, 2, "for x in [*map(int, open('/dev/stdin'))][1:]: print(x / 2)", right);
    judged(&p, 2, "print('.50\\n1')", wrong);
    problems_clear(&p);
}

static void methods(void **state)
{
    struct problems p = load("livecodebench");
    (void)state;
    sandbox_rig_need();
    judged(&p, 1,
           "```python\nclass Solution:\n    def pair(self, xs: List[int], target: int) -> List[int]:\n"
           "        for j in range(len(xs)):\n            for i in range(j):\n"
           "                if xs[i] + xs[j] == target:\n                    return i, j\n        return "
           "[]\n```",
           right);
    judged(&p, 1, "class Solution:\n    def pair(self, xs, target): return [0, 1]", wrong);
    judged(&p, 1, "class Solution:\n    def pair(self, xs, target): return {0, 1}", raised);
    judged(&p, 1, "import os\nos._exit(0)", wrong);
    judged(&p, 3, "def backwards(s):\n    print('noise')\n    return s[::-1]", right);
    problems_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_are_found), cmocka_unit_test(problems_are_worded),
        cmocka_unit_test(functions),          cmocka_unit_test(cheats),
        cmocka_unit_test(whole_programs),     cmocka_unit_test(methods)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
