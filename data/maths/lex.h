/* An answer's bytes as tokens: LaTeX, what models write without it ("sqrt(2)", "x >= 3"), and UTF-8 signs. */
#ifndef TERSE_DATA_MATHS_LEX_H
#define TERSE_DATA_MATHS_LEX_H

#include "data/maths/expr.h"

enum token_kind {
    TOK_END,
    TOK_SKIP, /* spacing, \left, $: never stored */
    TOK_NUMBER,
    TOK_SYMBOL,
    TOK_CONSTANT,   /* op: enum constant */
    TOK_FUNCTION,   /* op: enum function */
    TOK_TEXT,       /* the words of \text{...}, or a plain word */
    TOK_OPERATOR,   /* op: one of + - * / ^ _ : */
    TOK_POSTFIX,    /* op: one of ! % ' o (degrees) */
    TOK_PLUS_MINUS, /* op: + for \pm, - for \mp */
    TOK_RELATION,   /* op: enum relation */
    TOK_SETS,       /* op: one of u n \ */
    TOK_OPEN,       /* op: one of ( [ { S (a set) < f (floor) c (ceiling) */
    TOK_CLOSE,      /* op: one of ) ] } S > f c */
    TOK_BAR,
    TOK_SEPARATOR, /* op: one of , ; & (and, or) */
    TOK_FRAC,
    TOK_SQRT,
    TOK_BINOM,
    TOK_BEGIN, /* s: the environment's name */
    TOK_FINISH,
    TOK_CELL,
    TOK_ROW,
    TOK_ARGUMENT, /* a command whose one argument is shown as it is: \overline, \mathbf */
    TOK_DOTS,     /* however written, becomes one symbol */
    TOK_WORDS,    /* \text and the like; becomes another kind */
};

/* How commas between digits are read. */
enum {
    LEX_THOUSANDS = 1 /* 1,234 outside brackets is one number */,
    LEX_DECIMAL_COMMA = 2 /* 2,74 is 2.74 */
};

/* Fills a->tokens, a TOK_END last. Returns 0; -1, refused, when there are too many. */
int lex(struct arena *a, const char *s, size_t n, int flags);

/* An answer's tokens as one text without spacing, for comparing words: out[cap], at most cap bytes; small
 * letters when `fold`. Returns how many. */
size_t lex_plain(const struct token *t, char *out, size_t cap, bool fold);

/* ---- the table of words -------------------------------------------------------------------------------- */

struct lex_word {
    const char *name; /* without the backslash */
    uint8_t kind, op;
    bool plain; /* also without a backslash */
};
/* The row of a name, or NULL. */
const struct lex_word *lex_word(const char *s, size_t n);
/* The sign that s begins with ("<=", "π"), or NULL. */
const struct lex_word *lex_sign(const char *s, size_t n);
/* True for short words that are units or English, where letters would else be read as variables. */
bool lex_is_prose(const char *s, size_t n);

#endif
