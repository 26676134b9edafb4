#include "checkpoints/hdf5_parts.h"
#include "checkpoints/hdf5_superblock.h"
#include "checkpoints/zstd.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* ---- one call at a time, and why it failed ----------------------------------------------------------- */

void hdf5_enter(void)
{
    static int told;
    pthread_mutex_lock(&mutex);
    /* hdf5_close closes every file; libhdf5's exit handler would only stumble over one it could not write */
    if (!told) told = H5dont_atexit() >= 0;
    /* the error stack is each thread's own where libhdf5 has threads: silence it in each */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hdf5_filter.err.code = 0;
}

int hdf5_leave(int rc)
{
    pthread_mutex_unlock(&mutex);
    return rc;
}

/* ---- files ------------------------------------------------------------------------------------------- */

static hid_t access_list(void)
{
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    if (list < 0) return list;
    /* checksummed headers, and nothing left to write after a flush (V110 has an open mark); closing a
     * file closes everything opened in it */
    H5Pset_libver_bounds(list, H5F_LIBVER_V18, H5F_LIBVER_LATEST);
    H5Pset_fclose_degree(list, H5F_CLOSE_STRONG);
    return list;
}

static hid_t create_file(const char *path, hid_t access)
{
    hid_t list = H5Pcreate(H5P_FILE_CREATE), file = -1;
    /* the root group without its times, as the datasets: same content, same bytes */
    if (list >= 0 && H5Pset_obj_track_times(list, 0) >= 0)
        file = H5Fcreate(path, H5F_ACC_TRUNC, list, access);
    if (list >= 0) H5Pclose(list);
    return file;
}

static int open_file(struct hdf5 **out, const char *path, int create, struct err *e)
{
    *out = NULL;
    struct hdf5 *f = calloc(1, sizeof *f);
    if (!f) return err_set(e, ERR_NOMEM, "no memory to open %s", path);
    snprintf(f->path, sizeof f->path, "%s", path);
    hdf5_enter();
    int rc = hdf5_filter_register(e);
    hid_t list = access_list();
    f->file = rc ? -1 : create ? create_file(path, list) : H5Fopen(path, H5F_ACC_RDONLY, list);
    if (!rc && f->file < 0)
        rc = hdf5_failed(e, ERR_H5_OPEN, f, "the file", create ? "cannot create" : "cannot open");
    if (list >= 0) H5Pclose(list);
    hdf5_leave(0);
    if (rc)
        free(f);
    else
        *out = f;
    return rc;
}

int hdf5_create(struct hdf5 **out, const char *path, struct err *e)
{
    return open_file(out, path, 1, e);
}

int hdf5_open(struct hdf5 **out, const char *path, struct err *e)
{
    *out = NULL;
    int rc = hdf5_superblock_check(path, e);
    return rc ? rc : open_file(out, path, 0, e);
}

static void forget_set(struct hdf5 *f)
{
    if (f->set > 0) H5Dclose(f->set);
    f->set = 0;
}

int hdf5_close(struct hdf5 *f, struct err *e)
{
    int rc = 0;
    if (!f) return 0;
    hdf5_enter();
    forget_set(f);
    if (H5Fflush(f->file, H5F_SCOPE_LOCAL) < 0)
        rc = hdf5_failed(e, ERR_H5_WRITE, f, "the file", "cannot write");
    if (H5Fclose(f->file) < 0 && !rc) rc = hdf5_failed(e, ERR_H5_WRITE, f, "the file", "cannot close");
    hdf5_leave(0);
    free(f);
    return rc;
}

/* ---- writing a dataset
 * ------------------------------------------------------------------------------------- */

static hid_t creation_list(const struct hdf5_layout *layout, uint64_t n)
{
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    if (list < 0) return list;
    herr_t bad = H5Pset_obj_track_times(list, 0);
    if (layout->chunk == 0 || n == 0) {
        bad |= H5Pset_fill_time(list, H5D_FILL_TIME_NEVER);
    } else {
        hsize_t chunk = layout->chunk < n ? layout->chunk : n;
        unsigned level = (unsigned)layout->level;
        bad |= H5Pset_chunk(list, 1, &chunk);
        if (level) bad |= H5Pset_shuffle(list);
        if (level) bad |= H5Pset_filter(list, HDF5_FILTER_ZSTD, H5Z_FLAG_MANDATORY, 1, &level);
    }
    if (bad >= 0) return list;
    H5Pclose(list);
    return -1;
}

