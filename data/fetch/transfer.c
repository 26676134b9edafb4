#include "data/fetch/transfer.h"
#include "data/fetch/transfer_url.h"
#include "infer/terse.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(CURL_ERROR_SIZE <= sizeof((struct transfer *)0)->why, "what went wrong fits");

enum { NAMED_MAX = 64, TOKEN_MAX = 1024, DROPPED_BODY = 64 << 10, BUFFER = 128 << 10 };

struct transfers {
    CURLM *multi;
    struct transfer_limits limits;
    struct origin named[NAMED_MAX];
    int n_named;
    struct origin token_for;
    char authorization[TOKEN_MAX + 32]; /* the whole header; "" */
    bool proxied;                       /* then addresses are the proxy's business */
};

/* ---- the set ----------------------------------------------------------------------------------------- */

static bool proxy_set(void)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value) return true;
    }
    return false;
}

int transfers_open(struct transfers **out, const struct transfer_limits *limits, struct err *e)
{
    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT)) return err_set(e, ERR_INTERNAL, "libcurl does not start");
    struct transfers *s = calloc(1, sizeof *s);
    if (s) s->multi = curl_multi_init();
    if (!s || !s->multi) {
        transfers_close(s);
        if (!s) curl_global_cleanup();
        return err_set(e, ERR_NOMEM, "no memory for transfers");
    }
    s->limits = *limits;
    s->proxied = proxy_set();
    *out = s;
    return 0;
}

void transfers_close(struct transfers *s)
{
    if (!s) return;
    if (s->multi) curl_multi_cleanup(s->multi);
    memset(s->authorization, 0, sizeof s->authorization);
    free(s);
    curl_global_cleanup();
}

static bool is_named(const struct transfers *s, const struct origin *o)
{
    for (int i = 0; i < s->n_named; i++)
        if (origin_same(&s->named[i], o)) return true;
    return false;
}

int transfers_name(struct transfers *s, const char *url, struct err *e)
{
    struct origin o;
    int rc = origin_of(&o, url, e);
    if (rc || is_named(s, &o)) return rc;
    if (s->n_named == NAMED_MAX) return err_set(e, ERR_TOO_MANY, "over %d different hosts", NAMED_MAX);
    s->named[s->n_named++] = o;
    return 0;
}

int transfers_token(struct transfers *s, const char *url, const char *token, struct err *e)
{
    size_t n = strlen(token);
    int rc = origin_of(&s->token_for, url, e);
    if (rc) return rc;
    for (const char *p = token; *p; p++)
        if (*p <= ' ' || *p > '~') n = 0;
    if (!n || n > TOKEN_MAX)
        return err_set(e, ERR_USAGE, "the token is no token: expected 1 to %d printable characters",
                       TOKEN_MAX);
    if (!s->token_for.tls && !host_private(s->token_for.host))
        return err_set(e, ERR_URL_SCHEME, "a token is not sent in the clear: %.200s is not https", url);
    snprintf(s->authorization, sizeof s->authorization, "Authorization: Bearer %s", token);
    return 0;
}

/* ---- what the library calls --------------------------------------------------------------------------- */

static bool is_redirect(const struct http_reply *r)
{
    int s = r->status;
    return *r->location && (s == 301 || s == 302 || s == 303 || s == 307 || s == 308);
}

static size_t on_header(char *line, size_t one, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    bool before = t->reply.complete && t->reply.status >= 200;
    (void)one;
    if (http_reply_line(&t->reply, line, n, &t->err)) return 0;
    if (before || !t->reply.complete || t->reply.status < 200) return n;
    t->moved = is_redirect(&t->reply);
    return !t->moved && t->head(t, &t->err) ? 0 : n;
}

/* More bytes wait at this socket, if it is the transfer's. */
static bool more_at(const struct transfer *t, int fd)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    long port = 0;
    char byte;
    if (t->tls || fd < 0 || getsockname(fd, (struct sockaddr *)&a, &n)) return false;
    if (curl_easy_getinfo(t->easy, CURLINFO_LOCAL_PORT, &port) || port != address_port((struct sockaddr *)&a))
        return false;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* More came than was promised: with the last of it, as it was taken, or since. The socket is asked while it
 * is known: ours until the body is taken (then the library closes it), a kept one once all is finished. */
static bool more_came(const struct transfer *t, bool finished)
{
    const struct http_reply *r = &t->reply;
    curl_socket_t kept = CURL_SOCKET_BAD;
    if (!r->has_length || r->chunked) return false;
    if (t->wire_bytes > r->length) return true;
    if (!finished) return t->body_bytes == r->length && more_at(t, t->socket);
    return !curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &kept) && more_at(t, kept);
}

static size_t on_body(char *data, size_t one, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    (void)one;
    t->body_bytes += n;
    t->more |= more_came(t, false);
    /* what stands under a redirect is not read; a little of it, so that the connection can be used again */
    if (t->moved) return t->body_bytes > DROPPED_BODY ? 0 : n;
    return t->body(t, data, n, &t->err) ? 0 : n;
}

