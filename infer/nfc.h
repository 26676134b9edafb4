/* Unicode normalisation form C (UAX #15), at the cost of a look at each character where nothing changes.
 *
 * Of the Unicode version that utf8proc knows (15). Hugging Face's normaliser knows 9: the 108 combining marks
 * added since are not reordered there, so text with two marks on a letter, one of them that young, may give
 * other ids. */
#ifndef TERSE_INFER_NFC_H
#define TERSE_INFER_NFC_H

#include "infer/err.h"

#include <stddef.h>

/* Which characters are inert: starters that no normalisation changes and that compose with nothing before
 * them. Immutable, shared by threads. */
struct nfc;
int nfc_create(struct nfc **out, struct err *e); /* NOMEM */
void nfc_free(struct nfc *n);                    /* NULL ok */

/* Normalises valid UTF-8. *out == NULL: the text is in form C already. Otherwise out[0..*out_len) is the new
 * text, the caller's to free. O(len log len). NOMEM. */
int nfc_normalize(const struct nfc *n, const char *s, size_t len, char **out, size_t *out_len, struct err *e);

#endif
