/* Section H5 of the hostile inputs inside libhdf5's own structures: object headers, links, trees. The patches
 * are of tests/fixtures/h5/good_earliest.h5, whose headers have no checksums that would hide them:
 *
 *     96   root group's header                816  dataset's messages: dataspace 824 (rank 825, flags,
 * current 136  its tree of links (level 141, ...)      832, most 840), datatype 856 (size 860, bit offset
 * 864), 680  its heap, names from 712                fill value 880, filters 896, layout 1064 800  dataset's
 * header                   1416 tree of chunks: level 1421, entries 1422, keys of 32 bytes 1088 links, the
 * first at 1096                from 1440: size, mask, offset, -; address of the chunk
 *
 * Each is read in a child process: where libhdf5 lives, there is an error with a sentence or the right ids.
 * Not here: what a file as small as this cannot say. H515 (10^6 messages): a header of this version counts up
 * to 65,535. H552-H554: test_hostile_h5.c, where they live (a superblock extension). H555: shards have dense
 * links themselves, as every file of more than eight datasets. H538: what stands at another address inside
 * the file only a digest can tell. H551: attributes of ours stand in headers with checksums (H511).
 * H568-H573: test_shards.c, by SHARDS_TRUST. */
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

/* libhdf5 1.10 itself forgets a block or two on the way out of a damaged header. */
const char *__lsan_default_suppressions(void) __attribute__((visibility("default")));
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

enum ending { ERROR, RIGHT, SILENT, WRONG }; /* SILENT: an error without a sentence */

struct patch {
    const char *id;
    struct {
        uint32_t at;
        const char *bytes;
        uint32_t n;
    } parts[3];
    enum ending ends; /* ERROR, or RIGHT where the damage is in what nobody reads */
};

#define U64(text) text, 8
static const struct patch patches[] = {
    {"H512 datatype", {{850, "\xff\xff", 2}}, ERROR},
    {"H512 layout", {{1058, "\xf8\xff", 2}}, ERROR},
    {"H513",
     {{848, "\x10\0", 2}, {856, U64("\xff\xff\xff\0\0\0\0\0")}, {864, U64("\x64\0\0\0\0\0\0\0")}},
     ERROR},
    {"H514", {{848, "\x10\0", 2}, {856, U64("\x30\3\0\0\0\0\0\0")}, {864, U64("\x10\1\0\0\0\0\0\0")}}, ERROR},
    {"H515 as many as there can be", {{802, "\xff\xff", 2}}, RIGHT},
    {"H516", {{872, "\x3f\0", 2}, {876, "\x80", 1}}, ERROR},
    {"H517 chunks", {{1421, "\1", 1}, {1464, U64("\x88\5\0\0\0\0\0\0")}}, ERROR},
    {"H517 links", {{141, "\1", 1}, {168, U64("\x88\0\0\0\0\0\0\0")}}, ERROR},
    {"H518 chunks", {{1421, "\x9", 1}}, ERROR},
    {"H518 links", {{141, "\xff", 1}}, ERROR},
    {"H519 chunks", {{1422, "\xff\xff", 2}}, ERROR},
    {"H519 links", {{1094, "\xff\xff", 2}}, ERROR},
    {"H520", {{1480, "\0\2", 2}, {1512, "\0\1", 2}}, ERROR},
    {"H521 past the heap", {{1096, "\xff\xff\xff", 3}}, ERROR},
    {"H521 without end",
     {{720, "idsidsidsidsidsidsidsidsidsidsidsidsids", 40},
      {759, "idsidsidsidsidsidsidsidsidsidsidsidsidsids", 41}},
     ERROR},
    {"H528", {{832, U64("\0\0\0\0\0\0\0\x40")}, {840, U64("\0\0\0\0\0\0\0\x40")}}, ERROR},
    {"H529", {{832, "\xd0\7", 2}}, ERROR},
    {"H531 0", {{860, "\0", 1}}, ERROR},
    {"H531 3", {{860, "\3", 1}}, ERROR},
    {"H531 16", {{860, "\x10", 1}}, ERROR},
    {"H533", {{864, "\x8", 1}}, ERROR},
    {"H533 precision", {{866, "\xff", 1}}, ERROR},
    {"H536", {{1065, "\x9", 1}}, ERROR},
    {"H537",
     {{888, "\0\0", 2}, {1065, "\1\xe0\x11\0\0\0\0\0\0", 9}, {1074, U64("\xa0\xf\0\0\0\0\0\0")}},
     ERROR},
    {"H539", {{1075, "\0\0", 2}}, ERROR},
    {"H539 elements of 0 bytes", {{1079, "\0", 1}}, ERROR},
    {"H541", {{1066, "\3", 1}}, ERROR},
    {"H541 none", {{1066, "\1", 1}}, ERROR},
    {"H542 33", {{897, "\x21", 1}}, ERROR},
    {"H544", {{910, "\xff\xff", 2}}, ERROR},
    {"H546 0", {{1440, "\0\0", 2}}, ERROR},
    {"H546 past the end", {{1440, "\xff\xff\xff\x7f", 4}}, ERROR},
    {"H546 elsewhere", {{1464, "\xff\xff\xff", 3}}, ERROR},
    {"H547", {{1464, U64("\xff\xff\xff\xff\xff\xff\xff\xff")}}, ERROR},
    {"H548", {{1480, "\x2c\1", 2}}, RIGHT},
    {"H549", {{1480, "\0\0", 2}}, ERROR},
};

static enum ending read_ids(const char *path)
{
    uint32_t ids[1000];
    struct err e = {0};
    struct hdf5 *f;
    uint64_t n = 0;
    int rc = hdf5_open(&f, path, &e);
    if (!rc) {
        rc = hdf5_count(f, "ids", DTYPE_U32, &n, &e);
        if (!rc) rc = hdf5_check_chunks(f, "ids", DTYPE_U32, &e);
        if (!rc && n != 1000) rc = ERR_H5_SPACE, e.msg[0] = '!'; /* what shards_open says next */
        if (!rc) rc = hdf5_read(f, "ids", DTYPE_U32, 0, n, ids, &e);
        hdf5_close(f, NULL);
    }
    if (rc) return e.msg[0] ? ERROR : SILENT;
    for (uint32_t i = 0; i < 1000; i++)
        if (ids[i] != i) return WRONG;
    return RIGHT;
}

/* In a child with little time and memory. */
static int ending_of(const char *path)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        _exit((int)read_ids(path));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void headers(void **state)
{
    (void)state;
    char *good;
    size_t n;
    int bad = 0;
    assert_int_equal(file_load("tests/fixtures/h5/good_earliest.h5", 1 << 20, &good, &n, NULL), 0);
    assert_int_equal(ending_of("tests/fixtures/h5/good_earliest.h5"), RIGHT);
    for (size_t i = 0; i < sizeof patches / sizeof *patches; i++) {
        const struct patch *p = &patches[i];
        char *copy = malloc(n);
        memcpy(copy, good, n);
        for (int k = 0; k < 3; k++)
            if (p->parts[k].n) memcpy(copy + p->parts[k].at, p->parts[k].bytes, p->parts[k].n);
        int ends = ending_of(scratch_write("bad.h5", copy, n));
        if (ends < 0) printf("%s: libhdf5 does not survive it (signal %d)\n", p->id, -ends);
        if (ends >= 0 && ends != (int)p->ends)
            bad++, printf("%s ends as %d, expected %d\n", p->id, ends, p->ends);
        free(copy);
    }
    free(good);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(headers)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
