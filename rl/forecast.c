#include "rl/forecast.h"
#include "checkpoints/base.h"
#include "checkpoints/hf_config.h"
#include "checkpoints/hf_tokenizer.h"
#include "checkpoints/peft.h"
#include "checkpoints/safetensors.h"
#include "checkpoints/yaml.h"
#include "rl/ppo_sizes.h"
#include "train/run_rows.h"

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- settings ------------------------------------------------------------------------------------------ */

struct settings {
    struct options o;
    enum forecast_kind kind;
    union {
        struct sft_config sft;
        struct ppo_config ppo;
    } c;
};

static int set_text(struct options *o, const char *text, struct err *e)
{
    char key[FORECAST_CHANGE];
    size_t n = strcspn(text, "=");
    if (!text[n] || n >= sizeof key)
        return err_set(e, ERR_USAGE, "unexpected argument \"%.80s\", expected key=value of the recipe", text);
    snprintf(key, sizeof key, "%.*s", (int)n, text);
    return options_set_text(o, key, text + n + 1, e);
}

static int settings_init(struct settings *s, enum forecast_kind kind, struct err *e)
{
    s->kind = kind;
    return kind == FORECAST_SFT ? sft_options_init(&s->o, &s->c.sft, e)
                                : ppo_options_init(&s->o, &s->c.ppo, e);
}

/* The file, what the user sets over it, and one change more; settled. *s is to be freed by options_free. */
static int settings_load(struct settings *s, const struct forecast_request *q, enum forecast_kind kind,
                         const char *change, struct err *e)
{
    int r = settings_init(s, kind, e);
    if (!r) r = yaml_load_options(q->path, &s->o, e);
    for (int i = 0; i < q->n_set && !r; i++) r = set_text(&s->o, q->set[i], e);
    if (!r && change) r = set_text(&s->o, change, e);
    if (r) return r;
    return kind == FORECAST_SFT ? sft_config_settle(&s->c.sft, &s->o, e)
                                : ppo_config_settle(&s->c.ppo, &s->o, e);
}

static int file_takes(const char *path, enum forecast_kind kind, struct err *e)
{
    struct settings s;
    int r = settings_init(&s, kind, e);
    if (!r) r = yaml_load_options(path, &s.o, e);
    if (!r) r = options_check_required(&s.o, e);
    options_free(&s.o);
    return r;
}

static int kind_find(struct forecast *r, struct err *e)
{
    struct err sft = {0}, ppo = {0};
    r->kind = r->q.kind;
    if (r->kind != FORECAST_AUTO) return 0;
    if (!file_takes(r->q.path, FORECAST_SFT, &sft)) {
        r->kind = FORECAST_SFT;
    } else if (!file_takes(r->q.path, FORECAST_PPO, &ppo)) {
        r->kind = FORECAST_PPO;
    } else if (sft.code == ERR_FILE_MISSING || sft.code == ERR_EACCES) {
        *e = sft;
        return sft.code;
    } else
        return err_set(e, ERR_CFG_CONFLICT,
                       "what can be planned are recipes for sft and ppo; %s is neither (%.300s; %.300s); "
                       "--kind says which it "
                       "is to be",
                       r->q.path, sft.msg, ppo.msg);
    return 0;
}

/* ---- the model ----------------------------------------------------------------------------------------- */

/* The type of a folder's weights, by the header of its first file. */
static enum dtype folder_dtype(const char *dir)
{
    enum dtype own = DTYPE_BF16;
    char pattern[FILE_PATH];
    struct safetensors *f;
    glob_t g;
    if (file_path(pattern, NULL, "%s/model*.safetensors", dir) || glob(pattern, 0, NULL, &g)) return own;
    if (!safetensors_open(&f, g.gl_pathv[0], NULL)) {
        if (safetensors_count(f)) own = safetensors_at(f, 0)->dtype;
        safetensors_close(f);
    }
    globfree(&g);
    return own;
}

/* Qwen2.5-7B-Instruct -> qwen2.5-7b, where the name says so much. */
static int shape_of_name(struct forecast *r, const char *path, struct err *e)
{
    static const char *const sizes[] = {"0.5b", "1.5b", "3b", "7b"};
    char low[512], shape[32];
    base_name(path, low, sizeof low);
    for (char *c = low; *c; c++) *c = (char)tolower((unsigned char)*c);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const char *at = strstr(low, sizes[i]);
        if (!at || (at > low && (isdigit((unsigned char)at[-1]) || at[-1] == '.'))) continue;
        snprintf(shape, sizeof shape, "qwen2.5-%s", sizes[i]);
        snprintf(r->model_from, sizeof r->model_from, "no such folder: the shape of %s, by its name", shape);
        return model_config_named(&r->model, shape, e);
    }
    return err_set(
        e, ERR_FILE_MISSING,
        "there is no model %s, and its name says no size; --shape qwen2.5-7b (or a config.json) does", path);
}

