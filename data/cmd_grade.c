/* terse grade: compares answers with references, one on the command line or a file of them. */
#include "data/cmd_grade.h"
#include "checkpoints/jsonl.h"
#include "data/grade.h"
#include "infer/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 100 /* bytes of an answer that are printed */ };
enum show { SHOW_MISSES, SHOW_ALL, SHOW_NONE };

struct grade_flags {
    char *reference, *answer, *text, *output;
    char *reference_field, *text_field, *digits_field, *relations_field;
    struct string_list label_fields;
    int64_t digits;
    bool relations, last;
    int show;
};

#define AT(field) .at = offsetof(struct grade_flags, field)
static const struct option table[] = {
    {.key = "reference",
     .type = OPT_STRING,
     AT(reference),
     .unset = "none",
     .group = "One answer",
     .help = "what is right"},
    {.key = "answer",
     .type = OPT_STRING,
     AT(answer),
     .unset = "none",
     .help = "an answer, compared as it stands"},
    {.key = "text",
     .type = OPT_STRING,
     AT(text),
     .unset = "none",
     .help = "a text, in which the answer is found"},
    {.key = "reference_field",
     .type = OPT_STRING,
     AT(reference_field),
     .preset = "answer",
     .group = "A file of JSON lines",
     .help = "where references stand; boxes and #### in them are found"},
    {.key = "text_field",
     .type = OPT_STRING,
     AT(text_field),
     .preset = "text",
     .help = "where texts stand: a string, or a list of strings"},
    {.key = "label_fields",
     .type = OPT_STRINGS,
     AT(label_fields),
     .unset = "none",
     .help = "where others' verdicts stand, true or 1 for right (a list beside a list); the first of them "
             "counts"},
    {.key = "digits_field",
     .type = OPT_STRING,
     AT(digits_field),
     .unset = "none",
     .help = "where a row's own digits stand"},
    {.key = "relations_field",
     .type = OPT_STRING,
     AT(relations_field),
     .unset = "none",
     .help = "where a row's own choice of relations stands"},
    {.key = "output",
     .type = OPT_PATH,
     AT(output),
     .unset = "none",
     .short_flag = 'o',
     .help = "JSON lines file for the verdicts"},
    {.key = "show",
     .type = OPT_ENUM,
     AT(show),
     .preset = "misses",
     .choices = "misses|all|none",
     .help = "rows to print; misses: against the label, or without one all that are not equal"},
    {.key = "digits",
     .type = OPT_INT,
     AT(digits),
     .preset = "6",
     .min = 0,
     .max = 50,
     .group = "Comparing",
     .help = "digits of a decimal that must agree with another form, 0 for an exact one"},
    {.key = "relations",
     .type = OPT_BOOL,
     AT(relations),
     .preset = "true",
     .help = "x >= 2 may stand for an interval"},
    {.key = "last",
     .type = OPT_BOOL,
     AT(last),
     .preset = "true",
     .help = "where nothing says it is the answer, take the last number or formula"},
    {0},
};

struct counts {
    size_t n, by[GRADE_UNDECIDED + 1], labelled, agree;
};

/* ---- printing ---------------------------------------------------------------------------------------- */

static void print_piece(const char *s, size_t n)
{
    putchar('"');
    for (size_t i = 0; i < n && i < SHOWN; i++) putchar((unsigned char)s[i] < 32 ? ' ' : s[i]);
    printf(n > SHOWN ? "...\"" : "\"");
}

static void print_grade(const struct grade *g, const char *reference, size_t n)
{
    printf("%s%s%s (%s)", cli_style(stdout, g->verdict == GRADE_EQUAL ? CLI_GREEN : CLI_RED),
           grade_verdict_name(g->verdict), cli_style(stdout, CLI_PLAIN), g->rule);
    if (g->answer.kind) {
        printf("  %s%s ", answer_kind_name(g->answer.kind),
               g->answer.in_thinking ? ", in the thinking:" : ":");
        print_piece(g->answer.s, g->answer.n);
    }
    printf("  reference: ");
    print_piece(reference, n);
    putchar('\n');
}

