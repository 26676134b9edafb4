#include "rl/task.h"
#include "checkpoints/file.h"
#include "data/text_rows.h"
#include "infer/answer.h"
#include "infer/rng.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the tables ---------------------------------------------------------------------------------------- */

#define PROBLEM "problem|question|Problem|Question"
#define ANSWER  "answer|Answer"

/* Repeats: plain, paper (section 7), evalchemy, Open R1. */
const struct task tasks[] = {
    {"aime24", "AIME 2024", TASK_MATHS, "HuggingFaceH4/aime_2024", "data/train-00000-of-00001.parquet",
     PROBLEM, ANSWER, .repeat = {1, 10, 10, 64}},
    {"aime25", "AIME 2025", TASK_MATHS, "math-ai/aime25", "test.jsonl", PROBLEM, ANSWER,
     .repeat = {1, 10, 10, 64}},
    {"amc23", "AMC 2023", TASK_MATHS, "math-ai/amc23", "test-00000-of-00001.parquet", PROBLEM, ANSWER,
     .repeat = {1, 10, 10, 64}},
    {"math500", "MATH-500", TASK_MATHS, "HuggingFaceH4/MATH-500", "test.jsonl", PROBLEM, ANSWER,
     .repeat = {1, 1, 1, 4}},
    {"gpqa", "GPQA diamond", TASK_CHOICE, "Idavidrein/gpqa", "gpqa_diamond.csv", "Question", "Correct Answer",
     .more = {"Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"}, .repeat = {1, 4, 3, 8}},
    {"gsm8k", "GSM8K", TASK_MATHS, "openai/gsm8k", "main/test-00000-of-00001.parquet", PROBLEM, ANSWER,
     .repeat = {1, 1, 1, 1}},
    {"nano", "nano", TASK_MATHS, NULL, "data/nano/test.parquet", .repeat = {1, 1, 1, 1}},
    {"livecodebench", "LiveCodeBench", TASK_CODE, "livecodebench/code_generation_lite", "test6.jsonl",
     "question_content", "public_test_cases", .more = {"private_test_cases", "starter_code", "metadata"},
     .repeat = {1, 1, 6, 1}, .suite = CODE_LIVECODEBENCH},
    {"humaneval", "HumanEval", TASK_CODE, "openai/openai_humaneval",
     "openai_humaneval/test-00000-of-00001.parquet", "prompt", "test", .more = {"entry_point"},
     .repeat = {1, 1, 1, 1}, .suite = CODE_HUMANEVAL},
    {"mbpp", "MBPP", TASK_CODE, "google-research-datasets/mbpp", "sanitized/test-00000-of-00001.parquet",
     "prompt", "test_list", .more = {"test_imports"}, .repeat = {1, 1, 1, 1}, .suite = CODE_MBPP},
};
const size_t n_tasks = sizeof tasks / sizeof *tasks;

static const struct style {
    const char *name, *maths, *choice;
    struct task_sampling sampling;
} styles[STYLES] = {
    [STYLE_PLAIN] = {"plain", "{problem}", "{problem}\n\n{choices}\n\nWhich letter is right?", {0, 1, 512}},
    /* the paper does not give its wording */
    [STYLE_PAPER] = {"paper", NULL, NULL, {0.7, 1, 32768}},
    [STYLE_EVALCHEMY] =
        {"evalchemy",
         "Problem: {problem}\nMark your solution with \\boxed\nAnswer:",
         "Return your final response within \\boxed{} and only include the letter choice (A, B, C, or "
         "D) as your final response.\nProblem: {problem}\nOptions: {choices}\nAnswer:",
         {0.7, 1, 32768}},
    [STYLE_OPEN_R1] = {"open-r1", NULL, NULL, {0.6, 0.95, 32768}},
};

static const char *const code_wording[] = {
    [CODE_HUMANEVAL] = "Write this Python function, whole, in a block that begins with ```python.\n\n"
                       "```python\n{problem}\n```",
    [CODE_MBPP] =
        "{problem}\n\nWrite it in Python, in a block that begins with ```python. It must pass these "
        "tests:\n\n```python\n{tests}```",
    [CODE_LIVECODEBENCH] = "{problem}\n\n{tests}",
};

const struct task *task_find(const char *name)
{
    for (size_t i = 0; i < n_tasks; i++)
        if (!strcmp(tasks[i].name, name)) return &tasks[i];
    return NULL;
}

int task_check(const char *name, struct err *e)
{
    const struct task *t = task_find(name);
    char known[256] = "";
    if (t) return 0;
    for (size_t k = 0, at = 0; k < n_tasks; k++)
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", tasks[k].name);
    return err_set(e, ERR_USAGE, "no benchmark is called \"%.40s\"; there are %s", name, known);
}

