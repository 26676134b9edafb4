#include "data/fetch/download.h"
#include "infer/progress.h"
#include "infer/rng.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct run {
    struct transfers *set;
    struct download *list;
    size_t n, first; /* all before `first` are done or have failed */
    const struct download_policy *policy;
    download_watch *watch;
    void *ctx;
    int running;
    uint64_t seed, dice; /* for jitter */
};

/* ---- judging an answer --------------------------------------------------------------------------------- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strcspn(s, "?#"), k = strlen(end);
    return n >= k && !strncasecmp(s + n - k, end, k);
}

/* The most bytes that may come. */
static uint64_t cap_of(const struct download *d)
{
    if (d->size != DOWNLOAD_UNKNOWN) return d->size;
    return d->total < d->max ? d->total : d->max;
}

static int too_large(const struct download *d, struct err *e)
{
    return err_set(e, ERR_SIZE_CAP, "%s: more than the %llu bytes that it %s", d->name,
                   (unsigned long long)cap_of(d), d->size == DOWNLOAD_UNKNOWN ? "may have" : "has");
}

/* From a sink: an error of this machine, not of the server. */
static int local(struct download *d, int rc)
{
    d->local |= rc != 0;
    return rc;
}

/* 200: the whole file. */
static int take_whole(struct download *d, const struct http_reply *r, struct err *e)
{
    bool sized = r->has_length && !r->chunked;
    if (d->piece) return err_set(e, ERR_HTTP_RANGE, "%s: the server does not send parts of a file", d->name);
    if (!sized && !r->chunked && d->size == DOWNLOAD_UNKNOWN)
        return err_set(e, ERR_HTTP_LENGTH,
                       "%s: the server does not say how long it is, so nobody could tell when it is whole",
                       d->name);
    if (r->html && !d->verified && d->size == DOWNLOAD_UNKNOWN && !ends_with(d->url, ".html") &&
        !ends_with(d->url, ".htm"))
        return err_set(e, ERR_MAGIC, "%s: the server sent a web page instead: a login?", d->name);
    /* a server that takes no If-Range: next time without, if a digest will tell */
    d->plain |= d->have && d->verified && *d->etag && !strcmp(d->etag, r->etag);
    d->have = 0;
    d->total = sized ? r->length : DOWNLOAD_UNKNOWN;
    if (sized && r->length > (d->size == DOWNLOAD_UNKNOWN ? d->max : d->size)) {
        d->total = DOWNLOAD_UNKNOWN;
        return too_large(d, e);
    }
    strcpy(d->etag, r->etag);
    return local(d, d->sink->restart(d, e));
}

/* 206: does it go on exactly where we are, in the same file? */
static bool range_fits(const struct download *d, const struct http_reply *r)
{
    uint64_t from = d->base + d->have;
    uint64_t last = d->piece ? d->base + d->size - 1 : r->total - 1;
    if (!r->has_range || !r->has_total || r->first != from || r->last != last) return false;
    if (r->has_length && !r->chunked && r->length != r->last - r->first + 1) return false;
    if (!d->piece && d->size != DOWNLOAD_UNKNOWN && r->total != d->size) return false;
    if (d->total != DOWNLOAD_UNKNOWN && r->total != d->total) return false;
    return *d->etag ? !strcmp(r->etag, d->etag) || (d->verified && !*r->etag) : d->verified || d->piece;
}

static int take_rest(struct download *d, const struct http_reply *r, struct err *e)
{
    if (r->multipart)
        return err_set(e, ERR_HTTP_RANGE, "%s: several parts, where one was asked for", d->name);
    if (range_fits(d, r)) {
        d->total = r->total;
        if (d->piece && !*d->etag) strcpy(d->etag, r->etag);
        d->resumed |= d->have > 0;
        return 0;
    }
    d->restart = !d->piece;
    return err_set(e, ERR_HTTP_RANGE, "%s: not the bytes from %llu on of the same file", d->name,
                   (unsigned long long)(d->base + d->have));
}

