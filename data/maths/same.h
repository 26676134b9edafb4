/* Whether two answers, read as trees, mean the same. */
#ifndef TERSE_DATA_MATHS_SAME_H
#define TERSE_DATA_MATHS_SAME_H

#include "data/maths/value.h"

struct same_options {
    int digits;     /* of a decimal against another form (value.h) */
    bool relations; /* x >= 2 may stand for [2, infinity) */
};

/* Compares a reference with a candidate. *rule, static text, says what decided. */
enum same same_answer(struct arena *a, const struct expr *reference, const struct expr *candidate,
                      const struct same_options *o, const char **rule);

#endif
