#include "checkpoints/cmd_init.h"
#include "checkpoints/file.h"
#include "checkpoints/hf_config.h"
#include "checkpoints/hf_random.h"
#include "checkpoints/hf_tokenizer.h"
#include "infer/cli.h"
#include "infer/option_rows.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

struct init_config {
    char *shape, *output, *tokenizer;
    int dtype; /* index into the choices */
    uint64_t seed, shard_size;
    int64_t threads;
};

static const enum dtype dtypes[] = {DTYPE_BF16, DTYPE_F32};

#define AT(field) .at = offsetof(struct init_config, field)
static const struct option table[] = {
    {.key = "shape",
     .type = OPT_STRING,
     AT(shape),
     .required = true,
     .group = "Model",
     .help = "qwen2.5-0.5b, -1.5b, -3b or -7b (or just 0.5b ...), or a config.json, or a folder with one"},
    {.key = "dtype",
     .type = OPT_ENUM,
     AT(dtype),
     .choices = "bf16|f32",
     .preset = "bf16",
     .help = "of the weights"},
    {.key = "seed", .type = OPT_UINT64, AT(seed), .preset = "0", .help = "another seed, other weights"},
    OUTPUT_ROW(AT(output), .group = "Files", .help = "the folder to make; one that holds a model is refused"),
    {.key = "tokenizer",
     .type = OPT_PATH,
     AT(tokenizer),
     .unset = "no tokenizer",
     .help = "folder to copy the tokenizer's files from"},
    {.key = "shard_size",
     .type = OPT_BYTES,
     AT(shard_size),
     .preset = "5GB",
     .min = 1,
     .max = 1e15,
     .help = "most bytes of a weight file"},
    THREADS_ROW(AT(threads), .short_flag = 't',
                .help = "0 for one a processor; the weights do not depend on it"),
    {0}};

/* A config.json takes what a generation_config.json beside it says, as its folder does. */
static int read_shape_file(struct model_config *c, const char *path, struct err *e)
{
    char dir[FILE_PATH];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (strcmp(name, "config.json") != 0) return hf_config_load_file(c, path, e);
    int rc = file_path(dir, e, "%.*s", slash ? (int)(name - path) : 1, slash ? path : ".");
    return rc ? rc : hf_config_load(c, dir, e);
}

/* A name, the short form of one, a config.json, or a folder with one. */
static int read_shape(struct model_config *c, const char *shape, struct err *e)
{
    char full[64];
    struct stat st;
    snprintf(full, sizeof full, "qwen2.5-%.40s", shape);
    if (!model_config_named(c, shape, NULL) || !model_config_named(c, full, NULL)) return 0;
    if (stat(shape, &st) == 0)
        return S_ISDIR(st.st_mode) ? hf_config_load(c, shape, e) : read_shape_file(c, shape, e);
    if (strchr(shape, '/') || strstr(shape, ".json"))
        return err_set(e, ERR_FILE_MISSING, "--shape: there is no file %s", shape);
    struct err why = {0};
    return err_set(e, model_config_named(c, shape, &why),
                   "--shape: %s, or a config.json or a folder with one", why.msg);
}

static int check_target(const char *dir, struct err *e)
{
    char path[FILE_PATH];
    int rc = file_path(path, e, "%s/config.json", dir);
    if (rc || !file_exists(path)) return rc;
    return err_set(e, ERR_EXISTS, "%s already holds a model; remove it first or choose another folder", dir);
}

/* The tokenizer knows its special tokens; those of a named shape are Qwen2.5's. */
static void take_tokens(struct model_config *c, const struct tokenizer *t)
{
    int n;
    const int32_t *eos = tokenizer_eos(t, &n), end = tokenizer_vocab(t);
    if (n) c->n_eos = (uint32_t)(n < CONFIG_MAX_EOS ? n : CONFIG_MAX_EOS);
    for (uint32_t i = 0; n && i < c->n_eos; i++) c->eos[i] = eos[i];
    if (c->bos >= end) c->bos = -1;
    if (c->pad >= end) c->pad = -1;
}

static int take_tokenizer(struct model_config *c, const char *from, const char *to, struct err *e)
{
    struct tokenizer *t;
    int rc = hf_tokenizer_load(&t, from, 0, e);
    if (rc) return rc;
    rc = hf_config_check_vocab(c, tokenizer_vocab(t), e);
    if (!rc) take_tokens(c, t);
    tokenizer_free(t);
    if (!rc) rc = file_make_dirs(to, e);
    return rc ? rc : hf_tokenizer_copy(from, to, e);
}

static int save(const struct init_config *o, const struct model_config *c, struct err *e)
{
    enum dtype dtype = dtypes[o->dtype];
    uint64_t megabytes = model_config_params(c) * (dtype_bits(dtype) / 8) / 1000000;
    struct progress p;
    struct pool *pool;
    int rc = pool_create(&pool, (unsigned)o->threads, e);
    if (rc) return rc;
    progress_start(&p, stderr, "init", "megabyte", 0, megabytes);
    rc = hf_random_save(o->output, c, dtype, o->seed, o->shard_size, pool, &p, e);
    if (rc)
        progress_clear(&p);
    else
        progress_finish(&p, megabytes, NULL);
    pool_free(pool);
    return rc;
}

static int run(const struct init_config *o, struct err *e)
{
    struct model_config c;
    int rc = read_shape(&c, o->shape, e);
    if (!rc) rc = check_target(o->output, e);
    if (!rc && o->tokenizer) rc = take_tokenizer(&c, o->tokenizer, o->output, e);
    if (!rc) rc = save(o, &c, e);
    if (rc) return rc;
    uint64_t n = model_config_params(&c);
    printf("%s: %" PRIu64 " parameters in %u layers, %s, seed %" PRIu64 "\n", o->output, n, c.layers,
           dtype_name(dtypes[o->dtype]), o->seed);
    return 0;
}

int cmd_init(int argc, char **argv)
{
    struct init_config config;
    struct options o = {0};
    struct err e = {0};
    if (options_init(&o, table, &config, &e)) return cli_fail(&e);
    o.usage = "terse init --shape qwen2.5-0.5b|1.5b|3b|7b|FILE -o DIR [--tokenizer DIR] [--seed N]";
    o.about =
        "Makes a Hugging Face folder with random weights, for tests, benchmarks and training from scratch.";
    int status = cli_parse(&o, argc, argv);
    if (status < 0 && options_check_required(&o, &e)) status = cli_usage(&e);
    if (status < 0 && run(&config, &e)) status = e.code == ERR_KEY_UNKNOWN ? cli_usage(&e) : cli_fail(&e);
    if (status < 0) status = CLI_OK;
    options_free(&o);
    return status;
}
