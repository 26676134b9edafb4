#include "data/conversations.h"
#include "checkpoints/file_in.h"
#include "data/conv_view.h"
#include "infer/ascii.h"

#include <stdlib.h>
#include <string.h>

struct conv_file {
    const struct conv_view *view;
    void *self;
};

int conv_is_parquet(bool *out, const char *path, struct err *e)
{
    struct file_in f;
    char head[4];
    size_t n = 0;
    *out = ends_with(path, ".parquet");
    if (*out) return 0;
    int rc = file_in_open(&f, path, e);
    if (rc) return rc;
    rc = file_in_read(&f, head, sizeof head, &n, e);
    file_in_close(&f);
    *out = n == 4 && !memcmp(head, "PAR1", 4);
    return rc;
}

int conv_open(struct conv_file **out, const char *path, struct err *e)
{
    *out = NULL;
    struct conv_file *f = calloc(1, sizeof *f);
    if (!f) return err_set(e, ERR_NOMEM, "%s: no memory", path);
    bool parquet = false;
    int rc = conv_is_parquet(&parquet, path, e);
    f->view = parquet ? &conv_parquet : &conv_json;
    if (!rc) rc = f->view->open(&f->self, path, e);
    if (rc)
        free(f);
    else
        *out = f;
    return rc;
}

void conv_close(struct conv_file *f)
{
    if (f) f->view->close(f->self);
    free(f);
}

uint64_t conv_rows(const struct conv_file *f)
{
    return f->view->rows(f->self);
}

struct file_part conv_part_of(const struct conv_file *f, uint64_t row)
{
    return f->view->part(f->self, row);
}

uint64_t conv_bytes(const struct conv_file *f)
{
    return f->view->bytes(f->self);
}

int conv_next(struct conv_file *f, struct conv_row *row, struct err *e)
{
    return f->view->next(f->self, row, e);
}

int conv_seek(struct conv_file *f, uint64_t row, struct err *e)
{
    return f->view->seek(f->self, row, e);
}
