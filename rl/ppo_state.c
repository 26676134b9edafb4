/* Saving and loading a run's state. One table of fields serves both. */
#include "checkpoints/state.h"
#include "rl/ppo_parts.h"

#include <string.h>

enum { FIELDS = 10 };

static void numbers_swap(struct ppo *p, int load)
{
    double *at[4] = {&p->seconds, &p->kl_coef, &p->rate_scale, &p->first_tokens};
    for (int i = 0; i < 4; i++) *(load ? at[i] : &p->numbers[i]) = load ? p->numbers[i] : *at[i];
}

static void fields_fill(struct ppo *p, struct state_field f[FIELDS], int64_t *optim_step)
{
    uint64_t n = p->trainee.count, v = p->head.width + 1;
    f[0] = (struct state_field){"weights", DTYPE_F32, n, p->trainee.weights, STATE_FINITE};
    f[1] = (struct state_field){"adam.m", DTYPE_F32, n, p->optim.m, STATE_FINITE};
    f[2] = (struct state_field){"adam.v", DTYPE_F32, n, p->optim.v, STATE_FINITE | STATE_NONNEGATIVE};
    f[3] = (struct state_field){"value", DTYPE_F32, v, p->head.weight, STATE_FINITE};
    f[4] = (struct state_field){"value.m", DTYPE_F32, v, p->head.m, STATE_FINITE};
    f[5] = (struct state_field){"value.v", DTYPE_F32, v, p->head.v, STATE_FINITE | STATE_NONNEGATIVE};
    f[6] = (struct state_field){"step", DTYPE_I64, 1, &p->step, STATE_IS_STEP};
    f[7] = (struct state_field){"adam.step", DTYPE_I64, 1, optim_step, 0};
    f[8] = (struct state_field){"value.step", DTYPE_I64, 1, &p->head.step, 0};
    f[9] = (struct state_field){"numbers", DTYPE_F64, 4, p->numbers, STATE_FINITE};
}

static void ident_fill(const struct ppo *p, struct state_ident *id)
{
    *id = (struct state_ident){
        .run_id = p->digest_config,
        .config = p->digest_config,
        .base = p->l.digest_base,
        .tokenizer = p->l.digest_tokenizer,
        .data = p->digest_data,
        .mode = p->l.m->type == WT_BF16 ? "bf16" : "fp32",
        .step = p->step,
        .max_steps = p->c->total_steps,
    };
}

static int dir_of(const struct ppo *p, char dir[FILE_PATH], struct err *e)
{
    return file_path(dir, e, "%s/state", p->c->output_dir);
}

int ppo_state_prepare(struct ppo *p, struct err *e)
{
    struct state_field f[FIELDS];
    int64_t optim_step = 0;
    char dir[FILE_PATH];
    int r = dir_of(p, dir, e);
    fields_fill(p, f, &optim_step);
    return r ? r : state_prepare(dir, f, FIELDS, e);
}

int ppo_state_save(struct ppo *p, struct err *e)
{
    struct state_field f[FIELDS];
    struct state_ident id;
    int64_t optim_step = (int64_t)p->optim.step;
    char dir[FILE_PATH];
    int r = dir_of(p, dir, e);
    numbers_swap(p, 0);
    fields_fill(p, f, &optim_step);
    ident_fill(p, &id);
    return r ? r : state_save(dir, &id, f, FIELDS, (unsigned)p->c->save_total_limit, e);
}

static void note_line(void *ctx, const char *text)
{
    ppo_note(ctx, "%s", text);
}

int ppo_resume(struct ppo *p, uint64_t *step, struct err *e)
{
    struct state_field f[FIELDS];
    struct state_ident id;
    int64_t at = 0, optim_step = 0;
    char dir[FILE_PATH];
    *step = 0;
    int r = dir_of(p, dir, e);
    fields_fill(p, f, &optim_step);
    ident_fill(p, &id);
    if (!r) r = state_load_latest(dir, &id, f, FIELDS, note_line, p, &at, e);
    if (r || at < 0) return r;
    numbers_swap(p, 1);
    p->optim.step = (uint64_t)optim_step;
    trainee_refresh(&p->trainee);
    *step = (uint64_t)at;
    return 0;
}
