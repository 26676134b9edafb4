/* terse data fetch as a user types it: a hub and its store on this machine, tokens, offline, kills, Ctrl-C.
 */
#include "checkpoints/file.h"
#include "data/parquet/parquet.h"
#include "infer/rng.h"
#include "tests/support/fetch_rig.h"
#include "tests/support/run.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define TOKEN  "hf_verysecrettoken"

enum { BIG = 200000, LONG = 8 << 20, MIB = 1 << 20 };

static char folder[200], out[300], log_file[300];
static unsigned char big[BIG], *lengthy;
static char big_digest[SHA256_HEX];
static const char readme[] = "hello\n"; /* its name for git: printf 'blob 6\0hello\n' | sha1sum */
#define README_OID "ce013625030ba8dba906f756967f9e9ca394464a"

/* ---- a hub --------------------------------------------------------------------------------------------- */

struct hub {
    struct http_server server, store;
    _Atomic int lists, files, strangers; /* requests; those without the token */
    _Atomic int leaks;                   /* of the token to the store */
    bool wrong;                          /* the store has other bytes: another revision's */
    const char *bad_path;                /* in the list; NULL */
};
static struct hub hub;

static void serve_json(struct http_conn *c, const char *text, const char *more)
{
    http_print(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n%s",
               strlen(text), more, text);
}

static void serve_list(struct http_conn *c, const struct http_request *r)
{
    char text[2000], link[1200];
    hub.lists++;
    if (strstr(r->path, "/revision/main"))
        return serve_json(c, "{\"id\": \"us/set\", \"sha\": \"" COMMIT "\"}", "");
    if (!strstr(r->path, "/tree/" COMMIT "?recursive=true"))
        return http_print(
            c, "HTTP/1.1 404 None\r\nX-Error-Message: Repository not found\r\nContent-Length: 0\r\n\r\n");
    if (strstr(r->path, "cursor")) {
        snprintf(text, sizeof text,
                 "[{\"type\":\"file\",\"path\":\"%s\",\"size\":6,\"oid\":\"" README_OID "\"}]",
                 hub.bad_path ? hub.bad_path : "README.md");
        return serve_json(c, text, "");
    }
    snprintf(text, sizeof text,
             "[{\"type\":\"directory\",\"path\":\"data\",\"size\":0,\"oid\":\"" COMMIT "\"},"
             "{\"type\":\"file\",\"path\":\"data/big one.bin\",\"size\":%d,\"oid\":\"" COMMIT "\","
             "\"lfs\":{\"oid\":\"%s\",\"size\":%d,\"pointerSize\":130}}]",
             BIG, big_digest, BIG);
    snprintf(link, sizeof link, "Link: <http://127.0.0.1:%d%s&cursor=x>; rel=\"next\"\r\n", hub.server.port,
             r->path);
    serve_json(c, text, link);
}

static void serve_hub(struct http_conn *c, const struct http_request *r, void *ctx)
{
    (void)ctx;
    c->keep = true;
    hub.strangers += strcmp(r->authorization, "Bearer " TOKEN) != 0;
    if (!strncmp(r->path, "/api/datasets/us/", 17)) return serve_list(c, r);
    hub.files++;
    if (!strcmp(r->path, "/datasets/us/set/resolve/" COMMIT "/README.md"))
        http_file(c, r, readme, sizeof readme - 1, "\"r\"", SIZE_MAX);
    else if (!strcmp(r->path, "/datasets/us/set/resolve/" COMMIT "/data/big%20one.bin"))
        http_print(c,
                   "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/blob?signature=x\r\nContent-Length: "
                   "0\r\n\r\n",
                   hub.store.port);
    else
        http_print(c, "HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n");
}

static void serve_store(struct http_conn *c, const struct http_request *r, void *ctx)
{
    (void)ctx;
    hub.leaks += *r->authorization != 0;
    if (hub.wrong)
        http_file(c, r, lengthy, BIG, "\"other\"", SIZE_MAX);
    else
        http_file(c, r, big, BIG, "\"blob\"", SIZE_MAX);
}

static int hub_start(void **state)
{
    (void)state;
    http_no_proxy();
    hub = (struct hub){0};
    http_start(&hub.server, serve_hub, NULL);
    http_start(&hub.store, serve_store, NULL);
    char endpoint[100];
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d/", hub.server.port);
    setenv("HF_ENDPOINT", endpoint, 1);
    setenv("HF_TOKEN", TOKEN, 1);
    unsetenv("HF_HUB_OFFLINE");
    return file_remove_tree(out, NULL);
}

static int hub_stop(void **state)
{
    (void)state;
    http_stop(&hub.server);
    http_stop(&hub.store);
    return 0;
}

