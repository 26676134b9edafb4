/* The server's side of TLS, with certificates made on the spot. */
#ifndef TERSE_TESTS_TLS_H
#define TERSE_TESTS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tls_server;

/* A key and a certificate that it signs itself, for `host` ("127.0.0.1": as an address), good from a day ago
 * for `days` days (negative: expired). The certificate is written to `pem` (PEM), for a client to trust.
 * Aborts when it cannot. */
struct tls_server *tls_make(const char *host, int days, const char *pem);
void tls_free(struct tls_server *t);

/* A connection on the socket, after the handshake; NULL when the client does not like us. */
void *tls_accept(struct tls_server *t, int fd);
ssize_t tls_send(void *c, const void *data, size_t n);
ssize_t tls_recv(void *c, void *data, size_t n);
/* Releases it without saying goodbye (no close_notify). */
void tls_end(void *c);

#endif
