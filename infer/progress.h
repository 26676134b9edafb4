/* One live line on a terminal, with a bar, the rate and the time left; plain lines now and then elsewhere.
 *
 *     struct progress p;
 *     progress_start(&p, stderr, "train", "step", first, total);
 *     for (...) progress_update(&p, step, "loss 1.234");     cheap: draws ten times a second at most
 *     progress_finish(&p, step, "loss 0.456");
 */
#ifndef TERSE_INFER_PROGRESS_H
#define TERSE_INFER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
    FILE *f;
    const char *label, *unit; /* the caller's; unit in the singular: "step"; "B": bytes, told in MB or GB */
    uint64_t first, total;    /* done at the start (a resumed run); 0: total unknown, no bar */
    bool live, utf8;          /* redraw one line; with block characters */
    bool drawn;               /* a line stands on the terminal */
    double started, drawn_at; /* seconds of the monotonic clock */
    double every;             /* seconds between lines */
};

/* Draws nothing yet. `live` and `utf8` follow from `f` (infer/cli.h); nothing is owned. */
void progress_start(struct progress *p, FILE *f, const char *label, const char *unit, uint64_t first,
                    uint64_t total);

/* `done` of total; note: free text behind, NULL none. */
void progress_update(struct progress *p, uint64_t done, const char *note);

/* The last line, which stays. */
void progress_finish(struct progress *p, uint64_t done, const char *note);

/* Wipes the live line, so that something else can be printed; the next update draws it again. Where lines are
 * plain there is nothing to wipe. */
void progress_clear(struct progress *p);

/* The line for `done` after `seconds`, at most `width` columns, without a line break. buf[cap] is filled and
 * returned; cap 512 always suffices. */
const char *progress_line(const struct progress *p, uint64_t done, double seconds, const char *note,
                          int width, char *buf, size_t cap);

/* "17 B", "1.2 kB", "240.1 MB", "28.13 GB": thousands, as disks and networks count. */
const char *progress_bytes(double bytes, char *buf, size_t cap);

/* Seconds of the monotonic clock. */
double progress_clock(void);

/* "0:07", "12:34", "1:02:03". */
const char *progress_time(double seconds, char *buf, size_t cap);

#endif
