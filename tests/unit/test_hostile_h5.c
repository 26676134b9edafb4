/* Section H5 of the hostile inputs, without the digest that normally keeps them from libhdf5. The files are
 * made by scripts/make-h5-fixtures with h5py; the superblock cases are patches of a sound one. */
#include "checkpoints/file.h"
#include "checkpoints/hdf5.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXTURES "tests/fixtures/h5/"

/* libhdf5 1.10 itself forgets a block or two on the way out of a damaged header. */
const char *__lsan_default_suppressions(void) __attribute__((visibility("default")));
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

/* What the shard reader does with a dataset of ids: count, look at the chunks, read all. */
static int read_ids(const char *path, uint32_t ids[1000], struct err *e)
{
    struct hdf5 *f;
    uint64_t n = 0;
    int rc = hdf5_open(&f, path, e);
    if (rc) return rc;
    rc = hdf5_count(f, "ids", DTYPE_U32, &n, e);
    if (!rc) rc = hdf5_check_chunks(f, "ids", DTYPE_U32, e);
    if (!rc) rc = hdf5_read(f, "ids", DTYPE_U32, 0, n < 1000 ? n : 1000, ids, e);
    hdf5_close(f, NULL);
    return rc;
}

static const struct {
    const char *name;
    int code;
    const char *says;
} files[] = {
    {"good_zstd", 0, ""},
    {"good_contiguous", 0, ""},
    {"good_earliest", 0, ""},
    {"H522", ERR_H5_MISSING, "ids"},
    {"H523", ERR_H5_LINK, "ids"},
    {"H524", ERR_H5_LINK, "ids"},
    {"H525", ERR_H5_EXTERNAL, "ids"},
    {"H526", ERR_H5_UNSUPPORTED, "ids"},
    {"H527_rank0", ERR_RANK, "rank 0"},
    {"H527_rank2", ERR_RANK, "rank 2"},
    {"H530_float", ERR_H5_TYPE, "U32"},
    {"H531_u16", ERR_H5_TYPE, "U32"},
    {"H532_big_endian", ERR_H5_TYPE, "little-endian"},
    {"H534_compound", ERR_H5_TYPE, "ids"},
    {"H534_array", ERR_H5_TYPE, "ids"},
    {"H534_vlen", ERR_H5_TYPE, "ids"},
    {"H540_chunk_128MiB", ERR_H5_CHUNK, "16777216"},
    {"H542_three", ERR_H5_FILTER, "3 filters"},
    {"H543_gzip", ERR_H5_FILTER, "is 1 with"},
    {"H543_lz4", ERR_H5_FILTER, "32004"},
    {"H545", ERR_H5_CHUNK, "filter mask 1"},
    {"H547", ERR_H5_CHUNK, "3 chunks, expected 4"},
    {"H547_all", ERR_H5_SPACE, "0 bytes, expected 4000"},
    {"H550_scaleoffset", ERR_H5_FILTER, "is 6 with"},
    {"H556", ERR_ZSTD, "ids"},
    {"H557", ERR_ZSTD_DICT, "ids"},
    {"H558", ERR_ZSTD_EMPTY, "skippable"},
    {"H559", ERR_BOMB, "expected 1024"},
    {"H560", 0, ""},
    {"H561", ERR_SIZE_MISMATCH, "expected 1024"},
    {"group_ids", ERR_H5_TYPE, "not a dataset"},
};

static void whole_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[256];
        uint32_t ids[1000];
        struct err e = {0};
        snprintf(path, sizeof path, FIXTURES "%s.h5", files[i].name);
        int rc = read_ids(path, ids, &e);
        if (rc != files[i].code || !strstr(e.msg, files[i].says))
            fail_msg("%s: %s \"%s\", expected %s", files[i].name, err_name(rc), e.msg,
                     err_name(files[i].code));
        uint32_t first = strcmp(files[i].name, "H560") == 0 ? 256 : 0;
        for (uint32_t k = 0; !rc && k < 1000; k++) assert_int_equal(ids[k], k < first ? 0 : k);
    }
}

