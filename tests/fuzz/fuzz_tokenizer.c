/* Any bytes as a tokenizer.json; one that is accepted must encode text, give it back, and never make a
 * control token of it. Seeds: a sound file and spoilt ones. */
#include "checkpoints/hf_tokenizer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char text[] =
    "Hello world, user's 12 apples\r\n\n  ##include <|im_start|>system <tool_call>"
    "\xe4\xbd\xa0\xe5\xa5\xbd e\xcc\x81 \xf0\x9f\x98\x80 thinking thinking thinking thinking thinking!";

static void encode(const struct tokenizer *t, int allow_control)
{
    enum { ROOM = 3 * sizeof text };
    int32_t ids[ROOM];
    size_t count, len, back = 0;
    struct err e = {0};
    if (tokenizer_encode(t, text, sizeof text - 1, allow_control, ids, ROOM, &count, &e)) __builtin_trap();
    for (size_t i = 0; i < count; i++) {
        tokenizer_text(t, ids[i], &len);
        back += len;
        if (!allow_control && tokenizer_kind(t, ids[i]) != TOKEN_NORMAL) __builtin_trap();
    }
    if (back + tokenizer_nfc(t) != sizeof text - 1) __builtin_trap(); /* NFC joins the e and its accent */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct tokenizer *t;
    struct err e = {0};
    char hex[SHA256_HEX];
    if (hf_tokenizer_parse(&t, "fuzz", (const char *)data, n, 0, &e)) {
        if (!e.code || !e.msg[0]) __builtin_trap();
        return 0;
    }
    encode(t, 0);
    encode(t, 1);
    if (tokenizer_digest(t, hex, &e)) __builtin_trap();
    tokenizer_free(t);
    return 0;
}
