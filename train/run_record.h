/* A run's folder: its lock, and the record of what was asked for, by which the same run is known again. */
#ifndef TERSE_TRAIN_RUN_RECORD_H
#define TERSE_TRAIN_RUN_RECORD_H

#include "checkpoints/file.h"
#include "checkpoints/sha256.h"
#include "infer/option.h"

/* What a kind of run has of its own. */
struct run_kind {
    const char *const *free_keys; /* that do not change a result, and so may change; ends with NULL */
    /* Settles options read from a record, as those of a new run are. */
    int (*settle)(void *config, struct options *o, struct err *e);
};

/* What can be told before anything is read or written. An input has to be there, a Hugging Face or PEFT
 * folder or a GGUF file, and not where a run in `dir` writes (DIR, DIR/adapter, DIR/model); dir has to be a
 * folder that can be made or written to. Errors name the keys and where they were given: FILE_MISSING, PATH,
 * EACCES, CFG_CONFLICT. */
int run_input_check(const struct options *o, const char *key, const char *path, const char *dir,
                    struct err *e);
int run_output_check(const struct options *o, const char *dir, struct err *e);

/* Makes the folder and takes its lock. *stale: the process that died with it, or 0. Errors: LOCKED, PATH ...
 */
int run_folder_open(struct file_lock *lock, const char *dir, int *stale, struct err *e);

/* Whether the run recorded in dir, if any, is the one described by `now`. then: options of the same table,
 * freshly made, and their config. Errors: RUN_MISMATCH, naming the first key that differs. */
int run_record_check(const char *dir, const struct run_kind *kind, const struct options *now,
                     struct options *then, void *config, struct err *e);
/* DIR/config.yaml: everything resolved; the same command with it repeats the run. */
int run_record_save(const char *dir, const struct options *o, struct err *e);
/* Forgets the states of another run that stood there. */
int run_states_remove(const char *dir, struct err *e);
/* Digest of all that decides the result. */
int run_digest(const struct run_kind *kind, const struct options *o, char hex[SHA256_HEX], struct err *e);

#endif
