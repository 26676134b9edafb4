/* Hugging Face folders that are as they should be: read, written, made by terse init. */
#include "checkpoints/cmd_init.h"
#include "checkpoints/file.h"
#include "checkpoints/hf_config.h"
#include "checkpoints/hf_model.h"
#include "checkpoints/hf_random.h"
#include "checkpoints/hf_save.h"
#include "tests/support/hf_folder.h"
#include "tests/support/scratch.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct hf_model *opened(const char *dir)
{
    struct hf_model *m;
    struct err e = {0};
    if (hf_model_open(&m, dir, &e)) fail_msg("%s", e.msg);
    return m;
}

static void assert_same_config(const struct model_config *a, const struct model_config *b)
{
    assert_int_equal(a->layers, b->layers);
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->heads, b->heads);
    assert_int_equal(a->kv_heads, b->kv_heads);
    assert_int_equal(a->head_dim, b->head_dim);
    assert_int_equal(a->ff, b->ff);
    assert_int_equal(a->vocab, b->vocab);
    assert_int_equal(a->max_positions, b->max_positions);
    assert_true(a->rope_theta == b->rope_theta);
    assert_true(a->rms_eps == b->rms_eps);
    assert_true(a->init_std == b->init_std);
    assert_int_equal(a->tied, b->tied);
    assert_int_equal(a->bos, b->bos);
    assert_int_equal(a->pad, b->pad);
    assert_int_equal(a->n_eos, b->n_eos);
    assert_memory_equal(a->eos, b->eos, a->n_eos * sizeof *a->eos);
    assert_true(a->temperature == b->temperature);
    assert_true(a->top_p == b->top_p);
    assert_true(a->repetition_penalty == b->repetition_penalty);
    assert_int_equal(a->top_k, b->top_k);
}

/* ---- configs --------------------------------------------------------------------------------------------
 */

static void copy_shared(const char *from, const char *name)
{
    char path[FILE_PATH];
    file_path(path, NULL, "../shared/data/qwen2.5-tokenizer/%s", from);
    assert_int_equal(file_copy(path, scratch(name), NULL), 0);
}

/* The published 0.5B and 7B configs are our named shapes. */
static void published_configs(void **state)
{
    (void)state;
    struct err e = {0};
    struct model_config c, named;
    if (!file_exists("../shared/data/qwen2.5-tokenizer")) {
        printf("skip: ../shared/data/qwen2.5-tokenizer is not there\n");
        skip();
    }
    assert_int_equal(file_make_dirs(scratch("small"), &e), 0);
    assert_int_equal(file_make_dirs(scratch("large"), &e), 0);
    copy_shared("Qwen2.5-0.5B-Instruct.config.json", "small/config.json");
    copy_shared("Qwen2.5-0.5B-Instruct.generation_config.json", "small/generation_config.json");
    copy_shared("Qwen2.5-7B-Instruct.config.json", "large/config.json");
    assert_int_equal(hf_config_load(&c, scratch("small"), &e), 0);
    assert_int_equal(model_config_named(&named, "qwen2.5-0.5b", &e), 0);
    named.temperature = 0.7, named.top_p = 0.8, named.top_k = 20, named.repetition_penalty = 1.1;
    assert_same_config(&c, &named);
    assert_int_equal(model_config_params(&c), 494032768);
    assert_int_equal(hf_config_load(&c, scratch("large"), &e), 0);
    assert_int_equal(model_config_named(&named, "qwen2.5-7b", &e), 0);
    named.n_eos = 1, named.pad = -1; /* the second, and pad, are in generation_config.json */
    assert_same_config(&c, &named);
    assert_int_equal(model_config_params(&c) * 2, 15231233024);
}

static void configs_round_trip(void **state)
{
    (void)state;
    struct model_config c = hf_folder_config(), again;
    struct err e = {0};
    assert_int_equal(file_make_dirs(scratch("trip"), &e), 0);
    assert_int_equal(hf_config_save(&c, DTYPE_BF16, scratch("trip"), &e), 0);
    assert_int_equal(hf_config_load(&again, scratch("trip"), &e), 0);
    assert_same_config(&c, &again);
    c.head_dim = 8, c.tied = false, c.rope_theta = 12345.5, c.rms_eps = 1e-5, c.n_eos = 0, c.bos = c.pad = -1;
    assert_int_equal(hf_config_save(&c, DTYPE_F32, scratch("trip"), &e), 0);
    assert_int_equal(hf_config_load(&again, scratch("trip"), &e), 0);
    assert_same_config(&c, &again);
}

