/* Runs Python that nobody has read, in bubblewrap (bwrap(1), Debian's package bubblewrap).
 *
 * Inside there is no network and no environment; nothing of the machine but /usr, read-only; new user,
 * process, network, IPC, host name and cgroup namespaces, no further ones, no capabilities, a session of its
 * own; one writable place, /tmp, of 64 MiB that go with it. A run has so many seconds by the clock, as many
 * of a processor, so much memory a process, 16 processes and threads, 64 files of 16 MiB, and so many bytes
 * to print. When it ends, or terse does, all of its processes are killed. Started by root, it first becomes
 * nobody. Should memory run out all the same (processes add up), the kernel takes these first.
 *
 * It is a fence, not a jail: who knows a hole in the kernel can climb it. */
#ifndef TERSE_RL_SANDBOX_H
#define TERSE_RL_SANDBOX_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

struct sandbox {
    char bwrap[256];          /* the program */
    char python[32];          /* "3.11.2" */
    uint32_t seconds, memory; /* of a run; MiB */
};

enum sandbox_end {
    SANDBOX_EXITED,  /* `status` says how */
    SANDBOX_TIMEOUT, /* its seconds were over; killed */
    SANDBOX_OUTPUT   /* it printed more than it may; killed */
};

struct sandbox_run {
    enum sandbox_end end;
    int status; /* as of exit; 128 + the signal that ended it */
    char *out;  /* [n] what it printed to stdout, with a NUL behind; owned */
    size_t n;
};

/* Finds bwrap on PATH and makes a trial run. TOOL, saying what is missing or forbidden and what helps. */
int sandbox_open(struct sandbox *s, uint32_t seconds, uint32_t memory, struct err *e);

/* Runs a program [a few KB] with in[n_in] on its stdin, a pipe; stderr goes nowhere. Its time begins when
 * Python is up. *out is the caller's to free `out->out`, also after an error (then NULL). To be called from
 * the main thread: the sandbox ends with the thread that started it. Errors: TOOL (the sandbox did not start:
 * nothing is known of the program), NOMEM, IO. */
int sandbox_run(struct sandbox_run *out, const struct sandbox *s, const char *program, const char *in,
                size_t n_in, size_t most, struct err *e);

#endif
