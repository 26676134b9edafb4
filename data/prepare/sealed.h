/* Small files between the stages of a build: whole or not there, and of one purpose.
 *
 *     "terse-" kind, padded with zeros to 32 bytes | key, 64 hex digits | payload | sha256 of all before, hex
 *
 * They never leave the machine that made them, so numbers in the payload are as memory has them. */
#ifndef TERSE_DATA_PREPARE_SEALED_H
#define TERSE_DATA_PREPARE_SEALED_H

#include "checkpoints/file.h"
#include "checkpoints/sha256.h"

#include <stdbool.h>
#include <stddef.h>

enum { SEALED_HEAD = 96, SEALED_TAIL = 64 };

/* Writes PATH whole (checkpoints/file.h). kind: at most 24 bytes. */
int sealed_save(const char *path, const char *kind, const char *key, const void *data, size_t n,
                struct err *e);
/* Reads it: *file is the caller's to free, the payload *n bytes from file + SEALED_HEAD on. Errors: those of
 * file_load; MAGIC (another kind), HASH (damaged, or of another key). */
int sealed_load(const char *path, const char *kind, const char *key, char **file, size_t *n, struct err *e);

#endif
