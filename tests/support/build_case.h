/* Builds (data/prepare/) in a test's scratch folder, with nano's tokenizer. */
#ifndef TERSE_TESTS_SUPPORT_BUILD_CASE_H
#define TERSE_TESTS_SUPPORT_BUILD_CASE_H

#include "data/prepare/prepare.h"

/* Group setup and teardown of cmocka: the scratch folder (tests/support/scratch.h), a tokenizer, a pool of
 * one thread. */
int build_case_setup(void **state);
int build_case_teardown(void **state);

extern struct tokenizer *build_case_tokenizer;

/* Everything of files [n], in the order of the seed, into scratch "NAME" with work folder scratch
 * "NAME.work"; the texts are static. */
struct prepare_config build_case_config(const char *name, const char *const *files, uint32_t n);
/* Runs it; fails the running test on an error. */
struct prepare_report build_case_run(const struct prepare_config *c);

/* SHA-256 over the names and bytes of all files in scratch "NAME" and "NAME-eval". Static storage. */
const char *build_case_digest(const char *name);

#endif
