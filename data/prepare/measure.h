/* A row is rendered, tokenised and looked at: its fact. */
#ifndef TERSE_DATA_PREPARE_MEASURE_H
#define TERSE_DATA_PREPARE_MEASURE_H

#include "data/prepare/facts.h"
#include "data/prepare/workers.h"

/* Fills *out but for source and domain, with d as room. Errors: those of document_render, NOMEM. */
int measure_row(struct fact *out, struct document *d, const struct document_rules *rules,
                const struct nfc *nfc, const struct conv_row *row, struct err *e);

/* How many of ids [n] do not lie whole within the last `bytes` bytes of their text. */
uint32_t measure_before(const struct tokenizer *t, const int32_t *ids, uint32_t n, size_t bytes);

/* Where a chain of thought's last </think> ends; 0 without one. */
size_t measure_thinking(const char *text, size_t len);

#endif
