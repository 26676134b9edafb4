#include "checkpoints/state_manifest.h"

#include "checkpoints/file.h"
#include "checkpoints/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANIFEST_MAX = 16 << 20, TEXT = 256 };

/* The first line, `{"root_sha256": "<64 hex>",`, and a newline; the hash is of all bytes after it. */
static const char head[] = "{\"root_sha256\": \"";
enum { HASH_AT = sizeof head - 1, BODY_AT = HASH_AT + 64 + 3 };

/* The texts that say whose state it is: key in the manifest, places, error when another. */
static const struct {
    const char *key;
    size_t in_manifest, in_ident;
    int code;
} texts[] = {
#define TEXT_ROW(key, code)                                                                                  \
    {                                                                                                        \
#key, offsetof(struct manifest, key), offsetof(struct state_ident, key), code                        \
    }
    TEXT_ROW(run_id, ERR_RUN_MISMATCH), TEXT_ROW(base, ERR_BASE_HASH), TEXT_ROW(tokenizer, ERR_TOK_HASH),
    TEXT_ROW(data, ERR_DATA_HASH),      TEXT_ROW(mode, ERR_MODE),      TEXT_ROW(config, ERR_RUN_MISMATCH),
#undef TEXT_ROW
};
enum { TEXTS = sizeof texts / sizeof *texts };

static char *text_of(struct manifest *m, int i)
{
    return (char *)m + texts[i].in_manifest;
}

static const char *ident_of(const struct state_ident *id, int i)
{
    return *(const char *const *)((const char *)id + texts[i].in_ident);
}

int manifest_identify(struct manifest *m, const struct state_ident *id, struct err *e)
{
    for (int i = 0; i < TEXTS; i++)
        if (snprintf(text_of(m, i), TEXT, "%s", ident_of(id, i)) >= TEXT)
            return err_set(e, ERR_FIELD_RANGE, "%s is over %d bytes: %s", texts[i].key, TEXT - 1,
                           text_of(m, i));
    m->step = id->step;
    return 0;
}

int manifest_match(const struct manifest *m, const struct state_ident *id, const char *path, struct err *e)
{
    for (int i = 0; i < TEXTS; i++) {
        const char *have = (const char *)m + texts[i].in_manifest, *want = ident_of(id, i);
        if (strcmp(have, want) != 0)
            return err_set(e, texts[i].code, "%s is a state with %s \"%s\", this run has \"%s\"", path,
                           texts[i].key, have, want);
    }
    if (id->max_steps && m->step > id->max_steps)
        return err_set(e, ERR_CK_STATE, "%s is at step %lld, beyond max_steps %lld", path, (long long)m->step,
                       (long long)id->max_steps);
    return 0;
}

const struct manifest_section *manifest_find(const struct manifest *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->sections[i].name, name) == 0) return &m->sections[i];
    return NULL;
}

void manifest_free(struct manifest *m)
{
    free(m->sections);
    m->sections = NULL;
    m->n = 0;
}

/* ---- writing ----------------------------------------------------------------------------------------- */

static void put_section(struct js_out *w, const struct manifest_section *s)
{
    js_object(w, s->name);
    js_put_string(w, "dtype", dtype_name(s->dtype));
    js_put_uint(w, "count", s->count);
    js_put_string(w, "sha256", s->hash);
    js_close(w);
}

static int put_manifest(struct js_out *w, const struct manifest *m, struct err *e)
{
    js_out_init(w, 1);
    js_object(w, NULL);
    js_put_string(w, "format", "terse-state");
    js_put_int(w, "version", STATE_VERSION);
    js_put_string(w, "endian", "little");
    js_put_int(w, "step", m->step);
    for (int i = 0; i < TEXTS; i++) js_put_string(w, texts[i].key, (const char *)m + texts[i].in_manifest);
    js_object(w, "file");
    js_put_string(w, "name", "state.h5");
    js_put_uint(w, "bytes", m->file_bytes);
    js_put_string(w, "sha256", m->file_hash);
    js_close(w);
    js_object(w, "sections");
    for (size_t i = 0; i < m->n; i++) put_section(w, &m->sections[i]);
    js_close(w);
    js_close(w);
    return js_out_end(w, e);
}

int manifest_save(const struct manifest *m, const char *path, struct err *e)
{
    struct js_out w;
    struct file_out out;
    char line[BODY_AT + 1], hash[SHA256_HEX];
    int rc = put_manifest(&w, m, e);
    /* the body is the document less its opening brace, which stands in the first line */
    if (!rc) rc = sha256_hex(w.text + 1, w.n - 1, hash, e);
    if (!rc) rc = file_out_open(&out, path, e);
    if (!rc) {
        snprintf(line, sizeof line, "%s%s\",\n", head, hash);
        rc = file_out_write(&out, line, BODY_AT, e);
        if (!rc) rc = file_out_write(&out, w.text + 1, w.n - 1, e);
        if (!rc)
            rc = file_out_commit(&out, e);
        else
            file_out_abort(&out);
    }
    js_out_free(&w);
    return rc;
}

/* ---- reading ----------------------------------------------------------------------------------------- */

