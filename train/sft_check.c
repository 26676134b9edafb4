/* What must hold between the keys of an SFT run, and between them and the disk. */
#include "checkpoints/file.h"
#include "checkpoints/load.h"
#include "data/url.h"
#include "infer/adapter.h"
#include "infer/machine.h"
#include "train/run_record.h"
#include "train/sft_options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- keys that rule each other out ----------------------------------------------------------------------
 */

/* `a` and `b` say the same thing in two ways; `b` has a default. The stronger source wins, equals conflict.
 */
static int settle_pair(struct options *o, const char *a, const char *b, struct err *e)
{
    enum option_source from_a = options_source(o, a), from_b = options_source(o, b);
    if (from_a == OPT_FROM_DEFAULT) return 0;
    if (from_a == from_b)
        return err_set(e, ERR_CFG_CONFLICT, "%s (%s) and %s (%s) contradict each other; give one of them", a,
                       options_where(o, a), b, options_where(o, b));
    options_unset(o, from_a > from_b ? b : a);
    return 0;
}

static int settle_batch(struct sft_config *c, struct options *o, struct err *e)
{
    static const char total_key[] = "train_batch_size", row_key[] = "per_device_train_batch_size";
    enum option_source from_total = options_source(o, total_key), from_rows = options_source(o, row_key);
    if (from_total > OPT_FROM_DEFAULT && from_total >= from_rows) {
        int64_t rows = c->train_batch_size / c->gradient_accumulation_steps;
        if (c->train_batch_size % c->gradient_accumulation_steps)
            return err_set(e, ERR_CFG_CONFLICT,
                           "train_batch_size %lld (%s) is not divisible by gradient_accumulation_steps %lld",
                           (long long)c->train_batch_size, options_where(o, total_key),
                           (long long)c->gradient_accumulation_steps);
        if (from_rows == from_total && rows != c->per_device_train_batch_size)
            return err_set(e, ERR_CFG_CONFLICT,
                           "train_batch_size %lld (%s) is not per_device_train_batch_size %lld times "
                           "gradient_accumulation_steps %lld; drop one of them",
                           (long long)c->train_batch_size, options_where(o, total_key),
                           (long long)c->per_device_train_batch_size,
                           (long long)c->gradient_accumulation_steps);
        c->per_device_train_batch_size = rows;
    }
    options_unset(o, total_key);
    c->rows_per_step = c->per_device_train_batch_size * c->gradient_accumulation_steps;
    return 0;
}

static int settle(struct sft_config *c, struct options *o, struct err *e)
{
    int rc = settle_pair(o, "max_steps", "num_train_epochs", e);
    if (!rc) rc = settle_pair(o, "warmup_steps", "warmup_ratio", e);
    /* An empty list and a size of 0 are what a run record says of a run without evaluation. */
    if (!rc && c->eval_dataset.n && c->val_size > 0) rc = settle_pair(o, "eval_dataset", "val_size", e);
    return rc ? rc : settle_batch(c, o, e);
}

static int check_base(const struct sft_config *c, const struct options *o, struct err *e)
{
    if (!c->base_dtype) return 0;
    if (c->tuning == TUNING_DENSE)
        return err_set(e, ERR_CFG_CONFLICT,
                       "base_dtype (%s) quantises weights that stay frozen, but tuning is dense (%s)",
                       options_where(o, "base_dtype"), options_where(o, "tuning"));
    if (c->compute_dtype == LOAD_FP32)
        return err_set(
            e, ERR_CFG_CONFLICT,
            "products with a quantised base are bf16: base_dtype (%s) contradicts compute_dtype fp32 "
            "(%s)",
            options_where(o, "base_dtype"), options_where(o, "compute_dtype"));
    return 0;
}

/* ---- lists of words --------------------------------------------------------------------------------------
 */

static int find_word(const char *const *words, int n, const char *word)
{
    for (int i = 0; i < n; i++)
        if (!strcasecmp(words[i], word)) return i;
    return -1;
}

