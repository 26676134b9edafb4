#include "infer/bundle.h"
#include "infer/file_open.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the manifest's keys ------------------------------------------------------------------------------- */

enum field { F_VERSION, F_DIGEST, F_NAME, F_BYTES, F_SHA256 };

#define PART(part, key)                                                                                      \
    {key ".file", F_NAME, part, 0}, {key ".bytes", F_BYTES, part, 0},                                        \
    {                                                                                                        \
        key ".sha256", F_SHA256, part, 0                                                                     \
    }
static const struct row {
    const char *key;
    enum field field;
    enum bundle_part part;
    size_t at; /* of a digest */
} rows[] = {
    {"version", F_VERSION, BUNDLE_PARTS, 0},
    {"base", F_DIGEST, BUNDLE_PARTS, offsetof(struct bundle, base)},
    {"tokenizer", F_DIGEST, BUNDLE_PARTS, offsetof(struct bundle, tokenizer)},
    {"adapter", F_DIGEST, BUNDLE_PARTS, offsetof(struct bundle, adapter)},
    PART(BUNDLE_MODEL, "model"),
    PART(BUNDLE_ADAPTER, "adapter"),
    PART(BUNDLE_HEADS, "heads"),
};
enum { ROWS = sizeof rows / sizeof *rows };

/* ---- reading ------------------------------------------------------------------------------------------- */

static bool is_digest(const char *text)
{
    return strlen(text) == DIGEST_HEX - 1 && strspn(text, "0123456789abcdef") == DIGEST_HEX - 1;
}

static bool is_name(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && n < BUNDLE_NAME && *text != '.' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
}

static bool is_number(uint64_t *out, const char *text)
{
    size_t n = strlen(text);
    if (!n || n > 18 || strspn(text, "0123456789") != n || (n > 1 && *text == '0')) return false;
    *out = strtoull(text, NULL, 10);
    return true;
}

/* 0, or what is wrong with the value. */
static int take(struct bundle *b, const struct row *row, const char *value)
{
    switch (row->field) {
    case F_VERSION:
        return strcmp(value, "1") ? ERR_VERSION : 0;
    case F_DIGEST:
        if (!is_digest(value)) return ERR_FIELD_RANGE;
        memcpy((char *)b + row->at, value, DIGEST_HEX);
        return 0;
    case F_NAME:
        if (!is_name(value)) return ERR_PATH;
        memcpy(b->part[row->part].name, value, strlen(value) + 1);
        return 0;
    case F_BYTES:
        return is_number(&b->part[row->part].bytes, value) ? 0 : ERR_FIELD_RANGE;
    default:
        if (!is_digest(value)) return ERR_FIELD_RANGE;
        memcpy(b->part[row->part].sha256, value, DIGEST_HEX);
        return 0;
    }
}

/* One line, ended by a NUL. */
static int line_read(struct bundle *b, uint32_t *seen, char *line, unsigned number, const char *label,
                     struct err *e)
{
    for (const char *c = line; *c; c++)
        if (*c < ' ' || *c > '~')
            return err_set(e, ERR_BUNDLE, "%s:%u: a character that is not printable ASCII", label, number);
    if (!*line || *line == '#') return 0;
    char *value = strstr(line, " = ");
    if (!value)
        return err_set(e, ERR_BUNDLE, "%s:%u: \"%.60s\" is no line \"key = value\"", label, number, line);
    *value = 0, value += 3;
    for (uint32_t i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].key, line)) continue;
        if (*seen >> i & 1) return err_set(e, ERR_DUP_KEY, "%s:%u: %s is given twice", label, number, line);
        *seen |= 1u << i;
        int r = take(b, &rows[i], value);
        return r ? err_set(e, r, "%s:%u: %s is \"%.80s\": %s", label, number, line, value, err_text(r)) : 0;
    }
    return err_set(e, ERR_KEY_UNKNOWN, "%s:%u: unknown key \"%.60s\"", label, number, line);
}

/* All lines of a part or none; the version and the model always. */
static int seen_check(uint32_t seen, const char *label, struct err *e)
{
    bool wanted[BUNDLE_PARTS] = {true};
    for (uint32_t i = 0; i < ROWS; i++)
        if (rows[i].part < BUNDLE_PARTS && seen >> i & 1) wanted[rows[i].part] = true;
    for (uint32_t i = 0; i < ROWS; i++) {
        bool want = rows[i].field == F_VERSION || (rows[i].part < BUNDLE_PARTS && wanted[rows[i].part]);
        if (want && !(seen >> i & 1))
            return err_set(e, ERR_FIELD_MISSING, "%s: no line \"%s = ...\"", label, rows[i].key);
    }
    return 0;
}