static void expect_bytes(const char *name, const void *data, size_t n)
{
    rig_holds(out, name, data, n);
}

static char *fetch_line(const char *what)
{
    static char line[1000];
    snprintf(line, sizeof line, "%s data fetch -o %s --wait 0.001 --allow-host http://127.0.0.1:%d/ %s",
             run_terse(), out, hub.store.port, what);
    return line;
}

/* ---- a repository -------------------------------------------------------------------------------------- */

static void a_repository_is_fetched_once(void **state)
{
    (void)state;
    run_expect(0, log_file, "%s", fetch_line("us/set"));
    expect_bytes("data/big one.bin", big, BIG);
    expect_bytes("README.md", readme, sizeof readme - 1);
    run_says(log_file, "big one.bin  200.0 kB");
    char *text = run_read(log_file);
    assert_null(strstr(text, TOKEN));
    free(text);
    assert_int_equal(hub.strangers, 0);
    assert_int_equal(hub.leaks, 0);
    assert_int_equal(hub.lists, 3);
    assert_int_equal(hub.files, 2);
    run_expect(0, log_file, "%s", fetch_line("us/set --verify"));
    run_says(log_file, "2 here already");
    assert_int_equal(hub.files, 2);
    run_expect(0, log_file, "%s", fetch_line("us/set@" COMMIT)); /* nobody needs to be asked */
    assert_int_equal(hub.lists, 6);
    hub.bad_path = "LICENSE"; /* listed in place of README.md, and not there */
    run_expect(1, log_file, "%s", fetch_line("us/set"));
    run_says(log_file, "1 file in ");
    run_says(log_file, "as README.md: remove them?");
}

static void the_network_is_left_alone_offline(void **state)
{
    (void)state;
    run_expect(1, log_file, "%s", fetch_line("us/set --offline"));
    run_says(log_file, "[OFFLINE]");
    run_expect(0, log_file, "%s", fetch_line("us/set"));
    int before = hub.server.requests + hub.store.requests;
    setenv("HF_HUB_OFFLINE", "1", 1);
    run_expect(0, log_file, "%s", fetch_line("us/set"));
    run_says(log_file, "big one.bin");
    run_expect(1, log_file, "%s", fetch_line("us/set --revision v2"));
    run_says(log_file, "[OFFLINE]");
    run_expect(1, log_file, "%s", fetch_line("us/other"));
    run_expect(1, log_file, "%s", fetch_line("http://127.0.0.1:1/x.bin"));
    run_says(log_file, "[OFFLINE]");
    char path[400];
    snprintf(path, sizeof path, "%s/README.md", out);
    unlink(path);
    run_expect(1, log_file, "%s", fetch_line("us/set"));
    run_says(log_file, "README.md is not there");
    run_expect(0, log_file, "%s", fetch_line("us/set --exclude README.md"));
    assert_int_equal(hub.server.requests + hub.store.requests, before);
}

static void what_is_wanted_can_be_said(void **state)
{
    (void)state;
    run_expect(0, log_file, "%s", fetch_line("us/set --include 'data/*' --dry-run"));
    run_says(log_file, "200.0 kB  missing");
    assert_int_equal(hub.files, 0);
    assert_false(file_exists(out));
    run_expect(0, log_file, "%s", fetch_line("us/set --include 'data/*'"));
    assert_int_equal(hub.files, 1);
    run_expect(1, log_file, "%s", fetch_line("us/set --include '*.txt'"));
    run_says(log_file, "none of the 2 files matches");
}

/* HD48: the bytes of another revision do not get the name; and lists that are not to be trusted. */
static void what_is_wrong_stays_out(void **state)
{
    char path[400];
    (void)state;
    hub.wrong = true;
    run_expect(1, log_file, "%s", fetch_line("us/set"));
    run_says(log_file, "[HASH]");
    snprintf(path, sizeof path, "%s/data/big one.bin", out);
    assert_false(file_exists(path));
    expect_bytes("README.md", readme, sizeof readme - 1);
    static const char *const bad[] = {"../README.md", "/etc/x",           "a\\u0000b", "a\\u001bb",
                                      ".git/config",  "DATA/Big One.bin", "data"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hub.bad_path = bad[i];
        run_expect(1, log_file, "%s", fetch_line("us/set"));
        run_says(log_file, i == 2 ? "[NAME_CHAR]" : "[PATH]");
    }
    hub.bad_path = NULL;
    run_expect(1, log_file, "%s", fetch_line("us/set --revision v3"));
    run_says(log_file, "Repository not found");
    run_expect(2, log_file, "%s", fetch_line("us/set/too/long"));
    run_expect(2, log_file, "%s", fetch_line(""));
}

