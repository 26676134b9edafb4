/* libh5zstd.so: the zstd filter as a plugin, for h5py, h5dump and whatever else reads HDF5. Put the folder it
 * lies in into HDF5_PLUGIN_PATH. terse itself loads no plugin. */
#include "checkpoints/hdf5_filter.h"

#include <H5PLextern.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT H5PL_type_t H5PLget_plugin_type(void)
{
    return H5PL_TYPE_FILTER;
}

EXPORT const void *H5PLget_plugin_info(void)
{
    return &hdf5_filter_class;
}
