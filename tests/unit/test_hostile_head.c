/* Section AD of the hostile inputs, for heads: switcher.safetensors and verifier.safetensors and the GGUF
 * file of a device. Every row starts from one sound head and spoils one thing; its digest is then made anew,
 * so that nothing but the check in question can see it. */
#include "checkpoints/file.h"
#include "checkpoints/gguf_write.h"
#include "checkpoints/head_file.h"
#include "checkpoints/safetensors.h"
#include "infer/digest.h"
#include "infer/head_text.h"
#include "tests/support/scratch.h"
#include "tests/support/small_head.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 4, HIDDEN = 3, IN = 2 * WIDTH, MOST = 8, DIGEST = HEAD_KEYS - 1 };

/* A file's content, to be spoilt. */
struct parts {
    const char *value[HEAD_KEYS]; /* NULL: left out */
    struct head_text text;
    struct tensor t[MOST];
    size_t n;
    float data[MOST][64];
};

static void sound(struct parts *p)
{
    struct head *h = small_head(HEAD_SWITCHER, WIDTH, HIDDEN, true, 5);
    struct head_part part[HEAD_PARTS];
    memset(p, 0, sizeof *p);
    head_text_make(&p->text, h);
    for (int i = 0; i < HEAD_KEYS; i++) p->value[i] = p->text.value[i];
    p->n = head_parts(h, part);
    for (size_t i = 0; i < p->n; i++) {
        uint64_t n = (part[i].rows ? part[i].rows : 1) * part[i].cols;
        memcpy(p->data[i], part[i].data, n * sizeof(float));
        p->t[i] = (struct tensor){.name = part[i].name, .dtype = DTYPE_F32, .rank = part[i].rows ? 2 : 1};
        p->t[i].shape[0] = part[i].rows ? part[i].rows : part[i].cols, p->t[i].shape[1] = part[i].cols;
    }
    head_free(h);
}

static uint64_t elements(const struct tensor *t)
{
    uint64_t n = 1;
    for (int d = 0; d < t->rank; d++) n *= t->shape[d];
    return n;
}

/* As head_text.c makes it, of whatever the parts are now. */
static void seal(struct parts *p)
{
    struct digest d;
    digest_init(&d);
    for (int i = 0; i < DIGEST; i++) digest_text(&d, p->value[i] ? p->value[i] : "");
    for (size_t i = 0; i < p->n; i++) digest_text(&d, p->t[i].name);
    for (size_t i = 0; i < p->n; i++) digest_update(&d, p->data[i], elements(&p->t[i]) * sizeof(float));
    digest_final(&d, p->text.value[DIGEST]);
}

static void finish(struct parts *p)
{
    for (size_t i = 0; i < p->n; i++) {
        p->t[i].data = p->data[i];
        p->t[i].bytes = elements(&p->t[i]) * dtype_bits(p->t[i].dtype) / 8;
    }
}

static const char *write_safetensors(struct parts *p)
{
    const char *meta[2 * HEAD_KEYS + 1] = {0};
    struct err e = {0};
    size_t n = 0;
    finish(p);
    for (int i = 0; i < HEAD_KEYS; i++)
        if (p->value[i]) meta[n++] = head_keys[i], meta[n++] = p->value[i];
    if (safetensors_save(scratch("h.safetensors"), p->t, p->n, n ? meta : NULL, &e)) fail_msg("%s", e.msg);
    return scratch("h.safetensors");
}

static int copy(void *ctx, size_t i, uint64_t first, uint64_t n, void *dst, struct err *e)
{
    (void)e;
    const struct tensor *t = (const struct tensor *)ctx + i;
    uint64_t row = t->bytes / (t->rank == 2 ? t->shape[0] : 1);
    memcpy(dst, (const char *)t->data + first * row, n * row);
    return 0;
}

static const char *write_gguf(struct parts *p)
{
    struct gguf_keys k = {0};
    char names[MOST][64], key[64];
    struct err e = {0};
    finish(p);
    gguf_put_string(&k, "general.architecture", "terse-head");
    for (int i = 0; i < HEAD_KEYS; i++) {
        snprintf(key, sizeof key, "terse.switcher.%s", head_keys[i]);
        if (p->value[i]) gguf_put_string(&k, key, p->value[i]);
    }
    for (size_t i = 0; i < p->n; i++) {
        snprintf(names[i], sizeof names[i], "switcher.%s", p->t[i].name);
        p->t[i].name = names[i];
    }
    if (gguf_save(scratch("h.gguf"), &k, p->t, p->n, copy, p->t, &e)) fail_msg("%s", e.msg);
    gguf_keys_free(&k);
    return scratch("h.gguf");
}

static int load(const char *path, struct err *e)
{
    struct head *h[HEAD_TASKS];
    int r = head_file_load_any(h, path, e);
    if ((h[0] || h[1]) != !r) fail_msg("result %s and pointers disagree", err_name(r));
    head_free(h[0]);
    head_free(h[1]);
    return r;
}

