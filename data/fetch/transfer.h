/* GET over HTTP, several at a time, through libcurl: one attempt each, with its redirects.
 *
 * Every redirect is judged before it is followed: https only, or http from http between hosts that the user
 * named; never to a private address that the user did not name; the token goes to the hub it is for and to
 * nobody else. Bodies come as they are: nothing is decompressed, no cookies, no passwords from files. */
#ifndef TERSE_DATA_FETCH_TRANSFER_H
#define TERSE_DATA_FETCH_TRANSFER_H

#include "data/fetch/reply.h"

#include <stdbool.h>
#include <stdint.h>

struct transfers;

struct transfer_limits {
    double connect_seconds; /* until there is a connection */
    double stall_seconds;   /* below stall_rate (bytes a second) for so long: given up */
    uint64_t stall_rate;
    int redirects;       /* at most so many in a row */
    const char *ca_file; /* certificates to trust in place of the system's; NULL; the caller's */
};

/* A GET. The caller's memory, zeroed but for the first block; stays in place until it is finished. */
struct transfer {
    char url[HTTP_URL];   /* becomes the address redirected to */
    const char *range;    /* "5-", "0-99", "-99", or NULL for everything */
    const char *if_range; /* a strong ETag: everything, if the file is another one; or NULL */
    /* The headers are here (`reply`), of the last answer in a row of redirects: 0 to take the body, or an
     * error. */
    int (*head)(struct transfer *t, struct err *e);
    /* The next n bytes of the body: 0, or an error. */
    int (*body)(struct transfer *t, const void *data, size_t n, struct err *e);
    void *owner; /* the caller's */

    struct http_reply reply;
    struct err err;     /* once finished; code 0: all that was promised has come */
    bool transient;     /* after an error of the network's: another attempt may fare better */
    double retry_after; /* seconds that the server asks to wait, 0 if it does not */

    struct transfers *set; /* private from here on */
    void *easy, *fields;
    int hops, socket;                /* -1: not one of its own */
    uint64_t body_bytes, wire_bytes; /* taken, and seen on the wire */
    bool tls, named, moved, more, private_seen, stop;
    char why[256];
};

/* `limits` is copied. Errors: NOMEM, INTERNAL. */
int transfers_open(struct transfers **out, const struct transfer_limits *limits, struct err *e);
void transfers_close(struct transfers *s); /* NULL ok; stops what is running */

/* The user named this address himself: http and private networks are allowed for its scheme, host and port.
 * Errors: those of origin_of, TOO_MANY. */
int transfers_name(struct transfers *s, const char *url, struct err *e);
/* Sends "Authorization: Bearer TOKEN" to the origin of `url`, and nowhere else. Plain http only to this
 * machine. Errors: USAGE (a character that no token has; it is not shown), URL_SCHEME, those of origin_of. */
int transfers_token(struct transfers *s, const char *url, const char *token, struct err *e);

/* Starts one. On failure (URL_SCHEME, URL_HOST, URL_CRED, NOMEM, INTERNAL) it is not started. */
int transfers_start(struct transfers *s, struct transfer *t, struct err *e);
/* Works on all of them for at most `seconds`, or until one is finished: *done is it, else NULL. */
int transfers_wait(struct transfers *s, double seconds, struct transfer **done, struct err *e);
/* Drops one that is running. */
void transfers_stop(struct transfers *s, struct transfer *t);

#endif
