#include "rl/sandbox.h"
#include "infer/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    START_SECONDS = 120,  /* for bwrap and Python to come up, on whatever machine */
    DYING_SECONDS = 10,   /* for what was killed to be gone */
    NOBODY = 65534,       /* user and group */
    PIECE = 1 << 16,      /* bytes read at a time */
    PROGRAM_MAX = 1 << 16 /* bytes; Linux takes an argument of 128 KiB */
};
#define MARK '+' /* the first byte: all before the program has worked */

/* What stands before a program: its limits, then the mark. Limits that are lower already stay. */
static const char prelude[] =
    "import os, resource as r\n"
    "for k, v in ((r.RLIMIT_AS, %llu), (r.RLIMIT_CPU, %u), (r.RLIMIT_NPROC, 16), (r.RLIMIT_NOFILE, 64),\n"
    "             (r.RLIMIT_FSIZE, 16 << 20), (r.RLIMIT_CORE, 0)):\n"
    "    h = r.getrlimit(k)[1]\n"
    "    v = v if h < 0 or v < h else h\n"
    "    r.setrlimit(k, (v, v))\n"
    "os.dup2(os.open('/dev/null', os.O_WRONLY), 2)\n"
    "os.write(1, b'+')\n";

/* ---- starting ------------------------------------------------------------------------------------------ */

/* A sandbox that runs, seen from outside. */
struct child {
    pid_t pid;
    int pidfd;       /* readable once it has ended */
    int in[2];       /* its stdin; the end that is read stays open here too: who writes is never killed */
    int out[2];      /* its stdout */
    const char *say; /* [left] for its stdin */
    size_t left, most, capacity;
    bool up; /* the mark has come */
    double deadline;
};

static void close_fd(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* No root any more; the pipes are its own, so that /dev/stdin can be opened. */
static bool is_nobody(void)
{
    return !fchown(0, NOBODY, NOBODY) && !fchown(1, NOBODY, NOBODY) && !syscall(SYS_setgroups, 0, NULL) &&
           !setgid(NOBODY) && !setuid(NOBODY);
}

/* In the child, where only what a signal handler may do is allowed. It inherits a pipe's end as stdin, one as
 * stdout and stderr, and nothing else. */
static void become(const struct child *c, pid_t parent, char **argv, bool root)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setsid();
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);
    bool tame = fd < 0 || write(fd, "1000", 4) == 4;
    if (!tame || dup2(c->in[0], 0) || dup2(c->out[1], 1) != 1 || dup2(c->out[1], 2) != 2) _exit(126);
    if (syscall(SYS_close_range, 3, ~0U, 0)) _exit(126);
    if (root && !is_nobody()) _exit(126);
    /* bwrap binds its life to ours itself, and not before its children wait for it no more: killed earlier,
     * it would leave one that waits for ever. What it has started by then ends at the mark, which nobody
     * reads. */
    if (getppid() == parent) execv(argv[0], argv);
    _exit(127);
}

/* bwrap's arguments, and Python's up to its program. */
/* clang-format off */
static const char *const fixed[] = {
    "--unshare-all", "--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox",
    "--new-session", "--die-with-parent",
    "--clearenv", "--setenv", "PATH", "/usr/local/bin:/usr/bin", "--setenv", "LANG", "C.UTF-8",
    "--setenv", "PYTHONHASHSEED", "0", /* a program prints the same every time */
    "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
    "--symlink", "usr/lib64", "/lib64", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache",
    "--ro-bind-try", "/etc/alternatives", "/etc/alternatives",
    "--proc", "/proc", "--dev", "/dev", "--size", "67108864", "--tmpfs", "/tmp",
    "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", "--", "python3", "-B", "-s", "-c"};
/* clang-format on */

