#include "infer/generate.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What a stream is busy with. */
struct slot {
    struct request *r;          /* NULL: idle */
    uint32_t held;              /* tokens of the prompt that the stream holds */
    uint32_t leader;            /* the stream that encodes the prompt: this one, or the one to be forked */
    uint32_t ran;               /* tokens of the answer that the stream holds */
    uint32_t most;              /* that the answer may have */
    uint32_t room;              /* that the stream has for it */
    bool checks;                /* there is room for the check too */
    int32_t *check;             /* what is run after the answer: the end of it, then the check's tokens */
    uint32_t to_check, checked; /* so many, once the answer is finished; and those that were run */
    struct reply_watch watch;   /* until the budget is reached */
    int32_t token;              /* the last one chosen */
    float logprob;
    int code; /* of choosing it */
};

struct run {
    struct session *s;
    const struct generate_config *c;
    struct sampler **sampler;  /* [threads] */
    struct slot *slot;         /* [streams] */
    struct session_part *part; /* [streams] */
    uint32_t *ready;           /* [streams] whose next token is to be chosen */
    int32_t *check;            /* [streams][check_room] */
    uint32_t check_room;
    uint32_t parts, n_ready;    /* of this pass */
    uint64_t prompt_rows, rows; /* of this pass */
    int cancelled;
    double start;
    struct generate_stats stats;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint32_t min32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* ---- joining ---------------------------------------------------------------------------------------------
 */

static int same_prompt(const struct request *a, const struct request *b)
{
    return a->n_prompt == b->n_prompt &&
           (a->adapt_from == b->adapt_from ||
            (a->adapt_from >= a->n_prompt && b->adapt_from >= b->n_prompt)) &&
           !memcmp(a->prompt, b->prompt, a->n_prompt * sizeof *a->prompt);
}

/* The stream that is encoding this prompt; `i` where there is none. */
static uint32_t leader_of(const struct run *g, uint32_t i, const struct request *r)
{
    for (uint32_t k = 0; k < g->c->streams; k++) {
        const struct slot *t = &g->slot[k];
        if (k != i && t->r && t->leader == k && t->held < t->r->n_prompt && t->r->route_to == r->route_to &&
            same_prompt(t->r, r))
            return k;
    }
    return i;
}

/* Pages that stream i may still come to take. */
static uint32_t pages_to_come(const struct run *g, uint32_t i)
{
    const struct slot *t = &g->slot[i];
    uint32_t max = session_max_tokens(g->s), n = t->r->n_prompt;
    uint32_t answer = min32(t->r->max_new, max - n), after = t->checks ? t->r->check->n : 0;
    uint32_t all = n + min32(answer + after, max - n), other_way = t->r->route_to > 0;
    if (t->leader == i) return session_pages_wanted(g->s, i, all) + other_way;
    return (all + KV_PAGE - 1) / KV_PAGE - n / KV_PAGE + other_way;
}

/* Whether there are pages for all that is under way to end. Idle streams let go of theirs where there would
 * not be. */
static int room(struct run *g)
{
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < g->c->streams; i++)
        if (g->slot[i].r) wanted += pages_to_come(g, i);
    for (uint32_t i = 0; i < g->c->streams && session_unused_pages(g->s) < wanted; i++)
        if (!g->slot[i].r) session_rewind(g->s, i, 0);
    return session_unused_pages(g->s) >= wanted;
}

static uint32_t busy(const struct run *g)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->c->streams; i++) n += g->slot[i].r != NULL;
    return n;
}

/* How stream i answers its request's prompt, as it is now. */
static void slot_aim(struct run *g, uint32_t i)
{
    struct slot *t = &g->slot[i];
    const struct request *r = t->r;
    uint32_t max = session_max_tokens(g->s), left = max - min32(max, r->n_prompt);
    t->checks = r->check && r->check->n < left;
    t->room = t->checks ? left - r->check->n : left + 1; /* the last token need not be run */
    t->most = r->max_new;
    t->watch = (struct reply_watch){.thinking = r->thinking};
}

