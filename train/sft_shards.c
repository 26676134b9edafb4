/* Token shards of a run: ready ones, or found by what they were made of and made when absent. */
#include "checkpoints/hf_tokenizer.h"
#include "train/sft_parts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- sets ------------------------------------------------------------------------------------------------
 */

/* The last part of a path without its suffix, in letters that a metric's key may have. */
static void name_fill(const struct sft_sets *sets, const char *path, char name[48])
{
    const char *slash = strrchr(path, '/');
    char plain[32];
    size_t n = 0;
    if (slash && !slash[1]) slash = NULL;
    for (const char *p = slash ? slash + 1 : path; *p && *p != '.' && n + 1 < sizeof plain; p++)
        plain[n++] = isalnum((unsigned char)*p) || strchr("_-", *p) ? *p : '_';
    plain[n] = 0;
    snprintf(name, 48, "%s", plain);
    for (uint32_t i = 0, times = 1; i < sets->n; i++)
        if (!strcmp(sets->names[i], name)) snprintf(name, 48, "%s-%u", plain, ++times), i = UINT32_MAX;
}

/* Takes over `shards`. */
static int set_add(struct sft_sets *sets, struct shards *shards, const char *path, double weight,
                   struct err *e)
{
    if (sets->n == LOADER_SETS) {
        shards_close(shards);
        return err_set(e, ERR_TOO_MANY, "dataset: more than %d sets", LOADER_SETS);
    }
    name_fill(sets, path, sets->names[sets->n]);
    sets->sets[sets->n++] = (struct loader_set){shards, weight};
    return 0;
}

int sft_sets_open_again(const struct sft_sets *from, struct sft_sets *out, struct err *e)
{
    *out = *from;
    for (out->n = 0; out->n < from->n; out->n++) {
        int r = shards_open(&out->sets[out->n].shards, shards_dir(from->sets[out->n].shards), SHARDS_LAZY, e);
        if (r) return r;
    }
    return 0;
}

void sft_sets_close(struct sft_sets *sets)
{
    while (sets->n) shards_close(sets->sets[--sets->n].shards);
}

/* ---- ready ones ------------------------------------------------------------------------------------------
 */

static bool is_ready(const char *path)
{
    char manifest[FILE_PATH];
    return !file_path(manifest, NULL, "%s/manifest.json", path) && file_exists(manifest);
}

/* What was settled when they were made must be what this run wants. */
static int check_ready(const struct sft *s, const char *dir, const struct shards *shards, struct err *e)
{
    const struct shards_origin *o = shards_origin(shards);
    char hex[SHA256_HEX];
    int r = tokenizer_digest(s->l.tokenizer, hex, e);
    if (r) return r;
    if (strcmp(hex, o->tokenizer) != 0)
        return err_set(e, ERR_TOK_HASH, "%s was tokenised by another tokenizer than that of %s", dir,
                       s->c->model_name_or_path);
    if (o->vocab > s->l.m->c.vocab)
        return err_set(e, ERR_TOKEN_RANGE, "%s has ids up to %u, the model has %u", dir, o->vocab,
                       s->l.m->c.vocab);
    if (s->c->max_samples || s->c->system_prompt || s->c->train_on_prompt)
        return err_set(e, ERR_CFG_CONFLICT,
                       "%s was settled when %s was built; it is no setting of a run on ready shards",
                       s->c->max_samples     ? "max_samples"
                       : s->c->system_prompt ? "system_prompt"
                                             : "train_on_prompt",
                       dir);
    return 0;
}

static int ready_open(struct sft *s, const char *dir, double weight, struct sft_sets *out, struct err *e)
{
    struct shards *shards;
    int r = shards_open(&shards, dir, SHARDS_LAZY, e);
    if (r) return r;
    if ((r = check_ready(s, dir, shards, e))) {
        shards_close(shards);
        return r;
    }
    sft_note(s, "%s: %llu conversations, %llu tokens, ready", dir, (unsigned long long)shards_docs(shards),
             (unsigned long long)shards_tokens(shards));
    return set_add(out, shards, dir, weight, e);
}

