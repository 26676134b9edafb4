/* Conversations in JSON: the schemas of OpenThoughts3 (ShareGPT), OpenAI and alpaca, known by their keys. */
#include "checkpoints/json.h"
#include "data/conv_view.h"
#include "data/json_file.h"

#include <stdio.h>
#include <stdlib.h>

struct view {
    struct json_file *file;
    struct js *row; /* texts of the row given last lie here */
    struct conv_maker turns;
    uint64_t index; /* of the next row */
};

/* What is read now, and how messages call it. */
struct reading {
    struct view *view;
    const struct js *row;
    const char *what;
    struct err *e;
};

static struct conv_text text_of(const struct js *v)
{
    struct conv_text t = {0};
    t.s = js_string(v, &t.n);
    return t;
}

static int wrong_type(const struct reading *r, const char *key, const char *wanted, const struct js *v)
{
    return err_set(r->e, ERR_FIELD_TYPE, "%s: \"%s\" is %s, expected %s", r->what, key,
                   js_type_name(js_type(v)), wanted);
}

/* A string, or (null or absent) nothing. */
static int want_text(const struct reading *r, const char *key, struct conv_text *out)
{
    const struct js *v = NULL;
    int rc = js_want(r->row, r->what, key, JS_STRING, &v, r->e);
    *out = text_of(v);
    return rc;
}

/* ---- lists of turns -------------------------------------------------------------------------------------
 */

/* A weight other than 1 would change what is learned. */
static int check_weight(const struct reading *r, const struct js *o)
{
    double weight = 1;
    int rc = js_want_number(o, r->what, "weight", &weight, r->e);
    if (!rc && weight < 0) return err_set(r->e, ERR_FIELD_RANGE, "%s: \"weight\" is negative", r->what);
    if (!rc && weight != 1)
        return err_set(r->e, ERR_ROW_UNSUPPORTED, "%s: \"weight\" is %g, only 1 is supported", r->what,
                       weight);
    return rc;
}

/* A turn's text. In `conversations` it may be null, as in OpenThoughts3's columns. */
static int turn_text(const struct reading *r, const struct js *turn, const char *key, bool nullable,
                     struct conv_text *out)
{
    const struct js *v = js_get(turn, key);
    if (js_type(v) == JS_ARRAY)
        return err_set(r->e, ERR_ROW_UNSUPPORTED, "%s: \"%s\" is a list of parts, only text is supported",
                       r->what, key);
    int rc = nullable && v && js_type(v) == JS_NULL ? 0 : js_need(turn, r->what, key, JS_STRING, &v, r->e);
    *out = text_of(v);
    return rc;
}

static const char *const *keys_of(const struct js *turn, bool conversations)
{
    for (int i = 0; i < 2; i++)
        if (js_get(turn, conv_turn_keys[i][CONV_FROM]) && js_get(turn, conv_turn_keys[i][CONV_VALUE]))
            return conv_turn_keys[i];
    return conv_turn_keys[!conversations];
}

static int read_turn(const struct reading *r, const struct js *turn, bool conversations)
{
    const char *const *keys = keys_of(turn, conversations);
    struct conv_text from = {0}, value = {0};
    int rc = 0;
    if (!conversations || js_type(turn) != JS_NULL) {
        if (js_type(turn) != JS_OBJECT)
            return err_set(r->e, ERR_FIELD_TYPE, "%s is %s, expected an object", r->what,
                           js_type_name(js_type(turn)));
        rc = turn_text(r, turn, keys[CONV_FROM], conversations, &from);
        if (!rc) rc = turn_text(r, turn, keys[CONV_VALUE], conversations, &value);
        if (!rc) rc = check_weight(r, turn);
    }
    return rc ? rc : maker_turn(&r->view->turns, from, value, r->e);
}

static int read_list(const struct reading *r, const char *key)
{
    const struct js *list = js_get(r->row, key);
    struct reading of = *r;
    char what[4300];
    int rc = 0;
    if (js_type(list) != JS_ARRAY) return wrong_type(r, key, "an array", list);
    of.what = what;
    for (struct js_iter it = {0}; !rc && js_next(list, &it);) {
        snprintf(what, sizeof what, "%s, turn %zu", r->what, it.index);
        rc = read_turn(&of, it.value, *key == 'c');
    }
    return rc;
}

/* ---- a question and an answer -----------------------------------------------------------------------------
 */

/* alpaca's earlier turns: [["question", "answer"], ...] */
static int read_history(const struct reading *r)
{
    const struct js *list = NULL;
    int rc = js_want(r->row, r->what, "history", JS_ARRAY, &list, r->e);
    for (struct js_iter it = {0}; !rc && js_next(list, &it);) {
        struct conv_pair p = {.question = text_of(js_at(it.value, 0)), .answer = text_of(js_at(it.value, 1))};
        if (js_size(it.value) != 2 || !p.question.s || !p.answer.s)
            return wrong_type(r, "history", "a list of [question, answer]", it.value);
        rc = maker_pair(&r->view->turns, &p, r->e);
    }
    return rc;
}

