/* Test cases as LiveCodeBench keeps them, and when what a program gives is what a case expects. */
#ifndef TERSE_RL_CODE_CASES_H
#define TERSE_RL_CODE_CASES_H

#include "checkpoints/json.h"

/* Reads text [n], called `what` in messages: a JSON array of {"input", "output", "testtype": "stdin" |
 * "functional"}, or that array's text as a pickle, compressed by zlib, in base64. The pickle is read as one
 * text and may be nothing else: protocol 2 to 5, one string, memos and frames around it, the end. *out is the
 * caller's to js_free, NULL after an error: those of js_parse, of zlib_expand (over 256 MiB: BOMB), MAGIC
 * (neither, or another pickle), FIELD_*, ROW_TYPE. */
int code_cases_read(struct js **out, const char *what, const char *text, size_t n, struct err *e);

/* Whether a program has printed what it should, by LiveCodeBench's rule (Jain et al. 2024; its
 * testing_util.py): white space around either is left out, then around each line; there are as many lines,
 * and each is the same, or both are decimal numbers between white space, as many and of the same values.
 * Values are compared exactly: 0.5 is .50 and 5e-1, and is not 0.5000001. */
bool code_same_output(const char *expected, size_t n, const char *printed, size_t m);

/* Whether two JSON texts are the same value, as Python's == has it (1, 1.0 and true are), but that a tuple
 * has become a list and a key a text on their way here. What is no JSON is not. */
bool code_same_value(const char *expected, size_t n, const char *returned, size_t m);

#endif
