/* A server on this machine that does to its clients whatever a test says: real sockets, a thread a
 * connection. It allocates nothing once it runs and uses none of the calls that tests/fault makes fail. */
#ifndef TERSE_TESTS_HTTP_SERVER_H
#define TERSE_TESTS_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_request {
    int number;        /* of the server's life, from 1 */
    char path[1024];   /* with its query */
    bool ranged;       /* "Range: bytes=..." */
    uint64_t from, to; /* of it; to: the last byte, UINT64_MAX open; "-n" is from UINT64_MAX, to n */
    char if_range[300], authorization[300], host[300];
};

struct http_conn {
    int fd;
    void *tls;   /* tests/support/tls.h; NULL: in the clear */
    bool keep;   /* the handler may set it: more requests may follow on this connection */
    bool broken; /* sending failed: the client has gone */
    struct http_server *server;
};

typedef void http_handler(struct http_conn *c, const struct http_request *r, void *ctx);

struct http_server {
    int port;
    http_handler *handler;
    void *ctx;
    struct tls_server *tls; /* NULL: http */
    _Atomic int requests;
    _Atomic uint64_t body; /* bytes of bodies sent by http_body and http_file */
    int listener;          /* private from here on */
    unsigned long accepter;
    _Atomic int open, stopping;
    _Atomic int fds[256];
    struct http_slot {
        struct http_server *server;
        int slot;
    } slots[256]; /* what threads are started with */
};

/* Serves on a free port of 127.0.0.1. Aborts when it cannot. */
void http_start(struct http_server *s, http_handler *handler, void *ctx);
/* Closes everything and waits for all threads. */
void http_stop(struct http_server *s);

/* Waits until no connection is open: the clients have gone. */
void http_idle(const struct http_server *s);

/* What handlers send. */
void http_send(struct http_conn *c, const void *data, size_t n);
void http_print(struct http_conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, counted as a body. */
void http_body(struct http_conn *c, const void *data, size_t n);
/* The right answer for a file: 200, 206 or 416, If-Range respected. `most`: cut the body there. */
void http_file(struct http_conn *c, const struct http_request *r, const void *data, size_t n,
               const char *etag, size_t most);
/* Closes at once with a reset; what the client has not read is lost. */
void http_reset(struct http_conn *c);
/* Says no more until the client closes the connection. */
void http_silence(struct http_conn *c);

/* Loopback is reached without a proxy, whatever the environment says. */
void http_no_proxy(void);

#endif
