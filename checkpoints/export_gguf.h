/* A model and its adapter leave as GGUF files, for terse-infer and llama.cpp, and answer as before when read
 * back. */
#ifndef TERSE_CHECKPOINTS_EXPORT_GGUF_H
#define TERSE_CHECKPOINTS_EXPORT_GGUF_H

#include "checkpoints/export.h"

#define EXPORT_GGUF_MODEL   "model.gguf"
#define EXPORT_GGUF_ADAPTER "adapter.gguf"

struct export_gguf_options {
    const char *model;     /* the base: folder or GGUF file */
    const char *adapter;   /* PEFT folder or GGUF file, or NULL */
    enum load_dtype dtype; /* of the model's matrices; LOAD_AUTO: as they are */
    bool merge;            /* the adapter goes into the model */
    bool base;             /* write the model too; without it, the adapter alone */
    bool check, force;
    unsigned threads;
};

/* EXISTS when `path` is there and must not be replaced: without `force`, or because it is neither a GGUF file
 * nor a folder that holds one of the two. */
int export_gguf_check_target(const char *path, bool force, struct err *e);

/* PATH ending in ".gguf" becomes one file (CFG_CONFLICT when there would be two), else a folder with
 * EXPORT_GGUF_MODEL and EXPORT_GGUF_ADAPTER. Written beside it under a temporary name, loaded again, compared
 * with what it was made from (to the bit, where nothing was merged or rounded twice), renamed. Errors:
 * EXISTS, CFG_CONFLICT, EXPORT_DIFF, those of load_all, gguf_model_save and gguf_adapter_save; PATH is then
 * what it was. */
int export_gguf(const char *path, const struct export_gguf_options *o, struct export_report *out,
                struct err *e);

#endif
