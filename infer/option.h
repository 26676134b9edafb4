/* One table of options per command. The table gives the YAML key, the bare `key=value` override, the
 * `--long-flag` (with - or _), the short flag, `--help` with default and unit, and the run record.
 *
 *     struct greet_config { char *name; int64_t times; };
 *     static const struct option table[] = {
 *         {.key = "name", .type = OPT_STRING, .at = offsetof(struct greet_config, name), .required = true,
 *          .group = "Who", .help = "whom to greet"},
 *         {.key = "times", .type = OPT_INT, .at = offsetof(struct greet_config, times), .preset = "1",
 *          .min = 1, .max = 100, .short_flag = 'n', .help = "how often"},
 *         {0}};
 *     struct options o;
 *     options_init(&o, table, &config);               defaults are in
 *     options_parse_args(&o, argc, argv, &e);         the command line is in (argv[0] is skipped)
 *     yaml_load_options(path, &o, &e);                checkpoints/yaml.h; never overrides the command line
 *     options_check_required(&o, &e);
 *     ... use config ...
 *     options_free(&o);
 *
 * Precedence is defaults < config file < command line, whatever the order of the calls: a value never
 * replaces one from a stronger source (it is still checked). */
#ifndef TERSE_INFER_OPTION_H
#define TERSE_INFER_OPTION_H

#include "infer/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_type {
    OPT_BOOL = 1, /* bool */
    OPT_INT,      /* int64_t */
    OPT_UINT64,   /* uint64_t: seeds */
    OPT_BYTES,    /* uint64_t: "1500", "512MiB", "3GiB", "2GB" */
    OPT_FLOAT,    /* double, always finite */
    OPT_STRING,   /* char *, NULL when there is no value */
    OPT_PATH,     /* char *, never empty, no control characters */
    OPT_ENUM,     /* int: index into `choices` */
    OPT_STRINGS,  /* struct string_list: a YAML list, or a,b,c */
    OPT_PATHS,    /* struct string_list of OPT_PATH */
};

struct string_list {
    char **items; /* n heap strings, owned by the config; NULL when n is 0 */
    size_t n;
};

enum option_open { OPT_OPEN_MIN = 1, OPT_OPEN_MAX = 2 };

/* One row. A table ends with a row whose key is NULL; it must outlive its `struct options`. */
struct option {
    const char *key;   /* snake_case YAML key; the long flag is the same with - for _ */
    const char *alias; /* another accepted name ("temp" for "temperature"), or NULL */
    enum option_type type;
    size_t at;           /* offsetof the field in the config struct; its C type follows from `type` */
    const char *preset;  /* default as text; NULL: no value (numbers 0, bool false, enum 0, pointers NULL) */
    const char *unset;   /* what no value means, for --help: "all cores" */
    const char *choices; /* OPT_ENUM: "cosine|linear|constant" */
    double min, max;     /* numbers: closed range, checked when min < max; INFINITY allowed */
    int open;            /* OPT_OPEN_ bits: the end itself is excluded */
    const char *unit;    /* "tokens", "steps": shown by --help and in messages; NULL none */
    bool required;
    bool args_only;  /* means nothing in a config file (--config itself): refused there, not in the record */
    char short_flag; /* 'm' for -m; 0 none */
    const char *group; /* --help heading of this row and those below, up to the next one that names a group */
    const char *help;  /* one phrase, lower case, no full stop */
};

/* A key that is right elsewhere: naming it here is CFG_CONFLICT, not KEY_UNKNOWN. List ends with key NULL. */
struct option_foreign {
    const char *key, *belongs_to; /* "kl_coef", "terse ppo" */
};

enum option_source { OPT_FROM_DEFAULT, OPT_FROM_FILE, OPT_FROM_ARGS };

enum { OPTIONS_MAX = 128, OPTIONS_POSITIONAL_MAX = 64, OPTIONS_HELP = 1 };

/* Caller's memory. Set the first block after options_init() where the defaults do not suit. */
struct options {
    const char *usage;                    /* "terse data cat FILE..."; NULL: no usage line */
    const char *about;                    /* one paragraph for --help; NULL none */
    const struct option_foreign *foreign; /* NULL none */
    int max_positional;                   /* 0: a bare word that is not key=value is a USAGE error */

