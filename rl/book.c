#include "rl/book.h"
#include "infer/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- cells --------------------------------------------------------------------------------------------- */

void book_arg(struct book_args *a, const char *key, const char *value)
{
    if (value && !*value) return;
    if (a->n + 2 > BOOK_ARGS) abort(); /* commands are ours, and shorter */
    a->at[a->n++] = key;
    if (value) a->at[a->n++] = value;
}

int book_open(struct book *b, const char *folder, const char *program, struct err *e)
{
    *b = (struct book){.program = program};
    int r = file_path(b->folder, e, "%s", folder);
    return r ? r : file_make_dirs(folder, e);
}

static void cell_clear(struct book_cell *c)
{
    for (size_t i = 0; c->arg && i < c->n; i++) free(c->arg[i]);
    free(c->arg);
    js_free(c->value);
}

void book_close(struct book *b)
{
    for (size_t i = 0; i < b->n; i++) cell_clear(&b->at[i]);
    free(b->at);
    *b = (struct book){.n = 0};
}

const struct book_cell *book_cell(const struct book *b, const char *id)
{
    for (size_t i = 0; i < b->n; i++)
        if (!strcmp(b->at[i].id, id)) return &b->at[i];
    return NULL;
}

static int cell_new(struct book_cell **out, struct book *b, const char *id, struct err *e)
{
    if (strlen(id) >= BOOK_ID) return err_set(e, ERR_PATH, "%s: the name of a cell is too long", id);
    if (b->n == b->capacity) {
        size_t more = b->capacity ? 2 * b->capacity : 32;
        struct book_cell *at = realloc(b->at, more * sizeof *at);
        if (!at) return err_set(e, ERR_NOMEM, "no memory for %zu cells", more);
        b->at = at, b->capacity = more;
    }
    *out = &b->at[b->n++];
    **out = (struct book_cell){.done = false};
    strcpy((*out)->id, id);
    return 0;
}

int book_refuse(struct book *b, const char *id, const char *why, struct err *e)
{
    struct book_cell *c;
    if (book_cell(b, id)) return 0;
    int r = cell_new(&c, b, id, e);
    if (!r) snprintf(c->why, sizeof c->why, "%s", why);
    return r;
}

int book_add(struct book *b, const char *id, const char *kind, const struct book_args *args, struct err *e)
{
    struct book_cell *c;
    if (book_cell(b, id)) return 0;
    int r = cell_new(&c, b, id, e);
    if (!r) r = file_path(c->path, e, "%s/%s.%s", b->folder, id, kind);
    if (r) return r;
    c->arg = calloc(args->n, sizeof *c->arg);
    for (; c->arg && c->n < args->n; c->n++)
        if (!(c->arg[c->n] = strdup(args->at[c->n]))) break;
    return c->n == args->n ? 0 : err_set(e, ERR_NOMEM, "no memory for a command");
}

/* ---- is it there? -------------------------------------------------------------------------------------- */

/* Size and time of a file that a command names, or of what a folder of a model or adapter holds. */
static void put_stamp(FILE *f, const char *path)
{
    static const char *const inside[] = {"",
                                         "/config.json",
                                         "/model.safetensors",
                                         "/model.safetensors.index.json",
                                         "/adapter_model.safetensors",
                                         "/bundle.txt"};
    char name[FILE_PATH];
    struct stat s;
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        snprintf(name, sizeof name, "%s%s", path, inside[i]);
        if (!stat(name, &s) && S_ISREG(s.st_mode))
            fprintf(f, "  %s %lld %lld.%09ld\n", name, (long long)s.st_size, (long long)s.st_mtim.tv_sec,
                    s.st_mtim.tv_nsec);
    }
}

/* The command with its stamps; the caller's to free, NULL when there is no memory. */
static char *command_of(const struct book_cell *c)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return NULL;
    for (size_t i = 0; i < c->n; i++) {
        fprintf(f, "%s\n", c->arg[i]);
        put_stamp(f, c->arg[i]);
    }
    if (!fclose(f)) return text;
    free(text);
    return NULL;
}

static int command_path(char path[FILE_PATH], const struct book *b, const struct book_cell *c,
                        const char *end, struct err *e)
{
    return file_path(path, e, "%s/%s.%s", b->folder, c->id, end);
}

static int gather(struct book_cell *c, struct err *e)
{
    size_t n = strlen(c->path);
    js_free(c->value);
    c->value = NULL;
    int r = strcmp(c->path + n - 5, ".json") ? 0 : js_load(&c->value, c->path, NULL, e);
    c->done = !r;
    return r;
}

/* Whether the result is that of this very command; then it is taken. `now` is the command. */
static int find(struct book *b, struct book_cell *c, const char *now, bool run, struct err *e)
{
    char path[FILE_PATH], *then = NULL;
    size_t n;
    int r = command_path(path, b, c, "command", e);
    if (r || !file_exists(path) || !file_exists(c->path)) return r;
    r = file_load(path, 1 << 20, &then, &n, e);
    bool same = !r && !strcmp(then, now);
    free(then);
    if (r || (!same && run)) return r;
    if (!same)
        snprintf(c->why, sizeof c->why, "its command, model or data has changed since it was measured");
    return same ? gather(c, e) : 0;
}

/* ---- running ------------------------------------------------------------------------------------------- */

