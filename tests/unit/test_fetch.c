/* Fetching over several attempts and runs, while the clock on the wall jumps a day each time it is asked
 * (HD50). */
#include "infer/rng.h"
#include "tests/support/fetch_rig.h"
#include "tests/support/scratch.h"

#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20, SIZE = 3 * MIB + 12345, CUT = 2 * MIB + MIB / 2 };
static unsigned char file[SIZE];
static char digest[SHA256_HEX];

/* ---- the clock on the wall, and names (libraries call these, too)
 * ------------------------------------------------ */
#pragma GCC visibility push(default)

static _Atomic int days;
static _Atomic int unresolved; /* so many names in a row are not found */

int clock_gettime(clockid_t which, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, which, t);
    if (which == CLOCK_REALTIME) t->tv_sec += 86400L * (++days % 2 ? 1000 : -1000);
    return rc;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *t = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
    struct addrinfo *a = calloc(1, sizeof *a + sizeof(struct sockaddr_in));
    struct sockaddr_in *in = (struct sockaddr_in *)(a + 1);
    (void)name, (void)hints;
    if (unresolved-- > 0 || !a) return free(a), EAI_NONAME;
    *in = (struct sockaddr_in){.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)atoi(service ? service : "0")),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *a = (struct addrinfo){.ai_family = AF_INET,
                           .ai_socktype = SOCK_STREAM,
                           .ai_addrlen = sizeof *in,
                           .ai_addr = (struct sockaddr *)in};
    *out = a;
    return 0;
}

void freeaddrinfo(struct addrinfo *a)
{
    free(a);
}
#pragma GCC visibility pop

/* ---- servers ------------------------------------------------------------------------------------------- */

/* What a server is to do, and what it saw. */
struct plan {
    size_t most; /* bytes of a body, then the connection ends */
    bool ranged; /* of the last request */
    uint64_t from;
    char authorization[300];
    char elsewhere[200]; /* redirect there; "" */
    const char *part;    /* wait for it to grow, then reset */
};

static void serve(struct http_conn *c, const struct http_request *r, void *ctx)
{
    struct plan *p = ctx;
    p->ranged = r->ranged;
    p->from = r->ranged ? r->from : 0;
    snprintf(p->authorization, sizeof p->authorization, "%s", r->authorization);
    if (*p->elsewhere) {
        http_print(c, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", p->elsewhere);
        return;
    }
    http_file(c, r, file, SIZE, "\"v1\"", p->most ? p->most : SIZE);
    if (!p->part) return;
    uint64_t end = p->from + p->most;
    rig_await_part(c, p->part, end < SIZE ? end : SIZE);
    http_reset(c);
}

static struct fetch_file want(const struct fetch_rig *rig, bool unknown)
{
    return (struct fetch_file){.path = "file.bin",
                               .url = rig_url(rig, "file.bin"),
                               .digest = unknown ? NULL : digest,
                               .size = unknown ? DOWNLOAD_UNKNOWN : SIZE};
}

static void fetch_ok(struct fetch_rig *rig, struct fetch_file f)
{
    struct err e = {0};
    if (rig_fetch(rig, &f, 1, &e)) fail_msg("%s", e.msg);
    assert_int_equal(f.state, FETCH_DONE);
    assert_string_equal(f.sha256, digest);
    rig_holds(rig->folder, "file.bin", file, SIZE);
    assert_false(file_exists(rig_part(rig->folder, "file.bin")));
}

/* One attempt that ends after CUT bytes; half a file is left. */
static void fetch_half(struct fetch_rig *rig, struct plan *p, struct fetch_file f)
{
    struct err e = {0};
    int retries = rig->policy.retries;
    p->most = CUT;
    rig->policy.retries = 0;
    assert_int_equal(rig_fetch(rig, &f, 1, &e), ERR_RETRY_LIMIT);
    assert_false(file_exists(scratch("fetch/file.bin")));
    assert_int_equal(rig_part_size(rig->folder, "file.bin"), CUT);
    rig->policy.retries = retries;
    p->most = 0;
}

/* ---- one run after another ----------------------------------------------------------------------------- */

static void what_came_is_kept_to_the_byte(void **state)
{
    struct plan p = {0};
    struct fetch_rig rig = {0};
    (void)state;
    for (int unknown = 0; unknown < 2; unknown++) {
        rig_start(&rig, scratch("fetch"), serve, &p);
        fetch_half(&rig, &p, want(&rig, unknown));
        fetch_ok(&rig, want(&rig, unknown));
        assert_int_equal(p.from, CUT);
        struct fetch_file again = want(&rig, unknown); /* and is not asked for again */
        struct err e = {0};
        assert_int_equal(rig_fetch(&rig, &again, 1, &e), 0);
        assert_int_equal(again.state, FETCH_HERE);
        assert_int_equal(rig.server.requests, 2);
        rig_stop(&rig);
    }
}

static void change_byte(const char *path, long at)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, at, SEEK_SET);
    int byte = fgetc(f);
    fseek(f, at, SEEK_SET);
    fputc(byte ^ 4, f);
    fclose(f);
}

