/* A model, its adapter and its heads leave together: a folder that a device opens as one (infer/bundle.h). */
#ifndef TERSE_CHECKPOINTS_EXPORT_BUNDLE_H
#define TERSE_CHECKPOINTS_EXPORT_BUNDLE_H

#include "checkpoints/export_gguf.h"
#include "infer/head.h"

#define EXPORT_GGUF_HEADS "heads.gguf"

struct export_bundle_options {
    struct export_gguf_options gguf; /* base is written, nothing is merged */
    const char
        *heads[HEAD_TASKS]; /* safetensors or GGUF files, or NULL; a later one replaces an earlier one's */
};

/* Makes the folder PATH: written beside it under a temporary name, models compared with what they were made
 * from as export_gguf does, opened as a device opens it, renamed. Errors: EXISTS (PATH is there: without
 * force, or because it is no bundle), those of export_gguf, head_file_load_any, bundle_open, load_gguf and
 * bundle_check: what does not belong together is not written. PATH is then what it was. */
int export_bundle(const char *path, const struct export_bundle_options *o, struct export_report *out,
                  struct err *e);

#endif
