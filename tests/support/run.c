#include "tests/support/run.h"
#include "checkpoints/file.h"
#include "tests/support/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

const char *run_terse(void)
{
    static char path[512];
    const char *build = getenv("TERSE_BUILD");
    snprintf(path, sizeof path, "%s/terse", build ? build : "build");
    return path;
}

__attribute__((format(printf, 2, 0))) static pid_t start(const char *log, const char *fmt, va_list ap)
{
    char command[4096], exec_[4200];
    vsnprintf(command, sizeof command, fmt, ap);
    snprintf(exec_, sizeof exec_, "exec %s", command);
    /* opened here: however early the command is killed, the log is there and is its own */
    int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) fail_msg("cannot write %s", log);
    pid_t pid = fork();
    if (pid) {
        close(fd);
        return pid;
    }
    if (dup2(fd, 1) < 0 || dup2(fd, 2) < 0) _exit(126);
    execl("/bin/sh", "sh", "-c", exec_, (char *)NULL);
    _exit(127);
}

pid_t run_start(const char *log, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    pid_t pid = start(log, fmt, ap);
    va_end(ap);
    return pid;
}

int run_wait(pid_t pid)
{
    int status = 0;
    if (waitpid(pid, &status, 0) != pid) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void run_expect(int want, const char *log, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int got = run_wait(start(log, fmt, ap));
    va_end(ap);
    if (got == want) return;
    fail_msg("status %d, expected %d:\n%s", got, want, run_read(log));
}

int run_kill(const char *log, const char *command, int kills, double most, unsigned seed)
{
    int alive = 0;
    for (int i = 0; i < kills; i++) {
        pid_t pid = run_start(log, "%s", command);
        pause_for(most * (i + 1) / kills * (rand_r(&seed) % 1000) / 1000.0);
        kill(pid, SIGKILL);
        alive += run_wait(pid) == 128 + SIGKILL;
    }
    return alive;
}

void run_folder(char *path, size_t size, const char *name)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(path, size, "%s/terse-%s-XXXXXX", tmp ? tmp : "/tmp", name);
    if (!mkdtemp(path)) fail_msg("cannot make %s", path);
}

void run_folder_remove(const char *path)
{
    file_remove_tree(path, NULL);
}

char run_dir[256], run_log[300], run_out[300];

int run_setup(void **state)
{
    (void)state;
    run_folder(run_dir, sizeof run_dir, "test");
    snprintf(run_log, sizeof run_log, "%s/log", run_dir);
    snprintf(run_out, sizeof run_out, "%s/out", run_dir);
    return 0;
}

int run_teardown(void **state)
{
    (void)state;
    run_folder_remove(run_dir);
    return 0;
}

const char *run_in(const char *name)
{
    static char ring[8][512];
    static unsigned next;
    char *path = ring[next++ % 8];
    snprintf(path, sizeof ring[0], "%s/%s", run_dir, name);
    return path;
}

void run_adapter(const char *dir, char hex[SHA256_HEX])
{
    char path[600];
    struct err e = {0};
    snprintf(path, sizeof path, "%s/adapter/adapter_model.safetensors", dir);
    if (sha256_file(path, hex, NULL, &e)) fail_msg("%s", e.msg);
}

char *run_read(const char *path)
{
    char *text;
    size_t n;
    struct err e = {0};
    if (file_load(path, 1 << 24, &text, &n, &e)) fail_msg("%s", e.msg);
    return text;
}

void run_write(const char *path, const char *text)
{
    struct err e = {0};
    if (file_save(path, text, strlen(text), &e)) fail_msg("%s", e.msg);
}

void run_says(const char *path, const char *says)
{
    char *text = run_read(path);
    if (!strstr(text, says)) fail_msg("expected \"%s\" in:\n%s", says, text);
    free(text);
}

int run_lines(const char *path)
{
    char *text = run_read(path);
    int n = 0;
    for (char *at = text; (at = strchr(at, '\n')); at++) n++;
    free(text);
    return n;
}