static int gguf_look(struct forecast *r, const char *path, struct tokenizer **t, struct err *e)
{
    struct base *b;
    int code = base_open(&b, path, e);
    if (code) return code;
    r->model = b->config, r->own = b->dtype;
    code = base_tokenizer(t, b, e);
    base_close(b);
    return code;
}

static int model_look(struct forecast *r, const char *path, struct tokenizer **t, struct err *e)
{
    char config[FILE_PATH];
    struct stat st;
    r->own = DTYPE_BF16;
    base_name(path, r->name, sizeof r->name);
    bool there = !stat(path, &st);
    if (there && S_ISREG(st.st_mode) && !r->q.shape) return gguf_look(r, path, t, e);
    int code = file_path(config, e, "%s/config.json", path);
    if (code) return code;
    there = file_exists(config);
    if (there && (code = hf_tokenizer_load(t, path, 0, e))) return code;
    if (there) r->own = folder_dtype(path);
    if (r->q.shape) {
        snprintf(r->model_from, sizeof r->model_from, "the shape of %s", r->q.shape);
        return hf_config_shape(&r->model, r->q.shape, e);
    }
    return there ? hf_config_load(&r->model, path, e) : shape_of_name(r, path, e);
}

/* ---- the data ------------------------------------------------------------------------------------------ */

static int sft_look(struct forecast *r, const struct sft_config *c, const struct tokenizer *t, struct err *e)
{
    const struct epoch_assumed *a = &r->q.assumed;
    struct epoch *p = &r->epoch;
    char *text = r->data_from;
    size_t size = sizeof r->data_from;
    int code = epoch_look(p, c, t, r->model.vocab, a, r->q.sample, e);
    if (code) return code;
    if (p->source == EPOCH_SHARDS)
        snprintf(text, size, "counted in %.400s", p->where);
    else if (p->source == EPOCH_SAMPLE)
        snprintf(text, size, "from a sample of %zu conversations of %.400s", p->n, p->where);
    else if (a->rows > 0 || a->tokens)
        snprintf(text, size, "as you say");
    else
        snprintf(text, size, "assumed, OpenThoughts3's size: cannot read %.400s", p->where);
    return 0;
}

static int adapter_look(struct forecast *r, const char *path, struct adapter **out, struct err *e)
{
    struct adapter_info info;
    uint32_t rank = r->q.rank ? r->q.rank : 128;
    r->adapter = (struct adapter_config){.rank = rank, .alpha = 2 * rank, .targets = LORA_ALL};
    if (!file_exists(path)) return 0;
    int code = peft_load(out, &info, NULL, path, &r->model, NULL, e);
    if (!code) r->adapter = (*out)->cfg;
    return code;
}

/* Prompts as they will be asked. */
static int problems_look(struct forecast *r, const struct ppo_config *c, const struct loaded *l,
                         struct err *e)
{
    struct plan_answers *a = &r->answers;
    struct rollout_config rc;
    struct problems p;
    ppo_rollout_config(&rc, c);
    int code = problems_load(&p, c->dataset, (uint64_t)c->max_samples, e);
    if (code) return code;
    code = rollout_longest(&rc, l, &p, &a->longest, &a->prompt, e);
    a->problems = (double)p.n;
    problems_clear(&p);
    snprintf(r->data_from, sizeof r->data_from, "prompts of %.400s", c->dataset);
    return code;
}

static int ppo_look_at(struct forecast *r, const struct ppo_config *c, struct tokenizer *t, struct err *e)
{
    struct plan_answers *a = &r->answers;
    struct adapter *adapter = NULL;
    struct loaded l = {.tokenizer = t};
    int code = adapter_look(r, c->adapter_name_or_path, &adapter, e);
    l.adapter = adapter;
    if (!code && t && file_exists(c->dataset) && !r->q.assumed.prompt) {
        code = problems_look(r, c, &l, e);
    } else if (!code) {
        a->prompt = r->q.assumed.prompt ? r->q.assumed.prompt : OT3_PROMPT;
        a->longest = (uint32_t)(4 * a->prompt); /* some are long */
        snprintf(r->data_from, sizeof r->data_from, "prompts of %.0f tokens, the longest %u, assumed",
                 a->prompt, a->longest);
    }
    adapter_free(adapter);
    return code;
}

int forecast_open(struct forecast *r, const struct forecast_request *q, struct err *e)
{
    struct settings s;
    struct tokenizer *t = NULL;
    *r = (struct forecast){.q = *q};
    int code = kind_find(r, e);
    if (code) return code;
    code = settings_load(&s, q, r->kind, NULL, e);
    if (!code)
        code = model_look(
            r, r->kind == FORECAST_SFT ? s.c.sft.model_name_or_path : s.c.ppo.model_name_or_path, &t, e);
    if (!code) code = r->kind == FORECAST_SFT ? sft_look(r, &s.c.sft, t, e) : ppo_look_at(r, &s.c.ppo, t, e);
    tokenizer_free(t);
    options_free(&s.o);
    return code;
}

