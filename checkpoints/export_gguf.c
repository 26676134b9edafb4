#include "checkpoints/export_gguf.h"
#include "checkpoints/file.h"
#include "checkpoints/gguf_save.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the target ---------------------------------------------------------------------------------------- */

static bool is_file_name(const char *path)
{
    size_t n = strlen(path);
    return n > 5 && !strcmp(path + n - 5, ".gguf");
}

static bool has(const char *dir, const char *name)
{
    char path[FILE_PATH];
    return !file_path(path, NULL, "%s/%s", dir, name) && file_exists(path);
}

int export_gguf_check_target(const char *path, bool force, struct err *e)
{
    if (!file_exists(path)) return 0;
    if (!force) return err_set(e, ERR_EXISTS, "%s is there already; --force replaces it", path);
    if (gguf_is_file(path) || has(path, EXPORT_GGUF_MODEL) || has(path, EXPORT_GGUF_ADAPTER)) return 0;
    return err_set(e, ERR_EXISTS, "%s is there and holds no GGUF file, so it is not replaced", path);
}

/* Where the two files go; "" for one that is not written. */
struct places {
    char temp[FILE_PATH], model[FILE_PATH], adapter[FILE_PATH];
    bool file;
};

static int place(struct places *p, const char *path, const struct export_gguf_options *o, struct err *e)
{
    bool model = o->base || o->merge, adapter = o->adapter && !o->merge;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    *p = (struct places){.file = is_file_name(path)};
    if (!model && !adapter)
        return err_set(e, ERR_CFG_CONFLICT, "neither a model nor an adapter is to be written");
    if (p->file && model && adapter)
        return err_set(
            e, ERR_CFG_CONFLICT,
            "%s is one file, and there would be two: --no-base writes the adapter alone, --merge the "
            "model with the adapter in it, a folder's name both",
            path);
    int r = file_path(p->temp, e, "%.*s.unchecked", (int)n, path);
    const char *dir = p->file ? "" : p->temp;
    if (!r && model)
        r = file_path(p->model, e, "%s%s", p->file ? p->temp : dir, p->file ? "" : "/" EXPORT_GGUF_MODEL);
    if (!r && adapter)
        r = file_path(p->adapter, e, "%s%s", p->file ? p->temp : dir, p->file ? "" : "/" EXPORT_GGUF_ADAPTER);
    return r;
}

