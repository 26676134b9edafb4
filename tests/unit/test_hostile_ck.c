/* Section CK of the hostile inputs. The state is one HDF5 file and a manifest, so the rows on sections that
 * lie past the end, overlap or leave holes (CK08-10) are manifests that disagree with the datasets; those on
 * PPO (CK17-20) are in tests/e2e/test_ppo_state.c. CK34-36 are of the data loader, CK50-51 of the lock
 * (test_file). */
#include "checkpoints/file.h"
#include "checkpoints/sha256.h"
#include "checkpoints/state.h"
#include "tests/support/scratch.h"
#include "tests/support/state_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utime.h>

#include <cmocka.h>

static struct state_case c;
static int64_t step;

static void fresh(int64_t first, int64_t last)
{
    assert_int_equal(file_remove_tree(scratch("state"), NULL), 0);
    for (int64_t s = first; s <= last; s++)
        assert_int_equal(state_case_save(scratch("state"), s, 0, NULL), 0);
}

static int load(const char *name, struct err *e)
{
    state_case_init(&c, 2);
    return state_load(scratch(name), &c.ident, c.fields, CASE_FIELDS, &step, e);
}

/* ---- edits of a manifest, its root hash made right again
 * --------------------------------------------------- */

static void replace_root(char *text, size_t n)
{
    char hex[SHA256_HEX];
    const size_t at = strlen("{\"root_sha256\": \""), body = at + 64 + 3;
    assert_int_equal(sha256_hex(text + body, n - body, hex, NULL), 0);
    memcpy(text + at, hex, 64);
}

/* Replaces the first `from` by `to` in state/step-2/manifest.json. */
static void edit_manifest(const char *from, const char *to, int fix_root)
{
    char *text, *out = malloc(1 << 16);
    size_t n;
    const char *path = scratch("state/step-2/manifest.json");
    assert_int_equal(file_load(path, 1 << 15, &text, &n, NULL), 0);
    char *at = strstr(text, from);
    if (!at) fail_msg("no %s in the manifest", from);
    int total = snprintf(out, 1 << 16, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    if (fix_root) replace_root(out, (size_t)total);
    assert_int_equal(file_save(path, out, (size_t)total, NULL), 0);
    free(text);
    free(out);
}

static const struct {
    const char *id, *from, *to;
    int code;
    const char *says;
} edits[] = {
    {"CK04", "terse-state", "other-state", ERR_CK_MAGIC, "format"},
    {"CK05", "\"version\": 1", "\"version\": 2", ERR_VERSION, "version 2"},
    {"CK06", "\"version\": 1", "\"version\": 0", ERR_VERSION, "version 0"},
    {"CK08", "\"count\": 4", "\"count\": 400000", ERR_CK_STATE, "rng"},
    {"CK10", "\"count\": 3000", "\"count\": 2999", ERR_CK_STATE, "adapter.master"},
    {"CK11", "\"adam.v\"", "\"adam.m\"", ERR_DUP_KEY, "adam.m"},
    {"CK12", "\"adam.m\"", "\"adam.x\"", ERR_CK_STATE, "adam.m"},
    {"CK13", "\"adam.v\"", "\"adam.x\"", ERR_CK_STATE, "adam.v"},
    {"CK14", "\"rng\"", "\"rng2\"", ERR_CK_STATE, "rng"},
    {"CK15", "\"data.cursor\"", "\"data.x\"", ERR_CK_STATE, "data.cursor"},
    {"CK16", "\"schedule.scale\"", "\"schedule.x\"", ERR_CK_STATE, "schedule.scale"},
    {"CK21", "\"guard.skipped\"", "\"guard.x\"", ERR_CK_STATE, "guard.skipped"},
    {"CK26", "c0nf1g", "0ther", ERR_RUN_MISMATCH, "config \"0ther\""},
    {"CK27", "ba5e", "0ther", ERR_BASE_HASH, "base \"0ther\""},
    {"CK28", "t0ken", "0ther", ERR_TOK_HASH, "tokenizer \"0ther\""},
    {"CK29", "da7a", "0ther", ERR_DATA_HASH, "data \"0ther\""},
    {"CK31", "\"step\": 2", "\"step\": 3", ERR_CK_STATE, "step 3"},
    {"CK37", "\"count\": 4", "\"count\": 5", ERR_CK_STATE, "rng"},
    {"CK45", "run-1", "run-2", ERR_RUN_MISMATCH, "run-2"},
    {"CK46", "bf16", "fp32", ERR_MODE, "fp32"},
    {"CK47", "\"little\"", "\"big\"", ERR_CK_MAGIC, "endian"},
    {"step missing", "\"step\": 2,", "", ERR_FIELD_MISSING, "step"},
    {"step negative", "\"step\": 2", "\"step\": -2", ERR_FIELD_RANGE, "step"},
    {"dtype unknown", "\"F32\"", "\"F33\"", ERR_DTYPE, "F33"},
    {"hash not hex", "\"sha256\": \"", "\"sha256\": \"x", ERR_FIELD_RANGE, "sha256"},
    {"sections an array", "\"sections\": {", "\"sections\": [], \"x\": {", ERR_FIELD_TYPE, "sections"},
};

static void edited_manifests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        struct err e = {0};
        fresh(2, 2);
        edit_manifest(edits[i].from, edits[i].to, 1);
        int rc = load("state/step-2", &e);
        if (rc != edits[i].code || !strstr(e.msg, edits[i].says))
            fail_msg("%s: %s \"%s\", expected %s", edits[i].id, err_name(rc), e.msg, err_name(edits[i].code));
    }
}

