#include "train/tfevents.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- checksum ------------------------------------------------------------------------------------------ */

uint32_t crc32c(const void *data, size_t n)
{
    const uint8_t *p = data;
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

/* A checksum of data that holds checksums is weak, hence TFRecord's mask. */
static uint32_t masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

/* ---- protobuf: little-endian fields behind a tag of number << 3 | wire type -------------------------------
 */

static uint8_t *put_le(uint8_t *p, uint64_t x, int bytes)
{
    for (int i = 0; i < bytes; i++) *p++ = (uint8_t)(x >> 8 * i);
    return p;
}

static uint64_t get_le(const uint8_t *p, int bytes)
{
    uint64_t x = 0;
    for (int i = 0; i < bytes; i++) x |= (uint64_t)p[i] << 8 * i;
    return x;
}

static uint8_t *put_varint(uint8_t *p, uint64_t x)
{
    for (; x >= 0x80; x >>= 7) *p++ = (uint8_t)(x | 0x80);
    *p++ = (uint8_t)x;
    return p;
}

static uint8_t *put_bytes(uint8_t *p, int field, const void *data, size_t n)
{
    *p++ = (uint8_t)(field << 3 | 2);
    p = put_varint(p, n);
    memcpy(p, data, n);
    return p + n;
}

static uint8_t *put_double(uint8_t *p, int field, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    *p++ = (uint8_t)(field << 3 | 1);
    return put_le(p, bits, 8);
}

static uint8_t *put_float(uint8_t *p, int field, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    *p++ = (uint8_t)(field << 3 | 5);
    return put_le(p, bits, 4);
}

/* ---- records ------------------------------------------------------------------------------------------- */

enum { HEAD = 12, FOOT = 4 };

/* Frames the event that stands at out + HEAD; returns the length of the record. */
static size_t frame(uint8_t *out, const uint8_t *end)
{
    size_t n = (size_t)(end - out) - HEAD;
    put_le(out, n, 8);
    put_le(out + 8, masked(crc32c(out, 8)), 4);
    put_le(out + HEAD + n, masked(crc32c(out + HEAD, n)), 4);
    return HEAD + n + FOOT;
}

size_t tfevents_version_record(double wall_time, uint8_t *out)
{
    uint8_t *p = put_double(out + HEAD, 1, wall_time);
    return frame(out, put_bytes(p, 3, "brain.Event:2", 13));
}

static uint8_t *put_value(uint8_t *p, const struct tfevents_value *v)
{
    uint8_t body[256], *end = put_bytes(body, 1, v->tag, strnlen(v->tag, 200));
    end = put_float(end, 2, v->value);
    return put_bytes(p, 1, body, (size_t)(end - body));
}

size_t tfevents_scalar_record(double wall_time, uint64_t step, const struct tfevents_value *values, size_t n,
                              uint8_t *out)
{
    uint8_t summary[TFEVENTS_RECORD_MAX - 64], *end = summary;
    for (size_t i = 0; i < n; i++) end = put_value(end, &values[i]);
    uint8_t *p = put_double(out + HEAD, 1, wall_time);
    *p++ = 2 << 3;
    p = put_varint(p, step);
    return frame(out, put_bytes(p, 5, summary, (size_t)(end - summary)));
}

/* ---- reading back -------------------------------------------------------------------------------------- */

/* Step of an event as written above: field 1 is a double, field 2 (absent: 0) a varint. */
static uint64_t step_of(const uint8_t *event, size_t n)
{
    uint64_t step = 0;
    if (n < 11 || event[9] != 2 << 3) return 0;
    for (size_t i = 10, shift = 0; i < n && shift < 64; i++, shift += 7) {
        step |= (uint64_t)(event[i] & 0x7f) << shift;
        if (!(event[i] & 0x80)) break;
    }
    return step;
}

/* The whole record at `at` in buf[TFEVENTS_RECORD_MAX], or 0 when it is torn or none of ours. */
static size_t read_record(int fd, uint64_t at, uint8_t *buf, int *failed)
{
    ssize_t got = pread(fd, buf, TFEVENTS_RECORD_MAX, (off_t)at);
    *failed = got < 0 ? errno : 0;
    if (got < HEAD + FOOT || get_le(buf + 8, 4) != masked(crc32c(buf, 8))) return 0;
    uint64_t n = get_le(buf, 8);
    if (n > (uint64_t)got - HEAD - FOOT || get_le(buf + HEAD + n, 4) != masked(crc32c(buf + HEAD, n)))
        return 0;
    return HEAD + (size_t)n + FOOT;
}

int tfevents_scan(int fd, uint64_t step, uint64_t *keep, uint64_t *last, struct err *e)
{
    uint8_t buf[TFEVENTS_RECORD_MAX];
    int failed;
    *keep = *last = 0;
    for (size_t n; (n = read_record(fd, *keep, buf, &failed)); *keep += n) {
        uint64_t at = step_of(buf + HEAD, n - HEAD - FOOT);
        if (at > step) return 0;
        if (at > *last) *last = at;
    }
    return failed ? err_errno(e, failed, "cannot read an event file") : 0;
}
