/* A folder for a test's files, below the build folder (TERSE_BUILD, else "build"). */
#ifndef TERSE_TESTS_SUPPORT_SCRATCH_H
#define TERSE_TESTS_SUPPORT_SCRATCH_H

#include <stddef.h>

/* Makes an empty folder; a group setup of cmocka. *state is left alone. */
int scratch_setup(void **state);
/* Removes it with all it holds. */
int scratch_teardown(void **state);
/* "FOLDER/name" in a ring of 8 static buffers. */
const char *scratch(const char *name);
/* Writes a file of that name in the folder (a path below it may be given) and returns its path. */
const char *scratch_write(const char *name, const void *data, size_t n);

#endif
