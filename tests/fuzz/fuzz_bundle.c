/* Any bytes as a bundle's manifest. What is accepted is written as one that reads back to itself. */
#include "infer/bundle.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct bundle first, second;
    static char text[BUNDLE_TEXT], again[BUNDLE_TEXT];
    struct err e = {0};
    int rc = bundle_parse(&first, (const char *)data, n, "fuzz", &e);
    if (rc && (e.code != rc || !e.msg[0])) __builtin_trap();
    if (rc) return 0;
    size_t len = bundle_write(&first, text);
    if (bundle_parse(&second, text, len, "fuzz", &e)) __builtin_trap();
    if (bundle_write(&second, again) != len || memcmp(text, again, len) != 0) __builtin_trap();
    for (int i = 0; i < BUNDLE_PARTS; i++)
        if (strchr(first.part[i].name, '/') || first.part[i].name[0] == '.') __builtin_trap();
    return 0;
}