/* A new dataset; a contiguous one is written whole and closed, then *set is 0. */
static int create_set(struct hdf5 *f, const char *name, enum dtype t, const void *data, uint64_t n,
                      const struct hdf5_layout *layout, hid_t *set, struct err *e)
{
    hsize_t count = n;
    *set = 0;
    if (hdf5_type(t, 1) < 0) return err_set(e, ERR_H5_TYPE, "%s: no %s in HDF5", name, dtype_name(t));
    hid_t list = creation_list(layout, n);
    if (list < 0) return hdf5_failed(e, ERR_H5_WRITE, f, name, "cannot lay out");
    hid_t space = H5Screate_simple(1, &count, NULL);
    hid_t made = H5Dcreate2(f->file, name, hdf5_type(t, 1), space, H5P_DEFAULT, list, H5P_DEFAULT);
    int rc = made < 0 ? hdf5_failed(e, ERR_H5_WRITE, f, name, "cannot create") : 0;
    const bool whole = layout->chunk == 0 || n == 0;
    if (!rc && n && whole && H5Dwrite(made, hdf5_type(t, 0), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        rc = hdf5_failed(e, ERR_H5_WRITE, f, name, "cannot write");
    if (!rc && !whole) *set = made, made = -1;
    if (made >= 0 && H5Dclose(made) < 0 && !rc) rc = hdf5_failed(e, ERR_H5_WRITE, f, name, "cannot close");
    if (space >= 0) H5Sclose(space);
    H5Pclose(list);
    return rc;
}

int hdf5_write(struct hdf5 *f, const char *name, enum dtype t, const void *data, uint64_t n,
               const struct hdf5_layout *layout, struct err *e)
{
    hid_t set;
    hdf5_enter();
    int rc = hdf5_leave(create_set(f, name, t, data, n, layout, &set, e));
    if (rc || !set) return rc;
    rc = hdf5_write_chunks(f, name, set, t, data, n, layout, e);
    hdf5_enter();
    if (H5Dclose(set) < 0 && !rc) rc = hdf5_failed(e, ERR_H5_WRITE, f, name, "cannot close");
    return hdf5_leave(rc);
}

int hdf5_use_set(struct hdf5 *f, const char *name, enum dtype t, struct err *e)
{
    if (f->set > 0 && f->set_type == t && strcmp(f->set_name, name) == 0) goto ready;
    if (strlen(name) >= HDF5_NAME || hdf5_type(t, 1) < 0)
        return err_set(e, ERR_H5_TYPE, "%s: no dataset %.80s of %s", f->path, name, dtype_name(t));
    forget_set(f);
    int rc = hdf5_check_link(f, name, e);
    if (rc) return rc;
    f->set = H5Dopen2(f->file, name, H5P_DEFAULT);
    if (f->set < 0) return hdf5_failed(e, ERR_H5_OPEN, f, name, "cannot open");
    rc = hdf5_check_set(f, name, f->set, t, &f->set_count, &f->set_chunk, e);
    if (rc) {
        forget_set(f);
        return rc;
    }
    snprintf(f->set_name, sizeof f->set_name, "%s", name);
    f->set_type = t;
ready:
    hdf5_filter.chunk_bytes = (size_t)f->set_chunk * (dtype_bits(t) / 8);
    return 0;
}

int hdf5_count(struct hdf5 *f, const char *name, enum dtype t, uint64_t *n, struct err *e)
{
    hdf5_enter();
    int rc = hdf5_use_set(f, name, t, e);
    if (!rc) *n = f->set_count;
    return hdf5_leave(rc);
}

static int check_chunk(struct hdf5 *f, hid_t space, uint64_t i, size_t most, struct err *e)
{
    hsize_t at = 0, size = 0;
    unsigned mask = 0;
    haddr_t where = HADDR_UNDEF;
    if (H5Dget_chunk_info(f->set, space, i, &at, &mask, &where, &size) < 0)
        return hdf5_failed(e, ERR_H5_CHUNK, f, f->set_name, "cannot find a chunk of");
    if (at == i * f->set_chunk && mask == 0 && where != HADDR_UNDEF && size > 0 && size <= most) return 0;
    return err_set(e, ERR_H5_CHUNK, "%s: chunk %llu of %s starts at %llu, filter mask %x, %llu bytes",
                   f->path, (unsigned long long)i, f->set_name, (unsigned long long)at, mask,
                   (unsigned long long)size);
}

int hdf5_check_chunks(struct hdf5 *f, const char *name, enum dtype t, struct err *e)
{
    hdf5_enter();
    int rc = hdf5_use_set(f, name, t, e);
    if (rc || f->set_chunk == 0) return hdf5_leave(rc);
    hid_t space = H5Dget_space(f->set);
    uint64_t chunks = f->set_count / f->set_chunk + (f->set_count % f->set_chunk != 0);
    size_t most = zstd_bound(hdf5_filter.chunk_bytes);
    for (uint64_t i = 0; !rc && i < chunks; i++) rc = check_chunk(f, space, i, most, e);
    if (space >= 0) H5Sclose(space);
    return hdf5_leave(rc);
}

int hdf5_read(struct hdf5 *f, const char *name, enum dtype t, uint64_t start, uint64_t n, void *out,
              struct err *e)
{
    hdf5_enter();
    int rc = hdf5_use_set(f, name, t, e);
    if (rc) return hdf5_leave(rc);
    if (start > f->set_count || n > f->set_count - start)
        return hdf5_leave(err_set(e, ERR_H5_SPACE, "%s: %s has %llu elements, wanted %llu from %llu", f->path,
                                  name, (unsigned long long)f->set_count, (unsigned long long)n,
                                  (unsigned long long)start));
    if (n == 0) return hdf5_leave(0);
    hsize_t from = start, count = n;
    hid_t in_file = H5Dget_space(f->set), in_memory = H5Screate_simple(1, &count, NULL);
    if (H5Sselect_hyperslab(in_file, H5S_SELECT_SET, &from, NULL, &count, NULL) < 0 ||
        H5Dread(f->set, hdf5_type(t, 0), in_memory, in_file, H5P_DEFAULT, out) < 0)
        rc = hdf5_failed(e, ERR_H5_READ, f, name, "cannot read");
    if (in_memory >= 0) H5Sclose(in_memory);
    if (in_file >= 0) H5Sclose(in_file);
    return hdf5_leave(rc);
}

/* ---- attributes
 * -------------------------------------------------------------------------------------------- */

static int set_attribute(struct hdf5 *f, const char *name, hid_t on_disk, hid_t in_memory, const void *value,
                         struct err *e)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t at = H5Acreate2(f->file, name, on_disk, space, H5P_DEFAULT, H5P_DEFAULT);
    int rc = 0;
    if (at < 0 || H5Awrite(at, in_memory, value) < 0)
        rc = hdf5_failed(e, ERR_H5_WRITE, f, name, "cannot write");
    if (at >= 0) H5Aclose(at);
    if (space >= 0) H5Sclose(space);
    return rc;
}

static hid_t text_type(size_t size)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0) H5Tset_size(type, size);
    if (type >= 0) H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

