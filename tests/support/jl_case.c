#include "tests/support/jl_case.h"
#include "data/conversations.h"
#include "tests/support/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

int jl_read(const char *path, uint64_t *rows, struct err *e)
{
    struct conv_file *f;
    struct conv_row row;
    int code = conv_open(&f, path, e);
    *rows = 0;
    if (code) return code;
    while ((code = conv_next(f, &row, e)) == 1) ++*rows;
    conv_close(f);
    return code;
}

int jl_check(const char *id, const char *path, int code, const char *says)
{
    uint64_t rows;
    struct err e = {0};
    double start = cpu_seconds();
    int got = jl_read(path, &rows, &e);
    bool named = !got || strstr(e.msg, path);
    if (got == code && e.code == code && strstr(e.msg, says) && named && cpu_seconds() - start < slowness() &&
        (code || rows))
        return 0;
    print_error("%s: expected %s '%s', got %s: %s\n", id, err_name(code), says, err_name(got), e.msg);
    return 1;
}
