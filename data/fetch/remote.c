#include "data/fetch/remote.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256 << 10 };

struct target {
    const struct remote *remote;
    char *out;
};

static int begin(struct download *d, struct err *e)
{
    const struct target *t = d->owner;
    (void)e;
    d->total = t->remote->size;
    strcpy(d->etag, t->remote->etag);
    return 0;
}

static int restart(struct download *d, struct err *e)
{
    return err_set(e, ERR_INTERNAL, "%s: a piece does not begin anew", d->name);
}

static int write_piece(struct download *d, const void *data, size_t n, struct err *e)
{
    const struct target *t = d->owner;
    (void)e;
    memcpy(t->out + d->have, data, n);
    return 0;
}

static int finish(struct download *d, struct err *e)
{
    (void)d, (void)e;
    return 0;
}

/* Bytes [at, at + n) into out. */
static int fetch_piece(struct remote *r, uint64_t at, size_t n, char *out, struct err *e)
{
    static const struct sink sink = {begin, restart, write_piece, finish, NULL};
    struct target t = {r, out};
    struct download d = {.url = r->url,
                         .name = r->name,
                         .size = n,
                         .base = at,
                         .piece = true,
                         .sink = &sink,
                         .owner = &t,
                         .total = DOWNLOAD_UNKNOWN};
    int rc = downloads_run(r->set, &d, 1, r->policy, r->watch, r->ctx, e);
    r->received += d.received;
    if (rc) return rc;
    r->size = d.total;
    strcpy(r->etag, d.etag);
    return 0;
}

static int hold(struct remote *r, uint64_t at, size_t n, struct err *e)
{
    r->n = 0;
    int rc = fetch_piece(r, at, n, r->data, e);
    if (rc) return rc;
    r->at = at;
    r->n = n;
    return 0;
}

int remote_open(struct remote *r, struct err *e)
{
    int rc = 0;
    r->data = malloc(BLOCK);
    if (!r->data) return err_set(e, ERR_NOMEM, "no memory to read %s", r->name);
    r->n_head = 0;
    if (r->size == DOWNLOAD_UNKNOWN && !(rc = fetch_piece(r, 0, sizeof r->head, r->head, e)))
        r->n_head = sizeof r->head;
    size_t n = r->size < BLOCK ? (size_t)r->size : BLOCK;
    if (!rc && n) rc = hold(r, r->size - n, n, e);
    if (rc) remote_close(r);
    return rc;
}

void remote_close(struct remote *r)
{
    free(r->data);
    r->data = NULL;
    r->n = 0;
}

int remote_read(void *ctx, uint64_t at, size_t n, void *out, struct err *e)
{
    struct remote *r = ctx;
    if (!n) return 0;
    if (at < r->n_head && n <= r->n_head - at) {
        memcpy(out, r->head + at, n);
        return 0;
    }
    if (at >= r->at && at - r->at < r->n && n <= r->n - (at - r->at)) {
        memcpy(out, r->data + (at - r->at), n);
        return 0;
    }
    return fetch_piece(r, at, n, out, e);
}