/* CK07 */
static void too_many_sections(void **state)
{
    (void)state;
    char *many = malloc(1 << 20), *p = many;
    struct err e = {0};
    fresh(2, 2);
    p += sprintf(p, "\"sections\": {");
    for (int i = 0; i <= STATE_FIELDS_MAX; i++) p += sprintf(p, "\"s%d\": {},", i);
    char *text, *out = malloc(2 << 20);
    size_t n;
    const char *path = scratch("state/step-2/manifest.json");
    assert_int_equal(file_load(path, 1 << 15, &text, &n, NULL), 0);
    char *at = strstr(text, "\"sections\": {");
    int total = sprintf(out, "%.*s%s%s", (int)(at - text), text, many, at + strlen("\"sections\": {"));
    replace_root(out, (size_t)total);
    assert_int_equal(file_save(path, out, (size_t)total, NULL), 0);
    assert_int_equal(load("state/step-2", &e), ERR_TOO_MANY);
    assert_non_null(strstr(e.msg, "4105 sections"));
    free(text);
    free(out);
    free(many);
}

/* CK22, CK23, CK40: a hash is wrong and the root hash right, and the other way round */
static void wrong_hashes(void **state)
{
    (void)state;
    struct err e = {0};
    char *text, from[80], to[80];
    size_t n;
    fresh(2, 2);
    assert_int_equal(file_load(scratch("state/step-2/manifest.json"), 1 << 15, &text, &n, NULL), 0);
    snprintf(from, sizeof from, "%.75s", strstr(strstr(text, "\"adam.v\""), "\"sha256\": "));
    snprintf(to, sizeof to, "%.74s%c", from, from[74] == '0' ? '1' : '0');
    edit_manifest(from, to, 1);
    assert_int_equal(load("state/step-2", &e), ERR_HASH);
    assert_non_null(strstr(e.msg, "section adam.v"));
    snprintf(from, sizeof from, "%.75s", strstr(strstr(text, "\"state.h5\""), "\"sha256\": "));
    snprintf(to, sizeof to, "%.74s%c", from, from[74] == '0' ? '1' : '0');
    fresh(2, 2);
    edit_manifest(from, to, 1);
    e.code = 0;
    assert_int_equal(load("state/step-2", &e), ERR_HASH);
    assert_non_null(strstr(e.msg, "state.h5 has sha256"));
    fresh(2, 2);
    edit_manifest("da7a", "da7b", 0);
    e.code = 0;
    assert_int_equal(load("state/step-2", &e), ERR_HASH);
    assert_non_null(strstr(e.msg, "root_sha256"));
    free(text);
}

/* CK25 */
static void mixed_states(void **state)
{
    (void)state;
    fresh(1, 2);
    assert_int_equal(file_copy(scratch("state/step-1/state.h5"), scratch("state/step-2/state.h5"), NULL), 0);
    assert_int_equal(load("state/step-2", NULL), ERR_HASH);
}