/* 416: nothing behind what we have, because that is all, or because it is too much. */
static int take_nothing(struct download *d, const struct http_reply *r, struct err *e)
{
    d->whole = !d->piece && r->has_total && r->total == d->have;
    d->restart = !d->piece && !d->whole;
    return err_set(e, ERR_HTTP_RANGE, "%s: the server has no bytes from %llu on", d->name,
                   (unsigned long long)(d->base + d->have));
}

static int refuse(const struct download *d, struct transfer *t, struct err *e)
{
    int s = t->reply.status;
    const char *why = s == 401   ? "who are you? set HF_TOKEN, if it is the hub's"
                      : s == 403 ? "not allowed: accept the conditions on its page, or set another HF_TOKEN"
                      : s == 404 ? "there is no such thing"
                      : s == 429 ? "too many requests"
                      : s >= 500 ? "the server is in trouble"
                                 : "unexpected";
    t->transient = s == 408 || s == 425 || s == 429 || s >= 500;
    return err_set(e, ERR_HTTP_STATUS, "%s: status %d, %s%s%s", d->name, s, why,
                   *t->reply.message ? ": " : "", t->reply.message);
}

static int on_head(struct transfer *t, struct err *e)
{
    struct download *d = t->owner;
    const struct http_reply *r = &t->reply;
    if ((r->status == 200 || r->status == 206) && r->encoded)
        return err_set(e, ERR_HTTP_ENCODING, "%s: compressed, which was not asked for", d->name);
    if (d->next && r->status == 200) strcpy(d->next, r->next);
    if (r->status == 200) return take_whole(d, r, e);
    if (r->status == 206 && t->range) return take_rest(d, r, e);
    if (r->status == 416 && t->range) return take_nothing(d, r, e);
    return refuse(d, t, e);
}

static int on_body(struct transfer *t, const void *data, size_t n, struct err *e)
{
    struct download *d = t->owner;
    if (d->have > cap_of(d) || n > cap_of(d) - d->have) return too_large(d, e);
    int rc = local(d, d->sink->write(d, data, n, e));
    if (rc) return rc;
    d->have += n;
    d->received += n;
    return 0;
}

/* ---- attempts ---------------------------------------------------------------------------------------- */

static int watch(struct run *r, struct download *d, struct err *e)
{
    return r->watch ? r->watch(r->ctx, d, e) : 0;
}

static void leave(struct download *d)
{
    if (d->begun && d->sink->leave) d->sink->leave(d);
    d->begun = false;
}

/* Asks for what is missing. */
static int start_attempt(struct run *r, struct download *d, struct err *e)
{
    struct transfer *t = calloc(1, sizeof *t);
    if (!t) return err_set(e, ERR_NOMEM, "%s: no memory for a request", d->name);
    bool resume = d->have && (*d->etag || d->verified);
    unsigned long long from = d->base + d->have;
    if (d->piece)
        snprintf(d->range, sizeof d->range, "%llu-%llu", from, (unsigned long long)(d->base + d->size - 1));
    else
        snprintf(d->range, sizeof d->range, "%llu-", from);
    snprintf(t->url, sizeof t->url, "%s", d->url);
    t->range = d->piece || resume ? d->range : NULL;
    t->if_range = *d->etag && !d->plain ? d->etag : NULL;
    t->head = on_head;
    t->body = on_body;
    t->owner = d;
    d->err = (struct err){0};
    d->restart = d->whole = false;
    d->attempts++;
    int rc = transfers_start(r->set, t, &d->err);
    if (rc) {
        free(t);
        d->state = DOWNLOAD_FAILED;
        return 0;
    }
    d->transfer = t;
    d->state = DOWNLOAD_RUNS;
    r->running++;
    return 0;
}

