/* How the checker calls each slot: buffers in, buffers out. One row a slot at the end. */
#include "infer/kernel_slots.h"
#include "kernels/math.h"

/* ---- products: x, w, packed x, panels, y ---- */

static void panels_make(const struct trial *t, const float *w, void *panels)
{
    size_t bytes = panel_bytes(t->type, t->k);
    if (t->type > WT_BF16) {
        quant_panels_fill(t, panels);
        return;
    }
    for (int64_t p = 0; p < panel_count(t->n); p++) {
        int64_t rows = t->n - p * PANEL < PANEL ? t->n - p * PANEL : PANEL;
        t->ref->panel_pack[t->type](rows, t->k, w + p * PANEL * t->ldx, t->ldx,
                                    (char *)panels + (size_t)p * bytes);
    }
}

static int64_t panels_words(const struct trial *t)
{
    return (int64_t)weight_size(t->type, t->n, t->k) / 4;
}

static void gemm_lengths(const struct trial *t, int64_t *elems)
{
    elems[0] = t->m * t->ldx;
    elems[1] = t->n * t->ldx;
    elems[2] = t->m * t->ldx;
    elems[3] = panels_words(t);
    elems[4] = t->m * t->ldy;
}

static void gemm_call(const struct kernels *k, const struct trial *t, void **b)
{
    panels_make(t, b[1], b[3]);
    k->act_pack[t->type](t->m, t->k, b[0], t->ldx, b[2], t->ldx);
    k->gemm[t->type](t->m, t->k, t->n, b[2], t->ldx, b[3], b[4], t->ldy, t->variant & 1);
}

/* x, packed x, and what was packed as floats. Past the padded row: 1 where a byte was written. */
static void act_lengths(const struct trial *t, int64_t *elems)
{
    elems[0] = elems[1] = elems[2] = t->m * t->ldx;
}

enum { UNTOUCHED = 0xa5 };

static float act_read(const char *act, size_t bytes, int64_t i)
{
    float x;
    uint16_t h;
    if (bytes == sizeof x) {
        memcpy(&x, act + (size_t)i * bytes, bytes);
        return x;
    }
    memcpy(&h, act + (size_t)i * bytes, bytes);
    return bf16_to_f32(h);
}

static void act_call(const struct kernels *k, const struct trial *t, void **b)
{
    size_t bytes = k->act_bytes[t->type];
    int in_place = t->variant & 1;
    if (in_place)
        memcpy(b[1], b[0], (size_t)(t->m * t->ldx) * sizeof(float));
    else
        memset(b[1], UNTOUCHED, (size_t)(t->m * t->ldx) * bytes);
    k->act_pack[t->type](t->m, t->k, in_place ? b[1] : b[0], t->ldx, b[1], t->ldx);
    for (int64_t i = 0; i < t->m * t->ldx; i++) {
        float *out = (float *)b[2] + i;
        if (i % t->ldx < pad_even(t->k))
            *out = act_read(b[1], bytes, i);
        else
            *out = !in_place && ((unsigned char *)b[1])[(size_t)i * bytes] != UNTOUCHED;
    }
}

/* ---- panels: a matrix [n][k], scratch, panels out. The rows of one panel are n modulo 32 ---- */

static int64_t panel_rows(const struct trial *t)
{
    return (t->n - 1) % PANEL + 1;
}

static void pack_lengths(const struct trial *t, int64_t *elems)
{
    elems[0] = panel_rows(t) * t->ldx;
    elems[1] = (int64_t)panel_bytes(t->type, t->k) / (t->type == WT_F32 ? 4 : 2);
}

static void pack_call(const struct kernels *k, const struct trial *t, void **b)
{
    k->panel_pack[t->type](panel_rows(t), t->k, b[0], t->ldx, b[1]);
}

static void pack_bf16_call(const struct kernels *k, const struct trial *t, void **b)
{
    k->panel_pack_bf16[t->type](panel_rows(t), t->k, b[0], t->ldx, b[1]);
}

static void transpose_lengths(const struct trial *t, int64_t *elems)
{
    elems[0] = t->n * t->ldx;
    elems[1] = panels_words(t);
    elems[2] = panel_elems(t->n);
}

/* From a row that begins a panel to the last; any 32 columns. */
static void transpose_call(const struct kernels *k, const struct trial *t, void **b)
{
    int64_t n0 = t->variant % panel_count(t->n) * PANEL, k0 = t->variant % panel_count(t->k) * PANEL;
    panels_make(t, b[0], b[1]);
    k->panel_transpose[t->type](n0, t->n - n0, t->k, k0, b[1], b[2]);
}

static void row_lengths(const struct trial *t, int64_t *elems)
{
    transpose_lengths(t, elems);
    elems[2] = t->k;
}

static void row_call(const struct kernels *k, const struct trial *t, void **b)
{
    panels_make(t, b[0], b[1]);
    k->panel_row[t->type](t->variant % t->n, t->k, b[1], b[2]);
}

/* ---- elementwise ---- */