static int read_targets(struct sft_config *c, const struct options *o, struct err *e)
{
    static const char *const names[LORA_TARGETS] = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                    "gate_proj", "up_proj", "down_proj"};
    c->lora_targets = 0;
    for (size_t i = 0; i < c->lora_target.n; i++) {
        const char *word = c->lora_target.items[i];
        int at = find_word(names, LORA_TARGETS, word);
        if (at < 0 && strcasecmp(word, "all"))
            return err_set(
                e, ERR_AD_TARGET,
                "lora_target: unknown product \"%.60s\"; expected all, or some of q_proj, k_proj, v_proj, "
                "o_proj, gate_proj, up_proj, down_proj (%s)",
                word, options_where(o, "lora_target"));
        c->lora_targets |= at < 0 ? LORA_ALL : 1u << at;
    }
    if (!c->lora_targets)
        return err_set(e, ERR_AD_TARGET,
                       "lora_target is empty; expected all, or some of q_proj, k_proj ... (%s)",
                       options_where(o, "lora_target"));
    return 0;
}

static int read_reports(struct sft_config *c, const struct options *o, struct err *e)
{
    static const char *const names[] = {"none", "jsonl", "tensorboard"};
    c->report_jsonl = c->report_tensorboard = false;
    for (size_t i = 0; i < c->report_to.n; i++) {
        int at = find_word(names, 3, c->report_to.items[i]);
        if (at < 0)
            return err_set(e, ERR_FIELD_RANGE,
                           "report_to: unknown log \"%.60s\"; expected jsonl, tensorboard or none (%s)",
                           c->report_to.items[i], options_where(o, "report_to"));
        if (at == 0 && c->report_to.n > 1)
            return err_set(e, ERR_CFG_CONFLICT, "report_to: none beside other logs (%s)",
                           options_where(o, "report_to"));
        c->report_jsonl |= at == 1;
        c->report_tensorboard |= at == 2;
    }
    return 0;
}

/* Weights of the dataset's names. */
static int read_weights(struct sft_config *c, const struct options *o, struct err *e)
{
    const size_t n = c->dataset.n, given = c->interleave_probs.n;
    const char *where = options_where(o, "interleave_probs");
    if (given && c->mix_strategy == LOADER_CONCAT)
        return err_set(e, ERR_CFG_CONFLICT,
                       "interleave_probs (%s) needs mix_strategy interleave_under or interleave_over", where);
    if (given && given != n)
        return err_set(e, ERR_CFG_CONFLICT, "interleave_probs has %zu values (%s), dataset has %zu names",
                       given, where, n);
    if (c->mix_strategy != LOADER_CONCAT && n > LOADER_SETS)
        return err_set(e, ERR_TOO_MANY, "dataset: %zu sets to mix, at most %d", n, LOADER_SETS);
    for (size_t i = 0; i < LOADER_SETS; i++) c->weights[i] = 1;
    for (size_t i = 0; i < given; i++) {
        char *end, *text = c->interleave_probs.items[i];
        c->weights[i] = strtod(text, &end);
        if (end == text || *end || !(c->weights[i] > 0) || !isfinite(c->weights[i]))
            return err_set(e, ERR_FIELD_RANGE, "interleave_probs: \"%.40s\" is no share above 0 (%s)", text,
                           where);
    }
    return 0;
}

static int check_urls(const struct options *o, const char *key, const struct string_list *list, struct err *e)
{
    char what[256];
    snprintf(what, sizeof what, "%s (%s)", key, options_where(o, key));
    for (size_t i = 0; i < list->n; i++) {
        if (!url_is(list->items[i])) continue;
        int rc = url_check(list->items[i], what, e);
        if (rc) return rc;
        return err_set(e, ERR_URL_SCHEME,
                       "%s: terse sft reads local files; `terse data fetch %.200s` prints its path", what,
                       list->items[i]);
    }
    return 0;
}

/* ---- the disk --------------------------------------------------------------------------------------------
 */

static int check_inputs(const struct sft_config *c, const struct options *o, struct err *e)
{
    const char *resume = c->resume_from_checkpoint;
    int rc = run_input_check(o, "model_name_or_path", c->model_name_or_path, c->output_dir, e);
    if (!rc && c->adapter_name_or_path)
        rc = run_input_check(o, "adapter_name_or_path", c->adapter_name_or_path, c->output_dir, e);
    if (!rc && resume && strcmp(resume, "auto") && strcmp(resume, "none"))
        rc = run_input_check(o, "resume_from_checkpoint", resume, c->output_dir, e);
    return rc;
}

