/* 2 MiB of generated text in many scripts, code and mathematics: the ids of Hugging Face's tokenizers.
 * scripts/fixtures/tokenizer_fixture.py made the digests and says how the text is generated. */
#include "checkpoints/file.h"
#include "checkpoints/sha256.h"
#include "infer/utf8.h"
#include "tests/support/scratch.h"
#include "tests/support/tiny_tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIXTURE "tests/fixtures/tokenizer/"
enum { BLOCK = 16384, BLOCKS = 128, ROOM = 2 * BLOCK, MAX_GROUPS = 32, MAX_PIECES = 1024 };

/* ---- the pieces
 * --------------------------------------------------------------------------------------------- */

struct piece {
    uint32_t copies, low, high; /* a range of code points where high > 0, else text */
    char text[128];
    size_t len;
};

static struct piece pieces[MAX_PIECES];
static size_t first_of[MAX_GROUPS + 1], groups; /* pieces of group g: first_of[g] .. first_of[g + 1] */

static size_t unescape(const char *s, char *out)
{
    static const char from[] = "nrts\\", to[] = "\n\r\t \\";
    size_t n = 0;
    while (*s) {
        if (*s != '\\') {
            out[n++] = *s++;
        } else if (s[1] == 'u') {
            char *end;
            n += utf8_encode((uint32_t)strtoul(s + 3, &end, 16), out + n);
            s = end + 1;
        } else {
            out[n++] = to[strchr(from, s[1]) - from];
            s += 2;
        }
    }
    return n;
}

static void read_piece(struct piece *p, char *line)
{
    char *end;
    *p = (struct piece){.copies = 1};
    if (line[0] == '*') {
        p->copies = (uint32_t)strtoul(line + 1, &end, 10);
        line = end + 1;
    }
    if (line[0] == '~') {
        p->low = (uint32_t)strtoul(line + 1, &end, 16);
        p->high = (uint32_t)strtoul(end + 1, NULL, 16);
    } else {
        assert_true(strlen(line) < sizeof p->text);
        p->len = unescape(line, p->text);
    }
}

static void read_pieces(void)
{
    struct err e = {0};
    char *text, *save = NULL;
    size_t n, count = 0;
    if (file_load(FIXTURE "pieces.txt", 1 << 20, &text, &n, &e)) fail_msg("%s", e.msg);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (line[0] == '@')
            first_of[groups++] = count;
        else if (groups)
            read_piece(&pieces[count++], line);
        assert_true(groups < MAX_GROUPS && count < MAX_PIECES);
    }
    first_of[groups] = count;
    free(text);
}

/* ---- a block of text
 * ---------------------------------------------------------------------------------------- */

static uint64_t random_state;

static uint32_t below(uint32_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % n);
}

static size_t make_block(uint32_t b, char *text)
{
    size_t n = 0;
    random_state = b;
    while (n < BLOCK) {
        size_t group = below(8) == 0 ? below((uint32_t)groups) : b % groups;
        const struct piece *p =
            &pieces[first_of[group] + below((uint32_t)(first_of[group + 1] - first_of[group]))];
        for (uint32_t copies = 1 + below(p->copies); copies > 0; copies--) {
            if (p->high) {
                n += utf8_encode(p->low + below(p->high - p->low + 1), text + n);
            } else {
                memcpy(text + n, p->text, p->len);
                n += p->len;
            }
        }
        assert_true(n + 4096 < ROOM);
    }
    return n;
}

/* ---- the test
 * ----------------------------------------------------------------------------------------------- */

static void check_block(const struct tokenizer *t, uint32_t b, const char *want)
{
    static char text[ROOM];
    static int32_t ids[3 * ROOM];
    struct err e = {0};
    char text_hex[SHA256_HEX], ids_hex[SHA256_HEX], got[256];
    size_t n = make_block(b, text), count;
    if (tokenizer_encode(t, text, n, 0, ids, 3 * ROOM, &count, &e)) fail_msg("block %u: %s", b, e.msg);
    assert_int_equal(sha256_hex(text, n, text_hex, &e), 0);
    assert_int_equal(sha256_hex(ids, count * sizeof *ids, ids_hex, &e), 0);
    snprintf(got, sizeof got, "%zu %.16s", n, text_hex);
    if (strncmp(want, got, strlen(got)) != 0)
        fail_msg("block %u is other text than the fixture's: %s, expected %.32s", b, got, want);
    snprintf(got, sizeof got, "%zu %.16s %zu %s", n, text_hex, count, ids_hex);
    if (strcmp(want, got) != 0) fail_msg("block %u (group %zu): %s, expected %s", b, b % groups, got, want);
}

static void same_ids(void **state)
{
    (void)state;
    struct err e = {0};
    char *want, *save = NULL;
    size_t n;
    struct tokenizer *t = qwen_tokenizer();
    if (!t) skip();
    read_pieces();
    if (file_load(FIXTURE "blocks.txt", 1 << 20, &want, &n, &e)) fail_msg("%s", e.msg);
    strtok_r(want, "\n", &save); /* the heading */
    for (uint32_t b = 0; b < BLOCKS; b++) {
        const char *line = strtok_r(NULL, "\n", &save);
        if (!line) fail_msg("%sblocks.txt ends at block %u", FIXTURE, b);
        check_block(t, b, line);
    }
    free(want);
    tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_ids)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
