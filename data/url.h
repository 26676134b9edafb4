/* Addresses in place of file names. Only https is taken, never with a password, and only with the digest of
 * what it must deliver: https://HOST/FILE#sha256=64-HEX-DIGITS. */
#ifndef TERSE_DATA_URL_H
#define TERSE_DATA_URL_H

#include "infer/err.h"

#include <stdbool.h>
#include <stddef.h>

/* True for "scheme://...". */
bool url_is(const char *text);

/* 0 for a sound address; URL_SCHEME, URL_CRED or URL_HASH. `what` ("dataset (run.yaml:3)") opens the message,
 * which never shows a password. */
int url_check(const char *url, const char *what, struct err *e);

/* The digest behind "#sha256=", in lower case, into hex[65], or "" where there is no fragment. Returns the
 * bytes in front of the fragment, or 0 for another fragment. */
size_t url_digest(const char *url, char hex[65]);

#endif