static bool all_here(const struct download *d)
{
    uint64_t all = d->size != DOWNLOAD_UNKNOWN ? d->size : d->total;
    return all != DOWNLOAD_UNKNOWN && d->have == all && (d->verified || d->total != DOWNLOAD_UNKNOWN);
}

/* What is held is not to be built upon. */
static void forget(struct download *d)
{
    d->have = 0;
    d->total = DOWNLOAD_UNKNOWN;
    d->etag[0] = 0;
}

static int complete(struct download *d, struct err *e)
{
    struct err why = {0};
    int rc = d->sink->finish(d, &why);
    if (!rc) {
        d->state = DOWNLOAD_DONE;
        d->begun = false;
    } else if (rc == ERR_HASH && d->resumed && !d->again) {
        d->again = true;
        forget(d);
        d->state = DOWNLOAD_WAITS;
    } else {
        d->err = why;
        d->state = DOWNLOAD_FAILED;
        if (rc != ERR_HASH && rc != ERR_LFS_POINTER) return err_set(e, rc, "%s", why.msg);
    }
    return 0;
}

/* The attempt failed, and another may not. */
static void wait_or_give_up(struct run *r, struct download *d, double asked)
{
    const struct download_policy *p = r->policy;
    struct err last = d->err;
    d->failures = d->have > d->most ? 1 : d->failures + 1;
    if (d->have > d->most) d->most = d->have;
    if (d->restart) forget(d);
    d->state = DOWNLOAD_WAITS;
    if (d->failures > p->retries) {
        d->err = (struct err){0};
        err_set(&d->err, ERR_RETRY_LIMIT,
                "%s: given up after %d attempts, %d without a new byte; the last: %s [%s]", d->name,
                d->attempts, d->failures, last.msg, err_name(last.code));
        d->state = DOWNLOAD_FAILED;
        return;
    }
    double wait = p->wait_first;
    for (int i = 1; i < d->failures && wait < p->wait_most; i++) wait *= 2;
    if (wait > p->wait_most) wait = p->wait_most;
    wait *= 0.5 + rng_uniform(r->seed, 0, r->dice++);
    if (asked > p->wait_asked) asked = p->wait_asked;
    d->due = progress_clock() + (asked > wait ? asked : wait);
}

/* The answer ended as an answer should, but its bytes are fewer than it said of the file. */
static bool short_of(const struct download *d)
{
    uint64_t all = d->piece ? d->size : d->total;
    return all != DOWNLOAD_UNKNOWN && d->have < all;
}

static int end_attempt(struct run *r, struct transfer *t, struct err *e)
{
    struct download *d = t->owner;
    bool transient = t->transient || d->restart;
    double asked = t->retry_after;
    d->err = t->err;
    d->transfer = NULL;
    r->running--;
    free(t);
    if (!d->err.code && short_of(d)) {
        err_set(&d->err, ERR_NETWORK, "%s: the body ended early", d->name);
        transient = true;
    }
    if (d->whole || !d->err.code || (transient && !d->restart && all_here(d))) return complete(d, e);
    if (d->local) return err_set(e, d->err.code, "%s", d->err.msg);
    if (transient)
        wait_or_give_up(r, d, asked);
    else
        d->state = DOWNLOAD_FAILED;
    return 0;
}

/* ---- all of them ------------------------------------------------------------------------------------- */

static int begin(struct run *r, struct download *d, struct err *e)
{
    if (!d->begun) {
        d->total = DOWNLOAD_UNKNOWN;
        int rc = d->sink->begin ? d->sink->begin(d, e) : 0;
        if (rc) return rc;
        d->begun = true;
        d->most = d->have;
        d->resumed = d->have > 0;
    }
    return d->begun && d->have && all_here(d) ? complete(d, e) : start_attempt(r, d, e);
}

static int settled(struct run *r, struct download *d, struct err *e)
{
    if (d->state == DOWNLOAD_FAILED) leave(d);
    return watch(r, d, e);
}