static int publish(const struct places *p, const char *path, struct err *e)
{
    if (!p->file) return file_replace_dir(p->temp, path, e);
    if (rename(p->temp, path)) return err_errno(e, errno, "renaming %s", p->temp);
    return file_sync_parent(path, e);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

/* The types of the file for a choice of --dtype; for auto those of the first layer and of the embedding. */
static void types_of(struct gguf_model_options *to, const struct base *b, enum load_dtype t)
{
    static const enum dtype types[] = {
        [LOAD_BF16] = DTYPE_BF16, [LOAD_FP32] = DTYPE_F32, [LOAD_Q8_0] = DTYPE_Q8_0,
        [LOAD_Q4_0] = DTYPE_Q4_0, [LOAD_W4] = DTYPE_W4,
    };
    to->matrices = t == LOAD_AUTO ? b->bound[params_slot(&b->config, P_Q, 0)]->dtype : types[t];
    to->head = t == LOAD_AUTO ? b->bound[params_slot(&b->config, P_EMBED, 0)]->dtype : types[t];
}

static int model_write(const struct loaded *l, const char *path, const struct export_gguf_options *o,
                       struct err *e)
{
    struct model_rows rows = {.base = l->base, .a = o->merge ? l->adapter : NULL};
    char name[256], *template = NULL;
    size_t n = 0;
    struct gguf_model_options to = {.name = name};
    base_name(o->model, name, sizeof name);
    types_of(&to, l->base, o->dtype);
    int r = base_template(&template, &n, l->base, e);
    if (!r) r = gguf_model_save(path, &rows, l->tokenizer, template, n, &to, l->pool, e);
    free(template);
    return r;
}

/* What stands for "from the assistant's header on" in other programs, where the adapter itself does not say.
 */
static int invocation_fill(const struct loaded *l, struct adapter_info *info, struct err *e)
{
    static const char header[] = "<|im_start|>assistant\n";
    size_t n;
    if (l->adapter->cfg.gate != GATE_ASSISTANT || info->n_invocation) return 0;
    int r = tokenizer_encode(l->tokenizer, header, sizeof header - 1, 1, info->invocation,
                             ADAPTER_MAX_INVOCATION, &n, e);
    if (!r) info->n_invocation = (uint32_t)n;
    return r;
}

static int adapter_write(const struct loaded *l, const char *path, const struct export_gguf_options *o,
                         struct err *e)
{
    struct adapter_info info = l->info;
    if (!*info.base_name) base_name(o->model, info.base_name, sizeof info.base_name);
    if (!*info.base) snprintf(info.base, sizeof info.base, "%s", l->digest_base);
    if (!*info.tokenizer) snprintf(info.tokenizer, sizeof info.tokenizer, "%s", l->digest_tokenizer);
    int r = invocation_fill(l, &info, e);
    return r ? r : gguf_adapter_save(path, l->adapter, &info, DTYPE_F32, e);
}

static int write_both(const struct places *p, const struct export_gguf_options *o, struct err *e)
{
    struct load_options lo = {.model = o->model, .threads = o->threads};
    struct loaded l = {0};
    int r = p->file ? 0 : file_make_dirs(p->temp, e);
    if (!r) r = load_folder(&l, &lo, e);
    if (!r && o->adapter) r = load_model(&l, &lo, e);
    if (!r && o->adapter) r = load_adapter(&l, o->adapter, e);
    if (!r && *p->model) r = model_write(&l, p->model, o, e);
    if (!r && *p->adapter) r = adapter_write(&l, p->adapter, o, e);
    load_clear(&l);
    return r;
}

/* ---- checking ------------------------------------------------------------------------------------------ */

static bool is_quantised(const struct base *b)
{
    return dtype_quantised(b->bound[params_slot(&b->config, P_Q, 0)]->dtype);
}

/* What rounding explains. The same roundings happen while loading, so mostly nothing; a merged model is
 * rounded where the other adds up, and a quantised one made of another type twice. */
static double tolerance(const struct loaded *l, bool was_quantised, const struct export_gguf_options *o)
{
    bool fp32 = l->m->type == WT_F32;
    if (o->merge) return o->dtype >= LOAD_Q8_0 || was_quantised ? INFINITY : fp32 ? 1e-4 : 0.05;
    return was_quantised && o->dtype != LOAD_AUTO ? INFINITY : 0;
}

static int check_both(const struct places *p, const struct export_gguf_options *o, struct export_report *out,
                      struct err *e)
{
    enum { TOKENS = 1024 }; /* of context: more than the questions and answers need */
    struct load_options was = {.model = o->model,
                               .adapter = o->adapter,
                               .dtype = o->dtype,
                               .threads = o->threads},
                        is = was;
    struct loaded a = {0}, b = {0};
    was.context = is.context = TOKENS;
    if (*p->model) is.model = p->model, is.dtype = LOAD_AUTO;
    is.adapter = *p->adapter ? p->adapter : NULL;
    int r = load_folder(&a, &was, e);
    bool quantised = !r && is_quantised(a.base);
    if (!r) r = load_model(&a, &was, e);
    if (!r && was.adapter) r = load_adapter(&a, was.adapter, e);
    if (!r) r = load_all(&b, &is, e);
    if (!r) r = export_compare(&a, &b, o->merge, tolerance(&a, quantised, o), out, e);
    load_clear(&b);
    load_clear(&a);
    return r;
}

int export_gguf(const char *path, const struct export_gguf_options *o, struct export_report *out,
                struct err *e)
{
    struct places p;
    *out = (struct export_report){0};
    int r = export_gguf_check_target(path, o->force, e);
    if (!r) r = place(&p, path, o, e);
    if (!r) r = file_remove_tree(p.temp, e);
    if (r) return r;
    r = write_both(&p, o, e);
    if (!r && o->check) r = check_both(&p, o, out, e);
    if (!r) r = publish(&p, path, e);
    if (r) file_remove_tree(p.temp, NULL);
    return r;
}
