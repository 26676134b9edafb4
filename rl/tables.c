#include "checkpoints/base.h"
#include "rl/tables_rows.h"

#include <stdio.h>
#include <string.h>

/* ---- rows -----------------------------------------------------------------------------------------------
 */

/* An adapter's rank; 0 where it does not say. */
static uint64_t rank_of(const char *path)
{
    char file[FILE_PATH];
    struct js *v = NULL;
    uint64_t rank = 0;
    if (!file_path(file, NULL, "%s/adapter_config.json", path) && !js_load(&v, file, NULL, NULL))
        js_uint(js_get(v, "r"), &rank);
    js_free(v);
    return rank;
}

/* "LoRA r=128", and "lora128"; of an adapter that does not say its rank its name. */
static void name_lora(struct tables_subject *s, const char *path, uint64_t rank)
{
    char name[40];
    base_name(path, name, sizeof name);
    if (rank)
        snprintf(s->label, sizeof s->label, "LoRA r=%llu", (unsigned long long)rank),
            snprintf(s->paper, sizeof s->paper, "lora%llu", (unsigned long long)rank);
    else
        snprintf(s->label, sizeof s->label, "LoRA %s", name);
}

static struct tables_subject *subject(struct tables_subject *at, size_t *n, const char *id, const char *label,
                                      const char *paper)
{
    struct tables_subject *s = &at[(*n)++];
    *s = (struct tables_subject){.n = 0};
    snprintf(s->id, sizeof s->id, "%s", id);
    snprintf(s->label, sizeof s->label, "%s", label);
    snprintf(s->paper, sizeof s->paper, "%s", paper);
    return s;
}

static void add_run(struct tables_subject *s, const char *model, const char *lora)
{
    if (s->n < TABLES_SEEDS) s->run[s->n++] = (struct tables_run){model, lora};
}

/* A row that is adapters on a model, or whole models (model NULL); one that is not given says so. */
static void add_runs(struct tables_subject *s, const char *model, const struct string_list *paths,
                     bool models, const char *why)
{
    for (size_t i = 0; i < paths->n; i++)
        add_run(s, models ? paths->items[i] : model, models ? NULL : paths->items[i]);
    if (!s->n) snprintf(s->why, sizeof s->why, "%s", why);
}

static const char *first_of(const struct string_list *l)
{
    return l->n ? l->items[0] : NULL;
}

/* Adapters by rank, in the order in which ranks come; one without a rank is a row of its own. */
static void add_loras(struct tables_subject *at, size_t *n, const struct tables_config *c)
{
    uint64_t rank[TABLES_SEEDS];
    struct tables_subject *rows = at + *n;
    size_t ranks = 0;
    for (size_t i = 0; i < c->lora->n && i < TABLES_SEEDS; i++) {
        uint64_t r = rank_of(c->lora->items[i]);
        size_t k = 0;
        while (k < ranks && (!r || rank[k] != r)) k++;
        if (k == ranks) {
            char id[24];
            snprintf(id, sizeof id, "lora%zu", k + 1);
            rank[ranks++] = r;
            name_lora(subject(at, n, id, "", ""), c->lora->items[i], r);
        }
        add_run(&rows[k], c->model, c->lora->items[i]);
    }
    if (!c->lora->n) snprintf(subject(at, n, "lora1", "LoRA", "lora128")->why, 128, "no adapter: --lora");
}

/* The first adapters' row on a quantised model. */
static void add_quantised(struct tables_subject *at, size_t *n, const char *id, const char *label,
                          const char *made, const struct tables_subject *loras)
{
    struct tables_subject *s = subject(at, n, id, label, "");
    s->quantised = made;
    for (size_t i = 0; i < loras->n; i++) add_run(s, NULL, loras->run[i].lora);
    snprintf(s->why, sizeof s->why, "%s", loras->why);
}

size_t tables_subjects(struct tables_subject at[TABLES_SUBJECTS], const struct tables_config *c)
{
    size_t n = 0;
    add_run(subject(at, &n, "base", "base", "base"), c->model, NULL);
    add_runs(subject(at, &n, "dense", "all weights (dense)", "dense"), NULL, c->dense, true,
             "no model whose weights were all trained: --dense");
    const struct tables_subject *loras = &at[n];
    add_loras(at, &n, c);
    add_runs(subject(at, &n, "brief", "the same, budget forced", ""), c->model, c->brief, false,
             "no adapter made brief: --brief");
    struct tables_subject *s = subject(at, &n, "qamr", "W4, adapter trained on it", "w4");
    s->quantised = "model-w4";
    add_runs(s, NULL, c->qamr, false, "no adapter trained on the W4 base: --qamr");
    add_quantised(at, &n, "w4", "W4, full-precision adapter", "model-w4", loras);
    add_quantised(at, &n, "rtn", "min-max W4, full-precision adapter", "model-rtn", loras);
    return n;
}

