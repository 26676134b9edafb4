/* A bundle: what goes to a device together. A folder with a model, and perhaps an adapter and heads, all
 * GGUF, and the manifest bundle.txt that says what they are:
 *
 *     # comments and empty lines are passed over
 *     version = 1
 *     base = DIGEST              what the model was made from, if it is known (tokenizer, adapter likewise)
 *     model.file = model.gguf    a name in the folder: letters, digits, ".", "_", "-", not "." in front
 *     model.bytes = 123456
 *     model.sha256 = 64 hex digits
 *     adapter.file = ...         and heads.file: all three lines or none
 *
 * ASCII, a line "key = value", each key once, others are refused. */
#ifndef TERSE_INFER_BUNDLE_H
#define TERSE_INFER_BUNDLE_H

#include "infer/digest.h"
#include "infer/loaded.h"

#define BUNDLE_MANIFEST "bundle.txt"

enum bundle_part { BUNDLE_MODEL, BUNDLE_ADAPTER, BUNDLE_HEADS, BUNDLE_PARTS };
enum { BUNDLE_NAME = 128, BUNDLE_PATH = 4096, BUNDLE_TEXT = 16384 /* longest manifest */ };

struct bundle {
    struct {
        char name[BUNDLE_NAME], path[BUNDLE_PATH]; /* "" where the bundle has none */
        uint64_t bytes;
        char sha256[DIGEST_HEX];
    } part[BUNDLE_PARTS];
    char base[DIGEST_HEX], tokenizer[DIGEST_HEX], adapter[DIGEST_HEX]; /* "" unknown */
};

/* Reads a manifest's text [n]; paths stay empty. `label` names it in messages. Errors: BUNDLE (a line that is
 * none, a character), KEY_UNKNOWN, DUP_KEY, FIELD_MISSING, FIELD_RANGE, PATH (a name), VERSION. */
int bundle_parse(struct bundle *out, const char *text, size_t n, const char *label, struct err *e);
/* The text of a manifest, its length, without its NUL. */
size_t bundle_write(const struct bundle *b, char out[BUNDLE_TEXT]);

/* Reads the manifest in `folder`, fills the paths, and looks at every byte of the files. Errors:
 * FILE_MISSING, TOO_LARGE, those of bundle_parse, SIZE_MISMATCH and HASH (damaged), those of digest_file. */
int bundle_open(struct bundle *out, const char *folder, struct err *e);
/* Whether what was loaded from it is what the manifest says. Errors: BASE_HASH, TOK_HASH, AD_HASH. */
int bundle_check(const struct bundle *b, const struct loaded *l, const char *folder, struct err *e);

#endif
