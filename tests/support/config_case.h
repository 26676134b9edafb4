/* Configs that are put together to be refused. */
#ifndef TERSE_TESTS_CONFIG_CASE_H
#define TERSE_TESTS_CONFIG_CASE_H

#include "train/sft_options.h"

/* One row of a table of them. */
struct config_row {
    const char *id, *text;
    int code;
    const char *says; /* a part of the message: the key, the line ... */
    size_t len;       /* 0: strlen(text) */
};

/* Fails the test unless `code` and the message are the row's. */
void config_row_check(const struct config_row *row, int code, const struct err *e);

/* The config of an SFT run, its options and why it was refused. options_free(&r->o) frees it. */
struct sft_case {
    struct sft_config c;
    struct options o;
    struct err e;
};

void sft_case_init(struct sft_case *r);
/* Initialises it and reads these bytes as "run.yaml"; returns what the reader returns. */
int sft_case_read(struct sft_case *r, const char *text, size_t len);

#endif
