#include "checkpoints/state.h"

#include "checkpoints/file.h"
#include "checkpoints/hdf5.h"
#include "checkpoints/state_dir.h"
#include "checkpoints/state_manifest.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK = 1 << 20 }; /* elements read back at a time */

static size_t width(enum dtype t)
{
    return dtype_bits(t) / 8;
}

/* ---- writing ----------------------------------------------------------------------------------------- */

static int check_field(const struct state_field *f, struct err *e)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t n = strlen(f->name);
    if (n == 0 || n >= sizeof((struct manifest_section *)0)->name || strspn(f->name, allowed) != n)
        return err_set(e, ERR_NAME_CHAR, "\"%.80s\" cannot name a state's field", f->name);
    return 0;
}

static int write_fields(const char *path, const struct state_field *fields, size_t n, struct manifest *m,
                        struct err *e)
{
    static const struct hdf5_layout contiguous = {0};
    struct hdf5 *h5;
    int rc = hdf5_create(&h5, path, e);
    if (rc) return rc;
    for (size_t i = 0; !rc && i < n; i++) {
        const struct state_field *f = &fields[i];
        struct manifest_section *s = &m->sections[i];
        rc = check_field(f, e);
        if (rc) break;
        strcpy(s->name, f->name);
        s->dtype = f->dtype;
        s->count = f->count;
        rc = sha256_hex(f->data, f->count * width(f->dtype), s->hash, e);
        if (!rc) rc = hdf5_write(h5, f->name, f->dtype, f->data, f->count, &contiguous, e);
    }
    int closed = hdf5_close(h5, rc ? NULL : e);
    return rc ? rc : closed;
}

/* Fills the existing folder `temp` with state.h5 and manifest.json, both on the disk when it returns 0. */
static int write_state(const char *temp, const struct state_ident *id, const struct state_field *fields,
                       size_t n, struct err *e)
{
    char h5[FILE_PATH], json[FILE_PATH];
    struct manifest m = {.n = n, .sections = calloc(n ? n : 1, sizeof *m.sections)};
    if (!m.sections) return err_set(e, ERR_NOMEM, "no memory for %zu sections", n);
    int rc = file_path(h5, e, "%s/state.h5", temp);
    if (!rc) rc = file_path(json, e, "%s/manifest.json", temp);
    if (!rc) rc = manifest_identify(&m, id, e);
    if (!rc) rc = write_fields(h5, fields, n, &m, e);
    if (!rc) rc = file_sync(h5, e);
    if (!rc) rc = sha256_file(h5, m.file_hash, &m.file_bytes, e);
    if (!rc) rc = manifest_save(&m, json, e);
    manifest_free(&m);
    return rc;
}

/* ---- checking and loading
 * ---------------------------------------------------------------------------------- */

static int check_kind(const char *path, int folder, struct err *e)
{
    struct stat st;
    if (lstat(path, &st) != 0) return err_errno(e, errno, "cannot stat %s", path);
    if (folder ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode)) return 0;
    return err_set(e, ERR_NOT_REGULAR, "%s is not a plain %s", path, folder ? "folder" : "file");
}

/* state.h5 has the size and digest that its manifest says. */
static int check_file(const char *path, const struct manifest *m, struct err *e)
{
    char hash[SHA256_HEX];
    uint64_t bytes = 0;
    int rc = check_kind(path, 0, e);
    if (!rc) rc = sha256_file(path, hash, &bytes, e);
    if (rc) return rc;
    if (bytes < m->file_bytes)
        return err_set(e, ERR_CK_SHORT, "%s has %llu bytes, its manifest says %llu", path,
                       (unsigned long long)bytes, (unsigned long long)m->file_bytes);
    if (bytes != m->file_bytes || strcmp(hash, m->file_hash) != 0)
        return err_set(e, ERR_HASH, "%s has sha256 %s, its manifest says %s", path, hash, m->file_hash);
    return 0;
}

/* Opens PATH/state.h5 once manifest and digest are right. Both are the caller's to release after 0. */
static int open_state(const char *path, struct manifest *m, struct hdf5 **h5, struct err *e)
{
    char file[FILE_PATH];
    *h5 = NULL;
    *m = (struct manifest){0};
    int rc = check_kind(path, 1, e);
    if (!rc) rc = file_path(file, e, "%s/manifest.json", path);
    if (!rc) rc = check_kind(file, 0, e);
    if (!rc) rc = manifest_load(m, file, e);
    if (!rc) rc = file_path(file, e, "%s/state.h5", path);
    if (!rc) rc = check_file(file, m, e);
    if (!rc) rc = hdf5_open(h5, file, e);
    if (rc) manifest_free(m);
    return rc;
}

