#include "checkpoints/file.h"
#include "checkpoints/json_node.h"
#include "infer/hash.h"
#include "infer/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 256 };

struct parser {
    const char *what, *text;
    size_t n, at; /* at <= n: the next byte */
    struct js *nodes;
    size_t count, cap;
    uint64_t max_values;
    char *strings; /* an escape never grows, a NUL takes the place of a quote: n + 2 bytes are enough */
    size_t used;
    size_t open[MAX_DEPTH]; /* node index of each open container */
    int depth, max_depth;
    bool nul; /* allowed, escaped */
    struct err *e;
};

static size_t line_of(const struct parser *p, size_t at)
{
    size_t line = 1;
    for (size_t i = 0; i < at; i++) line += p->text[i] == '\n';
    return line;
}

/* At the end of the text whatever was expected is missing: that is JSON_TRUNC, not `code`. */
static int fail_at(const struct parser *p, int code, size_t at, const char *expected)
{
    if (at >= p->n)
        return err_set(p->e, ERR_JSON_TRUNC, "%s: JSON ends early, after %zu bytes (line %zu)", p->what, p->n,
                       line_of(p, p->n));
    return err_set(p->e, code, "%s: %s: %s at byte %zu (line %zu)", p->what, err_text(code), expected, at,
                   line_of(p, at));
}

static int fail(const struct parser *p, int code, const char *expected)
{
    return fail_at(p, code, p->at, expected);
}

static void skip_space(struct parser *p)
{
    while (p->at < p->n && (p->text[p->at] == ' ' || p->text[p->at] == '\n' || p->text[p->at] == '\t' ||
                            p->text[p->at] == '\r'))
        p->at++;
}

static int peek(const struct parser *p)
{
    return p->at < p->n ? (unsigned char)p->text[p->at] : -1;
}

/* ---- nodes -----------------------------------------------------------------------------------------------
 */

static int add_node(struct parser *p, struct js node)
{
    if (p->count > p->max_values)
        return err_set(p->e, ERR_TOO_MANY, "%s: more than %llu JSON values, at byte %zu", p->what,
                       (unsigned long long)p->max_values, p->at);
    if (p->count == p->cap) {
        size_t cap = p->cap < 64 ? 64 : p->cap * 2;
        if (cap > p->max_values + 1) cap = p->max_values + 1;
        struct js *grown = realloc(p->nodes, cap * sizeof *grown);
        if (!grown) return err_set(p->e, ERR_NOMEM, "%s: no memory for %zu JSON values", p->what, cap);
        p->nodes = grown;
        p->cap = cap;
    }
    p->nodes[p->count++] = node;
    return 0;
}

static bool same_key(const struct js *a, const struct js *b)
{
    return a->size == b->size && memcmp(a->s, b->s, a->size) == 0;
}

static int fail_dup(const struct parser *p, const struct js *key)
{
    return err_set(p->e, ERR_DUP_KEY, "%s: key \"%.200s\" given twice in the object that ends at byte %zu",
                   p->what, key->s, p->at);
}

static int check_keys_hashed(const struct parser *p, const struct js *object)
{
    size_t slots = 64;
    while (slots < 2 * (size_t)object->size) slots *= 2;
    uint32_t *table = calloc(slots, sizeof *table);
    if (!table) return err_set(p->e, ERR_NOMEM, "%s: no memory for %u keys", p->what, object->size);
    uint64_t seed = hash_seed();
    int rc = 0;
    const struct js *key = object + 1;
    for (uint32_t i = 0; i < object->size && !rc; i++, key = js_after(key + 1)) {
        size_t at = hash_bytes(key->s, key->size, seed) & (slots - 1);
        while (table[at] && !same_key(p->nodes + table[at], key)) at = (at + 1) & (slots - 1);
        if (table[at]) rc = fail_dup(p, key);
        table[at] = (uint32_t)(key - p->nodes);
    }
    free(table);
    return rc;
}

static int check_keys(const struct parser *p, const struct js *object)
{
    if (object->size > 12) return check_keys_hashed(p, object);
    const struct js *a = object + 1;
    for (uint32_t i = 0; i < object->size; i++, a = js_after(a + 1)) {
        const struct js *b = object + 1;
        for (uint32_t j = 0; j < i; j++, b = js_after(b + 1))
            if (same_key(a, b)) return fail_dup(p, a);
    }
    return 0;
}