/* Bytes behind the promised length never reach on_body, but they are seen here. */
static int on_wire(CURL *easy, curl_infotype what, char *data, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    (void)easy, (void)data;
    if (what == CURLINFO_DATA_IN) t->wire_bytes += n;
    return 0;
}

static curl_socket_t on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct transfer *t = ctx;
    (void)purpose;
    if (!t->named && !t->set->proxied && address_private(&a->addr)) {
        t->private_seen = true;
        return CURL_SOCKET_BAD;
    }
    return t->socket = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* ---- one hop ----------------------------------------------------------------------------------------- */

/* May t->url be asked, from an answer over TLS (`from_tls`), or as the first of all? */
static int check_hop(struct transfers *s, struct transfer *t, struct origin *o, struct err *e)
{
    bool from_tls = t->hops && t->tls;
    int rc = origin_of(o, t->url, e);
    if (rc) return rc;
    t->named = is_named(s, o);
    if (!t->named && !s->proxied && host_private(o->host))
        return err_set(e, ERR_URL_HOST, "%s to %.100s, an address of a private network",
                       t->hops ? "the server redirects" : "asked", o->host);
    if (!o->tls && (!t->named || from_tls))
        return err_set(e, ERR_URL_SCHEME, "%s %.200s, which is not https",
                       t->hops ? "the server redirects to" : "asked for", t->url);
    t->tls = o->tls;
    return 0;
}

static bool add_field(struct transfer *t, const char *text)
{
    struct curl_slist *longer = curl_slist_append(t->fields, text);
    if (longer) t->fields = longer;
    return longer;
}

static int set_fields(struct transfers *s, struct transfer *t, const struct origin *o, struct err *e)
{
    char range[128] = "", condition[HTTP_ETAG + 16] = "";
    curl_slist_free_all(t->fields);
    t->fields = NULL;
    if (t->range) snprintf(range, sizeof range, "Range: bytes=%s", t->range);
    if (t->range && t->if_range) snprintf(condition, sizeof condition, "If-Range: %s", t->if_range);
    bool ok = add_field(t, "Accept-Encoding: identity") && (!*range || add_field(t, range)) &&
              (!*condition || add_field(t, condition));
    if (ok && *s->authorization && origin_same(o, &s->token_for)) ok = add_field(t, s->authorization);
    return ok ? 0 : err_set(e, ERR_NOMEM, "no memory for a request");
}

static int set_options(const struct transfers *s, struct transfer *t, struct err *e)
{
    const struct transfer_limits *l = &s->limits;
    CURL *c = t->easy;
    bool ok =
        !curl_easy_setopt(c, CURLOPT_URL, t->url) && !curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->fields);
    ok = ok && !curl_easy_setopt(c, CURLOPT_PRIVATE, t);
    ok = ok && !curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    ok = ok && !curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    ok = ok && !curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    ok = ok && !curl_easy_setopt(c, CURLOPT_HTTP09_ALLOWED, 0L);
    ok = ok && !curl_easy_setopt(c, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    ok = ok && !curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    ok = ok && !curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    ok = ok && (!l->ca_file || !curl_easy_setopt(c, CURLOPT_CAINFO, l->ca_file));
    ok = ok && !curl_easy_setopt(c, CURLOPT_USERAGENT, "terse/" TERSE_VERSION);
    ok = ok && !curl_easy_setopt(c, CURLOPT_BUFFERSIZE, (long)BUFFER);
    ok = ok && !curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(l->connect_seconds * 1000));
    ok = ok && !curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)l->stall_rate);
    ok = ok && !curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)(l->stall_seconds + 0.999));
    ok = ok && !curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    ok = ok && !curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    ok = ok && !curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    ok = ok && !curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    ok = ok && !curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    ok = ok && !curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, t);
    ok = ok && !curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->why);
    ok = ok && !curl_easy_setopt(c, CURLOPT_VERBOSE, 1L);
    ok = ok && !curl_easy_setopt(c, CURLOPT_DEBUGFUNCTION, on_wire);
    ok = ok && !curl_easy_setopt(c, CURLOPT_DEBUGDATA, t);
    return ok ? 0 : err_set(e, ERR_NOMEM, "libcurl does not take a request");
}

/* Asks t->url. */
static int start_hop(struct transfers *s, struct transfer *t, struct err *e)
{
    struct origin o;
    int rc = check_hop(s, t, &o, e);
    if (!rc) rc = set_fields(s, t, &o, e);
    if (!rc) rc = set_options(s, t, e);
    t->reply = (struct http_reply){.bytes = t->reply.bytes};
    t->body_bytes = t->wire_bytes = 0;
    t->moved = t->more = t->private_seen = false;
    t->why[0] = 0;
    t->socket = -1;
    if (!rc && curl_multi_add_handle(s->multi, t->easy))
        rc = err_set(e, ERR_NOMEM, "libcurl takes no request");
    return rc;
}

