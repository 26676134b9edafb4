/* What a program cannot do in the sandbox, and what is told of how it ended. Hostile programs are the rule.
 */
#include "tests/support/sandbox_rig.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST = 1000 };

/* Runs a program; the caller frees what it printed. */
static struct sandbox_run ran(const char *program, const char *in)
{
    struct sandbox_run r;
    struct err e = {0};
    sandbox_rig_need();
    if (sandbox_run(&r, &sandbox_rig, program, in, strlen(in), MOST, &e)) fail_msg("%s", e.msg);
    return r;
}

static void prints(const char *program, const char *in, const char *want)
{
    struct sandbox_run r = ran(program, in);
    if (r.end != SANDBOX_EXITED || r.status || strcmp(r.out, want))
        fail_msg("end %d, status %d, \"%s\", expected \"%s\": %s", r.end, r.status, r.out, want, program);
    free(r.out);
}

static void ends(const char *program, enum sandbox_end end, int status)
{
    struct sandbox_run r = ran(program, "");
    if (r.end != end || (end == SANDBOX_EXITED && r.status != status))
        fail_msg("end %d, status %d, expected %d, %d: %s", r.end, r.status, end, status, program);
    free(r.out);
}

static void times_out(const char *program)
{
    sandbox_rig_need();
    uint32_t seconds = sandbox_rig.seconds;
    sandbox_rig.seconds = 1;
    ends(program, SANDBOX_TIMEOUT, 0);
    sandbox_rig.seconds = seconds;
}

/* Prints "no" for what raises OSError in the sandbox. */
#define TRIED                                                                                                \
    "def t(f):\n    try:\n        f()\n        print('yes', end=' ')\n    except OSError:\n        "         \
    "print('no', end=' ')\n"

static void it_works(void **state)
{
    (void)state;
    prints("print(input()[::-1])", "abc\n", "cba\n");
    prints("import sys; sys.stdout.write('a\\0b'); sys.stderr.write('x' * 100000)", "", "a");
    struct sandbox_run r = ran("import sys; sys.stdout.write('a\\0b')", "");
    assert_int_equal(r.n, 3);
    assert_memory_equal(r.out, "a\0b", 4);
    free(r.out);
    ends("os._exit(7)", SANDBOX_EXITED, 7);
    ends("import signal; os.kill(os.getpid(), signal.SIGKILL)", SANDBOX_EXITED, 128 + SIGKILL);
    ends("import ctypes; ctypes.string_at(0)", SANDBOX_EXITED, 128 + SIGSEGV);
    ends("def f(): f()\nf()", SANDBOX_EXITED, 1);
}

/* More than a pipe holds, read, half read and not read at all. */
static void long_inputs(void **state)
{
    size_t n = 3 << 20;
    struct sandbox_run r;
    struct err e = {0};
    (void)state;
    sandbox_rig_need();
    char *in = malloc(n);
    memset(in, 'x', n);
    static const char *const programs[][2] = {{"import sys; print(len(sys.stdin.read()))", "3145728\n"},
                                              {"print(len(os.read(0, 10)))", "10\n"},
                                              {"os.close(0); print(1)", "1\n"}};
    for (size_t i = 0; i < 3; i++) {
        if (sandbox_run(&r, &sandbox_rig, programs[i][0], in, n, MOST, &e)) fail_msg("%s", e.msg);
        assert_string_equal(r.out, programs[i][1]);
        assert_int_equal(r.status, 0);
        free(r.out);
    }
    free(in);
}

static void nothing_is_seen(void **state)
{
    char here[1024], program[1600];
    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    snprintf(
        program, sizeof program,
        TRIED
        "for p in ('/etc/passwd', '/root', '/home', '/var', '/sys', '%s/Makefile'): t(lambda: os.stat(p))",
        here);
    prints(program, "", "no no no no no no ");
    prints("print(sorted(set(os.environ) - {'LC_CTYPE'}), os.getcwd(), os.getuid(), os.uname().nodename)", "",
           "['LANG', 'PATH', 'PWD', 'PYTHONHASHSEED'] /tmp 65534 sandbox\n");
    prints("print(sorted(map(int, filter(str.isdigit, os.listdir('/proc')))))", "", "[1, 2]\n");
    prints("print(sorted(os.listdir('/proc/self/fd')))", "", "['0', '1', '2', '3', '4']\n");
}

