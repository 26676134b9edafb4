#include "infer/option_value.h"

#include "infer/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PATH_BYTES_MAX = 4095, STRING_BYTES_MAX = 65536, LIST_ITEMS_MAX = 4096 };

/* ---- words for messages ----------------------------------------------------------------------------- */

struct option_quote option_quote(const char *s, size_t len)
{
    enum { SHOWN = 60 };
    struct option_quote q;
    size_t shown = len;
    if (len > SHOWN)
        for (shown = SHOWN; shown > SHOWN - 4 && ((unsigned char)s[shown] & 0xc0) == 0x80;) shown--;
    bool readable = utf8_valid(s, shown);
    char *p = q.s;
    *p++ = '"';
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)s[i];
        *p++ = c < 0x20 || c == 0x7f || (c >= 0x80 && !readable) ? '?' : (char)c;
    }
    *p++ = '"';
    strcpy(p, shown < len ? "..." : "");
    return q;
}

static const char *noun_of(const struct option *row)
{
    switch (row->type) {
    case OPT_BOOL:
        return "true or false";
    case OPT_INT:
    case OPT_UINT64:
        return "a whole number";
    case OPT_BYTES:
        return "a size such as 1500, 512MiB or 3GiB";
    case OPT_FLOAT:
        return "a number";
    case OPT_STRING:
        return "a text";
    case OPT_PATH:
        return "a path";
    case OPT_ENUM:
        return "one of";
    case OPT_STRINGS:
        return "a list of texts";
    case OPT_PATHS:
        return "a list of paths";
    }
    return "a value";
}

static bool has_range(const struct option *row)
{
    return row->min < row->max;
}

const char *option_expects(const struct option *row, char *buf, size_t cap)
{
    char lo[64] = "", hi[64] = "";
    if (has_range(row) && isfinite(row->min))
        snprintf(lo, sizeof lo, row->open & OPT_OPEN_MIN ? " above %.15g" : " from %.15g", row->min);
    if (has_range(row) && isfinite(row->max))
        snprintf(hi, sizeof hi, row->open & OPT_OPEN_MAX ? " and below %.15g" : " up to %.15g", row->max);
    else if (*lo && !(row->open & OPT_OPEN_MIN))
        snprintf(lo, sizeof lo, " of at least %.15g", row->min);
    snprintf(buf, cap, "%s%s%s%s%s%s%s", noun_of(row), lo, hi, row->choices ? " " : "",
             row->choices ? row->choices : "", row->unit ? " " : "", row->unit ? row->unit : "");
    return buf;
}

const char *option_choice(const struct option *row, int index, char *buf, size_t cap)
{
    const char *p = row->choices ? row->choices : "";
    for (; index > 0; index--) {
        const char *bar = strchr(p, '|');
        p = bar ? bar + 1 : "";
    }
    snprintf(buf, cap, "%.*s", (int)strcspn(p, "|"), p);
    return buf;
}

/* One text of a value on its way into a field. */
struct reading {
    const struct option *row;
    const char *s;
    size_t len;
    const char *where;
    struct err *e;
};

static int refuse(const struct reading *r, int code, const char *problem)
{
    char want[256];
    return err_set(r->e, code, "%s: %s %s; expected %s (%s)", r->row->key, option_quote(r->s, r->len).s,
                   problem, option_expects(r->row, want, sizeof want), r->where);
}

/* ---- one text ------------------------------------------------------------------------------------------ */

bool option_is_null(const char *s, size_t len)
{
    if (len == 1) return *s == '~';
    return len == 4 && (!memcmp(s, "null", 4) || !memcmp(s, "Null", 4) || !memcmp(s, "NULL", 4));
}

static int read_bool(const struct reading *r, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (int i = 0; i < 6; i++)
        if (strlen(words[i]) == r->len && !strncasecmp(words[i], r->s, r->len)) {
            *out = i & 1;
            return 0;
        }
    return refuse(r, ERR_FIELD_TYPE, "is neither true nor false");
}

static size_t count_digits(const char *s, size_t len)
{
    size_t n = 0;
    while (n < len && isdigit((unsigned char)s[n])) n++;
    return n;
}

