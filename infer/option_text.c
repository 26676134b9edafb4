/* What a table of options looks like in words: --help and the run record. */
#include "infer/option.h"
#include "infer/option_value.h"
#include "infer/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- help ---------------------------------------------------------------------------------------------- */

static const char *placeholder(const struct option *row)
{
    switch (row->type) {
    case OPT_BOOL:
        return "";
    case OPT_INT:
    case OPT_UINT64:
        return " N";
    case OPT_BYTES:
        return " SIZE";
    case OPT_FLOAT:
        return " X";
    case OPT_STRING:
        return " TEXT";
    case OPT_PATH:
        return " PATH";
    case OPT_ENUM:
        return " WORD";
    case OPT_STRINGS:
        return " A,B";
    case OPT_PATHS:
        return " PATH,PATH";
    }
    return "";
}

/* "  -m, --model-name-or-path PATH" */
static void flag_text(const struct option *row, char *buf, size_t cap)
{
    bool on = row->type == OPT_BOOL && row->preset && !strcmp(row->preset, "true");
    char short_text[5] = "    ";
    if (row->short_flag) snprintf(short_text, sizeof short_text, "-%c, ", row->short_flag);
    snprintf(buf, cap, "  %s--%s%s%s", short_text, on ? "no-" : "", row->key, placeholder(row));
    for (char *p = buf + 6; *p && *p != ' '; p++)
        if (*p == '_') *p = '-';
}

/* The phrase, then choices, default, unit or "required". */
static void note_text(const struct option *row, char *buf, size_t cap)
{
    const char *value = row->preset ? row->preset : row->unset;
    bool is_off = row->type == OPT_BOOL && (!row->preset || !strcmp(row->preset, "false"));
    int n = snprintf(buf, cap, "%s", row->help);
    char choice[64];
    for (int i = 0; *option_choice(row, i, choice, sizeof choice); i++)
        n += snprintf(buf + n, cap - (size_t)n, "%s%s", i ? ", " : ": ", choice);
    const char *unit = row->unit ? row->unit : "", *semicolon = row->unit ? "; " : "";
    if (row->required)
        snprintf(buf + n, cap - (size_t)n, " (%s%srequired)", unit, semicolon);
    else if (value && !is_off)
        snprintf(buf + n, cap - (size_t)n, " (%s%sdefault %s)", unit, semicolon, *value ? value : "empty");
    else if (row->unit)
        snprintf(buf + n, cap - (size_t)n, " (%s)", unit);
}

/* Prints words from column `column` on (the cursor stands at `at`), broken before `width`. */
static void print_wrapped(FILE *f, const char *text, int at, int column, int width)
{
    bool line_start = true;
    for (; at < column; at++) fputc(' ', f);
    while (*text) {
        size_t len = strcspn(text, " ");
        int shown = (int)utf8_count(text, len);
        if (!line_start && at + 1 + shown > width) {
            fprintf(f, "\n%*s", column, "");
            at = column, line_start = true;
        }
        fprintf(f, "%s%.*s", line_start ? "" : " ", (int)len, text);
        at += shown + !line_start;
        line_start = false;
        text += len + strspn(text + len, " ");
    }
    fputc('\n', f);
}

static int flag_column(const struct options *o, int width)
{
    char flag[160];
    int widest = 0, limit = width / 2 < 38 ? width / 2 : 38;
    for (const struct option *row = o->table; row->key; row++) {
        flag_text(row, flag, sizeof flag);
        int n = (int)strlen(flag) + 2;
        if (n > widest && n <= limit) widest = n;
    }
    return widest > 12 ? widest : 12;
}

