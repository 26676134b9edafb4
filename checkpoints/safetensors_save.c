#include "checkpoints/file.h"
#include "checkpoints/json.h"
#include "checkpoints/safetensors.h"
#include "infer/size.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    const char *path;
    const struct tensor *t;
    const struct tensor **order; /* as they will lie in the file */
    size_t n;
    safetensors_fill *fill;
    void *ctx;
    struct js_out header;
    struct file_out file;
};

static int by_alignment(const void *a, const void *b)
{
    const struct tensor *x = *(const struct tensor *const *)a, *y = *(const struct tensor *const *)b;
    unsigned p = dtype_bits(x->dtype), q = dtype_bits(y->dtype);
    return p != q ? (p < q) - (p > q) : strcmp(x->name, y->name);
}

static int check_tensor(const struct writer *w, const struct tensor *t, struct err *e)
{
    uint64_t bits = dtype_bits(t->dtype);
    int rc = 0;
    for (int i = 0; i < t->rank && !rc; i++) rc = ckd_mul(&bits, bits, i < 8 ? t->shape[i] : 1);
    if (rc) return err_set(e, rc, "%s: tensor \"%.160s\": its size does not fit 64 bits", w->path, t->name);
    if (bits % 8 || bits / 8 != t->bytes)
        return err_set(e, ERR_SIZE_MISMATCH,
                       "%s: tensor \"%.160s\" has %" PRIu64 " bytes, its shape and dtype make %" PRIu64,
                       w->path, t->name, t->bytes, bits / 8);
    if (strlen(t->name) > SAFETENSORS_MAX_NAME)
        return err_set(e, ERR_NAME_LEN, "%s: the name \"%.40s...\" has more than %d bytes", w->path, t->name,
                       SAFETENSORS_MAX_NAME);
    return 0;
}

static int sort_tensors(struct writer *w, struct err *e)
{
    w->order = calloc(w->n ? w->n : 1, sizeof *w->order);
    if (!w->order) return err_set(e, ERR_NOMEM, "no memory to order the tensors of %s", w->path);
    for (size_t i = 0; i < w->n; i++) {
        int rc = check_tensor(w, &w->t[i], e);
        if (rc) return rc;
        w->order[i] = &w->t[i];
    }
    qsort(w->order, w->n, sizeof *w->order, by_alignment);
    return 0;
}

static void put_entry(struct js_out *out, const struct tensor *t, uint64_t begin)
{
    js_object(out, t->name);
    js_put_string(out, "dtype", dtype_name(t->dtype));
    js_array(out, "shape");
    for (int i = 0; i < t->rank; i++) js_put_uint(out, NULL, i < 8 ? t->shape[i] : 1);
    js_close(out);
    js_array(out, "data_offsets");
    js_put_uint(out, NULL, begin);
    js_put_uint(out, NULL, begin + t->bytes);
    js_close(out);
    js_close(out);
}

static int make_header(struct writer *w, const char *const *meta, struct err *e)
{
    uint64_t at = 0, end;
    js_object(&w->header, NULL);
    if (meta && *meta) {
        js_object(&w->header, "__metadata__");
        for (; *meta; meta += 2) js_put_string(&w->header, meta[0], meta[1]);
        js_close(&w->header);
    }
    for (size_t i = 0; i < w->n; i++) {
        const struct tensor *t = w->order[i];
        if (ckd_add(&end, at, t->bytes))
            return err_set(e, ERR_OVERFLOW, "%s: the tensors' bytes do not fit 64 bits", w->path);
        put_entry(&w->header, t, at);
        at = end;
    }
    js_close(&w->header);
    return js_out_end(&w->header, e);
}

/* Lets our own reader judge the header: no file is written that it would refuse (names twice, too long). */
static int write_header(struct writer *w, struct err *e)
{
    size_t padded = round_up(w->header.n, 8);
    unsigned char length[8];
    struct js *again;
    if (padded > SAFETENSORS_MAX_HEADER)
        return err_set(e, ERR_HDR_TOO_LARGE, "%s: the header has %zu bytes, the limit is %d", w->path, padded,
                       SAFETENSORS_MAX_HEADER);
    struct js_limits limits = {.values = SAFETENSORS_MAX_VALUES};
    int rc = js_parse(&again, w->path, w->header.text, w->header.n, &limits, e);
    js_free(again);
    if (rc) return rc;
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)padded >> 8 * i);
    rc = file_out_write(&w->file, length, 8, e);
    if (!rc) rc = file_out_write(&w->file, w->header.text, w->header.n, e);
    return rc ? rc : file_out_write(&w->file, "       ", padded - w->header.n, e);
}

static int write_filled(struct writer *w, const struct tensor *t, void *chunk, struct err *e)
{
    for (uint64_t at = 0; at < t->bytes;) {
        uint64_t left = t->bytes - at;
        size_t n = left < SAFETENSORS_CHUNK ? (size_t)left : SAFETENSORS_CHUNK;
        int rc = w->fill(w->ctx, (size_t)(t - w->t), at, chunk, n, e);
        if (!rc) rc = file_out_write(&w->file, chunk, n, e);
        if (rc) return rc;
        at += n;
    }
    return 0;
}

static int write_data(struct writer *w, struct err *e)
{
    void *chunk = w->fill ? malloc(SAFETENSORS_CHUNK) : NULL;
    int rc = w->fill && !chunk ? err_set(e, ERR_NOMEM, "no memory for a chunk of %s", w->path) : 0;
    for (size_t i = 0; i < w->n && !rc; i++)
        rc = w->fill ? write_filled(w, w->order[i], chunk, e)
                     : file_out_write(&w->file, w->order[i]->data, w->order[i]->bytes, e);
    free(chunk);
    return rc;
}

static int write_file(struct writer *w, struct err *e)
{
    int rc = file_out_open(&w->file, w->path, e);
    if (!rc) rc = write_header(w, e);
    if (!rc) rc = write_data(w, e);
    if (!rc) return file_out_commit(&w->file, e);
    file_out_abort(&w->file);
    return rc;
}

int safetensors_save_stream(const char *path, const struct tensor *t, size_t n, const char *const *meta,
                            safetensors_fill *fill, void *ctx, struct err *e)
{
    struct writer w = {.path = path, .t = t, .n = n, .fill = fill, .ctx = ctx, .file.fd = -1};
    js_out_init(&w.header, 0);
    int rc = sort_tensors(&w, e);
    if (!rc) rc = make_header(&w, meta, e);
    if (!rc) rc = write_file(&w, e);
    js_out_free(&w.header);
    free(w.order);
    return rc;
}

int safetensors_save(const char *path, const struct tensor *t, size_t n, const char *const *meta,
                     struct err *e)
{
    return safetensors_save_stream(path, t, n, meta, NULL, NULL, e);
}
