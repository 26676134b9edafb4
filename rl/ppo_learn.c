/* Between two rollouts: looking, judging, learning. */
#include "infer/rng.h"
#include "rl/advantage.h"
#include "rl/ppo_parts.h"

#include <math.h>
#include <string.h>

enum { STREAM_LEARN = 0x6c6561726e };

/* ---- rows of samples ----------------------------------------------------------------------------------- */

uint32_t ppo_row_fill(struct ppo *p, const uint32_t *order, size_t n)
{
    uint32_t docs = 0, tokens = 0;
    while (docs < n && docs < p->row_docs) {
        const struct sample *s = &p->rollout.sample[order[docs]];
        uint32_t all = s->n_prompt + s->n_answer,
                 from = s->adapt_from < s->n_prompt ? s->adapt_from : s->n_prompt;
        if (docs && tokens + all > p->c->row_tokens) break;
        p->spans[docs] = (struct label_span){s->n_prompt, all};
        p->docs[docs] = (struct shard_doc){.ids = (const uint32_t *)s->ids,
                                           .n = all,
                                           .header_at = from,
                                           .response_at = from,
                                           .spans = &p->spans[docs],
                                           .n_spans = 1};
        p->answers[docs] = (struct policy_doc){s->token, s->n_prompt};
        tokens += all, docs++;
    }
    return docs;
}

static void order_plain(struct ppo *p)
{
    for (uint32_t i = 0; i < p->n; i++) p->order[i] = i;
}

/* All samples through the trainer's forward pass; what it finds is in the tokens. */
static int samples_look(struct ppo *p, struct value_head *head, bool entropy, struct err *e)
{
    static const struct policy_config nothing = {0};
    struct policy_loss loss = {.c = &nothing, .head = head, .entropy = entropy};
    loss.place = micro_places(p->micro), loss.doc = p->answers;
    struct objective o = policy_objective(&loss);
    struct micro_result r;
    order_plain(p);
    for (size_t i = 0, docs; i < p->n; i += docs) {
        docs = ppo_row_fill(p, p->order + i, p->n - i);
        int code = micro_objective(p->micro, p->docs, (uint32_t)docs, &o, 0, NULL, &r, NULL, e);
        if (code) return code;
        ppo_tick(p, "looking", i + docs, p->n);
    }
    return 0;
}

#define EACH_TOKEN(p, s, t)                                                                                  \
    for (struct sample *s = (p)->rollout.sample; s < (p)->rollout.sample + (p)->n; s++)                      \
        for (struct policy_token *t = s->token; t < s->token + s->n_answer; t++)

/* ---- looking ------------------------------------------------------------------------------------------- */

/* Clause 2 of the numerics contract, on every token. */
static int first_ratio(struct ppo *p, struct ppo_step *t, struct err *e)
{
    t->first_ratio_low = t->first_ratio_high = 1;
    for (size_t i = 0; i < p->n; i++) {
        const struct sample *s = &p->rollout.sample[i];
        for (uint32_t k = 0; k < s->n_answer; k++) {
            double ratio = exp((double)s->token[k].logp - (double)s->logp[k]);
            if (!(ratio >= t->first_ratio_low)) t->first_ratio_low = ratio;
            if (!(ratio <= t->first_ratio_high)) t->first_ratio_high = ratio;
            if (memcmp(&s->token[k].logp, &s->logp[k], sizeof s->logp[k]))
                return err_set(
                    e, ERR_MODE,
                    "token %u of answer %zu was sampled with log-probability %.9g, and the trainer finds "
                    "%.9g: sampling and training are not the same numbers",
                    k, i, (double)s->logp[k], (double)s->token[k].logp);
        }
    }
    return 0;
}

int ppo_look(struct ppo *p, struct ppo_step *t, struct err *e)
{
    int r = samples_look(p, p->c->estimator == EST_PPO ? &p->head : NULL, true, e);
    if (!r) r = first_ratio(p, t, e);
    if (r) return r;
    double entropy = 0, tokens = 0;
    EACH_TOKEN(p, s, k)
    {
        k->logp_old = k->logp_ref = k->logp, k->value_old = k->value;
        entropy += (double)k->entropy, tokens++;
    }
    t->entropy = tokens > 0 ? entropy / tokens : 0;
    if (!p->reference) return 0;
    double start = progress_clock();
    micro_use(p->micro, p->l.adapter, p->reference);
    r = samples_look(p, NULL, false, e);
    micro_use(p->micro, p->l.adapter, p->l.lora);
    EACH_TOKEN(p, s, k) k->logp_ref = k->logp;
    t->reference_seconds = progress_clock() - start;
    return r;
}

