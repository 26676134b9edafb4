#include "data/brotli.h"

#include <brotli/decode.h>

int brotli_decompress(void *dst, size_t expected, const void *src, size_t n, struct err *e)
{
    const uint8_t *in = src;
    uint8_t *out = dst;
    size_t in_left = n, out_left = expected;
    BrotliDecoderState *s = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    if (!s) return err_set(e, ERR_NOMEM, "brotli cannot start");
    BrotliDecoderResult r = BrotliDecoderDecompressStream(s, &in_left, &in, &out_left, &out, NULL);
    const char *why = BrotliDecoderErrorString(BrotliDecoderGetErrorCode(s));
    BrotliDecoderDestroyInstance(s);
    switch (r) {
    case BROTLI_DECODER_RESULT_SUCCESS:
        if (in_left) return err_set(e, ERR_BROTLI, "brotli: %zu of %zu bytes follow its end", in_left, n);
        if (!out_left) return 0;
        return err_set(e, ERR_SIZE_MISMATCH, "brotli: %zu bytes decompress to %zu, expected %zu", n,
                       expected - out_left, expected);
    case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
        return err_set(e, ERR_SIZE_MISMATCH, "brotli: %zu bytes decompress to more than the expected %zu", n,
                       expected);
    case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
        return err_set(e, ERR_BROTLI, "brotli: %zu bytes do not decompress: the data ends early", n);
    default:
        return err_set(e, ERR_BROTLI, "brotli: %zu bytes do not decompress: %s", n, why);
    }
}
