#include "data/problems.h"
#include "data/conversations.h"
#include "data/json_file.h"
#include "infer/answer.h"
#include "infer/ascii.h"

#include <stdlib.h>
#include <string.h>

static int reserve(struct problems *p, struct err *e)
{
    if (p->n < p->capacity) return 0;
    size_t more = p->capacity ? 2 * p->capacity : 256;
    struct problem *at = realloc(p->at, more * sizeof *at);
    if (!at) return err_set(e, ERR_NOMEM, "no memory for %zu problems", more);
    p->at = at, p->capacity = more;
    return 0;
}

int problems_add(struct problems *p, uint64_t row, const struct chat_turn *turns, uint32_t n,
                 struct answer ref, struct err *e)
{
    size_t bytes = 1;
    int r = reserve(p, e);
    if (r) return r;
    for (uint32_t i = 0; i < n; i++) bytes += turns[i].len;
    struct problem *q = &p->at[p->n++];
    *q = (struct problem){.row = row, .n_turns = n};
    q->turns = malloc(n * sizeof *turns);
    q->text = malloc(bytes);
    q->reference = strndup(ref.s, ref.n);
    if (!q->turns || !q->text || !q->reference) return err_set(e, ERR_NOMEM, "no memory for a problem");
    char *to = q->text;
    for (uint32_t i = 0; i < n; to += turns[i++].len) {
        q->turns[i] = (struct chat_turn){turns[i].role, to, turns[i].len};
        memcpy(to, turns[i].content, turns[i].len);
    }
    *to = 0;
    return 0;
}

/* ---- parquet ----------------------------------------------------------------------------------------- */

uint32_t problem_question(const struct conv_row *row, struct chat_turn *turns, uint32_t max)
{
    uint32_t n = row->has_turns ? (uint32_t)(row->n_turns < max ? row->n_turns : 0) : 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct conv_turn *t = &row->turns[i];
        if (!t->from.s || !t->value.s || chat_role_of(&turns[i].role, t->from.s, t->from.n, NULL)) return 0;
        turns[i].content = t->value.s, turns[i].len = t->value.n;
    }
    if (n < 2 || turns[n - 1].role != ROLE_ASSISTANT || turns[n - 2].role != ROLE_USER) return 0;
    return n - 1;
}

static int parquet_row(struct problems *out, const struct conv_row *row, struct err *e)
{
    enum { MAX_TURNS = 256 };
    struct chat_turn turns[MAX_TURNS];
    struct answer ref = {0};
    uint32_t n = problem_question(row, turns, MAX_TURNS);
    if (n) ref = answer_boxed(turns[n].content, turns[n].len);
    if (ref.kind) return problems_add(out, row->index, turns, n, ref, e);
    out->without++;
    return 0;
}

static int parquet_load(struct problems *out, const char *path, uint64_t max, struct err *e)
{
    struct conv_file *f;
    struct conv_row row;
    int r = conv_open(&f, path, e);
    if (r) return r;
    while (out->n < max && (r = conv_next(f, &row, e)) == 1)
        if ((r = parquet_row(out, &row, e))) break;
    conv_close(f);
    return r < 0 ? r : 0;
}

/* ---- JSON lines -------------------------------------------------------------------------------------- */

/* What a file adds to. */
struct reading {
    struct problems *out;
    uint64_t max;
};

static int line_take(void *ctx, struct js **line, uint64_t number, const char *what, struct err *e)
{
    const struct reading *to = ctx;
    const struct js *v = *line;
    const char *text, *answer;
    if (js_type(v) != JS_OBJECT)
        return err_set(e, ERR_ROW_TYPE, "%s: expected an object, not %s", what, js_type_name(js_type(v)));
    int r = js_need_string(v, what, !js_get(v, "problem") && js_get(v, "question") ? "question" : "problem",
                           &text, e);
    if (!r) r = js_need_string(v, what, "answer", &answer, e);
    if (r) return r;
    struct chat_turn turn = {ROLE_USER, text, strlen(text)};
    struct answer ref = answer_reference(answer, strlen(answer));
    if (ref.kind && *text)
        r = problems_add(to->out, number - 1, &turn, 1, ref, e);
    else
        to->out->without++;
    return r ? r : to->out->n < to->max ? 0 : JSONL_ENOUGH;
}

int problems_load(struct problems *out, const char *path, uint64_t max, struct err *e)
{
    int r;
    memset(out, 0, sizeof *out);
    if (!max) max = UINT64_MAX;
    if (ends_with(path, ".parquet"))
        r = parquet_load(out, path, max, e);
    else if (json_file_named(path))
        r = json_file_each(path, line_take, &(struct reading){out, max}, e);
    else
        return err_set(e, ERR_USAGE,
                       "%s: expected a file named .parquet, .jsonl, .json, or these with .gz or .zst", path);
    if (!r && !out->n)
        r = err_set(e, ERR_DATA_EMPTY, "%s: none of its %llu rows has a question and a reference answer",
                    path, (unsigned long long)out->without);
    if (r) problems_clear(out);
    return r;
}

/* ---- equal ones ---------------------------------------------------------------------------------------- */

/* FNV-1a. */
uint64_t problem_hash(const struct chat_turn *turns, uint32_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (uint32_t i = 0; i < n; i++) {
        h = (h ^ (uint64_t)turns[i].role) * 0x100000001b3u;
        for (size_t k = 0; k < turns[i].len; k++) h = (h ^ (uint8_t)turns[i].content[k]) * 0x100000001b3u;
        h = (h ^ 0xff) * 0x100000001b3u; /* in no UTF-8 */
    }
    return h;
}

static void problem_clear(struct problem *p)
{
    free(p->turns);
    free(p->text);
    free(p->reference);
    free(p->tests);
}

struct hashed {
    uint64_t hash;
    size_t at;
};

static int by_hash(const void *a, const void *b)
{
    const struct hashed *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

int64_t problems_unique(struct problems *p, struct err *e)
{
    struct hashed *h = malloc((p->n + 1) * sizeof *h);
    if (!h) return err_set(e, ERR_NOMEM, "no memory to compare %zu problems", p->n);
    size_t all = p->n, n = 0;
    for (size_t i = 0; i < all; i++)
        h[i] = (struct hashed){problem_hash(p->at[i].turns, p->at[i].n_turns), i};
    qsort(h, all, sizeof *h, by_hash);
    for (size_t i = 1; i < all; i++) {
        if (h[i].hash != h[i - 1].hash) continue;
        problem_clear(&p->at[h[i].at]);
        p->at[h[i].at].turns = NULL;
    }
    for (size_t i = 0; i < all; i++)
        if (p->at[i].turns) p->at[n++] = p->at[i];
    p->n = n;
    free(h);
    return (int64_t)(all - n);
}

void problems_clear(struct problems *p)
{
    for (size_t i = 0; i < p->n; i++) problem_clear(&p->at[i]);
    free(p->at);
    memset(p, 0, sizeof *p);
}
