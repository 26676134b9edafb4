#include "rl/eval_file.h"
#include "checkpoints/file.h"
#include "checkpoints/jsonl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- writing ------------------------------------------------------------------------------------------- */

/* Bytes of the file up to and with its last newline. */
static int whole_lines(int fd, off_t *end, const char *path, struct err *e)
{
    char block[4096];
    off_t at = lseek(fd, 0, SEEK_END);
    *end = 0;
    while (at > 0) {
        off_t from = at > (off_t)sizeof block ? at - (off_t)sizeof block : 0;
        ssize_t n = pread(fd, block, (size_t)(at - from), from);
        if (n != at - from) return err_errno(e, errno, "cannot read %s", path);
        const char *newline = memrchr(block, '\n', (size_t)n);
        if (newline) {
            *end = from + (newline - block) + 1;
            return 0;
        }
        at = from;
    }
    return at < 0 ? err_errno(e, errno, "cannot read %s", path) : 0;
}

int eval_file_open(struct eval_file *f, const char *path, const char *run, const char *task, bool fresh,
                   struct err *e)
{
    off_t end = 0;
    *f = (struct eval_file){-1, path, run, task};
    if (!path) return 0;
    f->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (f->fd < 0) return err_errno(e, errno, "cannot write %s", path);
    int r = fresh ? 0 : whole_lines(f->fd, &end, path, e);
    if (!r && ftruncate(f->fd, end)) r = err_errno(e, errno, "cannot write %s", path);
    if (r) close(f->fd), f->fd = -1;
    return r;
}

int eval_file_close(struct eval_file *f, struct err *e)
{
    int fd = f->fd;
    f->fd = -1;
    return fd >= 0 && close(fd) ? err_errno(e, errno, "cannot write %s", f->path) : 0;
}

/* What a model wrote: any bytes. */
static void put_text(struct js_out *w, const char *key, const char *s, size_t n)
{
    static const char mark[] = "\xef\xbf\xbd";
    size_t nuls = 0, at = 0;
    for (size_t i = 0; i < n; i++) nuls += !s[i];
    char *clean = nuls ? malloc(n + 2 * nuls) : NULL;
    for (size_t i = 0; clean && i < n; i++) {
        if (s[i])
            clean[at++] = s[i];
        else
            memcpy(clean + at, mark, 3), at += 3;
    }
    js_put_text(w, key, clean ? clean : s, clean ? at : n);
    free(clean);
}

static void put_answer(struct js_out *w, const struct answer *a)
{
    if (a->kind)
        put_text(w, "answer", a->s, a->n);
    else
        js_put_null(w, "answer");
}

/* Every chain's answer, score and length; null where it was given up, has none or was not read. */
static void put_chains(struct js_out *w, const struct ask *q)
{
    static const struct answer none = {.kind = ANSWER_NONE};
    js_array(w, "chains");
    for (uint32_t i = 0; i < q->chains; i++) {
        js_object(w, NULL);
        put_answer(w, q->chain[i].answer < 0 ? &none : &q->answer[i]);
        if (q->chain[i].score >= 0)
            js_put_real(w, "score", (double)q->chain[i].score);
        else
            js_put_null(w, "score");
        js_put_uint(w, "tokens", q->request[i].n_answer);
        js_close(w);
    }
    js_close(w);
}

static void put_asked(struct js_out *w, const struct eval_file *f, const struct eval_sample *s)
{
    const struct chat_turn *asked = &s->problem->turns[s->problem->n_turns - 1];
    js_put_string(w, "run", f->run);
    js_put_string(w, "task", f->task);
    js_put_uint(w, "row", s->problem->row);
    js_put_uint(w, "repeat", s->repeat);
    js_put_text(w, "problem", asked->content, asked->len);
    js_put_string(w, "reference", s->problem->reference);
}

static void put_verdict(struct js_out *w, const struct eval_sample *s)
{
    put_answer(w, &s->grade.answer);
    js_put_bool(w, "correct", s->correct);
    js_put_bool(w, "exact", s->exact);
    js_put_string(w, "verdict", grade_verdict_name(s->grade.verdict));
    js_put_string(w, "rule", s->grade.rule);
    js_put_string(w, "found", answer_kind_name(s->grade.answer.kind));
}

static void put_way(struct js_out *w, const struct eval_sample *s)
{
    const struct ask *q = s->ask;
    js_put_bool(w, "truncated", s->truncated);
    js_put_bool(w, "closed", s->closed);
    js_put_bool(w, "early", q->early);
    if (s->cap) js_put_uint(w, "cap", s->cap);
    js_put_uint(w, "tokens", s->tokens);
    js_put_uint(w, "graded", s->graded);
    js_put_uint(w, "right", s->right);
    js_put_string(w, "mode", q->reasons ? "reason" : "chat");
    if (q->probability >= 0) js_put_real(w, "probability", q->probability);
    if (q->c.votes) put_chains(w, q);
}