/* ---- strings ---------------------------------------------------------------------------------------------
 */

static int hex4(const struct parser *p, size_t at, unsigned *out)
{
    *out = 0;
    for (size_t i = at; i < at + 4; i++) {
        int c = i < p->n ? (unsigned char)p->text[i] : -1;
        int digit = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                         : -1;
        if (digit < 0) return fail_at(p, ERR_JSON_SYNTAX, i, "expected four hexadecimal digits");
        *out = *out * 16 + (unsigned)digit;
    }
    return 0;
}

/* p->at is behind "\u". */
static int unicode_escape(struct parser *p)
{
    unsigned c = 0, low = 0;
    size_t start = p->at - 2;
    int rc = hex4(p, p->at, &c);
    if (rc) return rc;
    p->at += 4;
    if (c == 0 && !p->nul) return fail_at(p, ERR_NAME_CHAR, start, "\\u0000 is not allowed");
    if (c >= 0xd800 && c <= 0xdfff) {
        bool paired = c < 0xdc00 && (p->at == p->n || p->text[p->at] == '\\');
        if (paired && p->n - p->at < 2) return fail_at(p, ERR_JSON_TRUNC, p->n, "");
        paired = paired && p->text[p->at + 1] == 'u';
        if (paired && (rc = hex4(p, p->at + 2, &low))) return rc;
        if (!paired || low < 0xdc00 || low > 0xdfff)
            return fail_at(p, ERR_JSON_SURROGATE, start, "half of a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        p->at += 6;
    }
    p->used += utf8_encode(c, p->strings + p->used);
    return 0;
}

static int escape(struct parser *p)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    int c = (p->at++, peek(p));
    const char *hit = c > 0 ? strchr(from, c) : NULL;
    if (c == 'u') {
        p->at++;
        return unicode_escape(p);
    }
    if (!hit) return fail(p, ERR_JSON_SYNTAX, "unknown escape");
    p->at++;
    p->strings[p->used++] = to[hit - from];
    return 0;
}

