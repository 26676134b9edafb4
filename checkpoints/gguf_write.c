#include "checkpoints/gguf_write.h"
#include "checkpoints/file.h"
#include "infer/size.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys ---------------------------------------------------------------------------------------------- */

void gguf_keys_free(struct gguf_keys *k)
{
    free(k->data);
    *k = (struct gguf_keys){0};
}

static void put(struct gguf_keys *k, const void *data, size_t n)
{
    if (k->no_memory) return;
    if (n > k->cap - k->n) {
        size_t cap = 2 * (k->n + n) + 4096;
        char *more = realloc(k->data, cap);
        if (!more) {
            k->no_memory = true;
            return;
        }
        k->data = more, k->cap = cap;
    }
    if (n) memcpy(k->data + k->n, data, n);
    k->n += n;
}

void gguf_add_bytes(struct gguf_keys *k, const void *data, size_t n)
{
    put(k, data, n);
}

static void put_u32(struct gguf_keys *k, uint32_t v)
{
    put(k, &v, sizeof v);
}

static void put_u64(struct gguf_keys *k, uint64_t v)
{
    put(k, &v, sizeof v);
}

void gguf_add_string(struct gguf_keys *k, const char *s, size_t len)
{
    put_u64(k, len);
    put(k, s, len);
}

static void put_key(struct gguf_keys *k, const char *key, enum gguf_type type)
{
    gguf_add_string(k, key, strlen(key));
    put_u32(k, type);
    k->count++;
}

void gguf_put_u32(struct gguf_keys *k, const char *key, uint32_t v)
{
    put_key(k, key, GGUF_U32);
    put_u32(k, v);
}

void gguf_put_f32(struct gguf_keys *k, const char *key, float v)
{
    put_key(k, key, GGUF_F32);
    put(k, &v, sizeof v);
}

void gguf_put_f64(struct gguf_keys *k, const char *key, double v)
{
    put_key(k, key, GGUF_F64);
    put(k, &v, sizeof v);
}

void gguf_put_bool(struct gguf_keys *k, const char *key, bool v)
{
    char byte = v;
    put_key(k, key, GGUF_BOOL);
    put(k, &byte, 1);
}

void gguf_put_text(struct gguf_keys *k, const char *key, const char *s, size_t len)
{
    put_key(k, key, GGUF_STRING);
    gguf_add_string(k, s, len);
}

void gguf_put_string(struct gguf_keys *k, const char *key, const char *s)
{
    gguf_put_text(k, key, s, strlen(s));
}

