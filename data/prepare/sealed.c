#include "data/prepare/sealed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 30 };

static void head_make(char head[SEALED_HEAD], const char *kind, const char *key)
{
    memset(head, 0, SEALED_HEAD);
    snprintf(head, 32, "terse-%s", kind);
    memcpy(head + 32, key, 64);
}

int sealed_save(const char *path, const char *kind, const char *key, const void *data, size_t n,
                struct err *e)
{
    char head[SEALED_HEAD], hex[SHA256_HEX];
    struct sha256 s;
    struct file_out f;
    head_make(head, kind, key);
    int r = sha256_init(&s, e);
    if (r) return r;
    sha256_update(&s, head, sizeof head);
    sha256_update(&s, data, n);
    sha256_final(&s, hex);
    r = file_out_open(&f, path, e);
    if (r) return r;
    r = file_out_write(&f, head, sizeof head, e);
    if (!r) r = file_out_write(&f, data, n, e);
    if (!r) r = file_out_write(&f, hex, SEALED_TAIL, e);
    if (!r) return file_out_commit(&f, e);
    file_out_abort(&f);
    return r;
}

int sealed_load(const char *path, const char *kind, const char *key, char **file, size_t *n, struct err *e)
{
    char head[SEALED_HEAD], hex[SHA256_HEX];
    size_t size = 0;
    *file = NULL;
    head_make(head, kind, key);
    int r = file_load(path, MOST, file, &size, e);
    if (r) return r;
    if (size < SEALED_HEAD + SEALED_TAIL || memcmp(*file, head, 32) != 0)
        r = err_set(e, ERR_MAGIC, "%s is no file of %s", path, kind);
    if (!r) r = sha256_hex(*file, size - SEALED_TAIL, hex, e);
    if (!r &&
        (memcmp(*file + size - SEALED_TAIL, hex, SEALED_TAIL) != 0 || memcmp(*file, head, sizeof head) != 0))
        r = err_set(e, ERR_HASH, "%s is damaged, or was made of something else", path);
    *n = r ? 0 : size - SEALED_HEAD - SEALED_TAIL;
    if (!r) return 0;
    free(*file);
    *file = NULL;
    return r;
}
