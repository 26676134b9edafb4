#include "data/labelled.h"

#include "checkpoints/jsonl.h"
#include "data/conversations.h"
#include "data/problems.h"
#include "infer/ascii.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TURNS = 256 };

static int reserve(struct labelled *p, struct err *e)
{
    if (p->n < p->capacity) return 0;
    size_t more = p->capacity ? 2 * p->capacity : 256;
    struct labelled_prompt *at = realloc(p->at, more * sizeof *at);
    if (!at) return err_set(e, ERR_NOMEM, "no memory for %zu prompts", more);
    p->at = at, p->capacity = more;
    return 0;
}

/* Adds a prompt with copies of its turns. */
static int add(struct labelled *p, uint64_t row, const struct chat_turn *turns, uint32_t n, uint8_t label,
               struct err *e)
{
    size_t bytes = 1;
    int r = reserve(p, e);
    if (r) return r;
    for (uint32_t i = 0; i < n; i++) bytes += turns[i].len;
    struct labelled_prompt *q = &p->at[p->n++];
    *q = (struct labelled_prompt){.n_turns = n, .label = label, .group = problem_hash(turns, n), .row = row};
    q->turns = malloc(n * sizeof *turns);
    q->text = malloc(bytes);
    if (!q->turns || !q->text) return err_set(e, ERR_NOMEM, "no memory for a prompt");
    char *to = q->text;
    for (uint32_t i = 0; i < n; to += turns[i++].len) {
        q->turns[i] = (struct chat_turn){turns[i].role, to, turns[i].len};
        memcpy(to, turns[i].content, turns[i].len);
    }
    return 0;
}

static int parquet_load(struct labelled *out, const char *path, int64_t difficulty, struct err *e)
{
    struct chat_turn turns[MAX_TURNS];
    struct conv_file *f;
    struct conv_row row;
    int r = conv_open(&f, path, e);
    if (r) return r;
    while ((r = conv_next(f, &row, e)) == 1) {
        uint32_t n = row.has_difficulty ? problem_question(&row, turns, MAX_TURNS) : 0;
        if (!n)
            out->without++;
        else if ((r = add(out, row.index, turns, n, row.difficulty >= difficulty, e)))
            break;
    }
    conv_close(f);
    return r < 0 ? r : 0;
}

/* ---- JSON lines ---------------------------------------------------------------------------------------- */

static int read_label(const struct js *v, const char *what, uint8_t *out, struct err *e)
{
    const struct js *label = js_get(v, "label");
    uint64_t number = 2;
    if (!label) return err_set(e, ERR_FIELD_MISSING, "%s: no \"label\"", what);
    if (js_type(label) != JS_STRING && !js_uint(label, &number))
        return err_set(e, ERR_FIELD_TYPE, "%s: label is %s, expected 0, 1, \"chat\" or \"reason\"", what,
                       js_type_name(js_type(label)));
    if (js_is(label, "chat")) number = 0;
    if (js_is(label, "reason") || js_is(label, "reasoning")) number = 1;
    *out = (uint8_t)number;
    if (number <= 1) return 0;
    return err_set(e, ERR_FIELD_RANGE, "%s: label is none of 0, 1, \"chat\" and \"reason\"", what);
}

static int line_take(void *ctx, struct js **line, uint64_t number, const char *what, struct err *e)
{
    struct labelled *out = ctx;
    const char *text;
    uint8_t label = 0;
    if (js_type(*line) != JS_OBJECT)
        return err_set(e, ERR_ROW_TYPE, "%s: expected an object, not %s", what, js_type_name(js_type(*line)));
    int r = js_need_string(*line, what, "prompt", &text, e);
    if (!r) r = read_label(*line, what, &label, e);
    if (r) return r;
    struct chat_turn turn = {ROLE_USER, text, strlen(text)};
    if (*text) return add(out, number - 1, &turn, 1, label, e);
    out->without++;
    return 0;
}

int labelled_load(struct labelled *out, const char *path, int64_t difficulty, struct err *e)
{
    size_t before = out->n;
    int r;
    if (ends_with(path, ".parquet"))
        r = parquet_load(out, path, difficulty, e);
    else if (ends_with(path, ".jsonl"))
        r = jsonl_each(path, JSONL_BY_HAND, line_take, out, e);
    else
        return err_set(e, ERR_USAGE, "%s: expected a file named .parquet or .jsonl", path);
    if (!r && out->n == before) r = err_set(e, ERR_DATA_EMPTY, "%s: no row has a question and a label", path);
    return r;
}

void labelled_clear(struct labelled *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->at[i].turns);
        free(p->at[i].text);
    }
    free(p->at);
    memset(p, 0, sizeof *p);
}
