#include "checkpoints/zstd.h"

#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

size_t zstd_bound(size_t n)
{
    size_t bound = ZSTD_compressBound(n);
    return ZSTD_isError(bound) ? 0 : bound;
}

int zstd_compress(void *dst, size_t cap, size_t *used, const void *src, size_t n, int level, struct err *e)
{
    size_t r = ZSTD_compress(dst, cap, src, n, level);
    if (!ZSTD_isError(r)) {
        *used = r;
        return 0;
    }
    int code = ZSTD_getErrorCode(r) == ZSTD_error_dstSize_tooSmall ? ERR_NEED : ERR_ZSTD;
    return err_set(e, code, "zstd cannot compress %zu bytes into %zu: %s", n, cap, ZSTD_getErrorName(r));
}

int zstd_decompress(void *dst, size_t expected, const void *src, size_t n, struct err *e)
{
    size_t r = ZSTD_decompress(dst, expected, src, n);
    if (ZSTD_isError(r)) {
        if (ZSTD_getErrorCode(r) == ZSTD_error_dstSize_tooSmall)
            return err_set(e, ERR_SIZE_MISMATCH, "zstd: %zu bytes decompress to more than the expected %zu",
                           n, expected);
        return err_set(e, ERR_ZSTD, "zstd: %zu bytes do not decompress: %s", n, ZSTD_getErrorName(r));
    }
    if (r != expected)
        return err_set(e, ERR_SIZE_MISMATCH, "zstd: %zu bytes decompress to %zu, expected %zu", n, r,
                       expected);
    return 0;
}

int zstd_content_size(uint64_t *size, uint64_t cap, const void *src, size_t n, struct err *e)
{
    unsigned long long r = ZSTD_getFrameContentSize(src, n);
    if (r == ZSTD_CONTENTSIZE_ERROR) return err_set(e, ERR_ZSTD, "zstd: %zu bytes are not a frame", n);
    if (r == ZSTD_CONTENTSIZE_UNKNOWN) return err_set(e, ERR_ZSTD, "zstd: the frame does not say its size");
    if (r > cap)
        return err_set(e, ERR_BOMB, "zstd: %zu bytes claim to hold %llu, at most %llu expected", n, r,
                       (unsigned long long)cap);
    *size = r;
    return 0;
}

/* ---- one frame, and nothing else ---------------------------------------------------------------------- */

enum { WINDOW_LOG_MAX = 27 };

/* Magic, descriptor (bit 5: no window follows), window (exponent above 2^10 in the upper 5 bits).
 * Source: RFC 8878, 3.1.1.1. */
static int check_header(const unsigned char *p, size_t n, struct err *e)
{
    if (n >= 4 && (p[0] & 0xf0) == 0x50 && !memcmp(p + 1, "\x2a\x4d\x18", 3))
        return err_set(e, ERR_ZSTD_EMPTY, "zstd: %zu bytes begin with a skippable frame, expected content",
                       n);
    if (n < 6) return 0;
    int log = p[4] & 0x20 ? 0 : 10 + (p[5] >> 3);
    if (log > WINDOW_LOG_MAX)
        return err_set(e, ERR_ZSTD_WINDOW, "zstd: window of 2^%d bytes, at most 2^%d", log, WINDOW_LOG_MAX);
    if (ZSTD_getDictID_fromFrame(p, n) != 0)
        return err_set(e, ERR_ZSTD_DICT, "zstd: the frame needs dictionary %u, none expected",
                       ZSTD_getDictID_fromFrame(p, n));
    return 0;
}

static int check_content(size_t expected, const void *src, size_t n, struct err *e)
{
    unsigned long long claimed = ZSTD_getFrameContentSize(src, n);
    if (claimed == ZSTD_CONTENTSIZE_UNKNOWN || claimed == ZSTD_CONTENTSIZE_ERROR || claimed == expected)
        return 0;
    return err_set(e, claimed > expected ? ERR_BOMB : ERR_SIZE_MISMATCH,
                   "zstd: %zu bytes claim to hold %llu, expected %zu", n, claimed, expected);
}