/* ---- files -----------------------------------------------------------------------------------------------
 */

int sft_shards_dir(const struct sft_config *c, const char *name, char dir[FILE_PATH], struct err *e)
{
    if (c->tokenized_path) return file_path(dir, e, "%s%s", c->tokenized_path, name + strlen("tokens"));
    return file_path(dir, e, "%s/%s", c->output_dir, name);
}

static int interrupted(void *ctx, uint64_t done, uint64_t total)
{
    const struct sft *s = ctx;
    if (s->ev->tokenised) s->ev->tokenised(s->ev->ctx, done, total);
    return s->ev->interrupted && s->ev->interrupted(s->ev->ctx);
}

/* Under a gate only the last turn is adapted, so only it can be learned. */
static enum build_learn learn_of(const struct sft_config *c, enum lora_gate gate)
{
    if (gate != GATE_ALL) return LEARN_LAST;
    return c->train_on_prompt ? LEARN_ALL : LEARN_ANSWERS;
}

void sft_build_config(struct build_config *b, const struct sft_config *c, enum lora_gate gate,
                      const struct tokenizer *t, uint32_t vocab)
{
    *b = (struct build_config){
        .tokenizer = t,
        .system = c->system_prompt,
        .cutoff_len = (uint32_t)c->cutoff_len,
        .learn = learn_of(c, gate),
        .max_samples = (uint64_t)c->max_samples,
        .vocab = vocab,
    };
}

/* One set of all these files, in the folder `name`. */
static int files_open(struct sft *s, const struct string_list *files, const char *name, double weight,
                      struct sft_sets *out, struct err *e)
{
    char dir[FILE_PATH], text[256];
    struct build_report report;
    struct shards *shards;
    glob_t g;
    struct build_config c;
    int r = sft_shards_dir(s->c, name, dir, e);
    if (!r) r = globs_expand(files, &g, e);
    if (r) return r;
    sft_build_config(&c, s->c, s->l.adapter ? s->l.adapter->cfg.gate : GATE_ALL, s->l.tokenizer,
                     s->l.m->c.vocab);
    c.files = (const char *const *)g.gl_pathv, c.n_files = (uint32_t)g.gl_pathc;
    c.progress = interrupted, c.ctx = s;
    r = data_build(dir, &c, &report, e);
    globfree(&g);
    if (r) return r;
    build_report_text(&report, text, sizeof text);
    sft_note(s, "%s", text);
    r = shards_open(&shards, dir, SHARDS_LAZY, e); /* data_build has looked at every byte */
    return r ? r : set_add(out, shards, files->items[0], weight, e);
}

/* ---- both ------------------------------------------------------------------------------------------------
 */

static int open_apart(struct sft *s, const struct string_list *names, const char *name, struct sft_sets *out,
                      struct err *e)
{
    int r = 0;
    for (size_t i = 0; !r && i < names->n; i++) {
        const double weight = i < LOADER_SETS ? s->c->weights[i] : 0;
        char own[32];
        snprintf(own, sizeof own, "%s-%zu", name, i + 1);
        if (is_ready(names->items[i]))
            r = ready_open(s, names->items[i], weight, out, e);
        else
            r = files_open(s, &(struct string_list){&names->items[i], 1}, own, weight, out, e);
    }
    return r;
}

int sft_sets_open(struct sft *s, const struct string_list *names, const char *name, bool apart,
                  struct sft_sets *out, struct err *e)
{
    if (apart) return open_apart(s, names, name, out, e);
    struct string_list files = {calloc(names->n, sizeof *files.items), 0};
    int r = files.items ? 0 : err_set(e, ERR_NOMEM, "no memory for %zu names of data", names->n);
    for (size_t i = 0; !r && i < names->n; i++) {
        if (is_ready(names->items[i]))
            r = ready_open(s, names->items[i], 1, out, e);
        else
            files.items[files.n++] = names->items[i];
    }
    if (!r && files.n) r = files_open(s, &files, name, 1, out, e);
    free(files.items);
    return r;
}
