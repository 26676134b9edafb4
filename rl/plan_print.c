#include "rl/plan_print.h"
#include "infer/cli.h"
#include "infer/json_write.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CELL = 64, COLUMNS = 5 };

/* ---- words --------------------------------------------------------------------------------------------- */

/* "85 s", "12.3 min", "5.1 h", "412 days", "3.1 years". */
static const char *time_text(double s, char *buf)
{
    static const struct {
        double above, unit;
        const char *name;
    } units[] = {{2 * 365.25 * 86400, 365.25 * 86400, "years"},
                 {48 * 3600, 86400, "days"},
                 {2 * 3600, 3600, "h"},
                 {120, 60, "min"},
                 {0, 1, "s"}};
    size_t i = 0;
    while (s < units[i].above) i++;
    double v = s / units[i].unit;
    snprintf(buf, CELL, v < 10 ? "%.1f %s" : "%.0f %s", v, units[i].name);
    return buf;
}

/* "18.0 G", "6000" */
static const char *count_text(double v, char *buf)
{
    size_t i = 0;
    for (; v >= 10000 || (i && v >= 1000); i++) v /= 1000;
    snprintf(buf, CELL, !i ? "%.0f" : v < 10 ? "%.2f %c" : "%.1f %c", v, " kMGTPEZYRQ"[i]);
    return buf;
}

/* "41.1 GiB", "95.7 MiB" */
static const char *size_text(uint64_t bytes, char *buf)
{
    bool small = bytes < 4ull << 30;
    snprintf(buf, CELL, small ? "%.1f MiB" : "%.1f GiB", (double)bytes / (small ? 0x1p20 : 0x1p30));
    return buf;
}

static const char *kind_name(const struct plan_report *r)
{
    return r->recipe->kind == FORECAST_SFT ? "sft" : "ppo";
}

/* ---- tables -------------------------------------------------------------------------------------------- */

/* Rows of one table: the first column on the left, the others on the right. */
struct table {
    bool md;
    int columns, rows;
    const int *width; /* [columns] */
};

static void row_put(struct table *t, const char *const *cell)
{
    for (int i = 0; i < t->columns; i++) {
        if (t->md)
            printf("| %s ", cell[i]);
        else
            printf(i ? "  %*s" : "  %-*s", t->width[i], cell[i]);
    }
    puts(t->md ? "|" : "");
    if (t->rows++ || !t->md) return;
    for (int i = 0; i < t->columns; i++) printf(i ? "|---:" : "|---");
    puts("|");
}

/* GiB, or MiB where there are few of them. touched: bytes of it that are likely to be used; 0: all. */
static void bytes_table(const char *title, const struct plan_list *l, uint64_t touched, bool md)
{
    static const int width[] = {24, 10};
    struct table t = {.md = md, .columns = 2, .width = width};
    uint64_t all = plan_bytes(l);
    bool small = all < 4ull << 30;
    double unit = small ? 0x1p20 : 0x1p30;
    char text[CELL];
    putchar('\n');
    row_put(&t, (const char *const[]){title, small ? "MiB" : "GiB"});
    for (unsigned i = 0; i <= l->n; i++) {
        snprintf(text, sizeof text, small ? "%.1f" : "%.2f",
                 (double)(i < l->n ? l->at[i].bytes : all) / unit);
        row_put(&t, (const char *const[]){i < l->n ? l->at[i].what : "together", text});
    }
    if (!touched) return;
    snprintf(text, sizeof text, small ? "%.1f" : "%.2f", (double)touched / unit);
    row_put(&t, (const char *const[]){"likely touched", text});
}

static void work_table(const struct plan_report *r, bool md)
{
    static const int width[] = {30, 10, 9, 12, 13};
    const struct plan *p = r->plan;
    struct table t = {.md = md, .columns = r->there ? 5 : 4, .width = width};
    char work[CELL], here[CELL], there[CELL] = "", share[CELL];
    double flops = 0;
    putchar('\n');
    row_put(&t, (const char *const[]){"time", "FLOP", "share", "this machine", "described one"});
    for (unsigned i = 0; i < p->phases; i++) {
        const struct plan_phase *f = &p->phase[i];
        flops += f->flops;
        snprintf(share, sizeof share, "%.0f %%", 100 * r->here->share[f->share]);
        if (r->there) time_text(plan_phase_seconds(p, f, r->there), there);
        row_put(&t, (const char *const[]){f->what, f->flops > 0 ? count_text(f->flops, work) : "-", share,
                                          time_text(plan_phase_seconds(p, f, r->here), here), there});
    }
    if (r->there) time_text(plan_seconds(p, r->there), there);
    row_put(&t, (const char *const[]){"together", count_text(flops, work), "",
                                      time_text(plan_seconds(p, r->here), here), there});
}

