/* SHA-256 over libcrypto (FIPS 180-4). Digests are lower-case hex, 64 characters and a NUL. */
#ifndef TERSE_CHECKPOINTS_SHA256_H
#define TERSE_CHECKPOINTS_SHA256_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

enum { SHA256_HEX = 65, SHA1_HEX = 41 };

/* A digest in progress. Between sha256_init and sha256_final it owns memory of libcrypto. */
struct sha256 {
    void *ctx;
};

/* Starts a digest. Returns 0, or ERR_NOMEM and *s is empty: nothing to release. */
int sha256_init(struct sha256 *s, struct err *e);
/* The same with SHA-1, about three times as fast: 40 digits, good against accidents, not against those who
 * forge. */
int sha1_init(struct sha256 *s, struct err *e);
/* The same for the name that git gives a file of `size` bytes: SHA-1 over "blob SIZE", a NUL and the bytes.
 * */
int sha1_init_blob(struct sha256 *s, uint64_t size, struct err *e);
/* Adds `n` bytes of `data` (may be NULL when n is 0). */
void sha256_update(struct sha256 *s, const void *data, size_t n);
/* Writes the digest to `hex` (NULL: throws it away) and releases *s. On an empty *s it does nothing. */
void sha256_final(struct sha256 *s, char hex[SHA256_HEX]);

/* The digest of `n` bytes. Returns 0 or ERR_NOMEM. */
int sha256_hex(const void *data, size_t n, char hex[SHA256_HEX], struct err *e);

/* The digest of a regular file, read in blocks of 1 MiB. *bytes (may be NULL) gets the bytes read.
 * Errors: FILE_MISSING, EACCES, NOT_REGULAR, EIO, NOMEM; `hex` is then untouched. */
int sha256_file(const char *path, char hex[SHA256_HEX], uint64_t *bytes, struct err *e);

/* The name that git gives a regular file, 40 digits. Errors: as sha256_file. */
int sha1_file_blob(const char *path, char hex[SHA256_HEX], struct err *e);

/* 1 when `text` is 64 lower-case hex digits. */
int sha256_is_hex(const char *text);

#endif