static int check_extent(const void *src, size_t n, struct err *e)
{
    size_t frame = ZSTD_findFrameCompressedSize(src, n);
    if (frame == n) return 0;
    if (!ZSTD_isError(frame))
        return err_set(e, ERR_ZSTD_TRAILING, "zstd: a frame of %zu bytes with %zu more behind it", frame,
                       n - frame);
    if (ZSTD_getErrorCode(frame) == ZSTD_error_srcSize_wrong)
        return err_set(e, ERR_ZSTD_TRUNC, "zstd: the frame is cut after %zu bytes", n);
    return err_set(e, ERR_ZSTD, "zstd: %zu bytes are not a frame: %s", n, ZSTD_getErrorName(frame));
}

static int decode(void *dst, size_t expected, const void *src, size_t n, struct err *e)
{
    int rc = check_header(src, n, e);
    if (!rc) rc = check_content(expected, src, n, e);
    if (!rc) rc = check_extent(src, n, e);
    if (rc) return rc;
    size_t r = ZSTD_decompress(dst, expected, src, n);
    if (r == expected) return 0;
    switch (ZSTD_isError(r) ? ZSTD_getErrorCode(r) : ZSTD_error_dstSize_tooSmall) {
    case ZSTD_error_checksum_wrong:
        return err_set(e, ERR_ZSTD_CRC, "zstd: the checksum of %zu bytes of content is wrong", expected);
    case ZSTD_error_dstSize_tooSmall:
        return err_set(e, ERR_SIZE_MISMATCH, "zstd: %zu bytes do not decompress to the expected %zu", n,
                       expected);
    default:
        return err_set(e, ERR_ZSTD, "zstd: %zu bytes do not decompress: %s", n, ZSTD_getErrorName(r));
    }
}

int zstd_decode_frame(void *dst, size_t expected, const void *src, size_t n, struct err *e)
{
    int rc = decode(dst, expected, src, n, e);
    if (rc) memset(dst, 0, expected);
    return rc;
}

/* ---- streams ---------------------------------------------------------------------------------------------
 */

/* A struct zstd_stream is libzstd's context under another name. */
static ZSTD_DStream *context(struct zstd_stream *z)
{
    return (ZSTD_DStream *)z;
}

struct zstd_stream *zstd_stream_create(struct err *e)
{
    ZSTD_DStream *d = ZSTD_createDStream();
    if (d && !ZSTD_isError(ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, __builtin_ctz(ZSTD_STREAM_WINDOW))))
        return (struct zstd_stream *)d;
    ZSTD_freeDStream(d);
    err_set(e, ERR_NOMEM, "zstd cannot start");
    return NULL;
}

void zstd_stream_free(struct zstd_stream *z)
{
    ZSTD_freeDStream(context(z));
}

static int stream_error(size_t r, struct err *e)
{
    switch (ZSTD_getErrorCode(r)) {
    case ZSTD_error_frameParameter_windowTooLarge:
        return err_set(
            e, ERR_TOO_LARGE,
            "zstd: decompressing needs more than the %d MiB that are given to it; compress it again, "
            "without --long or --ultra",
            ZSTD_STREAM_WINDOW >> 20);
    case ZSTD_error_memory_allocation:
        return err_set(e, ERR_NOMEM, "no memory for zstd");
    default:
        return err_set(e, ERR_ZSTD, "zstd: %s", ZSTD_getErrorName(r));
    }
}

int zstd_stream_step(struct zstd_stream *z, struct stream_step *s, struct err *e)
{
    ZSTD_inBuffer in = {s->in, s->in_left, 0};
    ZSTD_outBuffer out = {s->out, s->out_left, 0};
    size_t r = ZSTD_decompressStream(context(z), &out, &in);
    if (ZSTD_isError(r)) return stream_error(r, e);
    s->in += in.pos, s->in_left -= in.pos;
    s->out += out.pos, s->out_left -= out.pos;
    s->whole = !r || (s->whole && !in.pos && !out.pos); /* asked again at a frame's end, it wants another */
    return 0;
}

void zstd_stream_reset(struct zstd_stream *z)
{
    ZSTD_DCtx_reset(context(z), ZSTD_reset_session_only);
}
