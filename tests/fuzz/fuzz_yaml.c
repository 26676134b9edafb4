/* Any bytes as a config file. What is accepted is written as a run record, which must read back to itself. */
#include "checkpoints/yaml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct config {
    char *name, *path;
    int64_t steps;
    uint64_t seed, memory;
    double rate;
    bool packing;
    int schedule;
    struct string_list words, files;
};

#define AT(field) .at = offsetof(struct config, field)
static const struct option table[] = {
    {.key = "name", .type = OPT_STRING, AT(name), .group = "Run", .help = "x"},
    {.key = "path", .type = OPT_PATH, AT(path), .required = true, .help = "x"},
    {.key = "steps", .type = OPT_INT, AT(steps), .min = 1, .max = 1e9, .group = "Loop", .help = "x"},
    {.key = "seed", .type = OPT_UINT64, AT(seed), .preset = "42", .help = "x"},
    {.key = "memory", .type = OPT_BYTES, AT(memory), .help = "x"},
    {.key = "rate", .type = OPT_FLOAT, AT(rate), .preset = "1e-4", .help = "x"},
    {.key = "packing", .type = OPT_BOOL, AT(packing), .preset = "true", .help = "x"},
    {.key = "schedule", .type = OPT_ENUM, AT(schedule), .choices = "cosine|linear", .help = "x"},
    {.key = "words", .type = OPT_STRINGS, AT(words), .preset = "a,b", .help = "x"},
    {.key = "files", .type = OPT_PATHS, AT(files), .help = "x"},
    {0}};

/* The run record of a text, or NULL when it is refused. */
static char *record_of(const char *text, size_t len)
{
    struct config c;
    struct options o;
    struct err e = {0};
    char *record = NULL;
    size_t n;
    if (options_init(&o, table, &c, &e)) __builtin_trap();
    int code = yaml_read_options(text, len, "fuzz", &o, &e);
    if (!code) code = options_check_required(&o, &e);
    if (code && !*e.msg) __builtin_trap(); /* a refusal says why */
    if (!code) {
        FILE *f = open_memstream(&record, &n);
        options_dump_yaml(&o, f);
        fclose(f);
    }
    options_free(&o);
    return record;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = malloc(n + 1);
    memcpy(text, data, n);
    text[n] = 0;
    char *first = record_of(text, n);
    if (first) {
        char *second = record_of(first, strlen(first));
        if (!second || strcmp(first, second)) __builtin_trap();
        free(second);
    }
    free(first);
    free(text);
    return 0;
}
