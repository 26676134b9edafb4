/* Chunks decoded by ourselves: the frames of section H5 (H556 to H567), and shuffle. */
#include "checkpoints/chunk.h"
#include "checkpoints/zstd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 256, BYTES = 4 * N };

static const struct chunk_codec plain_zstd = {.count = N, .width = 4, .zstd = 1};

static int decode(const struct chunk_codec *c, const void *src, size_t n, unsigned char *out, struct err *e)
{
    unsigned char *scratch = malloc(BYTES * 2), *exact = malloc(n ? n : 1); /* bounds that ASan watches */
    memcpy(exact, src, n);
    memset(out, 0xaa, BYTES);
    int rc = chunk_decode(c, exact, n, out, scratch, e);
    free(exact);
    free(scratch);
    return rc;
}

static void fill(unsigned char *data)
{
    for (uint32_t i = 0; i < BYTES; i++) data[i] = (unsigned char)(i * i >> 5);
}

static size_t frame_of(const unsigned char *data, size_t n, unsigned char *frame, size_t cap)
{
    size_t used = 0;
    assert_int_equal(zstd_compress(frame, cap, &used, data, n, 3, NULL), 0);
    return used;
}

#define MAGIC   "\x28\xb5\x2f\xfd"
#define F(text) text, sizeof text - 1

/* By hand: descriptor, then window or content size, then blocks. RLE block of n bytes: n << 3 | 2 (| 1). */
static const struct {
    const char *id, *frame;
    size_t n;
    int code;
} frames[] = {
    {"H556", F("\0\xb5\x2f\xfd\x20\xff"), ERR_ZSTD},
    {"nothing", F(""), ERR_ZSTD_TRUNC},
    {"H557", F(MAGIC "\x01\x50\x07\x03\x20\0z"), ERR_ZSTD_DICT},
    {"H558", F("\x50\x2a\x4d\x18\x04\0\0\0skip"), ERR_ZSTD_EMPTY},
    {"H559", F(MAGIC "\xe0\0\0\0\0\0\1\0\0"), ERR_BOMB},
    {"H560", F(MAGIC "\x00\x50\x03\x20\0z"), 0},
    {"H561 less", F(MAGIC "\x60\xfc\2\xe3\x1f\0z"), ERR_SIZE_MISMATCH},
    {"H561 says nothing, holds less", F(MAGIC "\x00\x50\xfb\x1f\0z"), ERR_SIZE_MISMATCH},
    {"H561 says so, holds less", F(MAGIC "\x60\0\3\xfb\x1f\0z"), ERR_ZSTD},
    {"H562", F(MAGIC "\x00\xa8\x03\x20\0z"), ERR_ZSTD_WINDOW},
    {"H562 2^28", F(MAGIC "\x00\x90\x03\x20\0z"), ERR_ZSTD_WINDOW},
    {"H566 reserved bit", F(MAGIC "\x08\x50\x03\x20\0z"), ERR_ZSTD},
    {"H566 block type 3", F(MAGIC "\x00\x50\x07\x20\0z"), ERR_ZSTD},
    {"H567 says it", F(MAGIC "\xa0\0\0\0\x40\x03\x20\0z"), ERR_BOMB},
};

static void hostile_frames(void **state)
{
    (void)state;
    unsigned char out[BYTES];
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        struct err e = {0};
        int rc = decode(&plain_zstd, frames[i].frame, frames[i].n, out, &e);
        if (rc != frames[i].code || (rc && !e.msg[0]))
            fail_msg("%s: %s \"%s\", expected %s", frames[i].id, err_name(rc), e.msg,
                     err_name(frames[i].code));
        for (int k = 0; k < BYTES; k++) assert_int_equal(out[k], rc ? 0 : 'z');
    }
}

/* H567 without saying it: 8,192 blocks of 128 KiB of zeros in 32 KiB, each repeated from one byte. */
static void a_bomb_that_does_not_say_so(void **state)
{
    (void)state;
    enum { BLOCKS = 8192 };
    unsigned char *bomb = malloc(6 + 4 * BLOCKS), out[BYTES];
    memcpy(bomb, MAGIC "\0\x50", 6);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        uint32_t head = 131072u << 3 | 2 | (i + 1 == BLOCKS);
        memcpy(bomb + 6 + 4 * i, &head, 3);
        bomb[6 + 4 * i + 3] = 0;
    }
    assert_int_equal(decode(&plain_zstd, bomb, 6 + 4 * BLOCKS, out, NULL), ERR_SIZE_MISMATCH);
    free(bomb);
}

