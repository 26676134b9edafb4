#include "data/labelled.h"

#include "data/conversations.h"
#include "data/features.h"
#include "data/json_file.h"
#include "data/near.h"
#include "data/problems.h"
#include "infer/answer.h"
#include "infer/ascii.h"
#include "infer/reply.h"

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

/* What is known of a row that is added. */
struct known {
    uint64_t row;
    uint8_t label;
    struct answer reference; /* kind ANSWER_NONE: none */
    bool whole;
};

/* Adds a prompt with copies of its turns and its reference. */
static int add(struct labelled *p, const struct known *k, const struct chat_turn *turns, uint32_t n,
               struct err *e)
{
    size_t bytes = k->reference.n + 1;
    int r = reserve(p, e);
    if (r) return r;
    for (uint32_t i = 0; i < n; i++) bytes += turns[i].len;
    struct labelled_prompt *q = &p->at[p->n++];
    *q = (struct labelled_prompt){
        .n_turns = n, .label = k->label, .group = problem_hash(turns, n), .row = k->row, .whole = k->whole};
    q->turns = malloc(n * sizeof *turns);
    q->text = malloc(bytes);
    if (!q->turns || !q->text) return err_set(e, ERR_NOMEM, "no memory for a prompt");
    char *to = q->text;
    for (uint32_t i = 0; i < n; to += turns[i++].len) {
        q->turns[i] = (struct chat_turn){turns[i].role, to, turns[i].len};
        memcpy(to, turns[i].content, turns[i].len);
    }
    if (!k->reference.kind) return 0;
    memcpy(to, k->reference.s, k->reference.n);
    to[k->reference.n] = '\0';
    q->reference = to;
    return 0;
}

static bool complete(const struct labelled_rules *rules, const struct known *k)
{
    return !(rules->label && k->label == FEATURE_UNKNOWN) && !(rules->answer && !k->reference.kind);
}

/* ---- parquet ------------------------------------------------------------------------------------------- */

/* A box's content, or the reply. */
static void turn_reference(struct known *k, const struct chat_turn *turn)
{
    size_t reply = text_reply(turn->content, turn->len);
    k->reference = answer_boxed(turn->content, turn->len);
    k->whole = !k->reference.kind;
    if (k->whole) k->reference = answer_trim(turn->content + reply, turn->len - reply);
}

static int parquet_row(struct labelled *out, const struct conv_row *row, const struct labelled_rules *rules,
                       struct err *e)
{
    struct chat_turn turns[MAX_TURNS];
    struct known k = {.row = row->index, .label = FEATURE_UNKNOWN};
    uint32_t n = problem_question(row, turns, MAX_TURNS);
    if (row->has_difficulty) k.label = row->difficulty >= rules->difficulty;
    if (n && rules->answer) turn_reference(&k, &turns[n]);
    if (n && complete(rules, &k)) return add(out, &k, turns, n, e);
    out->without++;
    return 0;
}

static int parquet_load(struct labelled *out, const char *path, const struct labelled_rules *rules,
                        size_t most, struct err *e)
{
    struct conv_file *f;
    struct conv_row row;
    int r = conv_open(&f, path, e);
    if (r) return r;
    while (out->n < most && (r = conv_next(f, &row, e)) == 1)
        if ((r = parquet_row(out, &row, rules, e))) break;
    conv_close(f);
    return r < 0 ? r : 0;
}

/* ---- JSON lines ---------------------------------------------------------------------------------------- */

/* What a file adds to, and how. */
struct reading {
    struct labelled *out;
    const struct labelled_rules *rules;
    size_t most; /* prompts, those of files before it too */
};

static int read_label(const struct js *v, const char *what, bool needed, uint8_t *out, struct err *e)
{
    const struct js *label = js_get(v, "label");
    uint64_t number = 2;
    *out = FEATURE_UNKNOWN;
    if (!label && !needed) return 0;
    if (!label) return err_set(e, ERR_FIELD_MISSING, "%s: no \"label\"", what);
    if (js_type(label) != JS_STRING && !js_uint(label, &number))
        return err_set(e, ERR_FIELD_TYPE, "%s: label is %s, expected 0, 1, \"chat\" or \"reason\"", what,
                       js_type_name(js_type(label)));
    if (js_is(label, "chat")) number = 0;
    if (js_is(label, "reason") || js_is(label, "reasoning")) number = 1;
    if (number > 1)
        return err_set(e, ERR_FIELD_RANGE, "%s: label is none of 0, 1, \"chat\" and \"reason\"", what);
    *out = (uint8_t)number;
    return 0;
}

static int read_reference(const struct js *v, const char *what, struct known *k, struct err *e)
{
    const char *text;
    k->whole = js_get(v, "reply");
    int r = js_need_string(v, what, k->whole ? "reply" : "answer", &text, e);
    if (r) return r;
    k->reference = k->whole ? answer_trim(text, strlen(text)) : answer_reference(text, strlen(text));
    return 0;
}

static int line_take(void *ctx, struct js **line, uint64_t number, const char *what, struct err *e)
{
    const struct reading *to = ctx;
    const char *text;
    struct known k = {.row = number - 1};
    if (js_type(*line) != JS_OBJECT)
        return err_set(e, ERR_ROW_TYPE, "%s: expected an object, not %s", what, js_type_name(js_type(*line)));
    int r = js_need_string(*line, what, "prompt", &text, e);
    if (!r) r = read_label(*line, what, to->rules->label, &k.label, e);
    if (!r && to->rules->answer) r = read_reference(*line, what, &k, e);
    if (r) return r;
    struct chat_turn turn = {ROLE_USER, text, strlen(text)};
    if (!*text || !complete(to->rules, &k))
        to->out->without++;
    else
        r = add(to->out, &k, &turn, 1, e);
    return r ? r : to->out->n < to->most ? 0 : JSONL_ENOUGH;
}

int labelled_load(struct labelled *out, const char *path, const struct labelled_rules *rules, struct err *e)
{
    size_t before = out->n, most = rules->max ? before + rules->max : SIZE_MAX;
    int r;
    if (ends_with(path, ".parquet"))
        r = parquet_load(out, path, rules, most, e);
    else if (json_file_named(path))
        r = json_file_each(path, line_take, &(struct reading){out, rules, most}, e);
    else
        return err_set(e, ERR_USAGE,
                       "%s: expected a file named .parquet, .jsonl, .json, or these with .gz or .zst", path);
    if (!r && out->n == before)
        r = err_set(e, ERR_DATA_EMPTY, "%s: no row has a question%s%s", path,
                    rules->label ? " and a label" : "", rules->answer ? " and a reference answer" : "");
    return r;
}

int labelled_join(struct labelled *p, double alike, size_t *joined, struct err *e)
{
    struct near_sketch *sketch = malloc((p->n + 1) * sizeof *sketch);
    uint64_t *group = malloc((p->n + 1) * sizeof *group);
    int r = sketch && group ? 0 : err_set(e, ERR_NOMEM, "no memory to compare %zu prompts", p->n);
    for (size_t i = 0; !r && i < p->n; i++) {
        const struct labelled_prompt *q = &p->at[i];
        near_sketch(&sketch[i], q->turns[q->n_turns - 1].content, q->turns[q->n_turns - 1].len);
        group[i] = q->group;
    }
    if (!r) r = near_groups(sketch, group, p->n, alike, joined, e);
    for (size_t i = 0; !r && i < p->n; i++) p->at[i].group = group[i];
    free(sketch), free(group);
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
