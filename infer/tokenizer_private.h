/* What a tokenizer is, for tokenizer*.c only. */
#ifndef TERSE_INFER_TOKENIZER_PRIVATE_H
#define TERSE_INFER_TOKENIZER_PRIVATE_H

#include "infer/bpe.h"
#include "infer/nfc.h"
#include "infer/pretoken.h"
#include "infer/token_map.h"
#include "infer/tokenizer.h"

struct tokenizer {
    struct token_spec *tokens; /* [n], text in `bytes` */
    size_t n;
    char *bytes;
    uint32_t (*merges)[2];
    size_t n_merges;
    struct token_map map;
    struct bpe bpe;
    struct pretoken *pretoken;
    struct nfc *nfc; /* NULL: text is not normalised */
    /* Added tokens sorted by first byte, then longer first; those of byte c are added[first[c]..first[c +
     * 1]). */
    uint32_t *added, first[257];
    int32_t eos[TOKENIZER_MAX_EOS];
    int n_eos;
    char *default_system; /* NULL: none */
};

#endif
