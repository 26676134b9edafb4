/* What a download server may do: HOSTILE_INPUTS, section HD, case by case. */
#include "tests/support/fetch_rig.h"
#include "tests/support/scratch.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 40000, HALF = SIZE / 2 };
static unsigned char file[SIZE], other[SIZE];
static char digest[SHA256_HEX];

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n"

/* ---- what it does -------------------------------------------------------------------------------------- */

/* Of the first request half the body comes. */
static bool half(struct http_conn *c, const struct http_request *r)
{
    if (r->number == 1) http_file(c, r, file, SIZE, "\"v1\"", HALF);
    return r->number == 1;
}

/* Then the range is answered so. */
static void range(struct http_conn *c, const char *content_range, size_t from, size_t n)
{
    http_print(c, "HTTP/1.1 206 Part\r\nETag: \"v1\"\r\nContent-Length: %zu\r\n%s%s\r\n", n, content_range,
               *content_range ? "\r\n" : "");
    http_body(c, file + from, n);
}

static void good(struct http_conn *c, const struct http_request *r)
{
    http_file(c, r, file, SIZE, "\"v1\"", SIZE);
}

#define UNUSED __attribute__((unused))
#define HANDLER(name)                                                                                        \
    static void name(UNUSED struct http_conn *c, UNUSED const struct http_request *r, UNUSED void *ctx)

HANDLER(whole)
{
    good(c, r);
}
HANDLER(no_ranges)
{
    struct http_request plain = *r;
    plain.ranged = false;
    if (!half(c, r)) good(c, &plain);
}
/* Every answer is cut once, and a range with a condition is not understood. */
HANDLER(no_conditions)
{
    struct http_request plain = *r;
    plain.ranged = r->ranged && !*r->if_range;
    http_file(c, &plain, file, SIZE, "\"v1\"", r->number < 3 ? HALF : SIZE);
}

