#include "tests/support/hd_case.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

unsigned char hd_file[HD_SIZE], hd_other[HD_SIZE];
char hd_digest[SHA256_HEX];

bool hd_half(struct http_conn *c, const struct http_request *r)
{
    if (r->number == 1) http_file(c, r, hd_file, HD_SIZE, "\"v1\"", HD_HALF);
    return r->number == 1;
}

void hd_good(struct http_conn *c, const struct http_request *r)
{
    http_file(c, r, hd_file, HD_SIZE, "\"v1\"", HD_SIZE);
}

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
                               .digest = unknown ? NULL : hd_digest,
                               .size = unknown ? DOWNLOAD_UNKNOWN : HD_SIZE};
}

/* Nothing under the file's name, and nothing in its folder, but what was expected. */
static void check_row(const struct hd_row *row, struct fetch_rig *rig, int rc, const struct err *e)
{
    if (rc != row->code)
        fail_msg("%s: %s (%s), expected %s", row->id, err_name(rc), e->msg, err_name(row->code));
    if (rc && row->says && !strstr(e->msg, row->says))
        fail_msg("%s: \"%s\" lacks \"%s\"", row->id, e->msg, row->says);
    if (row->requests && rig->server.requests != row->requests)
        fail_msg("%s: %d requests, expected %d", row->id, rig->server.requests, row->requests);
    if (!rc)
        rig_holds(rig->folder, "a/file.bin", hd_file, HD_SIZE);
    else if (file_exists(scratch("hd/a/file.bin")))
        fail_msg("%s: a bad file got its name", row->id);
    assert_false(file_exists(scratch("x")));
}

static const struct hd_row *rows;
static size_t n_rows;

static void every_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_rows; i++) {
        struct fetch_rig rig = {0};
        struct err e = {0};
        char failed[100] = "";
        rig_start(&rig, scratch("hd"), rows[i].handler, NULL);
        if (rows[i].code == ERR_SIZE_CAP) rig.max = 100 * HD_SIZE;
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

static int setup(void **state)
{
    rig_bytes(hd_file, HD_SIZE, 1);
    rig_bytes(hd_other, HD_SIZE, 2);
    return sha256_hex(hd_file, HD_SIZE, hd_digest, NULL) || scratch_setup(state);
}

int hd_main(const struct hd_row *all, size_t n)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_row)};
    rows = all, n_rows = n;
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
