#include "infer/cli.h"
#include "infer/utf8.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- the terminal -------------------------------------------------------------------------------------- */

int cli_width(FILE *f)
{
    struct winsize size = {0};
    int width = 0;
    if (ioctl(fileno(f), TIOCGWINSZ, &size) == 0) width = size.ws_col;
    if (!width && getenv("COLUMNS")) width = atoi(getenv("COLUMNS"));
    if (!width) width = 80;
    return width < 40 ? 40 : width > 160 ? 160 : width;
}

bool cli_live(FILE *f)
{
    const char *term = getenv("TERM");
    return isatty(fileno(f)) && term && *term && strcmp(term, "dumb");
}

bool cli_colour(FILE *f)
{
    const char *no = getenv("NO_COLOR");
    return cli_live(f) && !(no && *no);
}

bool cli_utf8(FILE *f)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *locale = NULL;
    for (int i = 0; i < 3 && !(locale && *locale); i++) locale = getenv(names[i]);
    return cli_live(f) && locale && (strcasestr(locale, "utf-8") || strcasestr(locale, "utf8"));
}

const char *cli_style(FILE *f, enum cli_style style)
{
    static const char *const codes[] = {"\033[0m", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m"};
    return cli_colour(f) ? codes[style] : "";
}

int cli_text(FILE *f, const char *text, size_t n)
{
    bool live = cli_live(f);
    for (size_t i = 0, from = 0; i <= n; i++) {
        size_t control =
            i < n && live && text[i] != '\n' && text[i] != '\t' ? utf8_control(text + i, n - i) : 0;
        if (i < n && !control) continue;
        if (fwrite(text + from, 1, i - from, f) != i - from || (control && putc('?', f) == EOF)) return -1;
        if (control) i += control - 1, from = i + 1;
    }
    return 0;
}

/* ---- messages ------------------------------------------------------------------------------------------ */

static const char *program_name = "terse";

const char *cli_program(void)
{
    return program_name;
}

static void print_error(const struct err *e)
{
    fflush(stdout);
    fprintf(stderr, "%s%s:%s %s [%s]\n", cli_style(stderr, CLI_RED), program_name,
            cli_style(stderr, CLI_PLAIN), e->code ? e->msg : "no error was recorded", err_name(e->code));
}

int cli_fail(const struct err *e)
{
    print_error(e);
    return e->code == ERR_USAGE ? CLI_USAGE : e->code == ERR_INTERRUPTED ? CLI_INTERRUPTED : CLI_FAILED;
}

int cli_usage(const struct err *e)
{
    print_error(e);
    return CLI_USAGE;
}

int cli_parse(struct options *o, int argc, char **argv)
{
    struct err e = {0};
    int rc = options_parse_args(o, argc, argv, &e);
    if (!rc) return -1;
    if (rc < 0) return cli_usage(&e);
    options_print_help(o, stdout, cli_width(stdout));
    return CLI_OK;
}

/* ---- commands ------------------------------------------------------------------------------------------ */

static int name_width(const struct program *p)
{
    size_t widest = 0;
    for (const struct command *c = p->commands; c->name; c++)
        if (strlen(c->name) > widest) widest = strlen(c->name);
    return (int)widest;
}

static int print_overview(const struct program *p)
{
    const char *bold = cli_style(stdout, CLI_BOLD), *plain = cli_style(stdout, CLI_PLAIN);
    int width = name_width(p);
    printf("%s%s%s %s\n%s\n", bold, p->name, plain, TERSE_VERSION, p->about);
    for (const struct command *c = p->commands; c->name; c++) {
        if (c->group || c == p->commands) printf("\n%s%s%s\n", bold, c->group ? c->group : "Commands", plain);
        printf("  %s%-*s%s  %s\n", cli_style(stdout, CLI_GREEN), width, c->name, plain, c->summary);
    }
    printf("\n%s COMMAND --help lists what a command takes.\n", p->name);
    if (p->first) printf("First command to type:  %s%s%s\n", bold, p->first, plain);
    return CLI_OK;
}

static const struct command *find_command(const struct program *p, const char *name)
{
    for (const struct command *c = p->commands; c->name; c++)
        if (!strcmp(c->name, name)) return c;
    return NULL;
}

static int unknown_command(const struct program *p, const char *name)
{
    struct err e = {0};
    const struct command *best = NULL;
    int least = 3;
    for (const struct command *c = p->commands; c->name; c++) {
        bool starts = strlen(name) > 1 && !strncmp(name, c->name, strlen(name));
        int d = starts ? 1 : option_distance(name, c->name);
        if (d < least) least = d, best = c;
    }
    if (best)
        err_set(&e, ERR_USAGE, "unknown command \"%.60s\"; did you mean %s %s?", name, p->name, best->name);
    else
        err_set(&e, ERR_USAGE, "unknown command \"%.60s\"; %s alone lists the commands", name, p->name);
    return cli_usage(&e);
}

static bool is_help(const char *s)
{
    return !strcmp(s, "help") || !strcmp(s, "--help") || !strcmp(s, "-h");
}

int cli_main(const struct program *p, int argc, char **argv)
{
    program_name = p->name;
    if (argc < 2 || (argc == 2 && is_help(argv[1]))) return print_overview(p);
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        printf("%s %s\n", p->name, TERSE_VERSION);
        return CLI_OK;
    }
    bool wants_help = is_help(argv[1]);
    const struct command *c = find_command(p, argv[1 + wants_help]);
    if (!c) return unknown_command(p, argv[1 + wants_help]);
    char name[64], flag[] = "--help";
    snprintf(name, sizeof name, "%s", c->name);
    if (wants_help) return c->run(2, (char *[]){name, flag, NULL});
    return c->run(argc - 1, argv + 1);
}

/* ---- signals ------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t signal_seen;

static void note_signal(int signal_number)
{
    signal_seen = signal_number;
}

void cli_catch_signals(void)
{
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART | SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    signal_seen = 0;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void cli_release_signals(void)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

int cli_interrupted(void)
{
    return signal_seen;
}
