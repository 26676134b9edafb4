#include "tests/support/scratch.h"

#include "checkpoints/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[256];

int scratch_setup(void **state)
{
    const char *build = getenv("TERSE_BUILD");
    (void)state;
    if (file_make_dirs(build ? build : "build", NULL)) return -1;
    snprintf(folder, sizeof folder, "%s/scratch-XXXXXX", build ? build : "build");
    return mkdtemp(folder) ? 0 : -1;
}

int scratch_teardown(void **state)
{
    (void)state;
    return file_remove_tree(folder, NULL);
}

const char *scratch(const char *name)
{
    static char ring[8][FILE_PATH];
    static unsigned next;
    char *out = ring[next++ % 8];
    file_path(out, NULL, "%s/%s", folder, name);
    return out;
}

const char *scratch_write(const char *name, const void *data, size_t n)
{
    const char *path = scratch(name);
    unlink(path); /* ext4 writes a truncated file through at once, a new one at leisure */
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0) {
        perror(path);
        abort();
    }
    return path;
}
