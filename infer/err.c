#include "infer/err.h"
#include "infer/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct kind_text {
    const char *name, *text;
};

static const struct kind_text kinds[ERR_COUNT_] = {{"OK", "no error"},
#define X(kind, text) {#kind, text},
                                                   ERR_LIST(X)
#undef X
};

static const struct kind_text *kind_of(int code)
{
    static const struct kind_text unknown = {"?", "unknown error"};
    return code > 0 || code <= -ERR_COUNT_ ? &unknown : &kinds[-code];
}

const char *err_name(int code)
{
    return kind_of(code)->name;
}

const char *err_text(int code)
{
    return kind_of(code)->text;
}

static void make_printable(char *s)
{
    for (size_t left = strlen(s); left; s++, left--)
        for (size_t n = utf8_control(s, left); n; n--) s[n - 1] = '?';
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
    if (!e || e->code) return code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->msg, sizeof e->msg, fmt, ap);
    va_end(ap);
    make_printable(e->msg);
    e->code = code;
    return code;
}

static int code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
        return ERR_FILE_MISSING;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_EACCES;
    case ENOSPC:
    case EDQUOT:
        return ERR_ENOSPC;
    case EIO:
        return ERR_EIO;
    case ENOMEM:
        return ERR_NOMEM;
    case EEXIST:
        return ERR_EXISTS;
    default:
        return ERR_IO;
    }
}

int err_errno(struct err *e, int errnum, const char *fmt, ...)
{
    char what[768];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return err_set(e, code_of_errno(errnum), "%s: %s", what, strerror(errnum));
}
