/* Every case is run twice on two copies of the same memory, by the reference and by the kernel under test;
 * then the copies must be the same. Tolerance is zero; only NaNs of different payload are equal. */
#include "infer/kernel_check.h"
#include "infer/arena.h"
#include "infer/kernel_slots.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { GUARD = 64, VALUE_KINDS = 3, QUICK_STRIDE = 41, MEMORY = 8 << 20 };

/* ---- numbers ---- */

/* splitmix64: Steele, Lea, Flood 2014. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Bits of a float: 0 plain numbers up to 4; 1 everything finite that breaks kernels; 2 infinities and NaN
 * too. */
static uint32_t hostile_bits(uint64_t r, int kind)
{
    static const uint32_t nasty[] = {
        0x00000000, 0x80000000,                                     /* zeros */
        0x00000001, 0x807fffff, 0x00008000,                         /* denormals */
        0x00800000, 0x80800001,                                     /* least normal ones */
        0x7e967699, 0xfe967699, 0x7f7fffff,                         /* 1e38, greatest */
        0x1e3ce508, 0x9e3ce508,                                     /* 1e-20: products vanish */
        0x3f808000, 0x3f818000, 0xbf7fffff,                         /* ties and carries of rounding to bf16 */
        0x42b0c0a5, 0xc2aeac50,                                     /* the ends of exp */
        0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffffffff, /* infinities, NaNs */
    };
    enum { ALL = sizeof nasty / sizeof *nasty, FINITE = ALL - 5 };
    uint32_t plain = (uint32_t)(r >> 32 & 0x807fffff) | (uint32_t)(118 + (r >> 8 & 0xff) % 12) << 23;
    if (kind == 0 || r % 3 == 0) return plain;
    if (r % 3 == 1) return (uint32_t)(r >> 32 & 0x807fffff) | (uint32_t)(60 + (r >> 8 & 0xff) % 134) << 23;
    return nasty[(r >> 8) % (kind == 1 ? FINITE : ALL)];
}

static void fill(char *p, size_t bytes, int is_half, const struct trial *t, uint64_t salt)
{
    uint64_t state = t->seed * 31 + salt;
    size_t size = is_half ? 2 : 4;
    for (size_t i = 0; i + size <= bytes; i += size) {
        uint32_t u = hostile_bits(next_random(&state), t->values);
        if (t->portable && (u & 0x7fffffff) >> 1 == 0x00800000 >> 1) u ^= 0x00800000;
        uint16_t h = (uint16_t)(u >> 16);
        memcpy(p + i, is_half ? (void *)&h : (void *)&u, size);
    }
}

/* ---- cases ---- */

static int point_case(struct trial *t, int64_t index)
{
    static const int64_t large[] = {128, 255, 896, 1000, 4869};
    enum { LARGE = sizeof large / sizeof *large, SMALL = 97, VARIANTS = 6 };
    int64_t n = index / (VALUE_KINDS * VARIANTS);
    if (n >= SMALL + LARGE) return 0;
    t->values = (int)(index % VALUE_KINDS);
    t->variant = (int)(index / VALUE_KINDS % VARIANTS) + 8 * (int)(n % 2);
    t->n = n < SMALL ? n + 1 : large[n - SMALL];
    return 1;
}

static int product_case(struct trial *t, int64_t index)
{
    static const int64_t ks[] = {31, 63, 65, 127, 896,
                                 64, 1,  2,  3}; /* of groups, only the first five differ */
    enum { KS = sizeof ks / sizeof *ks, SMALL = 33, MS = SMALL + 2, ROUNDS = VALUE_KINDS };
    int64_t m = index % MS;
    uint64_t r = t->seed;
    int64_t kinds = weight_quantised(t->type) ? 5 : KS;
    if (index >= MS * kinds * ROUNDS) return 0;
    t->m = m < SMALL ? m + 1 : 64 + 16 * (m - SMALL);
    t->k = ks[index / MS % kinds];
    if (t->m > 8 && t->k > 128) t->k = 192; /* the reference is slow */
    if (weight_quantised(t->type)) t->k = (t->k + GROUP - 1) / GROUP * GROUP;
    if (t->m == 27 && index / MS % kinds == 4) t->k = 1088; /* more than kernels take at a time */
    t->n = 1 + (int64_t)(next_random(&r) % 97);
    t->ldx = pad_even(t->k) + (int64_t)(next_random(&r) % 4);
    t->ldy = t->n + (int64_t)(next_random(&r) % 3);
    t->variant = (int)(next_random(&r) % 12);
    t->values = (int)(index / (MS * kinds)) % VALUE_KINDS;
    return 1;
}

