/* Fetching over TLS: who is believed, and connections that end without saying so. */
#include "tests/support/fetch_rig.h"
#include "tests/support/scratch.h"
#include "tests/support/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 100000 };
static unsigned char file[SIZE];
static char digest[SHA256_HEX];

static void serve(struct http_conn *c, const struct http_request *r, void *ctx)
{
    (void)ctx;
    http_file(c, r, file, SIZE, "\"v1\"", SIZE);
}

/* HTTP/1.0's way: the end of the connection is the end of the file. */
static void serve_to_the_end(struct http_conn *c, const struct http_request *r, void *ctx)
{
    (void)r, (void)ctx;
    http_print(c, "HTTP/1.0 200 OK\r\n\r\n");
    http_body(c, file, SIZE);
}

static int fetch(http_handler *handler, const char *host, int days, bool trusted, bool unknown, struct err *e)
{
    struct fetch_rig rig = {.server.tls = tls_make(host, days, scratch("ca.pem"))};
    struct tls_server *tls = rig.server.tls;
    char ca[FILE_PATH];
    rig_start(&rig, scratch("fetch"), handler, NULL);
    snprintf(ca, sizeof ca, "%s", scratch("ca.pem"));
    if (trusted) rig.limits.ca_file = ca;
    struct fetch_file f = {.path = "file.bin",
                           .url = rig_url(&rig, "file.bin"),
                           .digest = unknown ? NULL : digest,
                           .size = unknown ? DOWNLOAD_UNKNOWN : SIZE};
    int rc = rig_fetch(&rig, &f, 1, e);
    if (!rc) rig_holds(rig.folder, "file.bin", file, SIZE);
    assert_int_equal(file_exists(scratch("fetch/file.bin")), !rc);
    assert_true(!rc || rc != ERR_TLS || rig.server.requests == 0);
    rig_stop(&rig);
    tls_free(tls);
    return rc;
}

/* HD27 */
static void strangers_are_not_believed(void **state)
{
    static const struct {
        const char *host;
        int days;
        bool trusted;
        int code;
    } rows[] = {{"127.0.0.1", 1, true, 0},
                {"127.0.0.1", 1, false, ERR_TLS},   /* signed by itself */
                {"127.0.0.1", -1, true, ERR_TLS},   /* expired */
                {"example.com", 1, true, ERR_TLS}}; /* somebody else's */
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        int rc = fetch(serve, rows[i].host, rows[i].days, rows[i].trusted, false, &e);
        if (rc != rows[i].code) fail_msg("row %zu: %s %s", i, err_name(rc), e.msg);
    }
}

/* HD49: the digest decides; without one, nobody can tell. */
static void an_end_without_goodbye(void **state)
{
    struct err e = {0}, e2 = {0}, e3 = {0};
    (void)state;
    assert_int_equal(fetch(serve, "127.0.0.1", 1, true, true, &e), 0);
    if (fetch(serve_to_the_end, "127.0.0.1", 1, true, false, &e2)) fail_msg("%s", e2.msg);
    assert_int_equal(fetch(serve_to_the_end, "127.0.0.1", 1, true, true, &e3), ERR_HTTP_LENGTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(strangers_are_not_believed),
                                       cmocka_unit_test(an_end_without_goodbye)};
    rig_bytes(file, SIZE, 1);
    if (sha256_hex(file, SIZE, digest, NULL)) return 1;
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
