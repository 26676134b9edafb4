/* terse-infer: what a device gets. It links kernels and infer only. */
#include "infer/cmd_bench.h"
#include "infer/cmd_chat.h"
#include "infer/cmd_info.h"
#include "infer/cmd_perplexity.h"
#include "infer/cmd_run.h"
#include "infer/cmd_selftest.h"

static const struct selfcheck checks[] = {SELFCHECKS_INFER, {0}};

static int selftest(int argc, char **argv)
{
    return cmd_selftest(checks, argc, argv);
}

static int bench_infer(int argc, char **argv)
{
    return cmd_bench_infer(&source_gguf, argc, argv);
}

static const struct command benches[] = {BENCHES_INFER, BENCH_INFER(bench_infer), {0}};

static int bench(int argc, char **argv)
{
    return cmd_bench(benches, argc, argv);
}

static int run(int argc, char **argv)
{
    return cmd_run(&source_gguf, argc, argv);
}

static int chat(int argc, char **argv)
{
    return cmd_chat(&source_gguf, argc, argv);
}

static int perplexity(int argc, char **argv)
{
    return cmd_perplexity(&source_gguf, argc, argv);
}

static const struct command commands[] = {
    {.name = "run", .summary = "answer a prompt", .run = run},
    {.name = "chat", .summary = "talk with a model", .run = chat},
    {.name = "perplexity", .summary = "how well a model foresees a text", .run = perplexity},
    {.name = "info", .summary = "what is in a GGUF file", .run = cmd_info},
    {.name = "selftest", .summary = "check what must hold on this machine", .run = selftest},
    {.name = "bench", .summary = "measure what it can do and what terse reaches of it", .run = bench},
    {0},
};

static const struct program terse_infer = {
    .name = "terse-infer",
    .about = "Runs small Qwen2.5 language models that reason briefly.",
    .commands = commands,
};

int main(int argc, char **argv)
{
    return cli_main(&terse_infer, argc, argv);
}
