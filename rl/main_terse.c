/* terse: every command there is. A device gets terse-infer (infer/main_infer.c) instead. */
#include "infer/cli.h"

static const struct command commands[] = {
    {0},
};

static const struct program terse = {
    .name = "terse",
    .about = "Teaches small Qwen2.5 language models to reason briefly, and runs them.",
    .commands = commands,
};

int main(int argc, char **argv) {
    return cli_main(&terse, argc, argv);
}