static void half_then(struct http_conn *c, const struct http_request *r, const char *content_range,
                      size_t from, size_t n)
{
    if (half(c, r)) return;
    if (r->ranged)
        range(c, content_range, from, n);
    else
        good(c, r);
}
HANDLER(range_early)
{
    half_then(c, r, "Content-Range: bytes 19000-39999/40000", HALF - 1000, HALF + 1000);
}
HANDLER(range_late)
{
    half_then(c, r, "Content-Range: bytes 21000-39999/40000", HALF + 1000, HALF - 1000);
}
HANDLER(range_unsaid)
{
    half_then(c, r, "", HALF, HALF);
}
HANDLER(range_total)
{
    half_then(c, r, "Content-Range: bytes 20000-40999/41000", HALF, HALF);
}
HANDLER(multipart)
{
    if (half(c, r)) return;
    range(c, "Content-Range: bytes 20000-39999/40000\r\nContent-Type: multipart/byteranges; boundary=x", HALF,
          HALF);
}
HANDLER(no_more)
{
    if (half(c, r)) return;
    if (r->ranged)
        http_print(c, "HTTP/1.1 416 No\r\nContent-Length: 22\r\n\r\n<html>416, sorry<html>");
    else
        good(c, r);
}
/* All of it in chunks, but for the end; then there is no more of it. */
HANDLER(no_more_needed)
{
    if (r->number > 1) {
        http_print(c, "HTTP/1.1 416 No\r\nContent-Range: bytes */%d\r\nContent-Length: 2\r\n\r\nno", SIZE);
        return;
    }
    http_print(c, "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", SIZE);
    http_body(c, file, SIZE);
}
HANDLER(etag_changes)
{
    if (r->number == 1)
        http_file(c, r, other, SIZE, "\"v0\"", HALF);
    else if (r->ranged && r->number == 2) /* does not know If-Range, and has another file now */
        http_print(c,
                   "HTTP/1.1 206 Part\r\nETag: \"v1\"\r\nContent-Length: %d\r\n"
                   "Content-Range: bytes %d-%d/%d\r\n\r\n",
                   HALF, HALF, SIZE - 1, SIZE),
            http_body(c, file + HALF, HALF);
    else
        good(c, r);
}
HANDLER(etag_weak)
{
    if (r->number == 1)
        http_file(c, r, other, SIZE, "W/\"v0\"", HALF);
    else
        http_file(c, r, file, SIZE, "W/\"v0\"", SIZE);
}
HANDLER(lfs_pointer)
{
    char text[300];
    int n = snprintf(text, sizeof text,
                     "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", digest, SIZE);
    http_print(c, OK_HEAD "\r\n%s", n, text);
}
HANDLER(login_page)
{
    http_print(c, OK_HEAD "Content-Type: text/html\r\n\r\n<html>who are you?", 18);
}
HANDLER(json_error)
{
    http_print(c, OK_HEAD "Content-Type: application/json\r\n\r\n{\"error\": \"no\"}", 15);
}
HANDLER(gzipped)
{
    http_print(c, OK_HEAD "Content-Encoding: gzip\r\n\r\n", SIZE);
    http_body(c, file, SIZE);
}
HANDLER(length_too_large)
{
    if (r->number > 1) return good(c, r);
    http_print(c, OK_HEAD "ETag: \"v1\"\r\n\r\n", SIZE);
    http_body(c, file, SIZE - 1000);
}
HANDLER(length_too_small)
{
    http_print(c, OK_HEAD "\r\n", SIZE - 1);
    http_body(c, file, SIZE);
}
/* The same, the last of it when all before has been read. */
HANDLER(length_late)
{
    http_print(c, OK_HEAD "\r\n", SIZE - 1);
    http_body(c, file, HALF);
    poll(NULL, 0, 50);
    http_body(c, file + HALF, HALF);
}
/* All that there is in one packet, and a byte more. */
HANDLER(length_small)
{
    http_print(c, OK_HEAD "\r\n%s", 5, "five.5");
}
HANDLER(length_negative)
{
    http_print(c, OK_HEAD "\r\n", -5);
    http_body(c, file, SIZE);
}
HANDLER(length_text)
{
    http_print(c, "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n");
    http_body(c, file, SIZE);
}
HANDLER(length_twice)
{
    http_print(c, OK_HEAD "Content-Length: 40001\r\n\r\n", SIZE);
    http_body(c, file, SIZE);
}