static void changes_table(const struct plan_report *r, bool md)
{
    static const int width[] = {32, 12, 14, 8};
    struct table t = {.md = md, .columns = 4, .width = width};
    char memory[CELL], time[CELL];
    if (!r->changes) return;
    putchar('\n');
    row_put(&t, (const char *const[]){"with", "memory", "this machine", "result"});
    for (int i = 0; i < r->changes; i++) {
        row_put(&t, (const char *const[]){r->change[i].what, size_text(r->change[i].memory, memory),
                                          time_text(r->change[i].seconds, time),
                                          r->change[i].same ? "same" : "another"});
    }
}

/* ---- sentences ----------------------------------------------------------------------------------------- */

static void line(bool md, const char *what, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void line(bool md, const char *what, const char *fmt, ...)
{
    va_list ap;
    printf(md ? "- %s: " : "  %-10s", what);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

static void machine_line(const char *what, const struct plan_machine *m, bool md)
{
    char ranks[CELL] = "";
    if (m->ranks > 1) snprintf(ranks, sizeof ranks, ", %u of them, as if none ever waited", m->ranks);
    line(md, what, "%u core%s, %.0f GFLOP/s%s, %.1f GB/s%s", m->cores, m->cores == 1 ? "" : "s", m->products,
         m->fp32 != m->products ? " (bf16)" : "", m->read, ranks);
}

static void head_print(const struct plan_report *r, bool md)
{
    const struct forecast *q = r->recipe;
    const struct plan *p = r->plan;
    char docs[CELL], rows[CELL], tokens[CELL], seen[CELL];
    printf(md ? "## %s (terse %s)\n\n" : "%s (terse %s)\n\n", q->q.path, kind_name(r));
    line(md, "model", "%s, %.1f M parameters, %.1f M trained (%.2f %%)%s%s", q->name,
         1e-6 * (double)p->parameters, 1e-6 * (double)p->trained,
         100 * (double)p->trained / (double)p->parameters, *q->model_from ? "; " : "", q->model_from);
    count_text(p->tokens, tokens), count_text(p->seen, seen);
    if (q->kind == FORECAST_SFT) {
        line(md, "data", "%s conversations, %s tokens (%.0f %% learned) in %s rows an epoch: %s",
             count_text(p->docs, docs), tokens, 100 * p->learned / p->tokens, count_text(p->rows, rows),
             q->data_from);
        line(md, "run", "%llu steps of %llu rows: %s tokens; recompute=%s", (unsigned long long)p->steps,
             (unsigned long long)p->parts, seen, p->recompute);
    } else {
        line(md, "data", "%s; answers of %.0f tokens, %s", q->data_from, p->learned / (double)p->parts,
             q->q.answer_tokens > 0 ? "as you say" : "the longest allowed (--answer-tokens)");
        line(md, "run", "%llu iterations of %llu answers: %s tokens; recompute=%s",
             (unsigned long long)p->steps, (unsigned long long)p->parts, seen, p->recompute);
    }
    machine_line("here", r->here, md);
    if (r->there) machine_line("described", r->there, md);
}

/* "fits in this machine's 24.0 GiB (needs 19.2 GiB)" */
static void fit_print(const char *where, uint64_t bytes, uint64_t memory)
{
    bool fits = bytes <= memory;
    char need[CELL], have[CELL];
    size_text(bytes, need), size_text(memory, have);
    if (!memory)
        printf("%s needs %s", where, need);
    else
        printf("%s%s in %s's %s (needs %s)%s", cli_style(stdout, fits ? CLI_GREEN : CLI_RED),
               fits ? "fits" : "does not fit", where, have, need, cli_style(stdout, CLI_PLAIN));
}

static void verdict_print(const struct plan_report *r)
{
    uint64_t bytes = plan_bytes(&r->plan->memory);
    char time[CELL];
    putchar('\n');
    fit_print("this machine", bytes, r->here->memory);
    printf("; %s on it", time_text(plan_seconds(r->plan, r->here), time));
    if (r->there) {
        fputs("; ", stdout);
        fit_print("the described one", bytes, r->there->memory);
        printf("; %s on %s", time_text(plan_seconds(r->plan, r->there), time),
               r->there->ranks > 1 ? "all ranks" : "it");
    }
    puts(".");
}

/* The change that saves the most memory, and the most time. */
static void advice_print(const struct plan_report *r)
{
    uint64_t bytes = plan_bytes(&r->plan->memory);
    double seconds = plan_seconds(r->plan, r->here);
    const struct plan_change *least = NULL, *fastest = NULL;
    char time[CELL], size[CELL];
    for (int i = 0; i < r->changes; i++) {
        const struct plan_change *c = &r->change[i];
        if (c->memory < bytes && (!least || c->memory < least->memory)) least = c;
        if (c->seconds < 0.98 * seconds && (!fastest || c->seconds < fastest->seconds)) fastest = c;
    }
    if (least) printf("Most memory is saved by %s: %s. ", least->what, size_text(least->memory, size));
    if (fastest) printf("Most time is saved by %s: %s.", fastest->what, time_text(fastest->seconds, time));
    if (least || fastest) putchar('\n');
}

/* ---- JSON ---------------------------------------------------------------------------------------------- */

static void bytes_json(struct js_out *w, const char *key, const struct plan_list *l)
{
    js_object(w, key);
    for (unsigned i = 0; i < l->n; i++) js_put_uint(w, l->at[i].what, l->at[i].bytes);
    js_put_uint(w, "together", plan_bytes(l));
    js_close(w);
}

static void machine_json(struct js_out *w, const char *key, const struct plan_report *r,
                         const struct plan_machine *m)
{
    if (!m) {
        js_put_null(w, key);
        return;
    }
    js_object(w, key);
    js_put_uint(w, "cores", m->cores);
    js_put_uint(w, "ranks", m->ranks);
    js_put_real(w, "gflops", m->products);
    js_put_real(w, "gflops_fp32", m->fp32);
    js_put_real(w, "gbps", m->read);
    js_put_uint(w, "memory", m->memory);
    js_put_bool(w, "fits", !m->memory || plan_bytes(&r->plan->memory) <= m->memory);
    js_put_real(w, "seconds", plan_seconds(r->plan, m));
    js_close(w);
}

static void phases_json(struct js_out *w, const struct plan_report *r)
{
    js_array(w, "phases");
    for (unsigned i = 0; i < r->plan->phases; i++) {
        const struct plan_phase *f = &r->plan->phase[i];
        js_object(w, NULL);
        js_put_string(w, "phase", f->what);
        js_put_real(w, "flops", f->flops);
        js_put_real(w, "bytes", f->bytes);
        js_put_real(w, "share", r->here->share[f->share]);
        js_put_real(w, "seconds", plan_phase_seconds(r->plan, f, r->here));
        js_close(w);
    }
    js_close(w);
}

static void changes_json(struct js_out *w, const struct plan_report *r)
{
    js_array(w, "changes");
    for (int i = 0; i < r->changes; i++) {
        js_object(w, NULL);
        js_put_string(w, "change", r->change[i].what);
        js_put_uint(w, "memory", r->change[i].memory);
        js_put_real(w, "seconds", r->change[i].seconds);
        js_put_bool(w, "same_result", r->change[i].same);
        js_close(w);
    }
    js_close(w);
}

static int json_print(const struct plan_report *r, struct err *e)
{
    const struct plan *p = r->plan;
    struct js_out w;
    js_out_init(&w, 2);
    js_object(&w, NULL);
    js_put_string(&w, "recipe", r->recipe->q.path);
    js_put_string(&w, "kind", kind_name(r));
    js_put_string(&w, "model", r->recipe->name);
    js_put_uint(&w, "parameters", p->parameters);
    js_put_uint(&w, "trained", p->trained);
    js_put_string(&w, "data", r->recipe->data_from);
    js_put_real(&w, "documents", p->docs);
    js_put_real(&w, "rows", p->rows);
    js_put_real(&w, "tokens", p->tokens);
    js_put_real(&w, "tokens_of_the_run", p->seen);
    js_put_uint(&w, "steps", p->steps);
    js_put_string(&w, "recompute", p->recompute);
    bytes_json(&w, "memory", &p->memory);
    js_put_uint(&w, "resident", p->resident);
    bytes_json(&w, "disk", &p->disk);
    phases_json(&w, r);
    machine_json(&w, "here", r, r->here);
    machine_json(&w, "described", r, r->there);
    changes_json(&w, r);
    js_close(&w);
    int code = js_out_end(&w, e);
    if (!code) puts(w.text);
    js_out_free(&w);
    return code;
}

int plan_print(const struct plan_report *r, enum bench_format format, struct err *e)
{
    bool md = format == BENCH_MD;
    if (format == BENCH_JSON) return json_print(r, e);
    head_print(r, md);
    bytes_table("memory", &r->plan->memory, r->plan->resident, md);
    bytes_table("disk", &r->plan->disk, 0, md);
    work_table(r, md);
    changes_table(r, md);
    verdict_print(r);
    advice_print(r);
    return 0;
}
