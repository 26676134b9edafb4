#include "checkpoints/yaml.h"

#include "checkpoints/file.h"
#include "infer/option_value.h"
#include "infer/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { BLOCKS_MAX = 64, ITEMS_MAX = 65536, DEPTH_MAX = 16 };

struct reader {
    yaml_parser_t parser;
    const char *text, *name; /* the file, its path */
    size_t len;
    struct options *o;
    char *blocks[BLOCKS_MAX]; /* names of the blocks so far, owned */
    size_t n_blocks;
    struct err *e;
};

/* ---- the bytes, before libyaml sees them --------------------------------------------------------------- */

static size_t line_of(const char *text, size_t at)
{
    size_t line = 1;
    for (size_t i = 0; i < at; i++) line += text[i] == '\n';
    return line;
}

static int check_encoding(const char *text, size_t len, const char *name, struct err *e)
{
    const unsigned char *s = (const unsigned char *)text;
    bool wide = len >= 2 && ((s[0] == 0xff && s[1] == 0xfe) || (s[0] == 0xfe && s[1] == 0xff) ||
                             (len >= 4 && !s[0] && !s[1] && s[2] == 0xfe && s[3] == 0xff));
    if (wide)
        return err_set(e, ERR_JSON_BOM, "%s starts with the mark of UTF-16 or UTF-32; save it as UTF-8",
                       name);
    for (size_t i = 0, n; i < len; i += n) {
        if (!(n = utf8_char(text + i, len - i)))
            return err_set(e, ERR_UTF8, "%s:%zu: byte 0x%02X is not UTF-8", name, line_of(text, i), s[i]);
        bool is_c1 = s[i] == 0xc2 && s[i + 1] < 0xa0 && s[i + 1] != 0x85;
        if ((s[i] < 0x20 && !strchr("\t\n\r", s[i])) || !s[i] || s[i] == 0x7f || is_c1)
            return err_set(e, ERR_YAML_CTRL, "%s:%zu: control character 0x%02X", name, line_of(text, i),
                           is_c1 ? s[i + 1] : s[i]);
    }
    return 0;
}

/* ---- what libyaml refuses, in our kinds ---------------------------------------------------------------- */

/* Line `line` (from 0) of the file, the last one if there are fewer. */
static const char *line_start(const struct reader *r, size_t line)
{
    const char *at = r->text, *end = r->text + r->len, *next_line;
    while (line-- && (next_line = memchr(at, '\n', (size_t)(end - at)))) at = next_line + 1;
    return at;
}

static bool says(const char *text, const char *part)
{
    return text && strstr(text, part);
}

static int kind_of_problem(const yaml_parser_t *p, const char *line)
{
    if (p->error == YAML_MEMORY_ERROR) return ERR_NOMEM;
    if (p->error == YAML_READER_ERROR) return ERR_YAML_CTRL;
    if (memchr(line, '\t', strspn(line, " \t"))) return ERR_YAML_TAB;
    if (*line == '%') return ERR_YAML_DIRECTIVE;
    if (says(p->context, "anchor") || says(p->context, "alias")) return ERR_YAML_ALIAS;
    if (says(p->context, "tag") || says(p->problem, "tag handle")) return ERR_YAML_TAG;
    return ERR_YAML_SYNTAX;
}

static int refuse_syntax(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    int code = kind_of_problem(p, line_start(r, p->problem_mark.line));
    const char *hint = code == ERR_YAML_TAB ? "; indent with spaces" : "";
    return err_set(r->e, code, "%s:%zu: %s%s%s%s", r->name, p->problem_mark.line + 1,
                   p->problem ? p->problem : "out of memory", p->context ? " " : "",
                   p->context ? p->context : "", hint);
}

/* ---- events -------------------------------------------------------------------------------------------- */

static int refuse(const struct reader *r, const yaml_event_t *ev, int code, const char *what)
{
    return err_set(r->e, code, "%s:%zu: %s", r->name, ev->start_mark.line + 1, what);
}

