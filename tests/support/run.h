/* Running the built programs as a user would. */
#ifndef TERSE_TESTS_RUN_H
#define TERSE_TESTS_RUN_H

#include "checkpoints/sha256.h"

#include <stddef.h>
#include <sys/types.h>

/* BUILD/terse, from $TERSE_BUILD (default "build"). Static storage. */
const char *run_terse(void);

/* Starts a shell command; stdout and stderr go to `log`. Returns its process id. */
pid_t run_start(const char *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Waits; the exit status, or 128 + the signal. */
int run_wait(pid_t pid);
/* Both. When the status is not `want`, prints the log and fails the running test. */
void run_expect(int want, const char *log, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A fresh folder for a test; removed by run_folder_remove. */
void run_folder(char *path, size_t size, const char *name);
void run_folder_remove(const char *path);

/* Runs `command` `kills` times and kills it each time (SIGKILL), at a random moment, later ones on average
 * and the last within `most` seconds: a guess that is far too long still finds the first ones alive. Returns
 * how many it found alive. */
int run_kill(const char *log, const char *command, int kills, double most, unsigned seed);

/* The digest of the adapter that a training run left in the folder `dir`. */
void run_adapter(const char *dir, char hex[SHA256_HEX]);

/* A test program's own folder: made by run_setup, removed with all it holds by run_teardown (group setup and
 * teardown of cmocka). run_log and run_out are files in it, for what commands say and print. */
extern char run_dir[256], run_log[300], run_out[300];
int run_setup(void **state);
int run_teardown(void **state);
/* "FOLDER/name" in a ring of 8 static buffers. */
const char *run_in(const char *name);

/* A text file: all of it, the caller's to free; and written. */
char *run_read(const char *path);
void run_write(const char *path, const char *text);
/* Lines of a text file. */
int run_lines(const char *path);
/* Fails the running test unless the file has `says` in it. */
void run_says(const char *path, const char *says);

#endif
