/* Logits, losses, gradients and training steps against transformers, peft and torch (tests/parity/README.md).
 */
#include "infer/session.h"
#include "tests/support/close.h"
#include "tests/support/fixture_model.h"
#include "train/blas.h"
#include "train/micro.h"
#include "train/optim.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const models[] = {"tied-k64-gqa7", "untied-k128", "odd-k64-gqa2"};
static const char *const gates[] = {"assistant", "response", "all"}; /* as enum lora_gate */
enum { MODELS = 3, GATES = 3, HEADER = 3, MAX_TOKENS = 256 };

static void must(int r, const struct err *e)
{
    if (r) fail_msg("%s: %s", err_name(r), e->msg);
}

/* ---- logits
 * ------------------------------------------------------------------------------------------------ */

/* Logits of a sequence whose tokens from `adapt` on are adapted. */
static float *logits_of(const struct fixture_model *f, const int32_t *ids, int64_t n, int64_t adapt)
{
    struct err e = {0};
    struct kv_pool *kv;
    struct kv_stream *s;
    struct workspace w;
    float *out = malloc((size_t)n * f->m->c.vocab * sizeof *out);
    must(kv_pool_create(&kv, f->m, 8, &e), &e);
    must(kv_stream_create(&s, kv, (uint32_t)n, &e), &e);
    must(kv_stream_extend(s, (uint32_t)n, &e), &e);
    must(workspace_create(&w, f->m, n, f->lora ? f->lora->rank : 0, 0, &e), &e);
    struct segment seg[2] = {{s, 0, 0, adapt}, {s, (uint32_t)adapt, adapt, n - adapt}};
    struct pass p = {.m = f->m, .lora = f->lora, .rows = n, .adapt_from = adapt, .ids = ids};
    p.seg = adapt ? seg : seg + 1, p.segs = (adapt > 0) + (n > adapt);
    forward(&p, &w);
    forward_logits(f->m, &w, n, w.x, out);
    workspace_free(&w);
    kv_stream_free(s);
    kv_pool_free(kv);
    return out;
}

static int64_t gate_start(const struct safetensors *s, enum lora_gate g)
{
    uint64_t n;
    int32_t prompt = *fixture_i32(s, "prompt", &n);
    return g == GATE_ALL ? 0 : g == GATE_ASSISTANT ? prompt - HEADER : prompt;
}

static void check_logits(const char *model, const char *adapter, const char *tensor, int64_t start)
{
    struct fixture_model f;
    uint64_t n, count;
    char what[128];
    fixture_model_open(&f, model, adapter, WT_F32, 2);
    struct safetensors *s = fixture_open(model, "forward.safetensors");
    const int32_t *ids = fixture_i32(s, "ids", &n);
    const float *want = fixture_f32(s, tensor, &count);
    float *got = logits_of(&f, ids, (int64_t)n, start < 0 ? (int64_t)n : start);
    assert_int_equal(count, n * f.m->c.vocab);
    snprintf(what, sizeof what, "%s %s", model, tensor);
    assert_close(TOL_LOGITS, what, got, want, count);
    free(got);
    safetensors_close(s);
    fixture_model_close(&f);
}

static void logits_equal_transformers(void **state)
{
    (void)state;
    for (int i = 0; i < MODELS; i++) check_logits(models[i], NULL, "base.logits", -1);
}

static void logits_equal_peft_under_every_gate(void **state)
{
    (void)state;
    char tensor[64];
    for (int i = 0; i < MODELS; i++) {
        struct safetensors *s = fixture_open(models[i], "forward.safetensors");
        for (int g = 0; g < GATES; g++) {
            snprintf(tensor, sizeof tensor, "%s.logits", gates[g]);
            check_logits(models[i], "adapter", tensor, gate_start(s, (enum lora_gate)g));
        }
        safetensors_close(s);
    }
}

static void rslora_scales_by_the_root_of_the_rank(void **state)
{
    (void)state;
    check_logits("odd-k64-gqa2", "adapter-rslora", "rslora.logits", 0);
}

/* ---- hidden states --------------------------------------------------------------------------------------
 */

/* What transformers' final norm makes of a row. */
static void norm_row(const struct model *m, const float *x, double *out)
{
    double squares = 0;
    for (uint32_t i = 0; i < m->c.width; i++) squares += (double)x[i] * (double)x[i];
    double r = 1 / sqrt(squares / m->c.width + m->c.rms_eps);
    for (uint32_t i = 0; i < m->c.width; i++) out[i] = (double)x[i] * r * (double)model_vec(m, P_NORM, 0)[i];
}