static bool has_anchor(const yaml_event_t *ev)
{
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        return ev->data.scalar.anchor;
    case YAML_SEQUENCE_START_EVENT:
        return ev->data.sequence_start.anchor;
    case YAML_MAPPING_START_EVENT:
        return ev->data.mapping_start.anchor;
    default:
        return ev->type == YAML_ALIAS_EVENT;
    }
}

static bool has_tag(const yaml_event_t *ev)
{
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        return ev->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return ev->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return ev->data.mapping_start.tag;
    default:
        return false;
    }
}

static int check_event(const struct reader *r, const yaml_event_t *ev)
{
    if (has_anchor(ev))
        return refuse(r, ev, ERR_YAML_ALIAS,
                      "anchors (&name) and aliases (*name) are not allowed; write it out");
    if (has_tag(ev)) return refuse(r, ev, ERR_YAML_TAG, "tags (!name) are not allowed; values need none");
    bool directive =
        ev->type == YAML_DOCUMENT_START_EVENT &&
        (ev->data.document_start.version_directive ||
         ev->data.document_start.tag_directives.start != ev->data.document_start.tag_directives.end);
    return directive ? refuse(r, ev, ERR_YAML_DIRECTIVE, "%-directives are not allowed; drop the line") : 0;
}

/* The next event, checked; the caller deletes it after 0 only. */
static int next(struct reader *r, yaml_event_t *ev)
{
    if (!yaml_parser_parse(&r->parser, ev)) return refuse_syntax(r);
    int rc = check_event(r, ev);
    if (rc) yaml_event_delete(ev);
    return rc;
}

/* ---- keys and values ----------------------------------------------------------------------------------- */

static struct option_text text_of(const yaml_event_t *scalar)
{
    return (struct option_text){(const char *)scalar->data.scalar.value, scalar->data.scalar.length};
}

