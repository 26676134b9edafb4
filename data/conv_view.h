/* What a file of conversations is to data/conversations.c: Parquet's columns (conv_parquet.c) or JSON's rows
 * (conv_json.c), and what the two share. */
#ifndef TERSE_DATA_CONV_VIEW_H
#define TERSE_DATA_CONV_VIEW_H

#include "data/conversations.h"

/* `self` is what open() made; the rest are conv_file's functions. */
struct conv_view {
    int (*open)(void **self, const char *path, struct err *e);
    void (*close)(void *self); /* NULL ok */
    uint64_t (*rows)(const void *self);
    int (*next)(void *self, struct conv_row *row, struct err *e);
    int (*seek)(void *self, uint64_t row, struct err *e);
    struct file_part (*part)(const void *self, uint64_t row);
    uint64_t (*bytes)(const void *self);
};
extern const struct conv_view conv_parquet, conv_json;

/* ---- shapes ---------------------------------------------------------------------------------------------
 */

/* A row is a list of turns under one key, or a question and an answer under two. */
struct conv_shape {
    const char *list; /* "conversations" or "messages"; NULL: the keys below */
    const char *question, *answer;
    bool alpaca; /* may also have `input` and `history` */
};

/* Keys of a turn: `from` and `value`, or `role` and `content`. */
extern const char *const conv_turn_keys[2][2];
enum { CONV_FROM, CONV_VALUE };

/* The shape of what has the keys that has() knows, into *out. ROW_AMBIGUOUS: it has two of them. Returns 0
 * with out->list and out->question NULL when it has none. `what` opens messages. */
int conv_shape_find(struct conv_shape *out, bool (*has)(const void *ctx, const char *key), const void *ctx,
                    const char *what, struct err *e);
/* The keys that were looked for, for the message that none was found. */
extern const char conv_shapes_wanted[];

/* ---- turns ----------------------------------------------------------------------------------------------
 */

/* The turns of one row, and a text that is made of two. Zero is empty. */
struct conv_maker {
    struct conv_turn *turns;
    size_t n, cap;
    char *text;
    size_t text_cap;
};

/* A question (with `input` on a line of its own behind it, if it has any) and its answer. */
struct conv_pair {
    struct conv_text question, input, answer;
};

/* Forgets the turns of the row before; then turns is not NULL even of a row without any. Errors: NOMEM. */
int maker_begin(struct conv_maker *m, struct err *e);
int maker_turn(struct conv_maker *m, struct conv_text from, struct conv_text value, struct err *e);
int maker_pair(struct conv_maker *m, const struct conv_pair *p, struct err *e);
/* Puts a system turn in front unless `system` is empty or there is one. */
int maker_system(struct conv_maker *m, struct conv_text system, struct err *e);
/* Hands the turns to the row. */
void maker_end(const struct conv_maker *m, struct conv_row *row);
void maker_clear(struct conv_maker *m);

#endif
