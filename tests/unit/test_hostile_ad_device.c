/* Section AD of the hostile inputs, AD52 and AD53: the adapter as a device gets it, an adapter's GGUF file as
 * our exporter writes it, spoilt and given to libterse. (test_hostile_gg_*.c do this to GGUF files of every
 * kind.) */
#include "infer/file_open.h"
#include "infer/gguf.h"
#include "tests/support/gguf_bytes.h"
#include "tests/support/scratch.h"
#include "tests/support/terse_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct file {
    char *data; /* [n], owned */
    size_t n;
};

static struct file sound(void)
{
    struct file f;
    struct err e = {0};
    if (file_load(rig.files.adapter, 1 << 24, &f.data, &f.n, &e)) fail_msg("%s", e.msg);
    return f;
}

/* Frees it. kind NULL: it loads. */
static void load(const char *id, struct file *f, const char *kind)
{
    struct terse_adapter *a;
    const char *path = scratch_write("spoilt.gguf", f->data, f->n);
    int r = terse_adapter_load(&a, rig.model, path, &rig.e);
    if (!a != !!r) fail_msg("%s: result %d and pointer disagree", id, r);
    if (!!r != !!kind || (r && (strcmp(rig.e.kind, kind) || !strstr(rig.e.message, "spoilt.gguf"))))
        fail_msg("%s: \"%s\" [%s], expected %s", id, r ? rig.e.message : "it loads", r ? rig.e.kind : "",
                 kind ? kind : "an adapter");
    terse_adapter_free(a);
    free(f->data);
}

/* general.alignment put in front, and a second key that makes it 64 bytes, so that all else stays aligned. */
static struct file with_alignment(uint32_t alignment)
{
    enum { HEAD = 24, MORE = 64 };
    struct file f = sound();
    struct gguf_bytes b = {0};
    uint64_t keys;
    memcpy(&keys, f.data + 16, sizeof keys);
    keys += 2;
    gb_put(&b, f.data, 16);
    gb_u64(&b, keys);
    gb_key_u32(&b, "general.alignment", alignment);
    gb_key_string(&b, "filling", "1234");
    assert_int_equal(b.n, HEAD + MORE);
    gb_put(&b, f.data + HEAD, f.n - HEAD);
    free(f.data);
    return (struct file){b.data, b.n};
}

static void first_bytes(void **state)
{
    (void)state;
    struct file f = sound();
    load("sound", &f, NULL);
    f = sound(), memcpy(f.data, "GGML", 4);
    load("AD52 magic", &f, "GG_MAGIC");
    f = sound(), memcpy(f.data, "PK\3\4", 4);
    load("AD52 zip", &f, "GG_MAGIC");
    f = sound(), memcpy(f.data + 4, "\0\0\0\3", 4);
    load("AD52 endian", &f, "GG_ENDIAN");
    static const struct {
        uint32_t to;
        const char *kind;
    } rows[] = {
        {32, NULL}, {0, "GG_ALIGN"}, {3, "GG_ALIGN"}, {1u << 31, "GG_ALIGN"}, {UINT32_MAX, "GG_ALIGN"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        f = with_alignment(rows[i].to);
        load("AD52 alignment", &f, rows[i].kind);
    }
}

/* Where tensor `name` says its bytes begin. */
static char *offset_of(const struct file *f, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 24; i + len < f->n; i++) {
        uint32_t rank;
        if (memcmp(f->data + i, name, len)) continue;
        memcpy(&rank, f->data + i + len, sizeof rank);
        return f->data + i + len + 4 + 8 * rank + 4;
    }
    fail_msg("there is no tensor %s", name);
    return NULL;
}

/* The offset of every tensor but the first becomes `from`'s own, plus `by`. */
static void move(const char *id, int64_t by, const char *kind)
{
    struct gguf *g;
    struct err e = {0};
    if (gguf_open(&g, rig.files.adapter, &e)) fail_msg("%s", e.msg);
    for (size_t i = 1; i < gguf_count(g); i++) {
        struct file f = sound();
        char *at = offset_of(&f, gguf_at(g, i)->name);
        int64_t offset;
        memcpy(&offset, at, sizeof offset);
        offset += by;
        memcpy(at, &offset, sizeof offset);
        load(id, &f, kind);
    }
    gguf_close(g);
}

static void sections(void **state)
{
    (void)state;
    move("AD53 in place", 0, NULL);
    move("AD53 unaligned", 1, "OFFSETS");
    move("AD53 overlap", -32, "OVERLAP");
    move("AD53 hole", 32, "HOLE");
    move("AD53 far hole", (int64_t)1 << 40, "HOLE");
    move("AD53 before the beginning", -((int64_t)1 << 40), "HOLE");
    struct file f = sound();
    for (size_t cut = 1; cut < f.n / 2; cut *= 3) {
        struct file shorter = sound();
        shorter.n -= cut;
        load("AD53 past the end", &shorter, "DATA_PAST_EOF");
    }
    free(f.data);
    f = sound();
    f.data = realloc(f.data, f.n + 1);
    f.data[f.n++] = 0;
    load("AD53 longer", &f, "TRAILING");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_bytes),
        cmocka_unit_test(sections),
    };
    return cmocka_run_group_tests(tests, terse_rig_setup, terse_rig_teardown);
}
