/* What a run tells: a line of metrics an iteration, and answers for people to look at. */
#include "checkpoints/json.h"
#include "checkpoints/state.h"
#include "rl/ppo_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int ppo_log(struct ppo *p, const struct ppo_step *t, struct err *e)
{
    char name[REWARD_TERMS][32];
    struct metric m[METRICS_MAX] = {
        {"total_steps", (double)t->total},
        {"objective/scores", t->reward},
        {"objective/kl", t->kl},
        {"objective/entropy", t->entropy},
        {"objective/accuracy", t->accuracy},
        {"completions/mean_length", t->tokens},
        {"completions/mean_thinking", t->thinking},
        {"completions/sampled_tokens", (double)t->sampled_tokens},
        {"completions/truncated", t->truncated},
        {"completions/unanswered", t->unanswered},
        {"completions/malformed", t->malformed},
        {"policy/approxkl_avg", t->policy_kl},
        {"policy/clipfrac_avg", t->clipped},
        {"val/ratio", t->ratio},
        {"val/first_ratio_low", t->first_ratio_low},
        {"val/first_ratio_high", t->first_ratio_high},
        {"loss/value_avg", t->value_loss},
        {"critic/explained_variance", t->explained},
        {"grad_norm", t->grad_norm},
        {"learning_rate", t->rate},
        {"kl_coef", t->kl_coef},
        {"dead_groups", t->dead_groups},
        {"timing/rollout", t->rollout_seconds},
        {"timing/grade", t->grade_seconds},
        {"timing/look", t->look_seconds},
        {"timing/reference", t->reference_seconds},
        {"timing/learn", t->learn_seconds},
        {"elapsed_time", t->seconds},
    };
    size_t n = 0;
    while (m[n].key) n++;
    for (unsigned i = 0; i < REWARD_TERMS; i++) {
        if (p->c->reward.weight[i] == 0) continue;
        snprintf(name[i], sizeof name[i], "reward/%s", reward_name(i));
        m[n++] = (struct metric){name[i], t->term[i]};
    }
    return metrics_write(&p->metrics, t->step, m, n, e);
}

static void sample_json(struct js_out *w, const struct ppo *p, const struct sample *s)
{
    const struct chat_turn *asked = &s->problem->turns[s->problem->n_turns - 1];
    js_out_init(w, 0);
    js_object(w, NULL);
    js_put_uint(w, "step", (uint64_t)p->step);
    js_put_uint(w, "row", s->problem->row);
    js_put_text(w, "prompt", asked->content, asked->len);
    js_put_uint(w, "budget", s->budget);
    js_put_string(w, "reference", s->problem->reference);
    if (s->grade.answer.kind)
        js_put_text(w, "answer", s->grade.answer.s, s->grade.answer.n);
    else
        js_put_null(w, "answer");
    js_put_bool(w, "correct", s->outcome.correct);
    js_put_bool(w, "truncated", s->outcome.truncated);
    js_put_bool(w, "formed", s->outcome.formed);
    js_put_uint(w, "tokens", s->outcome.tokens);
    js_put_real(w, "reward", (double)s->reward);
    for (unsigned i = 0; i < REWARD_TERMS; i++)
        if (p->c->reward.weight[i] != 0) js_put_real(w, reward_name(i), (double)s->term[i]);
    js_put_text(w, "text", s->text, strlen(s->text));
    js_close(w);
}

int ppo_samples_tell(struct ppo *p, struct err *e)
{
    char path[FILE_PATH];
    size_t n = p->rollout.c.group;
    if (!p->c->sample_steps || (p->step != 1 && p->step % p->c->sample_steps)) return 0;
    if (p->ev->samples) p->ev->samples(p->ev->ctx, (uint64_t)p->step, p->rollout.sample, n);
    int r = file_path(path, e, "%s/samples.jsonl", p->c->output_dir);
    if (r) return r;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) return err_errno(e, errno, "cannot write %s", path);
    for (size_t i = 0; !r && i < n; i++) {
        struct js_out w;
        sample_json(&w, p, &p->rollout.sample[i]);
        r = js_out_end(&w, e);
        if (!r) w.text[w.n++] = '\n'; /* in the place of its NUL */
        if (!r) r = file_write_fd(fd, path, w.text, w.n, e);
        js_out_free(&w);
    }
    close(fd);
    return r;
}

int ppo_logs_open(struct ppo *p, struct err *e)
{
    char path[FILE_PATH];
    struct state_log_cut cut;
    int r = file_path(path, e, "%s/samples.jsonl", p->c->output_dir);
    if (!r) r = state_cut_log(path, p->step, &cut, e);
    if (!r) r = metrics_open(&p->metrics, p->c->output_dir, (uint64_t)p->step, true, true, e);
    if (!r && p->metrics.said[0]) ppo_note(p, "%s", p->metrics.said);
    return r;
}
