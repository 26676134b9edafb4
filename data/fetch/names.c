#include "data/fetch/names.h"
#include "infer/utf8.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- files --------------------------------------------------------------------------------------------- */

static const char *wrong_part(const char *s, size_t n, bool first)
{
    if (!n) return "an empty part";
    if (n > NAME_PART) return "a part that is too long";
    if ((n == 1 && *s == '.') || (n == 2 && !memcmp(s, "..", 2))) return "a part that leads elsewhere";
    if (n == 4 && !strncasecmp(s, ".git", 4)) return "a folder that git would obey";
    if (first && n == strlen(NAME_OURS) && !strncasecmp(s, NAME_OURS, n)) return "a folder that is ours";
    return NULL;
}

static const char *wrong_name(const char *path)
{
    size_t n = strlen(path);
    if (n > NAME_PATH - 1) return "too many bytes";
    if (!utf8_valid(path, n)) return "bytes that are not UTF-8";
    for (size_t i = 0; i < n; i++)
        if (path[i] == '\\' || utf8_control(path + i, n - i)) return "a character that names should not have";
    for (const char *at = path;; at++) {
        size_t part = strcspn(at, "/");
        const char *wrong = wrong_part(at, part, at == path);
        if (wrong) return wrong;
        at += part;
        if (!*at) return NULL;
    }
}

int name_check(const char *path, struct err *e)
{
    const char *wrong = wrong_name(path);
    return wrong ? err_set(e, ERR_PATH, "a file named \"%.100s\": %s", path, wrong) : 0;
}

/* By bytes without case, "/" before everything else, so that a folder stands right before what is in it. */
static int compare(const void *a, const void *b)
{
    const unsigned char *x = *(const unsigned char *const *)a, *y = *(const unsigned char *const *)b;
    for (;; x++, y++) {
        int c = *x == '/' ? 1 : *x ? tolower(*x) + 1 : 0, d = *y == '/' ? 1 : *y ? tolower(*y) + 1 : 0;
        if (c != d || !c) return c - d;
    }
}

int names_check_apart(const char *const *paths, size_t n, struct err *e)
{
    const char **sorted = malloc((n + 1) * sizeof *sorted);
    int rc = 0;
    if (!sorted) return err_set(e, ERR_NOMEM, "no memory to compare %zu names", n);
    for (size_t i = 0; i < n; i++) sorted[i] = paths[i];
    qsort(sorted, n, sizeof *sorted, compare);
    for (size_t i = 1; !rc && i < n; i++) {
        size_t k = strlen(sorted[i - 1]);
        char after = strncasecmp(sorted[i - 1], sorted[i], k) ? 'x' : sorted[i][k];
        if (!after || after == '/')
            rc = err_set(e, ERR_PATH,
                         "files named \"%.100s\" and \"%.100s\" cannot lie in one folder; --exclude one",
                         sorted[i - 1], sorted[i]);
    }
    free(sorted);
    return rc;
}

/* ---- addresses ----------------------------------------------------------------------------------------- */

bool name_escape(char *out, size_t cap, const char *text, bool slashes)
{
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool plain = isalnum(*p) ? *p < 0x80 : strchr("-._~", *p) || (slashes && *p == '/');
        if (n + (plain ? 1 : 3) >= cap) return false;
        n += (size_t)snprintf(out + n, cap - n, plain ? "%c" : "%%%02X", *p);
    }
    if (n >= cap) return false;
    out[n] = 0;
    return true;
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

int name_of_url(char out[NAME_PATH], const char *url, struct err *e)
{
    const char *host = strstr(url, "://");
    const char *path = host ? host + 3 + strcspn(host + 3, "/?#") : url;
    size_t end = strcspn(path, "?#"), from = end, n = 0;
    while (from && path[from - 1] != '/') from--;
    for (size_t i = from; i < end && n < NAME_PATH - 1; i++) {
        int high = path[i] == '%' ? hex_digit(path[i + 1]) : -1,
            low = high >= 0 ? hex_digit(path[i + 2]) : -1;
        out[n++] = low >= 0 ? (char)(16 * high + low) : path[i];
        if (low >= 0) i += 2;
        if (!out[n - 1] || out[n - 1] == '/') out[n - 1] = '\\'; /* refused below */
    }
    out[n] = 0;
    if (!n) return err_set(e, ERR_PATH, "%.200s does not end in a file's name", url);
    return name_check(out, e);
}

/* ---- choosing ------------------------------------------------------------------------------------------ */

static bool matches(const char *pattern, const char *path)
{
    size_t n = strlen(pattern);
    if (n && pattern[n - 1] == '/') return !strncmp(path, pattern, n);
    return !fnmatch(pattern, path, 0);
}

static bool any(const struct string_list *list, const char *path)
{
    for (size_t i = 0; i < list->n; i++)
        if (matches(list->items[i], path)) return true;
    return false;
}

bool name_wanted(const char *path, const struct string_list *include, const struct string_list *exclude)
{
    return (!include->n || any(include, path)) && !any(exclude, path);
}