/* Of token t: each depth, and what the head reads, against hidden [L+1][T][D]. */
static void check_token(const struct fixture_model *f, const struct session *s, const float *hidden,
                        uint32_t tokens, uint32_t t)
{
    uint32_t d = f->m->c.width, layers = f->m->c.layers;
    float *got = malloc(d * sizeof *got);
    double *final = malloc(d * sizeof *final);
    for (uint32_t depth = 0; depth <= layers; depth++) {
        assert_int_equal(session_states(s, 0, depth, POOL_LAST, got), 1);
        assert_close(TOL_LOGITS, "hidden states", got, hidden + ((size_t)depth * tokens + t) * d, d);
    }
    norm_row(f->m, hidden + ((size_t)layers * tokens + t) * d, final);
    assert_int_equal(session_states(s, 0, layers + 1, POOL_LAST, got), 1);
    assert_close_to(TOL_LOGITS, "final states", got, final, d);
    free(final);
    free(got);
}

static void hidden_states_equal_transformers(void **state)
{
    (void)state;
    for (int i = 0; i < MODELS; i++) {
        struct fixture_model f;
        struct session *s;
        struct err e = {0};
        uint64_t n, count;
        fixture_model_open(&f, models[i], NULL, WT_F32, 2);
        struct safetensors *file = fixture_open(models[i], "forward.safetensors");
        const int32_t *ids = fixture_i32(file, "ids", &n);
        const float *hidden = fixture_f32(file, "base.hidden", &count);
        struct session_config c = {.streams = 1, .max_tokens = (uint32_t)n};
        for (uint32_t depth = 0; depth <= f.m->c.layers; depth++) c.states.depth[c.states.n++] = depth;
        c.states.depth[c.states.n++] = STATES_FINAL;
        must(session_create(&s, f.m, NULL, &c, &e), &e);
        assert_int_equal(count, (f.m->c.layers + 1) * n * f.m->c.width);
        for (uint32_t t = 0; t < n; t++) {
            session_watch(s, 0, t, t + 1);
            must(session_run(s, &(struct session_part){0, 1, ids + t, true}, 1, &e), &e);
            check_token(&f, s, hidden, (uint32_t)n, t);
        }
        session_free(s);
        safetensors_close(file);
        fixture_model_close(&f);
    }
}

/* ---- losses and gradients
 * ------------------------------------------------------------------------------------- */

struct rig {
    struct fixture_model f;
    struct micro *u;
    struct trainee t;
    float *flat;
    float **slots;
};

static void rig_init(struct rig *r, const char *model, int dense, enum lora_gate gate,
                     enum recompute recompute, int64_t chunk)
{
    struct err e = {0};
    struct micro_config c = {
        .max_tokens = MAX_TOKENS, .max_docs = 8, .chunk = chunk, .recompute = recompute, .gate = gate};
    blas_init();
    fixture_model_open(&r->f, model, dense ? NULL : "adapter", WT_F32, 2);
    if (dense)
        must(trainee_init_dense(&r->t, r->f.m, r->f.hf->bound, &e), &e);
    else
        must(trainee_init_adapter(&r->t, r->f.m, r->f.adapter, r->f.lora, &e), &e);
    must(micro_create(&r->u, r->f.m, r->f.adapter, r->f.lora, &c, &e), &e);
    r->flat = calloc(r->t.count, sizeof *r->flat);
    r->slots = calloc(params_slots(&r->f.m->c), sizeof *r->slots);
}

static void rig_free(struct rig *r)
{
    free(r->flat);
    free(r->slots);
    micro_free(r->u);
    trainee_clear(&r->t);
    fixture_model_close(&r->f);
}

/* A document of the fixture: the response is what follows the prompt. */
static struct shard_doc doc_of(const int32_t *ids, int32_t n, int32_t prompt, struct label_span *span)
{
    *span = (struct label_span){(uint32_t)prompt, (uint32_t)n};
    return (struct shard_doc){.ids = (const uint32_t *)ids,
                              .n = (uint32_t)n,
                              .header_at = (uint32_t)(prompt - HEADER),
                              .response_at = (uint32_t)prompt,
                              .spans = span,
                              .n_spans = 1};
}

/* The fixture's name of a part. */
static void fixture_name(const struct rig *r, const char *prefix, const struct trainee_part *p, char *out,
                         size_t size)
{
    snprintf(out, size, "%s.%s%s%s", prefix, r->t.adapter ? "base_model.model." : "", p->name,
             r->t.adapter ? ".weight" : "");
}

