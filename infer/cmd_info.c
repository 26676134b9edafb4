/* terse info: what is in a GGUF file, a model, an adapter or heads, or in a bundle of them. */
#include "infer/cmd_info.h"
#include "infer/bundle.h"
#include "infer/cli.h"
#include "infer/gguf_adapter.h"
#include "infer/gguf_head.h"
#include "infer/gguf_model.h"
#include "infer/utf8.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

struct info_flags {
    bool keys, tensors;
};

#define AT(field) .at = offsetof(struct info_flags, field)
static const struct option table[] = {
    {.key = "keys", .type = OPT_BOOL, AT(keys), .help = "list every key and its value"},
    {.key = "tensors", .type = OPT_BOOL, AT(tensors), .help = "list every tensor"},
    {0},
};

/* ---- what is in any file ------------------------------------------------------------------------------- */

/* Text from a file, on one line and without control characters. */
static void print_text(const char *s, size_t n)
{
    size_t shown = n < 80 ? n : 80;
    for (size_t i = 0; i < shown; i++) {
        size_t control = utf8_control(s + i, n - i);
        putchar(control ? ' ' : s[i]);
        if (control) i += control - 1;
    }
    if (n > shown) printf("... (%zu bytes)", n);
}

static void print_number(const struct gguf_kv *kv)
{
    int64_t v = 0;
    float f;
    double d;
    if (kv->type == GGUF_F32) {
        memcpy(&f, kv->data, sizeof f);
        printf("%g", (double)f);
    } else if (kv->type == GGUF_F64) {
        memcpy(&d, kv->data, sizeof d);
        printf("%g", d);
    } else if (gguf_int_at(kv, 0, &v)) {
        printf("%" PRId64, v);
    } else {
        printf("%" PRIu64, (uint64_t)v);
    }
}

static void print_value(const struct gguf_kv *kv)
{
    if (kv->type == GGUF_ARRAY)
        printf("%" PRIu64 " elements", kv->n);
    else if (kv->type == GGUF_STRING)
        print_text(kv->data + 8, (size_t)kv->bytes - 8);
    else if (kv->type == GGUF_BOOL)
        printf("%s", kv->data[0] ? "true" : "false");
    else
        print_number(kv);
}

static void print_keys(const struct gguf *g)
{
    for (size_t i = 0; i < gguf_keys(g); i++) {
        const struct gguf_kv *kv = gguf_key_at(g, i);
        print_text(kv->key, kv->key_len);
        printf("  %s  ", gguf_type_name(kv));
        print_value(kv);
        putchar('\n');
    }
}

static void print_tensors(const struct gguf *g)
{
    for (size_t i = 0; i < gguf_count(g); i++) {
        const struct tensor *t = gguf_at(g, i);
        print_text(t->name, strlen(t->name));
        printf("  %s  [", dtype_name(t->dtype));
        for (int d = 0; d < t->rank; d++) printf(d ? ", %" PRIu64 : "%" PRIu64, t->shape[d]);
        printf("]  %" PRIu64 " bytes\n", t->bytes);
    }
}

/* "Q4_0: 169 tensors, 277.1 MB" for every type there is. */
static void print_types(const struct gguf *g)
{
    for (int type = 0; type < DTYPE_END; type++) {
        uint64_t n = 0, bytes = 0;
        for (size_t i = 0; i < gguf_count(g); i++) {
            if ((int)gguf_at(g, i)->dtype != type) continue;
            n++;
            bytes += gguf_at(g, i)->bytes;
        }
        if (n)
            printf("  %-5s %" PRIu64 " tensors, %.1f MB\n", dtype_name((enum dtype)type), n,
                   (double)bytes / 1e6);
    }
}

static void print_string(const struct gguf *g, const char *key, const char *label)
{
    const char *s = NULL;
    size_t n = 0;
    if (gguf_get_string(g, key, false, &s, &n, NULL) || !s) return;
    printf("%s: ", label);
    print_text(s, n);
    putchar('\n');
}

/* ---- a model ------------------------------------------------------------------------------------------- */

static void print_tokens(const struct tokenizer *t, const int32_t *ids, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        size_t len;
        const char *s = tokenizer_text(t, ids[i], &len);
        printf(i ? ", %d " : " %d ", ids[i]);
        print_text(s, len);
    }
    putchar('\n');
}

static int print_tokenizer(const struct gguf *g, const struct model_config *c, struct err *e)
{
    struct tokenizer *t;
    size_t merges;
    int r = gguf_tokenizer(&t, g, e);
    if (r) return r;
    tokenizer_merges(t, &merges);
    printf("tokenizer: %d tokens, %zu merges; an answer ends with", tokenizer_vocab(t), merges);
    print_tokens(t, c->eos, c->n_eos);
    tokenizer_free(t);
    return 0;
}

static int print_model(const struct gguf *g, struct err *e)
{
    struct model_config c;
    bool w4 = false;
    int r = gguf_config(&c, g, e);
    if (r) return r;
    printf("qwen2: %u layers, width %u, %u heads on %u, feed-forward %u, vocabulary %u%s, context %u\n",
           c.layers, c.width, c.heads, c.kv_heads, c.ff, c.vocab, c.tied ? " (tied)" : "", c.max_positions);
    printf("rotary base %g, norm eps %g\n", c.rope_theta, c.rms_eps);
    uint64_t bytes = 0, n = model_config_params(&c);
    for (size_t i = 0; i < gguf_count(g); i++) bytes += gguf_at(g, i)->bytes;
    r = gguf_get_bool(g, "terse.w4", false, &w4, e);
    if (!r) r = print_tokenizer(g, &c, e);
    if (r) return r;
    print_string(g, "terse.base", "made from");
    printf("%" PRIu64 " parameters in %.1f MB, %.2f bits each%s\n", n, (double)bytes / 1e6,
           8 * (double)bytes / (double)n, w4 ? "; Q4_0 with one scale a row (W4)" : "");
    return 0;
}