static void expect(const char *id, const char *path, int code, const char *says)
{
    struct err e = {0};
    int r = load(path, &e);
    if (r != code || !strstr(e.msg, says) || (r && !strstr(e.msg, strrchr(path, '/') + 1)))
        fail_msg("%s: %s \"%s\", expected %s with \"%s\"", id, err_name(r), e.msg, err_name(code), says);
}

/* Both formats, the same refusal. */
static void expect_both(const char *id, const struct parts *p, int code, const char *says)
{
    struct parts copy_of = *p, other = *p;
    for (int i = 0; i < HEAD_KEYS; i++) {
        if (p->value[i] == p->text.value[i])
            copy_of.value[i] = copy_of.text.value[i], other.value[i] = other.text.value[i];
    }
    expect(id, write_safetensors(&copy_of), code, says);
    expect(id, write_gguf(&other), code, says);
}

/* ---- keys ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *id, *key, *value;
    int code;
} keys[] = {
    {"AD41 version", "version", "2", ERR_VERSION},
    {"version empty", "version", "", ERR_VERSION},
    {"AD03 task", "task", "router", ERR_HEAD_TYPE},
    {"task in capitals", "task", "Switcher", ERR_HEAD_TYPE},
    {"pooling", "pooling", "max", ERR_FIELD_RANGE},
    {"layer none", "layer", "", ERR_FIELD_RANGE},
    {"AD28 layer -1", "layer", "-1,final", ERR_FIELD_RANGE},
    {"AD28 layer 007", "layer", "007,final", ERR_FIELD_RANGE},
    {"AD28 layer 1e1", "layer", "1e1,final", ERR_FIELD_RANGE},
    {"layer twice", "layer", "1,1", ERR_FIELD_RANGE},
    {"layer comma", "layer", "1,", ERR_FIELD_RANGE},
    {"layer space", "layer", "1, final", ERR_FIELD_RANGE},
    {"layer huge", "layer", "4294967295,final", ERR_FIELD_RANGE},
    {"width 0", "width", "0", ERR_FIELD_RANGE},
    {"width negative", "width", "-4", ERR_FIELD_RANGE},
    {"width fraction", "width", "4.0", ERR_FIELD_RANGE},
    {"AD48 width huge", "width", "1048576", ERR_HEAD_TENSOR},
    {"AD20 width", "width", "3", ERR_HEAD_TENSOR},
    {"hidden huge", "hidden", "100000", ERR_FIELD_RANGE},
    {"AD48 hidden large", "hidden", "4096", ERR_HEAD_TENSOR},
    {"AD22 hidden", "hidden", "2", ERR_HEAD_TENSOR},
    {"hidden none", "hidden", "0", ERR_HEAD_TENSOR},
    {"hidden text", "hidden", "three", ERR_FIELD_RANGE},
    {"AD08 threshold NaN", "threshold", "nan", ERR_FIELD_RANGE},
    {"threshold above 1", "threshold", "1.5", ERR_FIELD_RANGE},
    {"threshold hex", "threshold", "0x1p-1", ERR_FIELD_RANGE},
    {"threshold space", "threshold", " 0.5", ERR_FIELD_RANGE},
    {"threshold 1e999", "threshold", "1e999", ERR_FIELD_RANGE},
    {"temperature 0", "temperature", "0", ERR_FIELD_RANGE},
    {"temperature inf", "temperature", "inf", ERR_FIELD_RANGE},
    {"temperature negative", "temperature", "-1", ERR_FIELD_RANGE},
    {"base no digest", "base", "abc", ERR_FIELD_RANGE},
    {"base capitals", "base", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
     ERR_FIELD_RANGE},
    {"tokenizer no digest", "tokenizer", "b", ERR_FIELD_RANGE},
    {"adapter no digest", "adapter", "../../x", ERR_FIELD_RANGE},
};

static void spoilt_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct parts p;
        sound(&p);
        for (int k = 0; k < HEAD_KEYS; k++)
            if (!strcmp(head_keys[k], keys[i].key)) p.value[k] = keys[i].value;
        seal(&p);
        expect_both(keys[i].id, &p, keys[i].code, "");
    }
}

static void missing_keys(void **state)
{
    (void)state;
    struct parts p;
    sound(&p);
    expect_both("sound", &p, 0, "");
    for (int k = 0; k < HEAD_KEYS; k++) {
        sound(&p);
        p.value[k] = NULL;
        expect_both(head_keys[k], &p, ERR_FIELD_MISSING, head_keys[k]);
    }
    char longer[HEAD_TEXT + 1];
    memset(longer, 'x', HEAD_TEXT);
    longer[HEAD_TEXT] = 0;
    sound(&p);
    p.value[8] = longer;
    expect_both("prompt too long", &p, ERR_FIELD_RANGE, "prompt");
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

static void spoil_tensor(struct parts *p, int row)
{
    struct tensor *hidden = &p->t[2], *bias = &p->t[3];
    switch (row) {
    case 0:
        hidden->shape[1]++;
        break;
    case 1:
        hidden->shape[0]--;
        break;
    case 2:
        hidden->rank = 1, hidden->shape[0] = IN;
        break;
    case 3:
        bias->rank = 2, bias->shape[0] = 1, bias->shape[1] = HIDDEN;
        break;
    case 4:
        bias->name = "hidden.biases";
        break;
    case 5: /* a mean without a scale: another name in its place */
        p->t[1].name = "input.std";
        break;
    case 6:
        p->t[p->n] = (struct tensor){.name = "extra", .dtype = DTYPE_F32, .rank = 1, .shape = {2}}, p->n++;
        break;
    case 7:
        p->n--;
        break;
    case 8:
        hidden->dtype = DTYPE_F16;
        break;
    case 9:
        p->data[2][5] = NAN;
        break;
    case 10:
        p->data[4][1] = -INFINITY;
        break;
    case 11:
        p->data[5][0] = 2e6f;
        break;
    default:
        p->data[1][3] = -1;
    }
}