/* Stream i encodes its request's prompt itself. */
static int slot_lead(struct run *g, uint32_t i, struct err *e)
{
    struct slot *t = &g->slot[i];
    t->leader = i;
    return session_begin(g->s, i, t->r->prompt, t->r->n_prompt, t->r->adapt_from, &t->held, e);
}

/* The prompt has been run to where it is decided how to go on: for this request and for those that wait for
 * its prompt. */
static int slot_route(struct run *g, uint32_t i, struct err *e)
{
    int code = 0;
    for (uint32_t k = 0; k < g->c->streams; k++) {
        struct request *r = g->slot[k].leader == i ? g->slot[k].r : NULL;
        if (r && r->route_to) g->c->on_route(g->c->ctx, r, i);
        if (r) r->route_to = 0;
    }
    for (uint32_t k = 0; k < g->c->streams && !code; k++) {
        struct slot *t = &g->slot[k];
        if (!t->r || t->leader != i) continue;
        slot_aim(g, k);
        if (k == i || !same_prompt(t->r, g->slot[i].r)) code = slot_lead(g, k, e);
    }
    return code;
}

/* The request takes stream i; *joined is 0 where it has to wait for others to make room. Alone it may always
 * try. */
static int join(struct run *g, uint32_t i, struct request *r, int *joined, struct err *e)
{
    struct slot *t = &g->slot[i];
    int code = 0;
    *t = (struct slot){.r = r, .leader = leader_of(g, i, r), .check = g->check + (size_t)i * g->check_room};
    slot_aim(g, i);
    session_watch(g->s, i, r->route_from, r->route_to ? r->route_to : r->route_from);
    if (t->leader == i)
        code = slot_lead(g, i, e);
    else
        session_rewind(g->s, i, 0);
    *joined = code || room(g) || busy(g) == 1;
    if (*joined && !code && r->route_to && t->held >= r->route_to) code = slot_route(g, i, e);
    if (*joined && !code) return 0;
    t->r = NULL;
    session_rewind(g->s, i, 0);
    return code;
}

/* Idle streams take the next requests. */
static int admit(struct run *g, struct request *requests, size_t n, size_t *next, struct err *e)
{
    int joined = 1, r = 0;
    for (uint32_t i = 0; i < g->c->streams && *next < n && joined && !r; i++) {
        for (; *next < n && (requests[*next].max_new == 0 || requests[*next].unwanted); ++*next)
            requests[*next].finish = requests[*next].unwanted ? FINISH_CANCEL : FINISH_LENGTH;
        if (g->slot[i].r || *next == n) continue;
        r = join(g, i, &requests[*next], &joined, e);
        if (joined && !r) ++*next;
    }
    return r;
}

/* ---- a pass ----------------------------------------------------------------------------------------------
 */

static void part_add(struct run *g, uint32_t i, const int32_t *ids, uint32_t n, bool quiet)
{
    g->part[g->parts++] = (struct session_part){.stream = i, .n = n, .ids = ids, .quiet = quiet};
    g->rows += n;
}

static bool is_answering(const struct slot *t)
{
    return t->r && t->held == t->r->n_prompt && !t->to_check;
}

/* Answers' tokens: one each, since a pass has room for that, and of those put in what fits besides. */
static uint32_t plan_answers(struct run *g)
{
    uint32_t left = (uint32_t)session_rows(g->s);
    for (uint32_t i = 0; i < g->c->streams; i++) left -= is_answering(&g->slot[i]);
    for (uint32_t i = 0; i < g->c->streams; i++) {
        const struct slot *t = &g->slot[i];
        if (!is_answering(t)) continue;
        uint32_t wanted = t->r->n_answer - t->ran, more = min32(left, wanted - 1);
        part_add(g, i, t->r->answer + t->ran, 1 + more, 1 + more < wanted);
        left -= more;
    }
    return left;
}