/* HD39: the first MiB is good, the second is not; it is fetched again from there. */
static void a_byte_that_the_disk_turned_is_found(void **state)
{
    struct plan p = {0};
    struct fetch_rig rig = {0};
    (void)state;
    rig_start(&rig, scratch("fetch"), serve, &p);
    fetch_half(&rig, &p, want(&rig, false));
    change_byte(rig_part(rig.folder, "file.bin"), MIB + 77);
    fetch_ok(&rig, want(&rig, false));
    assert_int_equal(p.from, MIB);
    rig_stop(&rig);
}

/* HD43, and a log whose last line is torn, and a part that lost its end. */
static void parts_and_logs_may_differ(void **state)
{
    static const struct {
        long part, log; /* bytes more (or fewer) than there were */
        uint64_t from;
    } cases[] = {{1000, 0, CUT},   {0, -10, 2 * MIB}, {0, 10, CUT},
                 {-1, 0, 2 * MIB}, {-MIB, 0, MIB},    {0, -9999, 0}};
    struct plan p = {0};
    struct fetch_rig rig = {0};
    (void)state;
    rig_start(&rig, scratch("fetch"), serve, &p);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char log[FILE_PATH], *text;
        size_t n;
        struct err e = {0};
        file_remove_tree(rig.folder, NULL);
        fetch_half(&rig, &p, want(&rig, false));
        const char *part = rig_part(rig.folder, "file.bin");
        file_path(log, &e, "%.*s.log", (int)strlen(part) - 5, part);
        assert_int_equal(file_load(log, 1 << 20, &text, &n, &e), 0);
        free(text);
        assert_int_equal(truncate(part, CUT + cases[i].part), 0);
        assert_int_equal(truncate(log, (long)n + cases[i].log > 0 ? (long)n + cases[i].log : 0), 0);
        fetch_ok(&rig, want(&rig, false));
        assert_int_equal(p.from, cases[i].from);
    }
    rig_stop(&rig);
}

/* HD44: another address, digest or size. */
static void a_part_of_another_file_is_void(void **state)
{
    struct plan p = {0};
    struct fetch_rig rig = {0};
    (void)state;
    rig_start(&rig, scratch("fetch"), serve, &p);
    for (int i = 0; i < 2; i++) {
        file_remove_tree(rig.folder, NULL);
        struct fetch_file f = want(&rig, true);
        if (!i) f.url = rig_url(&rig, "elsewhere/file.bin");
        fetch_half(&rig, &p, f);
        fetch_ok(&rig, want(&rig, false));
        assert_false(p.ranged);
    }
    rig_stop(&rig);
}

/* HD25 */
static void resets_every_64_kib_cost_nothing(void **state)
{
    struct plan p = {.most = 64 << 10};
    struct fetch_rig rig = {0};
    (void)state;
    rig_start(&rig, scratch("fetch"), serve, &p);
    p.part = rig_part(rig.folder, "file.bin");
    fetch_ok(&rig, want(&rig, true));
    assert_true(rig.server.requests >= SIZE / (64 << 10));
    assert_true(rig.server.body <= SIZE + SIZE / 10);
    rig_stop(&rig);
}

/* HD37 */
static void names_may_be_found_later(void **state)
{
    char url[300], named[200];
    struct plan p = {0};
    struct fetch_rig rig = {0};
    (void)state;
    rig_start(&rig, scratch("fetch"), serve, &p);
    snprintf(named, sizeof named, "http://somewhere.example:%d/", rig.server.port);
    snprintf(url, sizeof url, "%sfile.bin", named);
    struct fetch_file f = want(&rig, false);
    f.url = url;
    rig.named = named;
    unresolved = 2;
    fetch_ok(&rig, f);
    assert_true(unresolved < 0);
    rig_stop(&rig);
}

