#include "data/parquet/rle.h"
#include "data/parquet/bits.h"

int rle_init(struct rle *r, const uint8_t *data, size_t n, unsigned width, uint64_t count, struct err *e)
{
    if (width > 32) return err_set(e, ERR_PQ_BITS, "a bit width of %u, at most 32 expected", width);
    *r = (struct rle){.p = data, .end = data + n, .width = width, .wanted = count};
    return 0;
}

/* DuckDB packs 256 at a time and leaves what is too many to the reader; others leave the padding out. So a
 * packed run may go past the stream on either side, as long as the values wanted are there. */
static int start_packed(struct rle *r, uint64_t groups, struct err *e)
{
    size_t left = (size_t)(r->end - r->p);
    uint64_t count = groups * 8 < r->wanted ? groups * 8 : r->wanted, bytes = groups * r->width;
    if (bits_bytes(count, r->width) > left)
        return err_set(e, ERR_PQ_RLE, "a packed run of %llu values ends early", (unsigned long long)count);
    r->packed = r->p;
    r->packed_bytes = bytes < left ? (size_t)bytes : left;
    r->packed_at = 0;
    r->p += r->packed_bytes;
    r->run_left = (uint32_t)count;
    return 0;
}

static int start_repeated(struct rle *r, uint64_t count, struct err *e)
{
    size_t bytes = (r->width + 7) / 8;
    if (count > r->wanted)
        return err_set(e, ERR_PQ_RLE, "a run of %llu values, only %llu wanted", (unsigned long long)count,
                       (unsigned long long)r->wanted);
    if ((size_t)(r->end - r->p) < bytes) return err_set(e, ERR_PQ_RLE, "a run's value is cut off");
    r->packed = NULL;
    r->value = 0;
    memcpy(&r->value, r->p, bytes);
    r->p += bytes;
    r->run_left = (uint32_t)count;
    return 0;
}

static int start_run(struct rle *r, struct err *e)
{
    uint64_t head;
    if (!bits_varint(&r->p, r->end, &head) || head > UINT32_MAX)
        return err_set(e, ERR_PQ_RLE, "the runs end %llu values early", (unsigned long long)r->wanted);
    return head & 1 ? start_packed(r, head >> 1, e) : start_repeated(r, head >> 1, e);
}

int rle_read(struct rle *r, uint32_t *out, uint32_t n, struct err *e)
{
    while (n) {
        while (!r->run_left) {
            int code = start_run(r, e);
            if (code) return code;
        }
        uint32_t take = n < r->run_left ? n : r->run_left;
        if (r->packed)
            for (uint32_t i = 0; i < take; i++, r->packed_at += r->width)
                out[i] = (uint32_t)bits_at(r->packed, r->packed_bytes, r->packed_at, r->width);
        else
            for (uint32_t i = 0; i < take; i++) out[i] = r->value;
        out += take;
        n -= take;
        r->run_left -= take;
        r->wanted -= take;
    }
    return 0;
}
