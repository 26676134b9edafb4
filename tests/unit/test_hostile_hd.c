/* What a download server may do: HOSTILE_INPUTS, section HD, case by case: ranges, lengths, chunks, bodies
 * and silence. (Redirects and statuses: test_hostile_hd_status.c.) */
#include "tests/support/hd_case.h"
#include "tests/support/scratch.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Then the range is answered so. */
static void range(struct http_conn *c, const char *content_range, size_t from, size_t n)
{
    http_print(c, "HTTP/1.1 206 Part\r\nETag: \"v1\"\r\nContent-Length: %zu\r\n%s%s\r\n", n, content_range,
               *content_range ? "\r\n" : "");
    http_body(c, hd_file + from, n);
}

HANDLER(whole)
{
    hd_good(c, r);
}
HANDLER(no_ranges)
{
    struct http_request plain = *r;
    plain.ranged = false;
    if (!hd_half(c, r)) hd_good(c, &plain);
}
/* Every answer is cut once, and a range with a condition is not understood. */
HANDLER(no_conditions)
{
    struct http_request plain = *r;
    plain.ranged = r->ranged && !*r->if_range;
    http_file(c, &plain, hd_file, HD_SIZE, "\"v1\"", r->number < 3 ? HD_HALF : HD_SIZE);
}

static void half_then(struct http_conn *c, const struct http_request *r, const char *content_range,
                      size_t from, size_t n)
{
    if (hd_half(c, r)) return;
    if (r->ranged)
        range(c, content_range, from, n);
    else
        hd_good(c, r);
}
HANDLER(range_early)
{
    half_then(c, r, "Content-Range: bytes 19000-39999/40000", HD_HALF - 1000, HD_HALF + 1000);
}
HANDLER(range_late)
{
    half_then(c, r, "Content-Range: bytes 21000-39999/40000", HD_HALF + 1000, HD_HALF - 1000);
}
HANDLER(range_unsaid)
{
    half_then(c, r, "", HD_HALF, HD_HALF);
}
HANDLER(range_total)
{
    half_then(c, r, "Content-Range: bytes 20000-40999/41000", HD_HALF, HD_HALF);
}
HANDLER(multipart)
{
    if (hd_half(c, r)) return;
    range(c, "Content-Range: bytes 20000-39999/40000\r\nContent-Type: multipart/byteranges; boundary=x",
          HD_HALF, HD_HALF);
}
HANDLER(no_more)
{
    if (hd_half(c, r)) return;
    if (r->ranged)
        http_print(c, "HTTP/1.1 416 No\r\nContent-Length: 22\r\n\r\n<html>416, sorry<html>");
    else
        hd_good(c, r);
}
/* All of it in chunks, but for the end; then there is no more of it. */
HANDLER(no_more_needed)
{
    if (r->number > 1) {
        http_print(c, "HTTP/1.1 416 No\r\nContent-Range: bytes */%d\r\nContent-Length: 2\r\n\r\nno", HD_SIZE);
        return;
    }
    http_print(c, "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", HD_SIZE);
    http_body(c, hd_file, HD_SIZE);
}
HANDLER(etag_changes)
{
    if (r->number == 1)
        http_file(c, r, hd_other, HD_SIZE, "\"v0\"", HD_HALF);
    else if (r->ranged && r->number == 2) /* does not know If-Range, and has another file now */
        http_print(c,
                   "HTTP/1.1 206 Part\r\nETag: \"v1\"\r\nContent-Length: %d\r\n"
                   "Content-Range: bytes %d-%d/%d\r\n\r\n",
                   HD_HALF, HD_HALF, HD_SIZE - 1, HD_SIZE),
            http_body(c, hd_file + HD_HALF, HD_HALF);
    else
        hd_good(c, r);
}
HANDLER(etag_weak)
{
    if (r->number == 1)
        http_file(c, r, hd_other, HD_SIZE, "W/\"v0\"", HD_HALF);
    else
        http_file(c, r, hd_file, HD_SIZE, "W/\"v0\"", HD_SIZE);
}
HANDLER(lfs_pointer)
{
    char text[300];
    int n =
        snprintf(text, sizeof text, "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n",
                 hd_digest, HD_SIZE);
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
    http_print(c, OK_HEAD "Content-Encoding: gzip\r\n\r\n", HD_SIZE);
    http_body(c, hd_file, HD_SIZE);
}
HANDLER(length_too_large)
{
    if (r->number > 1) return hd_good(c, r);
    http_print(c, OK_HEAD "ETag: \"v1\"\r\n\r\n", HD_SIZE);
    http_body(c, hd_file, HD_SIZE - 1000);
}
HANDLER(length_too_small)
{
    http_print(c, OK_HEAD "\r\n", HD_SIZE - 1);
    http_body(c, hd_file, HD_SIZE);
}
/* The same, the last of it when all before has been read. */
HANDLER(length_late)
{
    http_print(c, OK_HEAD "\r\n", HD_SIZE - 1);
    http_body(c, hd_file, HD_HALF);
    poll(NULL, 0, 50);
    http_body(c, hd_file + HD_HALF, HD_HALF);
}
/* All that there is in one packet, and a byte more. */
HANDLER(length_small)
{
    http_print(c, OK_HEAD "\r\n%s", 5, "five.5");
}
HANDLER(length_negative)
{
    http_print(c, OK_HEAD "\r\n", -5);
    http_body(c, hd_file, HD_SIZE);
}
HANDLER(length_text)
{
    http_print(c, "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n");
    http_body(c, hd_file, HD_SIZE);
}
HANDLER(length_twice)
{
    http_print(c, OK_HEAD "Content-Length: 40001\r\n\r\n", HD_SIZE);
    http_body(c, hd_file, HD_SIZE);
}

