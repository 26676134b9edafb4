/* Training state on disk: all that a resumed run needs to go on bit for bit.
 *
 *   DIR/step-N/state.h5        one HDF5 dataset a field, contiguous, little-endian
 *   DIR/step-N/manifest.json   first line: sha256 of all that follows; then format, version, endian, step,
 * whose state it is, size and sha256 of state.h5, type, count and sha256 of every field
 *
 * A state is written as DIR/step-N.tmp, fsynced and renamed; older ones go only after the new one was read
 * back. One table of fields serves saving and loading: a field that is not in the file, or in the file and
 * not in the table, is an error that names it. */
#ifndef TERSE_CHECKPOINTS_STATE_H
#define TERSE_CHECKPOINTS_STATE_H

#include "infer/err.h"
#include "infer/tensor.h"

#include <stddef.h>
#include <stdint.h>

enum { STATE_VERSION = 1, STATE_FIELDS_MAX = 4096 };

/* What a field must be once loaded; ERR_NONFINITE or ERR_CK_STATE names field and index. */
enum state_check {
    STATE_FINITE = 1,      /* F32 or F64: no NaN, no infinity */
    STATE_NONNEGATIVE = 2, /* F32 or F64: finite and not below 0 (Adam's v) */
    STATE_IS_STEP = 4      /* I64[1]: equals the step of the state (the optimiser's own count) */
};

/* A named array; a scalar is an array of one, a text one of bytes. */
struct state_field {
    const char *name; /* letters, digits, '_', '-' and '.', unique */
    enum dtype dtype; /* U8 U32 U64 I32 I64 F32 F64 */
    uint64_t count;   /* elements; exact on loading */
    void *data;       /* count elements, the caller's; read by saving, filled by loading */
    unsigned checks;  /* of enum state_check */
};

/* Whose state it is. Texts are the caller's; none is NULL. Another value on loading is
 * the error in brackets. */
struct state_ident {
    const char *run_id; /* [RUN_MISMATCH] */
    const char
        *config;      /* hash of what decides the run: data order, optimiser, rank, targets [RUN_MISMATCH] */
    const char *base; /* hash of the base model [BASE_HASH] */
    const char *tokenizer; /* tokenizer digest [TOK_HASH] */
    const char *data;      /* shards_digest [DATA_HASH] */
    const char *mode;      /* numeric mode, such as "bf16" [MODE] */
    int64_t step;          /* optimiser steps done; on loading of the latest: not read */
    int64_t max_steps;     /* a state beyond it is refused [CK_STATE]; 0: no limit */
};

/* Tells one line of what happened (a state skipped and why, ...). */
typedef void state_note(void *ctx, const char *text);

/* Before step 0: makes DIR, proves that it can be written (EACCES ...) and that its disk has room for two
 * states of these fields (PREFLIGHT_DISK). */
int state_prepare(const char *dir, const struct state_field *fields, size_t n, struct err *e);

/* Saves DIR/step-N, reads it back, then removes states older than the newest `keep` (0: keeps all) up to N,
 * and what broken-off saves left. An existing step-N is replaced. No second copy of a field is made in
 * memory. After an error no state that was there before is touched and nothing half-written bears a state's
 * name. */
int state_save(const char *dir, const struct state_ident *id, const struct state_field *fields, size_t n,
               unsigned keep, struct err *e);

/* Loads one state, PATH = DIR/step-N, into the fields. After an error their content is unspecified.
 * Errors: FILE_MISSING, NOT_REGULAR (a symbolic link too), CK_SHORT, CK_MAGIC, VERSION, HASH, TOO_MANY,
 * DUP_KEY, CK_STATE, NONFINITE, those of struct state_ident, H5_*, EIO, NOMEM. *step (may be NULL) gets its
 * step. */
int state_load(const char *path, const struct state_ident *id, const struct state_field *fields, size_t n,
               int64_t *step, struct err *e);

/* Loads the state of the highest step in DIR that is sound; `note` (may be NULL) hears why others were passed
 * over. *step = -1 and 0 when DIR holds no state. Nothing is ever deleted here.
 * Errors: CK_NONE (states, but none usable; the message says why the newest is not); a state of another run,
 * base, tokenizer, data or mode at once, since older ones of this folder will not do either; NOMEM. */
int state_load_latest(const char *dir, const struct state_ident *id, const struct state_field *fields,
                      size_t n, state_note *note, void *ctx, int64_t *step, struct err *e);

/* Reads everything of one state and checks it against its manifest, without a field table. Errors as
 * state_load. */
int state_verify(const char *path, struct err *e);

/* What state_cut_log did. */
struct state_log_cut {
    int64_t last_step; /* of the lines kept, -1 when there is none: below the state's step, lines are lost */
    uint64_t cut;      /* bytes removed */
};

/* Cuts a log of one JSON object a line behind the last line before the first whose "step" is above `step` (or
 * that is not a whole JSON object), so that the resumed run appends where the state stands. An absent log is
 * fine. Errors: NOT_REGULAR, LINE_LEN (over 1 MiB), IO ...; the log is then whole. */
int state_cut_log(const char *path, int64_t step, struct state_log_cut *out, struct err *e);

#endif
