#include "infer/head_text.h"
#include "infer/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_VERSION,
    KEY_TASK,
    KEY_POOLING,
    KEY_LAYER,
    KEY_WIDTH,
    KEY_HIDDEN,
    KEY_THRESHOLD,
    KEY_TEMPERATURE,
    KEY_PROMPT,
    KEY_BASE,
    KEY_TOKENIZER,
    KEY_ADAPTER,
    KEY_DIGEST
};
const char *const head_keys[HEAD_KEYS] = {"version",   "task",      "pooling",     "layer",  "width",
                                          "hidden",    "threshold", "temperature", "prompt", "base",
                                          "tokenizer", "adapter",   "digest"};
#define VERSION "1"

_Static_assert((int)HEAD_PROMPT <= (int)HEAD_TEXT, "a prompt is a value");

/* ---- writing ------------------------------------------------------------------------------------------- */

/* Numbers as they are in memory, little-endian on every machine that this runs on. */
static void digest_of(char hex[DIGEST_HEX], const struct head_text *t, const struct head *h)
{
    struct head_part part[HEAD_PARTS];
    struct digest d;
    digest_init(&d);
    for (int i = 0; i < KEY_DIGEST; i++) digest_text(&d, t->value[i]);
    for (uint32_t k = 0, n = head_parts(h, part); k < n; k++) digest_text(&d, part[k].name);
    digest_update(&d, h->data, h->count * sizeof *h->data);
    digest_final(&d, hex);
}

static void layers_write(char *out, const struct states_config *c)
{
    size_t n = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        if (i) out[n++] = ',';
        if (c->depth[i] == STATES_FINAL)
            n += (size_t)snprintf(out + n, HEAD_TEXT - n, "final");
        else
            n += (size_t)snprintf(out + n, HEAD_TEXT - n, "%u", c->depth[i]);
    }
}

void head_text_make(struct head_text *out, const struct head *h)
{
    const struct head_config *c = &h->c;
    memset(out, 0, sizeof *out);
    snprintf(out->value[KEY_VERSION], HEAD_TEXT, VERSION);
    snprintf(out->value[KEY_TASK], HEAD_TEXT, "%s", head_task_names[c->task]);
    snprintf(out->value[KEY_POOLING], HEAD_TEXT, "%s", pooling_names[c->pooling]);
    layers_write(out->value[KEY_LAYER], &c->states);
    snprintf(out->value[KEY_WIDTH], HEAD_TEXT, "%u", c->width);
    snprintf(out->value[KEY_HIDDEN], HEAD_TEXT, "%u", c->hidden);
    snprintf(out->value[KEY_THRESHOLD], HEAD_TEXT, "%.17g", c->threshold);
    snprintf(out->value[KEY_TEMPERATURE], HEAD_TEXT, "%.17g", c->temperature);
    snprintf(out->value[KEY_PROMPT], HEAD_TEXT, "%s", c->prompt);
    snprintf(out->value[KEY_BASE], HEAD_TEXT, "%s", c->base);
    snprintf(out->value[KEY_TOKENIZER], HEAD_TEXT, "%s", c->tokenizer);
    snprintf(out->value[KEY_ADAPTER], HEAD_TEXT, "%s", c->adapter);
    digest_of(out->value[KEY_DIGEST], out, h);
}

/* ---- reading the keys ---------------------------------------------------------------------------------- */

static int bad(int key, const char *value, const char *expected, const char *path, struct err *e)
{
    return err_set(e,
                   key == KEY_VERSION ? ERR_VERSION
                   : key == KEY_TASK  ? ERR_HEAD_TYPE
                                      : ERR_FIELD_RANGE,
                   "%s: %s is \"%.64s\", expected %s", path, head_keys[key], value, expected);
}

/* Decimal digits up to `end`, nothing else, no zero in front. */
static bool number(uint32_t *out, const char *text, size_t n)
{
    uint64_t x = 0;
    if (!n || n > 9 || (n > 1 && *text == '0')) return false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        x = 10 * x + (uint64_t)(text[i] - '0');
    }
    *out = (uint32_t)x;
    return true;
}

static bool layers(struct states_config *c, const char *text)
{
    for (c->n = 0; c->n < STATES_MAX_DEPTHS; text++) {
        size_t n = strcspn(text, ",");
        uint32_t *depth = &c->depth[c->n++];
        if (n == 5 && !memcmp(text, "final", n))
            *depth = STATES_FINAL;
        else if (!number(depth, text, n))
            return false;
        text += n;
        if (!*text) return true;
    }
    return false;
}

/* As "%.17g" writes it: what reads back as the same text. */
static bool real(double *out, const char *text)
{
    char again[64], *end;
    *out = strtod(text, &end);
    snprintf(again, sizeof again, "%.17g", *out);
    return *text && !*end && !strcmp(again, text);
}

static bool name(int *out, const char *const *names, int n, const char *text)
{
    for (*out = 0; *out < n; ++*out)
        if (!strcmp(names[*out], text)) return true;
    return false;
}

static bool digest(char out[ADAPTER_DIGEST], const char *text)
{
    size_t n = strlen(text);
    if (n && (n != 64 || strspn(text, "0123456789abcdef") != n)) return false;
    memcpy(out, text, n + 1);
    return true;
}