static const struct {
    const char *id;
    int code;
    const char *says;
} tensors[] = {
    {"AD20 one column more", ERR_HEAD_TENSOR, "hidden.weight"},
    {"AD21 one row less", ERR_HEAD_TENSOR, ""},
    {"a vector", ERR_HEAD_TENSOR, ""},
    {"a matrix", ERR_HEAD_TENSOR, "hidden.bias"},
    {"AD25 another name", ERR_HEAD_TENSOR, "hidden.bias"},
    {"AD23 half of a pair", ERR_HEAD_TENSOR, "input.scale"},
    {"AD25 one too many", ERR_HEAD_TENSOR, "expected 6"},
    {"AD29 one too few", ERR_HEAD_TENSOR, ""},
    {"AD32 type", ERR_DTYPE, ""},
    {"AD34 NaN", ERR_NONFINITE, "hidden.weight holds nan at index 5"},
    {"AD35 infinity", ERR_NONFINITE, "output.weight holds -inf at index 1"},
    {"AD36 norm", ERR_AD_NORM, "output.bias"},
    {"scale negative", ERR_FIELD_RANGE, "input.scale"},
};

static void spoilt_tensors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        struct parts p;
        sound(&p);
        spoil_tensor(&p, (int)i);
        seal(&p);
        expect_both(tensors[i].id, &p, tensors[i].code, tensors[i].says);
    }
}

/* ---- other files, and torn ones ------------------------------------------------------------------------ */

static void other_files(void **state)
{
    (void)state;
    struct parts p;
    sound(&p);
    for (int k = 0; k < HEAD_KEYS; k++) p.value[k] = NULL;
    expect("AD39 no head", write_safetensors(&p), ERR_FIELD_MISSING, "__metadata__");
    expect("AD01 nothing there", scratch("absent"), ERR_FILE_MISSING, "absent");
    expect("AD39 another GGUF", "tests/fixtures/gguf/../gguf", ERR_NOT_REGULAR, "");
    struct gguf_keys k = {0};
    struct err e = {0};
    gguf_put_string(&k, "general.architecture", "qwen2");
    if (gguf_save(scratch("model.gguf"), &k, NULL, 0, copy, NULL, &e)) fail_msg("%s", e.msg);
    expect("AD39 a model", scratch("model.gguf"), ERR_HEAD_TYPE, "no file of heads");
    gguf_keys_free(&k);
    gguf_put_string(&k, "general.architecture", "terse-head");
    if (gguf_save(scratch("model.gguf"), &k, NULL, 0, copy, NULL, &e)) fail_msg("%s", e.msg);
    expect("no head in it", scratch("model.gguf"), ERR_HEAD_TYPE, "there is no head");
    gguf_keys_free(&k);
}

/* Padding after the last tensor may be missing. */
static int zeros(const char *data, size_t n)
{
    while (n && !data[n - 1]) n--;
    return !n;
}

/* AD43, AD44: cut anywhere and flipped anywhere is noticed. */
static void torn(const char *path)
{
    static const unsigned char flips[] = {0x01, 0x20, 0x80, 0xff};
    char *data, name[64];
    size_t n;
    struct err e = {0};
    snprintf(name, sizeof name, "torn.%s", strrchr(path, '.') + 1);
    if (file_load(path, 1 << 20, &data, &n, &e)) fail_msg("%s", e.msg);
    for (size_t i = 0; i < n; i++) {
        e = (struct err){0};
        if (!load(scratch_write(name, data, i), &e) && !zeros(data + i, n - i))
            fail_msg("AD43: %s cut at %zu loads", name, i);
        for (size_t f = 0; f < sizeof flips; f++) {
            data[i] = (char)(data[i] ^ flips[f]);
            e = (struct err){0};
            int r = load(scratch_write(name, data, n), &e);
            data[i] = (char)(data[i] ^ flips[f]);
            if (r) continue;
            /* what is no part of the head: padding */
            if (data[i] != 0 && data[i] != ' ') fail_msg("AD44: %s flipped at %zu loads", name, i);
        }
    }
    free(data);
}

static void torn_files(void **state)
{
    (void)state;
    struct parts p;
    sound(&p);
    torn(write_safetensors(&p));
    sound(&p);
    torn(write_gguf(&p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spoilt_keys), cmocka_unit_test(missing_keys), cmocka_unit_test(spoilt_tensors),
        cmocka_unit_test(other_files), cmocka_unit_test(torn_files),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