static void to_bf16_call(const struct kernels *k, const struct trial *t, void **b)
{
    k->to_bf16(t->n, b[0], b[1]);
}

static void from_bf16_call(const struct kernels *k, const struct trial *t, void **b)
{
    k->from_bf16(t->n, b[0], b[1]);
}

static void round_bf16_call(const struct kernels *k, const struct trial *t, void **b)
{
    k->round_bf16(t->n, b[0]);
}

static void rmsnorm_call(const struct kernels *k, const struct trial *t, void **b)
{
    ((float *)b[3])[0] = k->rmsnorm(t->n, 1e-6f, b[0], b[1], t->variant & 1 ? b[0] : b[2]);
}

static void rmsnorm_back_call(const struct kernels *k, const struct trial *t, void **b)
{
    k->rmsnorm_back(t->n, b[0], b[1], 0.37f, b[2], b[3], t->variant & 1 ? b[4] : NULL);
}

static void silu_mul_call(const struct kernels *k, const struct trial *t, void **b)
{
    k->silu_mul(t->n, b[0], b[1], b[t->variant % 3]);
}

static void silu_mul_back_call(const struct kernels *k, const struct trial *t, void **b)
{
    k->silu_mul_back(t->n, b[0], b[1], b[2], t->variant & 1 ? b[2] : b[3], b[4]);
}

static void rope_call(const struct kernels *k, const struct trial *t, void **b)
{
    k->rope(t->n & ~(int64_t)1, b[0], b[1], b[2]);
}

static void softmax_lengths(const struct trial *t, int64_t *elems)
{
    elems[0] = elems[1] = (t->n + 15) / 16 * 16 + t->variant % 2 * 16;
    elems[2] = RESULTS;
}

/* Two blocks, one after the other, so that the running maximum and sum are carried. */
static void softmax_call(const struct kernels *k, const struct trial *t, void **b)
{
    int64_t width = (t->n + 15) / 16 * 16 + t->variant % 2 * 16;
    float *r = b[2];
    r[0] = -(float)INFINITY, r[1] = 0;
    r[2] = k->softmax_block((t->n + 1) / 2, width, 0.125f, t->variant & 2, b[0], b[1], r, r + 1);
    r[3] =
        k->softmax_block(t->n, width, 0.125f, t->variant & 2, b[0], t->variant & 4 ? b[0] : b[1], r, r + 1);
}

static void largest_call(const struct kernels *k, const struct trial *t, void **b)
{
    ((float *)b[1])[0] = k->largest(t->n, b[0]);
}

static void logsumexp_call(const struct kernels *k, const struct trial *t, void **b)
{
    ((float *)b[1])[0] = k->logsumexp(t->n, b[0]);
}

static void softmax_scaled_call(const struct kernels *k, const struct trial *t, void **b)
{
    k->softmax_scaled(t->n, 1.25f, -0.5f, b[0]);
}

static void add_call(const struct kernels *k, const struct trial *t, void **b)
{
    k->add(t->n, b[0], b[1]);
}

static void mul_add_call(const struct kernels *k, const struct trial *t, void **b)
{
    k->mul_add(t->n, -0.3f, b[0], b[1]);
}

static void scale_call(const struct kernels *k, const struct trial *t, void **b)
{
    k->scale(t->n, 1.7f, b[0], b[t->variant & 1]);
}

static void sum_squares_call(const struct kernels *k, const struct trial *t, void **b)
{
    double s = k->sum_squares(t->n, b[0]);
    if (s != s) s = (double)NAN;
    memcpy(b[1], &s, sizeof s);
}

static void dropout_call(const struct kernels *k, const struct trial *t, void **b)
{
    k->dropout(t->n, t->seed, (uint32_t)(t->seed >> 20), 1.25f, b[0], b[t->variant & 1]);
}

static void adamw_call(const struct kernels *k, const struct trial *t, void **b)
{
    struct adamw_step s = {1e-3f, 0.9f, 0.999f, 1e-8f, 0.01f, 1.9f, 3.1f, 0.7f};
    k->adamw(t->n, &s, b[0], b[1], b[2], b[3]);
}

#define SLOT(field) #field, {offsetof(struct kernels, field) }, WT_F32, CASE_POINT
#define AT(field)   offsetof(struct kernels, field)

/* The formatter would take the rows apart. */
/* clang-format off */
#define QUANT_GEMM(slot, t) {slot, {AT(gemm[t]), AT(act_pack[t])}, t, CASE_PRODUCT, "ffssf", gemm_lengths, gemm_call}
#define QUANT_SLOTS(name, t)                                                                                           \
    QUANT_GEMM("gemm_" name, t),                                                                                       \
    {"gemm_act8_" name, {AT(gemm_act8[t]), AT(act8_pack)}, t, CASE_PRODUCT, "fssf", act8_lengths, act8_call},          \
    {"panel_pack_" name, {AT(panel_pack[t])}, t, CASE_PRODUCT, "fh", pack_lengths, pack_call},                         \
    {"panel_pack_bf16_" name, {AT(panel_pack_bf16[t])}, t, CASE_PRODUCT, "hh", pack_lengths, pack_bf16_call},          \
    {"panel_pack_q8_0_" name, {AT(panel_pack_q8_0[t])}, t, CASE_PRODUCT, "fh", blocks_lengths, blocks_q8_0_call},      \
    {"panel_pack_q4_0_" name, {AT(panel_pack_q4_0[t])}, t, CASE_PRODUCT, "fh", blocks_lengths, blocks_q4_0_call},      \
    {"panel_transpose_" name, {AT(panel_transpose[t])}, t, CASE_PRODUCT, "fsh", transpose_lengths, transpose_call},    \
    {"panel_row_" name, {AT(panel_row[t])}, t, CASE_PRODUCT, "fsf", row_lengths, row_call}
