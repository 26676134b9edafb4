#include "rl/paper.h"

#include <string.h>

enum { COLUMNS = 6 };

/* Rows of one table and size, whose columns have these names. */
struct figures {
    const char *table, *size;
    const char *column[COLUMNS];
    struct {
        const char *name;
        double value[COLUMNS]; /* negative: none */
    } row[8];
};

static const struct figures all[] = {
    {"table1",
     "3b",
     {"aime24", "aime25", "math500", "gpqa", "amc23", "livecodebench"},
     {{"base", {.09, .03, .66, .31, .36, .23}},
      {"dense", {.51, .43, .92, .40, .83, .50}},
      {"lora128", {.18, .21, .79, .32, .55, .23}}}},
    {"table1",
     "7b",
     {"aime24", "aime25", "math500", "gpqa", "amc23", "livecodebench"},
     {{"base", {.10, .17, .76, .37, .60, .36}},
      {"distill", {.55, .40, .92, .49, .89, .59}},
      {"dense", {.61, .54, .95, .47, .89, .66}},
      {"lora64", {.47, .39, .92, .45, .78, .48}},
      {"lora128", {.56, .38, .93, .43, .82, .54}}}},
    {"page",
     "7b",
     {"aime25", "math500", "gpqa", "amc23"},
     {{"base", {.17, .77, .37, .60}},
      {"distill", {.42, .92, .51, .91}},
      {"dense", {.49, .96, .47, .86}},
      {"lora128", {.43, .92, .44, .82}},
      {"w4", {.40, .92, .45, .85}}}},
    {"table8",
     "7b",
     {"1024", "2048", "4096", "6144", "none"},
     {{"sft", {.34, .57, .73, .83, .95}},
      {"brief", {.62, .78, .85, .90, .92}},
      {"brief1e-4", {.72, .80, .84, .85, .90}}}},
    {"table9",
     "7b",
     {"1", "2", "4", "6", "8"},
     {{"greedy", {.710, -1, -1, -1, -1}},
      {"majority", {.699, .700, .751, .766, .775}},
      {"weighted", {.699, .727, .761, .775, .782}}}},
    {"table11",
     "7b",
     {"perplexity", "accuracy"},
     {{"bf16", {6.85, .6054}}, {"rtn", {102.4, 0}}, {"l2", {9.18, -1}}, {"trained", {7.26, .5812}}}},
};

bool paper_figure(const char *table, const char *size, const char *row, const char *column, double *out)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const struct figures *f = &all[i];
        if (strcmp(f->table, table) || strcmp(f->size, size)) continue;
        for (size_t r = 0; r < sizeof f->row / sizeof *f->row && f->row[r].name; r++)
            for (size_t c = 0; c < COLUMNS && f->column[c]; c++) {
                if (strcmp(f->row[r].name, row) || strcmp(f->column[c], column)) continue;
                *out = f->row[r].value[c];
                return *out >= 0;
            }
    }
    return false;
}

const struct paper_secondary paper_secondary[] = {
    {"full-model CoT", .784, 45, 1200, 1200, 180},
    {"LoRA", .771, 32, 210, 620, 95},
    {"LoRA + RL", .768, 24, 210, 660, 0},
};
const size_t n_paper_secondary = sizeof paper_secondary / sizeof *paper_secondary;