/* ---- the whole -------------------------------------------------------------------------------------------
 */

int sft_config_settle(struct sft_config *c, struct options *o, struct err *e)
{
    int rc = options_check_required(o, e);
    if (!rc) rc = settle(c, o, e);
    if (!rc) rc = read_targets(c, o, e);
    if (!rc) rc = read_reports(c, o, e);
    if (!rc) rc = read_weights(c, o, e);
    if (!rc) rc = check_base(c, o, e);
    int64_t warmup;
    if (!rc && c->max_steps) rc = sft_config_check_steps(c, o, c->max_steps, &warmup, e);
    if (!rc && c->tuning == TUNING_DENSE && c->adapter_name_or_path)
        rc = err_set(e, ERR_CFG_CONFLICT,
                     "tuning: dense trains no adapter, but adapter_name_or_path is given (%s)",
                     options_where(o, "adapter_name_or_path"));
    if (!rc && c->train_on_prompt && c->tuning == TUNING_LORA && c->lora_gate != GATE_ALL)
        rc = err_set(
            e, ERR_CFG_CONFLICT,
            "train_on_prompt (%s) needs tuning: dense or lora_gate: all; elsewhere the prompt is the base's",
            options_where(o, "train_on_prompt"));
    return rc;
}

int sft_config_check(struct sft_config *c, struct options *o, struct err *e)
{
    int rc = sft_config_settle(c, o, e);
    if (!rc) rc = check_urls(o, "dataset", &c->dataset, e);
    if (!rc) rc = check_urls(o, "eval_dataset", &c->eval_dataset, e);
    if (!rc) rc = check_inputs(c, o, e);
    if (!rc) rc = run_output_check(o, c->output_dir, e);
    return rc ? rc : sft_config_check_run(c, o, e);
}

int sft_config_check_model(const struct sft_config *c, const struct options *o, const struct model_config *m,
                           struct err *e)
{
    if (c->cutoff_len > m->max_positions)
        return err_set(e, ERR_FIELD_RANGE,
                       "cutoff_len: %lld tokens, but the model was made for at most %u (%s)",
                       (long long)c->cutoff_len, m->max_positions, options_where(o, "cutoff_len"));
    if (c->tuning == TUNING_LORA && c->lora_rank > m->width)
        return err_set(e, ERR_AD_RANK, "lora_rank: %lld is above the model's width of %u (%s)",
                       (long long)c->lora_rank, m->width, options_where(o, "lora_rank"));
    return 0;
}

int sft_config_check_steps(const struct sft_config *c, const struct options *o, int64_t total,
                           int64_t *warmup, struct err *e)
{
    if (c->warmup_steps > total)
        return err_set(e, ERR_FIELD_RANGE,
                       "warmup_steps: %lld of a run of %lld steps (%s); expected at most as many",
                       (long long)c->warmup_steps, (long long)total, options_where(o, "warmup_steps"));
    /* As Trainer does: the ratio's share, rounded up. */
    bool by_ratio = !options_given(o, "warmup_steps");
    *warmup = by_ratio ? (int64_t)ceil((double)total * c->warmup_ratio) : c->warmup_steps;
    return 0;
}

int sft_config_check_resources(const struct sft_config *c, uint64_t disk_bytes, uint64_t memory_bytes,
                               struct err *e)
{
    char existing[FILE_PATH];
    file_nearest(existing, c->output_dir);
    int rc = file_need_space(existing, disk_bytes, e);
    if (rc) return rc;
    uint64_t limit = c->memory_limit ? c->memory_limit : machine_available();
    if (!limit || memory_bytes <= limit) return 0;
    return err_set(e, ERR_PREFLIGHT_MEM,
                   "the run needs %.2f GiB of memory and %s is %.2f GiB; lower cutoff_len or "
                   "per_device_train_batch_size, or set recompute=layer",
                   (double)memory_bytes / 0x1p30, c->memory_limit ? "memory_limit" : "what is available",
                   (double)limit / 0x1p30);
}
