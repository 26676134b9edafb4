/* Plugins of HDF5: ours, by which h5dump reads the shards; and none in terse, whatever HDF5_PLUGIN_PATH says.
 */
#include "checkpoints/file.h"
#include "checkpoints/hdf5.h"
#include "tests/support/run.h"
#include "tests/support/scratch.h"
#include "tests/support/shards_case.h"

#include <hdf5.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { DOCS = 400, MEAN = 100, FOREIGN = 32004 };

static const char *build(void)
{
    const char *b = getenv("TERSE_BUILD");
    return b ? b : "build";
}

/* What h5dump says of the ids, written as bytes, is what we read. */
static void h5dump_reads_the_shards(void **state)
{
    (void)state;
    char log[FILE_PATH], out[FILE_PATH], shard[FILE_PATH], *text;
    struct hdf5 *h5;
    uint64_t n = 0;
    size_t bytes;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    printf("skip: h5dump has not the sanitizer that the plugin was built with\n");
    skip();
#endif
    if (system("command -v h5dump >/dev/null")) {
        printf("skip: h5dump is not there (Debian: hdf5-tools)\n");
        skip();
    }
    snprintf(log, sizeof log, "%s", scratch("log"));
    snprintf(out, sizeof out, "%s", scratch("ids.bin"));
    assert_int_equal(shards_case_write(scratch("set"), DOCS, MEAN, NULL), 0);
    snprintf(shard, sizeof shard, "%s", scratch("set/shard-00000.h5"));
    assert_int_equal(hdf5_open(&h5, shard, NULL), 0);
    assert_int_equal(hdf5_count(h5, "ids", DTYPE_U32, &n, NULL), 0);
    uint32_t *ids = malloc(n * sizeof *ids);
    assert_int_equal(hdf5_read(h5, "ids", DTYPE_U32, 0, n, ids, NULL), 0);
    hdf5_close(h5, NULL);

    run_expect(0, log, "env HDF5_PLUGIN_PATH=%s/hdf5 h5dump -d /ids -b LE -o %s %s", build(), out, shard);
    assert_int_equal(file_load(out, 1 << 24, &text, &bytes, NULL), 0);
    assert_int_equal(bytes, n * sizeof *ids);
    assert_memory_equal(text, ids, bytes);
    free(text);
    free(ids);
    /* without it there is no way to read them: what was just seen is the plugin's work */
    assert_int_equal(unlink(out), 0);
    run_wait(
        run_start(log, "env HDF5_PLUGIN_PATH=%s h5dump -d /ids -b LE -o %s %s", scratch(""), out, shard));
    if (!file_load(out, 1 << 24, &text, &bytes, NULL)) {
        assert_int_not_equal(bytes, n * sizeof *ids);
        free(text);
    }
}

/* In a process of its own, whose HDF5_PLUGIN_PATH names a folder with a plugin for filter 32004: whether that
 * gets loaded when libhdf5 is asked for the filter. */
static int loads_the_hostile_one(int (*first)(void))
{
    char path[FILE_PATH], mark[FILE_PATH];
    snprintf(path, sizeof path, "%s/tests/plugin", build());
    snprintf(mark, sizeof mark, "%s", scratch("mark"));
    unlink(mark);
    pid_t child = fork();
    if (child == 0) {
        setenv("HDF5_PLUGIN_PATH", path, 1);
        setenv("TERSE_HOSTILE_MARK", mark, 1);
        if (first && first()) _exit(2);
        H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
        _exit(H5Zfilter_avail(FOREIGN) > 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    assert_int_equal(WEXITSTATUS(status), file_exists(mark));
    return WEXITSTATUS(status);
}

/* What terse does before anything else with HDF5; a file with that filter among it. */
static int open_files(void)
{
    struct hdf5 *h5;
    uint64_t n;
    int rc = hdf5_open(&h5, "tests/fixtures/h5/good_zstd.h5", NULL);
    if (rc) return rc;
    hdf5_close(h5, NULL);
    if (hdf5_open(&h5, "tests/fixtures/h5/H543_lz4.h5", NULL)) return 1;
    rc = hdf5_count(h5, "ids", DTYPE_U32, &n, NULL);
    hdf5_close(h5, NULL);
    return rc != ERR_H5_FILTER;
}

/* H543 */
static void no_plugin_is_loaded(void **state)
{
    (void)state;
    assert_int_equal(loads_the_hostile_one(NULL), 1); /* libhdf5 by itself does */
    assert_int_equal(loads_the_hostile_one(open_files), 0);
}

int main(void)
{
    /* first the one that forks: libhdf5 must be as new in its children */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_plugin_is_loaded),
        cmocka_unit_test(h5dump_reads_the_shards),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
