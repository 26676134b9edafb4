#include "data/text_file.h"
#include "checkpoints/file_in.h"
#include "checkpoints/zstd.h"
#include "data/gzip.h"
#include "infer/ascii.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 128 << 10 }; /* compressed bytes read at a time */

struct text_file {
    struct file_in in;
    enum text_codec codec;
    struct gzip_stream *gzip;
    struct zstd_stream *zstd;
    size_t at, n;        /* of buf: compressed bytes not used yet */
    uint64_t text_bytes; /* given so far */
    bool pending;        /* the last step filled all there was: more may come without more input */
    bool whole;
    char *path;
    unsigned char buf[PIECE];
};

enum text_codec text_codec_named(const char *name)
{
    return ends_with(name, ".gz") ? TEXT_GZIP : ends_with(name, ".zst") ? TEXT_ZSTD : TEXT_PLAIN;
}

enum text_codec text_codec_of(const unsigned char *bytes, size_t n)
{
    if (n >= 2 && !memcmp(bytes, "\x1f\x8b", 2)) return TEXT_GZIP;
    return n >= 4 && !memcmp(bytes, "\x28\xb5\x2f\xfd", 4) ? TEXT_ZSTD : TEXT_PLAIN;
}

static int detect(struct text_file *f, struct err *e)
{
    static const char *const names[] = {"plain text", "gzip", "zstd"};
    const char *path = f->path;
    unsigned char head[4];
    size_t n = 0, got = 1;
    while (n < sizeof head && got) {
        int rc = file_in_read(&f->in, head + n, sizeof head - n, &got, e);
        if (rc) return rc;
        n += got;
    }
    f->in.at = 0;
    f->codec = text_codec_of(head, n);
    enum text_codec named = text_codec_named(path);
    bool tells = named || ends_with(path, ".json") || ends_with(path, ".jsonl");
    if (!tells || named == f->codec) return 0;
    return err_set(e, ERR_MAGIC, "%s: its name says %s, its first bytes say %s", path, names[named],
                   names[f->codec]);
}

int text_file_open(struct text_file **out, const char *path, struct err *e)
{
    *out = NULL;
    struct text_file *f = calloc(1, sizeof *f);
    if (!f) return err_set(e, ERR_NOMEM, "no memory to read %s", path);
    f->in.fd = -1;
    f->path = strdup(path);
    int rc = f->path ? file_in_open(&f->in, f->path, e) : err_set(e, ERR_NOMEM, "no memory to read %s", path);
    if (!rc) rc = detect(f, e);
    if (!rc && f->codec == TEXT_GZIP && !(f->gzip = gzip_stream_create(e))) rc = ERR_NOMEM;
    if (!rc && f->codec == TEXT_ZSTD && !(f->zstd = zstd_stream_create(e))) rc = ERR_NOMEM;
    if (rc)
        text_file_close(f);
    else
        *out = f;
    return rc;
}

void text_file_close(struct text_file *f)
{
    if (!f) return;
    file_in_close(&f->in);
    gzip_stream_free(f->gzip);
    zstd_stream_free(f->zstd);
    free(f->path);
    free(f);
}

static int step(struct text_file *f, unsigned char *out, size_t n, size_t *got, struct err *e)
{
    struct err why = {0};
    struct stream_step s = {f->buf + f->at, f->n - f->at, out, n, f->whole};
    int rc = f->gzip ? gzip_stream_step(f->gzip, &s, &why) : zstd_stream_step(f->zstd, &s, &why);
    if (rc) return err_set(e, rc, "%s: %s", f->path, why.msg);
    f->at = f->n - s.in_left;
    f->whole = s.whole;
    f->pending = !s.out_left;
    *got = n - s.out_left;
    f->text_bytes += *got;
    if (f->text_bytes <= TEXT_FLOOR + TEXT_RATIO * (f->in.at - s.in_left)) return 0;
    return err_set(e, ERR_BOMB, "%s: its first %llu bytes decompress to %llu and more", f->path,
                   (unsigned long long)(f->in.at - s.in_left), (unsigned long long)f->text_bytes);
}

/* Reads more compressed bytes; *more is false at the end, where the stream must be whole. */
static int refill(struct text_file *f, bool *more, struct err *e)
{
    f->at = f->n = 0;
    int rc = file_in_read(&f->in, f->buf, sizeof f->buf, &f->n, e);
    *more = f->n > 0;
    if (rc || *more || f->whole) return rc;
    return err_set(e, f->gzip ? ERR_GZIP : ERR_ZSTD, "%s: the compressed data ends early", f->path);
}

int text_file_read(void *ctx, void *out, size_t n, size_t *got, struct err *e)
{
    struct text_file *f = ctx;
    bool more = true;
    int rc = 0;
    if (f->codec == TEXT_PLAIN) return file_in_read(&f->in, out, n, got, e);
    for (*got = 0; !rc && !*got && more;) {
        if (f->at == f->n && !f->pending) rc = refill(f, &more, e);
        if (!rc && more) rc = step(f, out, n, got, e);
    }
    return rc;
}

int text_file_seek(struct text_file *f, uint64_t at, struct err *e)
{
    int rc = file_in_seek(&f->in, f->codec == TEXT_PLAIN ? at : 0, e);
    if (rc || f->codec == TEXT_PLAIN) return rc;
    if (f->gzip)
        gzip_stream_reset(f->gzip);
    else
        zstd_stream_reset(f->zstd);
    f->at = f->n = 0;
    f->text_bytes = 0;
    f->pending = f->whole = false;
    return 0;
}

bool text_file_plain(const struct text_file *f)
{
    return f->codec == TEXT_PLAIN;
}
