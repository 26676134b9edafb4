/* The safetensors format: u64 N (little-endian), N bytes of JSON header {"name": {"dtype", "shape",
 * "data_offsets": [begin, end]}, "__metadata__": {string: string}}, data. Offsets count from the end of the
 * header; the tensors cover the data from its first byte to the file's last, without holes or overlap.
 *
 * The reader accepts what the reference reader accepts, less a few things nobody writes and attackers like:
 * duplicate names, unknown fields, NUL in names, a header that is mostly spaces, millions of entries. It
 * needs 64 MiB and the header's length of memory at most, whatever the file.
 *
 * Data is mapped, not read. Should the file be cut short while somebody looks at it, the missing pages read
 * as zeros (infer/map.h) and safetensors_intact() says so: call it once after the last use of the data.
 */
#ifndef TERSE_CHECKPOINTS_SAFETENSORS_H
#define TERSE_CHECKPOINTS_SAFETENSORS_H

#include "infer/err.h"
#include "infer/tensor.h"

enum {
    SAFETENSORS_MAX_HEADER = 100000000, /* bytes */
    SAFETENSORS_MAX_VALUES = 1 << 21,   /* JSON values in it, keys counted: about 170,000 tensors */
    SAFETENSORS_MAX_NAME = 1024,        /* bytes of a tensor's name */
    SAFETENSORS_MAX_SPACES = 1 << 20,   /* in the header, unless they are less than half of it */
};

struct safetensors; /* an open, validated file; immutable, so threads may share it */

/* Opens, maps and validates a regular file (HOSTILE_INPUTS ST). *out is the caller's to close.
 * Errors: FILE_MISSING, EACCES, NOT_REGULAR, CHANGED, NOMEM, TOO_LARGE, TOO_MANY, UTF8, DEPTH, DUP_KEY,
 * HDR_*, JSON_*, NAME_*, META_TYPE, FIELD_*, DTYPE, SHAPE_INT, RANK, OVERFLOW, SUBBYTE, OFFSETS,
 * SIZE_MISMATCH, DATA_PAST_EOF, OVERLAP, HOLE, TRAILING. *out is then NULL. */
int safetensors_open(struct safetensors **out, const char *path, struct err *e);
/* The same for a file in memory, which must outlive *out. `label` names it in messages. */
int safetensors_open_memory(struct safetensors **out, const void *file, size_t n, const char *label,
                            struct err *e);
/* NULL is fine. Tensors, names and data of the file are gone afterwards. */
void safetensors_close(struct safetensors *f);

/* 0 when the file is still as it was opened; ERR_CHANGED when it was cut or written to meanwhile. */
int safetensors_intact(const struct safetensors *f, struct err *e);

size_t safetensors_count(const struct safetensors *f);
/* Tensor i < count, in the order of the data. Everything in it is owned by f. */
const struct tensor *safetensors_at(const struct safetensors *f, size_t i);
/* The tensor of that name, or NULL. */
const struct tensor *safetensors_find(const struct safetensors *f, const char *name);
/* The value of a __metadata__ key, or NULL. Owned by f. */
const char *safetensors_meta(const struct safetensors *f, const char *key);
/* Bytes of the tensors together. */
uint64_t safetensors_data_bytes(const struct safetensors *f);

/* Writes bytes [offset, offset + n) of tensor t[i] to dst (little-endian, as in the file). Called for the
 * tensors in the order of the file, and within one from its beginning; n is at most SAFETENSORS_CHUNK and a
 * multiple of the element's size. Returns 0 or an error, which ends the writing. */
typedef int safetensors_fill(void *ctx, size_t i, uint64_t offset, void *dst, size_t n, struct err *e);
enum { SAFETENSORS_CHUNK = 4 << 20 };

/* Writes a file whole or not at all (checkpoints/file.h), its tensors in the order of the reference writer:
 * descending width of the element, then name. `meta` is {key, value, ..., NULL}, or NULL for none.
 * Tensors need unique names and bytes that agree with type and shape. Errors: DUP_KEY, SIZE_MISMATCH,
 * NOMEM, UTF8, NAME_*, HDR_TOO_LARGE, OVERFLOW, those of file_out_*; the old file is then untouched. */
int safetensors_save(const char *path, const struct tensor *t, size_t n, const char *const *meta,
                     struct err *e);
/* The same with data made on the fly: t[i].data is not looked at. Needs one chunk of memory. */
int safetensors_save_stream(const char *path, const struct tensor *t, size_t n, const char *const *meta,
                            safetensors_fill *fill, void *ctx, struct err *e);

#endif