void tables_cell(char id[BOOK_ID], const struct tables_subject *s, size_t run, const char *task)
{
    if (run)
        snprintf(id, BOOK_ID, "%.23s.%u-%.30s", s->id, (unsigned)run % TABLES_SEEDS + 1, task);
    else
        snprintf(id, BOOK_ID, "%.23s-%.30s", s->id, task);
}

/* ---- cells --------------------------------------------------------------------------------------------- */

/* Numbers as texts, for as long as a cell is made. */
struct texts {
    char at[10][24];
    size_t n;
};

static const char *text_of(struct texts *t, long long x)
{
    char *s = t->at[t->n++];
    snprintf(s, sizeof t->at[0], "%lld", x);
    return x < 0 ? "" : s;
}

/* Where a run's model is: given, or what another cell makes. */
static const char *model_of(const struct book *b, const struct tables_subject *s, size_t run)
{
    const struct book_cell *made = s->quantised ? book_cell(b, s->quantised) : NULL;
    return made ? made->path : s->run[run].model;
}

/* What every evaluation has. */
static void eval_args(struct book_args *a, struct texts *t, const struct tables_config *c, const char *model,
                      const char *lora, const char *task)
{
    bool own = task_find(task) && !task_find(task)->repo;
    bool code = task_find(task) && task_find(task)->kind == TASK_CODE;
    *a = (struct book_args){.n = 0};
    book_arg(a, "eval", NULL);
    book_arg(a, "-m", model), book_arg(a, "--lora", lora ? lora : "");
    book_arg(a, "--tasks", task), book_arg(a, "--style", c->style), book_arg(a, "--data", c->data);
    book_arg(a, "--max-samples", text_of(t, c->max_samples));
    book_arg(a, "--repeats", own ? "" : text_of(t, c->repeats));
    book_arg(a, "--max-new", text_of(t, c->max_new));
    book_arg(a, "--streams", text_of(t, c->streams)), book_arg(a, "--threads", text_of(t, c->threads));
    if (code) book_arg(a, "--allow-code", NULL);
    book_arg(a, "--code-seconds", code ? text_of(t, c->code_seconds) : "");
    book_arg(a, "--code-memory", code ? text_of(t, c->code_memory) : "");
    book_arg(a, "--samples", "{samples}"), book_arg(a, "-o", "{out}");
}

static int cell_of_run(struct book *b, const struct tables_config *c, const struct tables_subject *s,
                       size_t run, const char *name, struct err *e)
{
    char id[BOOK_ID], path[FILE_PATH];
    struct book_args a;
    struct texts t = {.n = 0};
    struct err missing = {0};
    tables_cell(id, s, run, name);
    if (!s->n) return book_refuse(b, id, s->why, e);
    if (task_path(path, sizeof path, task_find(name), c->data, &missing))
        return book_refuse(b, id, missing.msg, e);
    eval_args(&a, &t, c, model_of(b, s, run), s->run[run].lora, name);
    return book_add(b, id, "json", &a, e);
}

static int cells_of_accuracy(struct book *b, const struct tables_config *c, struct err *e)
{
    struct tables_subject s[TABLES_SUBJECTS];
    size_t n = tables_subjects(s, c);
    int r = 0;
    for (size_t i = 0; !r && i < n; i++)
        for (size_t run = 0; !r && (run < s[i].n || run == 0); run++)
            for (size_t k = 0; !r && k < c->tasks->n; k++)
                r = cell_of_run(b, c, &s[i], run, c->tasks->items[k], e);
    return r;
}

/* "32,64,96". */
static void list_text(char *text, size_t size, const uint32_t *x, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) at += (size_t)snprintf(text + at, size - at, "%s%u", i ? "," : "", x[i]);
}

static int cells_of_caps(struct book *b, const struct tables_config *c, struct err *e)
{
    const struct {
        const char *id, *lora, *why;
    } rows[] = {{"caps-sft", first_of(c->lora), "no adapter: --lora"},
                {"caps-brief", first_of(c->brief), "no adapter made brief: --brief"}};
    char caps[TABLES_CAPS * 12];
    int r = 0;
    list_text(caps, sizeof caps, c->caps, c->n_caps);
    for (size_t i = 0; !r && i < 2; i++) {
        struct book_args a;
        struct texts t = {.n = 0};
        eval_args(&a, &t, c, c->model, rows[i].lora, c->tasks->items[0]);
        book_arg(&a, "--caps", caps);
        r = rows[i].lora ? book_add(b, rows[i].id, "json", &a, e)
                         : book_refuse(b, rows[i].id, rows[i].why, e);
    }
    return r;
}