static void chunks(struct http_conn *c, const char *size)
{
    http_print(c, "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n", size);
    http_body(c, file, SIZE);
}
HANDLER(chunk_negative)
{
    chunks(c, "-2");
}
HANDLER(chunk_long)
{
    chunks(c, "10000000000009c40");
}
HANDLER(chunk_none)
{
    chunks(c, "");
}
HANDLER(chunk_cut)
{
    if (r->number > 1) return good(c, r);
    http_print(c, "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", SIZE);
    http_body(c, file, HALF);
}
HANDLER(endless_body)
{
    http_print(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (!c->broken) {
        http_print(c, "%x\r\n", SIZE);
        http_body(c, file, SIZE);
        http_print(c, "\r\n");
    }
}
HANDLER(endless_headers)
{
    http_print(c, "HTTP/1.1 200 OK\r\n");
    while (!c->broken) http_print(c, "X-More: of this\r\n");
}
HANDLER(long_header)
{
    http_print(c, "HTTP/1.1 200 OK\r\nX-Long: ");
    for (int i = 0; i < 10 << 10 && !c->broken; i++) http_print(c, "%01024d", 7);
    http_print(c, "\r\n\r\n");
}
HANDLER(continues)
{
    while (!c->broken) http_print(c, "HTTP/1.1 100 Continue\r\n\r\n");
}
HANDLER(drip)
{
    if (r->number > 1) return good(c, r);
    http_print(c, OK_HEAD "ETag: \"v1\"\r\n\r\n", SIZE);
    http_body(c, file, 1);
    http_silence(c);
}
HANDLER(silent)
{
    if (r->number > 1) return good(c, r);
    http_silence(c);
}
HANDLER(resets)
{
    http_reset(c);
}
HANDLER(loop)
{
    http_print(c, "HTTP/1.1 302 Found\r\nLocation: /loop%d\r\nContent-Length: 0\r\n\r\n", r->number % 3);
}

static void redirect(struct http_conn *c, const char *to)
{
    http_print(c, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 5\r\n\r\nthere", to);
}
HANDLER(to_file)
{
    redirect(c, "file:///etc/passwd");
}
HANDLER(to_ftp)
{
    redirect(c, "ftp://example.com/x");
}
HANDLER(to_http)
{
    redirect(c, "http://example.com/x");
}
HANDLER(to_loopback)
{
    redirect(c, "https://127.0.0.1:1/x");
}
HANDLER(to_metadata)
{
    redirect(c, "http://169.254.169.254/latest/meta-data/");
}
HANDLER(to_loopback6)
{
    redirect(c, "https://[::1]/x");
}
HANDLER(to_password)
{
    redirect(c, "https://me:secret@example.com/x");
}
HANDLER(to_nowhere)
{
    http_print(c, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n");
}
/* A body that never ends stands under the redirect. */
HANDLER(to_relative)
{
    if (r->number > 1) return good(c, r);
    http_print(c, "HTTP/1.1 307 There\r\nLocation: here?x=1\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (!c->broken) {
        http_print(c, "%x\r\n", SIZE);
        http_body(c, file, SIZE);
        http_print(c, "\r\n");
    }
}

static void troubled(struct http_conn *c, const struct http_request *r, int times, const char *status)
{
    if (r->number > times)
        good(c, r);
    else
        http_print(c, "HTTP/1.1 %s\r\nContent-Length: 4\r\n\r\nsoon", status);
}
HANDLER(too_many)
{
    troubled(c, r, 1, "429 Too many\r\nRetry-After: 1000000000");
}
HANDLER(date_past)
{
    troubled(c, r, 1, "503 Later\r\nRetry-After: Mon, 01 Jan 2001 00:00:00 GMT");
}
HANDLER(five_times)
{
    troubled(c, r, 5, "500 Trouble");
}
HANDLER(always_500)
{
    troubled(c, r, 1000, "500 Trouble");
}
HANDLER(who_are_you)
{
    troubled(c, r, 1000, "401 Who\r\nX-Error-Message: gated, says the hub");
}
HANDLER(not_allowed)
{
    troubled(c, r, 1000, "403 No");
}
HANDLER(not_there)
{
    troubled(c, r, 1000, "404 None");
}
HANDLER(wrong_bytes)
{
    http_file(c, r, other, SIZE, "\"v1\"", SIZE);
}
/* A wrong half, then the right rest under the same ETag; what is asked for anew is right. */
HANDLER(wrong_half)
{
    if (r->number == 1)
        http_file(c, r, other, SIZE, "\"v1\"", HALF);
    else
        good(c, r);
}
HANDLER(disposition)
{
    http_print(c, OK_HEAD "Content-Disposition: attachment; filename=\"../../x\"\r\n\r\n", SIZE);
    http_body(c, file, SIZE);
}
HANDLER(garbage)
{
    http_body(c, file, SIZE);
}
HANDLER(bad_status)
{
    http_print(c, "HTTP/1.1 OK 200\r\n\r\n");
}

/* ---- what is expected ---------------------------------------------------------------------------------- */

/* UNKNOWN: nobody knows size and digest before. STALLS: a second without bytes ends an attempt. ONCE: only
 * one. */
enum { UNKNOWN = 1, STALLS = 2 };

static const struct row {
    const char *id;
    http_handler *handler;
    int code;         /* 0: the right file is there */
    const char *says; /* in the message; of what went well in the end: the kind of a failed attempt */
    int requests;     /* exactly so many; 0: not counted */
    unsigned how;
} rows[] = {
    {"HD01", no_ranges, 0, NULL, 2, UNKNOWN},
    {"HD01 digest", no_ranges, 0, NULL, 2, 0},
    {"HD01 If-Range", no_conditions, 0, "NETWORK", 3, 0},
    {"HD02", range_early, 0, NULL, 3, UNKNOWN},
    {"HD03", range_late, 0, NULL, 3, UNKNOWN},
    {"HD04", range_unsaid, 0, NULL, 3, UNKNOWN},
    {"HD05", range_total, 0, NULL, 3, UNKNOWN},
    {"HD05 size", range_total, 0, NULL, 3, 0},
    {"HD06", multipart, ERR_HTTP_RANGE, "several parts", 2, 0},
    {"HD07", no_more, 0, NULL, 3, UNKNOWN},
    {"HD08", no_more_needed, 0, NULL, 2, UNKNOWN},
    {"HD09", etag_changes, 0, NULL, 3, UNKNOWN},
    {"HD09 digest", etag_changes, 0, NULL, 3, 0},
    {"HD10", etag_weak, 0, NULL, 2, UNKNOWN},
    {"HD10 digest", etag_weak, 0, NULL, 3, 0},
    {"HD11", lfs_pointer, ERR_LFS_POINTER, "Git LFS", 1, 0},
    {"HD12", login_page, ERR_HASH, "18 bytes came, expected 40000", 1, 0},
    {"HD12 nobody knows", login_page, ERR_MAGIC, "web page", 1, UNKNOWN},
    {"HD13", json_error, ERR_HASH, "15 bytes came", 1, 0},
    {"HD14", gzipped, ERR_HTTP_ENCODING, "compressed", 1, 0},
    {"HD15", length_too_large, 0, NULL, 2, UNKNOWN},
    {"HD16", length_too_small, ERR_HTTP_LENGTH, "39999", 1, UNKNOWN},
    {"HD16 late", length_late, ERR_HTTP_LENGTH, "39999", 1, UNKNOWN},
    {"HD16 at once", length_small, ERR_HTTP_LENGTH, "more than the 5 bytes", 1, UNKNOWN},
    {"HD17 negative", length_negative, ERR_HTTP_LENGTH, "Content-Length", 1, 0},
    {"HD17 text", length_text, ERR_HTTP_LENGTH, "Content-Length", 1, 0},
    {"HD17 twice", length_twice, ERR_HTTP_LENGTH, "twice", 1, 0},
    {"HD18 negative", chunk_negative, ERR_HTTP_CHUNK, "chunk", 1, 0},
    {"HD18 17 digits", chunk_long, ERR_HTTP_CHUNK, "chunk", 1, 0},
    {"HD18 none", chunk_none, ERR_HTTP_CHUNK, "chunk", 1, 0},
    {"HD19", chunk_cut, 0, NULL, 2, 0},
    {"HD20", endless_body, ERR_SIZE_CAP, "more than the 40000 bytes", 1, 0},
    {"HD20 nobody knows", endless_body, ERR_SIZE_CAP, "more than", 1, UNKNOWN},
    {"HD21", endless_headers, ERR_HTTP_HEADER, "headers", 1, 0},
    {"HD22", long_header, ERR_HTTP_HEADER, "", 1, 0},
    {"HD23", drip, 0, "LOW_SPEED", 0, STALLS},
    {"HD24", silent, 0, "TIMEOUT", 0, STALLS},
    {"HD26", resets, ERR_RETRY_LIMIT, "9 attempts, 9 without a new byte; the last: ", 9, 0},
    {"HD28", loop, ERR_REDIRECTS, "over 10 redirects", 11, 0},
    {"HD29 file", to_file, ERR_URL_SCHEME, "file:///etc/passwd", 1, 0},
    {"HD29 ftp", to_ftp, ERR_URL_SCHEME, "ftp://", 1, 0},
    {"HD30", to_http, ERR_URL_SCHEME, "not https", 1, 0},
    {"HD31", to_loopback, ERR_URL_HOST, "private", 1, 0},
    {"HD31 cloud", to_metadata, ERR_URL_HOST, "169.254.169.254", 1, 0},
    {"HD31 v6", to_loopback6, ERR_URL_HOST, "private", 1, 0},
    {"HD31 password", to_password, ERR_URL_CRED, "user name", 1, 0},
    {"HD31 nowhere", to_nowhere, ERR_HTTP_STATUS, "302", 1, 0},
    {"HD31 relative", to_relative, 0, NULL, 2, 0},
    {"HD33", too_many, 0, NULL, 2, 0},
    {"HD34", date_past, 0, NULL, 2, 0},
    {"HD35", five_times, 0, NULL, 6, 0},
    {"HD35 for ever", always_500, ERR_RETRY_LIMIT, "status 500", 9, 0},
    {"HD36 401", who_are_you, ERR_HTTP_STATUS, "HF_TOKEN, if it is the hub's: gated, says the hub", 1, 0},
    {"HD36 403", not_allowed, ERR_HTTP_STATUS, "403", 1, 0},
    {"HD36 404", not_there, ERR_HTTP_STATUS, "404", 1, 0},
    {"HD38", wrong_bytes, ERR_HASH, "digest", 1, 0},
    {"HD39 on the way", wrong_half, 0, NULL, 3, 0},
    {"HD40", disposition, 0, NULL, 1, UNKNOWN},
    {"HD41", garbage, ERR_HTTP_STATUS, "", 1, 0},
    {"HD41 words", bad_status, ERR_HTTP_STATUS, "", 1, 0},
    {"HD42", continues, ERR_HTTP_HEADER, "headers", 1, 0},
    {"whole", whole, 0, NULL, 1, 0},
};

/* Collects the kinds of failed attempts in a text. */
static int note_failure(void *ctx, const struct fetch_status *s, struct err *e)
{
    char *seen = ctx;
    (void)e;
    if (s->why) snprintf(seen, 100, "%s", err_name(s->why->code));
    return 0;
}

static struct fetch_file want(const struct fetch_rig *rig, bool unknown)
{
    return (struct fetch_file){.path = "a/file.bin",
                               .url = rig_url(rig, "a/file.bin"),
                               .digest = unknown ? NULL : digest,
                               .size = unknown ? DOWNLOAD_UNKNOWN : SIZE};
}

/* Nothing under the file's name, and nothing in its folder, but what was expected. */
static void check_row(const struct row *row, struct fetch_rig *rig, int rc, const struct err *e)
{
    if (rc != row->code)
        fail_msg("%s: %s (%s), expected %s", row->id, err_name(rc), e->msg, err_name(row->code));
    if (rc && row->says && !strstr(e->msg, row->says))
        fail_msg("%s: \"%s\" lacks \"%s\"", row->id, e->msg, row->says);
    if (row->requests && rig->server.requests != row->requests)
        fail_msg("%s: %d requests, expected %d", row->id, rig->server.requests, row->requests);
    if (!rc)
        rig_holds(rig->folder, "a/file.bin", file, SIZE);
    else if (file_exists(scratch("hd/a/file.bin")))
        fail_msg("%s: a bad file got its name", row->id);
    assert_false(file_exists(scratch("x")));
}

static void every_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fetch_rig rig = {0};
        struct err e = {0};
        char failed[100] = "";
        rig_start(&rig, scratch("hd"), rows[i].handler, NULL);
        if (rows[i].code == ERR_SIZE_CAP) rig.max = 100 * SIZE;
        if (rows[i].how & STALLS) rig.limits.stall_seconds = 1;
        struct fetch_file f = want(&rig, rows[i].how & UNKNOWN);
        rig.watch = note_failure;
        rig.ctx = failed;
        int rc = rig_fetch(&rig, &f, 1, &e);
        if (!rc && rows[i].says) assert_string_equal(failed, rows[i].says);
        check_row(&rows[i], &rig, rc, &e);
        rig_stop(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_row)};
    rig_bytes(file, SIZE, 1);
    rig_bytes(other, SIZE, 2);
    if (sha256_hex(file, SIZE, digest, NULL)) return 1;
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
