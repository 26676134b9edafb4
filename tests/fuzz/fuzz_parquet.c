/* Any bytes as a Parquet file: open it, read every row, go back to the middle. Seeds: the fixtures. */
#include "data/parquet/parquet.h"
#include "data/row_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MAX_ROWS = 2000 };

static void read_rows(struct pq *p)
{
    const struct pq_datum *row;
    struct err e = {0};
    for (int i = 0; i < MAX_ROWS && pq_next(p, &row, &e) == 1; i++) {
        struct js_out w;
        js_out_init(&w, 0);
        row_put(&w, NULL, pq_schema(p), row);
        if (js_out_end(&w, &e)) __builtin_trap(); /* every row there is can be written */
        js_out_free(&w);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct err e = {0};
    struct pq *p;
    if (pq_open_memory(&p, "fuzz", data, n, &e)) return 0;
    if (!pq_seek(p, pq_rows(p) / 2, &e) && !pq_seek(p, 0, &e)) read_rows(p);
    pq_close(p);
    return 0;
}
