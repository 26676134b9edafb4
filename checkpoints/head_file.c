#include "checkpoints/head_file.h"
#include "checkpoints/gguf_write.h"
#include "checkpoints/safetensors.h"
#include "infer/gguf_model.h"
#include "infer/head_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ------------------------------------------------------------------------------------------- */

static const struct tensor *tensor_at(const void *file, size_t i)
{
    return safetensors_at(file, i);
}

static int keys_read(struct head_text *text, const struct safetensors *f, const char *path, struct err *e)
{
    for (uint32_t i = 0; i < HEAD_KEYS; i++) {
        const char *s = safetensors_meta(f, head_keys[i]);
        if (!s)
            return err_set(e, ERR_FIELD_MISSING, "%s: no %s in __metadata__, which a head has", path,
                           head_keys[i]);
        if (strlen(s) >= HEAD_TEXT)
            return err_set(e, ERR_FIELD_RANGE, "%s: %s has %zu bytes, expected less than %d", path,
                           head_keys[i], strlen(s), HEAD_TEXT);
        memset(text->value[i], 0, HEAD_TEXT);
        memcpy(text->value[i], s, strlen(s));
    }
    return 0;
}

int head_file_load(struct head **out, const char *path, struct err *e)
{
    struct safetensors *f;
    struct head_text text;
    *out = NULL;
    int r = safetensors_open(&f, path, e);
    if (r) return r;
    r = keys_read(&text, f, path, e);
    if (!r) r = head_text_read(out, &text, f, tensor_at, safetensors_count(f), path, e);
    if (!r) r = safetensors_intact(f, e);
    if (r) head_free(*out), *out = NULL;
    safetensors_close(f);
    return r;
}

int head_file_load_any(struct head *out[HEAD_TASKS], const char *path, struct err *e)
{
    struct head *h;
    memset(out, 0, HEAD_TASKS * sizeof *out);
    if (gguf_is_file(path)) return gguf_heads_load(out, path, e);
    int r = head_file_load(&h, path, e);
    if (!r) out[h->c.task] = h;
    return r;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

/* One head's tensors, under `prefix`; names [HEAD_PARTS] owns them. Returns how many. */
static size_t tensors_make(struct tensor t[HEAD_PARTS], char names[HEAD_PARTS][64], const struct head *h,
                           const char *prefix)
{
    struct head_part part[HEAD_PARTS];
    uint32_t n = head_parts(h, part);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t rows = part[i].rows ? part[i].rows : 1;
        snprintf(names[i], 64, "%s%s%s", prefix, *prefix ? "." : "", part[i].name);
        t[i] = (struct tensor){.name = names[i],
                               .dtype = DTYPE_F32,
                               .rank = part[i].rows ? 2 : 1,
                               .data = part[i].data,
                               .bytes = rows * part[i].cols * sizeof(float)};
        t[i].shape[0] = part[i].rows ? rows : part[i].cols;
        if (part[i].rows) t[i].shape[1] = part[i].cols;
    }
    return n;
}

int head_file_save(const char *path, const struct head *h, struct err *e)
{
    struct tensor t[HEAD_PARTS];
    char names[HEAD_PARTS][64];
    struct head_text text;
    const char *meta[2 * HEAD_KEYS + 3] = {"format", "pt"};
    int r = head_values_check(h, e);
    if (r) return r;
    head_text_make(&text, h);
    for (uint32_t i = 0; i < HEAD_KEYS; i++) meta[2 * i + 2] = head_keys[i], meta[2 * i + 3] = text.value[i];
    return safetensors_save(path, t, tensors_make(t, names, h, ""), meta, e);
}

static int fill(void *ctx, size_t i, uint64_t first, uint64_t n, void *dst, struct err *e)
{
    (void)e;
    const struct tensor *t = (const struct tensor *)ctx + i;
    uint64_t row = t->rank == 2 ? t->shape[1] * sizeof(float) : t->bytes;
    memcpy(dst, (const char *)t->data + first * row, n * row);
    return 0;
}

int head_gguf_save(const char *path, const struct head *const h[HEAD_TASKS], struct err *e)
{
    struct tensor t[HEAD_TASKS * HEAD_PARTS];
    char names[HEAD_TASKS * HEAD_PARTS][64], key[64];
    struct gguf_keys k = {0};
    struct head_text text;
    size_t n = 0;
    int r = 0;
    gguf_put_string(&k, "general.architecture", "terse-head");
    for (int task = 0; !r && task < HEAD_TASKS; task++) {
        if (!h[task]) continue;
        r = head_values_check(h[task], e);
        head_text_make(&text, h[task]);
        for (uint32_t i = 0; i < HEAD_KEYS; i++) {
            snprintf(key, sizeof key, "terse.%s.%s", head_task_names[task], head_keys[i]);
            gguf_put_string(&k, key, text.value[i]);
        }
        n += tensors_make(t + n, names + n, h[task], head_task_names[task]);
    }
    if (!r && !n) r = err_set(e, ERR_HEAD_TYPE, "%s: no head to write", path);
    if (!r) r = gguf_save(path, &k, t, n, fill, t, e);
    gguf_keys_free(&k);
    return r;
}
