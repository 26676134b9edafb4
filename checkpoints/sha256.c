#include "checkpoints/sha256.h"

#include "checkpoints/file.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

static int init(struct sha256 *s, const EVP_MD *how, struct err *e)
{
    s->ctx = EVP_MD_CTX_new();
    if (s->ctx && EVP_DigestInit_ex(s->ctx, how, NULL) == 1) return 0;
    EVP_MD_CTX_free(s->ctx);
    s->ctx = NULL;
    return err_set(e, ERR_NOMEM, "no memory for a digest");
}

int sha256_init(struct sha256 *s, struct err *e)
{
    return init(s, EVP_sha256(), e);
}

int sha1_init(struct sha256 *s, struct err *e)
{
    return init(s, EVP_sha1(), e);
}

int sha1_init_blob(struct sha256 *s, uint64_t size, struct err *e)
{
    char head[32];
    int n = snprintf(head, sizeof head, "blob %llu", (unsigned long long)size);
    int rc = sha1_init(s, e);
    if (!rc) sha256_update(s, head, (size_t)n + 1);
    return rc;
}

void sha256_update(struct sha256 *s, const void *data, size_t n)
{
    if (n) EVP_DigestUpdate(s->ctx, data, n);
}

void sha256_final(struct sha256 *s, char hex[SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char raw[32];
    unsigned n = 0;
    if (!s->ctx) return;
    EVP_DigestFinal_ex(s->ctx, raw, &n);
    EVP_MD_CTX_free(s->ctx);
    s->ctx = NULL;
    if (!hex) return;
    for (unsigned i = 0; i < n; i++) {
        hex[2 * i] = digits[raw[i] >> 4];
        hex[2 * i + 1] = digits[raw[i] & 15];
    }
    hex[2 * n] = 0;
}

int sha256_hex(const void *data, size_t n, char hex[SHA256_HEX], struct err *e)
{
    struct sha256 s;
    int rc = sha256_init(&s, e);
    if (rc) return rc;
    sha256_update(&s, data, n);
    sha256_final(&s, hex);
    return 0;
}

static int hash_fd(int fd, const char *path, unsigned char *block, struct sha256 *s, uint64_t *bytes,
                   struct err *e)
{
    for (*bytes = 0;;) {
        ssize_t got = read(fd, block, BLOCK);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return err_errno(e, errno, "reading %s", path);
        if (got == 0) return 0;
        sha256_update(s, block, (size_t)got);
        *bytes += (uint64_t)got;
    }
}

static int digest_file(const char *path, bool as_blob, char hex[SHA256_HEX], uint64_t *bytes, struct err *e)
{
    struct sha256 s = {NULL};
    unsigned char *block = NULL;
    uint64_t size = 0;
    int fd = -1;
    int rc = file_open(path, &fd, &size, e);
    if (rc) return rc;
    rc = as_blob ? sha1_init_blob(&s, size, e) : sha256_init(&s, e);
    if (rc) goto fail;
    block = malloc(BLOCK);
    if (!block) rc = err_set(e, ERR_NOMEM, "no memory to read %s", path);
    if (!rc) rc = hash_fd(fd, path, block, &s, &size, e);
fail:
    sha256_final(&s, rc ? NULL : hex);
    if (!rc && bytes) *bytes = size;
    free(block);
    close(fd);
    return rc;
}

int sha256_file(const char *path, char hex[SHA256_HEX], uint64_t *bytes, struct err *e)
{
    return digest_file(path, false, hex, bytes, e);
}

int sha1_file_blob(const char *path, char hex[SHA256_HEX], struct err *e)
{
    return digest_file(path, true, hex, NULL, e);
}

int sha256_is_hex(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}
