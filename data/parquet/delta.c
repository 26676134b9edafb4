/* DELTA_BINARY_PACKED and the two string encodings made of it. */
#include "data/parquet/bits.h"
#include "data/parquet/values.h"

#include <string.h>

struct delta {
    const uint8_t *p, *end;
    uint64_t per_block, n_minis, per_mini;
    struct err *e;
};

static int cut(struct delta *d)
{
    return err_set(d->e, ERR_PQ_DELTA, "a delta block is cut off");
}

static bool read_zigzag(struct delta *d, uint64_t *out)
{
    uint64_t v;
    if (!bits_varint(&d->p, d->end, &v)) return false;
    *out = v >> 1 ^ (0 - (v & 1));
    return true;
}

static int read_header(struct delta *d, uint32_t n, uint64_t *first)
{
    uint64_t total;
    if (!bits_varint(&d->p, d->end, &d->per_block) || !bits_varint(&d->p, d->end, &d->n_minis) ||
        !bits_varint(&d->p, d->end, &total) || !read_zigzag(d, first))
        return cut(d);
    if (!d->per_block || d->per_block % 128 || d->per_block > UINT32_MAX)
        return err_set(d->e, ERR_PQ_DELTA, "a delta block of %llu values, expected a multiple of 128",
                       (unsigned long long)d->per_block);
    if (!d->n_minis || d->per_block % d->n_minis || d->per_block / d->n_minis % 32)
        return err_set(d->e, ERR_PQ_DELTA, "%llu miniblocks in a delta block of %llu values",
                       (unsigned long long)d->n_minis, (unsigned long long)d->per_block);
    if (total != n)
        return err_set(d->e, ERR_PQ_DELTA, "%llu delta values, expected %u", (unsigned long long)total, n);
    d->per_mini = d->per_block / d->n_minis;
    return 0;
}

/* Up to `n` deltas of one miniblock, summed onto *last. */
static int read_mini(struct delta *d, unsigned width, uint64_t min, uint64_t *last, struct pq_value *out,
                     uint32_t n)
{
    size_t left = (size_t)(d->end - d->p);
    uint64_t whole = bits_bytes(d->per_mini, width);
    if (width > 64)
        return err_set(d->e, ERR_PQ_DELTA, "a delta width of %u bits, at most 64 expected", width);
    if (bits_bytes(n, width) > left) return cut(d);
    for (uint32_t i = 0; i < n; i++) {
        *last += min + bits_at(d->p, left, (uint64_t)i * width, width);
        out[i].i = (int64_t)*last;
    }
    d->p += whole < left ? whole : left; /* the padding of the last one may be missing */
    return 0;
}

/* Decodes n values to out[].i, modulo 2^64, and leaves d->p behind them. */
static int read_all(struct delta *d, struct pq_value *out, uint32_t n)
{
    uint64_t last = 0, min;
    if (!n) return 0;
    int code = read_header(d, n, &last);
    if (code) return code;
    out[0].i = (int64_t)last;
    for (uint32_t i = 1; i < n;) {
        if (!read_zigzag(d, &min) || (uint64_t)(d->end - d->p) < d->n_minis) return cut(d);
        const uint8_t *widths = d->p;
        d->p += d->n_minis;
        for (uint64_t m = 0; m < d->n_minis && i < n; m++) {
            uint32_t take = n - i < d->per_mini ? n - i : (uint32_t)d->per_mini;
            if ((code = read_mini(d, widths[m], min, &last, out + i, take))) return code;
            i += take;
        }
    }
    return 0;
}

int delta_binary(const struct pq_field *leaf, const uint8_t *data, size_t size, struct pq_value *out,
                 uint32_t n, struct err *e)
{
    struct delta d = {.p = data, .end = data + size, .e = e};
    int code = read_all(&d, out, n);
    if (!code && leaf->type == PQ_INT32)
        for (uint32_t i = 0; i < n; i++) out[i].i = (int32_t)out[i].i;
    return code;
}

/* Lengths, then all the bytes. Also leaves d->p behind what it used. */
static int read_strings(struct delta *d, struct pq_value *out, uint32_t n)
{
    int code = read_all(d, out, n);
    if (code) return code;
    for (uint32_t i = 0; i < n; i++) {
        int64_t length = out[i].i;
        if (length < 0 || length > d->end - d->p)
            return err_set(d->e, ERR_PQ_DELTA, "string %u has length %lld, %td bytes are left", i,
                           (long long)length, d->end - d->p);
        out[i].s = d->p;
        out[i].length = (uint32_t)length;
        d->p += length;
    }
    return 0;
}

int delta_length(const uint8_t *data, size_t size, struct pq_value *out, uint32_t n, struct err *e)
{
    struct delta d = {.p = data, .end = data + size, .e = e};
    return read_strings(&d, out, n);
}

int delta_prefix(const struct pq_field *leaf, const uint8_t *data, size_t size, struct pq_value *out,
                 uint32_t n, struct pq_arena *arena, struct err *e)
{
    struct delta d = {.p = data, .end = data + size, .e = e};
    struct pq_value *prefix = pq_arena_alloc(arena, n, sizeof *prefix, e);
    int code = prefix ? read_all(&d, prefix, n) : e->code;
    if (!code) code = read_strings(&d, out, n);
    for (uint32_t i = 0; !code && i < n; i++) {
        uint32_t before = i ? out[i - 1].length : 0, suffix = out[i].length;
        if (prefix[i].i < 0 || prefix[i].i > before)
            return err_set(e, ERR_PQ_DELTA, "string %u takes %lld bytes of the one before, which has %u", i,
                           (long long)prefix[i].i, before);
        if (prefix[i].i + suffix > INT32_MAX) return err_set(e, ERR_PQ_DELTA, "string %u passes 2 GiB", i);
        uint8_t *s = pq_arena_alloc(arena, (uint64_t)prefix[i].i + suffix, 1, e);
        if (!s) return e->code;
        if (i) memcpy(s, out[i - 1].s, (size_t)prefix[i].i);
        memcpy(s + prefix[i].i, out[i].s, suffix);
        out[i].s = s;
        out[i].length = (uint32_t)prefix[i].i + suffix;
        if (leaf->type == PQ_FIXED && out[i].length != leaf->length)
            return err_set(e, ERR_PQ_DELTA, "value %u has %u bytes, expected %u", i, out[i].length,
                           leaf->length);
    }
    return code;
}