    const struct option *table;
    size_t n;
    void *cfg;
    const char *positional[OPTIONS_POSITIONAL_MAX]; /* point into argv */
    int n_positional;
    unsigned char seen[OPTIONS_MAX]; /* bit 1<<source for every source that gave a value */
    bool in_file[OPTIONS_MAX];       /* the config file named the key, perhaps with null */
    bool dropped[OPTIONS_MAX];       /* options_unset() took the default away */
    char *where[OPTIONS_MAX]; /* where the value in force was given ("run.yaml:7"), owned; NULL default */
};

/* One value as written somewhere. Texts may hold any bytes; they are checked here. */
struct option_text {
    const char *s; /* s[len] is 0; zeros before it are refused as the control characters they are */
    size_t len;
};
struct option_value {
    const char *key; /* as written: - or _, or "group.key" from a nested block */
    const struct option_text *items;
    size_t n;                  /* 1 unless is_list */
    bool is_list;              /* written as a list */
    bool quoted;               /* written in quotes: a string, never a number or boolean */
    bool is_null;              /* no value: the default stays (FIELD_MISSING for a required key) */
    enum option_source source; /* FILE or ARGS */
    const char *where;         /* "run.yaml:7" or "--lora-rank": named in messages, copied */
};

/* Binds table and config, zeroes every field of the table and sets the defaults. `cfg` must stay in place
 * until options_free(). A preset that its own row refuses is a bug: ERR_INTERNAL. */
int options_init(struct options *o, const struct option *table, void *cfg, struct err *e);

/* Frees every string the config owns and zeroes those fields. Safe after a failed options_init(). */
void options_free(struct options *o);

/* Takes argv[1..argc-1]: --key value, --key=value, --flag, --no-flag, -k value, key=value, `--`, positionals.
 * Returns 0, OPTIONS_HELP when --help or -h is among them (nothing else is looked at), or an error: USAGE,
 * KEY_UNKNOWN (naming the nearest key), FIELD_TYPE, FIELD_RANGE, OVERFLOW, YAML_OCTAL, PATH, CFG_CONFLICT.
 * After an error the config holds the values taken so far. */
int options_parse_args(struct options *o, int argc, char **argv, struct err *e);

/* Checks and stores one value. Same errors, and DUP_KEY when one file names a key twice. The field keeps its
 * old value after an error. */
int options_set(struct options *o, const struct option_value *v, struct err *e);

/* options_set() for one plain text from the command line. */
int options_set_text(struct options *o, const char *key, const char *text, struct err *e);

/* FIELD_MISSING naming the first required key without a value. */
int options_check_required(const struct options *o, struct err *e);

/* True when a file or the command line gave `key` a value (it must be in the table). */
bool options_given(const struct options *o, const char *key);

/* The strongest source that gave `key` a value: of two keys that rule each other out, the stronger one wins.
 */
enum option_source options_source(const struct options *o, const char *key);

/* "run.yaml:7", "--seed", or "the default": where the value in force of `key` came from. */
const char *options_where(const struct options *o, const char *key);

/* Takes the value of `key` away, its default too: field zero, not given. For keys that another key rules out.
 */
void options_unset(struct options *o, const char *key);

/* Row of a key or alias, - and _ alike; NULL if none. "group.key" finds group_key, or key in that group. */
const struct option *options_find(const struct options *o, const char *key);

/* The help text, wrapped to `width` columns. */
void options_print_help(const struct options *o, FILE *f, int width);

/* The run record: every key with its value in force as YAML text that yaml_load_options() reads back to the
 * same config. Keys without a value are null (in a comment where null would bring back the default); floats
 * round-trip exactly. */
void options_dump_yaml(const struct options *o, FILE *f);

/* The value in force of one row as options_dump_yaml() writes it ("null" when there is none). */
void options_dump_value(const struct options *o, const struct option *row, FILE *f);

/* The text of one choice of an OPT_ENUM row: "linear" for 1. `buf` receives at most `cap` bytes. */
const char *option_choice(const struct option *row, int index, char *buf, size_t cap);

/* Edit distance with transpositions, ASCII case ignored, - and _ alike; strings over 64 bytes count as far.
 */
int option_distance(const char *a, const char *b);

#endif