/* Starts what is due. *sleep becomes the seconds until something else is. */
static int start_due(struct run *r, double *sleep, struct err *e)
{
    double now = progress_clock();
    int rc = 0;
    while (r->first < r->n && r->list[r->first].state >= DOWNLOAD_DONE) r->first++;
    for (size_t i = r->first; !rc && i < r->n && r->running < r->policy->parallel; i++) {
        struct download *d = &r->list[i];
        if (d->state != DOWNLOAD_WAITS) continue;
        if (d->due > now) {
            if (d->due - now < *sleep) *sleep = d->due - now;
            continue;
        }
        rc = begin(r, d, e);
        if (d->state == DOWNLOAD_WAITS) *sleep = 0;
        if (!rc) rc = settled(r, d, e);
    }
    return rc;
}

static int run_all(struct run *r, struct err *e)
{
    static const double look = 0.1;
    int rc = 0;
    while (!rc) {
        struct transfer *done = NULL;
        double sleep = look;
        rc = start_due(r, &sleep, e);
        if (rc || r->first == r->n) break;
        rc = transfers_wait(r->set, sleep, &done, e);
        if (!rc && done) {
            struct download *d = done->owner;
            rc = end_attempt(r, done, e);
            if (!rc) rc = settled(r, d, e);
        }
        if (!rc) rc = watch(r, NULL, e);
    }
    return rc;
}

static void stop_all(struct run *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct download *d = &r->list[i];
        if (d->transfer) {
            transfers_stop(r->set, d->transfer);
            free(d->transfer);
            d->transfer = NULL;
        }
        if (d->state != DOWNLOAD_DONE) leave(d);
    }
}

int downloads_run(struct transfers *set, struct download *list, size_t n,
                  const struct download_policy *policy, download_watch *watch_, void *ctx, struct err *e)
{
    struct run r = {.set = set, .list = list, .n = n, .policy = policy, .watch = watch_, .ctx = ctx};
    double now = progress_clock();
    memcpy(&r.seed, &now, sizeof r.seed);
    int rc = run_all(&r, e);
    stop_all(&r);
    for (size_t i = 0; !rc && i < n; i++)
        if (list[i].state == DOWNLOAD_FAILED) rc = err_set(e, list[i].err.code, "%s", list[i].err.msg);
    return rc;
}

/* ---- into memory ------------------------------------------------------------------------------------- */

struct memory {
    char *data;
    size_t n, cap;
};

static int memory_restart(struct download *d, struct err *e)
{
    struct memory *m = d->owner;
    (void)e;
    m->n = 0;
    return 0;
}

static int memory_write(struct download *d, const void *data, size_t n, struct err *e)
{
    struct memory *m = d->owner;
    if (n >= m->cap - m->n) {
        size_t cap = 2 * m->cap + n + 4096;
        char *longer = realloc(m->data, cap);
        if (!longer) return err_set(e, ERR_NOMEM, "%s: no memory for %zu bytes", d->name, cap);
        m->data = longer;
        m->cap = cap;
    }
    memcpy(m->data + m->n, data, n);
    m->n += n;
    return 0;
}

static int memory_finish(struct download *d, struct err *e)
{
    int rc = memory_write(d, "", 0, e); /* room for the NUL */
    struct memory *m = d->owner;
    if (!rc) m->data[m->n] = 0;
    return rc;
}

int download_memory(struct transfers *set, struct download *d, const struct download_policy *policy,
                    download_watch *watch_, void *ctx, char **data, size_t *n, struct err *e)
{
    static const struct sink sink = {
        .restart = memory_restart, .write = memory_write, .finish = memory_finish};
    struct memory m = {0};
    d->sink = &sink;
    d->owner = &m;
    *data = NULL;
    int rc = downloads_run(set, d, 1, policy, watch_, ctx, e);
    if (rc) {
        free(m.data);
        return rc;
    }
    *data = m.data;
    *n = m.n;
    return 0;
}
