#include "checkpoints/base.h"
#include "rl/tables_rows.h"

#include <stdio.h>
#include <string.h>

/* ---- rows -----------------------------------------------------------------------------------------------
 */

/* "LoRA r=128", and "lora128"; of an adapter that does not say its rank its name. */
static void name_lora(struct tables_subject *s, const char *path)
{
    char file[FILE_PATH], name[40];
    struct js *v = NULL;
    uint64_t rank = 0;
    if (!file_path(file, NULL, "%s/adapter_config.json", path) && !js_load(&v, file, NULL, NULL))
        js_uint(js_get(v, "r"), &rank);
    base_name(path, name, sizeof name);
    if (rank)
        snprintf(s->label, sizeof s->label, "LoRA r=%llu", (unsigned long long)rank),
            snprintf(s->paper, sizeof s->paper, "lora%llu", (unsigned long long)rank);
    else
        snprintf(s->label, sizeof s->label, "LoRA %s", name);
    js_free(v);
}

static struct tables_subject *subject(struct tables_subject *at, size_t *n, const char *id, const char *label,
                                      const char *paper, const char *model, const char *lora)
{
    struct tables_subject *s = &at[(*n)++];
    *s = (struct tables_subject){.model = model, .lora = lora};
    snprintf(s->id, sizeof s->id, "%s", id);
    snprintf(s->label, sizeof s->label, "%s", label);
    snprintf(s->paper, sizeof s->paper, "%s", paper);
    return s;
}

static const char *first_lora(const struct tables_config *c)
{
    return c->lora->n ? c->lora->items[0] : NULL;
}

size_t tables_subjects(struct tables_subject at[TABLES_SUBJECTS], const struct tables_config *c)
{
    size_t n = 0;
    subject(at, &n, "base", "base", "base", c->model, NULL);
    struct tables_subject *s = subject(at, &n, "dense", "all weights (dense)", "dense", c->dense, NULL);
    if (!c->dense) snprintf(s->why, sizeof s->why, "no model whose weights were all trained: --dense");
    for (size_t i = 0; i < c->lora->n && i < TABLES_LORAS; i++) {
        char id[24];
        snprintf(id, sizeof id, "lora%zu", i + 1);
        s = subject(at, &n, id, "", "", c->model, c->lora->items[i]);
        name_lora(s, c->lora->items[i]);
    }
    if (!c->lora->n) {
        s = subject(at, &n, "lora1", "LoRA", "lora128", c->model, NULL);
        snprintf(s->why, sizeof s->why, "no adapter: --lora");
    }
    s = subject(at, &n, "brief", "the same, budget forced", "", c->model, c->brief);
    if (!c->brief) snprintf(s->why, sizeof s->why, "no adapter made brief: --brief");
    s = subject(at, &n, "qamr", "W4, adapter trained on it", "w4", NULL, c->qamr);
    s->quantised = "model-w4";
    if (!c->qamr) snprintf(s->why, sizeof s->why, "no adapter trained on the W4 base: --qamr");
    s = subject(at, &n, "w4", "W4, full-precision adapter", "", NULL, first_lora(c));
    s->quantised = "model-w4";
    if (!c->lora->n) snprintf(s->why, sizeof s->why, "no adapter: --lora");
    s = subject(at, &n, "rtn", "min-max W4, full-precision adapter", "", NULL, first_lora(c));
    s->quantised = "model-rtn";
    if (!c->lora->n) snprintf(s->why, sizeof s->why, "no adapter: --lora");
    return n;
}

/* ---- cells --------------------------------------------------------------------------------------------- */

/* Numbers as texts, for as long as a cell is made. */
struct texts {
    char at[8][24];
    size_t n;
};

static const char *text_of(struct texts *t, long long x)
{
    char *s = t->at[t->n++];
    snprintf(s, sizeof t->at[0], "%lld", x);
    return x < 0 ? "" : s;
}

/* Where a cell's model is: given, or what another cell makes. */
static const char *model_of(const struct book *b, const struct tables_subject *s)
{
    const struct book_cell *made = s->quantised ? book_cell(b, s->quantised) : NULL;
    return made ? made->path : s->model;
}

/* What every evaluation has. */
static void eval_args(struct book_args *a, struct texts *t, const struct tables_config *c, const char *model,
                      const char *lora, const char *task)
{
    bool own = task_find(task) && !task_find(task)->repo;
    *a = (struct book_args){.n = 0};
    book_arg(a, "eval", NULL);
    book_arg(a, "-m", model), book_arg(a, "--lora", lora ? lora : "");
    book_arg(a, "--tasks", task), book_arg(a, "--style", c->style), book_arg(a, "--data", c->data);
    book_arg(a, "--max-samples", text_of(t, c->max_samples));
    book_arg(a, "--repeats", own ? "" : text_of(t, c->repeats));
    book_arg(a, "--max-new", text_of(t, c->max_new));
    book_arg(a, "--streams", text_of(t, c->streams)), book_arg(a, "--threads", text_of(t, c->threads));
    book_arg(a, "--samples", "{samples}"), book_arg(a, "-o", "{out}");
}

static int cells_of_accuracy(struct book *b, const struct tables_config *c, struct err *e)
{
    struct tables_subject s[TABLES_SUBJECTS];
    size_t n = tables_subjects(s, c);
    int r = 0;
    for (size_t i = 0; !r && i < n; i++)
        for (size_t k = 0; !r && k < c->tasks->n; k++) {
            const struct task *task = task_find(c->tasks->items[k]);
            char id[BOOK_ID], path[FILE_PATH];
            struct book_args a;
            struct texts t = {.n = 0};
            struct err missing = {0};
            snprintf(id, sizeof id, "%s-%.30s", s[i].id, c->tasks->items[k]);
            eval_args(&a, &t, c, model_of(b, &s[i]), s[i].lora, c->tasks->items[k]);
            if (*s[i].why)
                r = book_refuse(b, id, s[i].why, e);
            else if (task_path(path, sizeof path, task, c->data, &missing))
                r = book_refuse(b, id, missing.msg, e);
            else
                r = book_add(b, id, "json", &a, e);
        }
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
    } rows[] = {{"caps-sft", first_lora(c), "no adapter: --lora"},
                {"caps-brief", c->brief, "no adapter made brief: --brief"}};
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
    if (!c->brief || !c->lora->n) return book_refuse(b, "compression", "takes --lora and --brief", e);
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
            eval_args(&a, &t, &few, c->model, first_lora(c), c->tasks->items[0]);
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
        book_arg(&a, "--lora", c->brief ? c->brief : first_lora(c) ? first_lora(c) : "");
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
