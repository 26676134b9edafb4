#include "data/prepare/facts.h"
#include "data/prepare/sealed.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct fact) == 48, "facts are read and written as they lie in memory");

struct head {
    uint64_t rows, text;
    uint32_t sources, domains; /* names, the empty first one not counted */
};

/* ---- names ------------------------------------------------------------------------------------------- */

static int names_add(struct names *t, const char *text, size_t n, struct err *e)
{
    char **at = realloc(t->at, (t->n + 1) * sizeof *at);
    if (at) t->at = at;
    char *copy = at ? malloc(n + 1) : NULL;
    if (!copy) return err_set(e, ERR_NOMEM, "no memory for names");
    memcpy(copy, text, n);
    copy[n] = '\0';
    t->at[t->n++] = copy;
    return 0;
}

int64_t names_index(struct names *t, const char *text, size_t n, uint32_t most, struct err *e)
{
    int r = t->n ? 0 : names_add(t, "", 0, e);
    if (r) return r;
    if (!text || memchr(text, '\0', n)) return 0;
    for (uint32_t i = 0; i < t->n; i++)
        if (strlen(t->at[i]) == n && memcmp(t->at[i], text, n) == 0) return i;
    if (t->n == most) return 0;
    r = names_add(t, text, n, e);
    return r ? r : (int64_t)t->n - 1;
}

void names_clear(struct names *t)
{
    for (uint32_t i = 0; i < t->n; i++) free(t->at[i]);
    free(t->at);
    *t = (struct names){0};
}

/* ---- rows -------------------------------------------------------------------------------------------- */

int facts_reserve(struct facts *f, uint64_t more, struct err *e)
{
    if (f->cap - f->n >= more) return 0;
    uint64_t cap = f->n + more + f->cap / 2;
    struct fact *at = realloc(f->at, cap * sizeof *at);
    if (!at) return err_set(e, ERR_NOMEM, "no memory for %llu rows", (unsigned long long)cap);
    f->at = at, f->cap = cap;
    return 0;
}

void facts_clear(struct facts *f)
{
    free(f->at);
    names_clear(&f->sources);
    names_clear(&f->domains);
    *f = (struct facts){0};
}

/* ---- files ------------------------------------------------------------------------------------------- */

static size_t text_size(const struct names *t)
{
    size_t n = 0;
    for (uint32_t i = 1; i < t->n; i++) n += strlen(t->at[i]) + 1;
    return n;
}

static char *text_put(const struct names *t, char *to)
{
    for (uint32_t i = 1; i < t->n; i++) to = stpcpy(to, t->at[i]) + 1;
    return to;
}

int facts_save(const struct facts *f, const char *path, const char *key, struct err *e)
{
    struct head h = {.rows = f->n, .text = text_size(&f->sources) + text_size(&f->domains)};
    h.sources = f->sources.n ? f->sources.n - 1 : 0, h.domains = f->domains.n ? f->domains.n - 1 : 0;
    size_t n = sizeof h + f->n * sizeof *f->at + h.text;
    char *data = malloc(n);
    if (!data) return err_set(e, ERR_NOMEM, "no memory to write %s", path);
    memcpy(data, &h, sizeof h);
    if (f->n) memcpy(data + sizeof h, f->at, f->n * sizeof *f->at);
    text_put(&f->domains, text_put(&f->sources, data + sizeof h + f->n * sizeof *f->at));
    int r = sealed_save(path, "facts", key, data, n, e);
    free(data);
    return r;
}

/* Indices of `count` names at *text in t. */
static int text_take(struct names *t, uint32_t *map, uint32_t count, uint32_t most, const char **text,
                     const char *end, struct err *e)
{
    map[0] = 0;
    for (uint32_t i = 1; i <= count; i++) {
        const char *stop = memchr(*text, '\0', (size_t)(end - *text));
        if (!stop) return err_set(e, ERR_SIZE_MISMATCH, "names end early");
        int64_t at = names_index(t, *text, (size_t)(stop - *text), most, e);
        if (at < 0) return (int)at;
        map[i] = (uint32_t)at;
        *text = stop + 1;
    }
    return 0;
}

static int rows_take(struct facts *f, const struct head *h, const char *data, const char *end, struct err *e)
{
    uint32_t source[SOURCES_MAX], domain[DOMAINS_MAX];
    const char *text = data + h->rows * sizeof *f->at;
    int r = facts_reserve(f, h->rows, e);
    if (!r) r = text_take(&f->sources, source, h->sources, SOURCES_MAX, &text, end, e);
    if (!r) r = text_take(&f->domains, domain, h->domains, DOMAINS_MAX, &text, end, e);
    if (r) return r;
    for (uint64_t i = 0; i < h->rows; i++) {
        struct fact *to = &f->at[f->n + i];
        memcpy(to, data + i * sizeof *to, sizeof *to);
        if (to->source > h->sources || to->domain > h->domains)
            return err_set(e, ERR_FIELD_RANGE, "row %llu names a source it does not have",
                           (unsigned long long)i);
        to->source = (uint16_t)source[to->source], to->domain = (uint8_t)domain[to->domain];
    }
    f->n += h->rows;
    return 0;
}

int facts_load(struct facts *f, const char *path, const char *key, struct err *e)
{
    struct head h = {0};
    char *file;
    size_t n;
    int r = sealed_load(path, "facts", key, &file, &n, e);
    if (r) return r;
    if (n >= sizeof h) memcpy(&h, file + SEALED_HEAD, sizeof h);
    if (n < sizeof h || h.rows > n / sizeof *f->at || h.text > n || h.sources >= SOURCES_MAX ||
        h.domains >= DOMAINS_MAX || n != sizeof h + h.rows * sizeof *f->at + h.text)
        r = err_set(e, ERR_SIZE_MISMATCH, "%s has %zu bytes, which its head contradicts", path, n);
    const char *data = file + SEALED_HEAD + sizeof h;
    if (!r) r = rows_take(f, &h, data, data + (n - sizeof h), e);
    free(file);
    return r;
}
