#include "tests/support/fetch_rig.h"

#include "infer/rng.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

void rig_start(struct fetch_rig *r, const char *folder, http_handler *handler, void *ctx)
{
    struct tls_server *tls = r->server.tls;
    http_no_proxy();
    *r = (struct fetch_rig){.max = 1 << 30, .server.tls = tls};
    r->limits = (struct transfer_limits){
        .connect_seconds = 300, .stall_seconds = 300, .stall_rate = 1000, .redirects = 10};
    r->policy = (struct download_policy){
        .parallel = 4, .retries = 8, .wait_first = 0.0001, .wait_most = 0.001, .wait_asked = 0.01};
    file_path(r->folder, NULL, "%s", folder);
    file_remove_tree(r->folder, NULL);
    http_start(&r->server, handler, ctx);
}

void rig_stop(struct fetch_rig *r)
{
    http_stop(&r->server);
}

const char *rig_url(const struct fetch_rig *r, const char *path)
{
    static char ring[4][HTTP_URL];
    static unsigned next;
    char *out = ring[next++ % 4];
    snprintf(out, HTTP_URL, "http%s://127.0.0.1:%d/%s", r->server.tls ? "s" : "", r->server.port, path);
    return out;
}

static int fetch(struct fetch_rig *r, struct transfers *set, struct fetched *f, struct fetch_file *files,
                 size_t n, struct err *e)
{
    uint64_t bytes;
    int rc = transfers_name(set, rig_url(r, ""), e);
    if (!rc && r->named) rc = transfers_name(set, r->named, e);
    if (!rc && r->token) rc = transfers_token(set, rig_url(r, ""), r->token, e);
    if (!rc) rc = fetch_plan(f, files, n, false, &bytes, e);
    return rc ? rc : fetch_run(f, set, files, n, &r->policy, r->max, r->watch, r->ctx, e);
}

int rig_fetch(struct fetch_rig *r, struct fetch_file *files, size_t n, struct err *e)
{
    struct transfers *set = NULL;
    struct fetched f;
    int rc = fetched_open(&f, r->folder, e);
    if (rc) return rc;
    rc = transfers_open(&set, &r->limits, e);
    if (!rc) rc = fetch(r, set, &f, files, n, e);
    transfers_close(set);
    fetched_close(&f);
    return rc;
}

const char *rig_part(const char *folder, const char *path)
{
    static char ring[4][FILE_PATH];
    static unsigned next;
    char hex[SHA256_HEX], *out = ring[next++ % 4];
    if (sha256_hex(path, strlen(path), hex, NULL)) abort();
    file_path(out, NULL, "%s/.terse/parts/%.16s.part", folder, hex);
    return out;
}

static uint64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) ? 0 : (uint64_t)st.st_size;
}

uint64_t rig_part_size(const char *folder, const char *path)
{
    return size_of(rig_part(folder, path));
}

bool rig_await_part(struct http_conn *c, const char *part, uint64_t bytes)
{
    struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
    const struct timespec moment = {.tv_nsec = 50000};
    while (size_of(part) < bytes)
        if (c->broken || ppoll(&p, 1, &moment, NULL) != 0) return false;
    return true;
}

void rig_holds(const char *folder, const char *path, const void *data, size_t n)
{
    char full[FILE_PATH], *text;
    size_t got;
    struct err e = {0};
    file_path(full, &e, "%s/%s", folder, path);
    if (file_load(full, 1 << 30, &text, &got, &e)) fail_msg("%s", e.msg);
    bool same = got == n && !memcmp(text, data, n);
    free(text);
    if (!same) fail_msg("%s: %zu bytes, not the %zu expected", full, got, n);
}

void rig_bytes(void *data, size_t n, uint64_t seed)
{
    unsigned char *p = data;
    for (size_t i = 0; i < n; i++) p[i] = (unsigned char)rng_u32(seed, 7, i);
}