int eval_file_put(const struct eval_file *f, const struct eval_sample *s, struct err *e)
{
    struct js_out w;
    if (f->fd < 0) return 0;
    js_out_init(&w, 0);
    js_object(&w, NULL);
    put_asked(&w, f, s);
    put_verdict(&w, s);
    put_way(&w, s);
    put_text(&w, "text", s->text, s->len);
    js_close(&w);
    int r = js_out_end(&w, e);
    if (!r) {
        w.text[w.n++] = '\n'; /* in the place of its NUL */
        r = file_write_fd(f->fd, f->path, w.text, w.n, e);
    }
    js_out_free(&w);
    return r;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

struct reading {
    struct eval_record *records;
    size_t *known;
    const struct problems *p;
    uint32_t repeats;
    const char *run, *task;
};

/* The problem of that row, in whichever repeat; p->n / repeats if there is none. Rows ascend. */
static size_t find(const struct reading *r, uint64_t row)
{
    size_t n = r->p->n / r->repeats, low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (r->p->at[mid].row < row)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && r->p->at[low].row == row ? low : n;
}

static enum grade_verdict verdict_of(const char *name)
{
    static const enum grade_verdict all[] = {GRADE_EQUAL, GRADE_DIFFERENT, GRADE_NO_ANSWER};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(name, grade_verdict_name(all[i]))) return all[i];
    return GRADE_UNDECIDED;
}

static int read_counts(struct eval_record *out, const struct js *v, const char *what, struct err *e)
{
    int64_t tokens, graded = 0, right = 0;
    int code = js_need_int(v, what, "tokens", 0, UINT32_MAX, &tokens, e);
    if (!code) code = js_need_int(v, what, "graded", 1, UINT32_MAX, &graded, e);
    if (!code) code = js_need_int(v, what, "right", 0, graded, &right, e);
    out->tokens = (uint32_t)tokens, out->graded = (uint32_t)graded, out->right = (uint32_t)right;
    return code;
}

static int read_record(struct eval_record *out, const struct js *v, const char *what, struct err *e)
{
    const char *verdict = NULL, *mode = NULL, *answer = js_string(js_get(v, "answer"), NULL);
    struct eval_record r = {.there = true};
    int code = js_need_bool(v, what, "correct", &r.correct, e);
    if (!code) code = js_need_bool(v, what, "exact", &r.exact, e);
    if (!code) code = js_need_bool(v, what, "truncated", &r.truncated, e);
    if (!code) code = js_need_bool(v, what, "closed", &r.closed, e);
    if (!code) code = js_need_bool(v, what, "early", &r.early, e);
    if (!code) code = js_need_string(v, what, "verdict", &verdict, e);
    if (!code) code = js_need_string(v, what, "mode", &mode, e);
    if (!code) code = read_counts(&r, v, what, e);
    if (code) return code;
    r.verdict = verdict_of(verdict), r.reasoned = !strcmp(mode, "reason");
    bool code_found = js_is(js_get(v, "found"), answer_kind_name(ANSWER_CODE));
    if (answer && !code_found && !(r.answer = strdup(answer)))
        return err_set(e, ERR_NOMEM, "no memory for an answer");
    *out = r;
    return 0;
}

static int line_take(void *ctx, struct js **line, uint64_t number, const char *what, struct err *e)
{
    struct reading *r = ctx;
    const struct js *v = *line;
    const char *run = NULL, *task = NULL;
    int64_t row = 0, repeat = 0;
    (void)number;
    int code = js_need_string(v, what, "run", &run, e);
    if (!code) code = js_need_string(v, what, "task", &task, e);
    if (!code) code = js_need_int(v, what, "row", 0, INT64_MAX, &row, e);
    if (!code) code = js_need_int(v, what, "repeat", 0, UINT32_MAX, &repeat, e);
    if (code) return code;
    if (strcmp(task, r->task) != 0) return 0;
    if (strcmp(run, r->run) != 0)
        return err_set(
            e, ERR_RUN_MISMATCH,
            "%s: an answer of another run: model, adapter, problems or settings differ. Give another "
            "file, or remove this one",
            what);
    size_t n = r->p->n / r->repeats, i = find(r, (uint64_t)row), at = (size_t)repeat * n + i;
    if (js_get(v, "cap") || i == n || repeat >= r->repeats || r->records[at].there) return 0;
    code = read_record(&r->records[at], v, what, e);
    *r->known += !code;
    return code;
}

int eval_file_read(struct eval_record *records, size_t *known, const struct problems *p, uint32_t repeats,
                   const char *path, const char *run, const char *task, struct err *e)
{
    struct reading r = {records, known, p, repeats, run, task};
    *known = 0;
    return file_exists(path) ? jsonl_each(path, JSONL_GROWING, line_take, &r, e) : 0;
}
