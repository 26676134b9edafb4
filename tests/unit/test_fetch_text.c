/* What servers say before anything is done about it: names, headers, addresses. */
#include "data/fetch/hub.h"
#include "data/fetch/names.h"
#include "data/fetch/reply.h"
#include "data/fetch/transfer_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- names --------------------------------------------------------------------------------------------- */

static void names_of_files(void **state)
{
    static const char *const good[] = {
        "a", "data/train-00000-of-00120.parquet", "a b/c", ".gitattributes", "\xc3\xa9", "...", "a/.terse"};
    static const char *const bad[] = {"",       "/a",       "a/",
                                      "a//b",   ".",        "..",
                                      "../a",   "a/../b",   "a/.",
                                      "a\\b",   "a\nb",     "\x7f",
                                      "\xff",   "\xc2\x85", ".terse/list.json",
                                      ".TERSE", ".git",     "a/.GIT/hooks/x"};
    char longest[NAME_PATH + 2];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (name_check(good[i], NULL)) fail_msg("%s is refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (name_check(bad[i], NULL) != ERR_PATH) fail_msg("case %zu is taken", i);
    memset(longest, 'a', sizeof longest);
    longest[NAME_PART] = 0;
    assert_int_equal(name_check(longest, NULL), 0);
    longest[NAME_PART] = 'a', longest[NAME_PART + 1] = 0;
    assert_int_equal(name_check(longest, NULL), ERR_PATH);
    for (size_t i = 0; i < sizeof longest - 1; i++) longest[i] = i % 2 ? '/' : 'a';
    longest[NAME_PATH + 1] = 0;
    assert_int_equal(name_check(longest, NULL), ERR_PATH);
}

static void names_side_by_side(void **state)
{
    (void)state;
    assert_int_equal(names_check_apart((const char *[]){"a", "b/c", "b.c", "b/d", "ab"}, 5, NULL), 0);
    assert_int_equal(names_check_apart((const char *[]){"data/a", "x", "Data/A"}, 3, NULL), ERR_PATH);
    assert_int_equal(names_check_apart((const char *[]){"b/c", "b.d", "B"}, 3, NULL), ERR_PATH);
    assert_int_equal(names_check_apart(NULL, 0, NULL), 0);
}

static void names_of_addresses(void **state)
{
    char name[NAME_PATH];
    (void)state;
    assert_int_equal(name_of_url(name, "https://h/a/b%20c.parquet?x=1/2#y", NULL), 0);
    assert_string_equal(name, "b c.parquet");
    static const char *const bad[] = {"https://h",      "https://h/",       "https://h/a/?x",
                                      "https://h/..",   "https://h/%2e%2e", "https://h/a%2fb",
                                      "https://h/a%00", "https://h/.terse"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (name_of_url(name, bad[i], NULL) != ERR_PATH) fail_msg("%s is taken as %s", bad[i], name);
    char escaped[100];
    assert_true(name_escape(escaped, sizeof escaped, "a b/\xc3\xa9?", true));
    assert_string_equal(escaped, "a%20b/%C3%A9%3F");
    assert_false(name_escape(escaped, 5, "a b/", true));
}

/* ---- headers ------------------------------------------------------------------------------------------- */

/* Takes lines separated by \n; the last code. */
static int take(struct http_reply *r, const char *lines)
{
    int rc = 0;
    *r = (struct http_reply){0};
    for (const char *at = lines; *at && !rc;) {
        size_t n = strcspn(at, "\n");
        rc = http_reply_line(r, at, n, NULL);
        at += n + (at[n] == '\n');
    }
    return rc;
}

static void ranges(void **state)
{
    static const char *const bad[] = {
        "bytes",         "bytes 5-9",      "bytes 5-/10",
        "bytes 9-5/10",  "bytes 5-10/10",  "bytes 5-9/10x",
        "bytes -5-9/10", "bytes 5-9/-1",   "items 5-9/10",
        "bytes 5 -9/10", "bytes */",       "bytes *",
        "bytes 5-9",     "bytes 0x5-9/10", "bytes 5-99999999999999999999/999999999999999999999"};
    struct http_reply r;
    char line[200];
    (void)state;
    assert_int_equal(take(&r, "HTTP/1.1 206 x\nContent-Range: bytes 5-9/10\n\n"), 0);
    assert_true(r.has_range && r.has_total && r.first == 5 && r.last == 9 && r.total == 10 && r.complete);
    take(&r, "HTTP/1.1 416 x\ncontent-range:bytes */10\n\n");
    assert_true(!r.has_range && r.has_total && r.total == 10);
    take(&r, "HTTP/1.1 206 x\nContent-Range: bytes 5-9/*\n\n");
    assert_true(r.has_range && !r.has_total);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(line, sizeof line, "HTTP/1.1 206 x\nContent-Range: %s\n\n", bad[i]);
        assert_int_equal(take(&r, line), 0);
        if (r.has_range || r.has_total) fail_msg("%s is taken", bad[i]);
    }
}

static void other_fields(void **state)
{
    struct http_reply r;
    (void)state;
    take(&r, "HTTP/1.1 200 OK\nETag: \"a-b\"\nContent-Length: 17\nTransfer-Encoding: "
             "chunked\nContent-Encoding: identity\n\n");
    assert_string_equal(r.etag, "\"a-b\"");
    assert_true(r.has_length && r.length == 17 && r.chunked && !r.encoded && r.status == 200);
    static const char *const weak[] = {"W/\"a\"", "a", "\"a", "\"", "\"a\"b\"", "\"a b\""};
    for (size_t i = 0; i < sizeof weak / sizeof *weak; i++) {
        char line[100];
        snprintf(line, sizeof line, "HTTP/1.1 200 OK\nETag: %s\n\n", weak[i]);
        take(&r, line);
        assert_string_equal(r.etag, "");
    }
    take(&r, "HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n");
    assert_true(r.encoded);
    take(&r, "HTTP/1.1 200 OK\nLink: </a>; rel=\"prev\", </b?c=1>; x=1; rel=\"next\"\n\n");
    assert_string_equal(r.next, "/b?c=1");
    take(&r, "HTTP/1.1 200 OK\nLink: </a>; rel=\"prev\"\n\n");
    assert_string_equal(r.next, "");
    static const char *const lengths[] = {"-1", "", "1 2", "1,1", "0x1", "18446744073709551616"};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char line[100];
        snprintf(line, sizeof line, "HTTP/1.1 200 OK\nContent-Length: %s\n\n", lengths[i]);
        assert_int_equal(take(&r, line), ERR_HTTP_LENGTH);
    }
    /* what an answer said before does not count, nor what comes behind it */
    take(&r, "HTTP/1.1 100 x\nETag: \"a\"\n\nHTTP/1.1 200 OK\nContent-Length: 5\n\nContent-Length: 6\n");
    assert_true(r.status == 200 && r.length == 5 && !*r.etag);
}

