/* What every command of terse shares: the table of commands, help, exit statuses, messages, signals.
 *
 * Exit statuses: 0 ok, 1 failed, 2 wrong command line, 75 interrupted: the same command goes on, or begins
 * again where nothing was saved, as its sentence says. Results go to stdout, everything else to stderr. This
 * file is the one place outside cmd_*.c and main_*.c that prints. */
#ifndef TERSE_INFER_CLI_H
#define TERSE_INFER_CLI_H

#include "infer/err.h"
#include "infer/option.h"
#include "infer/terse.h" /* TERSE_VERSION */

#include <stdbool.h>
#include <stdio.h>

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 75 };

/* A command. `run` gets argv[0] = its own name and returns the exit status. It lives in FOLDER/cmd_NAME.c
 * and .h, its row in rl/main_terse.c. */
struct command {
    const char *name, *summary; /* summary: one phrase, lower case, no full stop */
    int (*run)(int argc, char **argv);
    const char *group; /* heading in the overview, of this row and those below; NULL: as the row above */
};

struct program {
    const char *name, *about; /* "terse"; one or two sentences */
    const char *first;        /* the first command to type, shown at the end of the overview; NULL none */
    const struct command *commands; /* ends with a row whose name is NULL */
};

/* Runs argv[1] of the table. Without arguments, or with `help`, `--help`, `-h`: the overview, status 0;
 * `help NAME` is `NAME --help`; --version prints the version; an unknown command names the nearest, status 2.
 */
int cli_main(const struct program *p, int argc, char **argv);
/* The name of the program that cli_main runs: "terse" before. */
const char *cli_program(void);

/* Prints "PROGRAM: <sentence> [KIND]" to stderr and returns the exit status that goes with the kind: USAGE 2,
 * INTERRUPTED 75, others 1. */
int cli_fail(const struct err *e);

/* As cli_fail(), with status 2: for whatever is wrong with the command line itself. */
int cli_usage(const struct err *e);

/* Parses the command line into `o` and prints help if asked for. Returns -1 to go on, else the status to
 * exit with:   int status = cli_parse(&o, argc, argv);  if (status >= 0) { options_free(&o); return status; }
 */
int cli_parse(struct options *o, int argc, char **argv);

/* Columns of the terminal behind `f`: its size, else $COLUMNS, else 80; within 40..160. */
int cli_width(FILE *f);

/* True when `f` is a terminal that can redraw a line: TERM is neither unset nor "dumb". */
bool cli_live(FILE *f);

/* True when `f` is such a terminal that may be coloured: NO_COLOR is unset or empty. */
bool cli_colour(FILE *f);

/* True when `f` is such a terminal in a UTF-8 locale (LC_ALL, LC_CTYPE, LANG), so that bars and braille show.
 */
bool cli_utf8(FILE *f);

enum cli_style { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_RED, CLI_GREEN, CLI_YELLOW };
/* The escape sequence that starts a style (CLI_PLAIN ends all), or "" where cli_colour(f) is false. */
const char *cli_style(FILE *f, enum cli_style style);

/* Prints text [n] of a model or a file: a terminal gets "?" for each control character but \n and \t. Returns
 * 0, or -1 with errno. */
int cli_text(FILE *f, const char *text, size_t n);

/* Makes SIGINT and SIGTERM set a flag instead of killing; a second one kills. The flag is cleared. */
void cli_catch_signals(void);
/* Lets them kill again. */
void cli_release_signals(void);
/* The signal that came, or 0. Long loops look at it between steps, save, and return ERR_INTERRUPTED. */
int cli_interrupted(void);

#endif
