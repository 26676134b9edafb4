#include "data/globs.h"

#include <string.h>

int globs_expand(const struct string_list *names, glob_t *g, struct err *e)
{
    memset(g, 0, sizeof *g);
    for (size_t i = 0; i < names->n; i++) {
        int r = glob(names->items[i], GLOB_NOCHECK | (i ? GLOB_APPEND : 0), NULL, g);
        if (r == GLOB_NOSPACE) return err_set(e, ERR_NOMEM, "no memory for the files of %s", names->items[i]);
        if (r) return err_set(e, ERR_EACCES, "cannot list the files of %s", names->items[i]);
    }
    return 0;
}