/* CK01, CK02, CK24: both files cut everywhere (state.h5 in strides) */
static void cut_files(void **state)
{
    (void)state;
    static const char *const names[] = {"state/step-2/manifest.json", "state/step-2/state.h5"};
    for (int f = 0; f < 2; f++) {
        char *text;
        size_t n;
        fresh(2, 2);
        assert_int_equal(file_load(scratch(names[f]), 1 << 20, &text, &n, NULL), 0);
        for (size_t cut = 0; cut < n; cut += f ? 1009 : 1) {
            struct err e = {0};
            scratch_write(names[f], text, cut);
            int rc = load("state/step-2", &e);
            if (rc != ERR_CK_SHORT && (f || rc != ERR_HASH))
                fail_msg("%s cut at %zu: %s", names[f], cut, e.msg);
            assert_non_null(strstr(e.msg, names[f]));
        }
        free(text);
    }
}

/* CK03: every byte of the manifest, and of state.h5 in strides, times values */
static void changed_bytes(void **state)
{
    (void)state;
    static const char *const names[] = {"state/step-2/manifest.json", "state/step-2/state.h5"};
    for (int f = 0; f < 2; f++) {
        char *text;
        size_t n;
        fresh(2, 2);
        assert_int_equal(file_load(scratch(names[f]), 1 << 20, &text, &n, NULL), 0);
        for (size_t at = 0; at < n; at += f ? 251 : 1) {
            char was = text[at];
            text[at] = (char)(was ^ (1 << at % 8));
            scratch_write(names[f], text, n);
            int rc = load("state/step-2", NULL);
            if (rc != ERR_HASH && (f || rc != ERR_CK_MAGIC))
                fail_msg("%s at %zu: %s", names[f], at, err_name(rc));
            text[at] = was;
        }
        free(text);
    }
}

/* CK32 and CK33, and CK31 by the optimiser's own count */
static void impossible_values(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        float *where;
        float value;
    } rows[] = {{"adam.m[7]", &c.m[7], NAN},
                {"adam.v[9]", &c.v[9], -1},
                {"adam.v[0]", &c.v[0], NAN},
                {"adapter.master[2999]", &c.master[2999], INFINITY}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        fresh(2, 1);
        state_case_init(&c, 2);
        *rows[i].where = rows[i].value;
        assert_int_equal(state_save(scratch("state"), &c.ident, c.fields, CASE_FIELDS, 0, NULL), 0);
        assert_int_equal(load("state/step-2", &e), ERR_NONFINITE);
        assert_non_null(strstr(e.msg, rows[i].id));
    }
    struct err e = {0};
    state_case_init(&c, 2);
    c.optimizer_step = 3;
    assert_int_equal(state_save(scratch("state"), &c.ident, c.fields, CASE_FIELDS, 0, NULL), 0);
    assert_int_equal(load("state/step-2", &e), ERR_CK_STATE);
    assert_non_null(strstr(e.msg, "adam.step is 3"));
    fresh(2, 2);
    state_case_init(&c, 2);
    c.ident.max_steps = 1;
    e.code = 0;
    assert_int_equal(state_load(scratch("state/step-2"), &c.ident, c.fields, CASE_FIELDS, NULL, &e),
                     ERR_CK_STATE);
    assert_non_null(strstr(e.msg, "max_steps 1"));
}

/* ---- the folder
 * -------------------------------------------------------------------------------------------- */

static void expect_latest(int64_t want, const char *says)
{
    char notes[8192];
    struct err e = {0};
    int rc = state_case_latest(scratch("state"), &c, &step, notes, sizeof notes, &e);
    if (rc || step != want || !strstr(notes, says))
        fail_msg("rc %d, step %lld, expected %lld; notes: %s", rc, (long long)step, (long long)want, notes);
}

/* CK38, CK39, CK40, CK43: the newest is damaged in some way, the older is used and the reason told */
static void falls_back(void **state)
{
    (void)state;
    fresh(1, 2);
    assert_int_equal(unlink(scratch("state/step-2/state.h5")), 0);
    expect_latest(1, "state.h5: No such file");
    fresh(1, 2);
    scratch_write("state/step-2/manifest.json", "{", 1);
    expect_latest(1, "CK_SHORT");
    fresh(1, 2);
    assert_int_equal(unlink(scratch("state/step-2/manifest.json")), 0);
    expect_latest(1, "manifest.json");
    fresh(1, 3);
    edit_manifest("bf16", "bf17", 0);
    scratch_write("state/step-3/state.h5", "x", 1);
    expect_latest(1, "passed over");
    assert_true(file_exists(scratch("state/step-3")) && file_exists(scratch("state/step-2")));
}