static int read_pair(const struct reading *r, const struct conv_shape *shape)
{
    const struct js *question, *answer;
    struct conv_pair p = {0};
    int rc = shape->alpaca ? read_history(r) : 0;
    if (!rc) rc = js_need(r->row, r->what, shape->question, JS_STRING, &question, r->e);
    if (!rc) rc = js_need(r->row, r->what, shape->answer, JS_STRING, &answer, r->e);
    if (!rc && shape->alpaca) rc = want_text(r, "input", &p.input);
    if (rc) return rc;
    p.question = text_of(question), p.answer = text_of(answer);
    return maker_pair(&r->view->turns, &p, r->e);
}

/* ---- a row ----------------------------------------------------------------------------------------------
 */

static bool has_key(const void *row, const char *key)
{
    return js_type(js_get(row, key)) != JS_NULL;
}

static int no_shape(const struct reading *r)
{
    struct js_iter it = {0};
    bool any = js_next(r->row, &it);
    return err_set(r->e, ERR_FIELD_MISSING, "%s: %s; the row has %s%.80s%s", r->what, conv_shapes_wanted,
                   any ? "\"" : "no keys", any ? it.key : "", any ? "\" and such" : "");
}

static int read_turns(const struct reading *r, struct conv_row *out)
{
    struct conv_shape shape;
    struct conv_text system;
    struct conv_maker *m = &r->view->turns;
    int rc = conv_shape_find(&shape, has_key, r->row, r->what, r->e);
    if (rc) return rc;
    if (!shape.list && !shape.question) /* said to be null, as Parquet may */
        return js_get(r->row, "conversations") || js_get(r->row, "messages") ? 0 : no_shape(r);
    rc = maker_begin(m, r->e);
    if (!rc) rc = shape.list ? read_list(r, shape.list) : read_pair(r, &shape);
    if (!rc) rc = want_text(r, "system", &system);
    if (!rc) rc = maker_system(m, system, r->e);
    if (!rc) maker_end(m, out);
    return rc;
}

static int read_row(const struct reading *r, struct conv_row *out)
{
    const struct js *difficulty = js_get(r->row, "difficulty");
    if (js_type(r->row) != JS_OBJECT)
        return err_set(r->e, ERR_ROW_TYPE, "%s: expected an object, not %s", r->what,
                       js_type_name(js_type(r->row)));
    out->has_difficulty = js_int(difficulty, &out->difficulty);
    if (!out->has_difficulty && js_type(difficulty) != JS_NULL)
        return wrong_type(r, "difficulty", "an integer", difficulty);
    out->reference = text_of(js_get(r->row, "answer"));
    int rc = want_text(r, "source", &out->source);
    if (!rc) rc = want_text(r, "domain", &out->domain);
    if (!rc) rc = check_weight(r, r->row);
    return rc ? rc : read_turns(r, out);
}

static int next(void *self, struct conv_row *row, struct err *e)
{
    static const struct js_limits limits = {.bytes = 64 << 20, .nul = true};
    struct view *v = self;
    const char *text;
    size_t n;
    js_free(v->row);
    v->row = NULL;
    int rc = json_file_next(v->file, &text, &n, e);
    if (rc != 1) return rc;
    const char *what = json_file_where(v->file);
    rc = js_parse(&v->row, what, text, n, &limits, e);
    if (rc) return rc;
    *row = (struct conv_row){.index = v->index++};
    rc = read_row(&(struct reading){v, v->row, what, e}, row);
    return rc ? rc : 1;
}

/* ---- the file -------------------------------------------------------------------------------------------
 */

static void close_view(void *self)
{
    struct view *v = self;
    if (!v) return;
    json_file_close(v->file);
    js_free(v->row);
    maker_clear(&v->turns);
    free(v);
}

static int open_view(void **self, const char *path, struct err *e)
{
    struct view *v = calloc(1, sizeof *v);
    int rc = v ? json_file_open(&v->file, path, e) : err_set(e, ERR_NOMEM, "%s: no memory", path);
    *self = v;
    if (!rc) return 0;
    close_view(v);
    *self = NULL;
    return rc;
}

static uint64_t rows(const void *self)
{
    return json_file_rows(((const struct view *)self)->file);
}

static int seek(void *self, uint64_t row, struct err *e)
{
    struct view *v = self;
    int rc = json_file_seek(v->file, row, e);
    if (!rc) v->index = row;
    return rc;
}

static struct file_part part(const void *self, uint64_t row)
{
    return json_file_part(((const struct view *)self)->file, row);
}

static uint64_t bytes(const void *self)
{
    return json_file_bytes(((const struct view *)self)->file);
}

const struct conv_view conv_json = {open_view, close_view, rows, next, seek, part, bytes};
