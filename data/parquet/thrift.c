#include "data/parquet/thrift.h"

#include <stdarg.h>
#include <stdio.h>

struct thrift thrift_init(const void *data, size_t n, struct err *e)
{
    return (struct thrift){.begin = data, .p = data, .end = (const uint8_t *)data + n, .e = e};
}

int thrift_fail(struct thrift *t, int code, const char *fmt, ...)
{
    char what[256];
    if (t->code) return 0;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    t->code = err_set(t->e, code, "%s at byte %zu", what, (size_t)(t->p - t->begin));
    return 0;
}

static size_t left(const struct thrift *t)
{
    return (size_t)(t->end - t->p);
}

static uint8_t byte(struct thrift *t)
{
    if (t->code) return 0;
    if (t->p == t->end) return (uint8_t)thrift_fail(t, ERR_THRIFT_TRUNC, "the data ends");
    return *t->p++;
}

static uint64_t varint(struct thrift *t)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t b = byte(t);
        if (shift == 63 && b > 1) break;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) return v;
    }
    thrift_fail(t, ERR_THRIFT_VARINT, "a varint does not fit 64 bits");
    return 0;
}

static int64_t zigzag(struct thrift *t)
{
    uint64_t v = varint(t);
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

static uint8_t checked_type(struct thrift *t, unsigned type)
{
    if (type < THRIFT_TRUE || type > THRIFT_STRUCT)
        thrift_fail(t, ERR_THRIFT_TYPE, "type %u does not exist", type);
    return (uint8_t)type;
}

static void enter(struct thrift *t)
{
    if (++t->depth > THRIFT_MAX_DEPTH) thrift_fail(t, ERR_DEPTH, "nested deeper than %d", THRIFT_MAX_DEPTH);
}

/* Remembers the id, so that a field given twice cannot make a parser allocate twice. */
static void note_id(struct thrift *t, struct thrift_field *f)
{
    if (f->id < 1 || f->id > 63) return;
    uint64_t bit = 1ull << f->id;
    if (f->seen & bit) thrift_fail(t, ERR_DUP_KEY, "field %d comes twice", f->id);
    f->seen |= bit;
}

bool thrift_next(struct thrift *t, struct thrift_field *f)
{
    if (!(f->seen & 1)) {
        f->seen |= 1;
        enter(t);
    }
    uint8_t head = byte(t);
    if (t->code) return false;
    if (head == THRIFT_STOP) {
        t->depth--;
        return false;
    }
    f->type = checked_type(t, head & 15);
    int64_t id = head >> 4 ? f->id + (head >> 4) : zigzag(t);
    if (id < INT16_MIN || id > INT16_MAX) thrift_fail(t, ERR_FIELD_RANGE, "field id out of range");
    if (t->code) return false;
    f->id = (int16_t)id;
    note_id(t, f);
    return !t->code;
}

void thrift_require(struct thrift *t, const struct thrift_field *f, uint64_t mask, const char *what)
{
    uint64_t missing = mask & ~f->seen;
    if (missing)
        thrift_fail(t, ERR_FIELD_MISSING, "%s lacks field %d, its struct ends", what,
                    __builtin_ctzll(missing));
}

static bool type_is(struct thrift *t, const struct thrift_field *f, bool ok, const char *wanted)
{
    if (!ok) thrift_fail(t, ERR_FIELD_TYPE, "field %d has type %d, expected %s", f->id, f->type, wanted);
    return !t->code;
}

int64_t thrift_i64(struct thrift *t, const struct thrift_field *f)
{
    if (!type_is(t, f, f->type >= THRIFT_BYTE && f->type <= THRIFT_I64, "an integer")) return 0;
    int64_t v = f->type == THRIFT_BYTE ? (int8_t)byte(t) : zigzag(t);
    return t->code ? 0 : v;
}

int32_t thrift_int(struct thrift *t, const struct thrift_field *f, int32_t low, int32_t high, int code,
                   const char *what)
{
    int64_t v = thrift_i64(t, f);
    if (t->code) return 0;
    if (v < low || v > high)
        return thrift_fail(t, code, "%s is %lld, expected %d to %d,", what, (long long)v, low, high);
    return (int32_t)v;
}

bool thrift_bool(struct thrift *t, const struct thrift_field *f)
{
    return type_is(t, f, f->type <= THRIFT_FALSE, "a boolean") && f->type == THRIFT_TRUE;
}

const uint8_t *thrift_binary(struct thrift *t, const struct thrift_field *f, size_t *n)
{
    *n = 0;
    if (!type_is(t, f, f->type == THRIFT_BINARY, "bytes")) return NULL;
    uint64_t size = varint(t);
    if (!t->code && size > left(t))
        thrift_fail(t, ERR_THRIFT_SIZE, "%llu bytes claimed, %zu left", (unsigned long long)size, left(t));
    if (t->code) return NULL;
    const uint8_t *p = t->p;
    t->p += size;
    *n = (size_t)size;
    return p;
}

uint32_t thrift_list(struct thrift *t, const struct thrift_field *f, size_t min_bytes,
                     struct thrift_field *item)
{
    *item = (struct thrift_field){.id = f->id};
    if (!type_is(t, f, f->type == THRIFT_LIST || f->type == THRIFT_SET, "a list")) return 0;
    uint8_t head = byte(t);
    uint64_t n = head >> 4 == 15 ? varint(t) : head >> 4;
    if (!t->code && n > left(t) / min_bytes)
        thrift_fail(t, ERR_THRIFT_SIZE, "%llu elements claimed, %zu bytes left", (unsigned long long)n,
                    left(t));
    if (t->code) return 0;
    if (n) item->type = checked_type(t, head & 15);
    return t->code ? 0 : (uint32_t)n;
}

static void skip_value(struct thrift *t, uint8_t type, bool in_list);

static void skip_bytes(struct thrift *t, uint64_t n)
{
    if (!t->code && n > left(t)) thrift_fail(t, ERR_THRIFT_TRUNC, "the data ends");
    if (!t->code) t->p += n;
}

static void skip_list(struct thrift *t, uint8_t type)
{
    struct thrift_field list = {.type = type}, item;
    enter(t);
    for (uint32_t n = thrift_list(t, &list, 1, &item); n && !t->code; n--) skip_value(t, item.type, true);
    t->depth--;
}

static void skip_map(struct thrift *t)
{
    uint64_t n = varint(t);
    if (!n || t->code) return;
    uint8_t types = byte(t), key = checked_type(t, types >> 4), value = checked_type(t, types & 15);
    if (n > left(t) / 2) thrift_fail(t, ERR_THRIFT_SIZE, "%llu pairs claimed", (unsigned long long)n);
    enter(t);
    for (; n && !t->code; n--) {
        skip_value(t, key, true);
        skip_value(t, value, true);
    }
    t->depth--;
}

static void skip_struct(struct thrift *t)
{
    struct thrift_field f = {0};
    while (thrift_next(t, &f)) skip_value(t, f.type, false);
}

/* A boolean is the type itself in a field, a byte of its own in a list or map. */
static void skip_value(struct thrift *t, uint8_t type, bool in_list)
{
    struct thrift_field f = {.type = type};
    size_t n;
    if (t->code) return;
    switch (type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE:
        skip_bytes(t, in_list);
        break;
    case THRIFT_BYTE:
        skip_bytes(t, 1);
        break;
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64:
        varint(t);
        break;
    case THRIFT_DOUBLE:
        skip_bytes(t, 8);
        break;
    case THRIFT_BINARY:
        thrift_binary(t, &f, &n);
        break;
    case THRIFT_LIST:
    case THRIFT_SET:
        skip_list(t, type);
        break;
    case THRIFT_MAP:
        skip_map(t);
        break;
    default:
        skip_struct(t);
    }
}

void thrift_skip(struct thrift *t, const struct thrift_field *f)
{
    skip_value(t, f->type, false);
}