/* ---- who is asked -------------------------------------------------------------------------------------- */

/* HD31, by name: it resolves to this machine, and nobody named it. */
static void a_name_may_hide_a_private_address(void **state)
{
    struct plan p = {.elsewhere = "https://somewhere.example/x"};
    struct fetch_rig rig = {0};
    struct err e = {0};
    (void)state;
    rig_start(&rig, scratch("fetch"), serve, &p);
    struct fetch_file f = want(&rig, false);
    assert_int_equal(rig_fetch(&rig, &f, 1, &e), ERR_URL_HOST);
    assert_non_null(strstr(e.msg, "somewhere.example"));
    rig_stop(&rig);
}

/* HD32: the hub gets the token, where it sends us does not. */
static void the_token_is_for_the_hub(void **state)
{
    char there[200];
    struct plan hub = {0}, store = {0};
    struct fetch_rig rig = {0}, second = {0};
    (void)state;
    rig_start(&second, scratch("second"), serve, &store);
    rig_start(&rig, scratch("fetch"), serve, &hub);
    snprintf(hub.elsewhere, sizeof hub.elsewhere, "%s", rig_url(&second, "blob?signed=1"));
    snprintf(there, sizeof there, "%s", rig_url(&second, ""));
    rig.named = there;
    rig.token = "hf_secret";
    fetch_ok(&rig, want(&rig, false));
    assert_string_equal(hub.authorization, "Bearer hf_secret");
    assert_string_equal(store.authorization, "");
    rig_stop(&rig);
    rig_stop(&second);
}

static void a_token_is_no_place_for_headers(void **state)
{
    struct transfers *set;
    struct transfer_limits limits = {.connect_seconds = 1, .stall_seconds = 1};
    struct err e = {0}, e2 = {0};
    (void)state;
    assert_int_equal(transfers_open(&set, &limits, &e), 0);
    assert_int_equal(transfers_token(set, "https://hub.example", "hf_x\r\nHost: y", &e), ERR_USAGE);
    assert_null(strstr(e.msg, "hf_x"));
    assert_int_equal(transfers_token(set, "http://hub.example", "hf_x", &e2), ERR_URL_SCHEME);
    transfers_close(set);
}

/* ---- the folder ---------------------------------------------------------------------------------------- */

/* HD46 */
static void two_cannot_fetch_into_one_folder(void **state)
{
    struct fetched a, b;
    struct err e = {0};
    (void)state;
    file_remove_tree(scratch("fetch"), NULL);
    assert_int_equal(fetched_open(&a, scratch("fetch"), &e), 0);
    assert_int_equal(fetched_open(&b, scratch("fetch"), &e), ERR_LOCKED);
    fetched_close(&a);
    e = (struct err){0};
    assert_int_equal(fetched_open(&b, scratch("fetch"), &e), 0);
    fetched_close(&b);
}

static void what_was_not_fetched_is_not_replaced(void **state)
{
    struct plan p = {0};
    struct fetch_rig rig = {0};
    struct err e = {0};
    (void)state;
    rig_start(&rig, scratch("fetch"), serve, &p);
    assert_int_equal(file_make_dirs(rig.folder, &e), 0);
    scratch_write("fetch/file.bin", "mine", 4);
    struct fetch_file f = want(&rig, false);
    assert_int_equal(rig_fetch(&rig, &f, 1, &e), ERR_EXISTS);
    rig_holds(rig.folder, "file.bin", "mine", 4);
    scratch_write("fetch/file.bin", file, SIZE); /* the very file: adopted */
    e = (struct err){0};
    assert_int_equal(rig_fetch(&rig, &f, 1, &e), 0);
    assert_int_equal(f.state, FETCH_HERE);
    assert_int_equal(rig.server.requests, 0);
    rig_stop(&rig);
}

static void a_full_disk_is_found_out_before(void **state)
{
    struct plan p = {0};
    struct fetch_rig rig = {0};
    struct err e = {0};
    (void)state;
    rig_start(&rig, scratch("fetch"), serve, &p);
    struct fetch_file f = want(&rig, false);
    f.size = (uint64_t)1 << 60;
    assert_int_equal(rig_fetch(&rig, &f, 1, &e), ERR_PREFLIGHT_DISK);
    assert_int_equal(rig.server.requests, 0);
    rig_stop(&rig);
}