/* ---- addresses ----------------------------------------------------------------------------------------- */

static void who_is_private(void **state)
{
    static const char *const inside[] = {"127.0.0.1",
                                         "10.1.2.3",
                                         "172.31.0.1",
                                         "192.168.1.1",
                                         "169.254.169.254",
                                         "100.64.0.1",
                                         "0.0.0.0",
                                         "224.0.0.1",
                                         "255.255.255.255",
                                         "localhost",
                                         "LOCALHOST",
                                         "a.localhost",
                                         "[::1]",
                                         "[::]",
                                         "[fe80::1]",
                                         "[fc00::1]",
                                         "[ff02::1]",
                                         "[::ffff:127.0.0.1]",
                                         "[64:ff9b::7f00:1]",
                                         "[what]"};
    static const char *const outside[] = {"8.8.8.8",        "172.32.0.1",     "100.128.0.1",
                                          "huggingface.co", "[2606:4700::1]", "[::ffff:8.8.8.8]",
                                          "notlocalhost"};
    (void)state;
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
        if (!host_private(inside[i])) fail_msg("%s", inside[i]);
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        if (host_private(outside[i])) fail_msg("%s", outside[i]);
}

static void origins(void **state)
{
    struct origin a, b;
    char joined[HTTP_URL];
    struct err e = {0};
    (void)state;
    assert_int_equal(origin_of(&a, "https://Host.example/x?y", NULL), 0);
    assert_int_equal(origin_of(&b, "HTTPS://host.example:443", NULL), 0);
    assert_true(origin_same(&a, &b));
    assert_int_equal(origin_of(&b, "http://host.example:443", NULL), 0);
    assert_false(origin_same(&a, &b));
    assert_int_equal(origin_of(&a, "https://me:secret@h/", &e), ERR_URL_CRED);
    assert_null(strstr(e.msg, "secret"));
    static const char *const bad[] = {"file:///x",        "ftp://h/x",    "h",           "", "https://",
                                      "https://h:99999/", "https://a b/", "https://h\n/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (origin_of(&a, bad[i], NULL) != ERR_URL_SCHEME) fail_msg("%s is taken", bad[i]);
    assert_int_equal(url_join(joined, "https://h/a/b?c", "../d e", NULL), 0);
    assert_string_equal(joined, "https://h/d%20e");
    assert_int_equal(url_join(joined, "https://h/a", "//other/x", NULL), 0);
    assert_string_equal(joined, "https://other/x");
}

static void repositories(void **state)
{
    struct hub_repo r;
    (void)state;
    assert_int_equal(hub_parse(&r, "open-thoughts/OpenThoughts3-1.2M", "main", NULL), 0);
    assert_true(!r.model && !strcmp(r.name, "open-thoughts/OpenThoughts3-1.2M") &&
                !strcmp(r.revision, "main"));
    assert_int_equal(hub_parse(&r, "hf://models/Qwen/Qwen2.5-0.5B@refs/pr/1", "main", NULL), 0);
    assert_true(r.model && !strcmp(r.name, "Qwen/Qwen2.5-0.5B") && !strcmp(r.revision, "refs/pr/1"));
    assert_int_equal(hub_parse(&r, "datasets/gsm8k", "main", NULL), 0);
    assert_string_equal(r.name, "gsm8k");
    static const char *const bad[] = {"",     "a/b/c",    "../x",    "a//b",  "a/",    "/a",   "a b/c",
                                      "a/b@", "a/b@../x", "models/", "a/b?x", "a/b#c", "a%2fb"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (hub_parse(&r, bad[i], "main", NULL) != ERR_USAGE) fail_msg("%s is taken", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_files),
        cmocka_unit_test(names_side_by_side),
        cmocka_unit_test(names_of_addresses),
        cmocka_unit_test(ranges),
        cmocka_unit_test(other_fields),
        cmocka_unit_test(who_is_private),
        cmocka_unit_test(origins),
        cmocka_unit_test(repositories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
