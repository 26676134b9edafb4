/* metrics.jsonl and TensorBoard events: what is written, and what a resumed run cuts. */
#include "checkpoints/file.h"
#include "tests/support/scratch.h"
#include "train/metrics.h"
#include "train/tfevents.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char *load(const char *path, size_t *n)
{
    char *text;
    size_t len;
    struct err e = {0};
    if (file_load(path, 1 << 24, &text, &len, &e)) fail_msg("%s", e.msg);
    if (n) *n = len;
    return text;
}

static const char *fresh_folder(const char *name)
{
    const char *path = scratch(name);
    assert_int_equal(file_remove_tree(path, NULL), 0);
    assert_int_equal(file_make_dirs(path, NULL), 0);
    return path;
}

/* The one event file of a folder. */
static const char *events_of(const char *folder)
{
    static char path[4096];
    int found = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));)
        if (strstr(entry->d_name, "tfevents")) {
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            found++;
        }
    closedir(d);
    assert_int_equal(found, 1);
    return path;
}

static void write_steps(const char *folder, uint64_t resume, uint64_t from, uint64_t to)
{
    struct metrics m;
    struct err e = {0};
    if (metrics_open(&m, folder, resume, true, true, &e)) fail_msg("%s", e.msg);
    for (uint64_t step = from; step <= to; step++) {
        struct metric v[] = {{"loss", 2.0 / (double)step}, {"learning_rate", 1e-4}};
        assert_int_equal(metrics_write(&m, step, v, 2, &e), 0);
    }
    assert_int_equal(metrics_sync(&m, &e), 0);
    metrics_close(&m);
    metrics_close(&m);
}

static void a_step_is_a_line(void **state)
{
    (void)state;
    const char *folder = fresh_folder("line");
    struct metrics m;
    assert_int_equal(metrics_open(&m, folder, 0, true, false, NULL), 0);
    assert_string_equal(m.said, "");
    assert_int_equal(m.events, -1);
    struct metric one[] = {{"total_steps", 300},
                           {"epoch", 0.25},
                           {"loss", 0.1},
                           {"grad_norm", INFINITY},
                           {"eval_loss", NAN},
                           {"learning_rate", 2e-4},
                           {"throughput", 1234.5678901234567},
                           {"total_tokens", 123456789012.0}};
    assert_int_equal(metrics_write(&m, 1, one, 8, NULL), 0);
    assert_int_equal(metrics_write(&m, 18446744073709551ull, one, 0, NULL), 0);
    metrics_close(&m);
    char *text = load(scratch("line/metrics.jsonl"), NULL);
    assert_string_equal(
        text, "{\"step\": 1, \"total_steps\": 300, \"epoch\": 0.25, \"loss\": 0.1, \"grad_norm\": null, "
              "\"eval_loss\": null, \"learning_rate\": 0.0002, \"throughput\": 1234.5678901234567, "
              "\"total_tokens\": 123456789012}\n{\"step\": 18446744073709551}\n");
    free(text);
}

/* CK55: a log that is longer or shorter than the state is cut to its step, and it is said. */
static void the_log_is_cut_to_the_state(void **state)
{
    (void)state;
    const char *folder = fresh_folder("cut");
    struct metrics m;
    write_steps(folder, 0, 1, 10);
    char *whole = load(scratch("cut/metrics.jsonl"), NULL);
    assert_int_equal(metrics_open(&m, folder, 7, true, true, NULL), 0);
    assert_non_null(strstr(m.said, "cut 3 lines behind step 7"));
    metrics_close(&m);
    char *cut = load(scratch("cut/metrics.jsonl"), NULL);
    assert_int_equal(strncmp(whole, cut, strlen(cut)), 0);
    assert_non_null(strstr(cut, "{\"step\": 7,"));
    assert_null(strstr(cut, "{\"step\": 8,"));
    write_steps(folder, 7, 8, 10); /* the same run again gives the same log */
    char *again = load(scratch("cut/metrics.jsonl"), NULL);
    assert_string_equal(again, whole);
    assert_int_equal(metrics_open(&m, folder, 12, true, false, NULL), 0);
    assert_non_null(strstr(m.said, "the log ends at step 10, the state is of step 12"));
    metrics_close(&m);
    assert_int_equal(metrics_open(&m, folder, 0, true, true, NULL), 0); /* a new run in an old folder */
    assert_non_null(strstr(m.said, "cut 10 lines behind step 0"));
    metrics_close(&m);
    free(whole), free(cut), free(again);
}