/* ---- judging ------------------------------------------------------------------------------------------- */

static double kl_of_answer(const struct sample *s)
{
    double sum = 0;
    for (uint32_t i = 0; i < s->n_answer; i++)
        sum += (double)s->token[i].logp_old - (double)s->token[i].logp_ref;
    return sum;
}

static int rewards_give(struct ppo *p, struct ppo_step *t, struct err *e)
{
    uint32_t group = p->rollout.c.group, dead = 0;
    double n = (double)p->n;
    for (size_t i = 0; i < p->n; i += group) {
        struct outcome o[GROUP_LONGEST];
        float term[GROUP_LONGEST * REWARD_TERMS], total[GROUP_LONGEST];
        int same = 1;
        for (uint32_t g = 0; g < group; g++) o[g] = p->rollout.sample[i + g].outcome;
        int r = reward_group(&p->c->reward, o, group, term, total, e);
        if (r) return r;
        for (uint32_t g = 0; g < group; g++) {
            struct sample *s = &p->rollout.sample[i + g];
            memcpy(s->term, term + g * REWARD_TERMS, sizeof s->term);
            s->reward = total[g], same &= total[g] == total[0];
            for (unsigned k = 0; k < REWARD_TERMS; k++) t->term[k] += (double)s->term[k] / n;
        }
        dead += (uint32_t)same;
    }
    t->dead_groups = (double)dead * group / n;
    return 0;
}

static void outcomes_sum(const struct ppo *p, struct ppo_step *t)
{
    double n = (double)p->n;
    for (size_t i = 0; i < p->n; i++) {
        const struct sample *s = &p->rollout.sample[i];
        t->reward += (double)s->reward / n, t->kl += kl_of_answer(s) / n;
        t->accuracy += s->outcome.correct / n, t->truncated += s->outcome.truncated / n;
        t->unanswered += !s->outcome.found / n, t->malformed += !s->outcome.formed / n;
        t->tokens += s->outcome.tokens / n, t->thinking += s->outcome.thinking / n;
        t->answer_tokens += s->n_answer;
    }
}

/* Rewards come with the last token; the distance from the reference with each. */
static void answer_gae(struct ppo *p, struct sample *s)
{
    uint32_t n = s->n_answer;
    float *reward = p->scratch, *value = reward + p->rollout.c.max_new, *adv = value + p->rollout.c.max_new;
    for (uint32_t i = 0; i < n; i++) {
        const struct policy_token *k = &s->token[i];
        double kl = p->c->kl == KLP_REWARD ? p->kl_judged * ((double)k->logp_old - (double)k->logp_ref) : 0;
        reward[i] = (float)(i + 1 == n ? (double)s->reward - kl : -kl), value[i] = k->value_old;
    }
    gae(n, reward, value, p->c->gamma, p->c->lam, adv);
    for (uint32_t i = 0; i < n; i++) s->token[i].advantage = adv[i];
    gae(n, reward, value, p->c->gamma, p->c->lam_critic, adv);
    for (uint32_t i = 0; i < n; i++) s->token[i].ret = adv[i] + value[i];
}

static void group_judge(struct ppo *p, struct sample *s, uint32_t n)
{
    static const enum group_baseline baseline[] = {
        [EST_GRPO] = GROUP_GRPO, [EST_DR_GRPO] = GROUP_DR_GRPO, [EST_RLOO] = GROUP_RLOO};
    float *reward = p->scratch, *adv = reward + n;
    for (uint32_t g = 0; g < n; g++)
        reward[g] = s[g].reward - (float)(p->c->kl == KLP_REWARD ? p->kl_judged * kl_of_answer(&s[g]) : 0);
    group_advantage(baseline[p->c->estimator], n, reward, adv);
    for (uint32_t g = 0; g < n; g++)
        for (uint32_t i = 0; i < s[g].n_answer; i++)
            s[g].token[i].advantage = adv[g], s[g].token[i].ret = reward[g];
}

