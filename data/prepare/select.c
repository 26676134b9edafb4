#include "data/prepare/select.h"

#include "data/order.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A row that may be chosen. */
struct candidate {
    uint64_t question, key; /* key: what its question's candidates are sorted by */
    uint32_t at;            /* of facts */
};

struct select {
    const struct facts *f;
    const struct select_rules *rules;
    struct selection *out;
    uint8_t *fate;         /* [f->n] enum select_reason */
    bool *domain, *source; /* [names] kept */
    struct candidate *c;
    size_t n;
};

static const char *const names[SELECT_REASONS] = {"kept",
#define X(name, words) #name,
                                                  SELECT_REASONS_LIST(X)
#undef X
};
static const char *const words[SELECT_REASONS] = {"kept",
#define X(name, words) words,
                                                  SELECT_REASONS_LIST(X)
#undef X
};

const char *select_reason_name(enum select_reason r)
{
    return names[r];
}

const char *select_reason_words(enum select_reason r)
{
    return words[r];
}

/* ---- row by row ---------------------------------------------------------------------------------------- */

static bool *names_kept(const struct names *t, const struct string_list *list)
{
    bool *kept = calloc(t->n + 1, sizeof *kept);
    for (uint32_t i = 0; kept && i < t->n; i++) {
        kept[i] = !list || list->n == 0;
        for (size_t k = 0; list && k < list->n; k++) kept[i] |= !strcmp(t->at[i], list->items[k]);
    }
    if (kept && t->n == 0) kept[0] = !list || list->n == 0;
    return kept;
}

static bool thinking_suits(unsigned flags, enum select_thinking wanted)
{
    if (wanted == THINKING_ANY || (flags & FACT_FINISHED)) return true;
    return wanted == THINKING_FINISHED && !(flags & FACT_THINKS);
}

static enum select_reason fate_of(const struct select *s, const struct fact *f)
{
    static const enum select_reason unusable[DOCUMENT_FATES] = {
        [DOCUMENT_EMPTY] = SELECT_empty,
        [DOCUMENT_NO_ANSWER] = SELECT_no_answer,
        [DOCUMENT_BAD_ROLES] = SELECT_bad_roles,
    };
    const struct select_rules *r = s->rules;
    if (f->flags & FACT_FATE) return unusable[f->flags & FACT_FATE];
    if (!s->domain[f->domain]) return SELECT_domain;
    if (!s->source[f->source]) return SELECT_source;
    if (f->tokens < r->min_tokens) return SELECT_too_short;
    if (r->max_tokens && f->tokens > r->max_tokens) return SELECT_too_long;
    if ((r->learn == LEARN_LAST ? f->response_at : f->first_response) >= r->cutoff_len)
        return SELECT_beyond_cutoff;
    if (!thinking_suits(f->flags, r->thinking)) return SELECT_thinking;
    if (r->boxed && !(f->flags & FACT_BOXED)) return SELECT_not_boxed;
    return f->flags & FACT_CONTAMINATED ? SELECT_contaminated : SELECT_KEPT;
}

/* ---- the answers to one question ----------------------------------------------------------------------- */

static int by_question(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->question != y->question) return x->question < y->question ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int by_key(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Moves those still kept to the front, in the order of the rows; returns how many. */
static size_t compact(const struct select *s, struct candidate *c, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (s->fate[c[i].at] == SELECT_KEPT) c[kept++] = c[i];
    qsort(c, kept, sizeof *c, by_question);
    return kept;
}

static size_t drop_identical(struct select *s, struct candidate *c, size_t n)
{
    for (size_t i = 0; i < n; i++) c[i].key = s->f->at[c[i].at].content;
    qsort(c, n, sizeof *c, by_key);
    for (size_t i = 1; i < n; i++)
        if (c[i].key == c[i - 1].key) s->fate[c[i].at] = SELECT_identical;
    return compact(s, c, n);
}

/* The final answer that most give; of two, the one that comes first; 0 when none gives any. */
static uint64_t majority(const struct select *s, struct candidate *c, size_t n)
{
    uint64_t best = 0;
    size_t most = 0, first = 0;
    for (size_t i = 0; i < n; i++) c[i].key = s->f->at[c[i].at].answer;
    qsort(c, n, sizeof *c, by_key);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && c[end].key == c[i].key; end++) continue;
        if (!c[i].key || end - i < most || (end - i == most && c[i].at > first)) continue;
        best = c[i].key, most = end - i, first = c[i].at;
    }
    qsort(c, n, sizeof *c, by_question);
    return best;
}

