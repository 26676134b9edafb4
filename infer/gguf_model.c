#include "infer/gguf_model.h"
#include "infer/file_open.h"
#include "infer/finite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool gguf_is_file(const char *path)
{
    char magic[4] = "";
    int fd;
    if (file_open(path, &fd, NULL, NULL)) return false;
    ssize_t n = pread(fd, magic, sizeof magic, 0);
    close(fd);
    return n == 4 && !memcmp(magic, "GGUF", 4);
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

/* terse.w4: every block of a row has the same scale, or WT_W4 panels would not be what the file says. */
static int check_w4(const struct tensor *t, struct err *e)
{
    unsigned size = dtype_block_bytes(t->dtype);
    uint64_t blocks = t->shape[1] / dtype_block(t->dtype);
    const char *block = t->data;
    for (uint64_t row = 0; row < t->shape[0]; row++)
        for (uint64_t i = 0; i < blocks; i++, block += size)
            if (i && memcmp(block, block - size, 2))
                return err_set(e, ERR_GG_BLOCK,
                               "tensor %s: terse.w4 is true, but the scales of row %" PRIu64 " differ",
                               t->name, row);
    return 0;
}

static int take_tensor(struct gguf_model *m, size_t i, bool w4, struct err *e)
{
    struct tensor *t = &m->tensors[i];
    int64_t slot;
    m->bytes += t->bytes;
    if (t->dtype == DTYPE_Q4_0 && w4) t->dtype = DTYPE_W4;
    int rc = tensor_check_finite(t, e);
    if (!rc && t->dtype == DTYPE_W4) rc = check_w4(t, e);
    tensor_release(t);
    if (!rc && t->rank == 2 && t->dtype != DTYPE_F32) m->dtype = DTYPE_BF16;
    if (!rc && (slot = params_find_as(&m->config, PARAMS_GGUF, t->name)) >= 0) {
        params_name(&m->config, (uint32_t)slot, m->names[i], sizeof m->names[i]);
        t->name = m->names[i];
    }
    return rc;
}

static int bind(struct gguf_model *m, struct err *e)
{
    bool w4 = false;
    m->n = gguf_count(m->file);
    m->tensors = calloc(m->n + 1, sizeof *m->tensors);
    m->names = calloc(m->n + 1, sizeof *m->names);
    m->bound = calloc(params_slots(&m->config), sizeof *m->bound);
    if (!m->tensors || !m->names || !m->bound)
        return err_set(e, ERR_NOMEM, "no memory for %zu tensors", m->n);
    for (size_t i = 0; i < m->n; i++) m->tensors[i] = *gguf_at(m->file, i);
    m->dtype = DTYPE_F32;
    int rc = params_bind(&m->config, PARAMS_GGUF, m->tensors, m->n, m->bound, e);
    if (!rc) rc = gguf_get_bool(m->file, "terse.w4", false, &w4, e);
    for (size_t i = 0; !rc && i < m->n; i++) rc = take_tensor(m, i, w4, e);
    return rc;
}

static int get_digest(const struct gguf *g, const char *key, char hex[GGUF_DIGEST], struct err *e)
{
    const char *s = NULL;
    size_t n = 0;
    int rc = gguf_get_string(g, key, false, &s, &n, e);
    if (rc || !n) return rc;
    bool good = n == GGUF_DIGEST - 1;
    for (size_t i = 0; good && i < n; i++) good = strchr("0123456789abcdef", s[i]) != NULL;
    if (!good) return err_set(e, ERR_FIELD_RANGE, "%s: %s is no digest of 64 hex digits", gguf_label(g), key);
    memcpy(hex, s, n);
    return 0;
}

/* ---- the file ------------------------------------------------------------------------------------------ */

static int fill(struct gguf_model *m, struct err *e)
{
    struct err why = {0};
    int rc = gguf_config(&m->config, m->file, e);
    if (!rc) rc = get_digest(m->file, "terse.base", m->base, e);
    if (!rc) rc = get_digest(m->file, "terse.tokenizer", m->tokenizer, e);
    if (rc) return rc;
    rc = bind(m, &why);
    /* zeros in place of pages that were cut off can look like anything */
    int changed = gguf_intact(m->file, e);
    if (rc && !changed) err_set(e, rc, "%s: %s", gguf_label(m->file), why.msg);
    return changed ? changed : rc;
}

static int finish(struct gguf_model **out, struct gguf_model *m, int rc, struct err *e)
{
    if (!rc) rc = fill(m, e);
    if (rc)
        gguf_model_close(m);
    else
        *out = m;
    return rc;
}

int gguf_model_open(struct gguf_model **out, const char *path, struct err *e)
{
    struct gguf_model *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m) return err_set(e, ERR_NOMEM, "no memory to open %s", path);
    return finish(out, m, gguf_open(&m->file, path, e), e);
}

int gguf_model_open_memory(struct gguf_model **out, const void *file, size_t n, const char *label,
                           struct err *e)
{
    struct gguf_model *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m) return err_set(e, ERR_NOMEM, "no memory to open %s", label);
    return finish(out, m, gguf_open_memory(&m->file, file, n, label, e), e);
}

void gguf_model_close(struct gguf_model *m)
{
    if (!m) return;
    free(m->names);
    free(m->tensors);
    free(m->bound);
    gguf_close(m->file);
    free(m);
}

int gguf_model_intact(const struct gguf_model *m, struct err *e)
{
    return gguf_intact(m->file, e);
}