static void nothing_is_written(void **state)
{
    (void)state;
    prints(TRIED "for p in ('/x', '/usr/x', '/dev/x', '/dev/shm/x', '/etc/x', '/proc/x', '/tmp/x'):\n"
                 "    t(lambda: open(p, 'w'))",
           "", "no no no no no no yes ");
    prints("print(os.listdir('/tmp'))", "", "[]\n"); /* the last run's went with it */
    prints(TRIED "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
                 "t(lambda: open('/tmp/x', 'wb', 0).write(b'x' * (17 << 20)) == 17 << 20 or open('/none'))",
           "", "no ");
    /* files together */
    prints("n = 0\ntry:\n    for i in range(60):\n        n += open(f'/tmp/{i}', 'wb', 0).write(b'x' * (8 << "
           "20))\n"
           "except OSError: pass\nprint(n <= 64 << 20)",
           "", "True\n");
}

static void no_way_out(void **state)
{
    (void)state;
    prints(TRIED "import socket, ctypes\n"
                 "t(lambda: socket.create_connection(('127.0.0.1', 22), 1))\n"
                 "t(lambda: socket.create_connection(('1.1.1.1', 80), 1))\n"
                 "t(lambda: os.kill(1, 0))\n"
                 "t(lambda: os.setuid(0))\n"
                 "libc = ctypes.CDLL(None)\nprint(libc.unshare(0x10000000), libc.mount(b'/usr', b'/tmp', "
                 "b'', 4096, b''))",
           "", "no no yes no -1 -1\n");
    /* its parent is the first process of its world, whom nobody there can kill */
    prints("for p in (os.getppid(), -1):\n    try: os.kill(p, 9)\n    except OSError: pass\nprint('there')",
           "", "there\n");
}

static void limits(void **state)
{
    (void)state;
    ends("a = []\nwhile True: a.append(bytearray(1 << 24))", SANDBOX_EXITED, 1);
    ends("while True: print('x' * 999)", SANDBOX_OUTPUT, 0);
    times_out("while True: pass");
    times_out("import time\nos.close(1)\nos.close(0)\ntime.sleep(999)");
    prints("import time\nn = 0\ntry:\n    while True:\n        if not os.fork(): time.sleep(99)\n        n "
           "+= 1\n"
           "except OSError: print(n < 16)",
           "", "True\n");
    prints("f = []\ntry:\n    while True: f.append(os.open('/usr', os.O_RDONLY))\nexcept OSError: "
           "print(len(f) < 64)",
           "", "True\n");
}

/* Processes whose command line has the text, whoever's. */
static int processes(const char *text)
{
    DIR *d = opendir("/proc");
    int n = 0;
    for (struct dirent *x; d && (x = readdir(d));) {
        char path[300], line[1 << 16];
        snprintf(path, sizeof path, "/proc/%s/cmdline", x->d_name);
        FILE *f = fopen(path, "r");
        size_t got = f ? fread(line, 1, sizeof line, f) : 0;
        n += got && memmem(line, got, text, strlen(text));
        if (f) fclose(f);
    }
    if (d) closedir(d);
    return n;
}

static int descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

/* A fork bomb that holds on to the clock's end, and one whose parent leaves: all is gone afterwards. */
static void nothing_is_left(void **state)
{
    char mark[64], program[400];
    (void)state;
    sandbox_rig_need();
    int open_ = descriptors();
    snprintf(mark, sizeof mark, "bomb_%ld", (long)getpid());
    snprintf(program, sizeof program,
             "# %s\nimport signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, "
             "32))\nos.setsid()\nwhile True:\n"
             "    try: os.fork()\n    except OSError: pass\n",
             mark);
    times_out(program);
    assert_int_equal(processes(mark), 0);
    snprintf(program, sizeof program,
             "# %s\nimport time\nif not os.fork():\n    os.setsid()\n    time.sleep(99)\n", mark);
    ends(program, SANDBOX_EXITED, 0);
    assert_int_equal(processes(mark), 0);
    assert_int_equal(descriptors(), open_);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child, dead or alive */
}

