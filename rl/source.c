#include "rl/source.h"
#include "checkpoints/load.h"
#include "data/grade.h"

static bool graded_same(const struct answer *a, const struct answer *b)
{
    return grade_answers(a->s, a->n, b->s, b->n, NULL).verdict == GRADE_EQUAL;
}

const struct model_source source_any = {
    .load = load_all,
    .preset = "checkpoints/nano",
    .model = "Hugging Face folder or GGUF file",
    .adapter = "adapter: a PEFT folder or GGUF file",
    .same = graded_same,
};
