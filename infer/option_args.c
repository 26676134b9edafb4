/* The command line: --key value, --key=value, --flag, --no-flag, -k value, key=value, words. */
#include "infer/option.h"
#include "infer/option_value.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* What is left of the command line; every take_ function returns how many it used, or an error. */
struct args {
    int n;
    char **v;
};

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return true;
    return false;
}

static int set_from(struct options *o, const char *key, const char *text, const char *where, struct err *e)
{
    struct option_text item = {text, strlen(text)};
    struct option_value v = {.key = key, .items = &item, .n = 1, .source = OPT_FROM_ARGS, .where = where};
    v.is_null = option_is_null(text, item.len);
    return options_set(o, &v, e);
}

static bool is_truth(const char *s)
{
    return !strcasecmp(s, "true") || !strcasecmp(s, "false");
}

static bool is_flag(const struct option *row)
{
    return row && row->type == OPT_BOOL;
}

/* A flag with its value in the next argument, or a boolean alone. `name` is how the user wrote it. */
static int take_value(struct options *o, const struct option *row, const char *name, struct args rest,
                      struct err *e)
{
    const char *next = rest.n > 1 ? rest.v[1] : NULL;
    int rc;
    if (is_flag(row)) {
        bool follows = next && is_truth(next);
        rc = set_from(o, row->key, follows ? next : "true", name, e);
        return rc ? rc : 1 + follows;
    }
    char want[256];
    if (!next || !strncmp(next, "--", 2))
        return err_set(e, ERR_USAGE, "%s needs a value: %s (%s)", name, row->help,
                       option_expects(row, want, sizeof want));
    rc = set_from(o, row->key, next, name, e);
    return rc ? rc : 2;
}

static int take_long(struct options *o, struct args rest, struct err *e)
{
    const char *name = rest.v[0] + 2;
    char key[128];
    size_t len = strcspn(name, "=");
    snprintf(key, sizeof key, "%.*s", (int)(len < sizeof key ? len : sizeof key - 1), name);
    char where[sizeof key + 2];
    snprintf(where, sizeof where, "--%s", key);
    const struct option *row = options_find(o, key);
    if (!row && (!strncmp(key, "no-", 3) || !strncmp(key, "no_", 3)) && is_flag(options_find(o, key + 3))) {
        if (name[len])
            return err_set(e, ERR_USAGE, "%s takes no value; --%s=%s says it", where, key + 3,
                           name + len + 1);
        int rc = set_from(o, key + 3, "false", where, e);
        return rc ? rc : 1;
    }
    if (!row || name[len]) {
        int rc = set_from(o, key, name[len] ? name + len + 1 : "", where, e);
        return rc ? rc : 1;
    }
    return take_value(o, row, where, rest, e);
}

static int take_short(struct options *o, struct args rest, struct err *e)
{
    const char *arg = rest.v[0];
    for (const struct option *row = o->table; row->key; row++)
        if (row->short_flag == arg[1]) {
            const char name[3] = {'-', arg[1], 0};
            if (!arg[2]) return take_value(o, row, name, rest, e);
            if (arg[2] != '=') break;
            int rc = set_from(o, row->key, arg + 3, name, e);
            return rc ? rc : 1;
        }
    return err_set(e, ERR_USAGE, "unknown flag %s; --help lists the flags, long ones start with --",
                   option_quote(arg, strlen(arg)).s);
}

/* Length of the key of a "key=value" word, 0 when the word is something else. */
static size_t key_length(const char *word)
{
    size_t n = 0;
    while (isalnum((unsigned char)word[n]) || (n && strchr("_-.", word[n]) && word[n])) n++;
    return word[n] == '=' && isalpha((unsigned char)word[0]) ? n : 0;
}

static int take_word(struct options *o, const char *word, bool may_be_key, struct err *e)
{
    char key[128], where[160];
    size_t len = may_be_key ? key_length(word) : 0;
    snprintf(key, sizeof key, "%.*s", (int)(len < sizeof key ? len : 0), word);
    if (*key && (options_find(o, key) || !o->max_positional)) {
        snprintf(where, sizeof where, "%.*s", (int)(strlen(word) < 150 ? strlen(word) : len), word);
        int rc = set_from(o, key, word + len + 1, where, e);
        return rc ? rc : 1;
    }
    int limit = o->max_positional < OPTIONS_POSITIONAL_MAX ? o->max_positional : OPTIONS_POSITIONAL_MAX;
    if (o->n_positional >= limit)
        return err_set(e, ERR_USAGE, "unexpected argument %s; expected key=value or --key value%s",
                       option_quote(word, strlen(word)).s, limit ? " after the words before it" : "");
    o->positional[o->n_positional++] = word;
    return 1;
}

int options_parse_args(struct options *o, int argc, char **argv, struct err *e)
{
    if (asks_for_help(argc, argv)) return OPTIONS_HELP;
    bool only_words = false;
    for (int i = 1, used = 1; i < argc; i += used) {
        struct args rest = {argc - i, argv + i};
        const char *arg = argv[i];
        if (!only_words && !strcmp(arg, "--")) {
            only_words = true;
            used = 1;
        } else if (!only_words && !strncmp(arg, "--", 2))
            used = take_long(o, rest, e);
        else if (!only_words && arg[0] == '-' && isalpha((unsigned char)arg[1]))
            used = take_short(o, rest, e);
        else
            used = take_word(o, arg, !only_words, e);
        if (used < 0) return used;
    }
    return 0;
}
