#include "checkpoints/hdf5_filter.h"

int hdf5_filter_register(struct err *e)
{
    static int done;
    if (done) return 0;
    H5PLset_loading_state(0);
    if (H5Zregister(&hdf5_filter_class) < 0)
        return err_set(e, ERR_H5_OPEN, "HDF5 does not take the zstd filter");
    done = 1;
    return 0;
}
