#include "infer/option.h"

#include "infer/option_value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- names --------------------------------------------------------------------------------------------- */

/* Letters compared without case, '-' and ' ' as '_'. */
static char fold(char c)
{
    return c == '-' || c == ' ' ? '_' : (char)tolower((unsigned char)c);
}

static bool same_name(const char *a, size_t len, const char *b)
{
    if (!b || strlen(b) != len) return false;
    for (size_t i = 0; i < len; i++)
        if (fold(a[i]) != fold(b[i])) return false;
    return true;
}

static const struct option *find_plain(const struct options *o, const char *key, size_t len)
{
    for (const struct option *row = o->table; row->key; row++)
        if (same_name(key, len, row->key) || same_name(key, len, row->alias)) return row;
    return NULL;
}

static const char *group_of(const struct options *o, const struct option *row)
{
    while (row > o->table && !row->group) row--;
    return row->group;
}

const struct option *options_find(const struct options *o, const char *key)
{
    const char *dot = strchr(key, '.');
    if (!dot) return find_plain(o, key, strlen(key));
    char joined[128];
    snprintf(joined, sizeof joined, "%.*s_%s", (int)(dot - key), key, dot + 1);
    const struct option *row = find_plain(o, joined, strlen(joined));
    if (row) return row;
    row = find_plain(o, dot + 1, strlen(dot + 1));
    return row && same_name(key, (size_t)(dot - key), group_of(o, row)) ? row : NULL;
}

static size_t index_of(const struct options *o, const struct option *row)
{
    return (size_t)(row - o->table);
}

enum { DISTANCE_MAX = 64, DISTANCE_FAR = 1000 };