/* Checks of finished answers. */
static uint32_t plan_checks(struct run *g, uint32_t left)
{
    for (uint32_t i = 0; i < g->c->streams && left; i++) {
        const struct slot *t = &g->slot[i];
        if (!t->r || !t->to_check) continue;
        uint32_t n = min32(left, t->to_check - t->checked);
        part_add(g, i, t->check + t->checked, n, true);
        left -= n;
    }
    return left;
}

/* Answers first, then their checks; prompts take the rows that are left. */
static void pass_plan(struct run *g)
{
    g->parts = 0, g->rows = 0;
    uint32_t left = plan_checks(g, plan_answers(g));
    g->prompt_rows = g->rows;
    for (uint32_t i = 0; i < g->c->streams && left; i++) {
        struct slot *t = &g->slot[i];
        if (!t->r || t->held == t->r->n_prompt || t->leader != i) continue;
        uint32_t end = t->r->route_to ? t->r->route_to : t->r->n_prompt, n = min32(left, end - t->held);
        part_add(g, i, t->r->prompt + t->held, n, t->r->route_to || t->held + n < end);
        left -= n;
    }
    g->prompt_rows = g->rows - g->prompt_rows;
}

/* What of its request stream i has run in this pass. */
static uint32_t *progress_of(struct slot *t)
{
    return t->to_check ? &t->checked : t->held < t->r->n_prompt ? &t->held : &t->ran;
}

/* Stream i holds its prompt and nothing more. */
static void slot_ready(struct run *g, uint32_t i)
{
    struct slot *t = &g->slot[i];
    if (t->leader != i) session_fork(g->s, t->leader, i, t->r->n_prompt);
    t->held = t->r->n_prompt, t->leader = i;
    if (t->checks && t->r->check->whole) session_watch(g->s, i, t->r->n_prompt, UINT32_MAX);
}

/* After the pass: prompts are held further, those that are whole are forked. Fills `ready`, ascending. */
static int pass_take(struct run *g, struct err *e)
{
    int code = 0;
    for (uint32_t k = 0; k < g->parts; k++) *progress_of(&g->slot[g->part[k].stream]) += g->part[k].n;
    for (uint32_t k = 0; k < g->parts && !code; k++) {
        uint32_t i = g->part[k].stream;
        if (g->slot[i].r->route_to && g->slot[i].held == g->slot[i].r->route_to) code = slot_route(g, i, e);
    }
    g->n_ready = 0;
    for (uint32_t i = 0; i < g->c->streams && !code; i++) {
        struct slot *t = &g->slot[i];
        if (!t->r || t->to_check || g->slot[t->leader].held < t->r->n_prompt) continue;
        if (t->ran == 0 && t->r->n_answer == 0) slot_ready(g, i);
        if (session_logits(g->s, i)) g->ready[g->n_ready++] = i;
    }
    return code;
}

/* ---- choosing --------------------------------------------------------------------------------------------
 */

static int choose(const struct run *g, uint32_t i, unsigned thread, struct err *e)
{
    struct slot *t = &g->slot[i];
    const struct request *r = t->r;
    uint32_t n;
    const int32_t *history = session_tokens(g->s, i, &n);
    int code = sampler_pick(g->sampler[thread], &r->sampler, session_logits(g->s, i), history, n, r->stream,
                            n, &t->token, e);
    if (!code && r->logprob) t->logprob = session_logprob(g->s, i, t->token);
    return code;
}

static void choose_unit(void *ctx, int64_t unit, unsigned thread)
{
    const struct run *g = ctx;
    struct err e = {0};
    g->slot[g->ready[unit]].code = choose(g, g->ready[unit], thread, &e);
}

static int is_stop(const struct run *g, int32_t token)
{
    for (uint32_t i = 0; i < g->c->n_stop; i++)
        if (g->c->stop[i] == token) return 1;
    return 0;
}

/* The request leaves its stream, which keeps the prompt for those to come. */
static void leave(struct run *g, uint32_t i)
{
    struct slot *t = &g->slot[i];
    if (g->c->release) session_rewind(g->s, i, t->r->n_prompt);
    t->r = NULL;
}

