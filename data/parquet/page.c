#include "data/parquet/page.h"
#include "checkpoints/zstd.h"
#include "data/brotli.h"
#include "data/gzip.h"
#include "data/lz4.h"
#include "data/parquet/thrift.h"
#include "data/snappy.h"

#include <string.h>

static enum pq_encoding parse_encoding(struct thrift *t, const struct thrift_field *f)
{
    return (enum pq_encoding)thrift_int(t, f, PQ_PLAIN, PQ_BYTE_STREAM_SPLIT, ERR_PQ_ENUM, "encoding");
}

static uint32_t parse_count(struct thrift *t, const struct thrift_field *f, int code, const char *what)
{
    return (uint32_t)thrift_int(t, f, 0, INT32_MAX, code, what);
}

static void parse_data_header(struct thrift *t, struct pq_page *page)
{
    struct thrift_field f = {0};
    while (thrift_next(t, &f)) switch (f.id) {
        case 1:
            page->n_values = parse_count(t, &f, ERR_PQ_COUNT, "num_values");
            break;
        case 2:
            page->encoding = parse_encoding(t, &f);
            break;
        case 3:
            page->def_encoding = parse_encoding(t, &f);
            break;
        case 4:
            page->rep_encoding = parse_encoding(t, &f);
            break;
        default:
            thrift_skip(t, &f);
        }
    thrift_require(t, &f, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4, "data page header");
}

static void parse_dict_header(struct thrift *t, struct pq_page *page)
{
    struct thrift_field f = {0};
    while (thrift_next(t, &f)) switch (f.id) {
        case 1:
            page->n_values = parse_count(t, &f, ERR_PQ_DICT, "num_values");
            break;
        case 2:
            page->encoding = parse_encoding(t, &f);
            break;
        default:
            thrift_skip(t, &f);
        }
    thrift_require(t, &f, 1 << 1 | 1 << 2, "dictionary page header");
}

static void parse_v2_header(struct thrift *t, struct pq_page *page)
{
    struct thrift_field f = {0};
    while (thrift_next(t, &f)) switch (f.id) {
        case 1:
            page->n_values = parse_count(t, &f, ERR_PQ_COUNT, "num_values");
            break;
        case 2:
            page->n_nulls = parse_count(t, &f, ERR_PQ_COUNT, "num_nulls");
            break;
        case 3:
            page->n_rows = parse_count(t, &f, ERR_PQ_COUNT, "num_rows");
            break;
        case 4:
            page->encoding = parse_encoding(t, &f);
            break;
        case 5:
            page->def_bytes = parse_count(t, &f, ERR_PQ_LEVELS, "definition_levels_byte_length");
            break;
        case 6:
            page->rep_bytes = parse_count(t, &f, ERR_PQ_LEVELS, "repetition_levels_byte_length");
            break;
        case 7:
            page->is_compressed = thrift_bool(t, &f);
            break;
        default:
            thrift_skip(t, &f);
        }
    thrift_require(t, &f, 0x3f << 1, "data page v2 header");
}

static void parse_sub_header(struct thrift *t, const struct thrift_field *f, struct pq_page *page,
                             void (*parse)(struct thrift *, struct pq_page *))
{
    if (f->type == THRIFT_STRUCT)
        parse(t, page);
    else
        thrift_fail(t, ERR_FIELD_TYPE, "field %d of the page header is not a struct", f->id);
}

static void parse_header(struct thrift *t, struct pq_page *page)
{
    static const uint8_t header_of[] = {[PQ_PAGE_DATA] = 5, [PQ_PAGE_DICT] = 7, [PQ_PAGE_DATA_V2] = 8};
    struct thrift_field f = {0};
    int type = 0;
    while (thrift_next(t, &f)) switch (f.id) {
        case 1:
            type = thrift_int(t, &f, PQ_PAGE_DATA, PQ_PAGE_DATA_V2, ERR_PQ_ENUM, "page type");
            break;
        case 2:
            page->uncompressed = parse_count(t, &f, ERR_PQ_SIZE, "uncompressed_page_size");
            break;
        case 3:
            page->compressed = parse_count(t, &f, ERR_PQ_SIZE, "compressed_page_size");
            break;
        case 4:
            page->has_crc = true;
            page->crc = (uint32_t)thrift_i64(t, &f);
            break;
        case 5:
            parse_sub_header(t, &f, page, parse_data_header);
            break;
        case 7:
            parse_sub_header(t, &f, page, parse_dict_header);
            break;
        case 8:
            parse_sub_header(t, &f, page, parse_v2_header);
            break;
        default:
            thrift_skip(t, &f);
        }
    page->type = (enum pq_page_type)type;
    thrift_require(t, &f, 1 << 1 | 1 << 2 | 1 << 3, "page header");
    if (header_of[type]) thrift_require(t, &f, 1ull << header_of[type], "page header");
}