static int cells_of_compression(struct book *b, const struct tables_config *c, struct err *e)
{
    char before[FILE_PATH], after[FILE_PATH];
    struct book_args a = {.n = 0};
    int r = file_path(before, e, "%s/caps-sft.jsonl", b->folder);
    if (!r) r = file_path(after, e, "%s/caps-brief.jsonl", b->folder);
    if (r) return r;
    if (!c->brief->n || !c->lora->n) return book_refuse(b, "compression", "takes --lora and --brief", e);
    book_arg(&a, "compare", NULL), book_arg(&a, before, NULL), book_arg(&a, after, NULL),
        book_arg(&a, "-o", "{out}");
    return book_add(b, "compression", "json", &a, e);
}

static const char *const votes[] = {"majority", "weighted"};

static int cells_of_votes(struct book *b, const struct tables_config *c, struct err *e)
{
    struct tables_config few = *c;
    int r = 0;
    few.max_samples = c->vote_samples;
    for (int v = 0; !r && v < 2; v++)
        for (size_t k = 0; !r && k < c->n_chains; k++) {
            char id[BOOK_ID];
            struct book_args a;
            struct texts t = {.n = 0};
            bool one = c->chains[k] == 1;
            snprintf(id, sizeof id, "vote-%s-%u", one ? "one" : votes[v], c->chains[k]);
            eval_args(&a, &t, &few, c->model, first_of(c->lora), c->tasks->items[0]);
            book_arg(&a, "--temp", "1");
            book_arg(&a, "--heads", v && !one && c->heads ? c->heads : "");
            book_arg(&a, "--mode", "reason");
            book_arg(&a, "-N", one ? "" : text_of(&t, c->chains[k]));
            book_arg(&a, "--vote", one ? "" : votes[v]);
            if (!c->lora->n)
                r = book_refuse(b, id, "no adapter: --lora", e);
            else if (v && !one && !c->heads)
                r = book_refuse(b, id, "no verifier: --heads", e);
            else
                r = book_add(b, id, "json", &a, e);
        }
    return r;
}

static int cells_of_models(struct book *b, const struct tables_config *c, struct err *e)
{
    static const char *const made[][2] = {{"model-w4", "l2"}, {"model-rtn", "rtn"}};
    int r = 0;
    for (int i = 0; !r && i < 2; i++) {
        struct book_args a = {.n = 0};
        book_arg(&a, "quantize", NULL), book_arg(&a, "-m", c->model), book_arg(&a, "-t", "w4");
        book_arg(&a, "--method", made[i][1]), book_arg(&a, "-o", "{out}"), book_arg(&a, "--force", NULL);
        r = book_add(b, made[i][0], "gguf", &a, e);
    }
    return r;
}

static int cells_of_perplexity(struct book *b, const struct tables_config *c, struct err *e)
{
    static const char *const rows[][2] = {
        {"ppl-bf16", NULL}, {"ppl-rtn", "model-rtn"}, {"ppl-w4", "model-w4"}};
    int r = 0;
    for (int i = 0; !r && i < 3; i++) {
        struct book_args a = {.n = 0};
        book_arg(&a, "perplexity", NULL);
        book_arg(&a, "-m", rows[i][1] ? book_cell(b, rows[i][1])->path : c->model);
        book_arg(&a, "-f", c->text ? c->text : ""), book_arg(&a, "--json", NULL);
        r = c->text ? book_add(b, rows[i][0], "json", &a, e)
                    : book_refuse(b, rows[i][0], "no text: --text", e);
    }
    return r;
}

static int cells_of_device(struct book *b, const struct tables_config *c, struct err *e)
{
    static const char *const ids[] = {"device-1", "device-2"}, *const threads[] = {"1", "2"};
    char prompt[24];
    int r = 0;
    snprintf(prompt, sizeof prompt, "%u", c->prompt);
    for (int i = 0; !r && i < 2; i++) {
        struct book_args a = {.n = 0};
        book_arg(&a, "bench", NULL), book_arg(&a, "infer", NULL);
        book_arg(&a, "-m", book_cell(b, "model-w4")->path);
        book_arg(&a, "--lora", c->brief->n ? first_of(c->brief) : c->lora->n ? first_of(c->lora) : "");
        book_arg(&a, "-p", prompt), book_arg(&a, "-n", "64"), book_arg(&a, "--streams", "1");
        book_arg(&a, "--threads", threads[i]), book_arg(&a, "-o", "json");
        r = book_add(b, ids[i], "json", &a, e);
    }
    return r;
}

int tables_cells(struct book *b, const struct tables_config *c, struct err *e)
{
    int r = cells_of_models(b, c, e);
    if (!r) r = cells_of_accuracy(b, c, e);
    if (!r) r = cells_of_caps(b, c, e);
    if (!r) r = cells_of_compression(b, c, e);
    if (!r) r = cells_of_votes(b, c, e);
    if (!r) r = cells_of_perplexity(b, c, e);
    return r ? r : cells_of_device(b, c, e);
}
