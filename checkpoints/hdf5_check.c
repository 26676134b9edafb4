#include "checkpoints/hdf5_parts.h"
#include "infer/size.h"

#include <stdio.h>

static herr_t innermost(unsigned at, const H5E_error2_t *error, void *text)
{
    if (at == 0) snprintf(text, 160, "%s", error->desc ? error->desc : "no reason given");
    return 0;
}

int hdf5_failed(struct err *e, int code, const struct hdf5 *f, const char *name, const char *what)
{
    char why[160] = "no reason given";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, why);
    if (hdf5_filter.err.code)
        return err_set(e, hdf5_filter.err.code, "%s of %s: %s", name, f->path, hdf5_filter.err.msg);
    return err_set(e, code, "%s: HDF5 %s %s: %s", f->path, what, name, why);
}

hid_t hdf5_type(enum dtype t, int in_file)
{
    switch (t) {
    case DTYPE_U8:
        return in_file ? H5T_STD_U8LE : H5T_NATIVE_UINT8;
    case DTYPE_U32:
        return in_file ? H5T_STD_U32LE : H5T_NATIVE_UINT32;
    case DTYPE_U64:
        return in_file ? H5T_STD_U64LE : H5T_NATIVE_UINT64;
    case DTYPE_I32:
        return in_file ? H5T_STD_I32LE : H5T_NATIVE_INT32;
    case DTYPE_I64:
        return in_file ? H5T_STD_I64LE : H5T_NATIVE_INT64;
    case DTYPE_F32:
        return in_file ? H5T_IEEE_F32LE : H5T_NATIVE_FLOAT;
    case DTYPE_F64:
        return in_file ? H5T_IEEE_F64LE : H5T_NATIVE_DOUBLE;
    default:
        return -1;
    }
}

int hdf5_check_link(struct hdf5 *f, const char *name, struct err *e)
{
    H5L_info_t link;
    H5O_info_t object;
    htri_t exists = H5Lexists(f->file, name, H5P_DEFAULT);
    if (exists < 0) return hdf5_failed(e, ERR_H5_OPEN, f, name, "cannot look for");
    if (!exists) return err_set(e, ERR_H5_MISSING, "%s: no dataset %s", f->path, name);
    if (H5Lget_info(f->file, name, &link, H5P_DEFAULT) < 0)
        return hdf5_failed(e, ERR_H5_LINK, f, name, "cannot follow");
    if (link.type != H5L_TYPE_HARD)
        return err_set(e, ERR_H5_LINK, "%s: %s is a link elsewhere, expected a dataset", f->path, name);
    if (H5Oget_info_by_name2(f->file, name, &object, H5O_INFO_BASIC, H5P_DEFAULT) < 0)
        return hdf5_failed(e, ERR_H5_OPEN, f, name, "cannot find");
    if (object.type != H5O_TYPE_DATASET)
        return err_set(e, ERR_H5_TYPE, "%s: %s is not a dataset", f->path, name);
    return 0;
}

static int check_type(struct hdf5 *f, const char *name, hid_t set, enum dtype t, struct err *e)
{
    hid_t type = H5Dget_type(set);
    int same = type >= 0 && H5Tequal(type, hdf5_type(t, 1)) > 0;
    if (type >= 0) H5Tclose(type);
    if (same) return 0;
    return err_set(e, ERR_H5_TYPE, "%s: %s is not little-endian %s", f->path, name, dtype_name(t));
}

static int check_space(struct hdf5 *f, const char *name, hid_t set, enum dtype t, uint64_t *n, struct err *e)
{
    hsize_t dims[H5S_MAX_RANK];
    uint64_t bytes;
    hid_t space = H5Dget_space(set);
    int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    int ok = rank == 1 && H5Sget_simple_extent_dims(space, dims, NULL) == 1;
    if (space >= 0) H5Sclose(space);
    if (!ok) return err_set(e, ERR_RANK, "%s: %s has rank %d, expected 1", f->path, name, rank);
    *n = dims[0];
    if (ckd_mul(&bytes, *n, dtype_bits(t) / 8) || bytes > INT64_MAX)
        return err_set(e, ERR_OVERFLOW, "%s: %s claims %llu elements", f->path, name, (unsigned long long)*n);
    return 0;
}

