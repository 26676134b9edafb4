/* A list of conversations' turns as every writer nests it: the same rows, whatever the groups are called. */
#include "data/conversations.h"
#include "data/parquet/parquet.h"
#include "tests/support/pq_bases.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { REQUIRED, OPTIONAL, REPEATED, LIST = 3 /* converted type */ };

/* The groups around {from, value}, from the outermost. */
struct nesting {
    const char *what;
    int n;
    struct {
        const char *name;
        int repetition, converted;
    } group[4];
};

static const struct nesting nestings[] = {
    {"as specified", 3, {{"conversations", OPTIONAL, LIST}, {"list", REPEATED, 0}, {"element", OPTIONAL, 0}}},
    {"pyarrow of old", 3, {{"conversations", OPTIONAL, LIST}, {"list", REPEATED, 0}, {"item", OPTIONAL, 0}}},
    {"Hive", 3, {{"conversations", OPTIONAL, LIST}, {"bag", REPEATED, 0}, {"array_element", OPTIONAL, 0}}},
    {"nothing may be null",
     3,
     {{"conversations", REQUIRED, LIST}, {"list", REPEATED, 0}, {"element", REQUIRED, 0}}},
    {"two levels (Avro)", 2, {{"conversations", OPTIONAL, LIST}, {"array", REPEATED, 0}}},
    {"two levels (Thrift)", 2, {{"conversations", REQUIRED, LIST}, {"conversations_tuple", REPEATED, 0}}},
    {"two levels, any name", 2, {{"conversations", OPTIONAL, LIST}, {"turns", REPEATED, 0}}},
    {"bare repetition (protobuf)", 1, {{"conversations", REPEATED, 0}}},
};

/* Two rows: {h, q} {g, a}; then one: {h, r}. */
static void build(const struct nesting *nest)
{
    static const char *const texts[2][3] = {{"h", "g", "h"}, {"q", "a", "r"}};
    uint8_t def = 1; /* of the texts, which may be null */
    pqb_two_columns();
    pqb.n_elements = 1 + nest->n + 2;
    pqb.elements[0] = pqb_group("schema", PQB_OMIT, 1);
    for (int i = 0; i < nest->n; i++) {
        struct pqb_element *el = &pqb.elements[1 + i];
        *el = pqb_group(nest->group[i].name, nest->group[i].repetition, i + 1 < nest->n ? 1 : 2);
        if (nest->group[i].converted) el->converted = nest->group[i].converted;
        def += nest->group[i].repetition != REQUIRED;
    }
    pqb.elements[1 + nest->n] = pqb_leaf("from", PQ_BYTE_ARRAY, OPTIONAL);
    pqb.elements[2 + nest->n] = pqb_leaf("value", PQ_BYTE_ARRAY, OPTIONAL);
    pqb.group_rows = 2;
    for (int c = 0; c < 2; c++) {
        struct pqb_page *p = &pqb.chunks[c].pages[0];
        p->body.n = 0;
        pqb_levels_v1(&p->body, (uint8_t[]){0, 1, 0}, 3, 1);
        pqb_levels_v1(&p->body, (uint8_t[]){def, def, def}, 3, def > 3 ? 3 : def > 1 ? 2 : 1);
        for (int i = 0; i < 3; i++) pqb_put_string(p, 1, texts[c][i]);
    }
    pqb_build(&pqb, &pqb_out);
}

static void turn_is(const struct conv_turn *t, const char *from, const char *value)
{
    assert_int_equal(t->from.n, 1);
    assert_int_equal(t->value.n, 1);
    assert_memory_equal(t->from.s, from, 1);
    assert_memory_equal(t->value.s, value, 1);
}

static void lists_of_turns_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof nestings / sizeof *nestings; i++) {
        struct conv_file *f;
        struct conv_row r;
        struct err e = {0};
        build(&nestings[i]);
        int code = conv_open(&f, scratch_write("list.parquet", pqb_out.data, pqb_out.n), &e);
        if (!code) code = conv_next(f, &r, &e);
        if (code != 1) fail_msg("%s: %s", nestings[i].what, e.msg);
        assert_int_equal(r.n_turns, 2);
        turn_is(&r.turns[0], "h", "q");
        turn_is(&r.turns[1], "g", "a");
        assert_int_equal(conv_next(f, &r, &e), 1);
        assert_int_equal(r.n_turns, 1);
        turn_is(&r.turns[0], "h", "r");
        assert_int_equal(conv_next(f, &r, &e), 0);
        conv_close(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lists_of_turns_are_read)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