static bool is_plain(const yaml_event_t *scalar)
{
    return scalar->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* A key is a word: a letter, then letters, digits, _ - and dots. Copied to key[96]. */
static int read_key(const struct reader *r, const yaml_event_t *ev, char key[96])
{
    if (ev->type != YAML_SCALAR_EVENT)
        return refuse(r, ev, ERR_YAML_KEY, "a key is a list or a map; expected a word");
    struct option_text t = text_of(ev);
    if (t.len == 2 && !memcmp(t.s, "<<", 2))
        return refuse(r, ev, ERR_YAML_MERGE, "merge keys (<<) are not allowed; write the keys out");
    bool is_word = t.len && t.len < 96 && isalpha((unsigned char)*t.s);
    for (size_t i = 0; i < t.len && is_word; i++)
        is_word = isalnum((unsigned char)t.s[i]) || strchr("_-.", t.s[i]);
    if (!is_word)
        return err_set(r->e, ERR_YAML_KEY, "%s:%zu: key %s is not a word of letters, digits and _", r->name,
                       ev->start_mark.line + 1, option_quote(t.s, t.len).s);
    memcpy(key, t.s, t.len + 1);
    return 0;
}

static int set_value(struct reader *r, const char *key, const yaml_event_t *at, struct option_value *v)
{
    char where[160];
    size_t len = strlen(r->name), skip = len > 120 ? len - 120 : 0;
    snprintf(where, sizeof where, "%s:%zu", r->name + skip, at->start_mark.line + 1);
    v->key = key;
    v->where = where;
    v->source = OPT_FROM_FILE;
    return options_set(r->o, v, r->e);
}

static int set_scalar(struct reader *r, const char *key, const yaml_event_t *ev)
{
    struct option_text t = text_of(ev);
    struct option_value v = {.items = &t, .n = 1, .quoted = !is_plain(ev)};
    v.is_null = is_plain(ev) && (!t.len || option_is_null(t.s, t.len));
    return set_value(r, key, ev, &v);
}

/* The items of one list, which stay in their events until it is set. */
struct items {
    yaml_event_t *events;
    struct option_text *texts;
    size_t n;
};

static int add_item(struct reader *r, struct items *list, const yaml_event_t *ev, const char *key)
{
    if (ev->type != YAML_SCALAR_EVENT)
        return err_set(r->e, ERR_DEPTH, "%s:%zu: %s: a list inside a list; expected a flat list of texts",
                       r->name, ev->start_mark.line + 1, key);
    if (list->n >= ITEMS_MAX) return refuse(r, ev, ERR_TOO_MANY, "a list of more than 65536 items");
    if (!(list->n & (list->n - 1))) {
        size_t cap = list->n ? list->n * 2 : 1;
        void *events = realloc(list->events, cap * sizeof *list->events);
        if (events) list->events = events;
        void *texts = events ? realloc(list->texts, cap * sizeof *list->texts) : NULL;
        if (!texts) return refuse(r, ev, ERR_NOMEM, "out of memory");
        list->texts = texts;
    }
    list->events[list->n] = *ev;
    list->texts[list->n++] = text_of(ev);
    return 0;
}

static int read_list(struct reader *r, const char *key, const yaml_event_t *start)
{
    struct items list = {0};
    yaml_event_t ev;
    int rc;
    while (!(rc = next(r, &ev))) {
        bool end = ev.type == YAML_SEQUENCE_END_EVENT;
        if (end || (rc = add_item(r, &list, &ev, key))) yaml_event_delete(&ev);
        if (end || rc) break;
    }
    struct option_value v = {.items = list.texts, .n = list.n, .is_list = true};
    if (!rc) rc = set_value(r, key, start, &v);
    for (size_t i = 0; i < list.n; i++) yaml_event_delete(&list.events[i]);
    free(list.events);
    free(list.texts);
    return rc;
}

static int read_block(struct reader *r, const char *block, const yaml_event_t *start);

/* The value of `key`; `block` NULL at the top. */
static int read_value(struct reader *r, const char *block, const char *key)
{
    char full[200];
    snprintf(full, sizeof full, "%s%s%s", block ? block : "", block ? "." : "", key);
    yaml_event_t ev;
    int rc = next(r, &ev);
    if (rc) return rc;
    if (ev.type == YAML_SCALAR_EVENT)
        rc = set_scalar(r, full, &ev);
    else if (ev.type == YAML_SEQUENCE_START_EVENT)
        rc = read_list(r, full, &ev);
    else if (block)
        rc = refuse(r, &ev, ERR_DEPTH, "a block inside a block; expected key: value");
    else
        rc = read_block(r, key, &ev);
    yaml_event_delete(&ev);
    return rc;
}

/* Pairs up to the end of the map, *n of them. */
static int read_pairs(struct reader *r, const char *block, size_t *n)
{
    for (*n = 0;; ++*n) {
        char key[96];
        yaml_event_t ev;
        int rc = next(r, &ev);
        if (rc) return rc;
        bool end = ev.type == YAML_MAPPING_END_EVENT;
        if (!end) rc = read_key(r, &ev, key);
        yaml_event_delete(&ev);
        if (!rc && !end) rc = read_value(r, block, key);
        if (rc || end) return rc;
    }
}

static int read_block(struct reader *r, const char *block, const yaml_event_t *start)
{
    size_t n;
    for (size_t i = 0; i < r->n_blocks; i++)
        if (!strcmp(r->blocks[i], block))
            return err_set(r->e, ERR_DUP_KEY, "%s:%zu: block %s given twice in one file", r->name,
                           start->start_mark.line + 1, block);
    if (r->n_blocks == BLOCKS_MAX) return refuse(r, start, ERR_TOO_MANY, "more than 64 blocks");
    if (!(r->blocks[r->n_blocks] = strdup(block))) return refuse(r, start, ERR_NOMEM, "out of memory");
    r->n_blocks++;
    int rc = read_pairs(r, block, &n);
    /* An empty block of an unknown name is as unknown as one with keys. */
    struct option_value none = {.is_null = true};
    return rc || n ? rc : set_value(r, block, start, &none);
}

/* ---- the document -------------------------------------------------------------------------------------- */

/* Events up to the root, whose first event is left in *ev. */
static int find_root(struct reader *r, yaml_event_t *ev)
{
    for (;;) {
        int rc = next(r, ev);
        if (rc) return rc;
        if (ev->type != YAML_STREAM_START_EVENT && ev->type != YAML_DOCUMENT_START_EVENT) return 0;
        yaml_event_delete(ev);
    }
}

static const char expected[] = "expected a map of key: value lines";

static int refuse_list(struct reader *r)
{
    for (int depth = 1;; depth++) {
        yaml_event_t ev;
        int rc = next(r, &ev);
        if (rc) return rc;
        if (ev.type != YAML_SEQUENCE_START_EVENT)
            rc = err_set(r->e, ERR_CFG_ROOT, "%s:1: the file is a list; %s", r->name, expected);
        else if (depth == DEPTH_MAX)
            rc = err_set(r->e, ERR_DEPTH, "%s:%zu: lists nested more than %d deep; %s", r->name,
                         ev.start_mark.line + 1, DEPTH_MAX, expected);
        yaml_event_delete(&ev);
        if (rc) return rc;
    }
}

static int refuse_scalar(struct reader *r, const yaml_event_t *ev)
{
    struct option_text t = text_of(ev);
    if (is_plain(ev) && (!t.len || option_is_null(t.s, t.len)))
        return err_set(r->e, ERR_CFG_EMPTY, "%s holds no settings; %s", r->name, expected);
    return err_set(r->e, ERR_CFG_ROOT, "%s:%zu: the file is one value, %s; %s", r->name,
                   ev->start_mark.line + 1, option_quote(t.s, t.len).s, expected);
}

static int read_root(struct reader *r)
{
    yaml_event_t ev;
    size_t n = 0;
    int rc = find_root(r, &ev);
    if (rc) return rc;
    if (ev.type == YAML_MAPPING_START_EVENT)
        rc = read_pairs(r, NULL, &n);
    else if (ev.type == YAML_SEQUENCE_START_EVENT)
        rc = refuse_list(r);
    else if (ev.type == YAML_SCALAR_EVENT)
        rc = refuse_scalar(r, &ev);
    yaml_event_delete(&ev);
    if (!rc && !n) rc = err_set(r->e, ERR_CFG_EMPTY, "%s holds no settings; %s", r->name, expected);
    return rc;
}

static int read_end(struct reader *r)
{
    for (;;) {
        yaml_event_t ev;
        int rc = next(r, &ev);
        if (rc) return rc;
        bool end = ev.type == YAML_STREAM_END_EVENT;
        if (ev.type == YAML_DOCUMENT_START_EVENT)
            rc = refuse(r, &ev, ERR_YAML_MULTI, "a second document starts here; expected one per file");
        yaml_event_delete(&ev);
        if (rc || end) return rc;
    }
}

int yaml_read_options(const char *text, size_t len, const char *name, struct options *o, struct err *e)
{
    struct reader r = {.text = text, .len = len, .name = name, .o = o, .e = e};
    if (len > YAML_BYTES_MAX)
        return err_set(e, ERR_TOO_LARGE, "%s has %zu bytes; a config file has at most %d", name, len,
                       YAML_BYTES_MAX);
    int rc = check_encoding(text, len, name, e);
    if (rc) return rc;
    if (!yaml_parser_initialize(&r.parser)) return err_set(e, ERR_NOMEM, "%s: out of memory", name);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    rc = read_root(&r);
    if (!rc) rc = read_end(&r);
    yaml_parser_delete(&r.parser);
    for (size_t i = 0; i < r.n_blocks; i++) free(r.blocks[i]);
    return rc;
}

int yaml_load_options(const char *path, struct options *o, struct err *e)
{
    char *text;
    size_t len;
    int rc = file_load(path, YAML_BYTES_MAX, &text, &len, e);
    if (rc) return rc;
    rc = yaml_read_options(text, len, path, o, e);
    free(text);
    return rc;
}
