/* Addresses as the library that connects reads them, so that what is checked is what is connected to. */
#ifndef TERSE_DATA_FETCH_TRANSFER_URL_H
#define TERSE_DATA_FETCH_TRANSFER_URL_H

#include "data/fetch/reply.h" /* HTTP_URL */

struct sockaddr;

/* Who answers: scheme, host, port. */
struct origin {
    bool tls; /* https, else http */
    char host[256], port[8];
};

/* The origin of an address. Errors, whose messages never show a password: URL_SCHEME (neither http nor https,
 * or no address at all), URL_CRED, NOMEM. */
int origin_of(struct origin *o, const char *url, struct err *e);
bool origin_same(const struct origin *a, const struct origin *b);

/* An address made of parts. ERR_PATH if it is too long. */
int url_print(char out[HTTP_URL], struct err *e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* `relative` as seen from `base`, both of at most HTTP_URL - 1 bytes, into out. Errors: URL_SCHEME, NOMEM. */
int url_join(char out[HTTP_URL], const char *base, const char *relative, struct err *e);

/* True for the address, or the host's name, of this machine, of a private or link-local network, of a group:
 * what a server elsewhere has no business to send us to. A name is judged only by being "localhost" or an
 * address; what it resolves to is judged when connecting. */
bool address_private(const struct sockaddr *a);
bool host_private(const char *host);
int address_port(const struct sockaddr *a); /* -1: it has none */

#endif