int hdf5_set_text(struct hdf5 *f, const char *name, const char *text, struct err *e)
{
    size_t size = strlen(text) + 1;
    if (size > HDF5_TEXT)
        return err_set(e, ERR_H5_SPACE, "attribute %s: %zu bytes, at most %d", name, size, HDF5_TEXT);
    hdf5_enter();
    hid_t type = text_type(size);
    int rc = set_attribute(f, name, type, type, text, e);
    if (type >= 0) H5Tclose(type);
    return hdf5_leave(rc);
}

int hdf5_set_i64(struct hdf5 *f, const char *name, int64_t value, struct err *e)
{
    hdf5_enter();
    return hdf5_leave(set_attribute(f, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value, e));
}

/* Opens a scalar attribute; *type gets its type in the file, for the caller to close. */
static int open_attribute(struct hdf5 *f, const char *name, hid_t *at, hid_t *type, struct err *e)
{
    if (H5Aexists(f->file, name) <= 0)
        return err_set(e, ERR_H5_MISSING, "%s: no attribute %s", f->path, name);
    *at = H5Aopen(f->file, name, H5P_DEFAULT);
    if (*at < 0) return hdf5_failed(e, ERR_H5_OPEN, f, name, "cannot open");
    hid_t space = H5Aget_space(*at);
    int scalar = space >= 0 && H5Sget_simple_extent_type(space) == H5S_SCALAR;
    if (space >= 0) H5Sclose(space);
    *type = scalar ? H5Aget_type(*at) : -1;
    if (*type >= 0) return 0;
    H5Aclose(*at);
    return err_set(e, ERR_H5_SPACE, "%s: attribute %s is not a single value", f->path, name);
}

int hdf5_get_i64(struct hdf5 *f, const char *name, int64_t *out, struct err *e)
{
    hid_t at, type;
    hdf5_enter();
    int rc = open_attribute(f, name, &at, &type, e);
    if (rc) return hdf5_leave(rc);
    if (H5Tequal(type, H5T_STD_I64LE) <= 0)
        rc = err_set(e, ERR_H5_TYPE, "%s: attribute %s is not little-endian I64", f->path, name);
    else if (H5Aread(at, H5T_NATIVE_INT64, out) < 0)
        rc = hdf5_failed(e, ERR_H5_READ, f, name, "cannot read");
    H5Tclose(type);
    H5Aclose(at);
    return hdf5_leave(rc);
}

int hdf5_get_text(struct hdf5 *f, const char *name, char out[HDF5_TEXT], struct err *e)
{
    hid_t at, type;
    hdf5_enter();
    int rc = open_attribute(f, name, &at, &type, e);
    if (rc) return hdf5_leave(rc);
    size_t size = H5Tget_size(type);
    memset(out, 0, HDF5_TEXT);
    if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) > 0)
        rc = err_set(e, ERR_H5_TYPE, "%s: attribute %s is not a text of fixed length", f->path, name);
    else if (size > HDF5_TEXT)
        rc = err_set(e, ERR_H5_SPACE, "%s: attribute %s has %zu bytes, at most %d", f->path, name, size,
                     HDF5_TEXT);
    else if (H5Aread(at, type, out) < 0)
        rc = hdf5_failed(e, ERR_H5_READ, f, name, "cannot read");
    out[HDF5_TEXT - 1] = 0;
    H5Tclose(type);
    H5Aclose(at);
    return hdf5_leave(rc);
}
