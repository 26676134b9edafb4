#include "checkpoints/file.h"
#include "checkpoints/hdf5.h"
#include "checkpoints/state.h"
#include "tests/support/scratch.h"
#include "tests/support/state_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct state_case c;
static int64_t step;

/* An empty place for states; the name stays valid. */
static const char *fresh(void)
{
    static char dir[300];
    snprintf(dir, sizeof dir, "%s", scratch("state"));
    assert_int_equal(file_remove_tree(dir, NULL), 0);
    return dir;
}

static int has(const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "state/%s", name);
    return file_exists(scratch(path));
}

static void round_trip(void **state)
{
    (void)state;
    const char *dir = fresh();
    assert_int_equal(state_case_latest(dir, &c, &step, NULL, 0, NULL), 0);
    assert_int_equal(step, -1);
    state_case_init(&c, 1);
    assert_int_equal(state_prepare(dir, c.fields, CASE_FIELDS, NULL), 0);
    assert_int_equal(state_case_latest(dir, &c, &step, NULL, 0, NULL), 0);
    assert_int_equal(step, -1);
    for (int64_t s = 5; s <= 1000; s += 199) {
        assert_int_equal(state_case_save(dir, s, 0, NULL), 0);
        assert_int_equal(state_case_latest(dir, &c, &step, NULL, 0, NULL), 0);
        assert_int_equal(step, s);
    }
    assert_int_equal(state_load(scratch("state/step-204"), &c.ident, c.fields, CASE_FIELDS, &step, NULL), 0);
    assert_int_equal(step, 204);
    assert_int_equal(state_verify(scratch("state/step-602"), NULL), 0);
}

static void save_total_limit(void **state)
{
    (void)state;
    const char *dir = fresh();
    for (int64_t s = 1; s <= 4; s++) assert_int_equal(state_case_save(dir, s * 100, 2, NULL), 0);
    assert_false(has("step-100") || has("step-200"));
    assert_true(has("step-300") && has("step-400"));
    /* saving below what is there (a run put back by hand) leaves the higher ones */
    assert_int_equal(state_case_save(dir, 350, 1, NULL), 0);
    assert_true(has("step-350") && has("step-400"));
    assert_false(has("step-300"));
}

static void saving_a_step_again_replaces_it(void **state)
{
    (void)state;
    const char *dir = fresh();
    assert_int_equal(state_case_save(dir, 7, 0, NULL), 0);
    assert_int_equal(unlink(scratch("state/step-7/manifest.json")), 0);
    assert_int_equal(state_case_save(dir, 7, 0, NULL), 0);
    assert_int_equal(state_case_latest(dir, &c, &step, NULL, 0, NULL), 0);
    assert_int_equal(step, 7);
    assert_false(has("step-7.tmp") || has("step-7.old.tmp"));
}

/* Saving twice gives the same bytes, so a digest of a state is a digest of the run. */
static void same_bytes(void **state)
{
    (void)state;
    char *a, *b;
    size_t na, nb;
    assert_int_equal(state_case_save(scratch("a"), 7, 0, NULL), 0);
    sleep(1); /* a time stamp would differ */
    assert_int_equal(state_case_save(scratch("b"), 7, 0, NULL), 0);
    assert_int_equal(file_load(scratch("a/step-7/manifest.json"), 1 << 20, &a, &na, NULL), 0);
    assert_int_equal(file_load(scratch("b/step-7/manifest.json"), 1 << 20, &b, &nb, NULL), 0);
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na);
    free(a);
    free(b);
}

/* Dropping any one field, on either side, is an error that names it; so is another type or count. */
static void every_field_counts(void **state)
{
    (void)state;
    const char *dir = fresh();
    for (int drop = 0; drop < CASE_FIELDS; drop++) {
        struct state_field rest[CASE_FIELDS];
        struct err e = {0};
        state_case_init(&c, 3);
        memcpy(rest, c.fields, sizeof rest);
        memmove(rest + drop, rest + drop + 1, (size_t)(CASE_FIELDS - 1 - drop) * sizeof *rest);
        assert_int_equal(state_save(dir, &c.ident, rest, CASE_FIELDS - 1, 0, NULL), 0);
        assert_int_equal(state_load(scratch("state/step-3"), &c.ident, c.fields, CASE_FIELDS, NULL, &e),
                         ERR_CK_STATE);
        assert_non_null(strstr(e.msg, c.fields[drop].name));
        assert_int_equal(state_save(dir, &c.ident, c.fields, CASE_FIELDS, 0, NULL), 0);
        e.code = 0;
        assert_int_equal(state_load(scratch("state/step-3"), &c.ident, rest, CASE_FIELDS - 1, NULL, &e),
                         ERR_CK_STATE);
        assert_non_null(strstr(e.msg, c.fields[drop].name));
        c.fields[drop].count++;
        e.code = 0;
        assert_int_equal(state_load(scratch("state/step-3"), &c.ident, c.fields, CASE_FIELDS, NULL, &e),
                         ERR_CK_STATE);
        assert_non_null(strstr(e.msg, c.fields[drop].name));
    }
}