struct task_sampling task_sampling(enum task_style s)
{
    return styles[s].sampling;
}

const char *task_style_name(enum task_style s)
{
    return styles[s].name;
}

const char *task_template(const struct task *t, enum task_style s)
{
    const struct style *y = styles[s].maths ? &styles[s] : &styles[STYLE_EVALCHEMY];
    if (t->kind == TASK_CODE) return code_wording[t->suite];
    return t->kind == TASK_CHOICE ? y->choice : t->repo ? y->maths : styles[STYLE_PLAIN].maths;
}

/* ---- files --------------------------------------------------------------------------------------------- */

static bool is_there(char *path, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static bool is_there(char *path, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(path, size, fmt, ap);
    va_end(ap);
    return n > 0 && (size_t)n < size && file_exists(path);
}

int task_path(char *path, size_t size, const struct task *t, const char *folder, struct err *e)
{
    static const char *const ends[] = {"jsonl", "parquet", "csv"};
    if (!t->repo) {
        snprintf(path, size, "%s", t->file);
        return file_exists(path)
                   ? 0
                   : err_set(e, ERR_FILE_MISSING, "%s: run this where terse's own data/ is", t->file);
    }
    if (is_there(path, size, "%s/%s/%s", folder, t->repo, t->file)) return 0;
    if (is_there(path, size, "%s/%s/%s", folder, t->name, t->file)) return 0;
    const char *slash = strrchr(t->file, '/');
    if (is_there(path, size, "%s/%s/%s", folder, t->name, slash ? slash + 1 : t->file)) return 0;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (is_there(path, size, "%s/%s/test.%s", folder, t->name, ends[i])) return 0;
        if (is_there(path, size, "%s/%s/%s.%s", folder, t->name, t->name, ends[i])) return 0;
        if (is_there(path, size, "%s/%s.%s", folder, t->name, ends[i])) return 0;
    }
    return err_set(e, ERR_FILE_MISSING,
                   "%s: there is no %s/%s/%s; `terse data fetch %s --include %s -o %s/%s` gets it", t->name,
                   folder, t->repo, t->file, t->repo, t->file, folder, t->repo);
}

/* ---- wording ------------------------------------------------------------------------------------------- */

/* A template with its two places filled; the caller's to free, NULL when there is no memory. */
static char *fill(const char *template_, const char *problem, const char *more)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return NULL;
    for (const char *at = template_; *at;) {
        bool is_problem = !strncmp(at, "{problem}", 9);
        if (is_problem || !strncmp(at, "{choices}", 9) || !strncmp(at, "{tests}", 7))
            fputs(is_problem ? problem : more, f), at += strcspn(at, "}") + 1;
        else
            fputc(*at++, f);
    }
    if (!fclose(f)) return text;
    free(text);
    return NULL;
}

/* The choices dealt out, "A. ...\nB. ..."; the letter of the right one. The caller's to free. */
static char *deal(char *letter, const struct text_cell *cells, uint64_t seed, uint64_t row, uint32_t repeat)
{
    uint32_t place[4] = {0, 1, 2, 3};
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return NULL;
    for (uint32_t i = 3; i; i--) {
        uint32_t k = rng_u32(seed, row, 4 * (uint64_t)repeat + i) % (i + 1), kept = place[i];
        place[i] = place[k], place[k] = kept;
    }
    for (uint32_t i = 0; i < 4; i++) {
        fprintf(f, "%s%c. %s", i ? "\n" : "", 'A' + (char)i, cells[place[i]].s);
        if (place[i] == 0) *letter = (char)('A' + i);
    }
    if (!fclose(f)) return text;
    free(text);
    return NULL;
}

/* ---- problems ------------------------------------------------------------------------------------------ */

struct reading {
    struct problems *out;
    const struct task *t;
    const char *template_;
    uint64_t max, seed;
    uint32_t repeat; /* which one is read */
};

static int take_maths(struct reading *r, uint64_t row, const struct text_cell *c, struct err *e)
{
    char *text = fill(r->template_, c[0].s, "");
    if (!text) return err_set(e, ERR_NOMEM, "no memory for a problem");
    struct chat_turn turn = {ROLE_USER, text, strlen(text)};
    int code = problems_add(r->out, row, &turn, 1, answer_reference(c[1].s, c[1].n), e);
    free(text);
    return code;
}

static int take_choice(struct reading *r, uint64_t row, const struct text_cell *c, struct err *e)
{
    char letter = 0, *choices = deal(&letter, c + 1, r->seed, row, r->repeat);
    char *text = choices ? fill(r->template_, c[0].s, choices) : NULL;
    struct chat_turn turn = {ROLE_USER, text, text ? strlen(text) : 0};
    int code = text
                   ? problems_add(r->out, row, &turn, 1, (struct answer){ANSWER_CHOICE, false, &letter, 1}, e)
                   : err_set(e, ERR_NOMEM, "no memory for a problem");
    free(choices);
    free(text);
    return code;
}

