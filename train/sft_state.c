/* Saving and loading a run's state. One table of fields serves both. */
#include "checkpoints/state.h"
#include "train/sft_parts.h"

#include <stdio.h>
#include <string.h>

enum { FIELDS = 6 };

static void fields_fill(struct sft *s, struct state_field f[FIELDS])
{
    uint64_t n = s->trainee.count;
    f[0] = (struct state_field){"weights", DTYPE_F32, n, s->trainee.weights, STATE_FINITE};
    f[1] = (struct state_field){"adam.m", DTYPE_F32, n, s->optim.m, STATE_FINITE};
    f[2] = (struct state_field){"adam.v", DTYPE_F32, n, s->optim.v, STATE_FINITE | STATE_NONNEGATIVE};
    f[3] = (struct state_field){"step", DTYPE_I64, 1, &s->step, STATE_IS_STEP};
    f[4] = (struct state_field){"cursor", DTYPE_I64, 3, s->cursor, 0};
    f[5] = (struct state_field){"seen.tokens", DTYPE_I64, 1, &s->tokens, 0};
}

static void ident_fill(const struct sft *s, struct state_ident *id)
{
    *id = (struct state_ident){
        .run_id = s->digest_config,
        .config = s->digest_config,
        .base = s->l.digest_base,
        .tokenizer = s->l.digest_tokenizer,
        .data = s->digest_data,
        .mode = s->l.m->type == WT_BF16 ? "bf16" : "fp32",
        .step = s->step,
        .max_steps = (int64_t)s->total_steps,
    };
}

static int dir_of(const struct sft *s, char dir[FILE_PATH], struct err *e)
{
    return file_path(dir, e, "%s/state", s->c->output_dir);
}

int sft_state_prepare(struct sft *s, struct err *e)
{
    struct state_field f[FIELDS];
    char dir[FILE_PATH];
    int r = dir_of(s, dir, e);
    fields_fill(s, f);
    return r ? r : state_prepare(dir, f, FIELDS, e);
}

int sft_state_save(struct sft *s, struct err *e)
{
    struct state_field f[FIELDS];
    struct state_ident id;
    char dir[FILE_PATH];
    int r = dir_of(s, dir, e);
    fields_fill(s, f);
    ident_fill(s, &id);
    return r ? r : state_save(dir, &id, f, FIELDS, (unsigned)s->c->save_total_limit, e);
}

static void note_line(void *ctx, const char *text)
{
    sft_note(ctx, "%s", text);
}

/* Puts the loaded fields to work. */
static int resume_at(struct sft *s, struct err *e)
{
    struct loader_pos pos = {(uint64_t)s->cursor[0], (uint64_t)s->cursor[1], (uint64_t)s->cursor[2]};
    int r = loader_seek(s->loader, &pos, e);
    s->optim.step = (uint64_t)s->step;
    if (!r) trainee_refresh(&s->trainee);
    return r;
}

int sft_resume(struct sft *s, uint64_t *step, struct err *e)
{
    struct state_field f[FIELDS];
    struct state_ident id;
    char dir[FILE_PATH];
    int64_t at = 0;
    const char *from = s->c->resume_from_checkpoint;
    *step = 0;
    int r = dir_of(s, dir, e);
    fields_fill(s, f);
    ident_fill(s, &id);
    if (r || !strcmp(from, "none")) return r;
    if (strcmp(from, "auto"))
        r = state_load(from, &id, f, FIELDS, &at, e);
    else
        r = state_load_latest(dir, &id, f, FIELDS, note_line, s, &at, e);
    if (r || at < 0) return r;
    *step = (uint64_t)at;
    return resume_at(s, e);
}
