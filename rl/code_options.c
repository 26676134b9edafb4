#include "rl/code_options.h"
#include "rl/task.h"

bool code_options_asked(const struct string_list *names)
{
    for (size_t i = 0; i < names->n; i++)
        if (task_find(names->items[i])->kind == TASK_CODE) return true;
    return false;
}

int code_options_check(const struct code_flags *f, const struct string_list *names, struct err *e)
{
    if (f->allow || !code_options_asked(names)) return 0;
    return err_set(
        e, ERR_USAGE,
        "HumanEval, MBPP and LiveCodeBench have programs for answers: code that a model wrote is run "
        "on this machine, in a sandbox (bwrap: no network, none of your files, %lld seconds and "
        "%lld MiB a test). Give --allow-code if that is what you want",
        (long long)f->seconds, (long long)f->memory);
}
