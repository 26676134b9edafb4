/* What the two halves of the parser share: operands (operand.c) and what joins them (parse.c). */
#ifndef TERSE_DATA_MATHS_PARSER_H
#define TERSE_DATA_MATHS_PARSER_H

#include "data/maths/lex.h"

/* How tightly operators bind; a larger number first. */
enum {
    BIND_RELATION = 10,
    BIND_SETS = 15,
    BIND_RATIO = 20,
    BIND_SUM = 30,
    BIND_PRODUCT = 40,
    BIND_ARGUMENT = 44, /* sin 2x + 1: the argument takes products written side by side only */
    BIND_SIGN = 50,
    BIND_POWER = 60,
};

struct parser {
    struct arena *a;
    struct token *t; /* the next */
    int depth, bars; /* open |...| */
    bool argument;   /* inside a function's argument without brackets */
};

/* All return NULL, with the arena refused, on what they cannot read. */

/* What binds at least as tightly as `least`. */
struct expr *parse_expression(struct parser *p, int least);
/* One or more expressions; an EXPR_LIST when there are more. */
struct expr *parse_list(struct parser *p);
/* A number, a name, a group, a function with its argument, a sign with what follows ... */
struct expr *parse_operand(struct parser *p);
/* A group in brackets of any kind, at its opening. */
struct expr *parse_group(struct parser *p);

static inline struct expr *refuse(struct parser *p, const char *why)
{
    return arena_refuse(p->a, why);
}

static inline bool is_op(const struct token *t, enum token_kind kind, int op)
{
    return t->kind == kind && t->op == op;
}

static inline bool accept(struct parser *p, enum token_kind kind, int op)
{
    if (!is_op(p->t, kind, op)) return false;
    p->t++;
    return true;
}

#endif
