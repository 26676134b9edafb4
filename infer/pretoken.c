#include "infer/pretoken.h"

#include <stdbool.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

const char pretoken_pattern[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
                                "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/* The same for PCRE2 10.42, which differs from Oniguruma, the reference's engine, in two places: its \s also
 * takes U+180E, no White_Space since Unicode 6.3, and it does not know the Kaktovik numerals of Unicode 15
 * yet. */
#define SPACE  "\\t-\\r\\x{85}\\p{Z}"
#define NUMBER "\\p{N}\\x{1d2c0}-\\x{1d2d3}"
static const char pattern[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}" NUMBER "]?\\p{L}+|[" NUMBER "]"
                              "| ?[^" SPACE "\\p{L}" NUMBER "]+[\\r\\n]*|[" SPACE "]*[\\r\\n]+"
                              "|[" SPACE "]+(?![^" SPACE "])|[" SPACE "]+";

struct pretoken {
    pcre2_code *code;
    bool jit;
};

int pretoken_create(struct pretoken **out, struct err *e)
{
    int code;
    PCRE2_SIZE offset;
    struct pretoken *p = *out = calloc(1, sizeof *p);
    if (!p) return err_set(e, ERR_NOMEM, "no memory for the split pattern");
    p->code =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK, &code, &offset, NULL);
    if (!p->code) {
        pretoken_free(p);
        *out = NULL;
        return err_set(e, ERR_INTERNAL, "PCRE2 refuses the split pattern: error %d at %zu", code, offset);
    }
    p->jit = pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE) == 0;
    return 0;
}

void pretoken_free(struct pretoken *p)
{
    if (!p) return;
    pcre2_code_free(p->code);
    free(p);
}

void pretoken_start(struct pretoken_walk *w, const struct pretoken *p, const char *text, size_t len)
{
    *w = (struct pretoken_walk){.p = p, .text = text, .len = len};
}

void pretoken_stop(struct pretoken_walk *w)
{
    pcre2_match_data_free(w->match);
    w->match = NULL;
}

/* ---- ASCII by hand ----------------------------------------------------------------------------------------
 * Most of a text is plain words, and a call of PCRE2 costs more than the few bytes it looks at. What follows
 * decides the alternatives of the pattern where ASCII alone can, and gives up (0) before any other byte. */

enum class { OTHER, LETTER, DIGIT, NEWLINE, BLANK, WIDE };

static inline enum class class_at(const struct pretoken_walk *w, size_t i) {
    static const unsigned char classes[256] =
        {
            ['0' ... '9'] = DIGIT,
            ['A' ... 'Z'] = LETTER,
            ['a' ... 'z'] = LETTER,
            ['\n'] = NEWLINE,
            ['\r'] = NEWLINE,
            ['\t'] = BLANK,
            ['\v'] = BLANK,
            ['\f'] = BLANK,
            [' '] = BLANK,
            [128 ... 255] = WIDE,
        };
    return i < w->len ? (enum class)classes[(unsigned char)w->text[i]] : BLANK;
}

static inline size_t skip_class(const struct pretoken_walk *w, size_t i, enum class c)
{
    while (i < w->len && class_at(w, i) == c) i++;
    return i;
}

/* The end of the pre-token at w->at, or 0 when PCRE2 must say. */
static size_t ascii_next(const struct pretoken_walk *w)
{
    size_t at = w->at, i;
    char c = w->text[at];
    enum class first = class_at(w, at), second = class_at(w, at + 1);
    if (first == DIGIT) return at + 1;
    if (first == LETTER || (second == LETTER && first != NEWLINE && first != WIDE && c != '\'')) {
        i = skip_class(w, at + 1, LETTER);
        return class_at(w, i) == WIDE ? 0 : i;
    }
    if (c == ' ' && second == DIGIT) return at + 1;
    if ((first == OTHER && !(c == '\'' && second == LETTER)) || (c == ' ' && second == OTHER)) {
        i = skip_class(w, at + 1, OTHER);
        return class_at(w, i) == WIDE ? 0 : skip_class(w, i, NEWLINE);
    }
    if (first != NEWLINE) return 0;
    i = skip_class(w, at, NEWLINE);
    return class_at(w, i) == BLANK || class_at(w, i) == WIDE ? 0 : i;
}

static int regex_next(struct pretoken_walk *w, size_t *end, struct err *e)
{
    if (!w->match) w->match = pcre2_match_data_create(1, NULL);
    if (!w->match) return err_set(e, ERR_NOMEM, "no memory to split text");
    PCRE2_SPTR text = (PCRE2_SPTR)w->text;
    int rc = w->p->jit ? pcre2_jit_match(w->p->code, text, w->len, w->at, 0, w->match, NULL)
                       : pcre2_match(w->p->code, text, w->len, w->at, PCRE2_NO_UTF_CHECK, w->match, NULL);
    *end = pcre2_get_ovector_pointer(w->match)[1];
    if (rc > 0 && *end > w->at) return 0;
    return err_set(e, ERR_INTERNAL, "splitting text at byte %zu: PCRE2 error %d", w->at, rc);
}

int pretoken_next(struct pretoken_walk *w, size_t *end, struct err *e)
{
    *end = ascii_next(w);
    return *end ? 0 : regex_next(w, end, e);
}
