/* A build under way. Private to data/prepare. */
#ifndef TERSE_DATA_PREPARE_RUN_H
#define TERSE_DATA_PREPARE_RUN_H

#include "data/prepare/ngrams.h"
#include "data/prepare/prepare.h"
#include "data/prepare/sources.h"

enum { SET_EVAL, SET_TRAIN, SETS };

/* What a sample took. */
struct run_rates {
    double read_bytes, read_seconds;     /* of text, by one thread */
    double scan_bytes, scan_seconds;     /* of text, by all, reading left out */
    double tokens_bytes, tokens_seconds; /* the same, for the rows of a sheaf */
    double per_token;                    /* bytes of a sheaf a token; 0 unknown */
};

struct run {
    const struct prepare_config *c;
    struct prepare_report *report;
    struct workers workers;
    struct source *sources; /* [n_files] */
    char tokenizer[SHA256_HEX], template_[SHA256_HEX], recipe[SETS][SHA256_HEX];
    struct ngrams ngrams; /* words 0: none */
    struct reference *references;
    size_t n_references;
    struct select_rules rules;
    struct facts facts;
    uint64_t *first; /* [n_files + 1] of facts */
    struct selection selection;
    struct sheaf *sheaves; /* [n_files] */
    uint32_t *rows;        /* chosen ones, by file and row */
    uint64_t *rows_first;  /* [n_files + 1] of rows */
    enum prepare_stage stage;
    uint64_t done, total;                      /* of the stage */
    uint64_t set_docs[SETS], set_tokens[SETS]; /* written */
    struct run_rates rates;
};

/* WORK/kind-KEY: 32 digits of the key tell files apart, all 64 are inside. */
int run_path(const struct run *r, char out[FILE_PATH], const char *kind, const char *key, struct err *e);
int run_facts_key(const struct run *r, uint32_t file, char key[SHA256_HEX], struct err *e);
int run_flags_key(const struct run *r, uint32_t file, char key[SHA256_HEX], struct err *e);
int run_sheaf_key(const struct run *r, uint32_t file, char key[SHA256_HEX], struct err *e);
/* recipe[] out of everything that decides the output. */
int run_recipe(struct run *r, struct err *e);
/* The folder of a set, or the file of problems. */
int run_output(const struct run *r, int set, char out[FILE_PATH], struct err *e);

/* OUTPUT/report.json, or OUTPUT.report.json: what was made of what, and why rows are not in it. */
int run_report_path(const struct run *r, char out[FILE_PATH], struct err *e);
int run_report_save(struct run *r, struct err *e);
/* True when the report there is of this recipe, and what it reports on is there and sound; fills the
 * caller's report. */
bool run_is_made(struct run *r);
/* True when a set's shards are there, of this recipe and sound. */
bool run_set_is_made(struct run *r, int set);

/* Forecast of what is not there yet, and whether the disk has room. PREFLIGHT_DISK; those of sampling. */
int run_forecast(struct run *r, bool *missing, struct err *e);
int run_forecast_selected(struct run *r, struct err *e);

/* A new stage begins. */
void run_stage(struct run *r, enum prepare_stage stage, uint64_t total);
struct ticker run_ticker(struct run *r);

#endif