static int config_read(struct head_config *c, const struct head_text *t, const char *path, struct err *e)
{
    const char(*v)[HEAD_TEXT] = t->value;
    int task, pooling;
    memset(c, 0, sizeof *c);
    if (strcmp(v[KEY_VERSION], VERSION)) return bad(KEY_VERSION, v[KEY_VERSION], VERSION, path, e);
    if (!name(&task, head_task_names, HEAD_TASKS, v[KEY_TASK]))
        return bad(KEY_TASK, v[KEY_TASK], "switcher or verifier", path, e);
    if (!name(&pooling, pooling_names, POOL_COUNT, v[KEY_POOLING]))
        return bad(KEY_POOLING, v[KEY_POOLING], "last, mean or ema", path, e);
    if (!layers(&c->states, v[KEY_LAYER]))
        return bad(KEY_LAYER, v[KEY_LAYER], "numbers of layers or final, with commas between", path, e);
    if (!number(&c->width, v[KEY_WIDTH], strlen(v[KEY_WIDTH])))
        return bad(KEY_WIDTH, v[KEY_WIDTH], "a number", path, e);
    if (!number(&c->hidden, v[KEY_HIDDEN], strlen(v[KEY_HIDDEN])))
        return bad(KEY_HIDDEN, v[KEY_HIDDEN], "a number", path, e);
    if (!real(&c->threshold, v[KEY_THRESHOLD]))
        return bad(KEY_THRESHOLD, v[KEY_THRESHOLD], "a number of 17 digits at most", path, e);
    if (!real(&c->temperature, v[KEY_TEMPERATURE]))
        return bad(KEY_TEMPERATURE, v[KEY_TEMPERATURE], "a number of 17 digits at most", path, e);
    char *const digests[] = {c->base, c->tokenizer, c->adapter};
    for (int i = 0; i < 3; i++)
        if (!digest(digests[i], v[KEY_BASE + i]))
            return bad(KEY_BASE + i, v[KEY_BASE + i], "64 hex digits, or nothing", path, e);
    c->task = (enum head_task)task, c->pooling = (enum pooling)pooling;
    memcpy(c->prompt, v[KEY_PROMPT], sizeof c->prompt);
    return 0;
}

/* ---- reading the tensors ------------------------------------------------------------------------------- */

static const struct tensor *find(const void *file, const struct tensor *(*at)(const void *, size_t), size_t n,
                                 const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(at(file, i)->name, name)) return at(file, i);
    return NULL;
}

static int part_read(const struct head_part *p, const struct tensor *t, const char *path, struct err *e)
{
    if (!t) return err_set(e, ERR_HEAD_TENSOR, "%s: there is no tensor %s", path, p->name);
    if (t->dtype != DTYPE_F32)
        return err_set(e, ERR_DTYPE, "%s: tensor %s is %s, expected F32", path, p->name,
                       dtype_name(t->dtype));
    int rank = p->rows ? 2 : 1;
    if (t->rank != rank || t->shape[rank - 1] != p->cols || (p->rows && t->shape[0] != p->rows))
        return err_set(e, ERR_HEAD_TENSOR,
                       "%s: tensor %s has %d dimensions, the last of %llu, expected %d and %llu", path,
                       p->name, t->rank, (unsigned long long)(t->rank ? t->shape[t->rank - 1] : 0), rank,
                       (unsigned long long)p->cols);
    memcpy(p->data, t->data, t->bytes);
    return 0;
}

static int tensors_read(struct head *h, const void *file, const struct tensor *(*at)(const void *, size_t),
                        size_t n, const char *path, struct err *e)
{
    struct head_part part[HEAD_PARTS];
    uint32_t parts = head_parts(h, part);
    for (uint32_t k = 0; k < parts; k++) {
        int r = part_read(&part[k], find(file, at, n, part[k].name), path, e);
        if (r) return r;
    }
    if (n == parts) return 0;
    return err_set(e, ERR_HEAD_TENSOR, "%s: %zu tensors, expected %u; the first is %s", path, n, parts,
                   at(file, 0)->name);
}

/* Before memory is taken for what the keys say: roughly, each tensor is looked at later. */
static int bytes_check(const struct head_config *c, const void *file,
                       const struct tensor *(*at)(const void *, size_t), size_t n, const char *path,
                       struct err *e)
{
    struct err why = {0};
    uint64_t bytes = 0;
    int r = head_config_check(c, &why);
    if (r) return err_set(e, r, "%s: %s", path, why.msg);
    for (size_t i = 0; i < n; i++) bytes += at(file, i)->bytes;
    if (head_count(c) <= bytes) return 0;
    return err_set(e, ERR_HEAD_TENSOR, "%s: its keys ask for %llu numbers, its tensors have %llu bytes", path,
                   (unsigned long long)head_count(c), (unsigned long long)bytes);
}

int head_text_read(struct head **out, const struct head_text *text, const void *file,
                   const struct tensor *(*at)(const void *file, size_t i), size_t n, const char *path,
                   struct err *e)
{
    struct head_config c;
    struct err why = {0};
    char hex[DIGEST_HEX];
    *out = NULL;
    int r = config_read(&c, text, path, e);
    if (r) return r;
    c.standardised = find(file, at, n, "input.mean") || find(file, at, n, "input.scale");
    r = bytes_check(&c, file, at, n, path, e);
    if (!r) r = head_create(out, &c, e);
    if (r) return r;
    r = tensors_read(*out, file, at, n, path, e);
    if (!r) {
        digest_of(hex, text, *out);
        if (strcmp(hex, text->value[KEY_DIGEST]))
            r = err_set(e, ERR_HASH, "%s: the SHA-256 of what it holds is %.16s..., it says %.16s...", path,
                        hex, text->value[KEY_DIGEST]);
    }
    if (!r && (r = head_values_check(*out, &why))) err_set(e, r, "%s: %s", path, why.msg);
    if (r) head_free(*out), *out = NULL;
    return r;
}
