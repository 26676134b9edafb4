#include "rl/code.h"
#include "infer/ascii.h"
#include "infer/reply.h"
#include "rl/code_cases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- the program in a reply ---------------------------------------------------------------------------- */

/* The length of a line with its newline. */
static size_t line_of(const char *s, size_t n)
{
    const char *end = memchr(s, '\n', n);
    return end ? (size_t)(end - s) + 1 : n;
}

/* Whether a line begins with ```, and the name behind it. */
static bool is_fence(const char *s, size_t n, struct answer *name)
{
    while (n && (*s == ' ' || *s == '\t')) s++, n--;
    if (!starts(s, n, "```")) return false;
    for (s += 3, n -= 3; n && is_space(s[n - 1]);) n--;
    while (n && is_space(*s)) s++, n--;
    *name = (struct answer){.s = s, .n = n};
    return true;
}

/* How much a block of that name is worth: 0 nothing. */
static int rank_of(const struct answer *name)
{
    static const char *const python[] = {"python", "python3", "py", "Python"};
    for (size_t i = 0; i < sizeof python / sizeof *python; i++)
        if (name->n == strlen(python[i]) && !memcmp(name->s, python[i], name->n)) return 2;
    return name->n == 0;
}

struct answer code_find(const char *text, size_t len)
{
    size_t at = text_reply(text, len), open = 0;
    struct answer found = {ANSWER_CODE, false, text + at, len - at}, name, none = {0};
    int best = 0, rank = -1; /* of the block that is open; -1: none is */
    while (at < len) {
        size_t n = line_of(text + at, len - at);
        bool fence = is_fence(text + at, n, &name), closes = rank >= 0 && fence && !name.n;
        if (rank >= best && rank && (closes || at + n == len)) {
            size_t end = closes ? at : len;
            found.s = text + open, found.n = end - open, best = rank;
        }
        if (closes)
            rank = -1;
        else if (fence && rank < 0)
            rank = rank_of(&name), open = at + n;
        at += n;
    }
    while (found.n && is_space(found.s[found.n - 1])) found.n--;
    return found.n && found.n <= CODE_MAX ? found : none;
}

/* ---- what a row asks ----------------------------------------------------------------------------------- */

static const char *text_of(const struct text_cell *c)
{
    return c->s ? c->s : "";
}

static void put_humaneval(struct js_out *w, const struct text_cell *c)
{
    js_put_string(w, "first", c[0].s);
    js_put_string(w, "name", text_of(&c[2]));
    js_put_string(w, "tests", c[1].s);
}

static void put_mbpp(struct js_out *w, const struct text_cell *c)
{
    js_put_string(w, "first", "");
    js_put_string(w, "imports", text_of(&c[2]));
    js_put_string(w, "tests", c[1].s);
}

/* Its cases are read once here, to refuse them before a model is asked, and stay packed until they are run.
 */
static int put_livecodebench(struct js_out *w, const struct text_cell *c, const char *what, struct err *e)
{
    struct js *cases, *metadata = NULL;
    const char *name = NULL;
    int r = 0;
    for (int i = 1; !r && i < 3; i++) {
        r = c[i].n ? code_cases_read(&cases, what, c[i].s, c[i].n, e) : 0;
        if (!r && c[i].n) js_free(cases);
    }
    if (!r && c[4].n) r = js_parse(&metadata, what, c[4].s, c[4].n, NULL, e);
    if (!r) r = js_want_string(metadata, what, "func_name", &name, e);
    js_put_string(w, "function", name ? name : "");
    js_put_string(w, "public", c[1].s);
    js_put_string(w, "private", text_of(&c[2]));
    js_free(metadata);
    return r;
}

/* What LiveCodeBench's prompt ends with. */
static char *how_to_begin(const struct text_cell *starter)
{
    char *text = NULL;
    int n = starter->n
                ? asprintf(&text,
                           "Write the solution in Python, whole, in a block that begins with ```python "
                           "and then with this:\n\n```python\n%s\n```",
                           starter->s)
                : asprintf(&text, "Write a Python program that reads the input from standard input and "
                                  "prints the output, in a block that begins with ```python.");
    return n < 0 ? NULL : text;
}

