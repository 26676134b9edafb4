/* Results as lm-evaluation-harness (0.4) lays them out, so that its tools and evalchemy's readers take them:
 *
 *     DIR/MODEL/results_DATE.json    "results": {TASK: {"alias", "exact_match,none",
 * "exact_match_stderr,none", "exact_match,string", ..., "pass@k,none", "maj@n,none", "tokens,none", ...}},
 *                                    with "configs", "versions", "n-shot", "n-samples", "higher_is_better"
 * ...
 *
 * "exact_match,none" is accuracy by what answers mean, "exact_match,string" that by the string rule. Of
 * programs both are the share that passes, "pass@1,none" too, as lm-eval has it; there is no "maj@n". */
#ifndef TERSE_RL_LM_RESULTS_H
#define TERSE_RL_LM_RESULTS_H

#include "rl/eval.h"
#include "rl/eval_identity.h"
#include "rl/task.h"

struct lm_task {
    const char *name, *title;
    const char *wording; /* of the prompt */
    struct eval_result result;
    const struct eval_record *records; /* [n * repeats], for pass@k; borrowed */
    struct eval_identity id;
};

struct lm_run {
    const char *model, *adapter; /* as given; adapter NULL: none */
    const char *mode;            /* "auto", "chat", "reason" */
    const char *system;          /* NULL: the model's own */
    const struct sampler_config *sampler;
    uint32_t max_new, streams;
    double started, ended; /* seconds since 1970 */
    const struct lm_task *task;
    size_t n;
};

/* Writes the file into `dir`, made if need be; its path to `path`. Errors: those of writing, PATH, NOMEM. */
int lm_results_save(char *path, size_t size, const char *dir, const struct lm_run *run, struct err *e);

#endif