static void release(struct transfer *t)
{
    curl_slist_free_all(t->fields);
    curl_easy_cleanup(t->easy);
    t->fields = NULL;
    t->easy = NULL;
}

int transfers_start(struct transfers *s, struct transfer *t, struct err *e)
{
    t->set = s;
    t->easy = curl_easy_init();
    int rc = t->easy ? start_hop(s, t, e) : err_set(e, ERR_NOMEM, "no memory for a request");
    if (rc) release(t);
    return rc;
}

void transfers_stop(struct transfers *s, struct transfer *t)
{
    if (!t->easy) return;
    curl_multi_remove_handle(s->multi, t->easy);
    release(t);
}

/* ---- how it ended ------------------------------------------------------------------------------------ */

/* The kind that a failure of the library's is, and whether it may pass. */
static int kind_of(const struct transfer *t, CURLcode code, bool *transient)
{
    bool silent = !t->reply.bytes;
    *transient = false;
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return ERR_TLS;
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 */
    case CURLE_WEIRD_SERVER_REPLY:
        return strcasestr(t->why, "content-length") ? ERR_HTTP_LENGTH : ERR_HTTP_STATUS;
    case CURLE_OUT_OF_MEMORY: /* what a line of headers over the library's limit is, too */
        return silent ? ERR_NOMEM : ERR_HTTP_HEADER;
    default:
        break;
    }
    if (strcasestr(t->why, "chunk")) return ERR_HTTP_CHUNK;
    *transient = true;
    if (code == CURLE_SSL_CONNECT_ERROR) return ERR_TLS;
    if (code == CURLE_OPERATION_TIMEDOUT) return silent ? ERR_TIMEOUT : ERR_LOW_SPEED;
    return ERR_NETWORK;
}

static void judge(struct transfer *t, CURLcode code)
{
    curl_off_t wait = 0;
    struct origin o = {0};
    const struct http_reply *r = &t->reply;
    if (!curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &wait) && wait > 0) t->retry_after = (double)wait;
    if (t->err.code) return;
    origin_of(&o, t->url, NULL);
    if (t->private_seen && code) {
        err_set(&t->err, ERR_URL_HOST, "%.100s is an address of a private network", o.host);
    } else if (code) {
        int kind = kind_of(t, code, &t->transient);
        const char *why = kind == ERR_HTTP_HEADER ? "a line of headers that is too long"
                          : *t->why               ? t->why
                                                  : curl_easy_strerror(code);
        err_set(&t->err, kind, "%.100s: %s", o.host, why);
    } else if (t->more || more_came(t, true)) {
        err_set(&t->err, ERR_HTTP_LENGTH, "%.100s sent more than the %llu bytes that it promised", o.host,
                (unsigned long long)r->length);
    } else if (!r->complete || r->status < 200) {
        err_set(&t->err, ERR_NETWORK, "%.100s closed the connection without an answer", o.host);
        t->transient = true;
    }
}

/* Goes where the answer points to. 1 when that is on its way. */
static int follow(struct transfers *s, struct transfer *t)
{
    char from[HTTP_URL];
    strcpy(from, t->url);
    if (++t->hops > s->limits.redirects)
        err_set(&t->err, ERR_REDIRECTS, "over %d redirects, the last to %.200s", s->limits.redirects,
                t->reply.location);
    if (t->err.code || url_join(t->url, from, t->reply.location, &t->err)) return 0;
    return !start_hop(s, t, &t->err);
}

static void finish(struct transfers *s, struct transfer *t, CURLcode code)
{
    /* an endless body under a redirect was broken off by us */
    bool go_on = !t->err.code && t->moved && (!code || code == CURLE_WRITE_ERROR);
    if (!go_on) judge(t, code);
    curl_multi_remove_handle(s->multi, t->easy);
    if (go_on && follow(s, t)) t->stop = false;
}

int transfers_wait(struct transfers *s, double seconds, struct transfer **done, struct err *e)
{
    int running, left;
    CURLMsg *m;
    *done = NULL;
    if (curl_multi_perform(s->multi, &running)) return err_set(e, ERR_INTERNAL, "libcurl fails");
    while (!*done && (m = curl_multi_info_read(s->multi, &left))) {
        struct transfer *t = NULL;
        if (m->msg != CURLMSG_DONE) continue;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        t->stop = true;
        finish(s, t, code);
        if (!t->stop) continue;
        release(t);
        *done = t;
    }
    if (*done) return 0;
    int ms = seconds < 0 ? 0 : seconds > 1 ? 1000 : (int)(seconds * 1000) + 1;
    return curl_multi_poll(s->multi, NULL, 0, ms, NULL) ? err_set(e, ERR_INTERNAL, "libcurl fails") : 0;
}
