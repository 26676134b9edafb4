/* One page: its header, its checksum, its bytes decompressed. */
#ifndef TERSE_DATA_PARQUET_PAGE_H
#define TERSE_DATA_PARQUET_PAGE_H

#include "data/parquet/arena.h"
#include "data/parquet/meta.h"
#include "data/parquet/values.h"

enum pq_page_type { PQ_PAGE_DATA, PQ_PAGE_INDEX, PQ_PAGE_DICT, PQ_PAGE_DATA_V2 };

/* A page may decompress to PQ_PAGE_FLOOR + PQ_RATIO times its size: far beyond what text reaches (about 10),
 * far below what bombs need. The same ratio caps a row group. */
enum { PQ_RATIO = 256, PQ_PAGE_FLOOR = 16 << 20, PQ_GROUP_FLOOR = 48 << 20 };

struct pq_page {
    enum pq_page_type type;
    uint32_t compressed, uncompressed; /* bytes; of v2 with the levels */
    bool has_crc;
    uint32_t crc;
    uint32_t n_values; /* nulls included */
    enum pq_encoding encoding, def_encoding, rep_encoding;
    uint32_t n_nulls, n_rows, def_bytes, rep_bytes; /* v2 only */
    bool is_compressed;                             /* v2; true in others */
    const uint8_t *body;                            /* `compressed` bytes */
};

/* Parses the page at data[n] - header and body - into *page; *used gets the bytes it takes.
 * Errors: THRIFT_*, FIELD_*, PQ_ENUM, PQ_SIZE, PQ_COUNT, PQ_LEVELS, PQ_CRC, BOMB. */
int page_parse(struct pq_page *page, const uint8_t *data, size_t n, size_t *used, struct err *e);

/* Decompresses the body from byte `skip` on: *out gets page->uncompressed - skip bytes, in `arena` or, of a
 * chunk that is not compressed (codec PQ_NONE), in the body itself. Errors: PQ_CODEC, PQ_SIZE, ZSTD, SNAPPY,
 * GZIP, BROTLI, LZ4, those of the arena. */
int page_decompress(const struct pq_page *page, enum pq_codec codec, size_t skip, struct pq_arena *arena,
                    const uint8_t **out, struct err *e);

#endif
