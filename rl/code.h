/* Answers that are programs: found in a reply, run in the sandbox against a problem's tests.
 *
 * Tests that call functions (HumanEval, MBPP) run in one Python with the code they test. What they find comes
 * out by a channel that the code's own stdout is not, as a random word that is told once they are through: a
 * program that prints "passed", or ends early with status 0, has not passed. Code that searches the
 * interpreter's own frames for the word can cheat; this and what it is given no sandbox closes.
 * LiveCodeBench's expected outputs never enter the sandbox.
 *
 * The word before the tests, the names that are imported for LiveCodeBench's programs, and the comparison of
 * outputs decide too: CODE_RULES counts what has been changed in them. */
#ifndef TERSE_RL_CODE_H
#define TERSE_RL_CODE_H

#include "data/grade.h"
#include "data/text_rows.h"
#include "rl/sandbox.h"

#define CODE_RULES 1

enum code_suite { CODE_HUMANEVAL, CODE_MBPP, CODE_LIVECODEBENCH };

/* What a row asks and how it is judged. Cells: HumanEval prompt, test, entry_point; MBPP prompt, test_list,
 * test_imports; LiveCodeBench question_content, public_test_cases, private_test_cases, starter_code,
 * metadata. *tests is JSON for code_grade, *more what the prompt says of them: both the caller's to free,
 * NULL after an error: those of code_cases_read and js_parse (metadata), FIELD_*, NOMEM. */
int code_tests(char **tests, char **more, enum code_suite suite, const struct text_cell *c, const char *what,
               struct err *e);

enum { CODE_MAX = 1 << 16 }; /* bytes of the longest program */
/* The program of a reply, the part of the text behind </think>: its last block ```python (or py, python3),
 * else its last ``` without a name, else all of it. A block that is not closed ends with the text. kind
 * ANSWER_CODE; ANSWER_NONE where there is none, or it is too long. */
struct answer code_find(const char *text, size_t len);

/* Finds the program in text[0..len) and runs it: verdict EQUAL when every test passes, else DIFFERENT, or
 * NO_ANSWER; the rule says why ("timed out"). Stops at the first test that fails. Errors: those of
 * sandbox_run, of reading `tests`, NOMEM, IO. */
int code_grade(struct grade *out, const struct sandbox *s, const char *tests, const char *text, size_t len,
               struct err *e);

#endif
