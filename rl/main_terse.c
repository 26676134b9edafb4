/* terse: every command there is. A device gets terse-infer (infer/main_infer.c) instead. */
#include "checkpoints/cmd_export.h"
#include "checkpoints/cmd_init.h"
#include "checkpoints/cmd_quantize.h"
#include "checkpoints/load.h"
#include "checkpoints/selfcheck.h"
#include "data/cmd_bench_grade.h"
#include "data/cmd_data.h"
#include "data/cmd_grade.h"
#include "infer/cmd_bench.h"
#include "infer/cmd_chat.h"
#include "infer/cmd_info.h"
#include "infer/cmd_perplexity.h"
#include "infer/cmd_run.h"
#include "infer/cmd_selftest.h"
#include "rl/cmd_bench_ppo.h"
#include "rl/cmd_compare.h"
#include "rl/cmd_eval.h"
#include "rl/cmd_plan.h"
#include "rl/cmd_ppo.h"
#include "rl/cmd_switcher.h"
#include "rl/cmd_tables.h"
#include "rl/cmd_verifier.h"
#include "rl/source.h"
#include "train/cmd_bench_train.h"
#include "train/cmd_plot.h"
#include "train/cmd_sft.h"

static const struct selfcheck checks[] = {SELFCHECKS_INFER, SELFCHECKS_CHECKPOINTS, {0}};

static int selftest(int argc, char **argv)
{
    return cmd_selftest(checks, argc, argv);
}

static int bench_infer(int argc, char **argv)
{
    return cmd_bench_infer(&source_any, argc, argv);
}

static const struct command benches[] = {
    BENCHES_INFER, BENCH_INFER(bench_infer), BENCHES_DATA, BENCHES_TRAIN, BENCHES_RL, {0}};

static int bench(int argc, char **argv)
{
    return cmd_bench(benches, argc, argv);
}

static int generate(int argc, char **argv)
{
    return cmd_run(&source_any, argc, argv);
}

static int chat(int argc, char **argv)
{
    return cmd_chat(&source_any, argc, argv);
}

static int perplexity(int argc, char **argv)
{
    return cmd_perplexity(&source_any, argc, argv);
}

static const struct command commands[] = {
    {.name = "init",
     .summary = "make a model with random weights",
     .run = cmd_init,
     .group = "Models and data"},
    {.name = "quantize", .summary = "make a model smaller, as a GGUF file", .run = cmd_quantize},
    {.name = "info", .summary = "what is in a GGUF file", .run = cmd_info},
    {.name = "data", .summary = "fetch training data, and look at it", .run = cmd_data},
    {.name = "plan",
     .summary = "what a recipe takes of memory, disk and time",
     .run = cmd_plan,
     .group = "Training"},
    {.name = "sft", .summary = "fine-tune a model on conversations", .run = cmd_sft},
    {.name = "ppo", .summary = "make answers short and right by reinforcement", .run = cmd_ppo},
    {.name = "switcher", .summary = "learn which prompts are worth thinking about", .run = cmd_switcher},
    {.name = "verifier", .summary = "learn which answers are right", .run = cmd_verifier},
    {.name = "eval", .summary = "count the problems a model solves", .run = cmd_eval},
    {.name = "tables",
     .summary = "measure the paper's tables, and show them beside what it reports",
     .run = cmd_tables},
    {.name = "compare", .summary = "two evaluations side by side", .run = cmd_compare},
    {.name = "grade", .summary = "tell whether answers are right", .run = cmd_grade},
    {.name = "perplexity", .summary = "how well a model foresees a text", .run = perplexity},
    {.name = "plot", .summary = "draw curves of runs, tables and histograms of evaluations", .run = cmd_plot},
    {.name = "generate", .summary = "answer a prompt", .run = generate, .group = "Use"},
    {.name = "chat", .summary = "talk with a model", .run = chat},
    {.name = "export", .summary = "write an adapter for others, and check it", .run = cmd_export},
    {.name = "selftest",
     .summary = "check what must hold on this machine",
     .run = selftest,
     .group = "This machine"},
    {.name = "bench", .summary = "measure what it can do and what terse reaches of it", .run = bench},
    {0},
};

static const struct program terse = {
    .name = "terse",
    .about = "Teaches small Qwen2.5 language models to reason briefly, and runs them.",
    .first = "terse data cat data/nano/sft.parquet -n 3",
    .commands = commands,
};

int main(int argc, char **argv)
{
    return cli_main(&terse, argc, argv);
}
