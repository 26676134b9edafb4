/* A set of token shards with known content, for tests. */
#ifndef TERSE_TESTS_SUPPORT_SHARDS_CASE_H
#define TERSE_TESTS_SUPPORT_SHARDS_CASE_H

#include "data/shards.h"

enum { CASE_VOCAB = 1000 };

/* Document `i` of every set: about `mean` tokens, two spans when long enough, three documents a question. The
 * arrays are static and hold until the next call. */
struct shard_doc shards_case_doc(uint64_t i, uint32_t mean);
/* Writes `docs` documents as the set DIR; returns the first error. */
int shards_case_write(const char *dir, uint64_t docs, uint32_t mean, struct err *e);

#endif
