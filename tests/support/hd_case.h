/* Cases of section HD: a server that misbehaves in one way, and what a download makes of it. */
#ifndef TERSE_TESTS_HD_CASE_H
#define TERSE_TESTS_HD_CASE_H

#include "tests/support/fetch_rig.h"

enum { HD_SIZE = 40000, HD_HALF = HD_SIZE / 2 };
extern unsigned char hd_file[HD_SIZE], hd_other[HD_SIZE]; /* the right file; another one */
extern char hd_digest[SHA256_HEX];                        /* of the right one */

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n"
#define UNUSED  __attribute__((unused))
#define HANDLER(name)                                                                                        \
    static void name(UNUSED struct http_conn *c, UNUSED const struct http_request *r, UNUSED void *ctx)

/* A server without a fault. */
void hd_good(struct http_conn *c, const struct http_request *r);
/* Of the first request half the body comes. */
bool hd_half(struct http_conn *c, const struct http_request *r);

/* UNKNOWN: nobody knows size and digest before. STALLS: a second without bytes ends an attempt. */
enum { UNKNOWN = 1, STALLS = 2 };

struct hd_row {
    const char *id;
    http_handler *handler;
    int code;         /* 0: the right file is there */
    const char *says; /* in the message; of what went well in the end: the kind of a failed attempt */
    int requests;     /* exactly so many; 0: not counted */
    unsigned how;
};

/* A program of rows: downloads from every row's server, and fails naming the row. Returns as main(). */
int hd_main(const struct hd_row *rows, size_t n);

#endif