static int make_case(const struct slot *s, struct trial *t, int64_t index)
{
    t->type = s->type;
    t->seed = (uint64_t)index * 0x9e3779b97f4a7c15u + 1;
    return s->cases == CASE_POINT ? point_case(t, index) : product_case(t, index);
}

/* ---- one case ---- */

struct buffers {
    char *zone[SLOT_BUFFERS]; /* guard, buffer, guard */
    size_t bytes[SLOT_BUFFERS];
    void *at[SLOT_BUFFERS];
};

/* Lays the buffers out in `memory`; each begins at another distance from a cache line. */
static void buffers_place(struct buffers *b, const struct slot *s, const struct trial *t, char *memory)
{
    int64_t elems[SLOT_BUFFERS];
    for (int i = 0; i < SLOT_BUFFERS; i++) elems[i] = t->n;
    if (s->lengths) s->lengths(t, elems);
    for (int i = 0; s->kinds[i]; i++) {
        size_t size = s->kinds[i] == 'h' ? 2 : 4, skew = (size_t)(t->seed >> (8 + 4 * i)) % 16 * size;
        if (s->kinds[i] == 'r') elems[i] = RESULTS;
        b->zone[i] = memory;
        b->bytes[i] = (size_t)elems[i] * size;
        b->at[i] = memory + GUARD + skew;
        memset(memory, 0x5c, GUARD + skew);
        fill(b->at[i], b->bytes[i], s->kinds[i] == 'h', t, (uint64_t)i);
        memset((char *)b->at[i] + b->bytes[i], 0x5c, GUARD);
        memory += (2 * GUARD + skew + b->bytes[i] + GUARD) / GUARD * GUARD;
    }
}

static int same(const char *a, const char *b, size_t bytes, int floats, size_t *where)
{
    size_t size = floats ? 4 : 2;
    for (size_t i = 0; i + size <= bytes; i += size) {
        uint32_t x = 0, y = 0;
        memcpy(&x, a + i, size), memcpy(&y, b + i, size);
        *where = i / size;
        if (x != y && !(floats && (x & 0x7fffffff) > 0x7f800000 && (y & 0x7fffffff) > 0x7f800000)) return 0;
    }
    return 1;
}

/* NULL, or what is wrong with buffer i. */
static const char *buffer_fault(const struct slot *s, const struct buffers *a, const struct buffers *b, int i,
                                size_t *where)
{
    size_t front = (size_t)((char *)a->at[i] - a->zone[i]);
    *where = 0;
    if (memcmp(a->zone[i], b->zone[i], front)) return "written before its start";
    if (memcmp((char *)a->at[i] + a->bytes[i], (char *)b->at[i] + b->bytes[i], GUARD))
        return "written past its end";
    if (s->kinds[i] == 's' || same(a->at[i], b->at[i], a->bytes[i], s->kinds[i] != 'h', where)) return NULL;
    return "different";
}

struct check {
    const struct kernels *ref, *k;
    char *memory[2];
    char fault[256];
};

static int run_case(struct check *c, const struct slot *s, const struct trial *t)
{
    struct buffers want, got;
    size_t where;
    buffers_place(&want, s, t, c->memory[0]);
    buffers_place(&got, s, t, c->memory[1]);
    s->call(c->ref, t, want.at);
    s->call(c->k, t, got.at);
    for (int i = 0; s->kinds[i]; i++) {
        const char *fault = buffer_fault(s, &want, &got, i, &where);
        if (!fault) continue;
        snprintf(c->fault, sizeof c->fault,
                 "m %" PRId64 " k %" PRId64 " n %" PRId64 " strides %" PRId64 " %" PRId64
                 " variant %d values %d: buffer %d is %s (element %zu)",
                 t->m, t->k, t->n, t->ldx, t->ldy, t->variant, t->values, i, fault, where);
        return 0;
    }
    return 1;
}

/* ---- slots and levels ---- */

static int same_function(const struct slot *s, const struct kernels *a, const struct kernels *b)
{
    for (int i = 0; i < 2 && s->at[i]; i++)
        if (memcmp((const char *)a + s->at[i], (const char *)b + s->at[i], sizeof(void (*)(void)))) return 0;
    return 1;
}

