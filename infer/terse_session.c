/* libterse: sessions, and their streams token by token. */
#include "infer/ask.h"
#include "infer/terse_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEFAULT_TOKENS = 4096, DEFAULT_RANK = 256, DEFAULT_CACHE = 64 << 20 };

/* ---- making one ---------------------------------------------------------------------------------------- */

static int session_options(struct session_config *c, uint64_t *limit, const struct terse_model *m,
                           const struct terse_session_options *from, struct err *e)
{
    struct terse_session_options o;
    *limit = 0;
    int r = terse_take(&o, sizeof o, from, "terse_session_options", e);
    if (r) return r;
    if (o.streams > TERSE_MAX_STREAMS || o.kv > TERSE_KV_INT8 || o.adapter_rank > LORA_MAX_RANK)
        return err_set(e, ERR_FIELD_RANGE,
                       "streams %u, kv %u, adapter_rank %u; expected at most %d, %d and %d", o.streams, o.kv,
                       o.adapter_rank, TERSE_MAX_STREAMS, TERSE_KV_INT8, LORA_MAX_RANK);
    *limit = o.memory_limit;
    if (!o.max_tokens) o.max_tokens = DEFAULT_TOKENS;
    *c = (struct session_config){
        .streams = o.streams ? o.streams : 1,
        .max_tokens = o.max_tokens,
        .kv = o.kv == TERSE_KV_INT8 ? KV_INT8 : KV_MODEL,
        .cache_bytes = o.cache_bytes ? o.cache_bytes : DEFAULT_CACHE,
        .rank = o.adapter_rank ? o.adapter_rank : DEFAULT_RANK,
    };
    return ask_session(c, &m->l, e);
}

int terse_session_plan(uint64_t *bytes, const struct terse_model *m, const struct terse_session_options *o,
                       struct terse_error *error)
{
    struct err e = {0};
    struct session_config c;
    uint64_t limit;
    int r = session_options(&c, &limit, m, o, &e);
    if (!r) *bytes = session_plan(m->l.m, NULL, &c);
    return terse_end(error, &e, r);
}

static int parts_create(struct terse_session *s, const struct session_config *c, struct err *e)
{
    struct choice way = {.luck = 0};
    int r = terse_sampler_config(&way.sampler, s->m, NULL, e);
    s->choice = calloc(c->streams, sizeof *s->choice);
    if (!r && !s->choice) r = err_set(e, ERR_NOMEM, "no memory for %u streams", c->streams);
    for (uint32_t i = 0; !r && i < c->streams; i++) s->choice[i] = way, s->choice[i].luck = i;
    if (!r)
        r = sampler_create(&s->sampler, &s->m->l.m->kern, (uint32_t)tokenizer_vocab(s->m->l.tokenizer), e);
    return r ? r : session_create(&s->s, s->m->l.m, NULL, c, e);
}

static int create(struct terse_session **out, struct terse_model *m, const struct terse_session_options *o,
                  struct err *e)
{
    struct session_config c;
    uint64_t limit, bytes;
    int r = session_options(&c, &limit, m, o, e);
    if (r) return r;
    bytes = session_plan(m->l.m, NULL, &c);
    if (limit && bytes > limit)
        return err_set(e, ERR_PREFLIGHT_MEM, "the session takes %.1f MiB, the limit is %.1f MiB",
                       (double)bytes / (1 << 20), (double)limit / (1 << 20));
    struct terse_session *s = calloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_NOMEM, "no memory for a session");
    terse_model_hold(m);
    s->m = m, s->streams = c.streams, s->stats.bytes = bytes;
    r = parts_create(s, &c, e);
    if (r)
        terse_session_free(s);
    else
        *out = s;
    return r;
}

int terse_session_create(struct terse_session **out, struct terse_model *m,
                         const struct terse_session_options *o, struct terse_error *error)
{
    struct err e = {0};
    *out = NULL;
    return terse_end(error, &e, create(out, m, o, &e));
}

void terse_session_free(struct terse_session *s)
{
    if (!s) return;
    session_free(s->s);
    sampler_free(s->sampler);
    free(s->choice);
    terse_adapter_free(s->a);
    terse_model_close(s->m);
    free(s);
}

const struct loaded *terse_loaded(const struct terse_session *s)
{
    return s->a ? &s->a->l : &s->m->l;
}

int terse_session_set_adapter(struct terse_session *s, struct terse_adapter *a, struct terse_error *error)
{
    struct err e = {0};
    if (a == s->a) return 0;
    if (a && a->m != s->m)
        return terse_end(error, &e,
                         err_set(&e, ERR_BASE_HASH, "the adapter was loaded for another model handle"));
    int r = session_set_lora(s->s, a ? a->l.lora : NULL, &e);
    if (r) return terse_end(error, &e, r);
    if (a) terse_adapter_hold(a);
    terse_adapter_free(s->a);
    s->a = a;
    return 0;
}

/* ---- one stream ---------------------------------------------------------------------------------------- */