/* A character of two or more bytes. */
static int wide_char(struct parser *p)
{
    const char *s = p->text + p->at;
    size_t left = p->n - p->at, len = utf8_char(s, left);
    if (!len && utf8_partial(s, left)) return fail_at(p, ERR_JSON_TRUNC, p->n, "");
    if (!len) return fail(p, ERR_UTF8, "not a UTF-8 character");
    memcpy(p->strings + p->used, s, len);
    p->used += len;
    p->at += len;
    return 0;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Plain characters at the start of s[0..n), or somewhat fewer: eight at a time. The top bit of a byte of
 * `stop` is set where the byte is not ASCII, a control character, a quote or a backslash, and perhaps behind
 * such a byte. */
static size_t plain_run(const char *s, size_t n)
{
    const uint64_t ones = 0x0101010101010101u;
    size_t at = 0;
    for (uint64_t w, stop; n - at >= 8; at += 8) {
        memcpy(&w, s + at, 8);
        stop = w | (w - ones * 0x20) | ((w ^ ones * '"') - ones) | ((w ^ ones * '\\') - ones);
        if (stop & ones * 0x80) break;
    }
    return at;
}

/* p->at is at the opening quote. */
static int parse_string(struct parser *p)
{
    size_t start = p->used;
    int rc = 0;
    for (p->at++; !rc;) {
        size_t from = p->at;
        p->at += plain_run(p->text + p->at, p->n - p->at);
        while (p->at < p->n && is_plain((unsigned char)p->text[p->at])) p->at++;
        memcpy(p->strings + p->used, p->text + from, p->at - from);
        p->used += p->at - from;
        int c = peek(p);
        if (c == '"') break;
        if (c == '\\')
            rc = escape(p);
        else if (c >= 0x80)
            rc = wide_char(p);
        else
            rc = fail(p, c || p->nul ? ERR_JSON_CTRL : ERR_NAME_CHAR, "in a string");
    }
    if (rc) return rc;
    p->at++;
    size_t len = p->used - start;
    p->strings[p->used++] = 0;
    return add_node(p, (struct js){.s = p->strings + start, .size = (uint32_t)len, .type = JS_STRING});
}

/* ---- numbers and words -----------------------------------------------------------------------------------
 */

static size_t digits(const char *s, size_t at, size_t n)
{
    while (at < n && s[at] >= '0' && s[at] <= '9') at++;
    return at;
}

/* The length of the RFC 8259 number in s[0..n), 0 if it is none; *real when it has a fraction or exponent. */
static size_t number_grammar(const char *s, size_t n, bool *real)
{
    size_t at = n && s[0] == '-', from = at;
    at = digits(s, at, n);
    if (at == from || (s[from] == '0' && at > from + 1)) return 0;
    *real = false;
    if (at < n && s[at] == '.') {
        from = at + 1;
        at = digits(s, from, n);
        if (at == from) return 0;
        *real = true;
    }
    if (at < n && (s[at] | 32) == 'e') {
        from = at + 1;
        from += from < n && (s[from] == '+' || s[from] == '-');
        at = digits(s, from, n);
        if (at == from) return 0;
        *real = true;
    }
    return at;
}

static struct js integer_node(const char *s, size_t len)
{
    bool minus = s[0] == '-';
    uint64_t u = 0;
    for (size_t i = minus; i < len; i++)
        if (__builtin_mul_overflow(u, 10u, &u) || __builtin_add_overflow(u, (uint64_t)(s[i] - '0'), &u))
            return (struct js){.type = JS_BIG};
    if (!minus && u > INT64_MAX) return (struct js){.u = u, .type = JS_UINT};
    if (minus && u > (uint64_t)INT64_MAX + 1) return (struct js){.type = JS_BIG};
    return (struct js){.i = minus ? (int64_t)(0 - u) : (int64_t)u, .type = JS_INT};
}

static bool is_word(int c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '+' || c == '-' || c == '.';
}

static int parse_number(struct parser *p)
{
    const char *s = p->text + p->at;
    size_t len = 0, left = p->n - p->at;
    bool real = false;
    while (len < left && is_word((unsigned char)s[len])) len++;
    if (len == left && p->depth) return fail_at(p, ERR_JSON_TRUNC, p->n, "");
    if (number_grammar(s, len, &real) != len) return fail(p, ERR_JSON_NUMBER, "not a decimal number");
    struct js node = {.type = JS_REAL};
    if (real) {
        /* strtod wants a NUL; the free end of the strings is longer than what is left of the text */
        char *copy = p->strings + p->used;
        memcpy(copy, s, len);
        copy[len] = 0;
        node.d = strtod(copy, NULL);
        if (!isfinite(node.d)) return fail(p, ERR_JSON_NUMBER, "beyond a double");
    } else {
        node = integer_node(s, len);
    }
    p->at += len;
    return add_node(p, node);
}

static int parse_literal(struct parser *p)
{
    static const struct {
        const char *word;
        struct js node;
    } words[] = {{"true", {.b = true, .type = JS_BOOL}},
                 {"false", {.b = false, .type = JS_BOOL}},
                 {"null", {.type = JS_NULL}}};
    const char *s = p->text + p->at;
    size_t left = p->n - p->at, len = 0;
    while (len < left && is_word((unsigned char)s[len])) len++;
    for (size_t i = 0; i < 3; i++) {
        size_t want = strlen(words[i].word);
        if (len > want || memcmp(s, words[i].word, len) != 0) continue;
        if (len < want && len < left) break;
        p->at += len;
        return len < want ? fail(p, ERR_JSON_TRUNC, "") : add_node(p, words[i].node);
    }
    bool number = (len == 3 && !memcmp(s, "NaN", 3)) || (len == 8 && !memcmp(s, "Infinity", 8));
    return fail(p, number ? ERR_JSON_NUMBER : ERR_JSON_SYNTAX, "expected a value");
}

static int parse_scalar(struct parser *p)
{
    int c = peek(p);
    if (c == '"') return parse_string(p);
    if ((c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.') return parse_number(p);
    if (is_word(c)) return parse_literal(p);
    if (c >= 0x80 && !utf8_char(p->text + p->at, p->n - p->at))
        return fail(p, ERR_UTF8, "not a UTF-8 character");
    return fail(p, ERR_JSON_SYNTAX, "expected a value");
}

/* ---- structure -------------------------------------------------------------------------------------------
 */

static int open_container(struct parser *p, enum js_type type)
{
    if (p->depth == p->max_depth)
        return err_set(p->e, ERR_DEPTH, "%s: nested deeper than %d levels at byte %zu", p->what, p->max_depth,
                       p->at);
    p->open[p->depth++] = p->count;
    p->at++;
    return add_node(p, (struct js){.span = 1, .type = type});
}

static int close_container(struct parser *p)
{
    struct js *v = p->nodes + p->open[--p->depth];
    v->span = p->count - p->open[p->depth];
    p->at++;
    return v->type == JS_OBJECT ? check_keys(p, v) : 0;
}

static int parse_key(struct parser *p)
{
    skip_space(p);
    if (peek(p) != '"') return fail(p, ERR_JSON_SYNTAX, "expected a key in quotes");
    int rc = parse_string(p);
    if (rc) return rc;
    skip_space(p);
    if (peek(p) != ':') return fail(p, ERR_JSON_SYNTAX, "expected ':'");
    p->at++;
    return 0;
}

/* A whole scalar, an empty container, or the opening of a fuller one and its first key. *done: a value is
 * complete. */
static int begin_value(struct parser *p, bool *done)
{
    skip_space(p);
    int c = peek(p), rc;
    *done = true;
    if (c != '{' && c != '[') return parse_scalar(p);
    if ((rc = open_container(p, c == '{' ? JS_OBJECT : JS_ARRAY))) return rc;
    skip_space(p);
    if (peek(p) == c + 2) return close_container(p); /* '}' is '{' + 2, as ']' is '[' + 2 */
    *done = false;
    return c == '{' ? parse_key(p) : 0;
}

/* After a value: counts it, closes what closes, and stops before the next value. */
static int end_value(struct parser *p)
{
    int rc = 0;
    while (p->depth && !rc) {
        struct js *parent = p->nodes + p->open[p->depth - 1];
        bool object = parent->type == JS_OBJECT;
        parent->size++;
        skip_space(p);
        if (peek(p) == ',') {
            p->at++;
            return object ? parse_key(p) : 0;
        }
        if (peek(p) != (object ? '}' : ']'))
            return fail(p, ERR_JSON_SYNTAX, object ? "expected ',' or '}'" : "expected ',' or ']'");
        rc = close_container(p);
    }
    return rc;
}

static int parse_document(struct parser *p)
{
    if (p->n >= 3 && memcmp(p->text, "\xef\xbb\xbf", 3) == 0)
        return fail(p, ERR_JSON_BOM, "the file starts with one; save it without");
    int rc = add_node(p, (struct js){.s = p->strings, .type = JS_NULL});
    bool done;
    while (!rc) {
        rc = begin_value(p, &done);
        if (!rc && done) rc = end_value(p);
        if (!rc && done && !p->depth) break;
    }
    if (rc) return rc;
    skip_space(p);
    return p->at == p->n ? 0 : fail(p, ERR_JSON_TRAILING, "text after the end");
}

int js_parse(struct js **out, const char *what, const char *data, size_t n, const struct js_limits *lim,
             struct err *e)
{
    uint64_t max = lim && lim->bytes ? lim->bytes : 256u << 20;
    *out = NULL;
    if (n > max || n > UINT32_MAX)
        return err_set(e, ERR_TOO_LARGE, "%s: %zu bytes of JSON, the limit is %llu", what, n,
                       (unsigned long long)max);
    struct parser p = {.what = what, .text = data, .n = n, .e = e};
    p.max_values = lim && lim->values ? lim->values : 3000000;
    p.max_depth = lim && lim->depth ? lim->depth : 64;
    if (p.max_depth > MAX_DEPTH) p.max_depth = MAX_DEPTH;
    p.nul = lim && lim->nul;
    p.strings = malloc(n + 2);
    if (!p.strings) return err_set(e, ERR_NOMEM, "%s: no memory for %zu bytes of JSON", what, n);
    int rc = parse_document(&p);
    if (rc) {
        free(p.strings);
        free(p.nodes);
        return rc;
    }
    *out = p.nodes + 1;
    return 0;
}

int js_load(struct js **out, const char *path, const struct js_limits *lim, struct err *e)
{
    char *data = NULL;
    size_t n = 0;
    *out = NULL;
    int rc = file_load(path, lim && lim->bytes ? lim->bytes : 256u << 20, &data, &n, e);
    if (!rc) rc = js_parse(out, path, data, n, lim, e);
    free(data);
    return rc;
}

void js_free(struct js *root)
{
    if (!root) return;
    free((char *)root[-1].s);
    free(root - 1);
}