static struct kernel_verdict check_slot(struct check *c, const struct slot *s, enum kernel_depth depth)
{
    struct kernel_verdict v = {.slot = s->name, .isa = c->k->name};
    struct trial t = {.ref = c->ref};
    for (int64_t i = 0; !v.fault && make_case(s, &t, i); i += depth == KERNELS_QUICK ? QUICK_STRIDE : 1) {
        if (!run_case(c, s, &t)) v.fault = c->fault;
        v.cases++;
    }
    return v;
}

int kernel_check(const struct kernels *k, const struct kernels *passed, enum kernel_depth depth,
                 kernel_report *report, void *ctx, struct err *e)
{
    struct kernels ref;
    struct arena a;
    kernels_init_ref(&ref);
    int r = arena_create(&a, 2 * MEMORY, "checking kernels", e);
    if (r) return r;
    struct check c = {.ref = &ref, .k = k, .memory = {a.base, a.base + MEMORY}};
    unsigned old = kernels_fp_enter();
    for (const struct slot *s = kernel_slots; s->name; s++) {
        if (same_function(s, k, passed)) continue;
        struct kernel_verdict v = check_slot(&c, s, depth);
        if (report) report(ctx, &v);
        if (v.fault && !r)
            r = err_set(e, ERR_SELFTEST, "kernel %s of %s is not the reference: %s", v.slot, v.isa, v.fault);
    }
    kernels_fp_leave(old);
    arena_free(&a);
    return r;
}

int kernel_check_levels(unsigned cpu_flags, enum kernel_depth depth, kernel_report *report, void *ctx,
                        struct err *e)
{
    struct kernels passed, k;
    unsigned flags = 0;
    int worst = 0;
    kernels_init_ref(&passed);
    for (unsigned bit = 1; bit && bit <= cpu_flags; bit <<= 1) {
        if (!(cpu_flags & bit)) continue;
        kernels_init(&k, flags |= bit);
        int r = kernel_check(&k, &passed, depth, report, ctx, e);
        if (!worst) worst = r;
        if (!r) passed = k;
    }
    return worst;
}

/* ---- digests ---- */

/* Adds the values of a buffer to a digest. Up to the least normal number they count as zero, because
 * processors differ there: kernels_fp_enter(); x86's maximum of denormals is zero, Arm's is one of them. */
static uint64_t digest_add(uint64_t h, const char *p, size_t bytes, int floats)
{
    size_t size = floats ? 4 : 2;
    for (size_t i = 0; i + size <= bytes; i += size) {
        uint32_t u = 0;
        memcpy(&u, p + i, size);
        if (floats && (u & 0x7fffffff) > 0x7f800000) u = 0x7fc00000;
        if (floats && (u & 0x7fffffff) <= 0x00800000) u &= 0x80000000;
        h = (h ^ u) * 0x100000001b3u; /* FNV-1a, words in place of bytes */
        h ^= h >> 29;
    }
    return h;
}

static uint64_t digest_slot(const struct kernels *k, const struct slot *s, struct trial *t,
                            enum kernel_depth depth, char *memory)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (int64_t i = 0; make_case(s, t, i); i += depth == KERNELS_QUICK ? QUICK_STRIDE : 1) {
        struct buffers b;
        buffers_place(&b, s, t, memory);
        s->call(k, t, b.at);
        for (int j = 0; s->kinds[j]; j++)
            if (s->kinds[j] != 's') h = digest_add(h, b.at[j], b.bytes[j], s->kinds[j] != 'h');
    }
    return h;
}

int kernel_digest(const struct kernels *k, enum kernel_depth depth, uint64_t *digest,
                  kernel_digest_report *report, void *ctx, struct err *e)
{
    struct kernels ref;
    struct arena a;
    struct trial t = {.ref = &ref, .portable = 1};
    kernels_init_ref(&ref);
    int r = arena_create(&a, MEMORY, "a digest of kernels", e);
    if (r) return r;
    unsigned old = kernels_fp_enter();
    *digest = 0;
    for (const struct slot *s = kernel_slots; s->name; s++) {
        uint64_t h = digest_slot(k, s, &t, depth, a.base);
        if (report) report(ctx, s->name, h);
        *digest = *digest * 31 + h;
    }
    kernels_fp_leave(old);
    arena_free(&a);
    return 0;
}
