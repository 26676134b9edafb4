#include "data/maths/expr.h"

#include <string.h>

void arena_init(struct arena *a)
{
    a->refused = NULL;
    a->nodes = a->text = a->steps = 0;
}

struct expr *arena_refuse(struct arena *a, const char *why)
{
    if (!a->refused) a->refused = why;
    return NULL;
}

void expr_add(struct expr *e, struct expr *kid)
{
    struct expr **at = &e->first;
    while (*at) at = &(*at)->next;
    *at = kid;
    e->n++;
}

static struct expr *node(struct arena *a)
{
    if (a->refused) return NULL;
    if (a->nodes == ARENA_NODES) return arena_refuse(a, "too many terms");
    return &a->node[a->nodes++];
}

struct expr *expr_new(struct arena *a, enum expr_kind kind, struct expr *x, struct expr *y)
{
    struct expr *e = node(a);
    if (!e) return NULL;
    *e = (struct expr){.kind = (uint8_t)kind};
    if (x) expr_add(e, x);
    if (y) expr_add(e, y);
    return e;
}

struct expr *expr_again(struct arena *a, const struct expr *e)
{
    struct expr *copy = node(a);
    if (!copy) return NULL;
    *copy = *e;
    copy->next = NULL;
    copy->rel = REL_NONE;
    return copy;
}

char *arena_text(struct arena *a, const char *s, size_t n)
{
    if (a->refused) return NULL;
    if (n > ARENA_TEXT - a->text) {
        arena_refuse(a, "too much text");
        return NULL;
    }
    char *to = a->chars + a->text;
    memcpy(to, s, n);
    a->text += (uint32_t)n;
    return to;
}

bool arena_step(struct arena *a, uint32_t steps)
{
    a->steps += steps;
    if (a->steps > ARENA_STEPS) arena_refuse(a, "too much work");
    return !a->refused;
}
