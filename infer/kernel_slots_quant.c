/* Quantised weights for the checker: panels of every integer and of hostile scales. */
#include "infer/kernel_slots.h"

#include <string.h>

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 32;
}

static void scales_fill(char *p, uint64_t *state, int plain)
{
    static const uint16_t nasty[] = {
        0x0000, 0x8000,         /* zeros */
        0x0001, 0x83ff, 0x8001, /* subnormal ones */
        0x0400, 0x7bff, 0xfbff, /* least normal, greatest */
        0x3c00, 0xbc01,
    };
    for (int i = 0; i < PANEL; i++) {
        uint64_t r = next_random(state);
        uint16_t h = (uint16_t)((r & 0x83ff) | (8 + (r >> 16) % 12) << 10);
        if (!plain && r % 3 == 0) h = nasty[(r >> 8) % (sizeof nasty / sizeof *nasty)];
        memcpy(p + 2 * i, &h, sizeof h);
    }
}

/* W4's: floats from 2^-20 to 2^11, zeros of both signs. */
static void scales_fill_f32(char *p, uint64_t *state)
{
    for (int i = 0; i < PANEL; i++) {
        uint64_t r = next_random(state);
        uint32_t u = (uint32_t)(r & 0x807fffff) | (uint32_t)(107 + r % 32) << 23;
        if (r % 7 == 0) u &= 0x80000000;
        memcpy(p + 4 * i, &u, sizeof u);
    }
}

void quant_panels_fill(const struct trial *t, void *panels)
{
    uint64_t state = t->seed;
    size_t bytes = weight_size(t->type, t->n, t->k), panel = panel_bytes(t->type, t->k);
    char *p = panels;
    for (size_t i = 0; i + 4 <= bytes; i += 4) {
        uint32_t u = (uint32_t)next_random(&state);
        memcpy(p + i, &u, sizeof u);
    }
    size_t group = t->type == WT_Q8_0 ? Q8_GROUP_BYTES : Q4_GROUP_BYTES;
    for (size_t i = 0; i < bytes; i += t->type == WT_W4 ? panel : group) {
        if (t->type == WT_I8) break;
        if (t->type == WT_W4)
            scales_fill_f32(p + i, &state);
        else
            scales_fill(p + i, &state, t->values == 0);
    }
}

void act8_lengths(const struct trial *t, int64_t *elems)
{
    elems[0] = t->m * t->ldx;
    elems[1] = (t->m * t->k * ACT8_MOST) / 4;
    elems[2] = (int64_t)weight_size(t->type, t->n, t->k) / 4;
    elems[3] = t->m * t->ldy;
}

void act8_call(const struct kernels *k, const struct trial *t, void **b)
{
    quant_panels_fill(t, b[2]);
    k->act8_pack(t->m, t->k, b[0], t->ldx, b[1]);
    k->gemm_act8[t->type](t->m, t->k, t->n, b[1], b[2], b[3], t->ldy, t->variant & 1);
}

/* Rows of blocks: any bytes are a block, but a scale that is not finite never gets here. */
static void blocks_fill(const struct trial *t, int64_t bytes, char *p, int64_t block)
{
    uint64_t state = t->seed;
    for (int64_t i = 0; i < bytes; i++) p[i] = (char)(next_random(&state) & 0xff);
    for (int64_t i = 0; i + block <= bytes; i += block) p[i + 1] &= (char)0xbf;
}

void blocks_lengths(const struct trial *t, int64_t *elems)
{
    elems[0] = ((t->n - 1) % PANEL + 1) * t->k / GROUP * Q8_0_BLOCK / 4 + 1;
    elems[1] = (int64_t)panel_bytes(t->type, t->k) / 2;
}

void blocks_q8_0_call(const struct kernels *k, const struct trial *t, void **b)
{
    int64_t n = (t->n - 1) % PANEL + 1, ld = t->k / GROUP * Q8_0_BLOCK;
    blocks_fill(t, n * ld, b[0], Q8_0_BLOCK);
    k->panel_pack_q8_0[t->type](n, t->k, b[0], ld, b[1]);
}

void blocks_q4_0_call(const struct kernels *k, const struct trial *t, void **b)
{
    int64_t n = (t->n - 1) % PANEL + 1, ld = t->k / GROUP * Q4_0_BLOCK;
    blocks_fill(t, n * ld, b[0], Q4_0_BLOCK);
    k->panel_pack_q4_0[t->type](n, t->k, b[0], ld, b[1]);
}
