/* Tokens found by their bytes: short ones, whose bytes are in the slot, and long ones, whose are not. */
#include "infer/rng.h"
#include "infer/token_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TOKENS = 4000, LONGEST = 20 };

/* The k-th text: two letters and a NUL byte, so that many differ in one place, or only in their length. */
static uint32_t draw(uint64_t k, char *text)
{
    uint32_t len = 1 + rng_u32(5, k, 0) % LONGEST;
    for (uint32_t i = 0; i < len; i++) text[i] = "abababa\0"[rng_u32(5, k, 1 + i) % 8];
    return len;
}

static int32_t look_for(const struct token_spec *t, size_t n, const char *text, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (t[i].len == len && !memcmp(t[i].text, text, len)) return (int32_t)i;
    return -1;
}

static void finds_what_was_added_and_nothing_else(void **state)
{
    (void)state;
    static char bytes[TOKENS][LONGEST];
    static struct token_spec tokens[TOKENS];
    struct token_map m;
    char text[LONGEST];
    assert_int_equal(token_map_create(&m, tokens, TOKENS, NULL), 0);
    size_t n = 0;
    for (uint64_t k = 0; n < TOKENS && k < 4 * TOKENS; k++) {
        tokens[n] = (struct token_spec){.text = bytes[n], .len = draw(k, bytes[n])};
        int32_t other = look_for(tokens, n, bytes[n], tokens[n].len);
        assert_int_equal(token_map_find(&m, bytes[n], tokens[n].len), other);
        assert_int_equal(token_map_add(&m, (uint32_t)n), other);
        n += other < 0;
    }
    assert_true(n > TOKENS / 2);
    for (size_t i = 0; i < n; i++) assert_int_equal(token_map_find(&m, tokens[i].text, tokens[i].len), i);
    for (uint64_t k = 0; k < 8 * TOKENS; k++) {
        uint32_t len = draw(k, text);
        assert_int_equal(token_map_find(&m, text, len), look_for(tokens, n, text, len));
    }
    assert_int_equal(token_map_find(&m, "", 0), -1);
    token_map_free(&m);
}

static void remembers_what_is_learned(void **state)
{
    (void)state;
    const struct token_spec tokens[] = {{"ab", 2, TOKEN_NORMAL}, {"a long, long token", 18, TOKEN_NORMAL}};
    static const enum word_state states[] = {WORD_WHOLE, WORD_SPLIT};
    struct token_map m;
    assert_int_equal(token_map_create(&m, tokens, 2, NULL), 0);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(token_map_add(&m, i), -1);
        struct token_slot *s = token_map_slot(&m, tokens[i].text, tokens[i].len);
        assert_int_equal(token_slot_state(s), WORD_UNKNOWN);
        for (int twice = 0; twice < 2; twice++) token_slot_learn(s, states[i]);
        assert_int_equal(token_slot_state(s), states[i]);
        assert_int_equal(token_slot_id(s), i);
    }
    assert_int_equal(token_slot_id(token_map_slot(&m, "ba", 2)), -1);
    assert_int_equal(token_slot_state(token_map_slot(&m, "ba", 2)), WORD_UNKNOWN);
    token_map_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_added_and_nothing_else),
        cmocka_unit_test(remembers_what_is_learned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
