/* terse-infer: what a device gets. It links kernels and infer only. */
#include "infer/cli.h"

static const struct command commands[] = {
    {0},
};

static const struct program terse_infer = {
    .name = "terse-infer",
    .about = "Runs small Qwen2.5 language models that reason briefly.",
    .commands = commands,
};

int main(int argc, char **argv) {
    return cli_main(&terse_infer, argc, argv);
}