static int check_sizes(const struct pq_page *page, size_t left, struct err *e)
{
    if (page->compressed > left)
        return err_set(e, ERR_PQ_SIZE, "a page of %u bytes, %zu are left in the column chunk",
                       page->compressed, left);
    if (page->uncompressed > PQ_PAGE_FLOOR + (uint64_t)PQ_RATIO * page->compressed)
        return err_set(e, ERR_BOMB, "a page of %u bytes claims to hold %u", page->compressed,
                       page->uncompressed);
    uint64_t levels = (uint64_t)page->def_bytes + page->rep_bytes;
    if (levels > page->compressed || levels > page->uncompressed)
        return err_set(e, ERR_PQ_LEVELS, "levels of %u and %u bytes in a page of %u", page->rep_bytes,
                       page->def_bytes, page->compressed);
    if (page->has_crc && gzip_crc32(page->body, page->compressed) != page->crc)
        return err_set(e, ERR_PQ_CRC, "the page's checksum is %08x, its bytes give %08x", page->crc,
                       gzip_crc32(page->body, page->compressed));
    return 0;
}

int page_parse(struct pq_page *page, const uint8_t *data, size_t n, size_t *used, struct err *e)
{
    struct thrift t = thrift_init(data, n, e);
    *page = (struct pq_page){.is_compressed = true};
    parse_header(&t, page);
    if (t.code) return t.code;
    page->body = t.p;
    int code = check_sizes(page, (size_t)(t.end - t.p), e);
    if (!code) *used = (size_t)(t.p - data) + page->compressed;
    return code;
}

static int run_codec(enum pq_codec codec, void *dst, size_t expected, const void *src, size_t n,
                     struct err *e)
{
    switch (codec) {
    case PQ_SNAPPY:
        return snappy_decompress(dst, expected, src, n, e);
    case PQ_GZIP:
        return gzip_decompress(dst, expected, src, n, e);
    case PQ_ZSTD:
        return zstd_decompress(dst, expected, src, n, e);
    case PQ_BROTLI:
        return brotli_decompress(dst, expected, src, n, e);
    case PQ_LZ4:
        return lz4_decompress_hadoop(dst, expected, src, n, e);
    case PQ_LZ4_RAW:
        return lz4_decompress(dst, expected, src, n, e);
    default:
        return err_set(e, ERR_PQ_CODEC, "compressed with LZO, which is not supported");
    }
}

int page_decompress(const struct pq_page *page, enum pq_codec codec, size_t skip, struct pq_arena *arena,
                    const uint8_t **out, struct err *e)
{
    size_t from = page->compressed - skip, to = page->uncompressed - skip;
    bool stored = codec == PQ_NONE || !page->is_compressed || !(from | to);
    if (stored && from != to)
        return err_set(e, ERR_PQ_SIZE, "%zu bytes are not compressed, yet said to hold %zu", from, to);
    if (codec == PQ_NONE) {
        *out = page->body + skip;
        return 0;
    }
    struct err why = {0};
    uint8_t *dst = pq_arena_alloc(arena, to, 1, e);
    if (!dst) return e->code;
    *out = dst;
    if (stored) { /* a page that would not shrink, in a chunk that is compressed */
        memcpy(dst, page->body + skip, to);
        return 0;
    }
    int code = run_codec(codec, dst, to, page->body + skip, from, &why);
    return code ? err_set(e, code == ERR_SIZE_MISMATCH ? ERR_PQ_SIZE : code, "%s", why.msg) : 0;
}