/* Lays out what the check of a finished answer runs. */
static void check_begin(struct run *g, uint32_t i)
{
    struct slot *t = &g->slot[i];
    const struct request *r = t->r;
    const struct request_check *c = r->check;
    uint32_t rest = r->n_answer - t->ran, end = r->n_prompt + r->n_answer + c->n;
    memcpy(t->check, r->answer + t->ran, rest * sizeof *t->check);
    if (c->n) memcpy(t->check + rest, c->ids, c->n * sizeof *t->check);
    t->to_check = rest + c->n, t->checked = 0;
    if (!c->whole) session_watch(g->s, i, end - 1, end);
}

/* Tells of checks that are done. */
static void checks_take(struct run *g)
{
    for (uint32_t i = 0; i < g->c->streams && !g->cancelled; i++) {
        struct slot *t = &g->slot[i];
        if (!t->r || !t->to_check || t->checked < t->to_check) continue;
        t->r->checking = false;
        int said = g->c->on_checked(g->c->ctx, t->r, i);
        if (said && said != GENERATE_LEAVE) g->cancelled = 1;
        g->stats.checked_tokens += t->to_check;
        leave(g, i);
    }
}

/* A token joins the answer and is told of; the request leaves the stream when it is done. */
static void deliver(struct run *g, uint32_t i, int32_t token, float logprob)
{
    struct slot *t = &g->slot[i];
    struct request *r = t->r;
    if (r->n_answer == 0) r->first_seconds = now() - g->start;
    if (r->logprob) r->logprob[r->n_answer] = logprob;
    r->answer[r->n_answer++] = token;
    g->stats.decoded_tokens++;
    int full = r->n_answer == min32(t->most, t->room);
    r->finish = is_stop(g, token) ? FINISH_STOP : full ? FINISH_LENGTH : FINISH_NONE;
    r->checking = t->checks && r->finish != FINISH_NONE;
    int said = g->c->on_token ? g->c->on_token(g->c->ctx, r, token) : 0;
    if (said && said != GENERATE_LEAVE) g->cancelled = 1;
    if (said == GENERATE_LEAVE && r->finish == FINISH_NONE) r->finish = FINISH_CANCEL;
    if (r->finish == FINISH_NONE) return;
    if (r->checking)
        check_begin(g, i);
    else
        leave(g, i);
}

/* Requests that nobody wants any more leave, but for those that others wait for. */
static void sweep(struct run *g)
{
    for (uint32_t i = 0; i < g->c->streams; i++) {
        struct slot *t = &g->slot[i];
        uint32_t waiting = 0;
        for (uint32_t k = 0; k < g->c->streams; k++) waiting += g->slot[k].r && g->slot[k].leader == i;
        if (!t->r || !t->r->unwanted || (t->leader == i && waiting > 1)) continue;
        if (t->r->finish == FINISH_NONE) t->r->finish = FINISH_CANCEL;
        t->r->checking = false;
        leave(g, i);
    }
}

/* The budget is used up: open thinking is closed, and what follows is limited. */
static void budget_close(struct run *g, uint32_t i)
{
    struct slot *t = &g->slot[i];
    struct request *r = t->r;
    const struct budget *b = r->budget;
    uint32_t room = min32(r->max_new, t->room) - r->n_answer;
    if (t->watch.thinking && b->n < room) {
        for (uint32_t k = 0; k < b->n && r->finish == FINISH_NONE && !g->cancelled; k++) {
            r->closed = k + 1 == b->n;
            deliver(g, i, b->closing[k], 0);
        }
    }
    if (b->answer && b->answer < r->max_new - r->n_answer) t->most = r->n_answer + b->answer;
}