static const struct {
    const char *id;
    uint32_t at;       /* offset of the patch */
    const char *bytes; /* what is written there */
    uint32_t n;
    int code;
} patches[] = {
    {"H501", 0, "\0", 1, ERR_H5_MAGIC},
    {"H503", 8, "\377", 1, ERR_H5_VERSION},
    {"H503 version 1", 8, "\1", 1, ERR_H5_VERSION},
    {"H504 0", 9, "\0", 1, ERR_H5_WIDTH},
    {"H504 3", 9, "\3", 1, ERR_H5_WIDTH},
    {"H504 16", 9, "\20", 1, ERR_H5_WIDTH},
    {"H505", 10, "\0", 1, ERR_H5_WIDTH},
    {"H506", 44, "\0\0\0\0", 4, ERR_H5_OPEN},
    {"H507", 28, "\377\377\377", 3, ERR_H5_EOF},
    {"H508", 12, "\10", 1, ERR_H5_UNSUPPORTED},
    {"H509 undefined", 36, "\377\377\377\377\377\377\377\377", 8, ERR_H5_ADDR},
    {"H509 past the end", 38, "\377", 1, ERR_H5_ADDR},
    {"H510", 52, "\377", 1, ERR_H5_OPEN},
    {"H511", 60, "\377", 1, ERR_H5_OPEN},
    {"H552-H554", 20, "\60\0\0\0\0\0\0\0", 8, ERR_H5_UNSUPPORTED},
};

static void superblocks(void **state)
{
    (void)state;
    char *good;
    size_t n;
    assert_int_equal(file_load(FIXTURES "good_zstd.h5", 1 << 20, &good, &n, NULL), 0);
    for (size_t i = 0; i < sizeof patches / sizeof *patches; i++) {
        char *bad = malloc(n);
        uint32_t ids[1000];
        struct err e = {0};
        memcpy(bad, good, n);
        memcpy(bad + patches[i].at, patches[i].bytes, patches[i].n);
        int rc = read_ids(scratch_write("bad.h5", bad, n), ids, &e);
        if (rc != patches[i].code || !strstr(e.msg, "bad.h5"))
            fail_msg("%s: %s \"%s\", expected %s", patches[i].id, err_name(rc), e.msg,
                     err_name(patches[i].code));
        free(bad);
    }
    free(good);
}

/* H502 */
static void user_block(void **state)
{
    (void)state;
    char *good, *bad = calloc(1, 1 << 16);
    size_t n;
    uint32_t ids[1000];
    assert_int_equal(file_load(FIXTURES "good_zstd.h5", 1 << 15, &good, &n, NULL), 0);
    memcpy(bad + 512, good, n);
    assert_int_equal(read_ids(scratch_write("user.h5", bad, n + 512), ids, NULL), ERR_H5_UNSUPPORTED);
    free(good);
    free(bad);
}

static void cut_anywhere(void **state)
{
    (void)state;
    char *good;
    size_t n;
    uint32_t ids[1000];
    assert_int_equal(file_load(FIXTURES "good_zstd.h5", 1 << 20, &good, &n, NULL), 0);
    for (size_t cut = 0; cut < n; cut += cut < 100 ? 1 : 61) {
        int rc = read_ids(scratch_write("cut.h5", good, cut), ids, NULL);
        assert_int_equal(rc, cut < 8 ? ERR_H5_MAGIC : ERR_H5_EOF);
    }
    free(good);
}

/* Every metadata byte inverted, in a child process: libhdf5 may refuse or not notice, and where it lives we
 * end with 0 or an error. The digest is what keeps such files away from it. */
static void damaged_anywhere(void **state)
{
    (void)state;
    char *good;
    size_t n;
    assert_int_equal(file_load(FIXTURES "good_zstd.h5", 1 << 20, &good, &n, NULL), 0);
    pid_t child = fork();
    if (child == 0) {
        uint32_t ids[1000];
        int silent = 0;
        for (size_t at = 0; at < n; at++) {
            struct err e = {0};
            good[at] = (char)~good[at];
            int rc = read_ids(scratch_write("flip.h5", good, n), ids, &e);
            silent += rc != 0 && e.msg[0] == 0;
            good[at] = (char)~good[at];
        }
        _exit(silent != 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    free(good);
}

static void not_a_file(void **state)
{
    (void)state;
    uint32_t ids[1000];
    assert_int_equal(read_ids(scratch("absent.h5"), ids, NULL), ERR_FILE_MISSING);
    assert_int_equal(read_ids("/dev/zero", ids, NULL), ERR_NOT_REGULAR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_files),  cmocka_unit_test(superblocks),      cmocka_unit_test(user_block),
        cmocka_unit_test(cut_anywhere), cmocka_unit_test(damaged_anywhere), cmocka_unit_test(not_a_file),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