/* ---- one row group ------------------------------------------------------------------------------------- */

struct table {
    char *data;
    size_t n;
    const char *etag;
    bool whole, changes; /* sends no pieces; is another file each time */
};

static void serve_table(struct http_conn *c, const struct http_request *r, void *ctx)
{
    struct table *t = ctx;
    struct http_request plain = *r;
    c->keep = true;
    if (t->whole) plain.ranged = false;
    http_file(c, &plain, t->data, t->n, t->changes && r->number % 2 ? "\"v2\"" : t->etag, SIZE_MAX);
}

static void expect_same_text(const char *a, const char *b)
{
    char *x = run_read(a), *y = run_read(b);
    assert_true(strlen(x) > 1000);
    assert_string_equal(x, y);
    free(x);
    free(y);
}

/* `cat` of an address asks for the size, the footer, and each column of the row groups that are printed: here
 * the last rows of one and the first of the next. */
static void rows_elsewhere_are_read_alone(struct http_server *server, const char *source, const char *here,
                                          const char *there)
{
    struct pq *p;
    uint64_t body = server->body;
    int requests = server->requests;
    assert_int_equal(pq_open(&p, source, NULL), 0);
    int columns = (int)pq_schema(p)->n_leaves;
    pq_close(p);
    run_expect(0, log_file, "%s data cat http://127.0.0.1:%d/x.parquet --skip 49900 -n 200 >%s", run_terse(),
               server->port, there);
    run_says(log_file, " fetched of ");
    assert_int_equal(server->requests - requests, 2 + 2 * columns);
    assert_true(server->body - body > 0);
    run_expect(0, log_file, "%s data cat %s --skip 49900 -n 200 >%s", run_terse(), source, here);
    expect_same_text(here, there);
    requests = server->requests;
    run_expect(0, log_file, "%s data cat http://127.0.0.1:%d/x.parquet --skip 50000 -n 1 >%s", run_terse(),
               server->port, there);
    assert_int_equal(server->requests - requests, 2 + columns);
    run_expect(1, log_file, "%s data cat ftp://127.0.0.1/x.parquet", run_terse());
    run_says(log_file, "[URL_SCHEME]");
}

static void a_row_group_is_read_alone(void **state)
{
    static const char source[] = "data/nano/base.parquet"; /* 8 row groups of 10,000 rows */
    struct http_server server = {0};
    struct table t = {.etag = "\"v1\""};
    char line[1000], here[300], there[300];
    struct err e = {0};
    (void)state;
    http_no_proxy();
    if (file_load(source, 1 << 30, &t.data, &t.n, &e)) fail_msg("%s", e.msg);
    http_start(&server, serve_table, &t);
    snprintf(here, sizeof here, "%s/here", folder);
    snprintf(there, sizeof there, "%s/there", folder);
    snprintf(line, sizeof line,
             "%s data fetch --wait 0.001 --retries 3 http://127.0.0.1:%d/x.parquet --row-group", run_terse(),
             server.port);
    for (int weak = 0; weak < 2; weak++) {
        uint64_t before = server.body;
        if (weak) t.etag = "W/\"v1\"";
        run_expect(0, log_file, "%s 5 -n 200 >%s", line, there);
        run_expect(0, log_file, "%s data cat %s --skip 50000 -n 200 >%s", run_terse(), source, here);
        expect_same_text(here, there);
        assert_true(server.body - before < t.n / 3);
    }
    run_expect(1, log_file, "%s 8", line);
    run_says(log_file, "row group 8, there are 8");
    rows_elsewhere_are_read_alone(&server, source, here, there);
    t.etag = "\"v1\"";
    t.changes = true;
    run_expect(1, log_file, "%s 0", line);
    run_says(log_file, "[HTTP_RANGE]");
    t.whole = true;
    run_expect(1, log_file, "%s 0", line);
    run_says(log_file, "does not send parts");
    http_stop(&server);
    free(t.data);
}

/* ---- killed -------------------------------------------------------------------------------------------- */

/* A server that sends `step` bytes, waits until they are on the disk, and stops after `stop` bytes of the
 * file, until the client has gone. */
struct slow {
    struct http_server server;
    const unsigned char *data;
    size_t n, step;
    const char *part;
    _Atomic uint64_t stop, from; /* from: where the last request began */
    _Atomic bool reached;
};

static void serve_slow(struct http_conn *c, const struct http_request *r, void *ctx)
{
    struct slow *s = ctx;
    uint64_t from = r->ranged ? r->from : 0;
    s->from = from;
    http_file(c, r, s->data, s->n, "\"v1\"", 0);
    while (from < s->n) {
        size_t k = s->n - from < s->step ? (size_t)(s->n - from) : s->step;
        http_body(c, s->data + from, k);
        from += k;
        if (from < s->n && !rig_await_part(c, s->part, from)) break;
        if (from < s->stop) continue;
        s->reached = true;
        http_silence(c);
    }
    c->keep = false;
}