/* A crash in the middle of a write costs that line only, wherever it tears. */
static void torn_ends_are_cut(void **state)
{
    (void)state;
    const char *folder = fresh_folder("torn");
    write_steps(folder, 0, 1, 3);
    size_t n_log, n_events;
    char *log = load(scratch("torn/metrics.jsonl"), &n_log), *events = load(events_of(folder), &n_events);
    for (size_t cut = 0; cut <= n_log; cut++) {
        struct metrics m;
        scratch_write("torn/metrics.jsonl", log, cut);
        assert_int_equal(metrics_open(&m, scratch("torn"), 3, true, false, NULL), 0);
        metrics_close(&m);
        size_t n;
        char *kept = load(scratch("torn/metrics.jsonl"), &n);
        assert_true(n <= cut && !strncmp(kept, log, n) && (!n || kept[n - 1] == '\n'));
        assert_true(cut - n < 80);
        if (n < cut) assert_non_null(strstr(m.said, "cut half a line"));
        free(kept);
    }
    for (size_t cut = 0; cut <= n_events; cut++) {
        const char *path = events_of(scratch("torn"));
        FILE *f = fopen(path, "w");
        fwrite(events, 1, cut, f);
        fclose(f);
        uint64_t keep, last;
        int fd = open(path, O_RDONLY);
        assert_int_equal(tfevents_scan(fd, 99, &keep, &last, NULL), 0);
        close(fd);
        assert_true(keep <= cut && last <= 3);
        if (cut == n_events) assert_true(keep == cut && last == 3);
    }
    free(log), free(events);
}

static void flipped_bits_end_the_events(void **state)
{
    (void)state;
    const char *folder = fresh_folder("flip");
    write_steps(folder, 0, 1, 2);
    size_t n;
    char *events = load(events_of(folder), &n);
    for (size_t i = 0; i < n; i++) {
        uint64_t keep, last;
        events[i] ^= 4;
        FILE *f = tmpfile();
        fwrite(events, 1, n, f);
        fflush(f);
        assert_int_equal(tfevents_scan(fileno(f), 99, &keep, &last, NULL), 0);
        if (keep > i) fail_msg("a flipped bit in byte %zu went unseen", i);
        fclose(f);
        events[i] ^= 4;
    }
    free(events);
}

static void foreign_files_are_left_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        int code;
    } rows[] = {{"hello\n", 6, ERR_JSON_SYNTAX},
                {"{\"step\": 1}\n{\"loss\": 1}\n", 24, ERR_JSON_SYNTAX},
                {"{\"step\": -1}\n", 13, ERR_JSON_SYNTAX},
                {"{\"step\": 1x}\n", 13, ERR_JSON_SYNTAX},
                {"{\"step\": 1}\n{\"st\0p\": 2}\n{}\n", 27, ERR_JSON_SYNTAX},
                {"{\"step\": 99999999999999999999}\n", 31, ERR_JSON_SYNTAX}};
    fresh_folder("foreign");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct metrics m;
        struct err e = {0};
        const char *path = scratch_write("foreign/metrics.jsonl", rows[i].text, rows[i].len);
        int code = metrics_open(&m, scratch("foreign"), 1, true, true, &e);
        if (code != rows[i].code || !strstr(e.msg, "metrics.jsonl:"))
            fail_msg("row %zu: %d %s", i, code, e.msg);
        assert_true(m.jsonl == -1 && m.events == -1);
        size_t n;
        char *text = load(path, &n);
        assert_true(n == rows[i].len && !memcmp(text, rows[i].text, n));
        free(text);
    }
    char *big = malloc(100000);
    memset(big, 'x', 100000);
    scratch_write("foreign/metrics.jsonl", big, 100000);
    free(big);
    struct metrics m;
    assert_int_equal(metrics_open(&m, scratch("foreign"), 1, true, false, NULL), ERR_LINE_LEN);
    assert_int_equal(unlink(scratch("foreign/metrics.jsonl")), 0);
    assert_int_equal(mkfifo(scratch("foreign/metrics.jsonl"), 0600), 0);
    assert_int_equal(metrics_open(&m, scratch("foreign"), 1, true, false, NULL), ERR_NOT_REGULAR);
    assert_int_equal(metrics_open(&m, scratch("absent"), 1, true, false, NULL), ERR_FILE_MISSING);
    scratch_write("foreign/events.out.tfevents.9.other", "theirs", 6);
    assert_int_equal(metrics_open(&m, scratch("foreign"), 0, false, true, NULL), 0);
    metrics_close(&m);
    char *theirs = load(scratch("foreign/events.out.tfevents.9.other"), NULL);
    assert_string_equal(theirs, "theirs");
    free(theirs);
}