static void print_counts(const struct counts *c)
{
    double n = c->n ? (double)c->n : 1;
    printf("%zu graded:", c->n);
    for (int v = 0; v <= GRADE_UNDECIDED; v++)
        printf(" %zu %s (%.1f %%)%s", c->by[v], grade_verdict_name((enum grade_verdict)v),
               100 * (double)c->by[v] / n, v < GRADE_UNDECIDED ? "," : "\n");
    if (c->labelled)
        printf("%zu of %zu agree with the labels (%.1f %%)\n", c->agree, c->labelled,
               100 * (double)c->agree / (double)c->labelled);
}

/* ---- a file ------------------------------------------------------------------------------------------ */

struct row {
    const struct grade_flags *f;
    struct counts *counts;
    FILE *out;        /* NULL: no verdicts are written */
    const char *what; /* FILE:LINE */
    uint64_t line;
    struct answer reference;
    struct grade_options o;
};

static bool is_right(const struct js *label)
{
    int64_t v;
    return js_true(label) || (js_int(label, &v) && v);
}

static int save(const struct row *r, const struct grade *g, struct err *e)
{
    struct js_out w;
    js_out_init(&w, 0);
    js_object(&w, NULL);
    js_put_uint(&w, "line", r->line);
    js_put_string(&w, "verdict", grade_verdict_name(g->verdict));
    js_put_string(&w, "rule", g->rule);
    js_put_string(&w, "found", answer_kind_name(g->answer.kind));
    js_put_bool(&w, "in_thinking", g->answer.in_thinking);
    if (g->answer.kind)
        js_put_text(&w, "answer", g->answer.s, g->answer.n);
    else
        js_put_null(&w, "answer");
    js_put_text(&w, "reference", r->reference.s ? r->reference.s : "", r->reference.n);
    js_close(&w);
    int code = js_out_end(&w, e);
    if (!code && fprintf(r->out, "%s\n", w.text) < 0)
        code = err_errno(e, errno, "cannot write %s", r->f->output);
    js_out_free(&w);
    return code;
}

static int grade_one(struct row *r, const struct js *text, const struct js *label, struct err *e)
{
    size_t n;
    const char *s = js_string(text, &n);
    struct grade g = grade_text(r->reference.s, r->reference.n, s, n, &r->o);
    bool labelled = js_type(label) != JS_NULL;
    bool hit = labelled ? is_right(label) == (g.verdict == GRADE_EQUAL) : g.verdict == GRADE_EQUAL;
    r->counts->n++, r->counts->by[g.verdict]++;
    r->counts->labelled += labelled, r->counts->agree += labelled && hit;
    if (r->f->show == SHOW_ALL || (r->f->show == SHOW_MISSES && !hit)) {
        printf("%s: ", r->what);
        if (labelled) printf("label %s, ", is_right(label) ? "right" : "wrong");
        print_grade(&g, r->reference.s, r->reference.n);
    }
    return r->out ? save(r, &g, e) : 0;
}

static const struct js *label_of(const struct grade_flags *f, const struct js *v)
{
    for (size_t i = 0; i < f->label_fields.n; i++)
        if (js_get(v, f->label_fields.items[i])) return js_get(v, f->label_fields.items[i]);
    return NULL;
}

static void row_options(struct row *r, const struct js *v)
{
    int64_t digits;
    const struct js *relations = r->f->relations_field ? js_get(v, r->f->relations_field) : NULL;
    if (r->f->digits_field && js_int(js_get(v, r->f->digits_field), &digits) && digits >= 0 && digits <= 50)
        r->o.digits = (int)digits;
    if (js_type(relations) == JS_BOOL) r->o.relations = js_true(relations);
}

