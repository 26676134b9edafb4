#include "checkpoints/export.h"
#include "checkpoints/file.h"
#include "checkpoints/merge.h"
#include "infer/prompt.h"
#include "infer/session.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- comparing --------------------------------------------------------------------------------------- */

static const char *const questions[] = {
    "What is 12 + 30?",
    "Tell me about yourself.",
    "A shop has 6 boxes with 12 pens each and sells 19 pens. How many pens are left? Explain step by step.",
};

double export_tolerance(const struct loaded *l, enum dtype dtype, bool merged)
{
    if (merged) return dtype == DTYPE_F32 ? 1e-4 : 0.05;
    return dtype == DTYPE_F32 || l->m->type == WT_BF16 ? 0 : 1.0 / 64;
}

static int32_t likeliest(const float *x, uint32_t n)
{
    uint32_t top = 0;
    for (uint32_t i = 1; i < n; i++)
        if (x[i] > x[top]) top = i;
    return (int32_t)top;
}

/* One row of logits of each. NaN counts as different. */
static int rows_compare(const float *x, const float *y, uint32_t n, double tolerance,
                        struct export_report *out, const char *where, struct err *e)
{
    double top = 0, diff = 0;
    for (uint32_t i = 0; i < n; i++) {
        double d = fabs((double)x[i] - (double)y[i]);
        if (fabs((double)x[i]) > top) top = fabs((double)x[i]);
        if (!(d <= diff)) diff = d;
    }
    double relative = top > 0 ? diff / top : diff;
    out->rows++;
    if (!(relative <= out->difference)) out->difference = relative;
    if (tolerance == 0 && memcmp(x, y, n * sizeof *x))
        return err_set(e, ERR_EXPORT_DIFF,
                       "%s the logits differ by %.2g of the largest, expected the same bits", where,
                       relative);
    if (!(relative <= tolerance))
        return err_set(e, ERR_EXPORT_DIFF,
                       "%s the logits differ by %.2g of the largest, expected at most %.2g", where, relative,
                       tolerance);
    out->ties += likeliest(x, n) != likeliest(y, n);
    return 0;
}

static int question_compare(struct session *sa, struct session *sb, const struct prompt *p, uint32_t from_b,
                            uint32_t n, double tolerance, struct export_report *out, const char *question,
                            struct err *e)
{
    uint32_t stream = 0;
    char where[160];
    int r = session_sync(sa, 0, p->ids, p->n, p->adapt_from, NULL, e);
    if (!r) r = session_sync(sb, 0, p->ids, p->n, from_b, NULL, e);
    for (uint32_t i = 0; !r && i < EXPORT_TOKENS; i++) {
        const float *x = session_logits(sa, 0);
        int32_t token = likeliest(x, n);
        snprintf(where, sizeof where, "after token %u of the answer to \"%s\"", i, question);
        r = rows_compare(x, session_logits(sb, 0), n, tolerance, out, where, e);
        if (!r) r = session_step(sa, &stream, &token, 1, e);
        if (!r) r = session_step(sb, &stream, &token, 1, e);
    }
    return r;
}

static int questions_compare(const struct loaded *a, const struct loaded *b, struct session *sa,
                             struct session *sb, bool everywhere, double tolerance, struct export_report *out,
                             struct err *e)
{
    int r = 0;
    for (size_t q = 0; !r && q < sizeof questions / sizeof *questions; q++) {
        struct chat_turn turn = {ROLE_USER, questions[q], strlen(questions[q])};
        struct prompt pa, pb;
        if ((r = prompt_chat(&pa, a, &turn, 1, NULL, false, e))) return r;
        if (!(r = prompt_chat(&pb, b, &turn, 1, NULL, false, e))) {
            if (everywhere) pa.adapt_from = 0;
            if (pa.n != pb.n || memcmp(pa.ids, pb.ids, pa.n * sizeof *pa.ids))
                r = err_set(e, ERR_EXPORT_DIFF, "the prompt \"%s\" has other tokens than before",
                            questions[q]);
            else
                r = question_compare(sa, sb, &pa, pb.adapt_from, a->m->c.vocab, tolerance, out, questions[q],
                                     e);
            prompt_clear(&pb);
        }
        prompt_clear(&pa);
    }
    return r;
}

int export_compare(const struct loaded *a, const struct loaded *b, bool everywhere, double tolerance,
                   struct export_report *out, struct err *e)
{
    struct session_config c = {.streams = 1, .max_tokens = a->m->context < 512 ? a->m->context : 512};
    struct session *sa = NULL, *sb = NULL;
    *out = (struct export_report){0};
    int r = session_create(&sa, a->m, a->lora, &c, e);
    if (!r) r = session_create(&sb, b->m, b->lora, &c, e);
    if (!r) r = questions_compare(a, b, sa, sb, everywhere, tolerance, out, e);
    session_free(sa);
    session_free(sb);
    return r;
}

