/* SHA-256 (FIPS 180-4) in plain C, for devices: checkpoints/sha256.h has libcrypto's, which is faster. */
#ifndef TERSE_INFER_DIGEST_H
#define TERSE_INFER_DIGEST_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_HEX = 65 }; /* 64 hex digits and a NUL */

struct digest {
    uint32_t h[8];
    uint64_t bytes;
    unsigned char block[64];
};

void digest_init(struct digest *d);
void digest_update(struct digest *d, const void *data, size_t n);
/* A text with its NUL, so that what follows is told apart. */
void digest_text(struct digest *d, const char *text);
void digest_final(struct digest *d, char hex[DIGEST_HEX]);

/* Of a regular file, and its bytes. Errors: those of map_open, CHANGED. */
int digest_file(const char *path, char hex[DIGEST_HEX], uint64_t *bytes, struct err *e);

#endif