static void await_stop(const struct slow *s, pid_t pid)
{
    while (!s->reached) {
        if (waitpid(pid, NULL, WNOHANG)) fail_msg("ended too early: %s", run_read(log_file));
        usleep(200);
    }
}

/* Stops the command by `signal_number` at random moments, each later than the one before, then lets it end.
 * Returns the most bytes that one of them cost. */
static uint64_t kill_often(struct slow *s, const char *line, const char *name, int kills, int signal_number)
{
    uint64_t most = 0;
    for (int i = 0; i <= kills; i++) {
        uint64_t before = rig_part_size(out, name);
        s->reached = false;
        s->stop = i < kills
                      ? (uint64_t)((i + rng_uniform(3, 0, (uint64_t)i)) * (double)(s->n - s->step) / kills)
                      : UINT64_MAX;
        pid_t pid = run_start(log_file, "%s", line);
        if (i == kills) {
            assert_int_equal(run_wait(pid), 0);
        } else {
            await_stop(s, pid);
            kill(pid, signal_number);
            assert_int_equal(run_wait(pid), signal_number == SIGKILL ? 128 + SIGKILL : 75);
        }
        if (before > s->from && before - s->from > most) most = before - s->from;
    }
    return most;
}

static void slow_start(struct slow *s, size_t n, size_t step, char *line, size_t cap)
{
    *s = (struct slow){.data = lengthy, .n = n, .step = step, .part = rig_part(out, "long.bin")};
    http_start(&s->server, serve_slow, s);
    snprintf(line, cap, "%s data fetch -o %s --wait 0.001 http://127.0.0.1:%d/long.bin", run_terse(), out,
             s->server.port);
    file_remove_tree(out, NULL);
}

static void fifty_kills_cost_a_mib_each_at_most(void **state)
{
    static struct slow s;
    char line[1000];
    (void)state;
    slow_start(&s, LONG - 777, 50000, line, sizeof line);
    uint64_t most = kill_often(&s, line, "long.bin", 50, SIGKILL);
    expect_bytes("long.bin", lengthy, LONG - 777);
    if (most > MIB) fail_msg("a kill cost %llu bytes", (unsigned long long)most);
    /* what was sent, too: nothing is under way that is not on the disk but the step at hand */
    assert_true(s.server.body <= LONG + 50ull * (MIB + 50000));
    http_stop(&s.server);
}

/* HD47 */
static void killed_at_every_kib(void **state)
{
    static struct slow s;
    char line[1000];
    (void)state;
    slow_start(&s, 24 << 10, 1024, line, sizeof line);
    kill_often(&s, line, "long.bin", 23, SIGKILL);
    expect_bytes("long.bin", lengthy, 24 << 10);
    http_stop(&s.server);
}

static void ctrl_c_costs_nothing(void **state)
{
    static struct slow s;
    char line[1000];
    (void)state;
    slow_start(&s, 3 << 20, 10000, line, sizeof line);
    assert_int_equal(kill_often(&s, line, "long.bin", 5, SIGINT), 0);
    expect_bytes("long.bin", lengthy, 3 << 20);
    http_stop(&s.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_repository_is_fetched_once, hub_start, hub_stop),
        cmocka_unit_test_setup_teardown(the_network_is_left_alone_offline, hub_start, hub_stop),
        cmocka_unit_test_setup_teardown(what_is_wanted_can_be_said, hub_start, hub_stop),
        cmocka_unit_test_setup_teardown(what_is_wrong_stays_out, hub_start, hub_stop),
        cmocka_unit_test(a_row_group_is_read_alone),
        cmocka_unit_test(fifty_kills_cost_a_mib_each_at_most),
        cmocka_unit_test(killed_at_every_kib),
        cmocka_unit_test(ctrl_c_costs_nothing),
    };
    setenv("OPENBLAS_NUM_THREADS", "1", 1); /* its threads spin while the program starts */
    lengthy = malloc(LONG);
    if (!lengthy) return 1;
    rig_bytes(lengthy, LONG, 1);
    rig_bytes(big, BIG, 2);
    if (sha256_hex(big, BIG, big_digest, NULL)) return 1;
    run_folder(folder, sizeof folder, "fetch");
    snprintf(out, sizeof out, "%s/out", folder);
    snprintf(log_file, sizeof log_file, "%s/log", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    run_folder_remove(folder);
    free(lengthy);
    return failed;
}