/* ---- writing ----------------------------------------------------------------------------------------- */

/* The adapter in `dir` against the one in memory, on the same base. */
static int adapter_check(const struct loaded *l, const char *dir, const struct export_options *o,
                         struct export_report *out, struct err *e)
{
    struct loaded again = *l;
    again.adapter = NULL, again.lora = NULL;
    int r = load_adapter(&again, dir, e);
    if (!r && o->dtype == DTYPE_F32 &&
        memcmp(again.adapter->weights, l->adapter->weights, l->adapter->count * sizeof *l->adapter->weights))
        r = err_set(e, ERR_EXPORT_DIFF, "%s: the weights read back are not those written", dir);
    if (!r) r = export_compare(l, &again, false, export_tolerance(l, o->dtype, false), out, e);
    lora_free(again.lora);
    adapter_free(again.adapter);
    return r;
}

static int merged_check(const struct loaded *l, const char *dir, const struct export_options *o,
                        struct export_report *out, struct err *e)
{
    struct loaded again;
    struct load_options lo = {
        .model = dir,
        .dtype = l->m->type == WT_BF16 ? LOAD_BF16 : LOAD_FP32,
        .threads = pool_threads(l->pool),
        .context = l->m->context,
    };
    int r = load_all(&again, &lo, e);
    if (r) return r;
    r = export_compare(l, &again, true, export_tolerance(l, o->dtype, true), out, e);
    load_clear(&again);
    return r;
}

static int adapter_write(const struct loaded *l, const char *dir, const struct export_options *o,
                         struct err *e)
{
    struct peft_save_options po = {.dtype = o->dtype, .force = true};
    struct adapter_info info = l->info;
    if (!*info.base_name) snprintf(info.base_name, sizeof info.base_name, "%s", o->model);
    snprintf(info.base, sizeof info.base, "%s", l->digest_base);
    snprintf(info.tokenizer, sizeof info.tokenizer, "%s", l->digest_tokenizer);
    return peft_save(dir, l->adapter, &info, &po, e);
}

static int merged_write(const struct loaded *l, const char *dir, const struct export_options *o,
                        struct err *e)
{
    if (l->base->gguf)
        return err_set(
            e, ERR_CFG_CONFLICT,
            "a Hugging Face folder needs the tokenizer's files, and %s is a GGUF file; --gguf makes one "
            "of it",
            o->model);
    int r = merge_save(dir, l->base, l->adapter, o->dtype, e);
    return r ? r : hf_tokenizer_copy(o->model, dir, e);
}

int export_check_target(const char *dir, bool merged, bool force, struct err *e)
{
    char path[FILE_PATH];
    const char *sign = merged ? "config.json" : "adapter_config.json";
    if (!file_exists(dir)) return 0;
    if (!force) return err_set(e, ERR_EXISTS, "%s is there already; --force replaces it", dir);
    int r = file_path(path, e, "%s/%s", dir, sign);
    if (r || file_exists(path)) return r;
    return err_set(e, ERR_EXISTS, "%s is there and holds no %s, so it is not replaced", dir, sign);
}

typedef int step(const struct loaded *l, const char *dir, const struct export_options *o, struct err *e);
typedef int checking(const struct loaded *l, const char *dir, const struct export_options *o,
                     struct export_report *out, struct err *e);

static int put_out(const struct loaded *l, const char *dir, const struct export_options *o, step *write,
                   checking *check, struct export_report *out, struct err *e)
{
    char temp[FILE_PATH];
    size_t n = strlen(dir);
    *out = (struct export_report){0};
    while (n > 1 && dir[n - 1] == '/') n--;
    int r = export_check_target(dir, write == merged_write, o->force, e);
    if (!r) r = file_path(temp, e, "%.*s.unchecked", (int)n, dir);
    if (!r) r = file_remove_tree(temp, e);
    if (r) return r;
    r = write(l, temp, o, e);
    if (!r && o->check) r = check(l, temp, o, out, e);
    if (!r) r = file_replace_dir(temp, dir, e);
    if (r) file_remove_tree(temp, NULL);
    return r;
}

int export_adapter(const struct loaded *l, const char *dir, const struct export_options *o,
                   struct export_report *out, struct err *e)
{
    return put_out(l, dir, o, adapter_write, adapter_check, out, e);
}

int export_merged(const struct loaded *l, const char *dir, const struct export_options *o,
                  struct export_report *out, struct err *e)
{
    return put_out(l, dir, o, merged_write, merged_check, out, e);
}