int code_tests(char **tests, char **more, enum code_suite suite, const struct text_cell *c, const char *what,
               struct err *e)
{
    struct js_out w;
    int r = 0;
    *more = suite == CODE_LIVECODEBENCH ? how_to_begin(&c[3]) : strdup(suite == CODE_MBPP ? c[1].s : "");
    js_out_init(&w, 0);
    js_object(&w, NULL);
    if (suite == CODE_HUMANEVAL) put_humaneval(&w, c);
    if (suite == CODE_MBPP) put_mbpp(&w, c);
    if (suite == CODE_LIVECODEBENCH) r = put_livecodebench(&w, c, what, e);
    js_close(&w);
    if (!r) r = js_out_end(&w, e);
    *tests = r ? NULL : w.text;
    if (r) js_out_free(&w);
    if (!r && !*more) r = err_set(e, ERR_NOMEM, "no memory for a problem");
    if (!r) return 0;
    free(*tests), free(*more);
    *tests = *more = NULL;
    return r;
}

/* ---- running ------------------------------------------------------------------------------------------- */

enum { FAILED = 3, RAISED = 4 }; /* statuses of the driver: a test failed; something else went wrong */

/* Stands between the sandbox and the program: stdin has 8 hexadecimal digits, so many bytes of JSON, then
 * what the program reads. stdout is the program's where its output is judged; else it is kept from it, and
 * tells the word or what the function returned. */
static const char driver[] =
    "import json, re, sys, types\n"
    "NAMES = ('string re datetime collections heapq bisect copy math random statistics itertools functools "
    "'\n"
    "         'operator io sys json').split()\n"
    "IMPORTS = ''.join(f'from {n} import *\\n' for n in NAMES) + 'import ' + ', '.join(NAMES) + '\\n'\n"
    "IMPORTS += 'from builtins import *\\nfrom typing import *\\nsys.setrecursionlimit(50000)\\n'\n"
    "def take(n):\n"
    "    b = b''\n"
    "    while len(b) < n:\n"
    "        p = os.read(0, n - len(b))\n"
    "        if not p: os._exit(4)\n"
    "        b += p\n"
    "    return b\n"
    "def judge():\n"
    "    job, leave, write, dumps = json.loads(take(int(take(8), 16))), os._exit, os.write, json.dumps\n"
    "    whole = 'word' not in job and 'arguments' not in job\n"
    "    m = types.ModuleType('__main__' if whole else 'answer')\n"
    "    sys.modules[m.__name__] = m\n"
    "    to, word = 1, job.pop('word', None)\n"
    "    if not whole:\n"
    "        to = os.dup(1)\n"
    "        null = os.open('/dev/null', os.O_RDWR)\n"
    "        os.dup2(null, 0), os.dup2(null, 1)\n"
    "    try:\n"
    "        def run(text): exec(compile(text, 'answer.py', 'exec'), m.__dict__)\n"
    "        if word is None:\n"
    "            run(IMPORTS)\n"
    "        code, name = job['code'], job.get('name')\n"
    "        if name and not re.search(r'^(async +)?def +%s\\b|^%s *=[^=]' % (name, name), code, re.M):\n"
    "            code = job['first'] + '\\n' + code\n"
    "        elif job.get('first'):\n"
    "            run(job['first'])\n"
    "        try: run(code)\n"
    "        except SystemExit:\n"
    "            if not whole: raise\n"
    "        if word is not None:\n"
    "            run(job.get('imports', ''))\n"
    "            run(job['tests'])\n"
    "            if name: m.check(m.__dict__[name])\n"
    "            write(to, word.encode())\n"
    "        elif not whole:\n"
    "            name = job['function']\n"
    "            f = getattr(m.Solution(), name) if hasattr(m, 'Solution') else getattr(m, name)\n"
    "            given = [json.loads(a) for a in job['arguments'].split('\\n') if a.strip()]\n"
    "            v = dumps(f(*given), allow_nan=False).encode()\n"
    "            while v: v = v[write(to, v):]\n"
    "        if not whole: leave(0)\n"
    "    except AssertionError: leave(3)\n"
    "    except BaseException: leave(4)\n"
    "judge()\n";

