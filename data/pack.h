/* Documents of a window into rows: best fit, longest first. */
#ifndef TERSE_DATA_PACK_H
#define TERSE_DATA_PACK_H

#include "infer/err.h"

#include <stdint.h>

struct packer; /* scratch for windows of one size; one thread at a time */

/* capacity: tokens of a row; most: documents of a window. NOMEM. */
int packer_create(struct packer **out, uint32_t capacity, uint32_t most, struct err *e);
void packer_free(struct packer *p); /* NULL ok */

/* Packs docs[n] of these lengths (1 to capacity each, n <= most) into rows and reorders docs so that those of
 * a row stand side by side, in the order they came in: row r holds docs[start[r] .. start[r + 1]), start has
 * n + 1 places. Returns the rows. Each document goes into the fullest row that still has room, longest first;
 * rows then come in an order keyed by `key`, or lengths would fall within the window. together 0: one
 * document a row. */
uint32_t pack(struct packer *p, uint32_t *docs, const uint32_t *lengths, uint32_t n, int together,
              uint64_t key, uint32_t *start);

#endif