/* ---- folders --------------------------------------------------------------------------------------------
 */

/* Written by transformers 4 and 5: tests/fixtures/model/README.md. */
static void folders_of_transformers(void **state)
{
    (void)state;
    static const struct {
        const char *dir;
        uint32_t layers, width, heads, kv_heads, head_dim, ff, vocab;
        double theta, eps;
        bool tied;
    } rows[] = {
        {"tests/fixtures/model/tied-k64-gqa7", 2, 32, 7, 1, 64, 64, 160, 1e6, 1e-6, true},
        {"tests/fixtures/model/untied-k128", 1, 32, 2, 2, 128, 64, 96, 1e4, 1e-5, false},
        {"tests/fixtures/model/odd-k64-gqa2", 1, 128, 2, 1, 64, 50, 101, 1e6, 1e-6, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hf_model *m = opened(rows[i].dir);
        const struct model_config *c = &m->config;
        assert_int_equal(c->layers, rows[i].layers);
        assert_int_equal(c->width, rows[i].width);
        assert_int_equal(c->heads, rows[i].heads);
        assert_int_equal(c->kv_heads, rows[i].kv_heads);
        assert_int_equal(c->head_dim, rows[i].head_dim);
        assert_int_equal(c->ff, rows[i].ff);
        assert_int_equal(c->vocab, rows[i].vocab);
        assert_true(c->rope_theta == rows[i].theta);
        assert_true(c->rms_eps == rows[i].eps);
        assert_int_equal(c->tied, rows[i].tied);
        assert_int_equal(m->dtype, DTYPE_F32);
        assert_int_equal(m->bytes, 4 * model_config_params(c));
        assert_true((m->bound[params_slot(c, P_HEAD, 0)] == NULL) == c->tied);
        hf_model_close(m);
    }
}

/* The same tensors in one file or in five: the same model and digest; other values, another digest. */
static void shards_do_not_matter(void **state)
{
    (void)state;
    struct model_config c = hf_folder_config();
    struct hf_save_options five = {.shard_bytes = 8000};
    struct err e = {0};
    char one_hex[SHA256_HEX], five_hex[SHA256_HEX];
    size_t n;
    struct tensor *t = hf_folder_tensors(&c, DTYPE_F32, 0, &n);
    assert_int_equal(hf_save_model(scratch("one"), &c, t, n, NULL, &e), 0);
    assert_int_equal(hf_save_model(scratch("five"), &c, t, n, &five, &e), 0);
    struct hf_model *a = opened(scratch("one")), *b = opened(scratch("five"));
    assert_same_config(&a->config, &c);
    assert_int_equal(a->n_shards, 1);
    assert_int_equal(b->n_shards, 5);
    for (uint32_t s = 0; s < params_slots(&c); s++) {
        assert_true(!a->bound[s] == !b->bound[s]);
        if (!a->bound[s]) continue;
        assert_string_equal(a->bound[s]->name, b->bound[s]->name);
        assert_memory_equal(a->bound[s]->data, b->bound[s]->data, a->bound[s]->bytes);
    }
    assert_int_equal(hf_model_digest(a, one_hex, &e), 0);
    assert_int_equal(hf_model_digest(b, five_hex, &e), 0);
    assert_string_equal(one_hex, five_hex);
    hf_model_close(b);
    hf_model_close(a);
    ((unsigned char *)(uintptr_t)t[5].data)[9] ^= 1;
    /* saved over the shards as one file: the index must go, or it would be believed next time */
    assert_int_equal(hf_save_model(scratch("five"), &c, t, n, NULL, &e), 0);
    assert_false(file_exists(scratch("five/model.safetensors.index.json")));
    b = opened(scratch("five"));
    assert_int_equal(hf_model_digest(b, five_hex, &e), 0);
    assert_string_not_equal(one_hex, five_hex);
    hf_model_close(b);
    hf_folder_free(t, n);
}

/* A header of odd length puts the data at odd addresses: copies are made. */
static void odd_addresses(void **state)
{
    (void)state;
    struct model_config c = hf_folder_config();
    struct err e = {0};
    size_t n, size;
    char *file;
    struct tensor *t = hf_folder_tensors(&c, DTYPE_BF16, 0, &n);
    assert_int_equal(hf_save_model(scratch("odd"), &c, t, n, NULL, &e), 0);
    assert_int_equal(file_load(scratch("odd/model.safetensors"), 1 << 20, &file, &size, &e), 0);
    char *longer = malloc(size + 1);
    uint64_t header;
    memcpy(&header, file, 8);
    memcpy(longer, file, 8 + header);
    longer[8 + header] = ' ';
    memcpy(longer + 9 + header, file + 8 + header, size - 8 - header);
    header++;
    memcpy(longer, &header, 8);
    scratch_write("odd/model.safetensors", longer, size + 1);
    struct hf_model *m = opened(scratch("odd"));
    for (size_t i = 0; i < n; i++) {
        const struct tensor *got = m->bound[params_find(&c, t[i].name)];
        assert_int_equal((uintptr_t)got->data % 2, 0);
        assert_memory_equal(got->data, t[i].data, t[i].bytes);
    }
    hf_model_close(m);
    hf_folder_free(t, n);
    free(longer);
    free(file);
}

static void a_cut_file_is_told(void **state)
{
    (void)state;
    struct model_config c = hf_folder_config();
    struct err e = {0};
    size_t n;
    struct tensor *t = hf_folder_tensors(&c, DTYPE_F32, 0, &n);
    assert_int_equal(hf_save_model(scratch("cut"), &c, t, n, NULL, &e), 0);
    struct hf_model *m = opened(scratch("cut"));
    assert_int_equal(hf_model_intact(m, &e), 0);
    assert_int_equal(truncate(scratch("cut/model.safetensors"), 5000), 0);
    uint64_t sum = 0; /* what model_create would do, without a bus error */
    for (size_t i = 0; i < m->n; i++)
        for (uint64_t k = 0; k < m->tensors[i].bytes; k++)
            sum += ((const unsigned char *)m->tensors[i].data)[k];
    assert_true(sum > 0);
    assert_int_equal(hf_model_intact(m, &e), ERR_CHANGED);
    hf_model_close(m);
    hf_folder_free(t, n);
}

static void a_folder_without_weights(void **state)
{
    (void)state;
    struct model_config c = hf_folder_config();
    struct hf_model *m;
    struct err e = {0}, f = {0};
    assert_int_equal(hf_model_open(&m, scratch("absent"), &e), ERR_FILE_MISSING);
    assert_non_null(strstr(e.msg, "config.json"));
    assert_int_equal(file_make_dirs(scratch("bare"), NULL), 0);
    assert_int_equal(hf_config_save(&c, DTYPE_F32, scratch("bare"), NULL), 0);
    assert_int_equal(hf_model_open(&m, scratch("bare"), &f), ERR_FILE_MISSING);
    assert_non_null(strstr(f.msg, "model.safetensors"));
}

/* ---- random models --------------------------------------------------------------------------------------
 */

static void make_random(const char *dir, enum dtype dtype, uint64_t seed, uint64_t shard, unsigned threads)
{
    struct model_config c = hf_folder_config();
    struct err e = {0};
    struct pool *pool;
    c.tied = false, c.init_std = 0.5, c.ff = 6000; /* some tensors of several units and chunks */
    assert_int_equal(pool_create(&pool, threads, &e), 0);
    if (hf_random_save(dir, &c, dtype, seed, shard, pool, NULL, &e)) fail_msg("%s", e.msg);
    pool_free(pool);
}

static void digest_of(const char *dir, char hex[SHA256_HEX])
{
    struct hf_model *m = opened(dir);
    assert_int_equal(hf_model_digest(m, hex, NULL), 0);
    hf_model_close(m);
}

static void random_weights_depend_on_the_seed_alone(void **state)
{
    (void)state;
    char a[SHA256_HEX], b[SHA256_HEX];
    make_random(scratch("r1"), DTYPE_BF16, 5, 0, 1);
    make_random(scratch("r2"), DTYPE_BF16, 5, 100000, 3);
    digest_of(scratch("r1"), a);
    digest_of(scratch("r2"), b);
    assert_string_equal(a, b);
    make_random(scratch("r3"), DTYPE_BF16, 6, 0, 1);
    digest_of(scratch("r3"), b);
    assert_string_not_equal(a, b);
}

static void random_weights_are_what_they_should(void **state)
{
    (void)state;
    make_random(scratch("f32"), DTYPE_F32, 9, 0, 2);
    struct hf_model *m = opened(scratch("f32"));
    for (uint32_t s = 0; s < params_slots(&m->config); s++) {
        uint32_t layer;
        enum param_kind kind = params[params_of_slot(&m->config, s, &layer)].kind;
        const float *x = m->bound[s]->data;
        size_t n = m->bound[s]->bytes / 4;
        double sum = 0, square = 0;
        for (size_t i = 0; i < n; i++) sum += (double)x[i], square += (double)x[i] * (double)x[i];
        bool random = kind == PARAM_MATRIX || kind == PARAM_EMBED;
        double mean = kind == PARAM_NORM ? 1 : 0, deviation = random ? 0.5 : 0;
        assert_true(fabs(sum / (double)n - mean) <= 5 * deviation / sqrt((double)n));
        double variance = square / (double)n - mean * mean;
        assert_true(fabs(variance - deviation * deviation) <=
                    5 * deviation * deviation * sqrt(2.0 / (double)n));
    }
    hf_model_close(m);
}

/* ---- the command ----------------------------------------------------------------------------------------
 */

/* Runs terse init quietly; returns its exit status. */
static int init(char *const *args)
{
    int argc = 0, out = dup(1), err = dup(2), null = open("/dev/null", O_WRONLY);
    while (args[argc]) argc++;
    fflush(stdout);
    dup2(null, 1), dup2(null, 2);
    int status = cmd_init(argc, (char **)(uintptr_t)args);
    fflush(stdout);
    dup2(out, 1), dup2(err, 2);
    close(out), close(err), close(null);
    return status;
}

#define INIT(...) init((char *const[]){(char[]){"init"}, __VA_ARGS__, NULL})

static void the_command(void **state)
{
    (void)state;
    char shape[] = "--shape", o[] = "-o", dtype[] = "--dtype=f32", seed[] = "--seed=3", no[] = "qwen2.5-9b";
    char fixture[] = "tests/fixtures/model/odd-k64-gqa2/config.json", absent[] = "no/config.json";
    char dir[FILE_PATH];
    file_path(dir, NULL, "%s", scratch("made"));
    assert_int_equal(INIT(shape, fixture, o, dir, dtype, seed), 0);
    struct hf_model *m = opened(dir);
    assert_int_equal(m->config.vocab, 101);
    assert_int_equal(m->dtype, DTYPE_F32);
    hf_model_close(m);
    assert_int_equal(INIT(shape, fixture, o, dir), 1); /* it holds a model */
    file_path(dir, NULL, "%s", scratch("not-made"));
    assert_int_equal(INIT(shape, no, o, dir), 2);
    assert_int_equal(INIT(shape, absent, o, dir), 1);
    assert_int_equal(INIT(shape, fixture), 2);
    assert_int_equal(INIT(o, dir), 2);
    assert_false(file_exists(dir));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_configs),
        cmocka_unit_test(configs_round_trip),
        cmocka_unit_test(folders_of_transformers),
        cmocka_unit_test(shards_do_not_matter),
        cmocka_unit_test(odd_addresses),
        cmocka_unit_test(a_cut_file_is_told),
        cmocka_unit_test(a_folder_without_weights),
        cmocka_unit_test(random_weights_depend_on_the_seed_alone),
        cmocka_unit_test(random_weights_are_what_they_should),
        cmocka_unit_test(the_command),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