static int check_root(const char *data, size_t n, const char *path, struct err *e)
{
    char hash[SHA256_HEX];
    if (n <= BODY_AT) return err_set(e, ERR_CK_SHORT, "%s has only %zu bytes", path, n);
    if (memcmp(data, head, HASH_AT) != 0 || memcmp(data + HASH_AT + 64, "\",\n", 3) != 0)
        return err_set(e, ERR_CK_MAGIC, "%s does not begin with its root_sha256", path);
    int rc = sha256_hex(data + BODY_AT, n - BODY_AT, hash, e);
    if (!rc && memcmp(hash, data + HASH_AT, 64) != 0)
        rc = err_set(e, ERR_HASH, "%s differs from its root_sha256: it was changed or is damaged", path);
    return rc;
}

static int check_format(const struct js *o, const char *path, struct err *e)
{
    int64_t version = 0;
    if (!js_is(js_get(o, "format"), "terse-state"))
        return err_set(e, ERR_CK_MAGIC, "%s: format is not \"terse-state\"", path);
    if (!js_is(js_get(o, "endian"), "little"))
        return err_set(e, ERR_CK_MAGIC, "%s: endian is not \"little\"", path);
    int rc = js_need_int(o, path, "version", INT64_MIN, INT64_MAX, &version, e);
    if (!rc && version != STATE_VERSION)
        rc = err_set(e, ERR_VERSION, "%s has version %lld, this program reads %d", path, (long long)version,
                     STATE_VERSION);
    return rc;
}

static int get_hash(const struct js *o, const char *what, char hash[SHA256_HEX], struct err *e)
{
    const char *text;
    int rc = js_need_string(o, what, "sha256", &text, e);
    if (!rc && !sha256_is_hex(text))
        rc = err_set(e, ERR_FIELD_RANGE, "%s: sha256 is not 64 hex digits", what);
    if (!rc) memcpy(hash, text, SHA256_HEX);
    return rc;
}

static int get_dtype(const struct js *o, const char *what, enum dtype *t, struct err *e)
{
    const char *name;
    int rc = js_need_string(o, what, "dtype", &name, e);
    for (int i = 0; !rc && i < DTYPE_COUNT; i++)
        if (strcmp(dtype_name((enum dtype)i), name) == 0) return *t = (enum dtype)i, 0;
    return rc ? rc : err_set(e, ERR_DTYPE, "%s: dtype \"%s\"", what, name);
}

static int get_section(const struct js_iter *it, const char *path, struct manifest_section *s, struct err *e)
{
    int64_t count = 0;
    char what[FILE_PATH];
    if (it->key_len >= sizeof s->name)
        return err_set(e, ERR_NAME_LEN, "%s: section name of %zu bytes", path, it->key_len);
    snprintf(s->name, sizeof s->name, "%s", it->key);
    int rc = file_path(what, e, "%s: section %s", path, s->name);
    if (!rc) rc = get_dtype(it->value, what, &s->dtype, e);
    if (!rc) rc = js_need_int(it->value, what, "count", 0, INT64_MAX, &count, e);
    s->count = (uint64_t)count;
    return rc ? rc : get_hash(it->value, what, s->hash, e);
}

static int get_sections(const struct js *o, const char *path, struct manifest *m, struct err *e)
{
    const struct js *list;
    int rc = js_need(o, path, "sections", JS_OBJECT, &list, e);
    if (rc) return rc;
    size_t n = js_size(list);
    if (n > STATE_FIELDS_MAX)
        return err_set(e, ERR_TOO_MANY, "%s: %zu sections, at most %d", path, n, STATE_FIELDS_MAX);
    m->sections = calloc(n ? n : 1, sizeof *m->sections);
    if (!m->sections) return err_set(e, ERR_NOMEM, "no memory for %zu sections", n);
    for (struct js_iter it = {0}; !rc && js_next(list, &it);)
        rc = get_section(&it, path, &m->sections[m->n++], e);
    return rc;
}

static int get_texts(const struct js *o, const char *path, struct manifest *m, struct err *e)
{
    int rc = 0;
    for (int i = 0; !rc && i < TEXTS; i++) {
        const char *text;
        rc = js_need_string(o, path, texts[i].key, &text, e);
        if (!rc && snprintf(text_of(m, i), TEXT, "%s", text) >= TEXT)
            rc = err_set(e, ERR_FIELD_RANGE, "%s: %s is over %d bytes", path, texts[i].key, TEXT - 1);
    }
    return rc;
}

static int get_manifest(const struct js *o, const char *path, struct manifest *m, struct err *e)
{
    const struct js *file;
    int64_t bytes = 0;
    int rc = check_format(o, path, e);
    if (!rc) rc = js_need_int(o, path, "step", 0, INT64_MAX, &m->step, e);
    if (!rc) rc = get_texts(o, path, m, e);
    if (!rc) rc = js_need(o, path, "file", JS_OBJECT, &file, e);
    if (!rc) rc = js_need_int(file, path, "bytes", 0, INT64_MAX, &bytes, e);
    if (!rc) rc = get_hash(file, path, m->file_hash, e);
    m->file_bytes = (uint64_t)bytes;
    return rc ? rc : get_sections(o, path, m, e);
}

int manifest_load(struct manifest *m, const char *path, struct err *e)
{
    struct js *root = NULL;
    char *data;
    size_t n = 0;
    *m = (struct manifest){0};
    int rc = file_load(path, MANIFEST_MAX, &data, &n, e);
    if (rc) return rc;
    rc = check_root(data, n, path, e);
    if (!rc) rc = js_parse(&root, path, data, n, NULL, e);
    if (!rc) rc = get_manifest(root, path, m, e);
    js_free(root);
    free(data);
    if (rc) manifest_free(m);
    return rc;
}
