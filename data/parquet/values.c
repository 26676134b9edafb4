#include "data/parquet/values.h"
#include "data/parquet/bits.h"
#include "data/parquet/rle.h"

#include <string.h>

enum { BATCH = 1024 }; /* indices decoded at a time, on the stack */

/* Bytes of one PLAIN value; 0 for BOOLEAN and BYTE_ARRAY, whose size is not fixed. */
static uint32_t value_bytes(const struct pq_field *leaf)
{
    switch (leaf->type) {
    case PQ_INT32:
    case PQ_FLOAT:
        return 4;
    case PQ_INT64:
    case PQ_DOUBLE:
        return 8;
    case PQ_FIXED:
        return leaf->length;
    default:
        return 0;
    }
}

static int too_short(const char *what, uint32_t n, size_t size, struct err *e)
{
    return err_set(e, ERR_PQ_BYTES, "%u %s values do not fit the %zu bytes of the page", n, what, size);
}

/* One value of fixed size from its bytes. */
static struct pq_value value_from(enum pq_type type, const uint8_t *p, uint32_t bytes)
{
    struct pq_value v = {.length = bytes};
    int32_t i;
    float f;
    switch (type) {
    case PQ_INT32:
        memcpy(&i, p, 4);
        v.i = i;
        break;
    case PQ_FLOAT:
        memcpy(&f, p, 4);
        v.f = (double)f;
        break;
    case PQ_FIXED:
        v.s = p;
        break;
    default:
        memcpy(&v.i, p, 8); /* INT64 and the bits of DOUBLE */
    }
    return v;
}

static int plain_strings(const uint8_t *p, size_t size, struct pq_value *out, uint32_t n, struct err *e)
{
    const uint8_t *end = p + size;
    for (uint32_t i = 0; i < n; i++) {
        if (end - p < 4) return err_set(e, ERR_PQ_BYTES, "the page ends at string %u of %u", i, n);
        uint32_t length = load_u32(p);
        p += 4;
        if (length > (size_t)(end - p))
            return err_set(e, ERR_PQ_BYTES, "string %u has length %u, %td bytes are left", i, length,
                           end - p);
        out[i].s = p;
        out[i].length = length;
        p += length;
    }
    return 0;
}

static int plain(const struct pq_field *leaf, const uint8_t *data, size_t size, struct pq_value *out,
                 uint32_t n, struct err *e)
{
    uint32_t each = value_bytes(leaf);
    if (leaf->type == PQ_BYTE_ARRAY) return plain_strings(data, size, out, n, e);
    if (leaf->type == PQ_BOOLEAN) {
        if (bits_bytes(n, 1) > size) return too_short("BOOLEAN", n, size, e);
        for (uint32_t i = 0; i < n; i++) out[i].i = data[i / 8] >> i % 8 & 1;
        return 0;
    }
    if ((uint64_t)n * each > size) return too_short("PLAIN", n, size, e);
    for (uint32_t i = 0; i < n; i++) out[i] = value_from(leaf->type, data + (size_t)i * each, each);
    return 0;
}

static int rle_booleans(const uint8_t *data, size_t size, struct pq_value *out, uint32_t n, struct err *e)
{
    struct rle r;
    uint32_t batch[BATCH];
    if (!n) return 0;
    if (size < 4 || load_u32(data) > size - 4) return too_short("RLE", n, size, e);
    int code = rle_init(&r, data + 4, load_u32(data), 1, n, e);
    for (uint32_t done = 0; !code && done < n;) {
        uint32_t take = n - done < BATCH ? n - done : BATCH;
        code = rle_read(&r, batch, take, e);
        for (uint32_t i = 0; !code && i < take; i++) out[done + i].i = batch[i];
        done += take;
    }
    return code;
}

static int gather(const struct pq_dict *dict, const uint32_t *index, uint32_t n, struct pq_value *out,
                  struct err *e)
{
    for (uint32_t i = 0; i < n; i++) {
        if (index[i] >= dict->n)
            return err_set(e, ERR_PQ_DICT, "index %u into a dictionary of %u values", index[i], dict->n);
        out[i] = dict->values[index[i]];
    }
    return 0;
}

static int dictionary(const struct pq_dict *dict, const uint8_t *data, size_t size, struct pq_value *out,
                      uint32_t n, struct err *e)
{
    struct rle r;
    uint32_t batch[BATCH];
    if (!dict->values) return err_set(e, ERR_PQ_DICT, "indices into a dictionary, but the column has none");
    if (!n) return 0;
    if (!size) return too_short("dictionary", n, size, e);
    int code = rle_init(&r, data + 1, size - 1, data[0], n, e);
    for (uint32_t done = 0; !code && done < n;) {
        uint32_t take = n - done < BATCH ? n - done : BATCH;
        code = rle_read(&r, batch, take, e);
        if (!code) code = gather(dict, batch, take, out + done, e);
        done += take;
    }
    return code;
}

/* Byte k of value i is at data[k * n + i]. */
static int split_streams(const struct pq_field *leaf, const uint8_t *data, size_t size, struct pq_value *out,
                         uint32_t n, struct pq_arena *arena, struct err *e)
{
    uint32_t each = value_bytes(leaf);
    if ((uint64_t)n * each != size) return too_short("BYTE_STREAM_SPLIT", n, size, e);
    uint8_t *joined = pq_arena_alloc(arena, n, each, e);
    if (!joined) return e->code;
    for (uint32_t k = 0; k < each; k++)
        for (uint32_t i = 0; i < n; i++) joined[(size_t)i * each + k] = data[(size_t)k * n + i];
    for (uint32_t i = 0; i < n; i++) out[i] = value_from(leaf->type, joined + (size_t)i * each, each);
    return 0;
}

int values_decode(const struct pq_field *leaf, enum pq_encoding encoding, const struct pq_dict *dict,
                  const uint8_t *data, size_t size, struct pq_value *out, uint32_t n, struct pq_arena *arena,
                  struct err *e)
{
    enum pq_type t = leaf->type;
    switch (encoding) {
    case PQ_PLAIN:
        return plain(leaf, data, size, out, n, e);
    case PQ_PLAIN_DICTIONARY:
    case PQ_RLE_DICTIONARY:
        return dictionary(dict, data, size, out, n, e);
    case PQ_RLE:
        if (t == PQ_BOOLEAN) return rle_booleans(data, size, out, n, e);
        break;
    case PQ_DELTA_BINARY_PACKED:
        if (t == PQ_INT32 || t == PQ_INT64) return delta_binary(leaf, data, size, out, n, e);
        break;
    case PQ_DELTA_LENGTH_BYTE_ARRAY:
        if (t == PQ_BYTE_ARRAY) return delta_length(data, size, out, n, e);
        break;
    case PQ_DELTA_BYTE_ARRAY:
        if (t == PQ_BYTE_ARRAY || t == PQ_FIXED) return delta_prefix(leaf, data, size, out, n, arena, e);
        break;
    case PQ_BYTE_STREAM_SPLIT:
        if (value_bytes(leaf)) return split_streams(leaf, data, size, out, n, arena, e);
        break;
    case PQ_BIT_PACKED:
        break;
    }
    return err_set(e, ERR_PQ_UNSUPPORTED, "encoding %d does not go with physical type %d", encoding, t);
}
