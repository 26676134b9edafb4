/* libterse as it is installed: a program finds it through pkg-config, asks four streams, and sees nothing of
 * it but what terse.h declares. */
#include "tests/support/run.h"
#include "tests/support/small_gguf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static char build[300];
static struct small_gguf files;

/* run_terse() without its "/terse". */
static void build_folder(void)
{
    snprintf(build, sizeof build, "%s", run_terse());
    *strrchr(build, '/') = 0;
}

static int setup(void **state)
{
    (void)state;
    run_setup(state);
    build_folder();
    if (SANITIZED) return 0;
    small_gguf(&files, run_dir);
    /* whoever runs the tests may have other makefiles in mind */
    run_expect(
        0, run_log,
        "env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MODE make -o all -o lib install B=%s PREFIX=%s/root",
        build, run_dir);
    return 0;
}

/* Does not return where it skips. */
static void need_tools(void)
{
    bool lost =
        !SANITIZED && system("(pkg-config --version && nm --version && cc --version) >/dev/null 2>&1");
    if (SANITIZED) printf("skip: a program without sanitizers cannot link a library with them\n");
    if (lost) printf("skip: pkg-config, nm or cc is not here\n");
    if (SANITIZED || lost) skip();
}

/* What a shell command prints, the caller's to free. It must end with status 0. $PKG finds terse.pc. */
static char *out_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *out_of(const char *fmt, ...)
{
    char command[3000];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command, sizeof command, fmt, ap);
    va_end(ap);
    run_expect(0, run_log,
               "sh -c 'export PKG_CONFIG_PATH=%s/root/lib/pkgconfig LD_LIBRARY_PATH=%s/root/lib; %s'",
               run_dir, run_dir, command);
    return run_read(run_log);
}

static void only_terse_names_show(void **state)
{
    (void)state;
    need_tools();
    for (int i = 0; i < 2; i++) {
        int names = 0;
        char *out = i ? out_of("nm -g --defined-only %s/root/lib/libterse.a", run_dir)
                      : out_of("nm -D --defined-only %s/root/lib/libterse.so", run_dir);
        for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n")) {
            char *name = strrchr(line, ' ');
            if (!name) continue; /* "terse.o:" */
            if (strncmp(name + 1, "terse_", 6)) fail_msg("%s shows", name + 1);
            names++;
        }
        assert_true(names >= 40);
        free(out);
    }
}

/* Every function of the header is there, and nothing prints, exits or kills. */
static void the_header_is_the_library(void **state)
{
    (void)state;
    need_tools();
    char *names = out_of("nm -D --defined-only %s/root/lib/libterse.so", run_dir);
    char *wants = out_of("nm -D -u %s/root/lib/libterse.so", run_dir);
    static const char *const never[] = {" printf", " puts",  " exit", " stdout",
                                        " stderr", " kill@", " fopen"};
    int declared = 0;
    char path[300], name[80];
    snprintf(path, sizeof path, "%s/root/include/terse.h", run_dir);
    char *header = run_read(path);
    for (char *p = header; (p = strstr(p, "TERSE_API ")); p++) {
        char *open = strchr(p, '('), *begin = open;
        if (!strncmp(p, "TERSE_API __attr", 16)) continue;
        while (begin[-1] != ' ' && begin[-1] != '*') begin--;
        snprintf(name, sizeof name, " %.*s\n", (int)(open - begin), begin);
        if (!strstr(names, name)) fail_msg("the library lacks%s", name);
        declared++;
    }
    assert_true(declared >= 40);
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (strstr(wants, never[i])) fail_msg("the library calls%s", never[i]);
    free(header), free(names), free(wants);
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what)) n++;
    return n;
}

/* Through the shared library and the static one, with the adapter and without. */
static void the_example_answers(void **state)
{
    (void)state;
    need_tools();
    free(out_of("cc -Wall -Wextra -Werror examples/ask.c $(pkg-config --cflags --libs terse) -o %s/ask",
                run_dir));
    free(out_of("cc examples/ask.c $(pkg-config --cflags terse) %s/root/lib/libterse.a "
                "$(pkg-config --static --libs-only-l terse | sed s/-lterse//) -o %s/ask-static",
                run_dir, run_dir));
    char *out = out_of("%s/ask %s %s Hi", run_dir, files.model, files.adapter);
    assert_int_equal(count(out, "--- answer "), 4);
    assert_true(count(out, "0| ") > 3 && count(out, "3| ") > 3);
    assert_non_null(strstr(out, "pages held"));
    char *same = out_of("%s/ask-static %s %s Hi", run_dir, files.model, files.adapter);
    char *base = out_of("%s/ask %s - Hi", run_dir, files.model);
    *strstr(out, " tokens read") = *strstr(same, " tokens read") = *strstr(base, " tokens read") = 0;
    assert_string_equal(out, same);
    assert_string_not_equal(out, base);
    free(out), free(same), free(base);
    free(out_of("%s/ask %s/none.gguf - Hi 2>&1 | grep FILE_MISSING", run_dir, run_dir));
    free(out_of("%s/root/bin/terse-infer info %s", run_dir, files.model));
}

/* C of 1989, and C++ where there is a compiler. */
static void the_header_is_for_everybody(void **state)
{
    (void)state;
    need_tools();
    static const char *const languages[] = {"cc -std=c89 -pedantic -x c", "cc -std=c11 -x c",
                                            "c++ -std=c++11 -x c++"};
    for (int i = 0; i < 3; i++) {
        if (i == 2 && system("command -v c++ >/dev/null")) continue;
        free(out_of("%s -Wall -Wextra -Werror -fsyntax-only %s/root/include/terse.h", languages[i], run_dir));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_terse_names_show),
        cmocka_unit_test(the_header_is_the_library),
        cmocka_unit_test(the_example_answers),
        cmocka_unit_test(the_header_is_for_everybody),
    };
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