static void refuses_bad_tables(void **state)
{
    (void)state;
    const char *dir = fresh();
    static const char *const names[] = {
        "", "a/b", "..\n", "sixty-four-bytes-are-one-too-many-for-a-name-of-a-field-12345678", "adam.m"};
    for (int i = 0; i < 5; i++) {
        state_case_init(&c, 3);
        c.fields[0].name = names[i];
        assert_true(state_save(dir, &c.ident, c.fields, CASE_FIELDS, 0, NULL) < 0);
        assert_false(has("step-3") || has("step-3.tmp"));
    }
    state_case_init(&c, 3);
    c.fields[0].dtype = DTYPE_BF16;
    assert_int_equal(state_save(dir, &c.ident, c.fields, CASE_FIELDS, 0, NULL), ERR_H5_TYPE);
}

/* h5dump and h5py see plain datasets; this is the layout that docs promise. */
static void plain_hdf5(void **state)
{
    (void)state;
    const char *dir = fresh();
    struct hdf5 *h5;
    float back[3];
    assert_int_equal(state_case_save(dir, 7, 0, NULL), 0);
    assert_int_equal(hdf5_open(&h5, scratch("state/step-7/state.h5"), NULL), 0);
    assert_int_equal(hdf5_read(h5, "adapter.master", DTYPE_F32, 1, 3, back, NULL), 0);
    for (int i = 0; i < 3; i++) assert_true(back[i] == (float)(7 * (i + 1)) - 7);
    assert_int_equal(hdf5_close(h5, NULL), 0);
}

static const char log_text[] =
    "{\"step\": 1, \"loss\": 2.5}\n{\"note\": \"no step\"}\n{\"step\": 2}\n{\"step\": 3}\n"
    "{\"step\": 3, \"eval_loss\": 1}\n{\"step\": 4}\n{\"step\": 5, \"lo";

static void log_is_cut_to_the_step(void **state)
{
    (void)state;
    static const struct {
        int64_t step, last;
        const char *next; /* what the cut removes starts so */
    } rows[] = {
        {0, -1, "{\"step\": 1,"}, {1, 1, "{\"step\": 2}"}, {3, 3, "{\"step\": 4}"}, {9, 4, "{\"step\": 5"}};
    struct state_log_cut cut;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *path = scratch_write("log", log_text, sizeof log_text - 1);
        size_t keep = (size_t)(strstr(log_text, rows[i].next) - log_text), n;
        char *left;
        assert_int_equal(state_cut_log(path, rows[i].step, &cut, NULL), 0);
        assert_int_equal(cut.last_step, rows[i].last);
        assert_int_equal(cut.cut, sizeof log_text - 1 - keep);
        assert_int_equal(file_load(path, 4096, &left, &n, NULL), 0);
        assert_int_equal(n, keep);
        assert_memory_equal(left, log_text, keep);
        free(left);
    }
    assert_int_equal(state_cut_log(scratch("no-log"), 3, &cut, NULL), 0);
    assert_int_equal(cut.last_step, -1);
    assert_int_equal(state_cut_log(scratch("."), 3, &cut, NULL), ERR_NOT_REGULAR);
    char *line = malloc(2 << 20);
    memset(line, 'x', 2 << 20);
    assert_int_equal(state_cut_log(scratch_write("long", line, 2 << 20), 3, &cut, NULL), ERR_LINE_LEN);
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(save_total_limit),
        cmocka_unit_test(saving_a_step_again_replaces_it),
        cmocka_unit_test(same_bytes),
        cmocka_unit_test(every_field_counts),
        cmocka_unit_test(refuses_bad_tables),
        cmocka_unit_test(plain_hdf5),
        cmocka_unit_test(log_is_cut_to_the_step),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
