#include "tests/support/hf_folder.h"
#include "checkpoints/file.h"
#include "checkpoints/hf_save.h"
#include "kernels/math.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int rc, const struct err *e)
{
    if (!rc) return;
    fprintf(stderr, "hf_folder: %s\n", e->msg);
    abort();
}

struct model_config hf_folder_config(void)
{
    struct model_config c;
    model_config_init(&c);
    c.layers = 4, c.width = 16, c.heads = 4, c.kv_heads = 2, c.head_dim = 4, c.ff = 24, c.vocab = 40,
    c.tied = true;
    c.max_positions = 64, c.bos = 0, c.pad = 1, c.eos[0] = 2, c.eos[1] = 1, c.n_eos = 2;
    c.temperature = 0.7, c.top_p = 0.8, c.top_k = 20, c.repetition_penalty = 1.1;
    return c;
}

static void fill(const struct model_config *c, struct tensor *t)
{
    size_t count = t->bytes / (dtype_bits(t->dtype) / 8);
    float *value = malloc(count * sizeof *value);
    uint16_t *half = malloc(count * sizeof *half);
    params_random(c, (uint32_t)params_find(c, t->name), 7, 0, value, count);
    for (size_t i = 0; i < count; i++) half[i] = f32_to_bf16(value[i]);
    t->data = t->dtype == DTYPE_F32 ? (void *)value : (void *)half;
    free(t->dtype == DTYPE_F32 ? (void *)half : (void *)value);
}

struct tensor *hf_folder_tensors(const struct model_config *c, enum dtype dtype, size_t extra, size_t *n)
{
    struct err e = {0};
    struct tensor *list;
    must(hf_tensor_list(&list, n, c, dtype, &e), &e);
    struct tensor *t = calloc(*n + extra, sizeof *t);
    for (size_t i = 0; i < *n; i++) {
        t[i] = list[i];
        t[i].name = strdup(list[i].name);
        fill(c, &t[i]);
    }
    free(list);
    return t;
}

void hf_folder_free(struct tensor *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((void *)t[i].name);
        free((void *)t[i].data);
    }
    free(t);
}

struct tensor *hf_folder_find(struct tensor *t, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(t[i].name, name)) return &t[i];
    abort();
}

/* Not file_save: the fsyncs of a hundred cases would take longer than the cases. */
static void put(const char *path, const char *a, size_t n, const char *b, const char *c)
{
    FILE *f = fopen(path, "wb");
    if (f && fprintf(f, "%.*s%s%s", (int)n, a, b, c) >= 0 && fclose(f) == 0) return;
    perror(path);
    abort();
}

char *hf_folder_edit(const char *dir, const char *name, const char *old, const char *new)
{
    struct err e = {0};
    char path[FILE_PATH], *text;
    size_t n;
    must(file_path(path, &e, "%s/%s", dir, name), &e);
    must(file_load(path, 1 << 20, &text, &n, &e), &e);
    const char *at = old ? strstr(text, old) : text;
    if (!at) {
        fprintf(stderr, "hf_folder: no %s in %s\n", old, path);
        abort();
    }
    put(path, text, (size_t)(at - text), new, old ? at + strlen(old) : "");
    return text;
}

void hf_folder_restore(const char *dir, const char *name, char *before)
{
    char path[FILE_PATH];
    struct err e = {0};
    must(file_path(path, &e, "%s/%s", dir, name), &e);
    put(path, before, strlen(before), "", "");
    free(before);
}
