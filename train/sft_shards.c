/* Token shards of a run: found by what they were made of, made when absent. */
#include "data/build.h"
#include "train/sft_parts.h"
