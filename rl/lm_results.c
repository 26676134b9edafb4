#include "rl/lm_results.h"
#include "checkpoints/file.h"
#include "checkpoints/json.h"
#include "infer/terse.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* lm-eval writes "/" in a model's name so. */
static void sanitized(char *out, size_t size, const char *model)
{
    size_t n = 0;
    while (*model == '.' || *model == '/') model++;
    for (; *model && n + 3 < size; model++) {
        if (*model == '/')
            out[n++] = '_', out[n++] = '_';
        else
            out[n++] = *model;
    }
    out[n] = 0;
}

/* ---- figures ------------------------------------------------------------------------------------------- */

static void put_figures(struct js_out *w, const struct lm_task *t)
{
    const struct eval_result *r = &t->result;
    char key[40];
    js_put_string(w, "alias", t->title);
    js_put_real(w, "exact_match,none", r->accuracy);
    js_put_real(w, "exact_match_stderr,none", r->stderr_);
    js_put_real(w, "exact_match,string", r->exact);
    if (r->repeats > 1) js_put_real(w, "stderr_over_repeats,none", r->stderr_repeats);
    for (size_t k = 1; (r->repeats > 1 || r->code) && k <= r->repeats; k = eval_next_k(k, r->repeats)) {
        snprintf(key, sizeof key, "pass@%zu,none", k);
        js_put_real(w, key, eval_pass(t->records, r->n, r->repeats, k));
    }
    snprintf(key, sizeof key, "maj@%zu,none", r->repeats);
    if (r->repeats > 1 && !r->code) js_put_real(w, key, r->majority);
    js_put_real(w, "tokens,none", r->tokens_mean);
    js_put_real(w, "tokens_median,none", r->tokens_median);
    js_put_real(w, "tokens_p95,none", r->tokens_p95);
    js_put_real(w, "truncated,none", r->truncated);
    js_put_real(w, "no_answer,none", r->no_answer);
}

/* An object with a value for every task. */
static void each_uint(struct js_out *w, const char *key, const struct lm_run *run, uint64_t value)
{
    js_object(w, key);
    for (size_t i = 0; i < run->n; i++) js_put_uint(w, run->task[i].name, value);
    js_close(w);
}

static void put_results(struct js_out *w, const struct lm_run *run)
{
    js_object(w, "results");
    for (size_t i = 0; i < run->n; i++) {
        js_object(w, run->task[i].name);
        put_figures(w, &run->task[i]);
        js_close(w);
    }
    js_close(w);
    js_object(w, "group_subtasks");
    for (size_t i = 0; i < run->n; i++) js_array(w, run->task[i].name), js_close(w);
    js_close(w);
    js_object(w, "higher_is_better");
    for (size_t i = 0; i < run->n; i++) {
        js_object(w, run->task[i].name);
        js_put_bool(w, "exact_match", true);
        js_put_bool(w, "tokens", false);
        js_put_bool(w, "tokens_median", false);
        js_put_bool(w, "tokens_p95", false);
        js_put_bool(w, "truncated", false);
        js_put_bool(w, "no_answer", false);
        js_close(w);
    }
    js_close(w);
    each_uint(w, "versions", run, 1);
    each_uint(w, "n-shot", run, 0);
    js_object(w, "n-samples");
    for (size_t i = 0; i < run->n; i++) {
        js_object(w, run->task[i].name);
        js_put_uint(w, "original", run->task[i].result.n);
        js_put_uint(w, "effective", run->task[i].result.n);
        js_close(w);
    }
    js_close(w);
}

/* ---- what was run -------------------------------------------------------------------------------------- */

static void put_sampling(struct js_out *w, const struct lm_run *run)
{
    const struct sampler_config *s = run->sampler;
    js_object(w, "gen_kwargs");
    js_put_bool(w, "do_sample", s->temperature > 0);
    js_put_real(w, "temperature", (double)s->temperature);
    js_put_real(w, "top_p", (double)s->top_p);
    js_put_uint(w, "top_k", s->top_k);
    js_put_uint(w, "max_gen_toks", run->max_new);
    js_close(w);
}

static void put_configs(struct js_out *w, const struct lm_run *run)
{
    js_object(w, "configs");
    for (size_t i = 0; i < run->n; i++) {
        const struct lm_task *t = &run->task[i];
        js_object(w, t->name);
        js_put_string(w, "task", t->name);
        js_put_string(w, "doc_to_text", t->wording);
        js_put_string(w, "output_type", "generate_until");
        js_put_uint(w, "num_fewshot", 0);
        js_put_uint(w, "repeats", t->result.repeats);
        js_object(w, "metadata");
        js_put_uint(w, "version", 1);
        eval_identity_put(w, &t->id);
        js_close(w);
        js_close(w);
    }
    js_close(w);
}

static void put_run(struct js_out *w, const struct lm_run *run)
{
    char name[FILE_PATH];
    sanitized(name, sizeof name, run->model);
    js_object(w, "config");
    js_put_string(w, "model", "terse");
    js_put_string(w, "model_args", run->adapter ? run->adapter : "");
    js_put_uint(w, "batch_size", run->streams);
    js_put_string(w, "device", "cpu");
    put_sampling(w, run);
    js_put_uint(w, "random_seed", run->sampler->seed);
    js_close(w);
    js_put_string(w, "mode", run->mode);
    js_put_real(w, "date", run->started);
    js_put_string(w, "terse_version", TERSE_VERSION);
    js_put_string(w, "model_source", "terse");
    js_put_string(w, "model_name", run->model);
    js_put_string(w, "model_name_sanitized", name);
    if (run->system)
        js_put_string(w, "system_instruction", run->system);
    else
        js_put_null(w, "system_instruction");
    js_put_bool(w, "fewshot_as_multiturn", false);
    js_put_real(w, "start_time", run->started);
    js_put_real(w, "end_time", run->ended);
    js_put_real(w, "total_evaluation_time_seconds", run->ended - run->started);
}

/* results_2026-11-21T17-20-05.123456.json, as lm-eval calls it. */
static int path_of(char *path, size_t size, const char *dir, const struct lm_run *run, struct err *e)
{
    char folder[FILE_PATH], name[FILE_PATH], date[40];
    time_t seconds = (time_t)run->ended;
    struct tm tm;
    sanitized(name, sizeof name, run->model);
    int r = file_path(folder, e, "%s/%s", dir, name);
    if (!r) r = file_make_dirs(folder, e);
    if (r) return r;
    gmtime_r(&seconds, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H-%M-%S", &tm);
    int n = snprintf(path, size, "%s/results_%s.%06d.json", folder, date,
                     (int)(1e6 * (run->ended - floor(run->ended))));
    return n > 0 && (size_t)n < size ? 0 : err_set(e, ERR_PATH, "%s: the path is too long", folder);
}

int lm_results_save(char *path, size_t size, const char *dir, const struct lm_run *run, struct err *e)
{
    struct js_out w;
    int r = path_of(path, size, dir, run, e);
    if (r) return r;
    js_out_init(&w, 2);
    js_object(&w, NULL);
    put_results(&w, run);
    put_configs(&w, run);
    put_run(&w, run);
    js_close(&w);
    return js_out_save(&w, path, e);
}
