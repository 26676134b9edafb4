/* Rows that checkpoints/ adds to `terse selftest`: a round trip of every format it writes. */
#ifndef TERSE_CHECKPOINTS_SELFCHECK_H
#define TERSE_CHECKPOINTS_SELFCHECK_H

#include "infer/selfcheck.h"

int selfcheck_tokenizer(char *figure, size_t n, struct err *e);
int selfcheck_safetensors(char *figure, size_t n, struct err *e);
int selfcheck_peft(char *figure, size_t n, struct err *e);
int selfcheck_state(char *figure, size_t n, struct err *e);
#define SELFCHECKS_CHECKPOINTS                                                                               \
    {"tokenizer", selfcheck_tokenizer}, {"safetensors", selfcheck_safetensors},                              \
        {"peft adapter", selfcheck_peft},                                                                    \
    {                                                                                                        \
        "training state", selfcheck_state                                                                    \
    }

#endif
