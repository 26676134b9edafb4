/* A folder of fetched files, and what is known of them: FOLDER/.terse/fetched.jsonl, a line for each file
 * that came whole, the last one of a path counts; .terse/parts for those that are coming; .terse/lock for one
 * fetch at a time.
 *
 * A line is on the disk before its file has its name: there is no fetched file that nobody knows. */
#ifndef TERSE_DATA_FETCH_FETCHED_H
#define TERSE_DATA_FETCH_FETCHED_H

#include "checkpoints/file.h"
#include "checkpoints/sha256.h"

#include <stdbool.h>

struct record {
    char *path, *url;
    uint64_t bytes;
    int64_t mtime; /* nanoseconds: the file has not been touched since, if it still says so */
    char sha256[SHA256_HEX];
    char digest[SHA256_HEX]; /* what it was compared with: 64 or 40 digits, or "" */
    size_t line;             /* of the file */
};

struct fetched {
    char folder[FILE_PATH];
    struct file_lock lock;
    struct record *records; /* n, by path */
    size_t n, cap;
};

/* Makes and locks the folder and reads what is known. Errors: LOCKED, those of files and of JSON lines (a
 * torn last line is none; it is cut off). *f is then empty. */
int fetched_open(struct fetched *f, const char *folder, struct err *e);
/* The same for looking only: nothing is made, written or locked; a folder that is not there is empty. */
int fetched_look(struct fetched *f, const char *folder, struct err *e);
void fetched_close(struct fetched *f);

/* NULL: not known when the folder was opened. */
const struct record *fetched_find(const struct fetched *f, const char *path);
/* The file is there, as long and as old as the record says. */
bool fetched_untouched(const struct fetched *f, const struct record *r);
/* Adds a line, on the disk when this returns. `records` is left as it is. */
int fetched_add(const struct fetched *f, const struct record *r, struct err *e);

/* FOLDER/.terse/NAME. */
int fetched_ours(char out[FILE_PATH], const struct fetched *f, const char *name, struct err *e);

#endif
