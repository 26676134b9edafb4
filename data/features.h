/* Feature shards: what small heads learn from. Pooled hidden states of prompts (switcher) or of finished
 * chains (verifier) at several depths, with what is known of each. A folder of HDF5 files with zstd beside a
 * manifest.json that holds the sha256 of each; no shard is opened before its digest is checked.
 *
 *     manifest.json    {"format": "terse-features", "version", "task", "base", "tokenizer", "adapter",
 *                       "pooling", "wording", "made", "width", "depths": [..],
 *                       "shards": [{"name", "sha256", "docs" (rows), "tokens" (of their prompts)}]}
 *     shard-00000.h5   states_0, states_1 ..: f32 [rows * width], one for each depth, in the order of depths;
 *                      group, text u64, prompt_tokens, base_tokens, adapter_tokens, chain u32, answer i32,
 *                      label, base_right, adapter_right u8 (2: unknown), each [rows];
 *                      depths u32[]; attributes version, width, task, base, tokenizer, adapter, pooling,
 *                      wording, made */
#ifndef TERSE_DATA_FEATURES_H
#define TERSE_DATA_FEATURES_H

#include "infer/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FEATURES_VERSION = 1, FEATURES_DEPTHS_MAX = 64, FEATURES_WIDTH_MAX = 1 << 20 };
enum { FEATURES_SHARD = 16 << 20 }; /* a shard is closed once it holds that many numbers: 64 MB */

/* Where features come from; strings are copied when written, and owned by the reader when read. */
struct features_origin {
    const char *task;       /* "switcher", "verifier" */
    const char *base;       /* digest of the base model */
    const char *tokenizer;  /* digest of the tokenizer */
    const char *adapter;    /* digest of the adapter; "" for states of the base alone */
    const char *pooling;    /* "last", "mean", "ema" */
    const char *wording;    /* of the verification prompt, whole; "" for none */
    const char *made;       /* digest of all that decided the rows, beside the above; "" unknown */
    const uint32_t *depths; /* [n_depths], each once: where in the model (infer/states.h) */
    uint32_t n_depths, width;
};

enum { FEATURE_UNKNOWN = 2 }; /* a label, or whether an answer was right, that nobody measured */

/* What is known of a row. */
struct feature {
    uint64_t group;                       /* the problem: rows of one problem are never split */
    uint64_t text;                        /* of the prompt or chain: its row in the source, or a hash */
    uint32_t prompt_tokens;               /* >= 1 */
    uint32_t base_tokens, adapter_tokens; /* of the answer without and with the adapter; 0: not measured */
    uint32_t chain;                       /* which of the problem's chains; 0 for a prompt */
    int32_t answer; /* class of the answer within the problem (infer/vote.h), or -1: none */
    uint8_t label;  /* 0, 1, FEATURE_UNKNOWN: what a head is to learn */
    uint8_t base_right, adapter_right; /* likewise: was that answer right */
};

/* Whether states of two sets may be taken together: all of the above but `made`. */
bool features_origin_alike(const struct features_origin *a, const struct features_origin *b);
/* Whether the sets are the same, row by row: `made` known and the same too. */
bool features_origin_same(const struct features_origin *a, const struct features_origin *b);

/* ---- writing ------------------------------------------------------------------------------------------- */

struct features_writer;

/* Starts a set in DIR.tmp, or goes on with the rows that were left there by a writer of the same origin
 * (features_origin_same) that was stopped; what else stands there is removed. *origin must outlive the
 * writer. Errors: FIELD_RANGE (no depth, one twice, width 0, ..), LOCKED, those of writing. *out is then
 * NULL. */
int features_writer_open(struct features_writer **out, const char *dir, const struct features_origin *origin,
                         struct err *e);
/* Rows there are: not 0 at the start where the writer goes on. */
uint64_t features_writer_count(const struct features_writer *w);
/* Appends a row, copied; x [n_depths][width]. Errors: FIELD_RANGE, NONFINITE (names the depth), those of
 * writing; the set is then only good for abort. */
int features_writer_add(struct features_writer *w, const struct feature *row, const float *x, struct err *e);
/* Writes what is left and the manifest, fsyncs, and renames DIR.tmp to DIR (an old DIR is replaced). `w` is
 * freed either way; on an error DIR is what it was and DIR.tmp is gone. DATA_EMPTY without rows. */
int features_writer_commit(struct features_writer *w, struct err *e);
void features_writer_abort(struct features_writer *w); /* removes DIR.tmp and frees; NULL ok */
/* Stops with the rows so far in DIR.tmp, to be gone on with; `w` is freed either way. A process that is
 * killed, or could not write the last one, leaves those of whole shards. Errors: those of writing. */
int features_writer_leave(struct features_writer *w, struct err *e);
/* How a loop over rows that came to `rc` ends: commits after 0; after ERR_INTERRUPTED leaves all rows, after
 * another error, of its own too, those of whole shards. Returns rc, or what went wrong in ending. */
int features_writer_end(struct features_writer *w, int rc, struct err *e);

/* ---- reading ------------------------------------------------------------------------------------------- */

struct features;

/* Opens a set: manifest, every shard's digest, what is known of the rows, not the states. Errors:
 * FILE_MISSING, MAGIC, VERSION, HASH (a shard differs from its digest), DATA_HASH (a shard of another
 * origin), H5_*, FIELD_*, JSON_*; *out is then NULL. */
int features_open(struct features **out, const char *dir, struct err *e);
void features_close(struct features *f); /* NULL ok */

const struct features_origin *features_origin(const struct features *f);
uint32_t features_count(const struct features *f);             /* rows */
const struct feature *features_rows(const struct features *f); /* [count], owned by f */
/* sha256 (hex) of the manifest: changes with any byte of any shard. Owned by f. */
const char *features_digest(const struct features *f);
/* Reads the states at depths[k] of all rows into out [count][width]. Digests are checked again. Errors: HASH,
 * H5_*, ZSTD, BOMB, NONFINITE (names row and column). */
int features_states(const struct features *f, uint32_t k, float *out, struct err *e);

/* ---- splitting ----------------------------------------------------------------------------------------- */

enum features_part { FEATURES_TRAIN, FEATURES_VALID, FEATURES_TEST };

/* The part a problem belongs to, by (group, seed) alone: `train` and `valid` are the shares of the first two,
 * as probabilities; the rest is for the test. So parts do not change when rows are added. */
enum features_part features_part(uint64_t group, uint64_t seed, double train, double valid);
/* Numbers of the rows of one part whose label is known, ascending, into pick [count]; returns how many. */
uint32_t features_pick(const struct features *f, uint64_t seed, double train, double valid,
                       enum features_part part, uint32_t *pick);

#endif