/* ---- cut a thousand times ------------------------------------------------------------------------------ */

enum { FILES = 125, EACH = 8, SMALL = 30000 };

struct cuts {
    _Atomic int n[FILES]; /* of each file */
    uint64_t seed;
};

/* File i is SMALL bytes from 1000 i on. The first EACH answers for it are cut: in the headers or the body, at
 * any byte, by an end or a reset. */
static void cut(struct http_conn *c, const struct http_request *r, void *ctx)
{
    struct cuts *cuts = ctx;
    int i = atoi(r->path + 1), nth = ++cuts->n[i];
    char etag[20];
    uint32_t dice[4];
    snprintf(etag, sizeof etag, "\"%d\"", i);
    rng_block(cuts->seed, (uint64_t)i, (uint64_t)nth, dice);
    if (nth > EACH)
        http_file(c, r, file + 1000 * i, SMALL, etag, SIZE);
    else if (dice[0] % 8 == 0)
        http_print(c, "%.*s", (int)(dice[1] % 50),
                   "HTTP/1.1 200 OK\r\nContent-Length: 30000\r\nETag: \"17\"\r\n\r\n");
    else
        http_file(c, r, file + 1000 * i, SMALL, etag, dice[1] % (SMALL - (r->ranged ? r->from : 0)));
    if (dice[2] % 2) http_reset(c);
}

static void check_files(const struct fetch_rig *rig, struct fetch_file *files, bool all)
{
    for (int i = 0; i < FILES; i++) {
        char path[FILE_PATH];
        file_path(path, NULL, "%s/%s", rig->folder, files[i].path);
        if (all || file_exists(path)) rig_holds(rig->folder, files[i].path, file + 1000 * i, SMALL);
    }
}

static void a_thousand_cuts(void **state)
{
    static char names[FILES][12], urls[FILES][64], digests[FILES][SHA256_HEX];
    struct fetch_file files[FILES];
    struct fetch_rig rig = {0};
    struct cuts cuts = {.seed = 5};
    struct err e = {.code = 1};
    int runs = 0;
    (void)state;
    rig_start(&rig, scratch("fetch"), cut, &cuts);
    rig.policy.parallel = 8;
    rig.policy.retries = 2;
    for (; e.code && runs < 100; runs++) {
        e = (struct err){0};
        for (int i = 0; i < FILES; i++) {
            snprintf(names[i], sizeof names[i], "%d", i);
            snprintf(urls[i], sizeof urls[i], "%s", rig_url(&rig, names[i]));
            sha256_hex(file + 1000 * i, SMALL, digests[i], NULL);
            files[i] = (struct fetch_file){.path = names[i],
                                           .url = urls[i],
                                           .digest = i % 2 ? digests[i] : NULL,
                                           .size = i % 3 ? SMALL : DOWNLOAD_UNKNOWN};
        }
        int rc = rig_fetch(&rig, files, FILES, &e);
        if (rc && rc != ERR_RETRY_LIMIT) fail_msg("%s", e.msg);
        check_files(&rig, files, !rc);
    }
    assert_int_equal(e.code, 0);
    assert_true(runs > 1);
    for (int i = 0; i < FILES; i++) assert_true(cuts.n[i] > EACH);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_is_kept_to_the_byte),
        cmocka_unit_test(a_byte_that_the_disk_turned_is_found),
        cmocka_unit_test(parts_and_logs_may_differ),
        cmocka_unit_test(a_part_of_another_file_is_void),
        cmocka_unit_test(resets_every_64_kib_cost_nothing),
        cmocka_unit_test(names_may_be_found_later),
        cmocka_unit_test(a_name_may_hide_a_private_address),
        cmocka_unit_test(the_token_is_for_the_hub),
        cmocka_unit_test(a_token_is_no_place_for_headers),
        cmocka_unit_test(two_cannot_fetch_into_one_folder),
        cmocka_unit_test(what_was_not_fetched_is_not_replaced),
        cmocka_unit_test(a_full_disk_is_found_out_before),
        cmocka_unit_test(a_thousand_cuts),
    };
    rig_bytes(file, SIZE, 1);
    if (sha256_hex(file, SIZE, digest, NULL)) return 1;
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
