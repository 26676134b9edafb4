/* A book of measurements: cells, each a command of terse whose result is a file. A cell is run once; it is
 * run again when its command, or a file or folder that the command names, is another one. Whatever is shown
 * later is read from these files and from nowhere else.
 *
 *     FOLDER/ID.json, ID.gguf   the result, which appears whole or not at all
 *     FOLDER/ID.command         what made it, with sizes and times of what went in
 *     FOLDER/ID.txt             what it printed, where that is not the result
 *     FOLDER/ID.jsonl           answers of an evaluation, which it goes on from when it was stopped */
#ifndef TERSE_RL_BOOK_H
#define TERSE_RL_BOOK_H

#include "checkpoints/file.h"
#include "checkpoints/json.h"

enum { BOOK_ID = 64, BOOK_ARGS = 64 };

/* A command's arguments, without the program: texts are borrowed until the cell is added. "{out}" is where
 * the result goes, "{samples}" where the answers do; without "{out}" it is what the command prints. */
struct book_args {
    const char *at[BOOK_ARGS];
    size_t n;
};
void book_arg(struct book_args *a, const char *key,
              const char *value); /* value NULL: key alone; "": neither */

struct book_cell {
    char id[BOOK_ID], path[FILE_PATH]; /* of the result */
    char **arg;                        /* [n]; NULL: it cannot be measured */
    size_t n;
    char why[256];      /* that, or why it failed; "" */
    struct js *value;   /* of a JSON result that is there */
    bool done, changed; /* the result is there; and was made just now */
};

struct book {
    char folder[FILE_PATH];
    const char *program; /* terse; borrowed */
    struct book_cell *at;
    size_t n, capacity;
};

/* Makes the folder. *b is the caller's to book_close. Errors: PATH, those of writing. */
int book_open(struct book *b, const char *folder, const char *program, struct err *e);
void book_close(struct book *b); /* an empty one too */

/* Adds a cell whose result is FOLDER/ID.KIND, kind "json" or "gguf"; one of that id already: nothing. NOMEM,
 * PATH, TOO_MANY. */
int book_add(struct book *b, const char *id, const char *kind, const struct book_args *args, struct err *e);
/* A cell that cannot be measured. */
int book_refuse(struct book *b, const char *id, const char *why, struct err *e);
/* The cell, or NULL. Valid until the next is added. */
const struct book_cell *book_cell(const struct book *b, const char *id);

/* Takes what is there, and runs, one after the other, what is not (or nothing, where `run` is false). A cell
 * that fails says why, and the others go on. Errors: INTERRUPTED, LOCKED (another process runs it), those of
 * reading and writing the book. */
int book_run(struct book *b, bool run, struct err *e);

/* A number of a cell's result: "nano.accuracy", "caps[2].tokens_mean". False: not there; *why says what is
 * wrong with the cell (static text, or the cell's). */
bool book_number(const struct book *b, const char *id, const char *at, double *out, const char **why);
const struct js *book_value(const struct book *b, const char *id, const char *at);

#endif