static void whiten_all(struct ppo *p)
{
    uint64_t n = 0;
    float *x = p->scratch + 3 * (size_t)p->rollout.c.max_new;
    EACH_TOKEN(p, s, k) x[n++] = k->advantage;
    whiten(n, x, false);
    n = 0;
    EACH_TOKEN(p, s, k) k->advantage = x[n++];
}

/* 1 - var(return - value) / var(return) */
static double explained(const struct ppo *p)
{
    double n = 0, r = 0, rr = 0, d = 0, dd = 0;
    EACH_TOKEN(p, s, k)
    {
        double ret = (double)k->ret, off = ret - (double)k->value_old;
        n++, r += ret, rr += ret * ret, d += off, dd += off * off;
    }
    double var = n > 0 ? rr / n - r / n * (r / n) : 0, left = n > 0 ? dd / n - d / n * (d / n) : 0;
    return var > 0 ? 1 - left / var : 0;
}

static void advantages_give(struct ppo *p, struct ppo_step *t)
{
    if (p->c->estimator != EST_PPO) {
        for (size_t i = 0; i < p->n; i += p->rollout.c.group)
            group_judge(p, p->rollout.sample + i, p->rollout.c.group);
        return;
    }
    for (size_t i = 0; i < p->n; i++) answer_gae(p, &p->rollout.sample[i]);
    t->explained = explained(p);
    if (p->c->whiten_advantages) whiten_all(p);
}

int ppo_judge(struct ppo *p, struct ppo_step *t, struct err *e)
{
    int r = rewards_give(p, t, e);
    if (r) return r;
    outcomes_sum(p, t);
    advantages_give(p, t);
    return 0;
}

/* ---- learning ------------------------------------------------------------------------------------------ */

static void order_shuffle(struct ppo *p, uint64_t epoch)
{
    order_plain(p);
    for (uint64_t i = p->n; i > 1; i--) {
        uint64_t j = (uint64_t)(rng_uniform(p->c->seed, STREAM_LEARN + epoch, i) * (double)i);
        uint32_t swap = p->order[i - 1];
        p->order[i - 1] = p->order[j], p->order[j] = swap;
    }
}

/* An answer of a group that says nothing: all advantages are 0. */
static int counts(const struct ppo *p, const struct sample *s)
{
    return p->c->estimator == EST_PPO || (s->n_answer && s->token[0].advantage != 0);
}

/* Every token's share of the mini-batch's loss; *counted: tokens that have one. */
static void weights_set(struct ppo *p, const uint32_t *order, size_t n, uint64_t *counted)
{
    double tokens = 0, answers = 0;
    for (size_t i = 0; i < n; i++) {
        const struct sample *s = &p->rollout.sample[order[i]];
        if (counts(p, s)) tokens += s->n_answer, answers++;
    }
    for (size_t i = 0; i < n; i++) {
        struct sample *s = &p->rollout.sample[order[i]];
        double by = p->c->loss_mean == MEAN_TOKEN      ? tokens
                    : p->c->loss_mean == MEAN_SEQUENCE ? answers * s->n_answer
                                                       : (double)n * p->rollout.c.max_new;
        for (uint32_t k = 0; k < s->n_answer; k++) s->token[k].weight = counts(p, s) ? (float)(1 / by) : 0;
    }
    *counted = (uint64_t)tokens;
}

static void tally_row(const struct ppo *p, uint32_t docs, struct tally *y)
{
    for (uint32_t d = 0; d < docs; d++)
        for (uint32_t i = 0; i < p->docs[d].n - p->answers[d].from; i++) {
            const struct policy_token *t = &p->answers[d].token[i];
            double x = (double)t->logp - (double)t->logp_old, ratio = exp(x), a = (double)t->advantage;
            y->kl += exp(x) - x - 1; /* k3 of the old policy from the new one */
            y->clipped += a > 0 ? ratio > 1 + p->policy.clip_high : a < 0 && ratio < 1 - p->policy.clip_low;
            y->ratio += ratio, y->tokens++;
        }
}