/* Waits until so many processes have the text in their command line, or none has. */
static void wait_for(const char *mark, bool there)
{
    for (int i = 0; i < 6000 && (processes(mark) > 0) != there; i++) usleep(10000);
    assert_true((processes(mark) > 0) == there);
}

/* Killed in the middle, terse takes the sandbox with it. */
static void dies_with_its_parent(void **state)
{
    char mark[64], program[200];
    struct sandbox_run r;
    (void)state;
    sandbox_rig_need();
    snprintf(mark, sizeof mark, "orphan_%ld", (long)getpid());
    snprintf(program, sizeof program, "# %s\nimport time\nos.fork()\nos.setsid()\ntime.sleep(999)\n", mark);
    pid_t pid = fork();
    if (!pid) _exit(sandbox_run(&r, &sandbox_rig, program, "", 0, MOST, NULL) != 0);
    wait_for(mark, true);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    wait_for(mark, false);
}

static void *spin(void *stop)
{
    while (!*(volatile bool *)stop) free(malloc(100));
    return NULL;
}

/* Beside a thread that holds the allocator's lock now and then. */
static void beside_threads(void **state)
{
    pthread_t thread;
    bool stop = false;
    (void)state;
    sandbox_rig_need();
    assert_int_equal(pthread_create(&thread, NULL, spin, &stop), 0);
    for (int i = 0; i < 5; i++) prints("print(1)", "", "1\n");
    *(volatile bool *)&stop = true;
    pthread_join(thread, NULL);
}

static void nothing(int signal)
{
    (void)signal;
}

/* Signals that come all the time: what a call was at goes on. */
static void interrupted(void **state)
{
    struct sigaction a = {.sa_handler = nothing}, before;
    (void)state;
    sandbox_rig_need();
    pid_t parent = getpid(), pid;
    sigaction(SIGUSR1, &a, &before);
    if (!(pid = fork()))
        for (;;) kill(parent, SIGUSR1), usleep(2000);
    prints("import time; time.sleep(.3); print(1)", "", "1\n");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    sigaction(SIGUSR1, &before, NULL);
}

/* What it says where it cannot be. */
static void not_there(void **state)
{
    struct sandbox s = sandbox_rig;
    struct sandbox_run r;
    struct err e = {0};
    char *path = strdup(getenv("PATH"));
    (void)state;
    setenv("PATH", "/nowhere:relative", 1);
    assert_int_equal(sandbox_open(&s, 1, 256, &e), ERR_TOOL);
    assert_non_null(strstr(e.msg, "apt install bubblewrap python3"));
    setenv("PATH", path, 1);
    free(path);
    e.code = 0;
    strcpy(s.bwrap, "/bin/false");
    assert_int_equal(sandbox_run(&r, &s, "", "", 0, MOST, &e), ERR_TOOL);
    assert_non_null(strstr(e.msg, "does not say why"));
    assert_null(r.out);
    e.code = 0;
    strcpy(s.bwrap, "/bin/ls"); /* complains, as bwrap does of what it may not */
    assert_int_equal(sandbox_run(&r, &s, "", "", 0, MOST, &e), ERR_TOOL);
    assert_non_null(strstr(e.msg, "--help"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_works),        cmocka_unit_test(long_inputs),
        cmocka_unit_test(nothing_is_seen), cmocka_unit_test(nothing_is_written),
        cmocka_unit_test(no_way_out),      cmocka_unit_test(limits),
        cmocka_unit_test(nothing_is_left), cmocka_unit_test(dies_with_its_parent),
        cmocka_unit_test(beside_threads),  cmocka_unit_test(interrupted),
        cmocka_unit_test(not_there)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