static void chunks(struct http_conn *c, const char *size)
{
    http_print(c, "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n", size);
    http_body(c, hd_file, HD_SIZE);
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
    if (r->number > 1) return hd_good(c, r);
    http_print(c, "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", HD_SIZE);
    http_body(c, hd_file, HD_HALF);
}
HANDLER(endless_body)
{
    http_print(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (!c->broken) {
        http_print(c, "%x\r\n", HD_SIZE);
        http_body(c, hd_file, HD_SIZE);
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
    if (r->number > 1) return hd_good(c, r);
    http_print(c, OK_HEAD "ETag: \"v1\"\r\n\r\n", HD_SIZE);
    http_body(c, hd_file, 1);
    http_silence(c);
}
HANDLER(silent)
{
    if (r->number > 1) return hd_good(c, r);
    http_silence(c);
}
HANDLER(resets)
{
    http_reset(c);
}
HANDLER(wrong_bytes)
{
    http_file(c, r, hd_other, HD_SIZE, "\"v1\"", HD_SIZE);
}
/* A wrong half, then the right rest under the same ETag; what is asked for anew is right. */
HANDLER(wrong_half)
{
    if (r->number == 1)
        http_file(c, r, hd_other, HD_SIZE, "\"v1\"", HD_HALF);
    else
        hd_good(c, r);
}
HANDLER(disposition)
{
    http_print(c, OK_HEAD "Content-Disposition: attachment; filename=\"../../x\"\r\n\r\n", HD_SIZE);
    http_body(c, hd_file, HD_SIZE);
}
HANDLER(garbage)
{
    http_body(c, hd_file, HD_SIZE);
}
HANDLER(bad_status)
{
    http_print(c, "HTTP/1.1 OK 200\r\n\r\n");
}

static const struct hd_row rows[] = {
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
    {"HD38", wrong_bytes, ERR_HASH, "digest", 1, 0},
    {"HD39 on the way", wrong_half, 0, NULL, 3, 0},
    {"HD40", disposition, 0, NULL, 1, UNKNOWN},
    {"HD41", garbage, ERR_HTTP_STATUS, "", 1, 0},
    {"HD41 words", bad_status, ERR_HTTP_STATUS, "", 1, 0},
    {"HD42", continues, ERR_HTTP_HEADER, "headers", 1, 0},
    {"whole", whole, 0, NULL, 1, 0},
};

int main(void)
{
    return hd_main(rows, sizeof rows / sizeof *rows);
}