static int check_stream(const struct terse_session *s, uint32_t stream, struct err *e)
{
    if (stream < s->streams) return 0;
    return err_set(e, ERR_FIELD_RANGE, "stream %u, but the session has %u", stream, s->streams);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int sync(struct terse_session *s, uint32_t stream, const int32_t *ids, uint32_t n, uint32_t adapt_from,
                struct err *e)
{
    double start = now();
    uint32_t ran = 0;
    int r = check_stream(s, stream, e);
    if (!r && !n) r = err_set(e, ERR_ROW_EMPTY, "no tokens; terse_stream_rewind to 0 empties a stream");
    if (!r && adapt_from == TERSE_GATE) r = prompt_gate(&adapt_from, terse_loaded(s), ids, n, e);
    if (!r) r = session_sync(s->s, stream, ids, n, adapt_from, &ran, e);
    if (r) return r;
    s->stats.prompt_tokens += n, s->stats.encoded_tokens += ran;
    s->stats.prefill_seconds += now() - start;
    return 0;
}

int terse_stream_sync(struct terse_session *s, uint32_t stream, const int32_t *ids, uint32_t n,
                      uint32_t adapt_from, struct terse_error *error)
{
    struct err e = {0};
    return terse_end(error, &e, sync(s, stream, ids, n, adapt_from, &e));
}

int terse_stream_fork(struct terse_session *s, uint32_t from, uint32_t to, uint32_t n,
                      struct terse_error *error)
{
    struct err e = {0};
    uint32_t held;
    int r = check_stream(s, from, &e);
    if (!r) r = check_stream(s, to, &e);
    if (r) return terse_end(error, &e, r);
    session_tokens(s->s, from, &held);
    session_fork(s->s, from, to, n < held ? n : held);
    return 0;
}

int terse_stream_rewind(struct terse_session *s, uint32_t stream, uint32_t n, struct terse_error *error)
{
    struct err e = {0};
    int r = check_stream(s, stream, &e);
    if (!r) session_rewind(s->s, stream, n);
    return terse_end(error, &e, r);
}

int terse_stream_set_sampling(struct terse_session *s, uint32_t stream, const struct terse_sampling *sampling,
                              uint64_t luck, struct terse_error *error)
{
    struct err e = {0};
    struct choice way = {.luck = luck};
    int r = check_stream(s, stream, &e);
    if (!r) r = terse_sampler_config(&way.sampler, s->m, sampling, &e);
    if (!r) s->choice[stream] = way;
    return terse_end(error, &e, r);
}

static int sample(struct terse_session *s, uint32_t stream, int32_t *token, struct err *e)
{
    uint32_t n;
    int r = check_stream(s, stream, e);
    if (r) return r;
    const struct choice *way = &s->choice[stream];
    const float *logits = session_logits(s->s, stream);
    const int32_t *history = session_tokens(s->s, stream, &n);
    if (!logits)
        return err_set(e, ERR_USAGE, "stream %u has no logits; add a token first, or sync it", stream);
    return sampler_pick(s->sampler, &way->sampler, logits, history, n, way->luck, n, token, e);
}

int terse_stream_sample(struct terse_session *s, uint32_t stream, int32_t *token, float *logprob,
                        struct terse_error *error)
{
    struct err e = {0};
    int r = sample(s, stream, token, &e);
    if (!r && logprob) *logprob = session_logprob(s->s, stream, *token);
    return terse_end(error, &e, r);
}

/* ---- streams together ---------------------------------------------------------------------------------- */

static int step(struct terse_session *s, const uint32_t *stream, const int32_t *token, uint32_t n,
                struct err *e)
{
    int r = 0;
    if (n > s->streams)
        return err_set(e, ERR_FIELD_RANGE, "a step of %u streams, but the session has %u", n, s->streams);
    for (uint32_t k = 0; !r && k < n; k++) {
        r = check_stream(s, stream[k], e);
        for (uint32_t i = 0; !r && i < k; i++)
            if (stream[i] == stream[k]) r = err_set(e, ERR_FIELD_RANGE, "stream %u twice", stream[k]);
    }
    return r ? r : session_step(s->s, stream, token, n, e);
}

int terse_session_step(struct terse_session *s, const uint32_t *stream, const int32_t *token, uint32_t n,
                       struct terse_error *error)
{
    struct err e = {0};
    double start = now();
    int r = step(s, stream, token, n, &e);
    if (r) return terse_end(error, &e, r);
    s->stats.answer_tokens += n;
    s->stats.decode_seconds += now() - start;
    return 0;
}

/* ---- what there is ------------------------------------------------------------------------------------- */

const float *terse_stream_logits(const struct terse_session *s, uint32_t stream)
{
    return stream < s->streams ? session_logits(s->s, stream) : NULL;
}

float terse_stream_logprob(const struct terse_session *s, uint32_t stream, int32_t token)
{
    if (!terse_stream_logits(s, stream) || (uint32_t)token >= s->m->l.m->c.vocab) return NAN;
    return session_logprob(s->s, stream, token);
}

const int32_t *terse_stream_tokens(const struct terse_session *s, uint32_t stream, uint32_t *n)
{
    *n = 0;
    return stream < s->streams ? session_tokens(s->s, stream, n) : NULL;
}

void terse_session_get_stats(const struct terse_session *s, struct terse_stats *out)
{
    struct terse_stats stats = s->stats;
    struct kv_index_stats cache;
    uint32_t pages = 0, n;
    session_cache(s->s, &cache);
    for (uint32_t i = 0; i < s->streams; i++) {
        session_tokens(s->s, i, &n);
        pages += (n + KV_PAGE - 1) / KV_PAGE;
    }
    stats.page_tokens = KV_PAGE, stats.page_bytes = cache.page_bytes;
    stats.pages_held = cache.held, stats.pages_cached = cache.resting;
    stats.pages_shared = pages > cache.held ? pages - cache.held : 0;
    stats.cache_asked = cache.asked, stats.cache_found = cache.found;
    terse_give(out, &stats, sizeof stats);
}