/* Nothing, or zstd, or shuffle before zstd. */
static int check_filters(struct hdf5 *f, const char *name, hid_t list, struct err *e)
{
    int n = H5Pget_nfilters(list);
    if (n < 0 || n > 2)
        return err_set(e, ERR_H5_FILTER, "%s: %s has %d filters, at most 2 expected", f->path, name, n);
    for (int i = 0; i < n; i++) {
        unsigned flags, config;
        size_t n_values = 0;
        H5Z_filter_t id = H5Pget_filter2(list, (unsigned)i, &flags, &n_values, NULL, 0, NULL, &config);
        if (id != (i == n - 1 ? HDF5_FILTER_ZSTD : H5Z_FILTER_SHUFFLE) || n_values > 1)
            return err_set(e, ERR_H5_FILTER, "%s: filter %d of %s is %d with %zu values, expected %s",
                           f->path, i, name, (int)id, n_values,
                           n == 2 ? "shuffle, then zstd (32015)" : "zstd (32015)");
    }
    f->set_filters = n;
    return 0;
}

static int check_chunked(struct hdf5 *f, const char *name, hid_t set, hid_t list, enum dtype t, uint64_t n,
                         uint32_t *chunk, struct err *e)
{
    hsize_t dims[H5S_MAX_RANK], have = 0, most = HDF5_CHUNK_MAX / (dtype_bits(t) / 8);
    if (H5Pget_chunk(list, H5S_MAX_RANK, dims) != 1 || dims[0] == 0 || dims[0] > most)
        return err_set(e, ERR_H5_CHUNK, "%s: chunks of %s are not 1 to %llu elements", f->path, name,
                       (unsigned long long)most);
    uint64_t want = n / dims[0] + (n % dims[0] != 0);
    hid_t space = H5Dget_space(set);
    herr_t bad = H5Dget_num_chunks(set, space, &have);
    if (space >= 0) H5Sclose(space);
    if (bad < 0 || have != want)
        return err_set(e, ERR_H5_CHUNK, "%s: %s has %llu chunks, expected %llu", f->path, name,
                       (unsigned long long)have, (unsigned long long)want);
    *chunk = (uint32_t)dims[0];
    return check_filters(f, name, list, e);
}

static int check_contiguous(struct hdf5 *f, const char *name, hid_t set, hid_t list, enum dtype t, uint64_t n,
                            struct err *e)
{
    if (H5Pget_external_count(list) != 0)
        return err_set(e, ERR_H5_EXTERNAL, "%s: %s keeps its data in another file", f->path, name);
    uint64_t have = H5Dget_storage_size(set), want = n * (dtype_bits(t) / 8);
    if (have != want)
        return err_set(e, ERR_H5_SPACE, "%s: %s stores %llu bytes, expected %llu", f->path, name,
                       (unsigned long long)have, (unsigned long long)want);
    hsize_t end = 0;
    haddr_t at = want ? H5Dget_offset(set) : 0;
    if (H5Fget_filesize(f->file, &end) < 0 || at > end || want > end - at)
        return err_set(e, ERR_H5_ADDR, "%s: %s has %llu bytes at %llu, the file has %llu", f->path, name,
                       (unsigned long long)want, (unsigned long long)at, (unsigned long long)end);
    return 0;
}

static int check_storage(struct hdf5 *f, const char *name, hid_t set, enum dtype t, uint64_t n,
                         uint32_t *chunk, struct err *e)
{
    hid_t list = H5Dget_create_plist(set);
    H5D_layout_t layout = list < 0 ? H5D_LAYOUT_ERROR : H5Pget_layout(list);
    int rc;
    *chunk = 0;
    if (layout == H5D_CHUNKED)
        rc = check_chunked(f, name, set, list, t, n, chunk, e);
    else if (layout == H5D_CONTIGUOUS)
        rc = check_contiguous(f, name, set, list, t, n, e);
    else
        rc = err_set(e, ERR_H5_UNSUPPORTED, "%s: %s is neither contiguous nor chunked", f->path, name);
    if (list >= 0) H5Pclose(list);
    return rc;
}

int hdf5_check_set(struct hdf5 *f, const char *name, hid_t set, enum dtype t, uint64_t *count,
                   uint32_t *chunk, struct err *e)
{
    int rc = check_type(f, name, set, t, e);
    if (!rc) rc = check_space(f, name, set, t, count, e);
    return rc ? rc : check_storage(f, name, set, t, *count, chunk, e);
}
