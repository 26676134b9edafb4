#include "infer/gguf_head.h"
#include "infer/head_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_NAME = 64 };

/* 1 when the key is there and was copied to `out`, 0 when it is not. */
static int key_text(const struct gguf *g, const char *task, const char *key, char out[HEAD_TEXT],
                    struct err *e)
{
    char name[KEY_NAME];
    const char *s = NULL;
    size_t n = 0;
    snprintf(name, sizeof name, "terse.%s.%s", task, key);
    int r = gguf_get_string(g, name, false, &s, &n, e);
    if (r || !s) return r;
    if (n >= HEAD_TEXT)
        return err_set(e, ERR_FIELD_RANGE, "%s: %s has %zu bytes, expected less than %d", gguf_label(g), name,
                       n, HEAD_TEXT);
    memcpy(out, s, n);
    out[n] = 0;
    return 1;
}

/* 1 when the file has a head of this task, and its keys in *text; 0 when it has none. */
static int keys_read(struct head_text *text, const struct gguf *g, const char *task, struct err *e)
{
    uint32_t found = 0;
    const char *missing = NULL;
    for (uint32_t i = 0; i < HEAD_KEYS; i++) {
        int r = key_text(g, task, head_keys[i], text->value[i], e);
        if (r < 0) return r;
        found += (uint32_t)r;
        if (!r && !missing) missing = head_keys[i];
    }
    if (!found || !missing) return found > 0;
    return err_set(e, ERR_FIELD_MISSING, "%s: no key \"terse.%s.%s\"", gguf_label(g), task, missing);
}

static const struct tensor *tensor_at(const void *file, size_t i)
{
    return (const struct tensor *)file + i;
}

/* The tensors of a task under their own names; returns how many. */
static size_t tensors_of(struct tensor *out, const struct gguf *g, const char *task)
{
    size_t n = 0, prefix = strlen(task);
    for (size_t i = 0; i < gguf_count(g); i++) {
        const struct tensor *t = gguf_at(g, i);
        if (strncmp(t->name, task, prefix) || t->name[prefix] != '.') continue;
        out[n] = *t;
        out[n++].name += prefix + 1;
    }
    return n;
}

/* Adds to *used the tensors that were the head's. */
static int head_read(struct head **out, struct tensor *scratch, size_t *used, const struct gguf *g,
                     const char *task, struct err *e)
{
    struct head_text text;
    memset(&text, 0, sizeof text);
    int there = keys_read(&text, g, task, e);
    if (there <= 0) return there;
    size_t n = tensors_of(scratch, g, task);
    int r = head_text_read(out, &text, scratch, tensor_at, n, gguf_label(g), e);
    if (!r && strcmp(head_task_names[(*out)->c.task], task))
        r = err_set(e, ERR_HEAD_TYPE, "%s: a %s under the name %s", gguf_label(g),
                    head_task_names[(*out)->c.task], task);
    *used += n;
    return r;
}

static int kind_check(const struct gguf *g, struct err *e)
{
    if (gguf_is(g, "general.architecture", "terse-head")) return 0;
    return err_set(e, ERR_HEAD_TYPE, "%s: general.architecture is not \"terse-head\": no file of heads",
                   gguf_label(g));
}

int gguf_heads_read(struct head *out[HEAD_TASKS], const struct gguf *g, struct err *e)
{
    size_t used = 0;
    memset(out, 0, HEAD_TASKS * sizeof *out);
    int r = kind_check(g, e);
    if (r) return r;
    struct tensor *scratch = calloc(gguf_count(g) + 1, sizeof *scratch);
    if (!scratch) return err_set(e, ERR_NOMEM, "no memory to sort %zu tensors", gguf_count(g));
    for (int t = 0; !r && t < HEAD_TASKS; t++)
        r = head_read(&out[t], scratch, &used, g, head_task_names[t], e);
    if (!r && !out[HEAD_SWITCHER] && !out[HEAD_VERIFIER])
        r = err_set(e, ERR_HEAD_TYPE, "%s: there is no head in it", gguf_label(g));
    if (!r && used != gguf_count(g))
        r = err_set(e, ERR_HEAD_TENSOR, "%s: %zu of its tensors are no head's", gguf_label(g),
                    gguf_count(g) - used);
    for (int t = 0; r && t < HEAD_TASKS; t++) head_free(out[t]), out[t] = NULL;
    free(scratch);
    return r;
}

int gguf_heads_load(struct head *out[HEAD_TASKS], const char *path, struct err *e)
{
    struct gguf *g;
    struct err why = {0};
    memset(out, 0, HEAD_TASKS * sizeof *out);
    int r = gguf_open(&g, path, e);
    if (r) return r;
    r = gguf_heads_read(out, g, &why);
    int changed = gguf_intact(g, e);
    if (r && !changed) err_set(e, r, "%s", why.msg);
    for (int t = 0; changed && t < HEAD_TASKS; t++) head_free(out[t]), out[t] = NULL;
    gguf_close(g);
    return changed ? changed : r;
}
