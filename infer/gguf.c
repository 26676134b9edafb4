#include "infer/gguf_private.h"
#include "infer/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- taking things from the file ----------------------------------------------------------------------- */

static int fail_short(const struct gguf_cursor *c, const char *what)
{
    return err_set(c->e, ERR_DATA_PAST_EOF, "%s: the file ends at byte %" PRIu64 ", inside %s", c->g->label,
                   c->g->size, what);
}

int gguf_take_u32(struct gguf_cursor *c, uint32_t *out, const char *what)
{
    if (gguf_left(c) < sizeof *out) return fail_short(c, what);
    memcpy(out, c->at, sizeof *out);
    c->at += sizeof *out;
    return 0;
}

int gguf_take_u64(struct gguf_cursor *c, uint64_t *out, const char *what)
{
    if (gguf_left(c) < sizeof *out) return fail_short(c, what);
    memcpy(out, c->at, sizeof *out);
    c->at += sizeof *out;
    return 0;
}

int gguf_take_name(struct gguf_cursor *c, const char **s, uint64_t *len, const char *what, uint64_t index)
{
    int rc = gguf_take_u64(c, len, what);
    if (rc) return rc;
    if (*len > gguf_left(c))
        return err_set(c->e, ERR_GG_STRING,
                       "%s: %s %" PRIu64 " has %" PRIu64 " bytes, and the file ends %" PRIu64 " bytes on",
                       c->g->label, what, index, *len, gguf_left(c));
    *s = c->at;
    if (memchr(*s, 0, *len) || !utf8_valid(*s, *len))
        return err_set(c->e, ERR_UTF8, "%s: %s %" PRIu64 " is not valid UTF-8 without NUL", c->g->label, what,
                       index);
    c->at += *len;
    return 0;
}

/* ---- the file ------------------------------------------------------------------------------------------ */

static int parse_version(struct gguf_cursor *c)
{
    const char *label = c->g->label;
    uint32_t version = 0;
    if (gguf_left(c) < 4 || memcmp(c->at, "GGUF", 4))
        return err_set(c->e, ERR_GG_MAGIC, "%s does not begin with \"GGUF\"", label);
    c->at += 4;
    int rc = gguf_take_u32(c, &version, "the version");
    if (rc || version == GGUF_VERSION) return rc;
    if (version && (version & 0xffff) == 0)
        return err_set(c->e, ERR_GG_ENDIAN, "%s is big-endian (version 0x%08x); convert it on such a machine",
                       label, version);
    return err_set(c->e, ERR_VERSION, "%s is GGUF version %u, expected %d", label, version, GGUF_VERSION);
}

/* No more than the limit, and than the file has room for. */
static int take_count(struct gguf_cursor *c, uint64_t *n, const char *what, uint64_t least)
{
    int rc = gguf_take_u64(c, n, what);
    if (rc) return rc;
    if (*n > GGUF_MAX_COUNT)
        return err_set(c->e, ERR_TOO_MANY, "%s: %" PRIu64 " %s, the limit is %d", c->g->label, *n, what,
                       GGUF_MAX_COUNT);
    if (*n * least > c->g->size)
        return err_set(c->e, ERR_TOO_MANY, "%s: %" PRIu64 " %s do not fit into its %" PRIu64 " bytes",
                       c->g->label, *n, what, c->g->size);
    return 0;
}

static int parse(struct gguf *g, struct err *e)
{
    enum { LEAST_TENSOR = 8 + 1 + 4 + 8 + 4 + 8, LEAST_KEY = 8 + 1 + 4 + 1 };
    struct gguf_cursor c = {g, g->file, e};
    uint64_t tensors = 0, keys = 0;
    int rc = parse_version(&c);
    if (!rc) rc = take_count(&c, &tensors, "tensors", LEAST_TENSOR);
    if (!rc) rc = take_count(&c, &keys, "keys", LEAST_KEY);
    if (!rc) rc = gguf_parse_keys(g, &c, keys);
    return rc ? rc : gguf_parse_tensors(g, &c, tensors);
}

static struct gguf *create(const char *label, struct err *e)
{
    size_t n = strlen(label) + 1;
    struct gguf *g = calloc(1, sizeof *g + n);
    if (g)
        memcpy(g->label, label, n);
    else
        err_set(e, ERR_NOMEM, "no memory to open %s", label);
    return g;
}

int gguf_open_memory(struct gguf **out, const void *file, size_t n, const char *label, struct err *e)
{
    struct gguf *g = create(label, e);
    *out = NULL;
    if (!g) return ERR_NOMEM;
    g->file = file, g->size = n;
    int rc = parse(g, e);
    if (rc)
        gguf_close(g);
    else
        *out = g;
    return rc;
}

int gguf_open(struct gguf **out, const char *path, struct err *e)
{
    struct err why = {0};
    struct gguf *g = create(path, e);
    *out = NULL;
    if (!g) return ERR_NOMEM;
    int rc = map_open(&g->map, path, e);
    if (rc) goto fail;
    g->file = map_size(g->map) ? map_data(g->map) : "", g->size = map_size(g->map);
    rc = parse(g, &why);
    /* zeros in place of pages that were cut off can look like anything */
    int changed = map_intact(g->map, e);
    if (rc && !changed) err_set(e, rc, "%s", why.msg);
    if (changed) rc = changed;
    if (rc) goto fail;
    *out = g;
    return 0;
fail:
    gguf_close(g);
    return rc;
}

void gguf_close(struct gguf *g)
{
    if (!g) return;
    free(g->kv);
    free(g->by_key);
    free(g->tensors);
    free(g->by_name);
    free(g->names);
    map_close(g->map);
    free(g);
}

int gguf_intact(const struct gguf *g, struct err *e)
{
    return g->map ? map_intact(g->map, e) : 0;
}

const char *gguf_label(const struct gguf *g)
{
    return g->label;
}

uint64_t gguf_file_bytes(const struct gguf *g)
{
    return g->size;
}
