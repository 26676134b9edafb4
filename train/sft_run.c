/* Whether the run that stands in output_dir is the one described now. */
#include "checkpoints/file.h"
#include "checkpoints/yaml.h"
#include "train/sft_options.h"

#include <stdlib.h>
#include <string.h>

/* Keys that may change between the start of a run and its continuation: none of them changes its result. */
static const char *const free_keys[] = {
    "config",        "output_dir", "run_name",     "overwrite_output_dir", "resume_from_checkpoint",
    "logging_steps", "eval_steps", "save_steps",   "save_total_limit",     "report_to",
    "threads",       "recompute",  "memory_limit", "tokenized_path",       "eval_dataset",
};

static bool is_free(const char *key)
{
    for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++)
        if (!strcmp(free_keys[i], key)) return true;
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

static int compare(const struct options *now, const struct options *then, const char *path, struct err *e)
{
    int rc = 0;
    for (const struct option *row = now->table; row->key && !rc; row++) {
        if (is_free(row->key)) continue;
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

int sft_config_check_run(const struct sft_config *c, const struct options *o, struct err *e)
{
    char path[FILE_PATH];
    struct sft_config then_config;
    struct options then;
    struct err why = {0};
    int rc = file_path(path, e, "%s/config.yaml", c->output_dir);
    if (rc || c->overwrite_output_dir || !file_exists(path)) return rc;
    rc = sft_options_init(&then, &then_config, e);
    if (rc) return rc;
    if (yaml_load_options(path, &then, &why) || sft_config_settle(&then_config, &then, &why))
        rc = err_set(e, ERR_RUN_MISMATCH,
                     "output_dir holds a run that cannot be read: %.500s; choose another "
                     "output_dir, or overwrite_output_dir=true",
                     why.msg);
    else
        rc = compare(o, &then, path, e);
    options_free(&then);
    return rc;
}

int sft_config_digest(const struct options *o, char hex[SHA256_HEX], struct err *e)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return err_set(e, ERR_NOMEM, "no memory for the digest of the settings");
    for (const struct option *row = o->table; row->key; row++) {
        if (is_free(row->key)) continue;
        fprintf(f, "%s: ", row->key);
        options_dump_value(o, row, f);
        fputc('\n', f);
    }
    fclose(f);
    int rc = sha256_hex(text, n, hex, e);
    free(text);
    return rc;
}