static int check_leading_zero(const struct reading *r)
{
    size_t sign = r->len && (*r->s == '-' || *r->s == '+');
    if (count_digits(r->s + sign, r->len - sign) < 2 || r->s[sign] != '0') return 0;
    return refuse(r, ERR_YAML_OCTAL, "starts with a zero, which some readers take for octal");
}

static int check_range(const struct reading *r, double x)
{
    const struct option *row = r->row;
    if (!has_range(row)) return 0;
    bool low = row->open & OPT_OPEN_MIN ? x <= row->min : x < row->min;
    bool high = row->open & OPT_OPEN_MAX ? x >= row->max : x > row->max;
    if (!low && !high) return 0;
    return refuse(r, ERR_FIELD_RANGE, low ? "is too small" : "is too large");
}

/* Only digits after an optional minus; 3.0, 1e3, 0x10 and 12:30 are other things. */
static int check_integer(const struct reading *r)
{
    size_t sign = r->len && *r->s == '-';
    if (r->len == sign || count_digits(r->s + sign, r->len - sign) != r->len - sign)
        return refuse(r, ERR_FIELD_TYPE, "is not a whole number");
    return check_leading_zero(r);
}

static int read_int(const struct reading *r, int64_t *out)
{
    int rc = check_integer(r);
    if (rc) return rc;
    errno = 0;
    long long x = r->len > 24 ? 0 : strtoll(r->s, NULL, 10);
    if (errno || r->len > 24) return refuse(r, ERR_OVERFLOW, "does not fit in 64 bits");
    *out = x;
    return check_range(r, (double)x);
}

static int read_uint64(const struct reading *r, uint64_t *out)
{
    int rc = check_integer(r);
    if (rc) return rc;
    if (*r->s == '-') return refuse(r, ERR_FIELD_RANGE, "is negative");
    errno = 0;
    unsigned long long x = r->len > 24 ? 0 : strtoull(r->s, NULL, 10);
    if (errno || r->len > 24) return refuse(r, ERR_FIELD_RANGE, "is 2^64 or more");
    *out = x;
    return check_range(r, (double)x);
}

/* digits [. digits] [e [sign] digits], with a digit on at least one side of the point. */
static bool is_decimal(const char *s, size_t len)
{
    size_t i = len && (*s == '-' || *s == '+');
    size_t whole = count_digits(s + i, len - i), fraction = 0;
    i += whole;
    if (i < len && s[i] == '.') {
        i++;
        fraction = count_digits(s + i, len - i);
        i += fraction;
    }
    if (!whole && !fraction) return false;
    if (i < len && (s[i] | 0x20) == 'e') {
        i++;
        if (i < len && (s[i] == '-' || s[i] == '+')) i++;
        size_t digits = count_digits(s + i, len - i);
        if (!digits) return false;
        i += digits;
    }
    return i == len;
}

static bool is_nonfinite_word(const char *s, size_t len)
{
    if (len && (*s == '-' || *s == '+')) s++, len--;
    if (len && *s == '.') s++, len--;
    return len == 3 && (!strncasecmp(s, "nan", 3) || !strncasecmp(s, "inf", 3));
}

static int read_float(const struct reading *r, double *out)
{
    if (is_nonfinite_word(r->s, r->len)) return refuse(r, ERR_FIELD_RANGE, "is not finite");
    if (r->len > 400 || !is_decimal(r->s, r->len)) return refuse(r, ERR_FIELD_TYPE, "is not a number");
    int rc = check_leading_zero(r);
    if (rc) return rc;
    double x = strtod(r->s, NULL);
    if (!isfinite(x)) return refuse(r, ERR_FIELD_RANGE, "is too large for a double");
    *out = x;
    return check_range(r, x);
}

/* The factor of "", "B", "K", "KB", "KiB", "M" ...: powers of 1000 with "B", of 1024 without or with "iB". */
static double factor_of(const char *s, size_t len)
{
    static const char letters[] = "KMGT";
    if (!len || (len == 1 && (*s | 0x20) == 'b')) return 1;
    const char *letter = strchr(letters, toupper((unsigned char)*s));
    if (!letter || !*letter) return 0;
    double power = (double)(letter - letters + 1);
    if (len == 1 || (len == 3 && !strncasecmp(s + 1, "ib", 2))) return pow(1024, power);
    return len == 2 && (s[1] | 0x20) == 'b' ? pow(1000, power) : 0;
}