void forecast_close(struct forecast *r)
{
    epoch_clear(&r->epoch);
}

/* ---- forecasts ----------------------------------------------------------------------------------------- */

static int sft_forecast(const struct forecast *r, const struct settings *s, struct plan *out, struct err *e)
{
    struct outline o;
    int code = sft_config_check_model(&s->c.sft, &s->o, &r->model, e);
    if (code) return code;
    code = sft_outline(&o, &s->c.sft, &r->model, r->own, r->q.threads, e);
    if (!code) plan_sft(out, &s->c.sft, &o, &r->epoch, r->q.limit);
    outline_clear(&o);
    return code;
}

static int ppo_forecast(const struct forecast *r, const struct settings *s, struct plan *out, struct err *e)
{
    const struct ppo_config *c = &s->c.ppo;
    struct plan_answers a = r->answers;
    struct outline o;
    double longest = (double)c->response_length;
    a.mean = r->q.answer_tokens > 0 && r->q.answer_tokens < longest ? r->q.answer_tokens : longest;
    uint32_t context = a.longest + (uint32_t)c->response_length;
    enum weight_type type = load_weight_type(run_load_dtype(c->compute_dtype, c->base_dtype), r->own);
    int code = outline_create(&o, &r->model, type, context, &r->adapter, r->q.threads, e);
    if (!code) plan_ppo(out, c, &o, &a, r->q.limit);
    outline_clear(&o);
    return code;
}

int forecast_plan(const struct forecast *r, const char *change, struct plan *out, struct err *e)
{
    struct settings s;
    int code = settings_load(&s, &r->q, r->kind, change, e);
    if (!code) code = r->kind == FORECAST_SFT ? sft_forecast(r, &s, out, e) : ppo_forecast(r, &s, out, e);
    options_free(&s.o);
    return code;
}

/* ---- changes ------------------------------------------------------------------------------------------- */

struct changes {
    char (*at)[FORECAST_CHANGE];
    int n;
};

static void change_add(struct changes *c, bool sensible, const char *key, const char *value)
{
    if (sensible && c->n < FORECAST_CHANGES) snprintf(c->at[c->n++], FORECAST_CHANGE, "%s=%s", key, value);
}

static void halve(struct changes *c, const char *key, int64_t value, int64_t least)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)(value / 2));
    change_add(c, value / 2 >= least, key, text);
}

static void sft_changes(struct changes *c, const struct sft_config *s)
{
    bool lora = s->tuning == TUNING_LORA, fp32 = s->compute_dtype == LOAD_FP32;
    change_add(c, !lora, "tuning", "lora");
    if (lora) halve(c, "lora_rank", s->lora_rank, 8);
    halve(c, "cutoff_len", s->cutoff_len, 128);
    halve(c, "gradient_accumulation_steps", s->gradient_accumulation_steps, 1);
    change_add(c, fp32, "compute_dtype", "bf16");
    change_add(c, lora && !fp32 && !s->base_dtype, "base_dtype", "q8_0");
    change_add(c, lora && !fp32 && !s->base_dtype, "base_dtype", "q4_0");
    change_add(c, s->recompute != SFT_RECOMPUTE_LAYER, "recompute", "layer");
    change_add(c, !s->packing, "packing", "true");
    change_add(c, !s->max_steps && s->num_train_epochs > 1, "num_train_epochs", "1");
    if (s->max_steps) halve(c, "max_steps", s->max_steps, 1);
}

static void ppo_changes(struct changes *c, const struct ppo_config *s)
{
    bool fp32 = s->compute_dtype == LOAD_FP32;
    halve(c, "streams", s->streams, 4);
    halve(c, "response_length", s->response_length, 32);
    halve(c, "row_tokens", s->row_tokens, 256);
    change_add(c, s->num_mini_batches < 8, "num_mini_batches", "8");
    change_add(c, fp32, "compute_dtype", "bf16");
    change_add(c, !fp32 && !s->base_dtype, "base_dtype", "q8_0");
    change_add(c, !fp32 && !s->base_dtype, "base_dtype", "q4_0");
    change_add(c, s->recompute != 1 + RECOMPUTE_LAYER, "recompute", "layer");
    change_add(c, s->kl != KLP_NONE, "kl", "none");
    halve(c, "total_steps", s->total_steps, 1);
}

int forecast_changes(const struct forecast *r, char change[FORECAST_CHANGES][FORECAST_CHANGE], struct err *e)
{
    struct settings s;
    struct changes c = {change, 0};
    int code = settings_load(&s, &r->q, r->kind, NULL, e);
    if (!code && r->kind == FORECAST_SFT) sft_changes(&c, &s.c.sft);
    if (!code && r->kind == FORECAST_PPO) ppo_changes(&c, &s.c.ppo);
    options_free(&s.o);
    return code ? code : c.n;
}

bool forecast_change_is_free(const char *change)
{
    static const char *const keys[] = {"recompute=", "streams="};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strncmp(change, keys[i], strlen(keys[i]))) return true;
    return false;
}