void options_print_help(const struct options *o, FILE *f, int width)
{
    char flag[160], note[1024];
    int column = flag_column(o, width);
    if (o->about) print_wrapped(f, o->about, 0, 0, width);
    if (o->usage) fprintf(f, "\nusage: %s\n", o->usage);
    for (const struct option *row = o->table; row->key; row++) {
        if (row->group || row == o->table) fprintf(f, "\n%s\n", row->group ? row->group : "Options");
        flag_text(row, flag, sizeof flag);
        note_text(row, note, sizeof note);
        int at = (int)strlen(flag);
        fputs(flag, f);
        if (at + 2 > column) fputc('\n', f), at = 0;
        print_wrapped(f, note, at, column, width);
    }
    fputs("\n", f);
    print_wrapped(f, "Every option may also be written key=value (as in a config file, with _ for -).", 0, 0,
                  width);
}

/* ---- the run record ------------------------------------------------------------------------------------ */

/* Characters that YAML takes for a line break or does not print: NEL, C1, LS, PS, the byte order mark. */
static bool needs_escape(unsigned c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe ||
           c == 0xffff;
}

/* Double quotes always: nothing in there can be taken for a number, a boolean or null. Texts in a config are
 * valid UTF-8 (option_parse), so every step takes a character. */
static void dump_text(const char *s, FILE *f)
{
    fputc('"', f);
    for (size_t n, left = strlen(s); left; s += n, left -= n) {
        n = utf8_char(s, left);
        unsigned c = utf8_code(s, n);
        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", (int)c);
        else if (c == '\n')
            fputs("\\n", f);
        else if (needs_escape(c))
            fprintf(f, "\\u%04X", c);
        else
            fwrite(s, 1, n, f);
    }
    fputc('"', f);
}

/* The shortest text that reads back as the same double. */
static void dump_float(double x, FILE *f)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    fputs(text, f);
}

static void dump_list(const struct string_list *list, FILE *f)
{
    fputc('[', f);
    for (size_t i = 0; i < list->n; i++) {
        if (i) fputs(", ", f);
        dump_text(list->items[i], f);
    }
    fputc(']', f);
}

static void dump_value(const struct option *row, const union option_field *field, FILE *f)
{
    char choice[64];
    switch (row->type) {
    case OPT_BOOL:
        fputs(field->b ? "true" : "false", f);
        break;
    case OPT_INT:
        fprintf(f, "%" PRId64, field->i);
        break;
    case OPT_UINT64:
    case OPT_BYTES:
        fprintf(f, "%" PRIu64, field->u);
        break;
    case OPT_FLOAT:
        dump_float(field->f, f);
        break;
    case OPT_ENUM:
        fputs(option_choice(row, field->choice, choice, sizeof choice), f);
        break;
    case OPT_STRING:
    case OPT_PATH:
        dump_text(field->s, f);
        break;
    case OPT_STRINGS:
    case OPT_PATHS:
        dump_list(&field->list, f);
        break;
    }
}

/* False when there is no value to write: an unset pointer, or a zero that nobody gave and no default says. */
static bool has_text(const struct options *o, const struct option *row, const union option_field *field)
{
    switch (row->type) {
    case OPT_STRING:
    case OPT_PATH:
        return field->s != NULL;
    case OPT_BOOL:
    case OPT_ENUM:
    case OPT_STRINGS:
    case OPT_PATHS:
        return true;
    default:
        return field->u || o->seen[row - o->table] || (row->preset && !o->dropped[row - o->table]);
    }
}

void options_dump_value(const struct options *o, const struct option *row, FILE *f)
{
    union option_field field;
    memset(&field, 0, sizeof field);
    option_read(&field, row, o->cfg);
    if (has_text(o, row, &field))
        dump_value(row, &field, f);
    else
        fputs("null", f);
}

void options_dump_yaml(const struct options *o, FILE *f)
{
    for (const struct option *row = o->table; row->key; row++) {
        if (row->group) fprintf(f, "%s# %s\n", row == o->table ? "" : "\n", row->group);
        if (row->args_only) continue;
        bool mute = row->preset && o->dropped[row - o->table]; /* null would bring the default back */
        fprintf(f, "%s%s: ", mute ? "# " : "", row->key);
        options_dump_value(o, row, f);
        fputc('\n', f);
    }
}