static int read_bytes(const struct reading *r, uint64_t *out)
{
    size_t n = 0;
    while (n < r->len && (isdigit((unsigned char)r->s[n]) || strchr(".-", r->s[n]))) n++;
    size_t unit = n + (n < r->len && r->s[n] == ' ');
    double factor = factor_of(r->s + unit, r->len - unit);
    if (n > 40 || !factor || !is_decimal(r->s, n)) return refuse(r, ERR_FIELD_TYPE, "is not a size");
    int rc = check_leading_zero(r);
    if (rc) return rc;
    double x = strtod(r->s, NULL) * factor;
    if (x < 0) return refuse(r, ERR_FIELD_RANGE, "is negative");
    if (x >= 0x1p63) return refuse(r, ERR_OVERFLOW, "does not fit in 63 bits");
    *out = (uint64_t)x;
    return check_range(r, x);
}

static int read_choice(const struct reading *r, int *out)
{
    char choice[64];
    for (int i = 0; *option_choice(r->row, i, choice, sizeof choice); i++)
        if (strlen(choice) == r->len && !strncasecmp(choice, r->s, r->len)) {
            *out = i;
            return 0;
        }
    return refuse(r, ERR_FIELD_RANGE, "is not a choice");
}

static int check_path(const struct reading *r)
{
    if (!r->len) return refuse(r, ERR_PATH, "is empty");
    if (r->len > PATH_BYTES_MAX) return refuse(r, ERR_PATH, "is longer than any path");
    for (size_t i = 0; i < r->len; i++)
        if ((unsigned char)r->s[i] < 0x20 || r->s[i] == 0x7f)
            return refuse(r, ERR_PATH, "holds a control character");
    return utf8_valid(r->s, r->len) ? 0 : refuse(r, ERR_UTF8, "is not valid UTF-8");
}

/* A text may hold line breaks and tabs (a system prompt does), nothing else below a space. */
static int check_string(const struct reading *r)
{
    if (r->len > STRING_BYTES_MAX) return refuse(r, ERR_TOO_LARGE, "is longer than 64 KiB");
    for (size_t i = 0; i < r->len; i++)
        if (((unsigned char)r->s[i] < 0x20 && !strchr("\t\n\r", r->s[i])) || r->s[i] == 0 || r->s[i] == 0x7f)
            return refuse(r, ERR_YAML_CTRL, "holds a control character");
    return utf8_valid(r->s, r->len) ? 0 : refuse(r, ERR_UTF8, "is not valid UTF-8");
}

static int read_string(const struct reading *r, char **out)
{
    bool is_path = r->row->type == OPT_PATH || r->row->type == OPT_PATHS;
    int rc = is_path ? check_path(r) : check_string(r);
    if (rc) return rc;
    *out = strndup(r->s, r->len);
    return *out ? 0 : err_set(r->e, ERR_NOMEM, "%s: out of memory (%s)", r->row->key, r->where);
}

/* ---- lists --------------------------------------------------------------------------------------------- */

static void list_clear(struct string_list *list)
{
    for (size_t i = 0; i < list->n; i++) free(list->items[i]);
    free(list->items);
    *list = (struct string_list){0};
}

int string_list_append(struct string_list *head, struct string_list *tail)
{
    if (!tail->n) return 0;
    char **items = realloc(head->items, (head->n + tail->n) * sizeof *items);
    if (!items) return ERR_NOMEM;
    memcpy(items + head->n, tail->items, tail->n * sizeof *items);
    *head = (struct string_list){items, head->n + tail->n};
    free(tail->items);
    *tail = (struct string_list){0};
    return 0;
}

