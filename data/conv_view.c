#include "data/conv_view.h"

#include <stdlib.h>
#include <string.h>

/* ---- shapes ---------------------------------------------------------------------------------------------
 */

const char *const conv_turn_keys[2][2] = {{"from", "value"}, {"role", "content"}};

const char conv_shapes_wanted[] =
    "expected \"conversations\" or \"messages\", or a question and an answer as \"instruction\" and "
    "\"output\", "
    "\"prompt\" and \"completion\", \"problem\" and \"solution\" or \"question\" and \"answer\"";

/* Data sets keep where a conversation was made of beside it, so the latter shapes count only where there is
 * none of the former. */
static const struct {
    struct conv_shape shape;
    bool aside;
} shapes[] = {
    {{.list = "conversations"}, false},
    {{.list = "messages"}, false},
    {{.question = "instruction", .answer = "output", .alpaca = true}, false},
    {{.question = "prompt", .answer = "completion"}, false},
    {{.question = "problem", .answer = "solution"}, true},
    {{.question = "question", .answer = "answer"}, true},
};

static const char *first_key(const struct conv_shape *s)
{
    return s->list ? s->list : s->question;
}

int conv_shape_find(struct conv_shape *out, bool (*has)(const void *ctx, const char *key), const void *ctx,
                    const char *what, struct err *e)
{
    *out = (struct conv_shape){0};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct conv_shape *s = &shapes[i].shape;
        bool found = s->list ? has(ctx, s->list) : has(ctx, s->question) && has(ctx, s->answer);
        if (!found || (first_key(out) && shapes[i].aside)) continue;
        if (first_key(out))
            return err_set(e, ERR_ROW_AMBIGUOUS, "%s: both \"%s\" and \"%s\": which is to be learned?", what,
                           first_key(out), first_key(s));
        *out = *s;
    }
    return 0;
}

/* ---- turns ----------------------------------------------------------------------------------------------
 */

static const struct conv_text system_role = {"system", 6}, user_role = {"user", 4},
                              assistant_role = {"assistant", 9};

static int reserve(struct conv_maker *m, size_t n, struct err *e)
{
    if (n <= m->cap) return 0;
    size_t cap = n < 16 ? 16 : 2 * n;
    struct conv_turn *grown = realloc(m->turns, cap * sizeof *grown);
    if (!grown) return err_set(e, ERR_NOMEM, "no memory for %zu turns", n);
    m->turns = grown;
    m->cap = cap;
    return 0;
}

int maker_begin(struct conv_maker *m, struct err *e)
{
    m->n = 0;
    return reserve(m, 1, e);
}

int maker_turn(struct conv_maker *m, struct conv_text from, struct conv_text value, struct err *e)
{
    int rc = reserve(m, m->n + 1, e);
    if (!rc) m->turns[m->n++] = (struct conv_turn){from, value};
    return rc;
}

/* a, a newline, b: what LLaMA-Factory makes of alpaca's instruction and input. */
static int join(struct conv_maker *m, struct conv_text a, struct conv_text b, struct conv_text *out,
                struct err *e)
{
    size_t n = a.n + 1 + b.n;
    if (n > m->text_cap) {
        char *grown = realloc(m->text, n);
        if (!grown) return err_set(e, ERR_NOMEM, "no memory for a question of %zu bytes", n);
        m->text = grown;
        m->text_cap = n;
    }
    memcpy(m->text, a.s, a.n);
    m->text[a.n] = '\n';
    memcpy(m->text + a.n + 1, b.s, b.n);
    *out = (struct conv_text){m->text, n};
    return 0;
}

int maker_pair(struct conv_maker *m, const struct conv_pair *p, struct err *e)
{
    struct conv_text question = p->question.n || !p->input.n ? p->question : p->input;
    int rc = p->question.n && p->input.n ? join(m, p->question, p->input, &question, e) : 0;
    if (!rc) rc = maker_turn(m, user_role, question, e);
    return rc ? rc : maker_turn(m, assistant_role, p->answer, e);
}

static bool is_system(struct conv_text role)
{
    return role.n == system_role.n && !memcmp(role.s, system_role.s, role.n);
}

int maker_system(struct conv_maker *m, struct conv_text system, struct err *e)
{
    if (!system.n || (m->n && is_system(m->turns[0].from))) return 0;
    int rc = reserve(m, m->n + 1, e);
    if (rc) return rc;
    memmove(m->turns + 1, m->turns, m->n++ * sizeof *m->turns);
    m->turns[0] = (struct conv_turn){system_role, system};
    return 0;
}

void maker_end(const struct conv_maker *m, struct conv_row *row)
{
    row->has_turns = true;
    row->n_turns = m->n;
    row->turns = m->turns;
}

void maker_clear(struct conv_maker *m)
{
    free(m->turns);
    free(m->text);
    *m = (struct conv_maker){0};
}
