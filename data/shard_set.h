/* What every folder of HDF5 shards has in common: it is written aside under a lock, each file has its digest
 * in the manifest, and none is opened before that was checked. Private to shards*.c and features*.c. */
#ifndef TERSE_DATA_SHARD_SET_H
#define TERSE_DATA_SHARD_SET_H

#include "checkpoints/file.h"
#include "checkpoints/sha256.h"
#include "infer/tensor.h"

#include <stddef.h>
#include <stdint.h>

enum { SHARDS_MAX = 1 << 20 };

struct shard_entry {
    char name[32]; /* "shard-00000.h5" */
    char hash[SHA256_HEX];
    uint64_t docs, tokens;
};

/* ---- writing: DIR.tmp, then DIR ------------------------------------------------------------------------ */

struct shard_set {
    char dir[FILE_PATH], temp[FILE_PATH];
    struct file_lock lock; /* DIR.lock: two writers of one set would mix their files */
    struct shard_entry *entries;
    size_t n, cap;
};

/* Takes the lock and an empty DIR.tmp. ERR_LOCKED, errors of writing; nothing is then to be released. */
int shard_set_open(struct shard_set *s, const char *dir, struct err *e);
/* The same in two steps, for who looks first at what stands in DIR.tmp: the lock, and DIR.tmp made empty. */
int shard_set_take(struct shard_set *s, const char *dir, struct err *e);
int shard_set_clear(struct shard_set *s, struct err *e);
/* After `why` nothing in DIR.tmp can be gone on with: shard_set_clear. But what could not even be looked at
 * (no memory, permission, a disk's error) stays: *s is released and *e = *why. */
int shard_set_give_up(struct shard_set *s, const struct err *why, struct err *e);
/* The next shard's path and entry, whose docs and tokens are the caller's to fill. TOO_MANY, NOMEM, PATH. */
int shard_set_next(struct shard_set *s, char path[FILE_PATH], struct shard_entry **entry, struct err *e);
/* After the file was written: fsync, and its digest into the entry. */
int shard_set_seal(const char *path, struct shard_entry *entry, struct err *e);
/* After the manifest was written to `temp`: renames it to DIR. *s is released either way; after an error DIR
 * is what it was and DIR.tmp is gone. */
int shard_set_commit(struct shard_set *s, struct err *e);
void shard_set_abort(struct shard_set *s); /* removes DIR.tmp, releases */
void shard_set_leave(struct shard_set *s); /* releases; DIR.tmp stays */

/* ---- the manifest's list of them ----------------------------------------------------------------------- */

struct js;
struct js_out;

/* The key "shards" of the object that is open. */
void shard_entries_put(struct js_out *w, const struct shard_entry *entries, size_t n);
/* *entries[*n] is the caller's to free, NULL after an error. FIELD_*, DATA_EMPTY, TOO_MANY, PATH (a name that
 * is not ours), NOMEM. */
int shard_entries_get(const struct js *root, const char *path, struct shard_entry **entries, size_t *n,
                      struct err *e);
/* The key "sha256" of an object, 64 hex digits. */
int shard_need_hash(const struct js *o, const char *path, const char **out, struct err *e);
/* A manifest of this format and version. MAGIC, VERSION, FIELD_*. */
int shard_manifest_check(const struct js *root, const char *path, const char *format, int version,
                         struct err *e);

/* ---- reading ------------------------------------------------------------------------------------------- */

struct hdf5;

/* ERR_HASH unless the file has this digest, or that of its entry. */
int shard_check_hash(const char *path, const char *want, struct err *e);
int shard_check_digest(const char *path, const struct shard_entry *entry, struct err *e);
/* Reads a whole column that must have `n` elements, every chunk of it in the file; *out is the caller's to
 * free, also after an error. `shard` is for messages. */
int shard_read_column(struct hdf5 *h5, const char *shard, const char *name, enum dtype t, uint64_t n,
                      void **out, struct err *e);

#endif
