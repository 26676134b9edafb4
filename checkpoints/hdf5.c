#include "checkpoints/hdf5.h"

#include "checkpoints/hdf5_filter.h"
#include "checkpoints/hdf5_superblock.h"
#include "checkpoints/zstd.h"
#include "infer/size.h"

#include <hdf5.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CHUNK_MAX = 64 << 20, NAME_MAX_ = 128 };

struct hdf5 {
    hid_t file;
    char path[256]; /* for messages, cut */
    /* the dataset used last stays open: reading ranges of one dataset keeps its chunk cache */
    hid_t set; /* 0: none */
    char set_name[NAME_MAX_];
    enum dtype set_type;
    uint64_t set_count;
    uint32_t set_chunk; /* elements; 0: contiguous */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* ---- one call at a time, and why it failed ----------------------------------------------------------------
 */

static void enter(void) {
    static int told;
    pthread_mutex_lock(&mutex);
    /* every file is closed by hdf5_close; what is left at exit could only be a file libhdf5 failed on */
    if (!told) told = H5dont_atexit() >= 0;
    /* the error stack is each thread's own where libhdf5 has threads: silence it in each */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hdf5_filter.err.code = 0;
}

static int leave(int rc) {
    pthread_mutex_unlock(&mutex);
    return rc;
}

static herr_t innermost(unsigned at, const H5E_error2_t *error, void *text) {
    if (at == 0) snprintf(text, 160, "%s", error->desc ? error->desc : "no reason given");
    return 0;
}

/* An error of libhdf5 about `name` in `f`, with the innermost reason; the filter's own error comes first. */
static int failed(struct err *e, int code, const struct hdf5 *f, const char *name, const char *what) {
    char why[160] = "no reason given";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, why);
    if (hdf5_filter.err.code)
        return err_set(e, hdf5_filter.err.code, "%s of %s: %s", name, f->path, hdf5_filter.err.msg);
    return err_set(e, code, "%s: HDF5 %s %s: %s", f->path, what, name, why);
}

