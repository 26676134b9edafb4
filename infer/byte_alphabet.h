/* GPT-2's byte alphabet, in which vocabularies and merges are spelled: printable bytes stand for themselves,
 * the rest are moved to U+0100 and up. */
#ifndef TERSE_INFER_BYTE_ALPHABET_H
#define TERSE_INFER_BYTE_ALPHABET_H

#include <stddef.h>
#include <stdint.h>

/* Writes the raw bytes of s[0..len) (valid UTF-8) to `out`, at most len of them. Returns how many, or -1 with
 * *bad = the offset of a character outside the alphabet. */
int64_t alphabet_undo(const char *s, size_t len, char *out, size_t *bad);

/* Spells the raw bytes s[0..len) in UTF-8, at most 2 * len bytes of `out`. Returns how many. */
size_t alphabet_spell(const char *s, size_t len, char *out);

#endif