/* A word that nothing in the sandbox can guess. */
static int word_make(char word[33], struct err *e)
{
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return err_errno(e, errno, "no random numbers");
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(word + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

/* The job, which is open, becomes what the driver reads, then `in`. */
static int run_job(struct sandbox_run *out, const struct sandbox *s, struct js_out *job, const char *in,
                   size_t n_in, size_t most, struct err *e)
{
    char *text = NULL;
    js_close(job);
    int r = js_out_end(job, e);
    out->out = NULL;
    if (!r && !(text = malloc(8 + job->n + n_in + 1))) r = err_set(e, ERR_NOMEM, "no memory for a test");
    if (!r) {
        snprintf(text, 9, "%08zx", job->n);
        memcpy(text + 8, job->text, job->n);
        memcpy(text + 8 + job->n, in, n_in);
        r = sandbox_run(out, s, driver, text, 8 + job->n + n_in, most, e);
    }
    free(text);
    js_out_free(job);
    return r;
}

static void job_open(struct js_out *job, const struct answer *code)
{
    js_out_init(job, 0);
    js_object(job, NULL);
    js_put_text(job, "code", code->s, code->n);
}

static const char passed[] = "every test passes", failed[] = "a test fails";

/* What a run says that has not come to be compared; NULL: it ended as it should. */
static const char *trouble(const struct sandbox_run *r)
{
    if (r->end == SANDBOX_TIMEOUT) return "timed out";
    if (r->end == SANDBOX_OUTPUT) return "too much output";
    if (r->status == FAILED) return failed;
    return r->status > 128 ? "killed" : r->status ? "an exception" : NULL;
}

/* Tests that run with the code. */
static int run_tests(const char **rule, const struct sandbox *s, const struct js *tests,
                     const struct answer *code, struct err *e)
{
    struct sandbox_run run;
    struct js_out job;
    char word[33];
    int r = word_make(word, e);
    if (r) return r;
    job_open(&job, code);
    for (struct js_iter it = {0}; js_next(tests, &it);) js_put(&job, it.key, it.value);
    js_put_string(&job, "word", word);
    r = run_job(&run, s, &job, "", 0, 2 * sizeof word, e);
    if (r) return r;
    *rule = trouble(&run);
    if (!*rule) *rule = strcmp(run.out, word) ? "ended before its tests" : passed;
    free(run.out);
    return 0;
}

/* One case of LiveCodeBench; *rule stays as it is when it passes. */
static int run_case(const char **rule, const struct sandbox *s, const struct js *test, const char *function,
                    const struct answer *code, struct err *e)
{
    enum { MORE = 1 << 16 }; /* bytes it may print beyond twice what is expected */
    struct sandbox_run run;
    struct js_out job;
    size_t n_in, n;
    const char *in = js_string(js_get(test, "input"), &n_in), *want = js_string(js_get(test, "output"), &n);
    bool call = js_is(js_get(test, "testtype"), "functional");
    job_open(&job, code);
    if (call) js_put_string(&job, "function", function), js_put_text(&job, "arguments", in, n_in);
    int r = run_job(&run, s, &job, in, call ? 0 : n_in, 2 * n + MORE, e);
    if (r) return r;
    const char *why = trouble(&run);
    if (!why && !(call ? code_same_value : code_same_output)(want, n, run.out, run.n)) why = failed;
    if (why) *rule = why;
    free(run.out);
    return 0;
}

static int run_cases(const char **rule, const struct sandbox *s, const struct js *tests,
                     const struct answer *code, struct err *e)
{
    static const char *const lists[] = {"public", "private"};
    const char *function = js_string(js_get(tests, "function"), NULL);
    int r = 0;
    *rule = passed;
    for (int i = 0; !r && *rule == passed && i < 2; i++) {
        size_t n;
        const char *text = js_string(js_get(tests, lists[i]), &n);
        struct js *cases = NULL;
        if (text && n) r = code_cases_read(&cases, "a problem's tests", text, n, e);
        for (struct js_iter it = {0}; !r && *rule == passed && js_next(cases, &it);)
            r = run_case(rule, s, it.value, function, code, e);
        js_free(cases);
    }
    return r;
}

int code_grade(struct grade *out, const struct sandbox *s, const char *tests, const char *text, size_t len,
               struct err *e)
{
    static const struct js_limits limits = {.bytes = UINT32_MAX};
    struct js *v;
    *out = (struct grade){GRADE_NO_ANSWER, "no program", code_find(text, len)};
    if (!out->answer.kind) return 0;
    int r = js_parse(&v, "a problem's tests", tests, strlen(tests), &limits, e);
    if (r) return r;
    r = (js_get(v, "public") ? run_cases : run_tests)(&out->rule, s, v, &out->answer, e);
    js_free(v);
    if (!r) out->verdict = out->rule == passed ? GRADE_EQUAL : GRADE_DIFFERENT;
    return r;
}