static int take_code(struct reading *r, uint64_t row, const struct text_cell *c, const char *what,
                     struct err *e)
{
    char *tests, *more, *text = NULL;
    int code = code_tests(&tests, &more, r->t->suite, c, what, e);
    if (code) return code;
    if (!(text = fill(r->template_, c[0].s, more))) code = err_set(e, ERR_NOMEM, "no memory for a problem");
    struct chat_turn turn = {ROLE_USER, text, text ? strlen(text) : 0};
    if (!code) code = problems_add(r->out, row, &turn, 1, (struct answer){ANSWER_CODE, false, "", 0}, e);
    if (!code) r->out->at[r->out->n - 1].tests = tests, tests = NULL;
    free(tests), free(more), free(text);
    return code;
}

static int take(void *ctx, uint64_t row, const struct text_cell *c, const char *what, struct err *e)
{
    struct reading *r = ctx;
    bool whole = c[0].n && c[1].n;
    if (r->t->kind == TASK_CHOICE) whole = whole && c[2].n && c[3].n && c[4].n;
    if (r->t->kind != TASK_CODE) whole = whole && answer_reference(c[1].s, c[1].n).kind;
    if (!whole) {
        r->out->without++;
        return 0;
    }
    int code = r->t->kind == TASK_CODE     ? take_code(r, row, c, what, e)
               : r->t->kind == TASK_CHOICE ? take_choice(r, row, c, e)
                                           : take_maths(r, row, c, e);
    return code ? code : r->out->n < r->max ? 0 : TEXT_ROWS_ENOUGH;
}

/* The k-th of "a|b|c" in `name`; false when there are fewer. */
static bool alternative(char *name, size_t size, const char *list, uint32_t k)
{
    while (k && list) list = strchr(list, '|'), list = list ? list + 1 : NULL, k--;
    if (list) snprintf(name, size, "%.*s", (int)strcspn(list, "|"), list);
    return list != NULL;
}

/* The columns by the first names that the file has, or whose rows say anything. */
static int read_columns(struct reading *r, const char *path, struct err *e)
{
    char question[40], answer[40];
    const char *keys[5] = {question, answer, r->t->more[0], r->t->more[1], r->t->more[2]};
    uint32_t n = 2;
    size_t before = r->out->n;
    int code = ERR_COL_MISSING;
    while (n < 5 && keys[n]) n++;
    for (uint32_t q = 0; alternative(question, sizeof question, r->t->question, q); q++)
        for (uint32_t a = 0; alternative(answer, sizeof answer, r->t->answer, a); a++) {
            r->out->without = 0;
            code = text_rows_each(path, keys, n, take, r, e);
            if (code != ERR_COL_MISSING && (code || r->out->n > before)) return code;
        }
    return code;
}

static int load_repeats(struct reading *r, const char *path, uint64_t max, uint32_t repeat, struct err *e)
{
    int code = 0;
    for (r->repeat = 0; !code && r->repeat < repeat; r->repeat++) {
        r->max = max ? r->out->n + max : UINT64_MAX;
        code = read_columns(r, path, e);
    }
    return code;
}

/* Problems [0, n) again, `repeat` - 1 times, but for their tests, which are large. */
static int copy_repeats(struct problems *out, uint32_t repeat, struct err *e)
{
    size_t n = out->n;
    int code = 0;
    for (size_t i = n; !code && i < n * repeat; i++) {
        const struct problem p = out->at[i % n];
        struct answer ref = {ANSWER_SAID, false, p.reference, strlen(p.reference)};
        code = problems_add(out, p.row, p.turns, p.n_turns, ref, e);
    }
    return code;
}

int task_load(struct problems *out, const struct task *t, enum task_style style, const char *path,
              uint64_t max, uint32_t repeat, uint64_t seed, struct err *e)
{
    struct reading r = {.out = out, .t = t, .template_ = task_template(t, style), .seed = seed};
    memset(out, 0, sizeof *out);
    int code = t->repo ? load_repeats(&r, path, max, t->kind == TASK_CHOICE ? repeat : 1, e)
                       : problems_load(out, path, max, e);
    if (!code && !out->n)
        code = err_set(e, ERR_DATA_EMPTY, "%s: none of its %llu rows has a question and an answer", path,
                       (unsigned long long)out->without);
    if (!code && t->kind != TASK_CHOICE) code = copy_repeats(out, repeat, e);
    if (code) problems_clear(out);
    return code;
}
