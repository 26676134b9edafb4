/* Panels: packing, transposing and reading back. Only memory moves, no arithmetic but rounding to bf16. */
#include "kernels/math.h"
#include "kernels/ref/ref.h"

static void pack_f32(int64_t n, int64_t k, const float *w, int64_t ldw, void *panel)
{
    float *o = panel;
    memset(o, 0, (size_t)panel_elems(k) * sizeof *o);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++) o[panel_index(WT_F32, i, j)] = w[i * ldw + j];
}

static void pack_bf16(int64_t n, int64_t k, const float *w, int64_t ldw, void *panel)
{
    uint16_t *o = panel;
    memset(o, 0, (size_t)panel_elems(k) * sizeof *o);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++) o[panel_index(WT_BF16, i, j)] = f32_to_bf16(w[i * ldw + j]);
}

static void pack_f32_from_bf16(int64_t n, int64_t k, const uint16_t *w, int64_t ldw, void *panel)
{
    float *o = panel;
    memset(o, 0, (size_t)panel_elems(k) * sizeof *o);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++) o[panel_index(WT_F32, i, j)] = bf16_to_f32(w[i * ldw + j]);
}

static void pack_bf16_from_bf16(int64_t n, int64_t k, const uint16_t *w, int64_t ldw, void *panel)
{
    uint16_t *o = panel;
    memset(o, 0, (size_t)panel_elems(k) * sizeof *o);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++) o[panel_index(WT_BF16, i, j)] = w[i * ldw + j];
}

static void transpose_f32(int64_t n0, int64_t n, int64_t k, int64_t k0, const void *w, void *out)
{
    float *o = out;
    memset(o, 0, (size_t)panel_elems(n) * sizeof *o);
    for (int64_t i = 0; i < n; i++) {
        const float *panel = (const float *)w + (n0 + i) / PANEL * panel_elems(k);
        for (int64_t j = 0; j < PANEL && k0 + j < k; j++)
            o[panel_index(WT_F32, j, i)] = panel[panel_index(WT_F32, i % PANEL, k0 + j)];
    }
}

static void transpose_bf16(int64_t n0, int64_t n, int64_t k, int64_t k0, const void *w, void *out)
{
    uint16_t *o = out;
    memset(o, 0, (size_t)panel_elems(n) * sizeof *o);
    for (int64_t i = 0; i < n; i++) {
        const uint16_t *panel = (const uint16_t *)w + (n0 + i) / PANEL * panel_elems(k);
        for (int64_t j = 0; j < PANEL && k0 + j < k; j++)
            o[panel_index(WT_BF16, j, i)] = panel[panel_index(WT_BF16, i % PANEL, k0 + j)];
    }
}

static void row_f32(int64_t n, int64_t k, const void *w, float *out)
{
    const float *panel = (const float *)w + n / PANEL * panel_elems(k);
    for (int64_t j = 0; j < k; j++) out[j] = panel[panel_index(WT_F32, n % PANEL, j)];
}

static void row_bf16(int64_t n, int64_t k, const void *w, float *out)
{
    const uint16_t *panel = (const uint16_t *)w + n / PANEL * panel_elems(k);
    for (int64_t j = 0; j < k; j++) out[j] = bf16_to_f32(panel[panel_index(WT_BF16, n % PANEL, j)]);
}

void ref_panel_init(struct kernels *k)
{
    k->panel_pack[WT_F32] = pack_f32;
    k->panel_pack[WT_BF16] = pack_bf16;
    k->panel_pack_bf16[WT_F32] = pack_f32_from_bf16;
    k->panel_pack_bf16[WT_BF16] = pack_bf16_from_bf16;
    k->panel_transpose[WT_F32] = transpose_f32;
    k->panel_transpose[WT_BF16] = transpose_bf16;
    k->panel_row[WT_F32] = row_f32;
    k->panel_row[WT_BF16] = row_bf16;
}
