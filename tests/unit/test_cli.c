/* The command line as a user meets it: overview, help, statuses, messages, signals. */
#include "infer/cli.h"

#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int ran_argc;
static char ran_args[4][32];

static int note_run(int argc, char **argv)
{
    ran_argc = argc;
    for (int i = 0; i < argc && i < 4; i++) snprintf(ran_args[i], sizeof ran_args[i], "%s", argv[i]);
    return 7;
}

static const struct command commands[] = {
    {.name = "sft", .summary = "fine-tune a model", .run = note_run, .group = "Training"},
    {.name = "generate", .summary = "answer a prompt", .run = note_run, .group = "Inference"},
    {.name = "chat", .summary = "talk", .run = note_run},
    {0}};
static const struct program program = {
    .name = "terse", .about = "Teaches small models.", .first = "terse sft -c x.yaml", .commands = commands};

struct seen {
    int status;
    char out[8192], err[4096];
};

static void read_all(FILE *f, char *buf, size_t cap)
{
    rewind(f);
    buf[fread(buf, 1, cap - 1, f)] = 0;
}

/* Runs cli_main with stdout and stderr in files. */
static struct seen run(const char *a, const char *b, const char *c)
{
    struct seen s;
    const char *words[] = {"terse", a, b, c, NULL};
    int argc = 1 + (a != NULL) + (b != NULL) + (c != NULL);
    FILE *out = tmpfile(), *err = tmpfile();
    fflush(stdout), fflush(stderr);
    int old_out = dup(1), old_err = dup(2);
    dup2(fileno(out), 1), dup2(fileno(err), 2);
    ran_argc = 0;
    s.status = cli_main(&program, argc, (char **)(uintptr_t)words);
    fflush(stdout), fflush(stderr);
    dup2(old_out, 1), dup2(old_err, 2);
    close(old_out), close(old_err);
    read_all(out, s.out, sizeof s.out);
    read_all(err, s.err, sizeof s.err);
    fclose(out), fclose(err);
    return s;
}

static void alone_it_explains_itself(void **state)
{
    (void)state;
    const char *const ways[] = {NULL, "--help", "-h", "help"};
    for (int i = 0; i < 4; i++) {
        struct seen s = run(ways[i], NULL, NULL);
        assert_int_equal(s.status, 0);
        assert_string_equal(s.err, "");
        assert_non_null(strstr(s.out, "Teaches small models."));
        assert_non_null(strstr(s.out, "\nTraining\n  sft       fine-tune a model\n"));
        assert_non_null(strstr(s.out, "\nInference\n  generate  answer a prompt\n  chat      talk\n"));
        assert_non_null(strstr(s.out, "First command to type:  terse sft -c x.yaml\n"));
        assert_null(strchr(s.out, '\033')); /* no colours in a file */
    }
    struct seen s = run("--version", NULL, NULL);
    assert_int_equal(s.status, 0);
    assert_string_equal(s.out, "terse " TERSE_VERSION "\n");
}

static void commands_are_found(void **state)
{
    (void)state;
    assert_int_equal(run("sft", "a", "b").status, 7);
    assert_int_equal(ran_argc, 3);
    assert_string_equal(ran_args[0], "sft");
    assert_string_equal(ran_args[2], "b");
    assert_int_equal(run("help", "chat", NULL).status, 7);
    assert_int_equal(ran_argc, 2);
    assert_string_equal(ran_args[0], "chat");
    assert_string_equal(ran_args[1], "--help");
}

static void unknown_commands_name_the_nearest(void **state)
{
    (void)state;
    struct seen s = run("genrate", NULL, NULL);
    assert_int_equal(s.status, 2);
    assert_string_equal(s.err, "terse: unknown command \"genrate\"; did you mean terse generate? [USAGE]\n");
    assert_string_equal(s.out, "");
    assert_non_null(strstr(run("gen", NULL, NULL).err, "did you mean terse generate?"));
    assert_non_null(strstr(run("frobnicate", NULL, NULL).err, "terse alone lists the commands"));
    assert_int_equal(run("help", "frobnicate", NULL).status, 2);
    assert_int_equal(run("", NULL, NULL).status, 2);
    assert_int_equal(ran_argc, 0);
}

