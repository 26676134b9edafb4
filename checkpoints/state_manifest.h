/* manifest.json of a training state: written, and read with every field checked. Private to state*.c. */
#ifndef TERSE_CHECKPOINTS_STATE_MANIFEST_H
#define TERSE_CHECKPOINTS_STATE_MANIFEST_H

#include "checkpoints/sha256.h"
#include "checkpoints/state.h"

/* A field as the manifest has it. */
struct manifest_section {
    char name[64];
    enum dtype dtype;
    uint64_t count;
    char hash[SHA256_HEX]; /* of the elements, little-endian */
};

struct manifest {
    int64_t step;
    char run_id[256], config[256], base[256], tokenizer[256], data[256], mode[256];
    uint64_t file_bytes; /* of state.h5 */
    char file_hash[SHA256_HEX];
    size_t n;
    struct manifest_section *sections; /* n; owned until manifest_free */
};

/* Copies the identity's texts. ERR_FIELD_RANGE for one over 255 bytes. */
int manifest_identify(struct manifest *m, const struct state_ident *id, struct err *e);
/* 0, or the error of struct state_ident for the first text that differs; CK_STATE beyond max_steps. */
int manifest_match(const struct manifest *m, const struct state_ident *id, const char *path, struct err *e);

/* Writes PATH whole. */
int manifest_save(const struct manifest *m, const char *path, struct err *e);
/* Reads PATH. Errors: FILE_MISSING, NOT_REGULAR, CK_SHORT, CK_MAGIC, HASH, VERSION, TOO_MANY, DUP_KEY,
 * FIELD_*, JSON_* (only with a right root hash), NOMEM; *m is then empty. */
int manifest_load(struct manifest *m, const char *path, struct err *e);
void manifest_free(struct manifest *m);

/* The section of that name or NULL. */
const struct manifest_section *manifest_find(const struct manifest *m, const char *name);

#endif
