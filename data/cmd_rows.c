#include "data/cmd_rows.h"
#include "data/row_json.h"

#include <errno.h>
#include <stdio.h>

static int print_row(const struct pq_field *schema, const struct pq_datum *row, struct err *e)
{
    struct js_out w;
    js_out_init(&w, 0);
    row_put(&w, NULL, schema, row);
    int code = js_out_end(&w, e);
    if (!code && (fwrite(w.text, 1, w.n, stdout) != w.n || putchar('\n') == EOF))
        code = err_errno(e, errno, "cannot write to standard output");
    js_out_free(&w);
    return code;
}

int rows_print(struct pq *p, uint64_t *n, struct err *e)
{
    const struct pq_datum *row;
    int code = 0;
    for (; !code && *n && (code = pq_next(p, &row, e)) == 1; --*n) code = print_row(pq_schema(p), row, e);
    return code;
}
