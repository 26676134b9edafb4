#include "infer/json_write.h"
#include "infer/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void js_out_init(struct js_out *w, int indent)
{
    *w = (struct js_out){.indent = indent, .first = true};
}

void js_out_free(struct js_out *w)
{
    free(w->text);
    js_out_init(w, w->indent);
}

void js_refuse(struct js_out *w, int code, const char *why)
{
    if (w->code) return;
    w->code = code;
    w->why = why;
}

static void add(struct js_out *w, const char *s, size_t len)
{
    if (w->code) return;
    if (w->n + len + 1 > w->cap) {
        size_t cap = (w->n + len + 1) * 2;
        char *grown = realloc(w->text, cap);
        if (!grown) {
            js_refuse(w, ERR_NOMEM, "no memory for the text");
            return;
        }
        w->text = grown;
        w->cap = cap;
    }
    memcpy(w->text + w->n, s, len);
    w->n += len;
    w->text[w->n] = 0;
}

static void add_line(struct js_out *w)
{
    if (!w->indent) return;
    add(w, "\n", 1);
    for (int i = 0; i < w->depth * w->indent; i++) add(w, " ", 1);
}

static void add_quoted(struct js_out *w, const char *s, size_t len)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    if (!utf8_valid(s, len)) js_refuse(w, ERR_UTF8, "a string is not UTF-8");
    add(w, "\"", 1);
    for (size_t i = 0, plain; i < len; i += plain) {
        for (plain = 0; i + plain < len; plain++) {
            unsigned char c = (unsigned char)s[i + plain];
            if (c < 0x20 || c == '"' || c == '\\') break;
        }
        add(w, s + i, plain);
        if (i + plain == len) break;
        char esc[8];
        unsigned char c = (unsigned char)s[i + plain++];
        const char *hit = c ? strchr(from, c) : NULL;
        int n =
            hit ? snprintf(esc, sizeof esc, "\\%c", to[hit - from]) : snprintf(esc, sizeof esc, "\\u%04x", c);
        add(w, esc, (size_t)n);
    }
    add(w, "\"", 1);
}

/* The comma, line and key before a value. */
static void lead(struct js_out *w, const char *key)
{
    bool object = w->depth && (w->objects >> w->depth & 1);
    if (object != (key != NULL))
        js_refuse(w, ERR_INTERNAL, object ? "a key is missing" : "a key in an array");
    if (!w->depth && !w->first) js_refuse(w, ERR_INTERNAL, "a second value at the root");
    if (!w->first) add(w, ",", 1);
    if (w->depth) add_line(w);
    w->first = false;
    if (!key) return;
    add_quoted(w, key, strlen(key));
    add(w, ": ", w->indent ? 2 : 1);
}

static void begin(struct js_out *w, const char *key, bool object)
{
    lead(w, key);
    add(w, object ? "{" : "[", 1);
    if (w->depth == 63) js_refuse(w, ERR_DEPTH, "nested deeper than 63 levels");
    if (w->code) return;
    w->depth++;
    w->objects = (w->objects & ~(1ull << w->depth)) | (uint64_t)object << w->depth;
    w->first = true;
}

void js_object(struct js_out *w, const char *key)
{
    begin(w, key, true);
}

void js_array(struct js_out *w, const char *key)
{
    begin(w, key, false);
}

void js_close(struct js_out *w)
{
    if (!w->depth) js_refuse(w, ERR_INTERNAL, "nothing is open");
    if (w->code) return;
    bool object = w->objects >> w->depth & 1;
    w->depth--;
    if (!w->first) add_line(w);
    add(w, object ? "}" : "]", 1);
    w->first = false;
}

static void put(struct js_out *w, const char *key, const char *text)
{
    lead(w, key);
    add(w, text, strlen(text));
}

void js_put_int(struct js_out *w, const char *key, int64_t v)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)v);
    put(w, key, text);
}

void js_put_uint(struct js_out *w, const char *key, uint64_t v)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    put(w, key, text);
}

void js_put_real(struct js_out *w, const char *key, double v)
{
    char text[40];
    if (!isfinite(v)) js_refuse(w, ERR_NONFINITE, "a number is NaN or infinite");
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, v);
        if (strtod(text, NULL) == v) break;
    }
    if (!strpbrk(text, ".e")) strcat(text, ".0"); /* 2.0 stays a real */
    put(w, key, text);
}

void js_put_bool(struct js_out *w, const char *key, bool v)
{
    put(w, key, v ? "true" : "false");
}

void js_put_null(struct js_out *w, const char *key)
{
    put(w, key, "null");
}

void js_put_text(struct js_out *w, const char *key, const char *s, size_t len)
{
    lead(w, key);
    add_quoted(w, s, len);
}

void js_put_string(struct js_out *w, const char *key, const char *s)
{
    js_put_text(w, key, s, strlen(s));
}

int js_out_end(struct js_out *w, struct err *e)
{
    if (w->depth || w->first) js_refuse(w, ERR_INTERNAL, "the document is not closed");
    return w->code ? err_set(e, w->code, "writing JSON: %s", w->why) : 0;
}