static int check_count(struct hdf5 *h5, const struct manifest_section *s, const char *path, struct err *e)
{
    uint64_t count;
    int rc = hdf5_count(h5, s->name, s->dtype, &count, e);
    if (!rc && count != s->count)
        rc = err_set(e, ERR_CK_STATE, "%s: %s has %llu elements, its manifest says %llu", path, s->name,
                     (unsigned long long)count, (unsigned long long)s->count);
    return rc;
}

static int check_hash(const struct manifest_section *s, const char *hash, const char *path, struct err *e)
{
    if (strcmp(s->hash, hash) == 0) return 0;
    return err_set(e, ERR_HASH, "%s: section %s has sha256 %s, its manifest says %s", path, s->name, hash,
                   s->hash);
}

/* Reads a section block by block and compares its digest. `block` holds BLOCK elements of any type. */
static int verify_section(struct hdf5 *h5, const struct manifest_section *s, void *block, const char *path,
                          struct err *e)
{
    struct sha256 sum;
    char hash[SHA256_HEX];
    int rc = check_count(h5, s, path, e);
    if (!rc) rc = sha256_init(&sum, e);
    if (rc) return rc;
    for (uint64_t at = 0; !rc && at < s->count; at += BLOCK) {
        uint64_t n = s->count - at < BLOCK ? s->count - at : BLOCK;
        rc = hdf5_read(h5, s->name, s->dtype, at, n, block, e);
        if (!rc) sha256_update(&sum, block, n * width(s->dtype));
    }
    sha256_final(&sum, hash);
    return rc ? rc : check_hash(s, hash, path, e);
}

int state_verify(const char *path, struct err *e)
{
    struct manifest m;
    struct hdf5 *h5;
    int rc = open_state(path, &m, &h5, e);
    if (rc) return rc;
    void *block = malloc(BLOCK * sizeof(uint64_t));
    if (!block) rc = err_set(e, ERR_NOMEM, "no memory to read back %s", path);
    for (size_t i = 0; !rc && i < m.n; i++) rc = verify_section(h5, &m.sections[i], block, path, e);
    free(block);
    hdf5_close(h5, NULL);
    manifest_free(&m);
    return rc;
}

/* The table and the manifest name the same fields, of the same types and counts. */
static int match_fields(const struct manifest *m, const struct state_field *fields, size_t n,
                        const char *path, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        const struct state_field *f = &fields[i];
        const struct manifest_section *s = manifest_find(m, f->name);
        if (!s) return err_set(e, ERR_CK_STATE, "%s lacks the field %s", path, f->name);
        if (s->dtype != f->dtype || s->count != f->count)
            return err_set(e, ERR_CK_STATE, "%s: %s is %s[%llu], expected %s[%llu]", path, f->name,
                           dtype_name(s->dtype), (unsigned long long)s->count, dtype_name(f->dtype),
                           (unsigned long long)f->count);
    }
    for (size_t i = 0; i < m->n; i++) {
        size_t j = 0;
        while (j < n && strcmp(m->sections[i].name, fields[j].name) != 0) j++;
        if (j == n)
            return err_set(e, ERR_CK_STATE, "%s has a field this program does not know: %s", path,
                           m->sections[i].name);
    }
    return 0;
}

static int check_values(const struct state_field *f, int64_t step, const char *path, struct err *e)
{
    uint64_t n = f->checks & (STATE_FINITE | STATE_NONNEGATIVE) ? f->count : 0;
    double least = f->checks & STATE_NONNEGATIVE ? 0 : -INFINITY;
    for (uint64_t i = 0; i < n; i++) {
        double v = f->dtype == DTYPE_F32 ? (double)((const float *)f->data)[i] : ((const double *)f->data)[i];
        if (!isfinite(v) || v < least)
            return err_set(e, ERR_NONFINITE, "%s: %s[%llu] is %g", path, f->name, (unsigned long long)i, v);
    }
    if (f->checks & STATE_IS_STEP && *(const int64_t *)f->data != step)
        return err_set(e, ERR_CK_STATE, "%s: %s is %lld, the state is at step %lld", path, f->name,
                       (long long)*(const int64_t *)f->data, (long long)step);
    return 0;
}

