/* Tokens to a tree: a Pratt parser for what stands in answers. */
#ifndef TERSE_DATA_MATHS_PARSE_H
#define TERSE_DATA_MATHS_PARSE_H

#include "data/maths/expr.h"

/* Reads s[0..n) (lex.h's flags); the tree lies in the arena and points into it and into s. NULL, with
 * a->refused saying why, when it cannot be read as mathematics, or is too deep or too long. */
struct expr *parse(struct arena *a, const char *s, size_t n, int flags);

#endif
