/* Names with wildcards. */
#ifndef TERSE_DATA_GLOBS_H
#define TERSE_DATA_GLOBS_H

#include "infer/option.h"

#include <glob.h>

/* Names with wildcards become the files they match, sorted; a plain name stays, whether it is there or not.
 * *g is the caller's to globfree, also after an error: NOMEM, EACCES. */
int globs_expand(const struct string_list *names, glob_t *g, struct err *e);

#endif
