/* The insides of a run, for train/sft*.c only. */
#ifndef TERSE_TRAIN_SFT_PARTS_H
#define TERSE_TRAIN_SFT_PARTS_H

#include "checkpoints/file.h"
#include "checkpoints/load.h"
#include "data/build.h"
#include "data/globs.h"
#include "data/loader.h"
#include "infer/progress.h"
#include "train/metrics.h"
#include "train/micro.h"
#include "train/optim.h"
#include "train/sft.h"

/* Sets of token shards, opened. */
struct sft_sets {
    struct loader_set sets[LOADER_SETS];
    char names[LOADER_SETS][48]; /* letters, digits, . _ -; each another */
    uint32_t n;
};

struct sft {
    struct sft_config *c;
    struct options *o;
    const struct sft_events *ev;
    struct file_lock lock;
    int locked;

    struct loaded l; /* adapter and lora are NULL when dense; hf stays open only then */
    struct trainee trainee;
    struct optim optim;
    struct micro *micro;
    struct sft_memory memory;

    struct sft_sets data, held_out; /* held_out: eval_dataset, or data opened again for val_size */
    struct loader *loader, *eval;   /* eval NULL: nothing is held out */
    struct packed_row *rows;        /* [rows_per_step] of a step */
    uint32_t micro_docs;            /* documents that go through a pass together */
    float **slots;                  /* [params_slots] scratch of trainee_grads */
    uint64_t rows_an_epoch, total_steps;

    struct metrics metrics;
    /* what a state holds beside weights and moments */
    int64_t step, tokens;
    int64_t cursor[3]; /* loader_pos */
    double seconds;
    char digest_config[SHA256_HEX], digest_data[SHA256_HEX];
    double loss_sum; /* since the last logged step */
    int64_t loss_steps;
};

/* sft_memory.c: what a run is made with, its new adapter's shape among it. */
void sft_adapter_config(struct adapter_config *a, const struct sft_config *c);
void sft_micro_config(struct micro_config *m, const struct sft_config *c, const struct adapter_config *a,
                      enum recompute r);
/* Documents of a row that go through a pass together. */
uint32_t sft_micro_docs(const struct sft_config *c);

/* sft_data.c: shards, loaders and the rows of a step. */
void sft_loader_config(struct loader_config *l, const struct sft_config *c, enum loader_split split);
/* As many steps as the epochs take, the last one whole. */
uint64_t sft_steps(const struct sft_config *c, uint64_t rows_an_epoch);
int sft_data_open(struct sft *s, struct err *e);
void sft_data_close(struct sft *s);
/* Reads the next step's rows into s->rows; *labels: tokens to learn from in all of them. */
int sft_rows_next(struct sft *s, int64_t *labels, struct err *e);
int sft_rows_alloc(struct sft *s, struct err *e);

/* sft_shards.c: where the shards of a run are, and how documents are made of rows (files and progress stay
 * the caller's to fill). gate: the adapter's, GATE_ALL without one. */
int sft_shards_dir(const struct sft_config *c, const char *name, char dir[FILE_PATH], struct err *e);
void sft_build_config(struct build_config *b, const struct sft_config *c, enum lora_gate gate,
                      const struct tokenizer *t, uint32_t vocab);
/* Opens what the dataset's `names` are: folders of token shards as they are, files as shards
 * made of them, first where they are not there or not of these settings; name: of their folder below
 * output_dir. apart: a set for each name; else all files are one. `out` is to be closed also after an error.
 */
int sft_sets_open(struct sft *s, const struct string_list *names, const char *name, bool apart,
                  struct sft_sets *out, struct err *e);
/* Opens the same folders once more, for another thread. */
int sft_sets_open_again(const struct sft_sets *from, struct sft_sets *out, struct err *e);
void sft_sets_close(struct sft_sets *sets);

/* sft_state.c */
int sft_state_save(struct sft *s, struct err *e);
int sft_state_prepare(struct sft *s, struct err *e);

void sft_note(const struct sft *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
