/* Any bytes as a file of conversations in JSON, plain or compressed: open it, which counts its rows, read
 * them, go back to the middle. What is read is the same from there, and all of it UTF-8. */
#include "data/conversations.h"
#include "infer/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok)
{
    if (!ok) __builtin_trap();
}

static size_t check_text(struct conv_text t)
{
    check(t.s ? utf8_valid(t.s, t.n) : !t.n);
    return t.n;
}

/* Reads what is left; returns its bytes of text, and how many rows. */
static size_t read_rows(struct conv_file *f, uint64_t *rows, int *code)
{
    struct conv_row r;
    struct err e = {0};
    size_t bytes = 0;
    for (*rows = 0; (*code = conv_next(f, &r, &e)) == 1; ++*rows) {
        check(r.has_turns ? r.turns != NULL : !r.n_turns);
        bytes += check_text(r.source) + check_text(r.domain);
        for (size_t i = 0; i < r.n_turns; i++)
            bytes += check_text(r.turns[i].from) + check_text(r.turns[i].value);
    }
    check(!*code || (e.code == *code && *e.msg));
    return bytes;
}

static void read_file(const char *path)
{
    struct conv_file *f;
    struct err e = {0};
    uint64_t rows, again;
    int code;
    if (conv_open(&f, path, &e)) {
        check(e.code && *e.msg);
        return;
    }
    size_t bytes = read_rows(f, &rows, &code);
    check(code || rows == conv_rows(f));
    if (!code) {
        check(!conv_seek(f, rows / 2, &e));
        check(read_rows(f, &again, &code) <= bytes && !code && again == rows - rows / 2);
        check(!conv_seek(f, 0, &e) && read_rows(f, &again, &code) == bytes && again == rows);
    }
    conv_close(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("rows", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (ftruncate(fd, 0) || pwrite(fd, data, n, 0) != (ssize_t)n) abort();
    if (n < 4 || memcmp(data, "PAR1", 4)) read_file(path);
    return 0;
}