/* The type of elements in memory or in the file; -1 for a type we do not keep. */
static hid_t type_of(enum dtype t, int in_file) {
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

static hid_t file_type(enum dtype t) {
    return type_of(t, 1);
}

static hid_t memory_type(enum dtype t) {
    return type_of(t, 0);
}

/* ---- files ------------------------------------------------------------------------------------------------
 */

static hid_t access_list(void) {
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    if (list < 0) return list;
    /* checksummed headers, and nothing left to write after a flush (V110 has an open mark); closing a
     * file closes everything opened in it */
    H5Pset_libver_bounds(list, H5F_LIBVER_V18, H5F_LIBVER_LATEST);
    H5Pset_fclose_degree(list, H5F_CLOSE_STRONG);
    return list;
}

static hid_t create_file(const char *path, hid_t access) {
    hid_t list = H5Pcreate(H5P_FILE_CREATE), file = -1;
    /* the root group without its times, as the datasets: same content, same bytes */
    if (list >= 0 && H5Pset_obj_track_times(list, 0) >= 0)
        file = H5Fcreate(path, H5F_ACC_TRUNC, list, access);
    if (list >= 0) H5Pclose(list);
    return file;
}

static int open_file(struct hdf5 **out, const char *path, int create, struct err *e) {
    *out = NULL;
    struct hdf5 *f = calloc(1, sizeof *f);
    if (!f) return err_set(e, ERR_NOMEM, "no memory to open %s", path);
    snprintf(f->path, sizeof f->path, "%s", path);
    enter();
    int rc = hdf5_filter_register(e);
    hid_t list = access_list();
    f->file = rc ? -1 : create ? create_file(path, list) : H5Fopen(path, H5F_ACC_RDONLY, list);
    if (!rc && f->file < 0)
        rc = failed(e, ERR_H5_OPEN, f, "the file", create ? "cannot create" : "cannot open");
    if (list >= 0) H5Pclose(list);
    leave(0);
    if (rc)
        free(f);
    else
        *out = f;
    return rc;
}

int hdf5_create(struct hdf5 **out, const char *path, struct err *e) {
    return open_file(out, path, 1, e);
}

int hdf5_open(struct hdf5 **out, const char *path, struct err *e) {
    *out = NULL;
    int rc = hdf5_superblock_check(path, e);
    return rc ? rc : open_file(out, path, 0, e);
}

/* A write failed, say on a full disk. libhdf5 cannot close a file that it cannot write: it would keep the
 * file's space and crash at exit. So it is given memory to write the rest to; nobody reads that. Returns rc.
 */
static int give_up(struct hdf5 *f, int rc) {
    int *fd;
    int memory = memfd_create("hdf5", MFD_CLOEXEC);
    if (memory < 0) return rc;
    if (H5Fget_vfd_handle(f->file, H5P_DEFAULT, (void **)&fd) >= 0) dup2(memory, *fd);
    close(memory);
    return rc;
}

static void forget_set(struct hdf5 *f) {
    if (f->set > 0) H5Dclose(f->set);
    f->set = 0;
}

int hdf5_close(struct hdf5 *f, struct err *e) {
    int rc = 0;
    if (!f) return 0;
    enter();
    forget_set(f);
    if (H5Fflush(f->file, H5F_SCOPE_LOCAL) < 0)
        rc = give_up(f, failed(e, ERR_H5_WRITE, f, "the file", "cannot write"));
    if (H5Fclose(f->file) < 0 && !rc) rc = failed(e, ERR_H5_WRITE, f, "the file", "cannot close");
    leave(0);
    free(f);
    return rc;
}

/* ---- writing a dataset
 * ------------------------------------------------------------------------------------- */

static hid_t creation_list(const struct hdf5_layout *layout, uint64_t n) {
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

static int write_set(struct hdf5 *f, const char *name, enum dtype t, const void *data, uint64_t n, hid_t list,
                     struct err *e) {
    int rc = 0;
    hsize_t count = n;
    hid_t space = H5Screate_simple(1, &count, NULL);
    hid_t set = H5Dcreate2(f->file, name, file_type(t), space, H5P_DEFAULT, list, H5P_DEFAULT);
    if (set < 0) rc = failed(e, ERR_H5_WRITE, f, name, "cannot create");
    if (!rc && n && H5Dwrite(set, memory_type(t), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        rc = give_up(f, failed(e, ERR_H5_WRITE, f, name, "cannot write"));
    /* chunks are compressed when they leave the cache, at the latest here */
    if (!rc && H5Dflush(set) < 0) rc = give_up(f, failed(e, ERR_H5_WRITE, f, name, "cannot write"));
    if (set >= 0 && H5Dclose(set) < 0 && !rc)
        rc = give_up(f, failed(e, ERR_H5_WRITE, f, name, "cannot close"));
    if (space >= 0) H5Sclose(space);
    return rc;
}

int hdf5_write(struct hdf5 *f, const char *name, enum dtype t, const void *data, uint64_t n,
               const struct hdf5_layout *layout, struct err *e) {
    enter();
    if (file_type(t) < 0) return leave(err_set(e, ERR_H5_TYPE, "%s: no %s in HDF5", name, dtype_name(t)));
    hid_t list = creation_list(layout, n);
    int rc = list < 0 ? failed(e, ERR_H5_WRITE, f, name, "cannot lay out")
                      : write_set(f, name, t, data, n, list, e);
    if (list >= 0) H5Pclose(list);
    return leave(rc);
}

/* ---- checking a dataset
 * ------------------------------------------------------------------------------------ */

static int check_link(struct hdf5 *f, const char *name, struct err *e) {
    H5L_info_t link;
    H5O_info_t object;
    htri_t exists = H5Lexists(f->file, name, H5P_DEFAULT);
    if (exists < 0) return failed(e, ERR_H5_OPEN, f, name, "cannot look for");
    if (!exists) return err_set(e, ERR_H5_MISSING, "%s: no dataset %s", f->path, name);
    if (H5Lget_info(f->file, name, &link, H5P_DEFAULT) < 0)
        return failed(e, ERR_H5_LINK, f, name, "cannot follow");
    if (link.type != H5L_TYPE_HARD)
        return err_set(e, ERR_H5_LINK, "%s: %s is a link elsewhere, expected a dataset", f->path, name);
    if (H5Oget_info_by_name2(f->file, name, &object, H5O_INFO_BASIC, H5P_DEFAULT) < 0)
        return failed(e, ERR_H5_OPEN, f, name, "cannot find");
    if (object.type != H5O_TYPE_DATASET)
        return err_set(e, ERR_H5_TYPE, "%s: %s is not a dataset", f->path, name);
    return 0;
}

static int check_type(struct hdf5 *f, const char *name, hid_t set, enum dtype t, struct err *e) {
    hid_t type = H5Dget_type(set);
    int same = type >= 0 && H5Tequal(type, file_type(t)) > 0;
    if (type >= 0) H5Tclose(type);
    if (same) return 0;
    return err_set(e, ERR_H5_TYPE, "%s: %s is not little-endian %s", f->path, name, dtype_name(t));
}

static int check_space(struct hdf5 *f, const char *name, hid_t set, enum dtype t, uint64_t *n,
                       struct err *e) {
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
static int check_filters(struct hdf5 *f, const char *name, hid_t list, struct err *e) {
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
    return 0;
}

static int check_chunked(struct hdf5 *f, const char *name, hid_t set, hid_t list, enum dtype t, uint64_t n,
                         uint32_t *chunk, struct err *e) {
    hsize_t dims[H5S_MAX_RANK], have = 0, most = CHUNK_MAX / (dtype_bits(t) / 8);
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
                            struct err *e) {
    if (H5Pget_external_count(list) != 0)
        return err_set(e, ERR_H5_EXTERNAL, "%s: %s keeps its data in another file", f->path, name);
    uint64_t have = H5Dget_storage_size(set), want = n * (dtype_bits(t) / 8);
    if (have != want)
        return err_set(e, ERR_H5_SPACE, "%s: %s stores %llu bytes, expected %llu", f->path, name,
                       (unsigned long long)have, (unsigned long long)want);
    return 0;
}

static int check_storage(struct hdf5 *f, const char *name, hid_t set, enum dtype t, uint64_t n,
                         uint32_t *chunk, struct err *e) {
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

/* Opens and checks `name`, unless it is the dataset used last. */
static int use_set(struct hdf5 *f, const char *name, enum dtype t, struct err *e) {
    if (f->set > 0 && f->set_type == t && strcmp(f->set_name, name) == 0) goto ready;
    if (strlen(name) >= NAME_MAX_ || file_type(t) < 0)
        return err_set(e, ERR_H5_TYPE, "%s: no dataset %.80s of %s", f->path, name, dtype_name(t));
    forget_set(f);
    int rc = check_link(f, name, e);
    if (rc) return rc;
    f->set = H5Dopen2(f->file, name, H5P_DEFAULT);
    if (f->set < 0) return failed(e, ERR_H5_OPEN, f, name, "cannot open");
    rc = check_type(f, name, f->set, t, e);
    if (!rc) rc = check_space(f, name, f->set, t, &f->set_count, e);
    if (!rc) rc = check_storage(f, name, f->set, t, f->set_count, &f->set_chunk, e);
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

int hdf5_count(struct hdf5 *f, const char *name, enum dtype t, uint64_t *n, struct err *e) {
    enter();
    int rc = use_set(f, name, t, e);
    if (!rc) *n = f->set_count;
    return leave(rc);
}

static int check_chunk(struct hdf5 *f, hid_t space, uint64_t i, size_t most, struct err *e) {
    hsize_t at = 0, size = 0;
    unsigned mask = 0;
    haddr_t where = HADDR_UNDEF;
    if (H5Dget_chunk_info(f->set, space, i, &at, &mask, &where, &size) < 0)
        return failed(e, ERR_H5_CHUNK, f, f->set_name, "cannot find a chunk of");
    if (at == i * f->set_chunk && mask == 0 && where != HADDR_UNDEF && size > 0 && size <= most) return 0;
    return err_set(e, ERR_H5_CHUNK, "%s: chunk %llu of %s starts at %llu, filter mask %x, %llu bytes",
                   f->path, (unsigned long long)i, f->set_name, (unsigned long long)at, mask,
                   (unsigned long long)size);
}

int hdf5_check_chunks(struct hdf5 *f, const char *name, enum dtype t, struct err *e) {
    enter();
    int rc = use_set(f, name, t, e);
    if (rc || f->set_chunk == 0) return leave(rc);
    hid_t space = H5Dget_space(f->set);
    uint64_t chunks = f->set_count / f->set_chunk + (f->set_count % f->set_chunk != 0);
    size_t most = zstd_bound(hdf5_filter.chunk_bytes);
    for (uint64_t i = 0; !rc && i < chunks; i++) rc = check_chunk(f, space, i, most, e);
    if (space >= 0) H5Sclose(space);
    return leave(rc);
}

int hdf5_read(struct hdf5 *f, const char *name, enum dtype t, uint64_t start, uint64_t n, void *out,
              struct err *e) {
    enter();
    int rc = use_set(f, name, t, e);
    if (rc) return leave(rc);
    if (start > f->set_count || n > f->set_count - start)
        return leave(err_set(e, ERR_H5_SPACE, "%s: %s has %llu elements, wanted %llu from %llu", f->path,
                             name, (unsigned long long)f->set_count, (unsigned long long)n,
                             (unsigned long long)start));
    if (n == 0) return leave(0);
    hsize_t from = start, count = n;
    hid_t in_file = H5Dget_space(f->set), in_memory = H5Screate_simple(1, &count, NULL);
    if (H5Sselect_hyperslab(in_file, H5S_SELECT_SET, &from, NULL, &count, NULL) < 0 ||
        H5Dread(f->set, memory_type(t), in_memory, in_file, H5P_DEFAULT, out) < 0)
        rc = failed(e, ERR_H5_READ, f, name, "cannot read");
    if (in_memory >= 0) H5Sclose(in_memory);
    if (in_file >= 0) H5Sclose(in_file);
    return leave(rc);
}

/* ---- attributes
 * -------------------------------------------------------------------------------------------- */

static int set_attribute(struct hdf5 *f, const char *name, hid_t on_disk, hid_t in_memory, const void *value,
                         struct err *e) {
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t at = H5Acreate2(f->file, name, on_disk, space, H5P_DEFAULT, H5P_DEFAULT);
    int rc = 0;
    if (at < 0 || H5Awrite(at, in_memory, value) < 0) rc = failed(e, ERR_H5_WRITE, f, name, "cannot write");
    if (at >= 0) H5Aclose(at);
    if (space >= 0) H5Sclose(space);
    return rc;
}

static hid_t text_type(size_t size) {
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0) H5Tset_size(type, size);
    if (type >= 0) H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

int hdf5_set_text(struct hdf5 *f, const char *name, const char *text, struct err *e) {
    size_t size = strlen(text) + 1;
    if (size > HDF5_TEXT)
        return err_set(e, ERR_H5_SPACE, "attribute %s: %zu bytes, at most %d", name, size, HDF5_TEXT);
    enter();
    hid_t type = text_type(size);
    int rc = set_attribute(f, name, type, type, text, e);
    if (type >= 0) H5Tclose(type);
    return leave(rc);
}

int hdf5_set_i64(struct hdf5 *f, const char *name, int64_t value, struct err *e) {
    enter();
    return leave(set_attribute(f, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value, e));
}

/* Opens a scalar attribute; *type gets its type in the file, for the caller to close. */
static int open_attribute(struct hdf5 *f, const char *name, hid_t *at, hid_t *type, struct err *e) {
    if (H5Aexists(f->file, name) <= 0)
        return err_set(e, ERR_H5_MISSING, "%s: no attribute %s", f->path, name);
    *at = H5Aopen(f->file, name, H5P_DEFAULT);
    if (*at < 0) return failed(e, ERR_H5_OPEN, f, name, "cannot open");
    hid_t space = H5Aget_space(*at);
    int scalar = space >= 0 && H5Sget_simple_extent_type(space) == H5S_SCALAR;
    if (space >= 0) H5Sclose(space);
    *type = scalar ? H5Aget_type(*at) : -1;
    if (*type >= 0) return 0;
    H5Aclose(*at);
    return err_set(e, ERR_H5_SPACE, "%s: attribute %s is not a single value", f->path, name);
}

int hdf5_get_i64(struct hdf5 *f, const char *name, int64_t *out, struct err *e) {
    hid_t at, type;
    enter();
    int rc = open_attribute(f, name, &at, &type, e);
    if (rc) return leave(rc);
    if (H5Tequal(type, H5T_STD_I64LE) <= 0)
        rc = err_set(e, ERR_H5_TYPE, "%s: attribute %s is not little-endian I64", f->path, name);
    else if (H5Aread(at, H5T_NATIVE_INT64, out) < 0)
        rc = failed(e, ERR_H5_READ, f, name, "cannot read");
    H5Tclose(type);
    H5Aclose(at);
    return leave(rc);
}

int hdf5_get_text(struct hdf5 *f, const char *name, char out[HDF5_TEXT], struct err *e) {
    hid_t at, type;
    enter();
    int rc = open_attribute(f, name, &at, &type, e);
    if (rc) return leave(rc);
    size_t size = H5Tget_size(type);
    memset(out, 0, HDF5_TEXT);
    if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) > 0)
        rc = err_set(e, ERR_H5_TYPE, "%s: attribute %s is not a text of fixed length", f->path, name);
    else if (size > HDF5_TEXT)
        rc = err_set(e, ERR_H5_SPACE, "%s: attribute %s has %zu bytes, at most %d", f->path, name, size,
                     HDF5_TEXT);
    else if (H5Aread(at, type, out) < 0)
        rc = failed(e, ERR_H5_READ, f, name, "cannot read");
    out[HDF5_TEXT - 1] = 0;
    H5Tclose(type);
    H5Aclose(at);
    return leave(rc);
}
