/* One row of a table of GGUF files that are put together to be refused. */
#ifndef TERSE_TESTS_GGUF_CASE_H
#define TERSE_TESTS_GGUF_CASE_H

#include "tests/support/gguf_bytes.h"

/* Opens the bytes from memory and from a file in the scratch folder: both must end with `code` (0: the file
 * opens) and a message that has `says` in it. Frees the bytes. Returns 0; or 1, having printed what differs.
 */
int gguf_case(const char *id, struct gguf_bytes *b, int code, const char *says);

#endif