/* H564, H565: cut at every byte, and with every kind of thing behind it. */
static void cut_or_followed(void **state)
{
    (void)state;
    unsigned char data[BYTES], frame[2 * BYTES + 64], out[BYTES];
    fill(data);
    size_t n = frame_of(data, BYTES, frame, sizeof frame);
    assert_int_equal(decode(&plain_zstd, frame, n, out, NULL), 0);
    assert_memory_equal(out, data, BYTES);
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_equal(decode(&plain_zstd, frame, cut, out, NULL), ERR_ZSTD_TRUNC);
        for (int k = 0; k < BYTES; k++) assert_int_equal(out[k], 0);
    }
    frame[n] = 0;
    assert_int_equal(decode(&plain_zstd, frame, n + 1, out, NULL), ERR_ZSTD_TRAILING);
    memcpy(frame + n, frame, n);
    assert_int_equal(decode(&plain_zstd, frame, 2 * n, out, NULL), ERR_ZSTD_TRAILING);
}

/* H563: four bytes of xxHash behind a frame whose descriptor announces them. */
static void checksum(void **state)
{
    (void)state;
    unsigned char out[BYTES];
    static const char frame[] = MAGIC "\x04\x50\x03\x20\0z\1\2\3\4";
    assert_int_equal(decode(&plain_zstd, frame, sizeof frame - 1, out, NULL), ERR_ZSTD_CRC);
}

/* Whatever byte is turned: the right bytes or an error, and never more than was asked for. */
static void every_byte_turned(void **state)
{
    (void)state;
    unsigned char data[BYTES], frame[2 * BYTES], out[BYTES];
    fill(data);
    size_t n = frame_of(data, BYTES, frame, sizeof frame);
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct err e = {0};
            frame[i] ^= (unsigned char)(1 << bit);
            int rc = decode(&plain_zstd, frame, n, out, &e);
            assert_true(rc == 0 || e.msg[0]);
            frame[i] ^= (unsigned char)(1 << bit);
        }
}

static void shuffled(void **state)
{
    (void)state;
    static const uint32_t widths[] = {1, 4, 8};
    for (int w = 0; w < 3; w++) {
        struct chunk_codec c = {.count = BYTES / widths[w], .width = widths[w], .zstd = 1, .shuffle = 1};
        unsigned char data[BYTES], mixed[BYTES], frame[2 * BYTES], out[BYTES];
        fill(data);
        for (uint32_t i = 0; i < c.count; i++)
            for (uint32_t k = 0; k < c.width; k++) mixed[k * c.count + i] = data[i * c.width + k];
        size_t n = frame_of(mixed, BYTES, frame, sizeof frame);
        assert_true(n <= chunk_bound(&c));
        assert_int_equal(decode(&c, frame, n, out, NULL), 0);
        assert_memory_equal(out, data, BYTES);
    }
}

static void as_it_is(void **state)
{
    (void)state;
    const struct chunk_codec c = {.count = N, .width = 4};
    unsigned char data[BYTES + 1] = {7, 8, 9}, out[BYTES];
    assert_int_equal(chunk_bound(&c), BYTES);
    assert_int_equal(decode(&c, data, BYTES, out, NULL), 0);
    assert_memory_equal(out, data, BYTES);
    assert_int_equal(decode(&c, data, BYTES - 1, out, NULL), ERR_H5_CHUNK);
    assert_int_equal(decode(&c, data, BYTES + 1, out, NULL), ERR_H5_CHUNK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_frames),    cmocka_unit_test(a_bomb_that_does_not_say_so),
        cmocka_unit_test(cut_or_followed),   cmocka_unit_test(checksum),
        cmocka_unit_test(every_byte_turned), cmocka_unit_test(shuffled),
        cmocka_unit_test(as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
