#include "tests/support/tls.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

struct tls_server {
    SSL_CTX *ctx;
};

static void need(bool ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "TLS for tests: %s\n", what);
    abort();
}

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    need(ext && X509_add_ext(cert, ext, -1), value);
    X509_EXTENSION_free(ext);
}

static X509 *make_certificate(EVP_PKEY *key, const char *host, int days)
{
    char alt[300];
    X509 *cert = X509_new();
    need(cert && X509_set_version(cert, 2) && ASN1_INTEGER_set(X509_get_serialNumber(cert), 1),
         "certificate");
    X509_gmtime_adj(X509_getm_notBefore(cert), -2 * 86400L);
    X509_gmtime_adj(X509_getm_notAfter(cert), days * 86400L);
    X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)host, -1, -1, 0);
    X509_set_issuer_name(cert, name);
    bool address = host[0] >= '0' && host[0] <= '9';
    snprintf(alt, sizeof alt, "%s:%s", address ? "IP" : "DNS", host);
    add_extension(cert, NID_subject_alt_name, alt);
    add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
    need(X509_sign(cert, key, EVP_sha256()), "signing");
    return cert;
}

struct tls_server *tls_make(const char *host, int days, const char *pem)
{
    struct tls_server *t = calloc(1, sizeof *t);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    need(t && key, "key");
    X509 *cert = make_certificate(key, host, days);
    t->ctx = SSL_CTX_new(TLS_server_method());
    need(t->ctx && SSL_CTX_use_certificate(t->ctx, cert) && SSL_CTX_use_PrivateKey(t->ctx, key), "context");
    FILE *f = fopen(pem, "w");
    need(f && PEM_write_X509(f, cert) && !fclose(f), pem);
    X509_free(cert);
    EVP_PKEY_free(key);
    return t;
}

void tls_free(struct tls_server *t)
{
    SSL_CTX_free(t->ctx);
    free(t);
}

void *tls_accept(struct tls_server *t, int fd)
{
    SSL *s = SSL_new(t->ctx);
    if (s && SSL_set_fd(s, fd) && SSL_accept(s) == 1) return s;
    SSL_free(s);
    return NULL;
}

ssize_t tls_send(void *c, const void *data, size_t n)
{
    return SSL_write(c, data, n > 16384 ? 16384 : (int)n);
}

ssize_t tls_recv(void *c, void *data, size_t n)
{
    return SSL_read(c, data, n > 16384 ? 16384 : (int)n);
}

void tls_end(void *c)
{
    SSL_free(c);
}