static int batch_learn(struct ppo *p, const uint32_t *order, size_t n, struct ppo_step *t, struct tally *y,
                       struct err *e)
{
    int critic = p->policy.critic;
    struct policy_loss loss = {.c = &p->policy, .head = critic ? &p->head : NULL, .doc = p->answers};
    loss.place = micro_places(p->micro);
    struct objective o = policy_objective(&loss);
    struct micro_result result;
    uint64_t counted;
    double norm;
    weights_set(p, order, n, &counted);
    if (!counted) return 0;
    for (size_t i = 0, docs; i < n; i += docs) {
        struct grads g = trainee_grads(&p->trainee, optim_leaf(&p->optim), p->slots);
        docs = ppo_row_fill(p, order + i, n - i);
        int r = micro_objective(p->micro, p->docs, (uint32_t)docs, &o, 0, &g, &result, NULL, e);
        if (r) return r;
        optim_fold(&p->optim);
        tally_row(p, (uint32_t)docs, y);
    }
    optim_sum(&p->optim);
    p->optim.c.learning_rate = p->c->learning_rate * p->rate_scale;
    int r = optim_step(&p->optim, &t->rate, &norm, e);
    if (!r && critic) r = value_step(&p->head, p->c->critic_learning_rate * p->rate_scale, e);
    y->value_loss += loss.value_loss, y->norm += norm, y->steps++;
    return r;
}

/* A mini-batch has been learned from: where the run is, and whether it goes on. */
static int batch_end(struct ppo *p, int64_t all, struct err *e)
{
    ppo_tick(p, "learn", (size_t)++p->place[1], (size_t)all);
    if (p->place[1] == all) return 0;
    if (p->ev->interrupted && p->ev->interrupted(p->ev->ctx))
        return err_set(
            e, ERR_INTERRUPTED,
            "stopped in iteration %lld, after %lld of %lld mini-batches, which is saved: run the same "
            "command to go on",
            (long long)p->step + 1, (long long)p->place[1], (long long)all);
    return ppo_state_save_late(p, e);
}

int ppo_learn(struct ppo *p, struct ppo_step *t, struct err *e)
{
    int64_t batches = p->c->num_mini_batches, epochs = p->c->num_ppo_epochs;
    struct tally *y = &p->tally;
    p->policy.kl_coef = p->kl_coef, p->place[0] = PHASE_LEARN;
    while (p->place[1] < epochs * batches) {
        int64_t epoch = p->place[1] / batches, b = p->place[1] % batches;
        size_t from = p->n * (size_t)b / (size_t)batches, to = p->n * (size_t)(b + 1) / (size_t)batches;
        order_shuffle(p, (uint64_t)(p->step * epochs + epoch));
        if (!b) *y = (struct tally){0};
        int r = batch_learn(p, p->order + from, to - from, t, y, e);
        if (!r) r = batch_end(p, epochs * batches, e);
        if (r) return r;
    }
    if (y->tokens > 0)
        t->policy_kl = y->kl / y->tokens, t->clipped = y->clipped / y->tokens,
        t->ratio = y->ratio / y->tokens;
    if (y->steps > 0) t->value_loss = y->value_loss / y->steps, t->grad_norm = y->norm / y->steps;
    return 0;
}

/* A row of answers whose returns the value head learns. */
static int row_pretrain(struct ppo *p, const uint32_t *order, size_t n, size_t *docs, struct err *e)
{
    static const struct policy_config c = {.critic = true};
    struct policy_loss loss = {.c = &c, .head = &p->head, .place = micro_places(p->micro), .doc = p->answers};
    struct objective o = policy_objective(&loss);
    struct micro_result result;
    uint64_t counted;
    *docs = ppo_row_fill(p, order, n);
    weights_set(p, order, *docs, &counted);
    int r = micro_objective(p->micro, p->docs, (uint32_t)*docs, &o, 0, NULL, &result, NULL, e);
    return r ? r : value_step(&p->head, p->c->critic_learning_rate, e);
}

int ppo_pretrain(struct ppo *p, struct ppo_step *t, struct err *e)
{
    int r = 0;
    if (!p->c->value_pretrain_epochs) return 0;
    for (int64_t i = 0; i < p->c->value_pretrain_epochs; i++) {
        order_shuffle(p, (uint64_t)(-1 - i));
        for (size_t at = 0, docs; at < p->n && !r; at += docs)
            r = row_pretrain(p, p->order + at, p->n - at, &docs, e);
    }
    if (!r) r = samples_look(p, &p->head, false, e);
    if (r) return r;
    EACH_TOKEN(p, s, k) k->value_old = k->value;
    advantages_give(p, t);
    return 0;
}