/* What it has begun when it fails is finish's to end. */
static int start(struct child *c, const struct sandbox *s, char *program, struct err *e)
{
    enum { FIXED = sizeof fixed / sizeof *fixed };
    char *argv[FIXED + 3];
    pid_t parent = getpid();
    argv[0] = (char *)(uintptr_t)s->bwrap;
    memcpy(argv + 1, fixed, sizeof fixed); /* execv only reads them */
    argv[FIXED + 1] = program, argv[FIXED + 2] = NULL;
    if (pipe2(c->in, O_CLOEXEC) || pipe2(c->out, O_CLOEXEC)) return err_errno(e, errno, "no pipe");
    fcntl(c->in[1], F_SETFL, O_NONBLOCK);
    fcntl(c->out[0], F_SETFL, O_NONBLOCK);
    c->pid = fork();
    if (!c->pid) become(c, parent, argv, geteuid() == 0);
    if (c->pid < 0) return err_errno(e, errno, "cannot start %s", s->bwrap);
    close_fd(&c->out[1]);
    c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    return c->pidfd < 0 ? err_errno(e, errno, "cannot watch a process") : 0;
}

/* ---- listening ----------------------------------------------------------------------------------------- */

static int room(struct sandbox_run *r, struct child *c, struct err *e)
{
    if (r->n + 1 < c->capacity) return 0;
    size_t more = c->capacity ? 2 * c->capacity : PIECE;
    char *out = realloc(r->out, more);
    if (!out) return err_set(e, ERR_NOMEM, "no memory for what a program prints");
    r->out = out, c->capacity = more;
    return 0;
}

/* What there is to read, until it is more than there may be. The time of a run begins with the mark. */
static int listen_to(struct sandbox_run *r, struct child *c, const struct sandbox *s, struct err *e)
{
    while (c->out[0] >= 0 && r->n <= c->most) {
        int code = room(r, c, e);
        if (code) return code;
        ssize_t n = read(c->out[0], r->out + r->n, c->capacity - 1 - r->n);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return 0;
        if (n <= 0) close_fd(&c->out[0]);
        if (n <= 0) return 0;
        r->n += (size_t)n;
        if (c->up || *r->out != MARK) continue;
        memmove(r->out, r->out + 1, --r->n);
        c->up = true, c->deadline = progress_clock() + s->seconds;
    }
    return 0;
}

static void say_to(struct child *c)
{
    ssize_t n = c->left ? write(c->in[1], c->say, c->left) : 0;
    if (n > 0) c->say += n, c->left -= (size_t)n;
    if (!c->left) close_fd(&c->in[1]);
}

/* Until it ends, or has to. */
static int converse(struct sandbox_run *r, struct child *c, const struct sandbox *s, struct err *e)
{
    for (;;) {
        struct pollfd p[3] = {{c->pidfd, POLLIN, 0}, {c->out[0], POLLIN, 0}, {c->in[1], POLLOUT, 0}};
        double left = c->deadline - progress_clock();
        if (left <= 0) return r->end = SANDBOX_TIMEOUT, 0;
        int n = poll(p, 3, (int)ceil(1e3 * left));
        if (n < 0 && errno != EINTR) return err_errno(e, errno, "cannot wait for a program");
        if (n <= 0) continue;
        int code = p[0].revents || p[1].revents ? listen_to(r, c, s, e) : 0;
        if (code) return code;
        if (r->n > c->most) return r->end = SANDBOX_OUTPUT, 0;
        if (p[0].revents) return 0;
        if (p[2].revents) say_to(c);
    }
}

/* ---- ending -------------------------------------------------------------------------------------------- */

/* Reads on until nobody is left who could write. */
static void drain(struct child *c)
{
    char nothing[4096];
    double end = progress_clock() + DYING_SECONDS;
    while (c->out[0] >= 0 && progress_clock() < end) {
        struct pollfd p = {c->out[0], POLLIN, 0};
        if (poll(&p, 1, 1000 * DYING_SECONDS) <= 0) continue;
        ssize_t n = read(c->out[0], nothing, sizeof nothing);
        if (!n || (n < 0 && errno != EAGAIN && errno != EINTR)) close_fd(&c->out[0]);
    }
}

