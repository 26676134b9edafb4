#include "checkpoints/selfcheck.h"
#include "checkpoints/file.h"
#include "checkpoints/peft.h"
#include "checkpoints/safetensors.h"
#include "checkpoints/state.h"
#include "infer/tokenizer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A folder of our own below $TMPDIR or /tmp. */
static int folder_make(char path[FILE_PATH], struct err *e)
{
    const char *tmp = getenv("TMPDIR");
    int r = file_path(path, e, "%s/terse-selftest-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!r && !mkdtemp(path)) r = err_errno(e, errno, "cannot make %s", path);
    return r;
}

/* ---- tokenizer
 * ------------------------------------------------------------------------------------------------------- */

/* The 256 bytes, one merge, one control token. */
static int tokenizer_make(struct tokenizer **t, struct err *e)
{
    static char bytes[256];
    static const uint32_t merges[1][2] = {{'a', 'b'}};
    struct token_spec tokens[258];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
        tokens[i] = (struct token_spec){&bytes[i], 1, TOKEN_NORMAL};
    }
    tokens[256] = (struct token_spec){"ab", 2, TOKEN_NORMAL};
    tokens[257] = (struct token_spec){"<|im_start|>", 12, TOKEN_CONTROL};
    struct tokenizer_spec spec = {.tokens = tokens, .n = 258, .merges = merges, .n_merges = 1, .nfc = true};
    return tokenizer_create(t, &spec, e);
}

int selfcheck_tokenizer(char *figure, size_t n, struct err *e)
{
    static const char text[] =
        "abab <|im_start|>caf\xc3\xa9 \xe4\xbd\xa0\xe5\xa5\xbd\n\n 12 + 3 = 15\t\xf0\x9f\x98\x80";
    struct tokenizer *t;
    int32_t ids[128];
    char back[256];
    size_t count, len, at = 0;
    int r = tokenizer_make(&t, e);
    if (!r) r = tokenizer_encode(t, text, sizeof text - 1, 0, ids, 128, &count, e);
    for (size_t i = 0; !r && i < count; i++) {
        const char *s = tokenizer_text(t, ids[i], &len);
        if (tokenizer_kind(t, ids[i]) == TOKEN_CONTROL)
            r = err_set(e, ERR_SELFTEST, "plain text became a control token");
        else if (at + len <= sizeof back)
            memcpy(back + at, s, len), at += len;
    }
    if (!r && (at != sizeof text - 1 || memcmp(back, text, at)))
        r = err_set(e, ERR_SELFTEST, "text does not come back from its tokens");
    if (!r) snprintf(figure, n, "%zu bytes there and back, no control token from text", at);
    tokenizer_free(t);
    return r;
}

/* ---- files
 * -------------------------------------------------------------------------------------------------------------
 */

enum { VALUES = 1000 };

static void values_fill(float *v)
{
    for (int i = 0; i < VALUES; i++) v[i] = (float)(i - VALUES / 2) / 7;
}

static int safetensors_trip(const char *dir, struct err *e)
{
    float v[VALUES];
    char path[FILE_PATH];
    struct safetensors *f;
    values_fill(v);
    struct tensor t = {
        .name = "a", .dtype = DTYPE_F32, .rank = 2, .shape = {10, VALUES / 10}, .data = v, .bytes = sizeof v};
    int r = file_path(path, e, "%s/a.safetensors", dir);
    if (!r) r = safetensors_save(path, &t, 1, NULL, e);
    if (!r) r = safetensors_open(&f, path, e);
    if (r) return r;
    const struct tensor *back = safetensors_find(f, "a");
    if (!back || back->bytes != sizeof v || memcmp(back->data, v, sizeof v))
        r = err_set(e, ERR_SELFTEST, "a tensor does not come back from its file");
    safetensors_close(f);
    return r;
}

static int peft_trip(const char *dir, struct err *e)
{
    struct adapter_config c = {.rank = 4, .alpha = 8, .targets = LORA_ALL, .gate = GATE_RESPONSE};
    struct peft_save_options o = {.dtype = DTYPE_F32};
    struct model_config m;
    struct adapter *a = NULL, *b = NULL;
    struct adapter_info info = {0};
    char path[FILE_PATH];
    model_config_init(&m);
    m.layers = 1, m.width = 8, m.heads = 2, m.kv_heads = 1, m.head_dim = 4, m.ff = 12, m.vocab = 16;
    int r = file_path(path, e, "%s/adapter", dir);
    if (!r) r = adapter_create(&a, &m, &c, e);
    if (!r) adapter_init_random(a, 1);
    for (uint64_t i = 0; !r && i < a->count; i++) a->weights[i] += 0.125f;
    if (!r) r = peft_save(path, a, &info, &o, e);
    if (!r) r = peft_load(&b, &info, NULL, path, &m, NULL, e);
    if (!r && (b->count != a->count || memcmp(a->weights, b->weights, a->count * sizeof(float)) ||
               b->cfg.gate != c.gate || adapter_scale(&b->cfg) != 2))
        r = err_set(e, ERR_SELFTEST, "an adapter does not come back from its folder");
    adapter_free(a);
    adapter_free(b);
    return r;
}

static int state_trip(const char *dir, struct err *e)
{
    float v[VALUES], want[VALUES];
    int64_t step = 7, at;
    struct state_field f[] = {{"v", DTYPE_F32, VALUES, v, STATE_FINITE},
                              {"step", DTYPE_I64, 1, &step, STATE_IS_STEP}};
    struct state_ident id = {
        .run_id = "r", .config = "c", .base = "b", .tokenizer = "t", .data = "d", .mode = "m"};
    values_fill(want);
    values_fill(v);
    id.step = step;
    int r = state_save(dir, &id, f, 2, 1, e);
    memset(v, 0, sizeof v);
    step = 0;
    if (!r) r = state_load_latest(dir, &id, f, 2, NULL, NULL, &at, e);
    if (!r && (at != 7 || step != 7 || memcmp(v, want, sizeof v)))
        r = err_set(e, ERR_SELFTEST, "a training state does not come back");
    return r;
}

static int in_folder(int (*trip)(const char *dir, struct err *e), struct err *e)
{
    char dir[FILE_PATH];
    int r = folder_make(dir, e);
    if (r) return r;
    r = trip(dir, e);
    file_remove_tree(dir, NULL);
    return r;
}

int selfcheck_safetensors(char *figure, size_t n, struct err *e)
{
    snprintf(figure, n, "%d values written and read", VALUES);
    return in_folder(safetensors_trip, e);
}

int selfcheck_peft(char *figure, size_t n, struct err *e)
{
    snprintf(figure, n, "seven targets written and read");
    return in_folder(peft_trip, e);
}

int selfcheck_state(char *figure, size_t n, struct err *e)
{
    snprintf(figure, n, "saved, verified and loaded");
    return in_folder(state_trip, e);
}