static int load_field(struct hdf5 *h5, const struct state_field *f, const struct manifest *m,
                      const char *path, struct err *e)
{
    const struct manifest_section *s = manifest_find(m, f->name);
    char hash[SHA256_HEX];
    int rc = check_count(h5, s, path, e);
    if (!rc) rc = hdf5_read(h5, f->name, f->dtype, 0, f->count, f->data, e);
    if (!rc) rc = sha256_hex(f->data, f->count * width(f->dtype), hash, e);
    if (!rc) rc = check_hash(s, hash, path, e);
    return rc ? rc : check_values(f, m->step, path, e);
}

/* A state's folder bears its step: PATH ends in step-N. */
static int check_step(const struct manifest *m, const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    int64_t named = state_step_of(slash ? slash + 1 : path);
    if (named == m->step) return 0;
    return err_set(e, ERR_CK_STATE, "%s holds the state of step %lld", path, (long long)m->step);
}

int state_load(const char *path, const struct state_ident *id, const struct state_field *fields, size_t n,
               int64_t *step, struct err *e)
{
    struct manifest m;
    struct hdf5 *h5;
    int rc = open_state(path, &m, &h5, e);
    if (rc) return rc;
    rc = check_step(&m, path, e);
    if (!rc) rc = manifest_match(&m, id, path, e);
    if (!rc) rc = match_fields(&m, fields, n, path, e);
    for (size_t i = 0; !rc && i < n; i++) rc = load_field(h5, &fields[i], &m, path, e);
    if (!rc && step) *step = m.step;
    hdf5_close(h5, NULL);
    manifest_free(&m);
    return rc;
}

/* ---- saving, the whole of it ------------------------------------------------------------------------- */

/* The field reads back as it is in memory: cheaper than a third digest, and as good. */
static int compare_field(struct hdf5 *h5, const struct state_field *f, void *block, const char *path,
                         struct err *e)
{
    int rc = 0;
    for (uint64_t at = 0; !rc && at < f->count; at += BLOCK) {
        uint64_t n = f->count - at < BLOCK ? f->count - at : BLOCK;
        rc = hdf5_read(h5, f->name, f->dtype, at, n, block, e);
        if (!rc && memcmp(block, (const char *)f->data + at * width(f->dtype), n * width(f->dtype)) != 0)
            rc = err_set(e, ERR_HASH, "%s: %s reads back otherwise than it was written", path, f->name);
    }
    return rc;
}

static int compare_state(const char *path, const struct state_field *fields, size_t n, struct err *e)
{
    char file[FILE_PATH];
    struct manifest m = {0};
    struct hdf5 *h5 = NULL;
    void *block = malloc(BLOCK * sizeof(uint64_t));
    int rc = block ? 0 : err_set(e, ERR_NOMEM, "no memory to read back %s", path);
    if (!rc) rc = file_path(file, e, "%s/manifest.json", path);
    if (!rc) rc = manifest_load(&m, file, e);
    if (!rc) rc = match_fields(&m, fields, n, path, e);
    if (!rc) rc = file_path(file, e, "%s/state.h5", path);
    if (!rc) rc = hdf5_open(&h5, file, e);
    for (size_t i = 0; !rc && i < n; i++) rc = compare_field(h5, &fields[i], block, path, e);
    hdf5_close(h5, NULL);
    manifest_free(&m);
    free(block);
    return rc;
}

int state_save(const char *dir, const struct state_ident *id, const struct state_field *fields, size_t n,
               unsigned keep, struct err *e)
{
    char path[FILE_PATH], temp[FILE_PATH];
    int rc = file_path(path, e, "%s/step-%lld", dir, (long long)id->step);
    if (!rc) rc = file_path(temp, e, "%s.tmp", path);
    if (!rc) rc = file_remove_tree(temp, e);
    if (!rc) rc = file_make_dirs(temp, e);
    if (rc) return rc;
    rc = write_state(temp, id, fields, n, e);
    /* read back before it takes the name: a state that has one is sound */
    if (!rc) rc = compare_state(temp, fields, n, e);
    if (!rc) rc = file_replace_dir(temp, path, e);
    if (rc) {
        file_remove_tree(temp, NULL);
        return rc;
    }
    return state_prune(dir, id->step, keep, e);
}
