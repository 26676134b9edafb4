#include "infer/run_options.h"
#include "infer/bundle.h"

#include <string.h>

const struct model_source source_gguf = {
    .load = load_gguf,
    .same = ask_same_text,
    .model = "GGUF file",
    .adapter = "adapter: a GGUF file",
};

void run_options_table(struct option *out, const struct option *rows, size_t bytes,
                       const struct model_source *from)
{
    memcpy(out, rows, bytes);
    for (; out->key; out++) {
        if (!strcmp(out->key, "model"))
            out->help = from->model, out->preset = from->preset, out->required = !from->preset;
        else if (!strcmp(out->key, "lora"))
            out->help = from->adapter;
    }
}

int run_options_check(const struct options *o, struct err *e)
{
    const struct option *model = options_find(o, "model");
    if (options_find(o, "bundle") && options_given(o, "bundle")) {
        if (!options_given(o, "model") && !options_given(o, "lora") && !options_given(o, "heads")) return 0;
        return err_set(e, ERR_USAGE,
                       "--bundle brings its own model, adapter and heads; leave out -m, --lora and --heads");
    }
    if (!model->required || options_given(o, "model")) return 0;
    return err_set(e, ERR_USAGE, "no model given; add -m with a %s", model->help);
}

static int load_bundle(struct loaded *l, const struct model_source *from, struct load_options *o,
                       const char *folder, struct err *e)
{
    struct bundle b;
    int r = bundle_open(&b, folder, e);
    if (r) return r;
    o->model = b.part[BUNDLE_MODEL].path;
    o->adapter = *b.part[BUNDLE_ADAPTER].name ? b.part[BUNDLE_ADAPTER].path : NULL;
    o->heads[0] = *b.part[BUNDLE_HEADS].name ? b.part[BUNDLE_HEADS].path : NULL;
    r = from->load(l, o, e);
    if (r) return r;
    r = bundle_check(&b, l, folder, e);
    if (r) loaded_clear(l);
    return r;
}

struct load_options run_options_model(const struct model_flags *f)
{
    return (struct load_options){
        .model = f->model,
        .adapter = f->lora,
        .dtype = (enum load_dtype)f->dtype,
        .act8 = f->act_dtype == 1,
        .threads = (unsigned)f->threads,
        .context = (uint32_t)f->context,
        .digests = f->digests,
    };
}

int run_options_load(struct loaded *l, const struct model_source *from, const struct model_flags *f,
                     struct err *e)
{
    struct load_options o = run_options_model(f);
    if (f->heads.n > HEAD_TASKS)
        return err_set(e, ERR_USAGE, "%zu files of heads, at most %d: a switcher and a verifier", f->heads.n,
                       HEAD_TASKS);
    for (size_t i = 0; i < f->heads.n; i++) o.heads[i] = f->heads.items[i];
    return f->bundle ? load_bundle(l, from, &o, f->bundle, e) : from->load(l, &o, e);
}

struct session_config run_options_session(const struct model_flags *f, uint32_t streams, uint32_t max_tokens)
{
    return (struct session_config){
        .streams = streams,
        .max_tokens = max_tokens,
        .kv = (enum kv_type)f->kv_dtype,
        .cache_bytes = (uint64_t)f->cache_mib << 20,
    };
}

int run_options_lengths(const struct budget_flags *f, int64_t max_new, struct err *e)
{
    if (f->budget && max_new && max_new <= f->budget)
        return err_set(e, ERR_USAGE, "-n ends the answer before its budget of %lld tokens",
                       (long long)f->budget);
    if (!f->budget && (f->answer_tokens || f->closing))
        return err_set(e, ERR_USAGE,
                       "--answer-tokens and --closing say what follows a budget; give --budget");
    return 0;
}

int run_options_budget(struct budget *b, const struct budget_flags *f, const struct tokenizer *t,
                       const char *closing, struct err *e)
{
    *b = (struct budget){0};
    if (!f->budget) return 0;
    return budget_init(b, t, (uint32_t)f->budget, (uint32_t)f->answer_tokens,
                       f->closing ? f->closing : closing, e);
}

int run_options_ask(struct ask_config *out, const struct options *o, const struct ask_flags *f,
                    const struct model_source *from, const struct loaded *l, struct err *e)
{
    bool gate_all = l->adapter && l->adapter->cfg.gate == GATE_ALL, verifier = l->head[HEAD_VERIFIER] != NULL;
    bool mode = options_given(o, "mode"), vote = options_given(o, "vote");
    *out = (struct ask_config){
        .mode = mode ? (enum ask_mode)f->mode : ASK_REASON,
        .think = f->think,
        .threshold = options_given(o, "threshold") ? f->threshold : -1,
        .chains = (uint32_t)f->answers,
        .votes = f->vote > 0,
        .vote = f->vote > 0 ? (enum vote_kind)(f->vote - 1) : VOTE_MAJORITY,
        .all = f->show_chains,
        .same = from->same,
    };
    if (!mode && l->head[HEAD_SWITCHER] && l->lora && !gate_all) out->mode = ASK_AUTO;
    if (!vote && verifier && f->answers > 1 && out->mode != ASK_CHAT)
        out->votes = true, out->vote = VOTE_WEIGHTED;
    if (f->answers == 1) out->votes = false;
    out->scores = verifier && (f->answers > 1 || f->show_chains);
    if (options_given(o, "threshold") && out->mode != ASK_AUTO)
        return err_set(e, ERR_USAGE, "--threshold is the switcher's, which is asked in mode auto only");
    return ask_config_check(out, l, e);
}

int run_options_one_answer(const struct ask_config *c, struct err *e)
{
    if (c->chains == 1 || c->votes) return 0;
    return err_set(e, ERR_USAGE, "-N asks for chains that vote; say how: --vote majority, weighted or best");
}

static bool has(const struct options *o, const char *key)
{
    return options_given(o, key) || options_find(o, key)->preset;
}

void run_options_sampler(struct sampler_config *out, const struct options *o, const struct sampling_flags *f,
                         const struct model_config *m)
{
    *out = (struct sampler_config){
        .temperature = has(o, "temperature") ? f->temperature : m->temperature,
        .top_k = has(o, "top_k") ? (uint32_t)f->top_k : m->top_k,
        .top_p = has(o, "top_p") ? f->top_p : m->top_p,
        .min_p = f->min_p,
        .repetition_penalty = f->repeat_penalty,
        .seed = f->seed,
    };
}