static void checksums(void **state)
{
    (void)state;
    assert_int_equal(crc32c("123456789", 9), 0xe3069283); /* the standard check value */
    unsigned char zeros[32] = {0};
    assert_int_equal(crc32c(zeros, 32), 0x8a9136aa); /* RFC 3720, B.4 */
    assert_int_equal(crc32c("", 0), 0);
}

static void assert_bytes(const uint8_t *got, size_t n, const char *hex)
{
    char text[512] = "";
    for (size_t i = 0; i < n; i++) snprintf(text + 2 * i, 3, "%02x", got[i]);
    assert_string_equal(text, hex);
}

/* Records that TensorBoard's own writer makes for the same events (scripts/fixtures/tfevents.py prints them).
 */
static void records_equal_tensorboards(void **state)
{
    (void)state;
    uint8_t out[TFEVENTS_RECORD_MAX];
    size_t n = tfevents_version_record(1700000000.25, out);
    assert_bytes(out, n, "1800000000000000a37f4b220900001040fc54d9411a0d627261696e2e4576656e743a32338d2fe9");
    struct tfevents_value v[] = {{"train/loss", 1.25f}, {"eval/loss", -3e-5f}};
    n = tfevents_scalar_record(1700000000.5, 300, v, 2, out);
    assert_bytes(out, n,
                 "33000000000000000ca720560900002040fc54d94110ac022a250a110a0a747261696e2f6c6f7373"
                 "150000a03f0a100a096576616c2f6c6f73731582a8fbb736322eab");
}

static void many_values_fit(void **state)
{
    (void)state;
    static const char key[] =
        "a_key_that_is_as_long_as_keys_may_be_0123456789_0123456789_0123456789_0123456789_0123456789_"
        "0123456789_0123456789_0123456789";
    const char *folder = fresh_folder("many");
    struct metric v[METRICS_MAX + 1];
    for (int i = 0; i <= METRICS_MAX; i++) v[i] = (struct metric){key, -1.2345678901234567e-300};
    struct metrics m;
    struct err e = {0};
    assert_int_equal(metrics_open(&m, folder, 0, true, true, NULL), 0);
    assert_int_equal(metrics_write(&m, 1, v, METRICS_MAX, NULL), 0);
    assert_int_equal(metrics_write(&m, 2, v, METRICS_MAX + 1, &e), ERR_INTERNAL);
    metrics_close(&m);
    uint64_t keep, last;
    struct stat st;
    int fd = open(events_of(folder), O_RDONLY);
    assert_int_equal(tfevents_scan(fd, 1, &keep, &last, NULL), 0);
    assert_int_equal(fstat(fd, &st), 0);
    close(fd);
    assert_true(last == 1 && keep == (uint64_t)st.st_size);
}

static void a_full_disk_is_said(void **state)
{
    (void)state;
    struct err e = {0};
    struct metrics m = {.jsonl = open("/dev/full", O_WRONLY), .events = -1};
    struct metric v = {"loss", 1};
    if (m.jsonl < 0) {
        print_message("skip: no /dev/full here\n");
        skip();
    }
    assert_int_equal(metrics_write(&m, 1, &v, 1, &e), ERR_ENOSPC);
    assert_non_null(strstr(e.msg, "metrics.jsonl"));
    metrics_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_a_line),
        cmocka_unit_test(the_log_is_cut_to_the_state),
        cmocka_unit_test(torn_ends_are_cut),
        cmocka_unit_test(flipped_bits_end_the_events),
        cmocka_unit_test(foreign_files_are_left_alone),
        cmocka_unit_test(checksums),
        cmocka_unit_test(records_equal_tensorboards),
        cmocka_unit_test(many_values_fit),
        cmocka_unit_test(a_full_disk_is_said),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