static uint64_t reference_of(const struct select_rules *r, uint64_t question)
{
    size_t low = 0, high = r->n_references;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (r->references[middle].question < question)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->n_references && r->references[low].question == question ? r->references[low].answer : 0;
}

/* Drops what gives another final answer. Where nobody gives one (code), all stay. */
static size_t drop_others(struct select *s, struct candidate *c, size_t n)
{
    uint64_t right = s->rules->choose == CHOOSE_SHORTEST_CORRECT ? reference_of(s->rules, c->question) : 0;
    if (!right) right = majority(s, c, n);
    for (size_t i = 0; right && i < n; i++)
        if (s->f->at[c[i].at].answer != right) s->fate[c[i].at] = SELECT_other_answer;
    return compact(s, c, n);
}

static void choose(struct select *s, struct candidate *c, size_t n)
{
    const struct select_rules *r = s->rules;
    if (!r->keep_identical) n = drop_identical(s, c, n);
    if (n && r->choose >= CHOOSE_MAJORITY) n = drop_others(s, c, n);
    if (!r->answers || n <= r->answers) return;
    for (size_t i = 0; i < n; i++) {
        const struct fact *f = &s->f->at[c[i].at];
        c[i].key = r->choose == CHOOSE_SHORTEST_CORRECT ? f->tokens
                   : r->choose == CHOOSE_RANDOM ? order_mix(order_mix(r->seed, f->question), f->content)
                                                : 0;
    }
    qsort(c, n, sizeof *c, by_key);
    for (size_t i = r->answers; i < n; i++) s->fate[c[i].at] = SELECT_surplus;
}

static int choose_all(struct select *s, struct err *e)
{
    s->c = malloc((s->n + 1) * sizeof *s->c);
    if (!s->c) return err_set(e, ERR_NOMEM, "no memory to choose among %zu rows", s->n);
    s->n = 0;
    for (uint64_t i = 0; i < s->f->n; i++)
        if (s->fate[i] == SELECT_KEPT)
            s->c[s->n++] = (struct candidate){s->f->at[i].question, 0, (uint32_t)i};
    qsort(s->c, s->n, sizeof *s->c, by_question);
    for (size_t i = 0, end; i < s->n; i = end) {
        for (end = i; end < s->n && s->c[end].question == s->c[i].question; end++) continue;
        choose(s, s->c + i, end - i);
    }
    free(s->c);
    s->c = NULL;
    return 0;
}

/* ---- order and split ----------------------------------------------------------------------------------- */

/* Rows still kept, as indices in their final order, max_samples of them at most. */
static int order_make(struct select *s, uint32_t **order, struct err *e)
{
    uint64_t n = 0, at = 0;
    for (uint64_t i = 0; i < s->f->n; i++) n += s->fate[i] == SELECT_KEPT;
    uint32_t *all = malloc((n + 1) * sizeof *all), *to = malloc((n + 1) * sizeof *to);
    *order = to;
    if (!all || !to) {
        free(all);
        return err_set(e, ERR_NOMEM, "no memory for the order of %llu rows", (unsigned long long)n);
    }
    for (uint64_t i = 0; i < s->f->n; i++)
        if (s->fate[i] == SELECT_KEPT) all[at++] = (uint32_t)i;
    for (uint64_t i = 0; i < n; i++)
        to[i] = s->rules->shuffle ? all[order_permute(s->rules->seed, i, n)] : all[i];
    uint64_t most = s->rules->max_samples && s->rules->max_samples < n ? s->rules->max_samples : n;
    for (uint64_t i = most; i < n; i++) s->fate[to[i]] = SELECT_samples;
    s->out->n = most;
    free(all);
    return 0;
}

/* The greatest key of a question that is held out; *none when there is none. */
static int split_at(const struct select *s, const uint32_t *order, uint64_t *last, bool *none, struct err *e)
{
    uint64_t n = s->out->n, count = order_held_out(s->rules->val_size, n);
    *none = count == 0 || n == 0;
    uint64_t *keys = malloc((n + 1) * sizeof *keys);
    if (!keys) return err_set(e, ERR_NOMEM, "no memory to split %llu rows", (unsigned long long)n);
    for (uint64_t i = 0; i < n; i++) keys[i] = order_question(s->f->at[order[i]].question);
    *last = *none ? 0 : order_last_held_out(keys, n, count);
    free(keys);
    return 0;
}

