#include "train/run_record.h"
#include "checkpoints/yaml.h"
#include "infer/gguf_model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool same_place(const char *a, const char *b)
{
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

int run_input_check(const struct options *o, const char *key, const char *path, const char *dir,
                    struct err *e)
{
    static const char *const written[] = {"", "/adapter", "/model"};
    char place[FILE_PATH];
    struct stat st;
    if (stat(path, &st))
        return err_errno(e, errno, "%s: %.200s (%s); expected a folder or a GGUF file", key, path,
                         options_where(o, key));
    if (!S_ISDIR(st.st_mode) && !gguf_is_file(path))
        return err_set(e, ERR_PATH, "%s: %.200s is not a folder (%s)", key, path, options_where(o, key));
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        int r = file_path(place, e, "%s%s", dir, written[i]);
        if (r) return r;
        if (same_place(path, place))
            return err_set(e, ERR_CFG_CONFLICT,
                           "%s (%s) and %.200s, which the run writes to, are the same folder; choose another "
                           "output_dir (%s)",
                           key, options_where(o, key), place, options_where(o, "output_dir"));
    }
    return 0;
}

int run_output_check(const struct options *o, const char *dir, struct err *e)
{
    char existing[FILE_PATH];
    struct stat st;
    file_nearest(existing, dir);
    if (!stat(existing, &st) && !S_ISDIR(st.st_mode))
        return err_set(e, ERR_PATH, "output_dir: %.200s is not a folder (%s)", existing,
                       options_where(o, "output_dir"));
    if (faccessat(AT_FDCWD, existing, W_OK | X_OK, AT_EACCESS))
        return err_errno(e, errno, "output_dir: cannot write to %.200s (%s)", existing,
                         options_where(o, "output_dir"));
    return 0;
}

int run_folder_open(struct file_lock *lock, const char *dir, int *stale, struct err *e)
{
    char path[FILE_PATH];
    int r = file_make_dirs(dir, e);
    if (!r) r = file_path(path, e, "%s/lock", dir);
    if (!r) r = file_lock_take(lock, path, e);
    *stale = r ? 0 : (int)lock->stale;
    return r;
}

static bool is_free(const struct run_kind *kind, const char *key)
{
    for (const char *const *k = kind->free_keys; *k; k++)
        if (!strcmp(*k, key)) return true;
    return false;
}

/* The value of a row as text; the caller's to free, NULL when memory is short. */
static char *value_text(const struct options *o, const struct option *row)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return NULL;
    options_dump_value(o, row, f);
    fclose(f);
    return text;
}

static int compare(const struct run_kind *kind, const struct options *now, const struct options *then,
                   const char *path, struct err *e)
{
    int rc = 0;
    for (const struct option *row = now->table; row->key && !rc; row++) {
        if (is_free(kind, row->key)) continue;
        char *a = value_text(now, row), *b = value_text(then, row);
        if (!a || !b)
            rc = err_set(e, ERR_NOMEM, "%s: out of memory", path);
        else if (strcmp(a, b))
            rc = err_set(
                e, ERR_RUN_MISMATCH,
                "output_dir holds another run: %s is %.100s here (%s) and %.100s in %.200s; choose another "
                "output_dir, or overwrite_output_dir=true",
                row->key, a, options_where(now, row->key), b, path);
        free(a);
        free(b);
    }
    return rc;
}

int run_record_check(const char *dir, const struct run_kind *kind, const struct options *now,
                     struct options *then, void *config, struct err *e)
{
    char path[FILE_PATH];
    struct err why = {0};
    int rc = file_path(path, e, "%s/config.yaml", dir);
    if (rc || !file_exists(path)) return rc;
    if (yaml_load_options(path, then, &why) || kind->settle(config, then, &why))
        return err_set(e, ERR_RUN_MISMATCH,
                       "output_dir holds a run that cannot be read: %.500s; choose another "
                       "output_dir, or overwrite_output_dir=true",
                       why.msg);
    return compare(kind, now, then, path, e);
}

int run_record_save(const char *dir, const struct options *o, struct err *e)
{
    char path[FILE_PATH], *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return err_set(e, ERR_NOMEM, "no memory for the run's record");
    options_dump_yaml(o, f);
    fclose(f);
    int r = file_path(path, e, "%s/config.yaml", dir);
    if (!r) r = file_save(path, text, n, e);
    free(text);
    return r;
}

int run_states_remove(const char *dir, struct err *e)
{
    char path[FILE_PATH];
    int r = file_path(path, e, "%s/state", dir);
    return r ? r : file_remove_tree(path, e);
}

int run_digest(const struct run_kind *kind, const struct options *o, char hex[SHA256_HEX], struct err *e)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return err_set(e, ERR_NOMEM, "no memory for the digest of the settings");
    for (const struct option *row = o->table; row->key; row++) {
        if (is_free(kind, row->key)) continue;
        fprintf(f, "%s: ", row->key);
        options_dump_value(o, row, f);
        fputc('\n', f);
    }
    fclose(f);
    int rc = sha256_hex(text, n, hex, e);
    free(text);
    return rc;
}
