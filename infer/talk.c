#include "infer/talk.h"
#include "infer/cli.h"
#include "infer/printer.h"

#include <errno.h>
#include <string.h>

struct listener {
    struct printer printer; /* of the only chain */
    bool live;
    int code;
    struct err *e;
};

/* What the prompt dictates of the answer. */
static void on_route(void *ctx, struct ask *q)
{
    struct listener *l = ctx;
    const struct prompt *p = ask_way(q);
    char text[160];
    talk_route(q, text, sizeof text);
    if (*text && cli_live(stderr))
        fprintf(stderr, "%s%s%s\n", cli_style(stderr, CLI_DIM), text, cli_style(stderr, CLI_PLAIN));
    l->live = l->printer.f && q->chains == 1;
    for (uint32_t i = p->n - p->forced; l->live && !l->code && i < p->n; i++)
        l->code = printer_token(&l->printer, p->ids[i], l->e);
}

static int on_token(void *ctx, struct ask *q, uint32_t i, int32_t token)
{
    struct listener *l = ctx;
    (void)q, (void)i;
    if (l->live && !l->code) l->code = printer_token(&l->printer, token, l->e);
    return l->code || cli_interrupted();
}

int talk_run(struct asker *a, struct ask *q, FILE *live, struct generate_stats *stats, struct err *e)
{
    struct listener l = {.printer = {.f = live, .text.t = a->l->tokenizer}, .e = e};
    struct ask_events ev = {.routed = on_route, .token = on_token, .ctx = &l};
    int r = ask_run(a, q, 1, &ev, stats, e);
    if (!r) r = l.code;
    if (!r && l.live) r = printer_end(&l.printer, e);
    printer_clear(&l.printer);
    return r;
}

void talk_route(const struct ask *q, char *text, size_t size)
{
    double threshold =
        q->c.threshold < 0 && q->to ? q->asker->head[HEAD_SWITCHER].h->c.threshold : q->c.threshold;
    *text = 0;
    if (q->probability < 0) return;
    snprintf(text, size, "the switcher: %.0f %% worth thinking about (from %.0f %% on): %s",
             100 * q->probability, 100 * threshold, q->reasons ? "reasoning" : "chat");
}

/* ---- votes --------------------------------------------------------------------------------------------- */

enum { ANSWER_SHOWN = 60 /* bytes */ };

static void answer_print(FILE *f, const struct ask *q, uint32_t i)
{
    struct answer a = q->answer[i];
    if (a.kind == ANSWER_NONE) {
        fputs("no answer", f);
        return;
    }
    cli_text(f, a.s, a.n < ANSWER_SHOWN ? a.n : ANSWER_SHOWN);
    if (a.n > ANSWER_SHOWN) fputs("...", f);
}

static void chain_print(FILE *f, const struct ask *q, uint32_t i)
{
    const struct request *r = &q->request[i];
    bool won = q->chain[i].answer >= 0 && q->chain[i].answer == q->vote.answer;
    fprintf(f, "%s%5u  %6u  ", cli_style(f, won ? CLI_BOLD : CLI_PLAIN), i + 1, r->n_answer);
    if (q->chain[i].score >= 0)
        fprintf(f, "%5.2f  ", (double)q->chain[i].score);
    else
        fprintf(f, "%5s  ", "-");
    if (q->chain[i].answer == VOTE_PENDING)
        fputs("given up", f);
    else
        answer_print(f, q, i);
    fprintf(f, "%s%s\n", r->closed ? "  (closed by the budget)" : "", cli_style(f, CLI_PLAIN));
}

static void outcome_print(FILE *f, const struct ask *q)
{
    uint32_t over = 0, same = 0;
    for (uint32_t i = 0; i < q->chains; i++) {
        over += q->chain[i].answer != VOTE_PENDING;
        same += q->chain[i].answer == q->vote.answer;
    }
    if (q->vote.answer < 0) {
        fprintf(f, "no chain of %u has an answer\n", over);
        return;
    }
    fprintf(f, "%s vote: ", vote_name(q->c.vote));
    answer_print(f, q, q->vote.chain);
    fprintf(f, ", %u of %u chains", same, over);
    if (q->c.vote == VOTE_WEIGHTED)
        fprintf(f, ", %.2f of %.2f by weight", (double)q->vote.weight / VOTE_ONE,
                (double)q->vote.total / VOTE_ONE);
    if (q->c.vote == VOTE_BEST) fprintf(f, ", score %.2f", (double)q->vote.weight / VOTE_ONE);
    if (q->early) fprintf(f, "; %u given up, which could not have changed it", q->chains - over);
    fputc('\n', f);
}

int talk_vote_print(FILE *f, const struct ask *q, bool chains, struct err *e)
{
    if (chains)
        fprintf(f, "%schain  tokens  score  answer%s\n", cli_style(f, CLI_DIM), cli_style(f, CLI_PLAIN));
    for (uint32_t i = 0; chains && i < q->chains; i++) chain_print(f, q, i);
    if (q->c.votes) outcome_print(f, q);
    return fflush(f) || ferror(f) ? err_errno(e, errno, "cannot write the vote") : 0;
}

static double rate(double n, double seconds)
{
    return seconds > 0 ? n / seconds : 0;
}

void talk_timing(const struct generate_stats *s, uint32_t answers, char *text, size_t size)
{
    uint64_t stepped =
        s->decoded_tokens > answers ? s->decoded_tokens - answers : 0; /* the first comes with the prompt */
    int n = snprintf(text, size, "%llu tokens read at %.0f tok/s, first word after %.2f s, %llu written",
                     (unsigned long long)s->prompt_tokens, rate((double)s->prompt_tokens, s->prefill_seconds),
                     s->first_token_seconds, (unsigned long long)s->decoded_tokens);
    if (stepped && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n, " at %.0f tok/s", rate((double)stepped, s->decode_seconds));
}
