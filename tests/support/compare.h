/* The verdict on two answers. */
#ifndef TERSE_TESTS_COMPARE_H
#define TERSE_TESTS_COMPARE_H

#include "data/grade.h"

#include <string.h>

static inline struct grade compare(const char *reference, const char *candidate)
{
    return grade_answers(reference, strlen(reference), candidate, strlen(candidate), NULL);
}

#endif
