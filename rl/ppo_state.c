/* Saving and loading a run's state. One table of fields serves both. */
#include "checkpoints/state.h"
#include "rl/ppo_parts.h"

#include <string.h>

enum { FIELDS = 17 };

static void numbers_swap(struct ppo *p, int load)
{
    double *at[PPO_NUMBERS] = {&p->seconds,         &p->kl_coef,      &p->rate_scale, &p->first_tokens,
                               &p->kl_judged,       &p->entropy,      &p->tally.kl,   &p->tally.clipped,
                               &p->tally.ratio,     &p->tally.tokens, &p->tally.norm, &p->tally.steps,
                               &p->tally.value_loss};
    for (int i = 0; i < PPO_NUMBERS; i++) *(load ? at[i] : &p->numbers[i]) = load ? p->numbers[i] : *at[i];
}

static void fields_fill(struct ppo *p, struct state_field f[FIELDS], int64_t *optim_step)
{
    uint64_t n = p->trainee.count, v = p->head.width + 1, all = p->n * p->rollout.c.max_new;
    struct rollout *r = &p->rollout;
    f[0] = (struct state_field){"weights", DTYPE_F32, n, p->trainee.weights, STATE_FINITE};
    f[1] = (struct state_field){"adam.m", DTYPE_F32, n, p->optim.m, STATE_FINITE};
    f[2] = (struct state_field){"adam.v", DTYPE_F32, n, p->optim.v, STATE_FINITE | STATE_NONNEGATIVE};
    f[3] = (struct state_field){"value", DTYPE_F32, v, p->head.weight, STATE_FINITE};
    f[4] = (struct state_field){"value.m", DTYPE_F32, v, p->head.m, STATE_FINITE};
    f[5] = (struct state_field){"value.v", DTYPE_F32, v, p->head.v, STATE_FINITE | STATE_NONNEGATIVE};
    f[6] = (struct state_field){"step", DTYPE_I64, 1, &p->step, STATE_IS_STEP};
    f[7] = (struct state_field){"adam.step", DTYPE_I64, 1, optim_step, 0};
    f[8] = (struct state_field){"value.step", DTYPE_I64, 1, &p->head.step, 0};
    f[9] = (struct state_field){"numbers", DTYPE_F64, PPO_NUMBERS, p->numbers, STATE_FINITE};
    f[10] = (struct state_field){"place", DTYPE_I64, 2, p->place, 0};
    f[11] = (struct state_field){"rollout.answered", DTYPE_U32, p->n, r->answered, 0};
    f[12] = (struct state_field){"rollout.finish", DTYPE_U8, p->n, r->finish, 0};
    f[13] = (struct state_field){"rollout.ids", DTYPE_I32, p->n * r->longest, r->ids, 0};
    f[14] = (struct state_field){"rollout.logp", DTYPE_F32, all, r->logp, STATE_FINITE};
    f[15] = (struct state_field){"rollout.reference", DTYPE_F32, all, p->reference_logp, STATE_FINITE};
    f[16] = (struct state_field){"rollout.value", DTYPE_F32, all, p->value, STATE_FINITE};
}

/* ---- what the trainer noted of tokens ------------------------------------------------------------------ */

static void tokens_note(struct ppo *p)
{
    uint32_t most = p->rollout.c.max_new;
    for (size_t i = 0; i < p->n && p->place[0] == PHASE_LEARN; i++)
        for (uint32_t k = 0; k < p->rollout.answered[i]; k++) {
            const struct policy_token *t = &p->rollout.sample[i].token[k];
            p->reference_logp[i * most + k] = t->logp_ref, p->value[i * most + k] = t->value_old;
        }
}

void ppo_state_recall(struct ppo *p, struct ppo_step *t)
{
    uint32_t most = p->rollout.c.max_new;
    for (size_t i = 0; i < p->n; i++)
        for (uint32_t k = 0; k < p->rollout.answered[i]; k++)
            p->rollout.sample[i].token[k] = (struct policy_token){
                .logp_old = p->rollout.sample[i].logp[k],
                .logp_ref = p->reference_logp[i * most + k],
                .value_old = p->value[i * most + k],
            };
    t->entropy = p->entropy, t->first_ratio_low = t->first_ratio_high = 1;
}

/* ---- saving and loading -------------------------------------------------------------------------------- */

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
    tokens_note(p);
    fields_fill(p, f, &optim_step);
    ident_fill(p, &id);
    if (!r) r = state_save(dir, &id, f, FIELDS, (unsigned)p->c->save_total_limit, e);
    p->saved_at = progress_clock();
    return r;
}

int ppo_state_save_late(struct ppo *p, struct err *e)
{
    double limit = p->c->save_seconds;
    return limit > 0 && progress_clock() - p->saved_at >= limit ? ppo_state_save(p, e) : 0;
}

/* The numbers that sizes and places are made of; a state's digests say that it is whole, not that it is ours.
 */
static int place_check(const struct ppo *p, struct err *e)
{
    const struct rollout *r = &p->rollout;
    int64_t batches = p->c->num_ppo_epochs * p->c->num_mini_batches, learn = p->place[0] == PHASE_LEARN;
    uint32_t most = r->c.max_new;
    bool sound = p->place[0] >= 0 && p->place[0] < PHASES && p->place[1] >= 0 && p->place[1] < batches;
    for (size_t i = 0; i < p->n; i++)
        sound &= r->answered[i] <= most && r->finish[i] <= FINISH_LENGTH &&
                 (r->finish[i] != FINISH_NONE ? r->answered[i] > 0 : !learn && r->answered[i] < most);
    for (size_t i = 0; i < p->n * r->longest; i++) sound &= (uint32_t)r->ids[i] < p->l.m->c.vocab;
    return sound ? 0
                 : err_set(e, ERR_CK_STATE, "the state of iteration %lld holds answers that cannot be",
                           (long long)p->step);
}

static void place_tell(struct ppo *p)
{
    size_t whole = 0, tokens = 0;
    for (size_t i = 0; i < p->n; i++) {
        whole += p->rollout.finish[i] != FINISH_NONE, tokens += p->rollout.answered[i];
    }
    if (p->place[0] == PHASE_LEARN)
        ppo_note(p, "iteration %lld goes on after %lld of %lld mini-batches", (long long)p->step + 1,
                 (long long)p->place[1], (long long)(p->c->num_ppo_epochs * p->c->num_mini_batches));
    else if (p->going_on)
        ppo_note(p, "iteration %lld goes on with %zu of %zu answers whole, %zu tokens in all",
                 (long long)p->step + 1, whole, p->n, tokens);
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
    if ((r = place_check(p, e))) return r;
    numbers_swap(p, 1);
    p->optim.step = (uint64_t)optim_step;
    trainee_refresh(&p->trainee);
    for (size_t i = 0; i < p->n; i++) p->going_on |= p->rollout.answered[i] > 0;
    place_tell(p);
    *step = (uint64_t)at;
    return 0;
}
