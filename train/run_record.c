#include "train/run_record.h"
#include "checkpoints/yaml.h"

#include <stdlib.h>
#include <string.h>

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