/* ---- an adapter ---------------------------------------------------------------------------------------- */

static uint32_t adapter_rank(const struct gguf *g)
{
    struct adapter_slot s;
    for (size_t i = 0; i < gguf_count(g); i++)
        if (gguf_adapter_naming.parse(&s, gguf_at(g, i)->name, UINT16_MAX) && !s.is_b)
            return (uint32_t)gguf_at(g, i)->shape[0];
    return 0;
}

static int print_adapter(const struct gguf *g, struct err *e)
{
    const struct gguf_kv *tokens;
    double alpha = 0;
    uint32_t rank = adapter_rank(g);
    int r = gguf_get_float(g, "adapter.lora.alpha", true, &alpha, e);
    if (!r) r = gguf_get_array(g, "adapter.alora.invocation_tokens", false, GGUF_U32, &tokens, e);
    if (r) return r;
    printf("adapter: LoRA of rank %u, alpha %g, scale %g\n", rank, alpha,
           rank && alpha != 0 ? alpha / rank : 1);
    for (uint64_t i = 0; tokens && i < tokens->n; i++) {
        int64_t id = 0;
        gguf_int_at(tokens, i, &id);
        printf(i ? " %" PRId64 : "invocation tokens (aLoRA): %" PRId64, id);
    }
    if (tokens && tokens->n) putchar('\n');
    print_string(g, "terse.gate", "gate");
    print_string(g, "general.base_model.0.name", "base");
    print_string(g, "terse.base", "trained on");
    return 0;
}

/* ---- heads and bundles --------------------------------------------------------------------------------- */

static void print_head(const struct head *h)
{
    const struct head_config *c = &h->c;
    printf("%s: ", head_task_names[c->task]);
    if (c->hidden)
        printf("%u hidden units", c->hidden);
    else
        printf("linear");
    printf(" on %s states after", pooling_names[c->pooling]);
    for (uint32_t i = 0; i < c->states.n; i++) {
        if (c->states.depth[i] == STATES_FINAL)
            printf("%s the final norm", i ? "," : "");
        else
            printf("%s layer %u", i ? "," : "", c->states.depth[i]);
    }
    printf(", width %u; yes from %g on, temperature %g\n", c->width, c->threshold, c->temperature);
    if (*c->prompt) printf("  asks: "), print_text(c->prompt, strlen(c->prompt)), putchar('\n');
    if (*c->base) printf("  trained on %s\n", c->base);
    if (*c->adapter) printf("  with adapter %s\n", c->adapter);
}

static int print_heads(const struct gguf *g, struct err *e)
{
    struct head *h[HEAD_TASKS];
    int r = gguf_heads_read(h, g, e);
    for (int t = 0; !r && t < HEAD_TASKS; t++) {
        if (h[t]) print_head(h[t]);
        head_free(h[t]);
    }
    return r;
}

static bool is_heads(const struct gguf *g)
{
    return gguf_is(g, "general.architecture", "terse-head");
}

/* ---- the command --------------------------------------------------------------------------------------- */

static int file_run(const struct info_flags *f, const char *path, struct err *e)
{
    struct gguf *g;
    int r = gguf_open(&g, path, e);
    if (r) return r;
    printf("%s: GGUF version %d, %.1f MB, %zu keys, %zu tensors\n", path, GGUF_VERSION,
           (double)gguf_file_bytes(g) / 1e6, gguf_keys(g), gguf_count(g));
    print_string(g, "general.name", "name");
    r = is_heads(g)                             ? print_heads(g, e)
        : gguf_is(g, "general.type", "adapter") ? print_adapter(g, e)
                                                : print_model(g, e);
    if (!r) print_types(g);
    if (!r && f->keys) print_keys(g);
    if (!r && f->tensors) print_tensors(g);
    if (!r) r = gguf_intact(g, e);
    gguf_close(g);
    return r;
}

/* A bundle: every byte is looked at, and what its files are is said one after the other. */
static int bundle_run(const struct info_flags *f, const char *folder, struct err *e)
{
    struct bundle b;
    int r = bundle_open(&b, folder, e);
    if (!r) printf("%s: a bundle, whole\n", folder);
    for (int i = 0; !r && i < BUNDLE_PARTS; i++) {
        if (!*b.part[i].name) continue;
        putchar('\n');
        r = file_run(f, b.part[i].path, e);
    }
    return r;
}

static int run(const struct info_flags *f, const char *path, struct err *e)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode) ? bundle_run(f, path, e) : file_run(f, path, e);
}

int cmd_info(int argc, char **argv)
{
    struct info_flags f;
    struct options o = {0};
    struct err e = {0};
    char usage[80];
    if (options_init(&o, table, &f, &e)) return cli_fail(&e);
    snprintf(usage, sizeof usage, "%s info FILE.gguf|BUNDLE [--keys] [--tensors]", cli_program());
    o.usage = usage;
    o.about = "Says what is in a GGUF file, a model, an adapter or heads: shape, tokenizer, tensors by type "
              "and bytes; "
              "or in a bundle, after checking that it is whole.";
    o.max_positional = 1;
    int status = cli_parse(&o, argc, argv);
    if (status < 0 && !o.n_positional) {
        err_set(&e, ERR_USAGE, "no file given: %s", o.usage);
        status = cli_usage(&e);
    }
    if (status < 0) status = run(&f, o.positional[0], &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
