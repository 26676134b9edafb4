#include "data/cmd_data.h"
#include "data/cmd_build.h"
#include "data/cmd_cat.h"
#include "data/cmd_check.h"
#include "data/cmd_fetch.h"
#include "data/cmd_show.h"
#include "data/cmd_stats.h"
#include "infer/cli.h"

int cmd_data(int argc, char **argv)
{
    static const struct command commands[] = {
        {.name = "fetch",
         .summary = "fetch datasets and models: with `cat URL` the one command that uses the network",
         .run = cmd_fetch},
        {.name = "build",
         .summary = "make token shards out of conversations: filtered, chosen, shuffled",
         .run = cmd_build},
        {.name = "show", .summary = "print an example as the model sees it", .run = cmd_show},
        {.name = "stats",
         .summary = "lengths, domains, duplicates, packing of files or token shards",
         .run = cmd_stats},
        {.name = "cat",
         .summary = "print rows of Parquet and JSON files, also of a file elsewhere",
         .run = cmd_cat},
        {.name = "check",
         .summary = "read every row of such files: are they sound, how fast is that",
         .run = cmd_check},
        {0},
    };
    static const struct program data = {
        .name = "terse data",
        .about = "Fetches training data, looks at it, and makes token shards of it.",
        .first = "terse data cat data/nano/sft.parquet -n 3",
        .commands = commands,
    };
    return cli_main(&data, argc, argv);
}