static int status_of(int code, bool usage)
{
    struct err e = {0};
    fflush(stderr);
    int old = dup(2);
    FILE *sink = tmpfile();
    dup2(fileno(sink), 2);
    err_set(&e, code, "x");
    int status = usage ? cli_usage(&e) : cli_fail(&e);
    fflush(stderr);
    dup2(old, 2);
    close(old);
    fclose(sink);
    return status;
}

static void statuses(void **state)
{
    (void)state;
    assert_int_equal(status_of(ERR_USAGE, false), 2);
    assert_int_equal(status_of(ERR_INTERRUPTED, false), 75);
    assert_int_equal(status_of(ERR_KEY_UNKNOWN, false), 1); /* in a file */
    assert_int_equal(status_of(ERR_KEY_UNKNOWN, true), 2);  /* on the command line */
    assert_int_equal(status_of(ERR_NOMEM, false), 1);
}

static void a_terminal_is_told_from_a_file(void **state)
{
    (void)state;
    int master, slave;
    struct winsize size = {.ws_row = 24, .ws_col = 100};
    if (openpty(&master, &slave, NULL, NULL, &size)) {
        print_message("skip: no pseudo-terminal here\n");
        skip();
    }
    FILE *tty = fdopen(slave, "w"), *file = tmpfile();
    setenv("TERM", "xterm", 1);
    setenv("LC_ALL", "de_DE.UTF-8", 1);
    unsetenv("NO_COLOR");
    assert_true(cli_live(tty) && cli_colour(tty) && cli_utf8(tty));
    assert_int_equal(cli_width(tty), 100);
    assert_string_equal(cli_style(tty, CLI_RED), "\033[31m");
    assert_false(cli_live(file) || cli_colour(file) || cli_utf8(file));
    assert_string_equal(cli_style(file, CLI_RED), "");
    setenv("NO_COLOR", "1", 1);
    assert_true(cli_live(tty) && !cli_colour(tty));
    setenv("LC_ALL", "C", 1);
    assert_false(cli_utf8(tty));
    setenv("TERM", "dumb", 1);
    setenv("NO_COLOR", "", 1);
    assert_false(cli_live(tty) || cli_colour(tty));
    setenv("COLUMNS", "9999", 1);
    assert_int_equal(cli_width(file), 160);
    setenv("COLUMNS", "1", 1);
    assert_int_equal(cli_width(file), 40);
    unsetenv("COLUMNS");
    assert_int_equal(cli_width(file), 80);
    fclose(tty), fclose(file);
    close(master);
}

/* The first signal sets the flag, the second kills. */
static void signals_are_caught_once(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        cli_catch_signals();
        if (cli_interrupted()) _exit(1);
        raise(SIGTERM);
        if (cli_interrupted() != SIGTERM) _exit(2);
        raise(SIGTERM);
        _exit(3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* The real program, as a stranger types it. */
static void the_program_itself(void **state)
{
    (void)state;
    const char *build = getenv("TERSE_BUILD") ? getenv("TERSE_BUILD") : "build";
    static const struct {
        const char *name, *args;
        int status;
    } rows[] = {{"terse", "", 0},           {"terse", "--version", 0},       {"terse", "nonsense", 2},
                {"terse-infer", "", 0},     {"terse-infer", "--version", 0}, {"terse-infer", "nonsense", 2},
                {"terse", "data --help", 0}};
    char command[512];
    snprintf(command, sizeof command, "%s/terse", build);
    if (access(command, X_OK)) {
        print_message("skip: %s is not built\n", command);
        skip();
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(command, sizeof command, "%s/%s %s >/dev/null 2>&1", build, rows[i].name, rows[i].args);
        int status = system(command);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != rows[i].status) fail_msg("%s: %d", command, status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_it_explains_itself),
        cmocka_unit_test(commands_are_found),
        cmocka_unit_test(unknown_commands_name_the_nearest),
        cmocka_unit_test(statuses),
        cmocka_unit_test(a_terminal_is_told_from_a_file),
        cmocka_unit_test(signals_are_caught_once),
        cmocka_unit_test(the_program_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