/* The chosen token joins the answer, and perhaps those of the budget after it. */
static void take(struct run *g, uint32_t i)
{
    struct slot *t = &g->slot[i];
    const struct request *r = t->r;
    if (r->budget) budget_watch(&t->watch, r->budget->t, t->token);
    deliver(g, i, t->token, t->logprob);
    if (r->finish == FINISH_NONE && r->budget && r->n_answer == r->budget->tokens && !g->cancelled)
        budget_close(g, i);
}

/* On all threads; told of one after the other. */
static int tokens_choose(struct run *g, struct err *e)
{
    pool_for(session_model(g->s)->pool, g->n_ready, choose_unit, g);
    for (uint32_t k = 0; k < g->n_ready && !g->cancelled; k++) {
        if (g->slot[g->ready[k]].code) return choose(g, g->ready[k], 0, e);
        take(g, g->ready[k]);
    }
    return 0;
}

/* ---- all of it -------------------------------------------------------------------------------------------
 */

static int pass(struct run *g, struct err *e)
{
    double start = now();
    pass_plan(g);
    int r = session_run(g->s, g->part, g->parts, e);
    if (r) return r;
    r = pass_take(g, e);
    if (!r) checks_take(g);
    if (!r) r = tokens_choose(g, e);
    sweep(g);
    double took = now() - start, share = (double)g->prompt_rows / (double)g->rows;
    g->stats.prefill_seconds += took * share, g->stats.decode_seconds += took * (1 - share);
    g->stats.prompt_tokens += g->prompt_rows, g->stats.passes++;
    return r;
}

static int all(struct run *g, struct request *requests, size_t n, struct err *e)
{
    size_t next = 0;
    for (size_t i = 0; i < n; i++)
        requests[i].n_answer = 0, requests[i].finish = FINISH_NONE,
        requests[i].closed = requests[i].checking = false;
    do {
        int r = admit(g, requests, n, &next, e);
        if (!r && busy(g)) r = pass(g, e);
        if (r) return r;
    } while (!g->cancelled && (busy(g) || next < n));
    for (size_t i = 0; i < n; i++)
        if (requests[i].finish == FINISH_NONE) requests[i].finish = FINISH_CANCEL;
    return 0;
}

/* The longest that a check can be: the last token, or what a budget put in, and the check's own. */
static uint32_t check_room(const struct request *r)
{
    return 1 + (r->budget ? r->budget->n : 0) + r->check->n;
}

static int memory_take(struct run *g, unsigned threads, struct err *e)
{
    g->sampler = calloc(threads, sizeof *g->sampler);
    g->slot = calloc(g->c->streams, sizeof *g->slot);
    g->check = calloc((size_t)g->c->streams * g->check_room + 1, sizeof *g->check);
    g->part = calloc(g->c->streams, sizeof *g->part);
    g->ready = calloc(g->c->streams, sizeof *g->ready);
    if (!g->sampler || !g->slot || !g->check || !g->part || !g->ready)
        return err_set(e, ERR_NOMEM, "no memory for %u streams", g->c->streams);
    int r = 0;
    for (unsigned i = 0; i < threads && !r; i++)
        r = sampler_create(&g->sampler[i], &session_model(g->s)->kern, g->c->vocab, e);
    return r;
}

int generate_run(struct session *s, const struct generate_config *c, struct request *requests, size_t n,
                 struct generate_stats *stats, struct err *e)
{
    struct run g = {.s = s, .c = c, .start = now()};
    unsigned threads = pool_threads(session_model(s)->pool);
    for (size_t i = 0; i < n; i++)
        if (requests[i].check && check_room(&requests[i]) > g.check_room)
            g.check_room = check_room(&requests[i]);
    int r = memory_take(&g, threads, e);
    if (!r) r = all(&g, requests, n, e);
    if (n) g.stats.first_token_seconds = requests[0].first_seconds;
    if (stats) *stats = g.stats;
    for (unsigned i = 0; g.sampler && i < threads; i++) sampler_free(g.sampler[i]);
    free(g.sampler);
    free(g.slot);
    free(g.check);
    free(g.part);
    free(g.ready);
    return r;
}
