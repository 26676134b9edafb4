/* Expressions as read from an answer, and the arena that holds them.
 *
 * Everything one comparison needs lies in one `struct arena`, so that its memory is bounded before it
 * starts; what does not fit is refused, with the reason kept for the verdict. */
#ifndef TERSE_DATA_MATHS_EXPR_H
#define TERSE_DATA_MATHS_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum expr_kind {
    EXPR_NUMBER,   /* s: digits, at most one point, (digits that repeat), exponent: 0.1(6), 1.5e-3 */
    EXPR_SYMBOL,   /* s: "x", "x_1", "\\alpha" */
    EXPR_CONSTANT, /* op: enum constant */
    EXPR_TEXT,     /* s: words */
    EXPR_ADD,
    EXPR_SUB,
    EXPR_NEG,
    EXPR_MUL,
    EXPR_DIV,
    EXPR_MIXED, /* 1 3/4: a sum */
    EXPR_POW,
    EXPR_ROOT,       /* radicand, degree */
    EXPR_PLUS_MINUS, /* binary, or unary; op '-' for \mp */
    EXPR_FACTORIAL,
    EXPR_PERCENT,
    EXPR_DEGREE,
    EXPR_ABS,
    EXPR_FLOOR,
    EXPR_CEIL,
    EXPR_BINOMIAL,
    EXPR_FUNCTION, /* op: enum function; second kid: the base of a logarithm */
    EXPR_CALL,     /* f(x): a symbol, its arguments; may as well mean f times x */
    EXPR_BASE,     /* 204_5: s digits; kid: the base */
    EXPR_RATIO,    /* a : b */
    EXPR_RELATION, /* kids; `rel` of each but the first: its sign to the left */
    EXPR_LIST,     /* a, b and c */
    EXPR_SET,      /* {a, b} */
    EXPR_TUPLE,    /* (a, b): a point, or an interval; flags: its brackets */
    EXPR_UNION,
    EXPR_INTERSECTION,
    EXPR_SETMINUS,
    EXPR_MATRIX, /* op: columns */
};

enum constant { CONST_PI, CONST_E, CONST_I, CONST_INF, CONST_EMPTY, CONST_REALS };

enum function {
    FN_SIN,
    FN_COS,
    FN_TAN,
    FN_COT,
    FN_SEC,
    FN_CSC,
    FN_ASIN,
    FN_ACOS,
    FN_ATAN,
    FN_SINH,
    FN_COSH,
    FN_TANH,
    FN_LN,
    FN_LOG, /* base 10 unless it has one */
    FN_EXP,
    FN_OTHER, /* s: gcd, max, ...; compared as written */
};

enum relation { REL_NONE, REL_EQ, REL_NE, REL_LT, REL_LE, REL_GT, REL_GE, REL_APPROX, REL_IN };

enum {
    EXPR_CLOSED_LEFT = 1,
    EXPR_CLOSED_RIGHT = 2,
    EXPR_GROUPED = 4, /* stood in brackets */
    EXPR_MORNING = 8, /* a.m. stood behind it */
    EXPR_EVENING = 16,
};

struct expr {
    uint8_t kind, op, rel, flags;
    uint32_t n;    /* kids */
    const char *s; /* [len] lies in the arena or is static */
    uint32_t len;
    struct expr *first, *next; /* kids; the next kid of the same parent */
};

enum { ARENA_NODES = 1536, ARENA_TEXT = 8192, ARENA_TOKENS = 1100, ARENA_DEPTH = 60, ARENA_STEPS = 60000 };

struct token {
    uint8_t kind, op;
    bool space; /* before it */
    uint16_t n;
    const char *s;
};

struct arena {
    const char *refused; /* why, static text; NULL while all is well. The first reason stays */
    uint32_t nodes, text, steps;
    struct expr node[ARENA_NODES];
    char chars[ARENA_TEXT];
    struct token tokens[ARENA_TOKENS];
};

/* Empties it. */
void arena_init(struct arena *a);
/* Keeps the first reason, returns NULL. */
struct expr *arena_refuse(struct arena *a, const char *why);
/* A node with the kids x and y (either may be NULL: then fewer kids). NULL, refused, when full. */
struct expr *expr_new(struct arena *a, enum expr_kind kind, struct expr *x, struct expr *y);
/* The same node once more, with the same kids, to be a kid of another. */
struct expr *expr_again(struct arena *a, const struct expr *e);
/* Adds a kid at the end. */
void expr_add(struct expr *e, struct expr *kid);
/* Copies n bytes into the arena. NULL, refused, when full. */
char *arena_text(struct arena *a, const char *s, size_t n);
/* Counts work: false, refused, when there was too much. */
bool arena_step(struct arena *a, uint32_t steps);

#endif
