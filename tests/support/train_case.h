/* What holds of runs of terse sft and of terse ppo alike, as a user types them. */
#ifndef TERSE_TESTS_TRAIN_CASE_H
#define TERSE_TESTS_TRAIN_CASE_H

#include "checkpoints/sha256.h"

#include <stddef.h>

struct train_case {
    const char *folder, *log;
    /* The command line of the run `name` in the folder, with `extra` at its end. */
    void (*command)(char *out, size_t size, const char *name, const char *extra);
};

/* Runs it; it must end well. */
void train_run(const struct train_case *c, const char *name, const char *extra);
/* The digest of the adapter that it left. */
void train_digest(const struct train_case *c, const char *name, char hex[SHA256_HEX]);

/* Where another run stands (`name`, which has ended): refused, naming the key (of --seed 9, and of `changed`,
 * as it says in `says`). Or overwritten, killed on the way too, and then it ends as in a fresh folder, with
 * as many lines logged. */
void train_overwrite(const struct train_case *c, const char *name, const char *changed, const char *says);

#endif
