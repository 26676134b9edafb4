#include "infer/nfc.h"
#include "infer/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

/* Nothing from U+30000 on decomposes or combines. */
enum { LIMIT = 0x30000, FIRST_CHANGING = 0x300 };

struct nfc {
    uint64_t inert[LIMIT / 64];
};

static void set_inert(struct nfc *n, int32_t c, bool inert)
{
    uint64_t bit = 1ull << (c & 63);
    n->inert[c >> 6] = inert ? n->inert[c >> 6] | bit : n->inert[c >> 6] & ~bit;
}

static bool is_inert(const struct nfc *n, int32_t c)
{
    return c < FIRST_CHANGING || c >= LIMIT || (n->inert[c >> 6] >> (c & 63) & 1);
}

static size_t decompose(int32_t c, int32_t *out, size_t cap)
{
    int boundary = UTF8PROC_BOUNDCLASS_START;
    return (size_t)utf8proc_decompose_char(c, out, (utf8proc_ssize_t)cap, UTF8PROC_STABLE | UTF8PROC_COMPOSE,
                                           &boundary);
}

/* A character that decomposes is inert if composition puts it together again. Whatever stands second or later
 * in a decomposition may compose with what is before it. */
int nfc_create(struct nfc **out, struct err *e)
{
    struct nfc *n = *out = malloc(sizeof *n);
    if (!n) return err_set(e, ERR_NOMEM, "no memory for the normalisation table");
    memset(n->inert, 0xff, sizeof n->inert);
    for (int32_t c = FIRST_CHANGING; c < LIMIT; c++)
        if (utf8proc_get_property(c)->combining_class) set_inert(n, c, false);
    for (int32_t c = 0; c < LIMIT; c++) {
        int32_t parts[16];
        size_t count = decompose(c, parts, 16);
        if (count == 1 && parts[0] == c) continue;
        for (size_t i = 1; i < count; i++) set_inert(n, parts[i], false);
        if (utf8proc_normalize_utf32(parts, (utf8proc_ssize_t)count, UTF8PROC_STABLE | UTF8PROC_COMPOSE) !=
                1 ||
            parts[0] != c)
            set_inert(n, c, false);
    }
    return 0;
}

void nfc_free(struct nfc *n)
{
    free(n);
}

/* ---- one run: a starter and what is not inert after it
 * ----------------------------------------------------- */

struct work {
    int32_t *points;
    size_t n, cap;
    char *out;
    size_t len, out_cap;
};

static int no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory to normalise text");
}

static int add_points(struct work *w, int32_t c, struct err *e)
{
    if (w->n + 8 > w->cap) {
        size_t cap = (w->n + 8) * 2;
        int32_t *grown = realloc(w->points, 2 * cap * sizeof *grown); /* the upper half is for sorting */
        if (!grown) return no_memory(e);
        w->points = grown;
        w->cap = cap;
    }
    w->n += decompose(c, w->points + w->n, 8);
    return 0;
}

static unsigned class_of(int32_t c)
{
    return (unsigned)utf8proc_get_property(c)->combining_class;
}

/* Stable, by combining class. utf8proc's own is quadratic, and a text may be a million accents long. */
static void sort_marks(int32_t *p, size_t n, int32_t *copy)
{
    size_t at[257] = {0};
    if (n < 2) return;
    if (n <= 16) {
        for (size_t i = 1; i < n; i++) {
            int32_t c = p[i];
            size_t j = i;
            for (; j && class_of(p[j - 1]) > class_of(c); j--) p[j] = p[j - 1];
            p[j] = c;
        }
        return;
    }
    for (size_t i = 0; i < n; i++) at[class_of(p[i]) + 1]++;
    for (size_t i = 0; i < 256; i++) at[i + 1] += at[i];
    for (size_t i = 0; i < n; i++) copy[at[class_of(p[i])]++] = p[i];
    memcpy(p, copy, n * sizeof *p);
}

static void order(struct work *w)
{
    for (size_t i = 0, end; i < w->n; i = end + 1) {
        for (end = i; end < w->n && class_of(w->points[end]); end++) continue;
        sort_marks(w->points + i, end - i, w->points + w->cap);
    }
}

static int append(struct work *w, const char *s, size_t len, struct err *e)
{
    if (w->len + len > w->out_cap) {
        size_t cap = (w->len + len) * 2;
        char *grown = realloc(w->out, cap);
        if (!grown) return no_memory(e);
        w->out = grown;
        w->out_cap = cap;
    }
    if (len) memcpy(w->out + w->len, s, len);
    w->len += len;
    return 0;
}

/* Appends the normal form of s[0..len). */
static int append_run(struct work *w, const char *s, size_t len, struct err *e)
{
    int rc = 0;
    w->n = 0;
    for (size_t i = 0, size; i < len && !rc; i += size) {
        size = utf8_char(s + i, len - i);
        rc = add_points(w, (int32_t)utf8_code(s + i, size), e);
    }
    if (rc) return rc;
    order(w);
    size_t n = (size_t)utf8proc_normalize_utf32(w->points, (utf8proc_ssize_t)w->n,
                                                UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    for (size_t i = 0; i < n && !rc; i++) {
        char c[4];
        rc = append(w, c, utf8_encode((uint32_t)w->points[i], c), e);
    }
    return rc;
}

/* ---- the text
 * ----------------------------------------------------------------------------------------------- */

/* The first character at or after `i` that is not inert; *base is the character before it (or `i`). */
static size_t find_changing(const struct nfc *n, const char *s, size_t len, size_t i, size_t *base)
{
    *base = i;
    while (i < len) {
        size_t size = (signed char)s[i] >= 0 ? 1 : utf8_char(s + i, len - i);
        if ((unsigned char)s[i] >= 0xcc && !is_inert(n, (int32_t)utf8_code(s + i, size))) return i;
        *base = i;
        i += size;
    }
    return len;
}

static size_t skip_changing(const struct nfc *n, const char *s, size_t len, size_t i)
{
    for (size_t size; i < len; i += size) {
        size = utf8_char(s + i, len - i);
        if (is_inert(n, (int32_t)utf8_code(s + i, size))) break;
    }
    return i;
}

int nfc_normalize(const struct nfc *n, const char *s, size_t len, char **out, size_t *out_len, struct err *e)
{
    size_t base, end = 0, at = find_changing(n, s, len, 0, &base);
    *out = NULL;
    if (at == len) return 0;
    struct work w = {0};
    int rc = 0;
    for (; at < len && !rc; at = find_changing(n, s, len, end, &base)) {
        rc = append(&w, s + end, base - end, e);
        end = skip_changing(n, s, len, at);
        if (!rc) rc = append_run(&w, s + base, end - base, e);
    }
    if (!rc) rc = append(&w, s + end, len - end, e);
    free(w.points);
    if (rc) {
        free(w.out);
        return rc;
    }
    *out = w.out;
    *out_len = w.len;
    return 0;
}
