#include "train/gnuplot.h"
#include "checkpoints/file.h"
#include "infer/ascii.h"

#include <errno.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- the script ---------------------------------------------------------------------------------------- */

/* A text in gnuplot's single quotes, where nothing but the quote itself means anything. */
static void put_quoted(FILE *f, const char *s)
{
    fputc('\'', f);
    for (; s && *s; s++) {
        if (*s == '\'') fputc('\'', f);
        fputc((unsigned char)*s < ' ' ? '?' : *s, f);
    }
    fputc('\'', f);
}

static void put_number(FILE *f, double x)
{
    if (isfinite(x))
        fprintf(f, " %.9g", x);
    else
        fputs(" NaN", f);
}

static void put_data(FILE *f, const struct gnuplot_panel *p, size_t panel)
{
    for (size_t k = 0; k < p->n; k++) {
        const struct gnuplot_series *s = &p->series[k];
        fprintf(f, "$data_%zu_%zu << EOD\n", panel, k);
        for (size_t i = 0; i < s->n; i++) {
            put_number(f, s->x[i]);
            put_number(f, s->y[i]);
            put_number(f, s->error ? s->error[i] : NAN);
            fputc('\n', f);
        }
        fputs("EOD\n", f);
    }
}

static void put_series(FILE *f, const struct gnuplot_panel *p, size_t panel, size_t k)
{
    const struct gnuplot_series *s = &p->series[k];
    fprintf(f, "%s $data_%zu_%zu using 1:2 with %s lt %zu lw 2 ", k ? "," : "plot", panel, k,
            p->style == GNUPLOT_BOXES ? "boxes fill solid 0.7 border" : "lines", k + 1);
    if (s->name && *s->name) {
        fputs("title ", f);
        put_quoted(f, s->name);
    } else {
        fputs("notitle", f);
    }
    if (s->error)
        fprintf(f, ", $data_%zu_%zu using 1:2:3 with yerrorbars lt %zu lw 1.5 pt 7 ps 0.7 notitle", panel, k,
                k + 1);
}

/* Boxes reach half their width beyond their places. */
static void put_boxes(FILE *f, const struct gnuplot_panel *p)
{
    const struct gnuplot_series *s = &p->series[0];
    double half = p->box_width / 2;
    fprintf(f, "set boxwidth %.9g\nset yrange [0:*]\n", 0.92 * p->box_width);
    if (s->n) fprintf(f, "set xrange [%.9g:%.9g]\n", s->x[0] - half, s->x[s->n - 1] + half);
}

static void put_panel(FILE *f, const struct gnuplot_panel *p, size_t panel)
{
    fputs("set title ", f), put_quoted(f, p->title);
    fputs("\nset xlabel ", f), put_quoted(f, p->x_label);
    fputs("\nset ylabel ", f), put_quoted(f, p->y_label);
    fputs(p->ticks ? "\nset xtics (" : "\nset xtics auto", f);
    for (size_t i = 0; p->ticks && i < p->n_ticks; i++) {
        fputs(i ? ", " : "", f);
        put_quoted(f, p->ticks[i]);
        fprintf(f, " %zu", i);
    }
    fputs(p->ticks ? ")\n" : "\n", f);
    if (p->ticks) fprintf(f, "set xrange [-0.3:%g]\n", (double)p->n_ticks - 0.7);
    if (p->style == GNUPLOT_BOXES) put_boxes(f, p);
    for (size_t k = 0; k < p->n; k++) put_series(f, p, panel, k);
    fputc('\n', f);
}

static void put_script(FILE *f, const char *output, const struct gnuplot_panel *panels, size_t n)
{
    for (size_t i = 0; i < n; i++) put_data(f, &panels[i], i);
    bool svg = ends_with(output, ".svg.tmp");
    fprintf(f, "set terminal %s noenhanced size %d,%zu font 'sans,11'\nset output ", svg ? "svg" : "pngcairo",
            svg ? 440 : 960, (svg ? 40 : 120) + (svg ? 260 : 360) * n);
    put_quoted(f, output);
    fputs("\nset border 3\nset tics nomirror out\nset grid lc rgb '#d8d8d8' lw 1\n"
          "set lmargin 11\nset key above horizontal right\nset datafile missing 'NaN'\nset style increment "
          "user\n",
          f);
    static const char *const colours[] = {"#2060a8", "#d0601c", "#2f8f4e", "#8a4ba8", "#b02a37", "#606060"};
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        fprintf(f, "set linetype %zu lc rgb '%s'\n", i + 1, colours[i]);
    fprintf(f, "set linetype cycle %zu\nset multiplot layout %zu,1\n", sizeof colours / sizeof *colours, n);
    for (size_t i = 0; i < n; i++) put_panel(f, &panels[i], i);
    fputs("unset multiplot\nset output\n", f);
}

/* ---- running it ---------------------------------------------------------------------------------------- */

/* What gnuplot complained of first; lines that only point at a place are passed over. */
static int complaint(FILE *said, struct err *e)
{
    char line[400];
    rewind(said);
    while (fgets(line, sizeof line, said)) {
        line[strcspn(line, "\n")] = 0;
        if (strspn(line, " \t^") < strlen(line) && strncmp(line, "gnuplot>", 8))
            return err_set(e, ERR_IO, "gnuplot failed: %.300s", line);
    }
    return err_set(e, ERR_IO, "gnuplot failed and does not say why");
}

/* gnuplot reads the script from a file and not from a pipe: if it dies, nobody is killed by writing. */
static int gnuplot_run(FILE *script, FILE *said, struct err *e)
{
    static char name[] = "gnuplot";
    char *argv[] = {name, NULL};
    posix_spawn_file_actions_t files;
    pid_t pid;
    int status, r = posix_spawn_file_actions_init(&files);
    if (r) return err_set(e, ERR_NOMEM, "no memory to start gnuplot");
    r = posix_spawn_file_actions_adddup2(&files, fileno(script), 0);
    if (!r) r = posix_spawn_file_actions_adddup2(&files, fileno(said), 1);
    if (!r) r = posix_spawn_file_actions_adddup2(&files, fileno(said), 2);
    if (!r) r = posix_spawnp(&pid, name, &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    if (r == ENOENT || r == ENOTDIR)
        return err_set(e, ERR_TOOL,
                       "gnuplot, which draws pictures, is not installed (scripts/setup installs it; Debian's "
                       "package is gnuplot-nox); without --png the plot is text");
    if (r) return err_errno(e, r, "cannot start gnuplot");
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return err_errno(e, errno, "cannot wait for gnuplot");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : complaint(said, e);
}

static int draw(const char *temp, FILE *script, FILE *said, const struct gnuplot_panel *panels, size_t n,
                struct err *e)
{
    if (!script || !said) return err_errno(e, errno, "cannot write a temporary file");
    put_script(script, temp, panels, n);
    if (fflush(script) || ferror(script)) return err_errno(e, errno, "cannot write a temporary file");
    rewind(script);
    return gnuplot_run(script, said, e);
}

int gnuplot_save(const char *path, const struct gnuplot_panel *panels, size_t n, struct err *e)
{
    char temp[FILE_PATH];
    int r = file_path(temp, e, "%s.tmp", path);
    if (r) return r;
    FILE *script = tmpfile(), *said = tmpfile();
    r = draw(temp, script, said, panels, n, e);
    if (script) fclose(script);
    if (said) fclose(said);
    if (!r) r = file_sync(temp, e);
    if (!r && rename(temp, path)) r = err_errno(e, errno, "cannot write %s", path);
    if (r) unlink(temp);
    return r;
}
