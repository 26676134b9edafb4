#include "checkpoints/file.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_content(const char *path, const char *want)
{
    char *data;
    size_t n;
    assert_int_equal(file_load(path, 1 << 20, &data, &n, NULL), 0);
    assert_int_equal(n, strlen(want));
    assert_string_equal(data, want); /* the NUL after the last byte too */
    free(data);
}

static void saves_and_loads(void **state)
{
    (void)state;
    const char *path = scratch("f");
    assert_int_equal(file_save(path, "one", 3, NULL), 0);
    assert_content(path, "one");
    assert_int_equal(file_save(path, "", 0, NULL), 0);
    assert_content(path, "");
    assert_int_equal(file_save(path, "three", 5, NULL), 0);
    assert_int_equal(file_copy(path, scratch("g"), NULL), 0);
    assert_content(scratch("g"), "three");
    assert_false(file_exists(scratch("f.tmp")));
    assert_int_equal(file_save("relative-name.scratch", "x", 1, NULL), 0);
    assert_int_equal(unlink("relative-name.scratch"), 0);
}

static void loads_with_limits(void **state)
{
    (void)state;
    struct err e = {0};
    char *data;
    size_t n;
    const char *path = scratch_write("five", "12345", 5);
    assert_int_equal(file_load(path, 5, &data, &n, NULL), 0);
    free(data);
    assert_int_equal(file_load(path, 4, &data, &n, &e), ERR_TOO_LARGE);
    assert_null(data);
    assert_non_null(strstr(e.msg, "5 bytes, the limit is 4"));
    assert_int_equal(file_load(scratch("absent"), 9, &data, &n, NULL), ERR_FILE_MISSING);
    assert_int_equal(file_load(scratch("."), 9, &data, &n, NULL), ERR_NOT_REGULAR);
    assert_int_equal(mkfifo(scratch("fifo"), 0600), 0);
    assert_int_equal(file_load(scratch("fifo"), 9, &data, &n, NULL), ERR_NOT_REGULAR);
    assert_int_equal(file_load("/dev/null", 9, &data, &n, NULL), ERR_NOT_REGULAR);
}

static void failed_writer_leaves_the_old_file(void **state)
{
    (void)state;
    struct file_out out;
    const char *path = scratch("kept");
    assert_int_equal(file_save(path, "old", 3, NULL), 0);
    assert_int_equal(file_out_open(&out, path, NULL), 0);
    assert_int_equal(file_out_write(&out, "new", 3, NULL), 0);
    assert_content(path, "old");
    file_out_abort(&out);
    file_out_abort(&out);
    assert_content(path, "old");
    assert_false(file_exists(scratch("kept.tmp")));
    assert_int_equal(file_save(scratch("no/such/folder"), "x", 1, NULL), ERR_FILE_MISSING);
    assert_int_equal(file_save(scratch("kept/below-a-file"), "x", 1, NULL), ERR_IO);
}

static void folders(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(file_make_dirs(scratch("a/b/c"), NULL), 0);
    assert_int_equal(file_make_dirs(scratch("a/b/c/"), NULL), 0);
    scratch_write("a/b/file", "x", 1);
    assert_int_equal(file_make_dirs(scratch("a/b/file/d"), &e), ERR_EXISTS);
    assert_non_null(strstr(e.msg, "a/b/file"));
    scratch_write("outside", "x", 1);
    assert_int_equal(symlink("../outside", scratch("a/link")), 0);
    assert_int_equal(file_remove_tree(scratch("a"), NULL), 0);
    assert_false(file_exists(scratch("a")));
    assert_true(file_exists(scratch("outside")));
    assert_int_equal(file_remove_tree(scratch("a"), NULL), 0);
    char longest[FILE_PATH + 10];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(file_make_dirs(longest, NULL), ERR_PATH);
}

static void free_space(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(file_need_space(scratch("."), 1, NULL), 0);
    assert_int_equal(file_need_space(scratch("."), UINT64_MAX, &e), ERR_PREFLIGHT_DISK);
    assert_non_null(strstr(e.msg, "MB free"));
}

/* CK50 and CK51 */
static void locks(void **state)
{
    (void)state;
    struct file_lock a, b;
    struct err e = {0};
    char pid[32];
    const char *path = scratch("lock");
    assert_int_equal(file_lock_take(&a, path, NULL), 0);
    assert_int_equal(a.stale, 0);
    assert_int_equal(file_lock_take(&b, path, &e), ERR_LOCKED);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(e.msg, pid));
    file_lock_release(&a);
    assert_int_equal(file_lock_take(&b, path, NULL), 0);
    assert_int_equal(b.stale, 0);
    file_lock_release(&b);
    file_lock_release(&b);

    pid_t child = fork();
    if (child == 0) {
        file_lock_take(&a, path, NULL);
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(file_lock_take(&a, path, NULL), 0);
    assert_int_equal(a.stale, child);
    file_lock_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saves_and_loads),
        cmocka_unit_test(loads_with_limits),
        cmocka_unit_test(failed_writer_leaves_the_old_file),
        cmocka_unit_test(folders),
        cmocka_unit_test(free_space),
        cmocka_unit_test(locks),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
