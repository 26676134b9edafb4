/* From files of any size to what is trained on, in stages whose results stay on the disk:
 *
 *   scan     each source file: tokenised row by row, and only facts are kept        WORK/facts-KEY
 *            with evaluation sets: which questions are theirs                       WORK/flags-KEY
 *   select   rows are chosen and ordered, from facts alone, all files together
 *   tokens   each source file: the chosen rows, tokenised again                     WORK/sheaf-KEY
 *   gather   each shard: its documents out of the sheaves                             OUTPUT.tmp, then OUTPUT
 *
 * A KEY is a digest of everything that decides what the file says, so a file that is there is used. Files are
 * written aside, fsynced and renamed. So whatever is killed goes on where it was, at the cost of one file of
 * one stage; what changes in a recipe makes only those files again that depend on it; and the bytes of the
 * result do not depend on how often it was killed, or on threads. Tokenising twice costs time that disks of
 * the size of all tokens would cost too.
 *
 * Memory: two batches of rows, one row group of a parquet file, 48 bytes a row of all sources while choosing,
 * 56 bytes a chosen row and a shard while gathering. */
#ifndef TERSE_DATA_PREPARE_PREPARE_H
#define TERSE_DATA_PREPARE_PREPARE_H

#include "data/prepare/gather.h"
#include "data/prepare/select.h"

enum prepare_stage {
    PREPARE_DIGESTS, /* unit: files */
    PREPARE_SAMPLE,  /* rows, of the forecast */
    PREPARE_SCAN,    /* rows */
    PREPARE_FLAGS,   /* rows */
    PREPARE_TOKENS,  /* documents */
    PREPARE_GATHER,  /* documents */
    PREPARE_STAGES
};

/* What a build will take: measured on a sample of rows, exact where facts are there already. */
struct prepare_forecast {
    uint64_t rows; /* of the files that are not scanned yet: exact for parquet */
    uint64_t docs, tokens;
    uint64_t text;                     /* bytes, of all rows */
    uint64_t output_bytes, work_bytes; /* on the disk, at most */
    double seconds;
    bool exact; /* docs and tokens are known, not estimated */
};

struct prepare_config {
    const char *const *files;
    uint32_t n_files;
    const char *output; /* folder of the shards (OUTPUT-eval: those held out), or the file of problems */
    const char *work;   /* folder for what is between; facts stay there, several builds may share them */
    struct document_rules rules;
    struct select_rules select; /* learn, cutoff_len and references are filled in here */
    enum gather_format format;
    uint64_t shard_tokens;            /* after which a shard is closed */
    const char *const *decontaminate; /* [n_decontaminate] files that terse eval reads */
    size_t n_decontaminate;
    uint32_t ngram;
    const char *const *references; /* [n_references] files of problems with their answers */
    size_t n_references;
    const char *record; /* the recipe as text, kept as OUTPUT/recipe.yaml; NULL: none */
    bool dry_run;       /* forecast only */
    struct pool *pool;

    /* Hears of progress: done of total; nonzero stops with INTERRUPTED. NULL: nobody. */
    int (*progress)(void *ctx, enum prepare_stage stage, uint64_t done, uint64_t total);
    /* Hears the forecast before the first stage that is not done yet, and again, exact, after the selection.
     */
    void (*forecast)(void *ctx, const struct prepare_forecast *f);
    void (*selected)(void *ctx, const struct selection *s);
    void *ctx;
};

struct prepare_report {
    bool reused;                        /* the output was there, of this very recipe: nothing was done */
    uint32_t scanned, flagged, sheaves; /* files that this run made */
    uint64_t rows, docs, tokens, cut, held_out; /* docs and tokens: those held out too */
    uint64_t resumed;                           /* documents that were in finished shards */
    uint64_t scan_bytes;                        /* of text that this run scanned, in so many seconds */
    double scan_seconds;
};

/* Makes the output, or finds it made. Errors: those of the sources; DUP_SHARD; LOCKED; DATA_EMPTY;
 * PREFLIGHT_DISK (before the stage that would fill the disk); those of writing; INTERRUPTED. What is finished
 * stays, and the same call goes on with it. */
int prepare_run(const struct prepare_config *c, struct prepare_report *out, struct err *e);

#endif