static void check_parts(const struct rig *r, const struct safetensors *s, const char *prefix,
                        const float *flat, enum tolerance tol, int all)
{
    char name[192];
    uint64_t n, seen = 0;
    for (uint32_t i = 0; i < r->t.parts; i++) {
        fixture_name(r, prefix, &r->t.part[i], name, sizeof name);
        if (!all && !safetensors_find(s, name)) continue;
        const float *want = fixture_f32(s, name, &n);
        assert_int_equal(n, r->t.part[i].count);
        assert_close(tol, name, flat + r->t.part[i].at, want, n);
        seen++;
    }
    assert_true(seen > 0);
}

static void check_gradients(const char *model, const char *prefix, int dense, enum lora_gate gate,
                            enum recompute rc, int64_t chunk)
{
    struct rig r;
    struct err e = {0};
    struct label_span span;
    struct micro_result res;
    uint64_t n, count;
    char name[64];
    float nats[MAX_TOKENS];
    rig_init(&r, model, dense, gate, rc, chunk);
    struct safetensors *fw = fixture_open(model, "forward.safetensors");
    struct safetensors *gr = fixture_open(model, "gradients.safetensors");
    const int32_t *ids = fixture_i32(fw, "ids", &n);
    int32_t prompt = *fixture_i32(fw, "prompt", &count);
    struct shard_doc d = doc_of(ids, (int32_t)n, prompt, &span);
    struct grads g = trainee_grads(&r.t, r.flat, r.slots);
    must(micro_run(r.u, &d, 1, 1.0f / (float)(n - (uint64_t)prompt), 0, &g, &res, nats, &e), &e);
    snprintf(name, sizeof name, "%s.losses", dense ? "base" : prefix);
    const float *want = fixture_f32(fw, name, &count);
    assert_int_equal(count, res.labels);
    assert_close(TOL_LOSS, name, nats, want, count);
    check_parts(&r, gr, prefix, r.flat, TOL_GRADIENT, 1);
    safetensors_close(fw);
    safetensors_close(gr);
    rig_free(&r);
}

static void adapter_gradients_equal_peft(void **state)
{
    (void)state;
    for (int i = 0; i < MODELS; i++)
        for (int g = 0; g < GATES; g++)
            for (int rc = RECOMPUTE_NONE; rc <= RECOMPUTE_LAYER; rc++)
                check_gradients(models[i], gates[g], 0, (enum lora_gate)g, (enum recompute)rc, 0);
}

static void dense_gradients_equal_torch(void **state)
{
    (void)state;
    for (int i = 0; i < MODELS; i++)
        for (int rc = RECOMPUTE_NONE; rc <= RECOMPUTE_LAYER; rc++)
            check_gradients(models[i], "dense", 1, GATE_ALL, (enum recompute)rc, 0);
}

static void chunks_of_a_sequence_give_the_same_gradients(void **state)
{
    (void)state;
    for (int64_t chunk = 1; chunk < 12; chunk += 2) {
        check_gradients("tied-k64-gqa7", "all", 0, GATE_ALL, RECOMPUTE_MLP, chunk);
        check_gradients("odd-k64-gqa2", "dense", 1, GATE_ALL, RECOMPUTE_LAYER, chunk);
        check_gradients("untied-k128", "assistant", 0, GATE_ASSISTANT, RECOMPUTE_NONE, chunk);
    }
}

/* Three documents in one row: losses and gradients as of the three alone. */
static void packed_rows_equal_separate_sequences(void **state)
{
    (void)state;
    for (int i = 0; i < MODELS; i++) {
        struct rig r;
        struct err e = {0};
        struct label_span span[3];
        struct shard_doc d[3];
        struct micro_result res;
        uint64_t n;
        float nats[MAX_TOKENS], sorted[MAX_TOKENS];
        rig_init(&r, models[i], 0, GATE_RESPONSE, RECOMPUTE_NONE, 0);
        struct safetensors *s = fixture_open(models[i], "packed.safetensors");
        const int32_t *ids = fixture_i32(s, "ids", &n), *len = fixture_i32(s, "lengths", &n);
        const int32_t *prompt = fixture_i32(s, "prompts", &n);
        for (int k = 0; k < 3; ids += len[k], k++) d[k] = doc_of(ids, len[k], prompt[k], &span[k]);
        struct grads g = trainee_grads(&r.t, r.flat, r.slots);
        const float *want = fixture_f32(s, "response.losses", &n);
        must(micro_run(r.u, d, 3, 1.0f / (float)n, 0, &g, &res, nats, &e), &e);
        assert_int_equal(res.labels, n);
        /* the first label of each document comes first: its row is base-only */
        for (int k = 0, edge = 0, rest = 3, at = 0; k < 3; k++) {
            sorted[at++] = nats[edge++];
            for (int32_t t = prompt[k] + 1; t < len[k]; t++) sorted[at++] = nats[rest++];
        }
        assert_close(TOL_LOSS, models[i], sorted, want, n);
        check_parts(&r, s, "response", r.flat, TOL_GRADIENT, 0);
        safetensors_close(s);
        rig_free(&r);
    }
}