void gguf_put_array(struct gguf_keys *k, const char *key, enum gguf_type elem, const void *data, uint64_t n)
{
    static const unsigned char bytes[GGUF_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    put_key(k, key, GGUF_ARRAY);
    put_u32(k, elem);
    put_u64(k, n);
    if (data) put(k, data, n * bytes[elem]);
}

/* ---- the file ------------------------------------------------------------------------------------------ */

static void pad(struct gguf_keys *k)
{
    static const char zeros[GGUF_ALIGNMENT];
    put(k, zeros, round_up(k->n, GGUF_ALIGNMENT) - k->n);
}

static void put_tensor(struct gguf_keys *h, const struct tensor *t, uint64_t offset)
{
    gguf_add_string(h, t->name, strlen(t->name));
    put_u32(h, (uint32_t)t->rank);
    for (int d = t->rank; d-- > 0;) put_u64(h, t->shape[d]);
    put_u32(h, (uint32_t)gguf_ggml_type(t->dtype));
    put_u64(h, offset);
}

/* The whole header with the padding after it; *total: bytes of the data. */
static int make_header(struct gguf_keys *h, const struct gguf_keys *keys, const struct tensor *t, size_t n,
                       uint64_t *total, const char *path, struct err *e)
{
    *total = 0;
    put(h, "GGUF", 4);
    put_u32(h, GGUF_VERSION);
    put_u64(h, n);
    put_u64(h, keys->count);
    put(h, keys->data, keys->n);
    for (size_t i = 0; i < n; i++) {
        put_tensor(h, &t[i], *total);
        *total = round_up(*total + t[i].bytes, GGUF_ALIGNMENT);
    }
    pad(h);
    if (!h->no_memory && !keys->no_memory) return 0;
    return err_set(e, ERR_NOMEM, "no memory for the header of %s", path);
}

/* Lets our own reader judge the header: no file is written that it would refuse. That it lacks the data is
 * all that may be wrong with it. */
static int check_header(const struct gguf_keys *h, uint64_t total, const char *path, struct err *e)
{
    struct gguf *g;
    struct err why = {0};
    int rc = gguf_open_memory(&g, h->data, h->n, path, &why);
    gguf_close(g);
    if (!rc || (rc == ERR_DATA_PAST_EOF && total)) return 0;
    return err_set(e, rc, "%s", why.msg);
}

static int write_tensor(struct file_out *f, const struct tensor *t, size_t i, gguf_fill *fill, void *ctx,
                        char *chunk, uint64_t chunk_bytes, struct err *e)
{
    static const char zeros[GGUF_ALIGNMENT];
    uint64_t rows = t->rank > 1 ? t->shape[0] : 1, row = rows ? t->bytes / rows : 0;
    uint64_t most = row ? chunk_bytes / row : rows;
    int rc = 0;
    for (uint64_t at = 0, n; !rc && row && at < rows; at += n) {
        n = rows - at < most ? rows - at : most;
        rc = fill(ctx, i, at, n, chunk, e);
        if (!rc) rc = file_out_write(f, chunk, n * row, e);
    }
    return rc ? rc : file_out_write(f, zeros, round_up(t->bytes, GGUF_ALIGNMENT) - t->bytes, e);
}

static uint64_t widest_row(const struct tensor *t, size_t n)
{
    uint64_t most = GGUF_CHUNK;
    for (size_t i = 0; i < n; i++) {
        uint64_t row = t[i].rank > 1 && t[i].shape[0] ? t[i].bytes / t[i].shape[0] : t[i].bytes;
        if (row > most) most = row;
    }
    return most;
}

static int write_all(const char *path, const struct gguf_keys *h, const struct tensor *t, size_t n,
                     gguf_fill *fill, void *ctx, struct err *e)
{
    struct file_out f;
    uint64_t chunk_bytes = widest_row(t, n);
    char *chunk = malloc(chunk_bytes);
    if (!chunk) return err_set(e, ERR_NOMEM, "no memory for a chunk of %s", path);
    int rc = file_out_open(&f, path, e);
    if (!rc) rc = file_out_write(&f, h->data, h->n, e);
    for (size_t i = 0; !rc && i < n; i++) rc = write_tensor(&f, &t[i], i, fill, ctx, chunk, chunk_bytes, e);
    if (rc)
        file_out_abort(&f);
    else
        rc = file_out_commit(&f, e);
    free(chunk);
    return rc;
}

/* The folder that holds it has room. */
static int check_space(const char *path, uint64_t bytes, struct err *e)
{
    char dir[FILE_PATH];
    const char *slash = strrchr(path, '/');
    int rc = slash ? file_path(dir, e, "%.*s", (int)(slash - path + 1), path) : file_path(dir, e, ".");
    return rc ? rc : file_need_space(dir, bytes, e);
}

int gguf_save(const char *path, const struct gguf_keys *keys, const struct tensor *t, size_t n,
              gguf_fill *fill, void *ctx, struct err *e)
{
    struct gguf_keys h = {0};
    uint64_t total;
    int rc = make_header(&h, keys, t, n, &total, path, e);
    if (!rc) rc = check_header(&h, total, path, e);
    if (!rc) rc = check_space(path, h.n + total, e);
    if (!rc) rc = write_all(path, &h, t, n, fill, ctx, e);
    gguf_keys_free(&h);
    return rc;
}
