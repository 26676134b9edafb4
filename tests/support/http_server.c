#include "tests/support/http_server.h"
#include "tests/support/tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SLOTS = sizeof((struct http_server *)0)->fds / sizeof(_Atomic int), HEAD_MAX = 8192 };

static void die(const char *what)
{
    perror(what);
    abort();
}

/* ---- sending ----------------------------------------------------------------------------------------- */

void http_send(struct http_conn *c, const void *data, size_t n)
{
    const char *p = data;
    while (n && !c->broken) {
        ssize_t put = c->tls ? tls_send(c->tls, p, n) : send(c->fd, p, n, MSG_NOSIGNAL);
        c->broken = put <= 0;
        if (put > 0) p += put, n -= (size_t)put;
    }
}

void http_print(struct http_conn *c, const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof text) abort();
    const char *rest = strstr(text, "\r\n");
    bool answer = rest && !strncmp(text, "HTTP/1.1 ", 9) && text[9] != '1';
    if (answer && !c->keep) { /* said, or the client would send its next request into a closing connection */
        static const char last[] = "\r\nConnection: close";
        http_send(c, text, (size_t)(rest - text));
        http_send(c, last, sizeof last - 1);
        http_send(c, rest, (size_t)(text + n - rest));
    } else {
        http_send(c, text, (size_t)n);
    }
}

void http_body(struct http_conn *c, const void *data, size_t n)
{
    http_send(c, data, n);
    if (!c->broken) c->server->body += n;
}

void http_file(struct http_conn *c, const struct http_request *r, const void *data, size_t n,
               const char *etag, size_t most)
{
    bool ranged = r->ranged && (!*r->if_range || !strcmp(r->if_range, etag));
    uint64_t from = 0, last = n - 1;
    if (ranged && r->from == UINT64_MAX)
        from = r->to < n ? n - r->to : 0;
    else if (ranged)
        from = r->from, last = r->to < n - 1 ? r->to : n - 1;
    if (ranged && from >= n) {
        http_print(c, "HTTP/1.1 416 No\r\nContent-Range: bytes */%zu\r\nContent-Length: 0\r\n\r\n", n);
        return;
    }
    size_t length = (size_t)(last - from + 1);
    http_print(c, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nETag: %s\r\n", ranged ? "206 Part" : "200 OK",
               length, etag);
    if (ranged)
        http_print(c, "Content-Range: bytes %llu-%llu/%zu\r\n", (unsigned long long)from,
                   (unsigned long long)last, n);
    http_print(c, "\r\n");
    http_body(c, (const char *)data + from, most < length ? most : length);
}

void http_reset(struct http_conn *c)
{
    struct linger now = {1, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    c->broken = true;
}

void http_silence(struct http_conn *c)
{
    char byte;
    while (recv(c->fd, &byte, 1, 0) > 0) {
    }
    c->broken = true;
}

/* ---- requests ---------------------------------------------------------------------------------------- */

static ssize_t take(struct http_conn *c, char *to, size_t n)
{
    return c->tls ? tls_recv(c->tls, to, n) : recv(c->fd, to, n, 0);
}

/* A field's value, or "". */
static void field(const char *head, const char *name, char *out, size_t cap)
{
    size_t k = strlen(name);
    *out = 0;
    for (const char *at = head; (at = strstr(at, "\r\n")); at++) {
        if (strncasecmp(at + 2, name, k) || at[2 + k] != ':') continue;
        at += 3 + k;
        at += strspn(at, " ");
        snprintf(out, cap, "%.*s", (int)strcspn(at, "\r\n"), at);
        return;
    }
}

static void read_range(struct http_request *r, const char *text)
{
    char *end;
    if (strncmp(text, "bytes=", 6)) return;
    r->ranged = true;
    r->from = text[6] == '-' ? UINT64_MAX : strtoull(text + 6, &end, 10);
    const char *to = text[6] == '-' ? text + 7 : end + 1;
    r->to = *to ? strtoull(to, NULL, 10) : UINT64_MAX;
}

/* False when the client has gone. */
static bool read_request(struct http_conn *c, struct http_request *r)
{
    char head[HEAD_MAX], range[100];
    size_t n = 0;
    *r = (struct http_request){0};
    for (head[0] = 0; !strstr(head, "\r\n\r\n"); head[n] = 0) {
        ssize_t got = take(c, head + n, 1);
        if (got <= 0 || ++n == sizeof head - 1) return false;
    }
    if (sscanf(head, "GET %1023s", r->path) != 1) return false;
    field(head, "range", range, sizeof range);
    field(head, "if-range", r->if_range, sizeof r->if_range);
    field(head, "authorization", r->authorization, sizeof r->authorization);
    field(head, "host", r->host, sizeof r->host);
    read_range(r, range);
    return true;
}

/* ---- threads ----------------------------------------------------------------------------------------- */

static void serve(struct http_server *s, struct http_conn *c)
{
    struct http_request r;
    do {
        if (!read_request(c, &r)) return;
        c->keep = false;
        r.number = ++s->requests;
        s->handler(c, &r, s->ctx);
    } while (c->keep && !c->broken && !s->stopping);
}

static void *connection(void *arg)
{
    const struct http_slot *start = arg;
    struct http_server *s = start->server;
    int slot = start->slot;
    struct http_conn c = {.fd = s->fds[slot], .server = s};
    bool ok = !s->tls || (c.tls = tls_accept(s->tls, c.fd));
    if (ok) serve(s, &c);
    if (c.tls) tls_end(c.tls);
    /* a gentle end: the client is to read all before it learns of it */
    if (ok && !c.broken) shutdown(c.fd, SHUT_WR);
    if (ok && !c.broken) http_silence(&c);
    s->fds[slot] = -1;
    close(c.fd);
    s->open--;
    return NULL;
}

static void *accepter(void *arg)
{
    struct http_server *s = arg;
    int fd;
    while ((fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        pthread_t thread;
        pthread_attr_t attr;
        int slot = 0, one = 1;
        while (slot < (int)SLOTS - 1 && s->fds[slot] >= 0) slot++;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        s->fds[slot] = fd;
        s->open++;
        s->slots[slot] = (struct http_slot){s, slot};
        pthread_attr_init(&attr);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        if (pthread_create(&thread, &attr, connection, &s->slots[slot])) die("pthread_create");
        pthread_attr_destroy(&attr);
    }
    return NULL;
}

void http_start(struct http_server *s, http_handler *handler, void *ctx)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    struct tls_server *tls = s->tls;
    memset(s, 0, sizeof *s);
    s->tls = tls;
    s->handler = handler;
    s->ctx = ctx;
    for (size_t i = 0; i < SLOTS; i++) s->fds[i] = -1;
    if (tls) signal(SIGPIPE, SIG_IGN);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&a, n) || listen(s->listener, 64) ||
        getsockname(s->listener, (struct sockaddr *)&a, &n))
        die("a server's socket");
    s->port = ntohs(a.sin_port);
    if (pthread_create(&s->accepter, NULL, accepter, s)) die("pthread_create");
}

void http_stop(struct http_server *s)
{
    s->stopping = 1;
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->accepter, NULL);
    while (s->open) {
        for (size_t i = 0; i < SLOTS; i++)
            if (s->fds[i] >= 0) shutdown(s->fds[i], SHUT_RDWR);
        usleep(200);
    }
    close(s->listener);
}

void http_idle(const struct http_server *s)
{
    while (s->open) usleep(200);
}

void http_no_proxy(void)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
}
