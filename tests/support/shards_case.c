#include "tests/support/shards_case.h"

enum { LONGEST = 4096 };

static const char hash0[] = "0000000000000000000000000000000000000000000000000000000000000000";
static const char hash1[] = "1111111111111111111111111111111111111111111111111111111111111111";

struct shard_doc shards_case_doc(uint64_t i, uint32_t mean)
{
    static uint32_t ids[LONGEST];
    static struct label_span spans[2];
    uint32_t n = 8 + (uint32_t)(i * 2654435761u % (2 * mean)), header = n / 4;
    if (n > LONGEST) n = LONGEST;
    for (uint32_t t = 0; t < n; t++) ids[t] = (uint32_t)((i * 31 + t * 7) % CASE_VOCAB);
    spans[0] = (struct label_span){header + 1, n / 2};
    spans[1] = (struct label_span){n / 2 + 1, n};
    if (n < 16) spans[0] = (struct label_span){header + 1, n};
    return (struct shard_doc){.ids = ids,
                              .n = n,
                              .header_at = header,
                              .response_at = header + 1,
                              .spans = spans,
                              .n_spans = n < 16 ? 1 : 2,
                              .domain = (enum shard_domain)(i % DOMAIN_COUNT),
                              .source = (uint32_t)(i % 2),
                              .source_row = i + ((uint64_t)1 << 40),
                              .question = i / 3 * 0x123456789abcdefu};
}

int shards_case_write(const char *dir, uint64_t docs, uint32_t mean, struct err *e)
{
    static const char *const names[] = {"a.parquet", "b.parquet"}, *const hashes[] = {hash0, hash1};
    static const struct shards_origin origin = {"rec1pe", "t0ken", "temp1ate", names, hashes, 2, CASE_VOCAB};
    struct shard_writer *w;
    int rc = shard_writer_open(&w, dir, &origin, e);
    if (rc) return rc;
    for (uint64_t i = 0; !rc && i < docs; i++) {
        struct shard_doc d = shards_case_doc(i, mean);
        rc = shard_writer_add(w, &d, e);
    }
    if (!rc) return shard_writer_commit(w, e);
    shard_writer_abort(w);
    return rc;
}
