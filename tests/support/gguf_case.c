#include "tests/support/gguf_case.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int check(const char *id, int rc, int code, const struct err *e, const char *says,
                 const struct gguf *g)
{
    if (rc == code && !g == (rc != 0) && (!code || strstr(e->msg, says))) return 0;
    print_error("%s: got %s \"%s\", expected %s naming \"%s\"\n", id, err_name(rc), e->msg, err_name(code),
                says);
    return 1;
}

int gguf_case(const char *id, struct gguf_bytes *b, int code, const char *says)
{
    struct gguf *g;
    struct err in_memory = {0}, in_file = {0};
    char *exact = malloc(b->n + !b->n); /* so that a sanitiser sees the first byte too many */
    if (b->n) memcpy(exact, b->data, b->n);
    int rc = gguf_open_memory(&g, exact, b->n, "memory", &in_memory);
    int bad = check(id, rc, code, &in_memory, says, g);
    gguf_close(g);
    rc = gguf_open(&g, scratch_write("case.gguf", exact, b->n), &in_file);
    bad |= check(id, rc, code, &in_file, says, g);
    gguf_close(g);
    if (rc && !strstr(in_file.msg, "case.gguf")) bad = 1, print_error("%s: the message names no file\n", id);
    free(exact);
    gb_free(b);
    return bad;
}
