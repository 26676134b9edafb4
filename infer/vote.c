#include "infer/vote.h"

static const char *const names[] = {"majority", "weighted", "best"};

const char *vote_name(enum vote_kind kind)
{
    return names[kind];
}

int32_t vote_class(const struct vote_chain *chains, uint32_t n, uint32_t i,
                   bool (*equal)(void *ctx, uint32_t a, uint32_t b), void *ctx)
{
    for (uint32_t c = 0; c < n; c++)
        if (c != i && chains[c].answer == (int32_t)c && equal(ctx, c, i)) return (int32_t)c;
    return (int32_t)i;
}

static uint64_t units(float score)
{
    if (!(score > 0)) return 0;
    return score < 1 ? (uint64_t)(score * (float)VOTE_ONE + 0.5f) : VOTE_ONE;
}

uint64_t vote_weight(enum vote_kind kind, const struct vote_chain *chains, uint32_t n, int32_t answer)
{
    uint64_t sum = 0, best = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (chains[i].answer != answer) continue;
        uint64_t w = units(chains[i].score);
        sum += kind == VOTE_MAJORITY ? VOTE_ONE : w;
        best = w > best ? w : best;
    }
    return kind == VOTE_BEST ? best : sum;
}

/* The first chain that decides a tie for the class: of VOTE_BEST the first with its best score. */
static uint32_t first_of(enum vote_kind kind, const struct vote_chain *chains, uint32_t n, int32_t answer,
                         uint64_t weight)
{
    uint32_t i = 0;
    while (i < n && (chains[i].answer != answer || (kind == VOTE_BEST && units(chains[i].score) != weight)))
        i++;
    return i;
}

/* The highest score among the chains of a class, the first of them; n when it has none. */
static uint32_t best_chain(const struct vote_chain *chains, uint32_t n, int32_t answer)
{
    uint32_t best = n;
    for (uint32_t i = 0; i < n; i++)
        if (chains[i].answer == answer && (best == n || units(chains[i].score) > units(chains[best].score)))
            best = i;
    return best;
}

/* Chain `i` is the first of a class. */
static bool opens(const struct vote_chain *chains, uint32_t i)
{
    if (chains[i].answer < 0) return false;
    for (uint32_t k = 0; k < i; k++)
        if (chains[k].answer == chains[i].answer) return false;
    return true;
}

struct vote vote_count(enum vote_kind kind, const struct vote_chain *chains, uint32_t n)
{
    struct vote v = {.answer = VOTE_NONE};
    uint32_t first = n;
    for (uint32_t i = 0; i < n; i++) {
        if (!opens(chains, i)) continue;
        uint64_t w = vote_weight(kind, chains, n, chains[i].answer);
        uint32_t at = first_of(kind, chains, n, chains[i].answer, w);
        v.total += w;
        if (v.answer != VOTE_NONE && (w < v.weight || (w == v.weight && at > first))) continue;
        v.answer = chains[i].answer, v.weight = w, first = at;
    }
    if (kind == VOTE_BEST) v.total = v.weight;
    v.chain = best_chain(chains, n, v.answer);
    return v;
}

/* The strongest that the pending chains can do against the leader is to vote, with a score of 1 each, for one
 * and the same other class, there already or new. */
bool vote_decided(enum vote_kind kind, const struct vote_chain *chains, uint32_t n)
{
    struct vote v = vote_count(kind, chains, n);
    uint32_t pending = 0, first_pending = n;
    for (uint32_t i = n; i-- > 0;)
        if (chains[i].answer == VOTE_PENDING) pending++, first_pending = i;
    if (pending == 0) return true;
    if (v.answer == VOTE_NONE) return false;
    uint64_t more = (kind == VOTE_BEST ? 1 : (uint64_t)pending) * VOTE_ONE;
    uint32_t leader = first_of(kind, chains, n, v.answer, v.weight);
    if (more > v.weight || (more == v.weight && first_pending < leader)) return false;
    for (uint32_t i = 0; kind != VOTE_BEST && i < n; i++) {
        if (!opens(chains, i) || chains[i].answer == v.answer) continue;
        uint64_t w = vote_weight(kind, chains, n, chains[i].answer) + more;
        uint32_t first = i < first_pending ? i : first_pending;
        if (w > v.weight || (w == v.weight && first < leader)) return false;
    }
    return true;
}