/* CK44 */
static void none_usable(void **state)
{
    (void)state;
    struct err e = {0};
    fresh(1, 2);
    scratch_write("state/step-1/state.h5", "", 0);
    scratch_write("state/step-2/state.h5", "", 0);
    assert_int_equal(state_case_latest(scratch("state"), &c, &step, NULL, 0, &e), ERR_CK_NONE);
    assert_non_null(strstr(e.msg, "step-2/state.h5 has 0 bytes"));
    assert_true(file_exists(scratch("state/step-1/manifest.json")));
    assert_true(file_exists(scratch("state/step-2/manifest.json")));
}

/* CK26-29 and CK45 from the folder: said at once, an older state is not tried */
static void another_run(void **state)
{
    (void)state;
    fresh(1, 2);
    edit_manifest("run-1", "run-2", 1);
    assert_int_equal(state_case_latest(scratch("state"), &c, &step, NULL, 0, NULL), ERR_RUN_MISMATCH);
}

/* CK41, CK42, CK48, CK52 */
static void names_and_order(void **state)
{
    (void)state;
    fresh(8, 10);
    struct utimbuf old = {0, 0};
    assert_int_equal(utime(scratch("state/step-10"), &old), 0);
    assert_int_equal(file_make_dirs(scratch("state/step-11.tmp"), NULL), 0);
    assert_int_equal(file_make_dirs(scratch("state/old-step-999-bak"), NULL), 0);
    assert_int_equal(file_make_dirs(scratch("state/step-999-bak"), NULL), 0);
    assert_int_equal(file_make_dirs(scratch("state/step-007"), NULL), 0);
    assert_int_equal(file_make_dirs(scratch("state/step--5"), NULL), 0);
    assert_int_equal(file_make_dirs(scratch("state/step-99999999999999999999"), NULL), 0);
    assert_int_equal(symlink("step-10", scratch("state/step-12")), 0);
    expect_latest(10, "step-12 is not a plain folder");
    assert_int_equal(state_case_save(scratch("state"), 11, 0, NULL), 0);
    assert_false(file_exists(scratch("state/step-11.tmp")));
    assert_true(file_exists(scratch("state/old-step-999-bak")));
    assert_int_equal(file_make_dirs(scratch("state/step-4.tmp"), NULL), 0);
    assert_int_equal(state_case_save(scratch("state"), 13, 0, NULL), 0);
    assert_false(file_exists(scratch("state/step-4.tmp")));
    assert_int_equal(unlink(scratch("state/step-13/state.h5")), 0);
    assert_int_equal(symlink("../step-11/state.h5", scratch("state/step-13/state.h5")), 0);
    expect_latest(11, "state.h5 is not a plain file");
}

/* CK54: an older state put back by hand is one like any other */
static void put_back_by_hand(void **state)
{
    (void)state;
    fresh(5, 7);
    assert_int_equal(file_remove_tree(scratch("state/step-7"), NULL), 0);
    expect_latest(6, "");
    assert_int_equal(state_case_save(scratch("state"), 7, 0, NULL), 0);
    expect_latest(7, "");
}

/* CK49: as a user who may not write there */
static void read_only_folder(void **state)
{
    (void)state;
    fresh(2, 1);
    assert_int_equal(mkdir(scratch("sealed"), 0555), 0);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && (chmod(scratch("."), 0755) != 0 || setuid(65534) != 0)) _exit(9);
        struct err e = {0};
        state_case_init(&c, 1);
        int rc = state_prepare(scratch("sealed"), c.fields, CASE_FIELDS, &e);
        _exit(rc == ERR_EACCES && strstr(e.msg, "sealed") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void no_room(void **state)
{
    (void)state;
    fresh(2, 1);
    state_case_init(&c, 1);
    c.fields[0].count = (uint64_t)1 << 56;
    assert_int_equal(state_prepare(scratch("state"), c.fields, CASE_FIELDS, NULL), ERR_PREFLIGHT_DISK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edited_manifests),  cmocka_unit_test(too_many_sections),
        cmocka_unit_test(wrong_hashes),      cmocka_unit_test(mixed_states),
        cmocka_unit_test(cut_files),         cmocka_unit_test(changed_bytes),
        cmocka_unit_test(impossible_values), cmocka_unit_test(falls_back),
        cmocka_unit_test(none_usable),       cmocka_unit_test(another_run),
        cmocka_unit_test(names_and_order),   cmocka_unit_test(put_back_by_hand),
        cmocka_unit_test(read_only_folder),  cmocka_unit_test(no_room),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