static struct pick pick_of(const uint64_t *first, uint32_t n_files, uint32_t at)
{
    uint32_t low = 0, high = n_files;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (first[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    return (struct pick){low, (uint32_t)(at - first[low])};
}

static int split(struct select *s, const uint32_t *order, const uint64_t *first, uint32_t n_files,
                 struct err *e)
{
    uint64_t last = 0, train = 0;
    bool none = true;
    struct selection *out = s->out;
    int r = split_at(s, order, &last, &none, e);
    if (r) return r;
    out->at = malloc((out->n + 1) * sizeof *out->at);
    if (!out->at) return err_set(e, ERR_NOMEM, "no memory for %llu rows", (unsigned long long)out->n);
    for (int held = 0; held < 2; held++)
        for (uint64_t i = 0; i < out->n; i++) {
            bool is = !none && order_question(s->f->at[order[i]].question) <= last;
            if (is == held) out->at[train++] = pick_of(first, n_files, order[i]), out->held_out += is;
        }
    return 0;
}

static int count(struct select *s, const uint32_t *order, struct err *e)
{
    struct selection *out = s->out;
    uint64_t *questions = malloc((out->n + 1) * sizeof *questions);
    if (!questions) return err_set(e, ERR_NOMEM, "no memory to count questions");
    for (uint64_t i = 0; i < s->f->n; i++) out->rows[s->fate[i]]++;
    for (uint64_t i = 0; i < out->n; i++) {
        const struct fact *f = &s->f->at[order[i]];
        questions[i] = f->question;
        out->tokens += f->tokens < s->rules->cutoff_len ? f->tokens : s->rules->cutoff_len;
        out->bytes += f->bytes;
        out->cut += f->tokens > s->rules->cutoff_len;
    }
    qsort(questions, out->n, sizeof *questions, order_ascending);
    for (uint64_t i = 0; i < out->n; i++) out->questions += i == 0 || questions[i] != questions[i - 1];
    free(questions);
    return 0;
}

/* ---- all of it ----------------------------------------------------------------------------------------- */

static int prepare(struct select *s, struct err *e)
{
    s->fate = malloc(s->f->n + 1);
    s->domain = names_kept(&s->f->domains, s->rules->domains);
    s->source = names_kept(&s->f->sources, s->rules->sources);
    if (!s->fate || !s->domain || !s->source || s->f->n > UINT32_MAX)
        return err_set(e, ERR_NOMEM, "no memory to choose among %llu rows", (unsigned long long)s->f->n);
    for (uint64_t i = 0; i < s->f->n; i++) {
        s->fate[i] = (uint8_t)fate_of(s, &s->f->at[i]);
        s->n += s->fate[i] == SELECT_KEPT;
    }
    return 0;
}

int select_rows(struct selection *out, const struct facts *f, const uint64_t *first, uint32_t n_files,
                const struct select_rules *rules, struct err *e)
{
    struct select s = {.f = f, .rules = rules, .out = out};
    uint32_t *order = NULL;
    *out = (struct selection){0};
    int r = prepare(&s, e);
    if (!r) r = choose_all(&s, e);
    if (!r) r = order_make(&s, &order, e);
    if (!r) r = split(&s, order, first, n_files, e);
    if (!r) r = count(&s, order, e);
    if (!r && out->n == out->held_out) {
        char text[512];
        selection_text(out, text, sizeof text);
        r = err_set(e, ERR_DATA_EMPTY, "none of %llu rows is left to train on: %s", (unsigned long long)f->n,
                    text);
    }
    free(s.fate), free(s.domain), free(s.source), free(order);
    if (r) selection_clear(out);
    return r;
}

void selection_clear(struct selection *s)
{
    free(s->at);
    *s = (struct selection){0};
}

void selection_text(const struct selection *s, char *text, size_t size)
{
    int n = 0;
    *text = '\0';
    for (int i = 1; i < SELECT_REASONS && n >= 0 && (size_t)n < size; i++)
        if (s->rows[i])
            n +=
                snprintf(text + n, size - (size_t)n, "%s%" PRIu64 " %s", n ? ", " : "", s->rows[i], words[i]);
}
