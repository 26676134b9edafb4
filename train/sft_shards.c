/* Token shards of a run: found by what they were made of, made when absent. */
#include "train/sft_parts.h"

#include <stdlib.h>
#include <string.h>

/* A plain name stays. */
int sft_names_expand(const struct string_list *names, glob_t *g, struct err *e)
{
    memset(g, 0, sizeof *g);
    for (size_t i = 0; i < names->n; i++) {
        int r = glob(names->items[i], GLOB_NOCHECK | (i ? GLOB_APPEND : 0), NULL, g);
        if (r == GLOB_NOSPACE) return err_set(e, ERR_NOMEM, "no memory for the files of %s", names->items[i]);
        if (r) return err_set(e, ERR_EACCES, "cannot list the files of %s", names->items[i]);
    }
    return 0;
}

int sft_shards_dir(const struct sft_config *c, const char *name, char dir[FILE_PATH], struct err *e)
{
    if (c->tokenized_path)
        return file_path(dir, e, strcmp(name, "tokens") ? "%s-eval" : "%s", c->tokenized_path);
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

int sft_shards_build(struct sft *s, const struct string_list *files, const char *name, struct shards **out,
                     struct err *e)
{
    char dir[FILE_PATH], text[256];
    struct build_report report;
    glob_t g;
    struct build_config c;
    int r = sft_shards_dir(s->c, name, dir, e);
    if (!r) r = sft_names_expand(files, &g, e);
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
    return shards_open(out, dir, 0, e);
}