/* clang-format on */

const struct slot kernel_slots[] = {
    {"gemm_f32",
     {AT(gemm[WT_F32]), AT(act_pack[WT_F32])},
     WT_F32,
     CASE_PRODUCT,
     "ffssf",
     gemm_lengths,
     gemm_call},
    {"gemm_bf16",
     {AT(gemm[WT_BF16]), AT(act_pack[WT_BF16])},
     WT_BF16,
     CASE_PRODUCT,
     "ffssf",
     gemm_lengths,
     gemm_call},
    {"act_pack_f32", {AT(act_pack[WT_F32])}, WT_F32, CASE_PRODUCT, "fsf", act_lengths, act_call},
    {"act_pack_bf16", {AT(act_pack[WT_BF16])}, WT_BF16, CASE_PRODUCT, "fsf", act_lengths, act_call},
    {"panel_pack_f32", {AT(panel_pack[WT_F32])}, WT_F32, CASE_PRODUCT, "ff", pack_lengths, pack_call},
    {"panel_pack_bf16", {AT(panel_pack[WT_BF16])}, WT_BF16, CASE_PRODUCT, "fh", pack_lengths, pack_call},
    {"panel_pack_bf16_f32",
     {AT(panel_pack_bf16[WT_F32])},
     WT_F32,
     CASE_PRODUCT,
     "hf",
     pack_lengths,
     pack_bf16_call},
    {"panel_pack_bf16_bf16",
     {AT(panel_pack_bf16[WT_BF16])},
     WT_BF16,
     CASE_PRODUCT,
     "hh",
     pack_lengths,
     pack_bf16_call},
    {"panel_transpose_f32",
     {AT(panel_transpose[WT_F32])},
     WT_F32,
     CASE_PRODUCT,
     "fsf",
     transpose_lengths,
     transpose_call},
    {"panel_transpose_bf16",
     {AT(panel_transpose[WT_BF16])},
     WT_BF16,
     CASE_PRODUCT,
     "fsh",
     transpose_lengths,
     transpose_call},
    {"panel_row_f32", {AT(panel_row[WT_F32])}, WT_F32, CASE_PRODUCT, "fsf", row_lengths, row_call},
    {"panel_row_bf16", {AT(panel_row[WT_BF16])}, WT_BF16, CASE_PRODUCT, "fsf", row_lengths, row_call},
    QUANT_SLOTS("q8_0", WT_Q8_0),
    QUANT_SLOTS("q4_0", WT_Q4_0),
    QUANT_SLOTS("w4", WT_W4),
    QUANT_GEMM("gemm_i8", WT_I8),
    {"panel_row_i8", {AT(panel_row[WT_I8])}, WT_I8, CASE_PRODUCT, "fsf", row_lengths, row_call},
    {"panel_pack_i8", {AT(panel_pack[WT_I8])}, WT_I8, CASE_PRODUCT, "fh", pack_lengths, pack_call},
    {SLOT(to_bf16), "fh", NULL, to_bf16_call},
    {SLOT(from_bf16), "hf", NULL, from_bf16_call},
    {SLOT(round_bf16), "f", NULL, round_bf16_call},
    {SLOT(rmsnorm), "fffr", NULL, rmsnorm_call},
    {SLOT(rmsnorm_back), "fffff", NULL, rmsnorm_back_call},
    {SLOT(silu_mul), "fff", NULL, silu_mul_call},
    {SLOT(silu_mul_back), "fffff", NULL, silu_mul_back_call},
    {SLOT(rope), "fff", NULL, rope_call},
    {SLOT(softmax_block), "ffr", softmax_lengths, softmax_call},
    {SLOT(largest), "fr", NULL, largest_call},
    {SLOT(logsumexp), "fr", NULL, logsumexp_call},
    {SLOT(softmax_scaled), "f", NULL, softmax_scaled_call},
    {SLOT(add), "ff", NULL, add_call},
    {SLOT(mul_add), "ff", NULL, mul_add_call},
    {SLOT(scale), "ff", NULL, scale_call},
    {SLOT(sum_squares), "fr", NULL, sum_squares_call},
    {SLOT(dropout), "ff", NULL, dropout_call},
    {SLOT(adamw), "ffff", NULL, adamw_call},
    {0},
};
