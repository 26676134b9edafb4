/* Whether the run that stands in output_dir is the one described now. */
#include "train/run_record.h"
#include "train/sft_options.h"

static const char *const free_keys[] = {
    "config",
    "output_dir",
    "run_name",
    "overwrite_output_dir",
    "resume_from_checkpoint",
    "logging_steps",
    "eval_steps",
    "save_steps",
    "save_total_limit",
    "report_to",
    "threads",
    "recompute",
    "memory_limit",
    "tokenized_path",
    "eval_dataset",
    NULL,
};

static int settle(void *config, struct options *o, struct err *e)
{
    return sft_config_settle(config, o, e);
}

static const struct run_kind kind = {free_keys, settle};

int sft_config_check_run(struct sft_config *c, const struct options *o, struct err *e)
{
    struct sft_config then_config;
    struct options then;
    int rc = sft_options_init(&then, &then_config, e);
    if (rc) return rc;
    rc = run_record_check(c->output_dir, &kind, o, &then, &then_config, e);
    c->anew = rc == ERR_RUN_MISMATCH && c->overwrite_output_dir;
    options_free(&then);
    return c->anew ? 0 : rc;
}

int sft_config_digest(const struct options *o, char hex[SHA256_HEX], struct err *e)
{
    return run_digest(&kind, o, hex, e);
}