static int grade_row(struct row *r, const struct js *v, struct err *e)
{
    const char *reference;
    const struct js *text, *label = label_of(r->f, v);
    if (js_type(v) != JS_OBJECT) return err_set(e, ERR_ROW_TYPE, "%s: expected an object", r->what);
    int code = js_need_string(v, r->what, r->f->reference_field, &reference, e);
    if (code) return code;
    text = js_get(v, r->f->text_field);
    if (js_type(text) != JS_STRING && js_type(text) != JS_ARRAY)
        return err_set(e, ERR_FIELD_TYPE, "%s: \"%s\" must be a string or a list of strings", r->what,
                       r->f->text_field);
    r->reference = answer_reference(reference, strlen(reference));
    row_options(r, v);
    if (js_type(text) == JS_STRING) return grade_one(r, text, label, e);
    for (struct js_iter it = {0}; !code && js_next(text, &it);) {
        if (js_type(it.value) != JS_STRING)
            return err_set(e, ERR_FIELD_TYPE, "%s: \"%s\" holds something else than strings", r->what,
                           r->f->text_field);
        code = grade_one(r, it.value, js_type(label) == JS_ARRAY ? js_at(label, it.index) : NULL, e);
    }
    return code;
}

static int grade_line(void *ctx, struct js **line, uint64_t number, const char *what, struct err *e)
{
    struct row *r = ctx;
    const struct grade_options o = r->o;
    r->what = what, r->line = number;
    int code = grade_row(r, *line, e);
    r->o = o;
    return code;
}

static int grade_file(const struct grade_flags *f, const struct grade_options *o, const char *path,
                      struct err *e)
{
    struct counts c = {0};
    struct row r = {.f = f, .counts = &c, .o = *o};
    if (f->output && !(r.out = fopen(f->output, "we")))
        return err_errno(e, errno, "cannot write %s", f->output);
    int code = jsonl_each(path, JSONL_BY_HAND, grade_line, &r, e);
    if (r.out && fclose(r.out) && !code) code = err_errno(e, errno, "cannot write %s", f->output);
    if (!code) print_counts(&c);
    return code;
}

/* ------------------------------------------------------------------------------------------------------ */

static int grade_single(const struct grade_flags *f, const struct grade_options *o)
{
    struct answer ref = answer_reference(f->reference, strlen(f->reference));
    struct grade g = f->answer ? grade_answers(ref.s, ref.n, f->answer, strlen(f->answer), o)
                               : grade_text(ref.s, ref.n, f->text, strlen(f->text), o);
    print_grade(&g, ref.s, ref.n);
    return CLI_OK;
}

static int run(const struct options *o, const struct grade_flags *f)
{
    struct err e = {0};
    struct grade_options go = {.digits = (int)f->digits, .relations = f->relations, .find = ANSWER_FIND_ALL};
    if (!f->last) go.find &= ~ANSWER_FIND_LAST;
    if (o->n_positional == 1 && !f->reference)
        return grade_file(f, &go, o->positional[0], &e) ? cli_fail(&e) : CLI_OK;
    if (!o->n_positional && f->reference && !f->answer != !f->text) return grade_single(f, &go);
    err_set(&e, ERR_USAGE, "give a FILE.jsonl, or --reference with --answer or --text");
    return cli_usage(&e);
}

int cmd_grade(int argc, char **argv)
{
    struct grade_flags f;
    struct options o = {0};
    struct err e = {0};
    if (options_init(&o, table, &f, &e)) return cli_fail(&e);
    o.usage = "terse grade FILE.jsonl, or terse grade --reference 1/2 --text '... \\boxed{0.5}'";
    o.about = "Tells whether answers are the same as references, and by which rule (docs/grading.md).";
    o.max_positional = 1;
    int status = cli_parse(&o, argc, argv);
    if (status < 0) status = run(&o, &f);
    grade_thread_end();
    options_free(&o);
    return status;
}