int option_distance(const char *a, const char *b)
{
    int d[3][DISTANCE_MAX + 1]; /* rows i-2, i-1 and i of the table, by turns */
    size_t na = strlen(a), nb = strlen(b);
    if (na > DISTANCE_MAX || nb > DISTANCE_MAX) return DISTANCE_FAR;
    for (size_t j = 0; j <= nb; j++) d[0][j] = (int)j;
    for (size_t i = 1; i <= na; i++) {
        int *now = d[i % 3], *last = d[(i + 2) % 3], *before = d[(i + 1) % 3];
        now[0] = (int)i;
        for (size_t j = 1; j <= nb; j++) {
            int differ = fold(a[i - 1]) != fold(b[j - 1]);
            int best = last[j - 1] + differ;
            if (last[j] + 1 < best) best = last[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            bool swapped =
                i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]);
            if (swapped && before[j - 2] + 1 < best) best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return d[na % 3][nb];
}

/* "lr" for learning_rate: the first letters of the words. */
static bool are_initials(const char *short_name, const char *key)
{
    for (; *short_name; short_name++) {
        if (fold(*short_name) != fold(*key)) return false;
        key += strcspn(key, "_");
        key += *key == '_';
    }
    return !*key;
}

/* "rank" of lora_rank, "epochs" of num_train_epochs. */
static bool is_part(const char *name, const char *key)
{
    return strlen(name) >= 4 && strcasestr(key, name) != NULL;
}

/* Names of the rows a mistyped key may mean, "a", "a or b"; "" when none is near. A typing slip names one
 * row; short forms, where none slipped, up to three. */
static const char *nearest(const struct options *o, const char *key, char *buf, size_t cap)
{
    const char *dot = strrchr(key, '.');
    if (dot) key = dot + 1;
    int limit = strlen(key) > 9 ? 3 : strlen(key) > 4 ? 2 : 1, least = limit + 1, named = 0;
    size_t n = 0;
    *buf = 0;
    for (const struct option *row = o->table; row->key; row++) {
        int d = option_distance(key, row->key);
        if (d < least) least = d, snprintf(buf, cap, "%s", row->key);
    }
    for (const struct option *row = o->table; least > limit && row->key && named < 3; row++)
        if (are_initials(key, row->key) || is_part(key, row->key))
            n += (size_t)snprintf(buf + n, cap - n, "%s%s", named++ ? " or " : "", row->key);
    return buf;
}

static const struct option_foreign *find_foreign(const struct options *o, const char *key)
{
    size_t block = strcspn(key, ".");
    for (const struct option_foreign *f = o->foreign; f && f->key; f++)
        if (same_name(key, strlen(key), f->key) || same_name(key, block, f->key)) return f;
    return NULL;
}

static int unknown_key(const struct options *o, const char *key, const char *where, struct err *e)
{
    struct option_quote q = option_quote(key, strlen(key));
    const struct option_foreign *f = find_foreign(o, key);
    if (f)
        return err_set(e, ERR_CFG_CONFLICT, "key %s belongs to %s, and this is another kind of run (%s)", q.s,
                       f->belongs_to, where);
    char meant[256];
    if (!*nearest(o, key, meant, sizeof meant))
        return err_set(e, ERR_KEY_UNKNOWN, "unknown key %s (%s); --help lists the keys there are", q.s,
                       where);
    return err_set(e, ERR_KEY_UNKNOWN, "unknown key %s (%s); did you mean %s?", q.s, where, meant);
}

/* ---- values -------------------------------------------------------------------------------------------- */

static int set_preset(struct options *o, const struct option *row, struct err *e)
{
    struct err why = {0};
    struct option_text text = {row->preset, strlen(row->preset)};
    struct option_value v = {.key = row->key, .items = &text, .n = 1, .where = "the default"};
    union option_field field;
    if (option_parse(&field, row, &v, &why)) return err_set(e, ERR_INTERNAL, "bad default: %s", why.msg);
    option_write(&field, row, o->cfg);
    return 0;
}

static void zero_field(struct options *o, const struct option *row)
{
    union option_field none;
    memset(&none, 0, sizeof none);
    option_write(&none, row, o->cfg);
}

int options_init(struct options *o, const struct option *table, void *cfg, struct err *e)
{
    *o = (struct options){.table = table, .cfg = cfg};
    while (table[o->n].key) o->n++;
    if (o->n > OPTIONS_MAX) {
        o->n = 0;
        return err_set(e, ERR_INTERNAL, "option table of more than %d rows", OPTIONS_MAX);
    }
    for (size_t i = 0; i < o->n; i++) zero_field(o, &table[i]);
    for (size_t i = 0; i < o->n; i++) {
        int rc = table[i].preset ? set_preset(o, &table[i], e) : 0;
        if (rc) return rc;
    }
    return 0;
}

static void clear_row(struct options *o, const struct option *row)
{
    union option_field field;
    option_read(&field, row, o->cfg);
    option_clear(&field, row->type);
    zero_field(o, row);
}

void options_free(struct options *o)
{
    for (size_t i = 0; i < o->n; i++) {
        clear_row(o, &o->table[i]);
        free(o->where[i]);
        o->where[i] = NULL;
        o->seen[i] = 0;
    }
}

/* Puts *field in force. A list given again on the command line grows. */
static int store(struct options *o, const struct option *row, union option_field *field, bool append,
                 const struct option_value *v, struct err *e)
{
    size_t i = index_of(o, row);
    char *where = strdup(v->where);
    union option_field old;
    option_read(&old, row, o->cfg);
    if (!where || (append && string_list_append(&old.list, &field->list))) {
        free(where);
        option_clear(field, row->type);
        return err_set(e, ERR_NOMEM, "%s: out of memory (%s)", row->key, v->where);
    }
    free(o->where[i]);
    o->where[i] = where;
    if (append) {
        option_write(&old, row, o->cfg);
        return 0;
    }
    option_clear(&old, row->type);
    option_write(field, row, o->cfg);
    return 0;
}

int options_set(struct options *o, const struct option_value *v, struct err *e)
{
    const struct option *row = options_find(o, v->key);
    if (!row) return unknown_key(o, v->key, v->where, e);
    size_t i = index_of(o, row);
    unsigned bit = 1u << v->source, before = o->seen[i];
    if (v->source == OPT_FROM_FILE) {
        if (row->args_only)
            return err_set(e, ERR_KEY_UNKNOWN, "%s belongs on the command line, not in a file (%s)", row->key,
                           v->where);
        if (o->in_file[i])
            return err_set(e, ERR_DUP_KEY, "%s: given twice in one file (%s)", row->key, v->where);
        o->in_file[i] = true;
    }
    if (v->is_null && row->required && !before)
        return err_set(e, ERR_FIELD_MISSING, "%s: null, but it needs a value: %s (%s)", row->key, row->help,
                       v->where);
    union option_field field;
    int rc = v->is_null ? 0 : option_parse(&field, row, v, e);
    if (rc) return rc;
    if (v->is_null) return 0;
    o->seen[i] |= (unsigned char)bit;
    o->dropped[i] = false;
    if (before >= bit << 1) { /* a stronger source spoke first */
        option_clear(&field, row->type);
        return 0;
    }
    bool is_list = row->type == OPT_STRINGS || row->type == OPT_PATHS;
    return store(o, row, &field, is_list && v->source == OPT_FROM_ARGS && before & bit, v, e);
}

int options_set_text(struct options *o, const char *key, const char *text, struct err *e)
{
    struct option_text item = {text, strlen(text)};
    char where[160];
    snprintf(where, sizeof where, "%.60s=%.90s", key, text);
    struct option_value v = {.key = key, .items = &item, .n = 1, .source = OPT_FROM_ARGS, .where = where};
    v.is_null = option_is_null(text, item.len);
    return options_set(o, &v, e);
}

static bool has_value(const struct options *o, const struct option *row)
{
    union option_field field;
    memset(&field, 0, sizeof field);
    option_read(&field, row, o->cfg);
    switch (row->type) {
    case OPT_STRING:
    case OPT_PATH:
        return field.s != NULL;
    case OPT_STRINGS:
    case OPT_PATHS:
        return field.list.n > 0;
    default:
        return o->seen[index_of(o, row)] || row->preset;
    }
}

int options_check_required(const struct options *o, struct err *e)
{
    for (const struct option *row = o->table; row->key; row++)
        if (row->required && !has_value(o, row))
            return err_set(e, ERR_FIELD_MISSING,
                           "%s is required: %s; write it in the config file or add %s=VALUE", row->key,
                           row->help, row->key);
    return 0;
}

bool options_given(const struct options *o, const char *key)
{
    const struct option *row = options_find(o, key);
    return row && o->seen[index_of(o, row)];
}

enum option_source options_source(const struct options *o, const char *key)
{
    const struct option *row = options_find(o, key);
    unsigned seen = row ? o->seen[index_of(o, row)] : 0;
    return seen & 1u << OPT_FROM_ARGS ? OPT_FROM_ARGS : seen ? OPT_FROM_FILE : OPT_FROM_DEFAULT;
}

const char *options_where(const struct options *o, const char *key)
{
    const struct option *row = options_find(o, key);
    const char *where = row ? o->where[index_of(o, row)] : NULL;
    return where ? where : "the default";
}

void options_unset(struct options *o, const char *key)
{
    const struct option *row = options_find(o, key);
    if (!row) return;
    size_t i = index_of(o, row);
    clear_row(o, row);
    free(o->where[i]);
    o->where[i] = NULL;
    o->seen[i] = 0;
    o->dropped[i] = true;
}