/* The arguments with places filled in; *plain: nothing says where the result goes. */
static int fill(char **argv, char out[FILE_PATH], char samples[FILE_PATH], const struct book *b,
                const struct book_cell *c, bool *plain, struct err *e)
{
    static char name[] = "terse";
    int r = file_path(out, e, "%s.tmp", c->path);
    if (!r) r = command_path(samples, b, c, "jsonl", e);
    argv[0] = name, *plain = true;
    for (size_t i = 0; i < c->n; i++) {
        bool is_out = !strcmp(c->arg[i], "{out}");
        argv[1 + i] = is_out ? out : !strcmp(c->arg[i], "{samples}") ? samples : c->arg[i];
        *plain &= !is_out;
    }
    argv[1 + c->n] = NULL;
    return r;
}

/* In the child: becomes the command, its output in `to`. It ends when its parent does, however that ends,
 * since who goes on writes to the same files. */
static void become(const struct book *b, pid_t parent, char **argv, const char *to)
{
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (fd >= 0 && dup2(fd, 1) == 1 && getppid() == parent) execv(b->program, argv);
    _exit(127);
}

/* Starts it, its output in `to`, and waits; *status as of waitpid. */
static int start(const struct book *b, char **argv, const char *to, int *status, struct err *e)
{
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (!pid) become(b, parent, argv, to);
    if (pid < 0) return err_errno(e, errno, "cannot start %s", b->program);
    while (waitpid(pid, status, 0) < 0)
        if (errno != EINTR) return err_errno(e, errno, "cannot wait for a command");
    return 0;
}

/* A result that is there is not the last run's any more. Answers of another command are not gone on from. */
static int make_room(const struct book *b, const struct book_cell *c, const char *now, struct err *e)
{
    char path[FILE_PATH], *then = NULL;
    size_t n;
    int r = command_path(path, b, c, "command", e);
    bool same = !r && file_exists(path) && !file_load(path, 1 << 20, &then, &n, NULL) && !strcmp(then, now);
    free(then);
    unlink(c->path);
    if (!r && !same) r = file_save(path, now, strlen(now), e);
    if (!r) r = command_path(path, b, c, "jsonl", e);
    if (!r && !same) unlink(path);
    return r;
}

static int run_cell(struct book *b, struct book_cell *c, const char *now, struct err *e)
{
    char out[FILE_PATH], samples[FILE_PATH], said[FILE_PATH], *argv[BOOK_ARGS + 2];
    bool plain;
    int status = 0, r = fill(argv, out, samples, b, c, &plain, e);
    if (!r) r = command_path(said, b, c, "txt", e);
    if (!r) r = make_room(b, c, now, e);
    fprintf(stderr, "%s\n", c->id);
    if (!r) r = start(b, argv, plain ? out : said, &status, e);
    if (r) return r;
    int ended = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (cli_interrupted() || ended == 128 + SIGINT || ended == CLI_INTERRUPTED)
        return err_set(e, ERR_INTERRUPTED, "stopped in %s; the same command goes on from there", c->id);
    if (ended) {
        snprintf(c->why, sizeof c->why, "its command ended with status %d; %s.command says what it was",
                 ended, c->id);
        return 0;
    }
    if (rename(out, c->path)) return err_errno(e, errno, "cannot rename %s", out);
    c->changed = true;
    return gather(c, e);
}

/* Takes or runs every cell. */
static int run_cells(struct book *b, bool run, struct err *e)
{
    int r = 0;
    for (size_t i = 0; !r && i < b->n; i++) {
        struct book_cell *c = &b->at[i];
        if (!c->arg) continue;
        char *now = command_of(c);
        if (!now) return err_set(e, ERR_NOMEM, "no memory for a command");
        r = find(b, c, now, run, e);
        if (!r && !c->done && run)
            r = run_cell(b, c, now, e);
        else if (!r && !c->done && !*c->why)
            snprintf(c->why, sizeof c->why, "not measured yet");
        free(now);
    }
    return r;
}

int book_run(struct book *b, bool run, struct err *e)
{
    char path[FILE_PATH];
    struct file_lock lock;
    if (!run) return run_cells(b, false, e);
    int r = file_path(path, e, "%s/lock", b->folder);
    if (!r) r = file_lock_take(&lock, path, e);
    if (r) return r;
    r = run_cells(b, true, e);
    file_lock_release(&lock);
    return r;
}

/* ---- figures ------------------------------------------------------------------------------------------- */

const struct js *book_value(const struct book *b, const char *id, const char *at)
{
    const struct book_cell *c = book_cell(b, id);
    const struct js *v = c ? c->value : NULL;
    char key[80];
    while (v && *at) {
        size_t n = strcspn(at, ".[");
        if (*at == '[') {
            char *end;
            v = js_at(v, strtoul(at + 1, &end, 10));
            at = *end == ']' ? end + 1 : "";
        } else if (n && n < sizeof key) {
            memcpy(key, at, n), key[n] = 0;
            v = js_get(v, key);
            at += n;
        } else {
            return NULL;
        }
        at += *at == '.';
    }
    return v;
}

bool book_number(const struct book *b, const char *id, const char *at, double *out, const char **why)
{
    const struct book_cell *c = book_cell(b, id);
    bool there = js_number(book_value(b, id, at), out);
    *why = there     ? ""
           : !c      ? "not part of this book"
           : *c->why ? c->why
           : c->done ? "its result does not say"
                     : "not measured yet";
    return there;
}