/* ---- twenty steps
 * ------------------------------------------------------------------------------------------------ */

static void check_steps(const char *model, const char *run, int dense, enum lora_gate gate, double decay)
{
    struct rig r;
    struct err e = {0};
    struct optim o;
    struct optim_config c = {.learning_rate = dense ? 1e-3 : 2e-3,
                             .weight_decay = decay,
                             .beta1 = 0.9,
                             .beta2 = 0.999,
                             .eps = 1e-8,
                             .max_grad_norm = 1,
                             .warmup_steps = 2,
                             .total_steps = 20};
    char name[64];
    uint64_t n;
    rig_init(&r, model, dense, gate, RECOMPUTE_NONE, 0);
    must(optim_create(&o, &c, &r.t, 2, &e), &e);
    struct safetensors *s = fixture_open(model, "train.safetensors");
    const int32_t *all = fixture_i32(s, "ids", &n), *len = fixture_i32(s, "lengths", &n);
    const int32_t *prompt = fixture_i32(s, "prompts", &n);
    for (int step = 0; step < 20; step++) {
        double nats = 0, rate, norm;
        const int32_t *ids = all;
        int first = step % 4 * 2, labels = 0;
        for (int k = 0; k < first; k++) ids += len[k];
        for (int k = first; k < first + 2; k++) labels += len[k] - prompt[k];
        for (int k = first; k < first + 2; ids += len[k], k++) {
            struct label_span span;
            struct micro_result res;
            struct shard_doc d = doc_of(ids, len[k], prompt[k], &span);
            struct grads g = trainee_grads(&r.t, optim_leaf(&o), r.slots);
            must(micro_run(r.u, &d, 1, 1.0f / (float)labels, 0, &g, &res, NULL, &e), &e);
            optim_fold(&o);
            nats += res.nats;
        }
        optim_sum(&o);
        must(optim_step(&o, &rate, &norm, &e), &e);
        snprintf(name, sizeof name, "%s.loss", run);
        assert_close_f64(TOL_STEPS, name, nats / labels, fixture_f64(s, name, &n)[step]);
        snprintf(name, sizeof name, "%s.norm", run);
        assert_close_f64(TOL_STEPS, name, norm, fixture_f64(s, name, &n)[step]);
        snprintf(name, sizeof name, "%s.lr", run);
        assert_true(rate == fixture_f64(s, name, &n)[step] ||
                    (assert_close_f64(TOL_STEPS, name, rate, fixture_f64(s, name, &n)[step]), 1));
    }
    check_parts(&r, s, run, r.t.weights, TOL_WEIGHTS, 0);
    safetensors_close(s);
    optim_free(&o);
    rig_free(&r);
}

static void twenty_adapter_steps_equal_torch(void **state)
{
    (void)state;
    for (int i = 0; i < MODELS; i++) {
        check_steps(models[i], "all", 0, GATE_ALL, 0);
        check_steps(models[i], "all-wd", 0, GATE_ALL, 0.01);
        check_steps(models[i], "response", 0, GATE_RESPONSE, 0);
    }
}

static void twenty_dense_steps_equal_torch(void **state)
{
    (void)state;
    for (int i = 0; i < MODELS; i++) {
        check_steps(models[i], "dense", 1, GATE_ALL, 0);
        check_steps(models[i], "dense-wd", 1, GATE_ALL, 0.01);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_equal_transformers),
        cmocka_unit_test(logits_equal_peft_under_every_gate),
        cmocka_unit_test(rslora_scales_by_the_root_of_the_rank),
        cmocka_unit_test(hidden_states_equal_transformers),
        cmocka_unit_test(adapter_gradients_equal_peft),
        cmocka_unit_test(dense_gradients_equal_torch),
        cmocka_unit_test(chunks_of_a_sequence_give_the_same_gradients),
        cmocka_unit_test(packed_rows_equal_separate_sequences),
        cmocka_unit_test(twenty_adapter_steps_equal_torch),
        cmocka_unit_test(twenty_dense_steps_equal_torch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
