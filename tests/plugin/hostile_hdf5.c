/* An HDF5 plugin for filter 32004 that leaves a mark when it is loaded: tests/unit/test_hdf5_plugins.c. */
#include <H5PLextern.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

static size_t filter(unsigned flags, size_t n_values, const unsigned values[], size_t n, size_t *size,
                     void **buf)
{
    (void)flags, (void)n_values, (void)values, (void)size, (void)buf;
    return n;
}

static const H5Z_class2_t hostile = {H5Z_CLASS_T_VERS, 32004, 1, 1, "hostile", NULL, NULL, filter};

EXPORT H5PL_type_t H5PLget_plugin_type(void)
{
    return H5PL_TYPE_FILTER;
}

EXPORT const void *H5PLget_plugin_info(void)
{
    const char *mark = getenv("TERSE_HOSTILE_MARK");
    FILE *f = mark ? fopen(mark, "w") : NULL;
    if (f) fclose(f);
    return &hostile;
}
