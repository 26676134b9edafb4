/* Which questions are the same, and the words of a question. */
#ifndef TERSE_DATA_PREPARE_QUESTION_H
#define TERSE_DATA_PREPARE_QUESTION_H

#include "infer/chatml.h"
#include "infer/nfc.h"

/* What the user says in a conversation, put into one form: the user's turns before the last of turns [n], one
 * after the other; Unicode form C; capitals A to Z as small letters; white space (Unicode's too) as one
 * space, none at the ends. *out is the caller's to free, *len bytes. NOMEM. */
int question_text(char **out, size_t *len, const struct chat_turn *turns, uint32_t n, const struct nfc *nfc,
                  struct err *e);

/* Hash of texts for facts and sealed files: the same in every process. */
uint64_t question_hash(const char *text, size_t len);

/* The next word of text [len] at *i, which moves past it: letters and digits alone count, capitals A to Z as
 * small ones, any byte of a character beyond ASCII as a letter. Its hash (FNV-1a) in *hash; false at the end.
 */
bool question_word(const char *text, size_t len, size_t *i, uint64_t *hash);

#endif