/* bwrap is killed unless it has ended; all that is in the sandbox dies with it. */
static void finish(struct sandbox_run *r, struct child *c)
{
    int status = 0;
    if (c->pid > 0) {
        kill(c->pid, SIGKILL);
        while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) continue;
        drain(c);
    }
    r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    close_fd(&c->pidfd);
    for (int i = 0; i < 2; i++) close_fd(&c->in[i]), close_fd(&c->out[i]);
}

/* bwrap's own words, or Python's: the last line of what came instead of the mark. */
static int not_up(const struct sandbox_run *r, struct err *e)
{
    size_t n = r->n;
    while (n && r->out[n - 1] == '\n') n--;
    const char *line = n ? memrchr(r->out, '\n', n) : NULL;
    line = line ? line + 1 : r->out;
    return err_set(e, ERR_TOOL,
                   "the sandbox in which code is run does not start here: %.*s. It takes bubblewrap 0.8 and "
                   "python3 (`apt install bubblewrap python3`), and a kernel or container that lets users "
                   "make namespaces",
                   n ? (int)(r->out + n - line) : 19, n ? line : "it does not say why");
}

int sandbox_run(struct sandbox_run *out, const struct sandbox *s, const char *program, const char *in,
                size_t n_in, size_t most, struct err *e)
{
    struct child c = {.pid = -1, .pidfd = -1, .in = {-1, -1}, .out = {-1, -1}, .say = in, .left = n_in};
    char text[PROGRAM_MAX];
    *out = (struct sandbox_run){.end = SANDBOX_EXITED};
    int n = snprintf(text, sizeof text, prelude, (unsigned long long)s->memory << 20, s->seconds + 1);
    if (strlen(program) >= sizeof text - (size_t)n) return err_set(e, ERR_TOO_LARGE, "a program too long");
    strcpy(text + n, program);
    c.most = most, c.deadline = progress_clock() + START_SECONDS;
    int r = start(&c, s, text, e);
    if (!r) r = converse(out, &c, s, e);
    finish(out, &c);
    if (!r && !c.up) r = not_up(out, e);
    if (!r) r = room(out, &c, e);
    if (r)
        free(out->out), out->out = NULL, out->n = 0;
    else
        out->out[out->n = out->n < most ? out->n : most] = 0;
    return r;
}

/* ---- is it there? -------------------------------------------------------------------------------------- */

/* An absolute path: a child that looks for a program itself would have to allocate. */
static bool find_bwrap(char *path, size_t size)
{
    for (const char *at = getenv("PATH"); at && *at; at += *at == ':') {
        int n = (int)strcspn(at, ":");
        if (*at == '/' && (size_t)snprintf(path, size, "%.*s/bwrap", n, at) < size && !access(path, X_OK))
            return true;
        at += n;
    }
    return false;
}

int sandbox_open(struct sandbox *s, uint32_t seconds, uint32_t memory, struct err *e)
{
    static const char trial[] = "import json, platform, types\nprint(platform.python_version(), end='')\n";
    struct sandbox_run r;
    *s = (struct sandbox){.seconds = seconds, .memory = memory};
    if (!find_bwrap(s->bwrap, sizeof s->bwrap))
        return err_set(e, ERR_TOOL,
                       "code that a model wrote is run in a sandbox, by bwrap, which is not installed: `apt "
                       "install bubblewrap python3`");
    int code = sandbox_run(&r, s, trial, "", 0, sizeof s->python - 1, e);
    if (!code && (r.end != SANDBOX_EXITED || r.status || !r.n))
        code = err_set(e, ERR_TOOL, "%s: Python does not work in %u MiB and %u seconds", s->bwrap, memory,
                       seconds);
    if (!code) memcpy(s->python, r.out, r.n + 1);
    free(r.out);
    return code;
}
