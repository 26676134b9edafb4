/* One step of decompressing a stream: what goes in, and where it comes out. */
#ifndef TERSE_CHECKPOINTS_STREAM_STEP_H
#define TERSE_CHECKPOINTS_STREAM_STEP_H

#include <stdbool.h>
#include <stddef.h>

/* The caller's memory; a step moves all four on, as far as one side lasts. */
struct stream_step {
    const unsigned char *in;
    size_t in_left;
    unsigned char *out;
    size_t out_left;
    bool whole; /* the stream may end here: as the last step left it, false at first */
};

#endif