static int list_add(struct string_list *list, const struct reading *r)
{
    if (list->n >= LIST_ITEMS_MAX) return refuse(r, ERR_TOO_MANY, "is item 4097 of a list");
    if (!r->len) return refuse(r, r->row->type == OPT_PATHS ? ERR_PATH : ERR_FIELD_TYPE, "is an empty item");
    char *item = NULL;
    int rc = read_string(r, &item);
    if (rc) return rc;
    struct string_list one = {malloc(sizeof(char *)), 1};
    if (one.items) *one.items = item;
    if (one.items && !string_list_append(list, &one)) return 0;
    free(one.items);
    free(item);
    return err_set(r->e, ERR_NOMEM, "%s: out of memory (%s)", r->row->key, r->where);
}

/* Items of a list as they are; one plain text is split at commas, spaces around the parts dropped. */
static int read_list(const struct reading *whole, const struct option_value *v, struct string_list *out)
{
    int rc = 0;
    for (size_t i = 0; v->is_list && i < v->n && !rc; i++) {
        struct reading r = *whole;
        r.s = v->items[i].s, r.len = v->items[i].len;
        rc = list_add(out, &r);
    }
    for (size_t from = 0, to; !v->is_list && from <= whole->len && !rc; from = to + 1) {
        const char *comma = memchr(whole->s + from, ',', whole->len - from);
        to = comma ? (size_t)(comma - whole->s) : whole->len;
        size_t a = from, b = to;
        while (a < b && whole->s[a] == ' ') a++;
        while (a < b && whole->s[b - 1] == ' ') b--;
        struct reading r = *whole;
        r.s += a, r.len = b - a;
        rc = list_add(out, &r);
    }
    if (rc) list_clear(out);
    return rc;
}

/* ---- fields -------------------------------------------------------------------------------------------- */

static bool is_list_type(enum option_type t)
{
    return t == OPT_STRINGS || t == OPT_PATHS;
}
static bool is_text_type(enum option_type t)
{
    return t == OPT_STRING || t == OPT_PATH || is_list_type(t);
}

int option_parse(union option_field *out, const struct option *row, const struct option_value *v,
                 struct err *e)
{
    struct option_text text = v->n ? v->items[0] : (struct option_text){"", 0};
    struct reading r = {row, text.s, text.len, v->where, e};
    memset(out, 0, sizeof *out);
    if (v->is_list && !is_list_type(row->type)) return refuse(&r, ERR_FIELD_TYPE, "is in a list");
    if (v->quoted && !is_text_type(row->type) && row->type != OPT_ENUM)
        return refuse(&r, ERR_FIELD_TYPE, "is in quotes, so it is a text");
    switch (row->type) {
    case OPT_BOOL:
        return read_bool(&r, &out->b);
    case OPT_INT:
        return read_int(&r, &out->i);
    case OPT_UINT64:
        return read_uint64(&r, &out->u);
    case OPT_BYTES:
        return read_bytes(&r, &out->u);
    case OPT_FLOAT:
        return read_float(&r, &out->f);
    case OPT_ENUM:
        return read_choice(&r, &out->choice);
    case OPT_STRING:
    case OPT_PATH:
        return read_string(&r, &out->s);
    case OPT_STRINGS:
    case OPT_PATHS:
        return read_list(&r, v, &out->list);
    }
    return err_set(e, ERR_INTERNAL, "%s: its row of the option table has no type", row->key);
}

static size_t field_size(enum option_type type)
{
    switch (type) {
    case OPT_BOOL:
        return sizeof(bool);
    case OPT_ENUM:
        return sizeof(int);
    case OPT_STRINGS:
    case OPT_PATHS:
        return sizeof(struct string_list);
    default:
        return sizeof(uint64_t);
    }
}

void option_read(union option_field *field, const struct option *row, const void *cfg)
{
    memcpy(field, (const char *)cfg + row->at, field_size(row->type));
}

void option_write(const union option_field *field, const struct option *row, void *cfg)
{
    memcpy((char *)cfg + row->at, field, field_size(row->type));
}

void option_clear(union option_field *field, enum option_type type)
{
    if (is_list_type(type))
        list_clear(&field->list);
    else if (is_text_type(type))
        free(field->s);
    memset(field, 0, sizeof *field);
}