int bundle_parse(struct bundle *out, const char *text, size_t n, const char *label, struct err *e)
{
    char line[512];
    uint32_t seen = 0;
    unsigned number = 1;
    memset(out, 0, sizeof *out);
    for (size_t at = 0, len; at < n; at += len + 1, number++) {
        const char *end = memchr(text + at, '\n', n - at);
        len = end ? (size_t)(end - text) - at : n - at;
        if (len >= sizeof line || memchr(text + at, 0, len))
            return err_set(e, ERR_BUNDLE, "%s:%u: a line of %zu bytes, or with a NUL in it", label, number,
                           len);
        memcpy(line, text + at, len);
        line[len] = 0;
        int r = line_read(out, &seen, line, number, label, e);
        if (r) return r;
    }
    return seen_check(seen, label, e);
}

static int path_make(char out[BUNDLE_PATH], const char *folder, const char *name, struct err *e)
{
    int n = snprintf(out, BUNDLE_PATH, "%s/%s", folder, name);
    if (n > 0 && n < BUNDLE_PATH) return 0;
    return err_set(e, ERR_PATH, "%.60s...: the path is too long", folder);
}

static int part_check(struct bundle *b, int part, const char *folder, struct err *e)
{
    char hex[DIGEST_HEX];
    uint64_t bytes;
    if (!*b->part[part].name) return 0;
    const char *path = b->part[part].path;
    int r = path_make(b->part[part].path, folder, b->part[part].name, e);
    if (!r) r = digest_file(path, hex, &bytes, e);
    if (r) return r;
    if (bytes != b->part[part].bytes)
        return err_set(e, ERR_SIZE_MISMATCH, "%s: %" PRIu64 " bytes, the bundle's manifest says %" PRIu64,
                       path, bytes, b->part[part].bytes);
    if (!strcmp(hex, b->part[part].sha256)) return 0;
    return err_set(e, ERR_HASH,
                   "%s: damaged or exchanged: its SHA-256 is %.16s..., the manifest says %.16s...", path, hex,
                   b->part[part].sha256);
}

int bundle_open(struct bundle *out, const char *folder, struct err *e)
{
    char path[BUNDLE_PATH], *text = NULL;
    size_t n;
    memset(out, 0, sizeof *out);
    int r = path_make(path, folder, BUNDLE_MANIFEST, e);
    if (!r) r = file_load(path, BUNDLE_TEXT - 1, &text, &n, e);
    if (!r) r = bundle_parse(out, text, n, path, e);
    for (int i = 0; !r && i < BUNDLE_PARTS; i++) r = part_check(out, i, folder, e);
    free(text);
    return r;
}

/* ---- who belongs to whom ------------------------------------------------------------------------------- */

static int same(const char *what, const char *said, const char *is, int code, const char *folder,
                struct err *e)
{
    if (!*said || !*is || !strcmp(said, is)) return 0;
    return err_set(e, code, "%s: the bundle is for %s %.16s, what is in it was made from %.16s", folder, what,
                   said, is);
}

int bundle_check(const struct bundle *b, const struct loaded *l, const char *folder, struct err *e)
{
    int r = same("base model", b->base, l->digest_base, ERR_BASE_HASH, folder, e);
    if (!r) r = same("tokenizer", b->tokenizer, l->digest_tokenizer, ERR_TOK_HASH, folder, e);
    return r ? r : same("adapter", b->adapter, l->info.self, ERR_AD_HASH, folder, e);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static size_t row_write(const struct bundle *b, const struct row *row, char *out, size_t room)
{
    const char *digest = (const char *)b + row->at;
    int n = 0;
    if (row->field == F_VERSION)
        n = snprintf(out, room, "version = 1\n");
    else if (row->field == F_DIGEST)
        n = *digest ? snprintf(out, room, "%s = %s\n", row->key, digest) : 0;
    else if (!*b->part[row->part].name)
        n = 0;
    else if (row->field == F_NAME)
        n = snprintf(out, room, "\n%s = %s\n", row->key, b->part[row->part].name);
    else if (row->field == F_BYTES)
        n = snprintf(out, room, "%s = %" PRIu64 "\n", row->key, b->part[row->part].bytes);
    else
        n = snprintf(out, room, "%s = %s\n", row->key, b->part[row->part].sha256);
    return (size_t)n;
}

size_t bundle_write(const struct bundle *b, char out[BUNDLE_TEXT])
{
    size_t n =
        (size_t)snprintf(out, BUNDLE_TEXT,
                         "# A terse bundle: terse-infer run --bundle FOLDER. These files belong together.\n");
    for (uint32_t i = 0; i < ROWS; i++) n += row_write(b, &rows[i], out + n, BUNDLE_TEXT - n);
    return n;
}
