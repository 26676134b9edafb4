/* Section ST of the hostile inputs: what a safetensors file can do wrong by itself. (test_hostile_st_model.c
 * has the index, the config and the binding.) Headers are written with ' for ". */
#include "checkpoints/safetensors.h"
#include "tests/support/clock.h"
#include "tests/support/quick.h"
#include "tests/support/scratch.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* u64 length, header, `data` zero bytes. The caller frees. */
static char *make_file(const char *header, size_t n, size_t data, size_t *size)
{
    *size = 8 + n + data;
    char *file = calloc(*size ? *size : 1, 1);
    assert_non_null(file);
    for (int i = 0; i < 8; i++) file[i] = (char)(n >> 8 * i);
    for (size_t i = 0; i < n; i++) file[8 + i] = header[i] == '\'' ? '"' : header[i];
    return file;
}

static int check_result(const char *id, int rc, int code, const struct err *e, const char *says)
{
    if (rc == code && (!code || strstr(e->msg, says))) return 0;
    print_error("%s: got %s \"%s\", expected %s naming \"%s\"\n", id, err_name(rc), e->msg, err_name(code),
                says);
    return 1;
}

/* Opens the bytes from memory and from a file: both must come to the same verdict. */
static int try_bytes(const char *id, const char *file, size_t n, int code, const char *says)
{
    struct safetensors *f;
    struct err a = {0}, b = {0};
    int rc = safetensors_open_memory(&f, file, n, "memory", &a), bad = check_result(id, rc, code, &a, says);
    safetensors_close(f);
    rc = safetensors_open(&f, scratch_write("case.safetensors", file, n), &b);
    bad |= check_result(id, rc, code, &b, says);
    safetensors_close(f);
    if (rc && !strstr(b.msg, "case.safetensors")) bad = 1, print_error("%s: the message names no file\n", id);
    return bad;
}

/* ---- the header's own bytes -----------------------------------------------------------------------------
 */

#define BYTES(text) text, sizeof(text) - 1

static const struct {
    const char *id, *bytes;
    size_t n;
    int code;
    const char *says;
} files[] = {
    {"ST01", BYTES(""), ERR_HDR_SHORT, "0 bytes"},
    {"ST02", BYTES("\0\0\0\0\0\0\0"), ERR_HDR_SHORT, "7 bytes"},
    {"ST03", BYTES("\0\0\0\0\0\0\0\0"), ERR_HDR_EMPTY, "length 0"},
    {"ST04", BYTES("\1\0\0\0\0\0\0\0{"), ERR_JSON_TRUNC, ""},
    {"ST05", BYTES("\3\0\0\0\0\0\0\0{}"), ERR_HDR_PAST_EOF, "length 3"},
    {"ST06", BYTES("\0\0\0\0\0\0\0\x80{}"), ERR_HDR_TOO_LARGE, "9223372036854775808"},
    {"ST07", BYTES("\xff\xff\xff\xff\xff\xff\xff\xff{}"), ERR_HDR_TOO_LARGE, "18446744073709551615"},
    {"ST08", BYTES("\1\xe1\xf5\5\0\0\0\0{}"), ERR_HDR_TOO_LARGE, "100000001"},
    {"ST09", BYTES("\x40\0\0\0\0\0\0\0{\"a\":{\"dty"), ERR_HDR_PAST_EOF, "length 64"},
    {"N = 100,000,000 is allowed", BYTES("\0\xe1\xf5\5\0\0\0\0{}"), ERR_HDR_PAST_EOF, "100000000"},
};

static void length_and_file(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        bad |= try_bytes(files[i].id, files[i].bytes, files[i].n, files[i].code, files[i].says);
    assert_false(bad);
}

/* ---- headers --------------------------------------------------------------------------------------------
 */

#define A_U8                     "'a':{'dtype':'U8','shape':[8],'data_offsets':[0,8]}"
#define A(dtype, shape, offsets) "{'aa':{'dtype':" dtype ",'shape':" shape ",'data_offsets':" offsets "}}"
#define B(shape, offsets)        "'bb':{'dtype':'U8','shape':" shape ",'data_offsets':" offsets "}"
#define TEN                      "1,1,1,1,1,1,1,1,1,1,"

static const struct {
    const char *id, *header;
    size_t n, data;
    int code;
    const char *says;
} headers[] = {
    {"ST10", BYTES("{'a\xff':{}}"), 0, ERR_UTF8, "UTF-8"},
    {"ST10 first", BYTES("\xff"), 0, ERR_UTF8, "UTF-8"},
    {"ST11", BYTES("{'\xc0\xaf':{}}"), 0, ERR_UTF8, "UTF-8"},
    {"ST12", BYTES("{'\\ud800':{}}"), 0, ERR_JSON_SURROGATE, ""},
    {"ST13 escaped", BYTES("{'a\\u0000b':{}}"), 0, ERR_NAME_CHAR, ""},
    {"ST13 raw", BYTES("{'a\0b':{}}"), 0, ERR_NAME_CHAR, ""},
    {"ST14", BYTES(" {}"), 0, ERR_HDR_START, "0x20"},
    {"ST14 NUL", BYTES("\0{}"), 0, ERR_HDR_START, "0x00"},
    {"ST15", BYTES("{}x"), 0, ERR_JSON_TRAILING, ""},
    {"ST15 NUL padding", BYTES("{}\0\0"), 0, ERR_JSON_TRAILING, ""},
    {"ST16 array", BYTES("[]"), 0, ERR_HDR_NOT_OBJECT, "object"},
    {"ST16 number", BYTES("17"), 0, ERR_HDR_NOT_OBJECT, "object"},
    {"ST16 string", BYTES("'a'"), 0, ERR_HDR_NOT_OBJECT, "object"},
    {"ST17", BYTES("{" A_U8 "," A_U8 "}"), 8, ERR_DUP_KEY, "\"a\""},
    {"ST18", BYTES("{" A_U8 ",'a':{'dtype':'U8','shape':[8],'data_offsets':[8,16]}}"), 16, ERR_DUP_KEY,
     "\"a\""},
    {"ST19", BYTES("{" A_U8 ",'\\u0061':{'dtype':'U8','shape':[8],'data_offsets':[8,16]}}"), 16, ERR_DUP_KEY,
     "\"a\""},
    {"ST20", BYTES("{'a':{'dtype':'U8','dtype':'U8','shape':[8],'data_offsets':[0,8]}}"), 8, ERR_DUP_KEY,
     "dtype"},
    {"ST21", BYTES("{'__metadata__':{},'__metadata__':{}}"), 0, ERR_DUP_KEY, "__metadata__"},
    {"ST22", BYTES("{'__metadata__':{'kk':1}}"), 0, ERR_META_TYPE, "kk"},
    {"ST23", BYTES("{'__metadata__':[]}"), 0, ERR_META_TYPE, "array"},
    {"ST24", BYTES("{'aa':{'shape':[8],'data_offsets':[0,8]}}"), 8, ERR_FIELD_MISSING,
     "\"aa\": no \"dtype\""},
    {"ST25", BYTES("{'aa':{'dtype':'U8','data_offsets':[0,8]}}"), 8, ERR_FIELD_MISSING,
     "\"aa\": no \"shape\""},
    {"ST26", BYTES("{'aa':{'dtype':'U8','shape':[8]}}"), 8, ERR_FIELD_MISSING, "\"aa\": no \"data_offsets\""},
    {"ST27", BYTES("{'aa':{'dtype':'U8','shape':[8],'data_offsets':[0,8],'strides':[1]}}"), 8,
     ERR_FIELD_UNKNOWN, "\"aa\": unknown field \"strides\""},
    {"ST28", BYTES(A("'F33'", "[2]", "[0,8]")), 8, ERR_DTYPE, "\"aa\": dtype is F33"},
    {"ST29", BYTES(A("'bf16'", "[4]", "[0,8]")), 8, ERR_DTYPE, "\"aa\": dtype is bf16"},
    {"ST30", BYTES(A("16", "[4]", "[0,8]")), 8, ERR_DTYPE, "\"aa\": dtype is an integer"},
    {"ST31", BYTES(A("'U8'", "[-1]", "[0,8]")), 8, ERR_SHAPE_INT, "\"aa\": shape[0]"},
    {"ST32 2.0", BYTES(A("'U8'", "[4,2.0]", "[0,8]")), 8, ERR_SHAPE_INT, "\"aa\": shape[1]"},
    {"ST32 1e3", BYTES(A("'U8'", "[1e3]", "[0,8]")), 8, ERR_SHAPE_INT, "\"aa\": shape[0]"},
    {"ST33", BYTES(A("'U8'", "[18446744073709551616]", "[0,8]")), 8, ERR_SHAPE_INT, "\"aa\": shape[0]"},
    {"ST34 string", BYTES(A("'U8'", "['2']", "[0,8]")), 8, ERR_SHAPE_INT, "\"aa\": shape[0]"},
    {"ST34 list", BYTES(A("'U8'", "[[2]]", "[0,8]")), 8, ERR_SHAPE_INT, "\"aa\": shape[0]"},
    {"ST34 no list", BYTES(A("'U8'", "8", "[0,8]")), 8, ERR_SHAPE_INT, "\"aa\": shape is an integer"},
    {"ST35", BYTES(A("'U8'", "[" TEN TEN TEN TEN TEN TEN "1,1,1,1,1]", "[0,1]")), 1, ERR_RANK,
     "\"aa\": 65 dim"},
    {"ST35 ninth is 2", BYTES(A("'U8'", "[1,1,1,1,1,1,1,1,2]", "[0,2]")), 2, ERR_RANK, "\"aa\": shape[8]"},
    {"ST36", BYTES(A("'U8'", "[2,18446744073709551614]", "[0,8]")), 8, ERR_OVERFLOW, "\"aa\""},
    {"ST37", BYTES(A("'I32'", "[2,9223372036854775807]", "[0,8]")), 8, ERR_OVERFLOW, "\"aa\""},
    {"ST38", BYTES(A("'U8'", "[9223372036854775808,4,0]", "[0,0]")), 0, ERR_OVERFLOW, "\"aa\""},
    {"ST38 0 first", BYTES(A("'U8'", "[0,9223372036854775808,4]", "[0,0]")), 0, ERR_OVERFLOW, "\"aa\""},
    {"ST39 one", BYTES(A("'U8'", "[8]", "[8]")), 8, ERR_OFFSETS, "\"aa\""},
    {"ST39 three", BYTES(A("'U8'", "[8]", "[0,8,8]")), 8, ERR_OFFSETS, "\"aa\""},
    {"ST40", BYTES(A("'U8'", "[8]", "[8,0]")), 8, ERR_OFFSETS, "begins at 8"},
    {"ST41", BYTES(A("'U8'", "[8]", "[-8,0]")), 8, ERR_OFFSETS, "\"aa\""},
    {"ST42 0.0", BYTES(A("'U8'", "[8]", "[0.0,8]")), 8, ERR_OFFSETS, "\"aa\""},
    {"ST42 1e2", BYTES(A("'U8'", "[100]", "[0,1e2]")), 100, ERR_OFFSETS, "\"aa\""},
    {"ST43", BYTES(A("'U8'", "[9]", "[0,9]")), 8, ERR_DATA_PAST_EOF, "\"aa\": ends at offset 9"},
    {"ST43 mlx", BYTES(A("'U8'", "[8]", "[0,9]")), 8, ERR_DATA_PAST_EOF, "\"aa\": ends at offset 9"},
    {"ST44 more", BYTES(A("'BF16'", "[2,3]", "[0,8]")), 8, ERR_SIZE_MISMATCH, "\"aa\": data_offsets spans 8"},
    {"ST44 less", BYTES(A("'BF16'", "[2,3]", "[0,16]")), 16, ERR_SIZE_MISMATCH, "make 12"},
    {"ST45", BYTES("{" A_U8 "," B("[8]", "[0,8]") "}"), 8, ERR_OVERLAP, "\"bb\""},
    {"ST46", BYTES("{" A_U8 "," B("[8]", "[7,15]") "}"), 15, ERR_OVERLAP, "\"bb\": begins at offset 7"},
    {"ST47", BYTES("{" A_U8 "," B("[7]", "[9,16]") "}"), 16, ERR_HOLE, "\"bb\": begins at offset 9"},
    {"ST48", BYTES("{" B("[8]", "[8,16]") "}"), 16, ERR_HOLE, "\"bb\": begins at offset 8"},
    {"ST49", BYTES("{" A_U8 "}"), 9, ERR_TRAILING, "1 bytes after the last tensor"},
    {"ST49 no tensor", BYTES("{}"), 1, ERR_TRAILING, "1 bytes"},
    {"ST50", BYTES("{" A_U8 "}"), 7, ERR_DATA_PAST_EOF, "\"a\": ends at offset 8"},
    {"ST51", BYTES(A("'U8'", "[2,0]", "[0,8]")), 8, ERR_SIZE_MISMATCH, "\"aa\""},
    {"ST52", BYTES("{" A_U8 "," B("[0]", "[9,9]") "}"), 8, ERR_OFFSETS, "\"bb\": empty, but at offset 9"},
    {"ST53", BYTES(A("'F4'", "[3]", "[0,2]")), 2, ERR_SUBBYTE, "\"aa\": 3 elements"},
    {"ST58 zero", BYTES(A("'U8'", "[08]", "[0,8]")), 8, ERR_JSON_NUMBER, ""},
    {"ST58 plus", BYTES(A("'U8'", "[+8]", "[0,8]")), 8, ERR_JSON_NUMBER, ""},
    {"ST58 hex", BYTES(A("'U8'", "[0x8]", "[0,8]")), 8, ERR_JSON_NUMBER, ""},
    {"entry is no object", BYTES("{'aa':[]}"), 0, ERR_FIELD_TYPE, "\"aa\""},
    {"empty inside another", BYTES("{" A_U8 "," B("[0]", "[4,4]") "}"), 8, ERR_OVERLAP, "\"bb\""},
    /* what must be accepted */
    {"ok: no tensor", BYTES("{}"), 0, 0, ""},
    {"ok: spaces behind", BYTES("{}      "), 0, 0, ""},
    {"ok: empty tensor", BYTES(A("'F32'", "[2,0]", "[0,0]")), 0, 0, ""},
    {"ok: empty before", BYTES("{" A_U8 "," B("[0]", "[0,0]") "}"), 8, 0, ""},
    {"ok: empty at the end", BYTES("{" A_U8 "," B("[0]", "[8,8]") "}"), 8, 0, ""},
    {"ok: rank 0", BYTES(A("'F32'", "[]", "[0,4]")), 4, 0, ""},
    {"ok: rank 64", BYTES(A("'U8'", "[" TEN TEN TEN TEN TEN TEN "1,1,1,1]", "[0,1]")), 1, 0, ""},
    {"ok: metadata only", BYTES("{'__metadata__':{'format':'pt','\\u0061':'\\n'}}"), 0, 0, ""},
    {"ok: any order of keys",
     BYTES("{'aa':{'data_offsets':[0,8],'dtype':'U8','shape':[8]},'__metadata__':{}}"), 8, 0, ""},
    {"ok: any order of tensors", BYTES("{" B("[8]", "[8,16]") "," A_U8 "}"), 16, 0, ""},
    {"ok: even 4-bit", BYTES(A("'F4'", "[4]", "[0,2]")), 2, 0, ""},
};

static void header_cases(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        size_t n;
        char *file = make_file(headers[i].header, headers[i].n, headers[i].data, &n);
        bad |= try_bytes(headers[i].id, file, n, headers[i].code, headers[i].says);
        free(file);
    }
    assert_false(bad);
}

/* ---- sizes: within a second, 64 MiB and the header's length ----------------------------------------------
 */

static char *repeat(char *to, const char *text, size_t times)
{
    for (size_t n = strlen(text); times--; to += n) memcpy(to, text, n);
    return to;
}

static size_t ten_million_entries(char *out)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-";
    char *p = out;
    *p++ = '{';
    for (unsigned i = 0; i < 10000000; i++) {
        *p++ = '"';
        for (int d = 18; d >= 0; d -= 6) *p++ = digits[i >> d & 63];
        p = repeat(p, "\":1,", 1);
    }
    p[-1] = '}';
    return (size_t)(p - out);
}

static size_t deep_entry(char *out)
{
    char *p = repeat(out, "{\"aa\":{\"shape\":", 1);
    return (size_t)(repeat(p, "[", 100000) - out);
}

static size_t mostly_spaces(char *out)
{
    memset(out, ' ', 99000000);
    out[0] = '{', out[98999999] = '}';
    return 99000000;
}

static size_t long_name(char *out)
{
    char *p = repeat(repeat(out, "{\"", 1), "n", 1 << 20);
    return (size_t)(repeat(p, "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 1) - out);
}

static size_t longest_header(char *out)
{
    char *p = repeat(repeat(out, "{\"__metadata__\":{\"k\":\"", 1), "v", 99999974);
    return (size_t)(repeat(p, "\"}}", 1) - out);
}

static const struct {
    const char *id;
    size_t (*make)(char *out);
    int code;
    const char *says;
} large[] = {
    {"ST54", ten_million_entries, ERR_TOO_MANY, ""},     {"ST55", deep_entry, ERR_DEPTH, ""},
    {"ST56", mostly_spaces, ERR_HDR_SPARSE, "98999998"}, {"ST57", long_name, ERR_NAME_LEN, "nnn"},
    {"ok: 99,999,999 bytes", longest_header, 0, ""},
};

static size_t address_space(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%zu", &pages) != 1) pages = 0;
    if (f) fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* In a child with a limit: the map of the file, the header's length, 64 MiB. */
static int within_limits(const char *path, size_t file, int code)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct safetensors *f;
        rlim_t room = address_space() + 2 * file + (64 << 20);
        if (!QUICK && setrlimit(RLIMIT_AS, &(struct rlimit){room, room})) _exit(2);
        _exit(safetensors_open(&f, path, NULL) == code ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void size_cases(void **state)
{
    (void)state;
    char *file = malloc(8 + 100000000);
    assert_non_null(file);
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        struct safetensors *f;
        struct err e = {0};
        uint64_t n = large[i].make(file + 8);
        memcpy(file, &n, 8);
        const char *path = scratch_write("case.safetensors", file, 8 + n);
        double start = cpu_seconds();
        int rc = safetensors_open(&f, path, &e);
        double seconds = cpu_seconds() - start;
        safetensors_close(f);
        assert_int_equal(check_result(large[i].id, rc, large[i].code, &e, large[i].says), 0);
        if (!QUICK && seconds > 1) fail_msg("%s took %.2f s", large[i].id, seconds);
        if (!within_limits(path, 8 + n, large[i].code))
            fail_msg("%s: not within the memory limit", large[i].id);
    }
    free(file);
}

/* ---- paths and changes ----------------------------------------------------------------------------------
 */

static void st59_not_a_regular_file(void **state)
{
    (void)state;
    struct safetensors *f;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s", scratch("socket"));
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(s, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(mkfifo(scratch("fifo"), 0600), 0);
    const char *paths[] = {scratch("fifo"), "/dev/zero", scratch("."), scratch("socket")};
    for (int i = 0; i < 4; i++) {
        struct err e = {0};
        assert_int_equal(safetensors_open(&f, paths[i], &e), ERR_NOT_REGULAR);
        assert_non_null(strstr(e.msg, paths[i]));
        assert_null(f);
    }
    close(s);
}

static void st60_file_shrinks(void **state)
{
    (void)state;
    enum { DATA = 1 << 20 };
    static const char header[] = "{'aa':{'dtype':'BF16','shape':[1024,512],'data_offsets':[0,1048576]}}";
    struct safetensors *f;
    struct err e = {0};
    size_t n;
    char *file = make_file(header, sizeof header - 1, DATA, &n);
    const char *path = scratch_write("shrinks.safetensors", file, n);
    memset(file + n - DATA, 0xff, DATA);
    scratch_write("shrinks.safetensors", file, n);
    free(file);
    assert_int_equal(safetensors_open(&f, path, &e), 0);
    assert_int_equal(safetensors_intact(f, &e), 0);
    const struct tensor *t = safetensors_at(f, 0);
    assert_int_equal(((const unsigned char *)t->data)[DATA - 1], 0xff);
    assert_int_equal(truncate(path, 4096), 0);
    for (size_t i = 4096; i < DATA; i++) assert_int_equal(((const unsigned char *)t->data)[i], 0);
    assert_int_equal(safetensors_intact(f, &e), ERR_CHANGED);
    assert_non_null(strstr(e.msg, "shrinks.safetensors"));
    safetensors_close(f);
}

/* Cut, looked at, grown back, its time set back: only the handler knows that zeros were read. */
static void st60_cut_and_grown_back(void **state)
{
    (void)state;
    enum { DATA = 1 << 20 };
    struct safetensors *f;
    struct err e = {0};
    struct stat st;
    size_t n;
    char *file = make_file(BYTES(A("'U8'", "[1048576]", "[0,1048576]")), DATA, &n);
    const char *path = scratch_write("grown.safetensors", file, n);
    free(file);
    assert_int_equal(safetensors_open(&f, path, &e), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, 4096), 0);
    assert_int_equal(((const unsigned char *)safetensors_at(f, 0)->data)[DATA - 1], 0);
    assert_int_equal(truncate(path, (off_t)n), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){st.st_atim, st.st_mtim}, 0), 0);
    assert_int_equal(safetensors_intact(f, &e), ERR_CHANGED);
    assert_non_null(strstr(e.msg, "cut short"));
    safetensors_close(f);
}

/* Same size as before: only the clock knows. */
static void st60_rewritten_in_place(void **state)
{
    (void)state;
    struct safetensors *f;
    struct err e = {0};
    size_t n;
    const struct timespec tick = {.tv_nsec = 20000000}; /* file systems' clocks are coarse */
    char *file = make_file(BYTES("{" A_U8 "}"), 8, &n);
    const char *path = scratch_write("rewritten.safetensors", file, n);
    assert_int_equal(safetensors_open(&f, path, &e), 0);
    nanosleep(&tick, NULL);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, (off_t)n - 1), 1);
    close(fd);
    assert_int_equal(safetensors_intact(f, &e), ERR_CHANGED);
    safetensors_close(f);
    free(file);
}

/* Cuts the file as soon as this process has mapped it. */
static void *cutter(void *path)
{
    char line[512];
    for (bool mapped = false; !mapped;) {
        FILE *f = fopen("/proc/self/maps", "r");
        while (f && fgets(line, sizeof line, f)) mapped |= strstr(line, "cutting.safetensors") != NULL;
        if (f) fclose(f);
    }
    assert_int_equal(truncate(path, 4096), 0);
    return NULL;
}

/* While the header is parsed, the rest of it turns to zeros: not malformed, but CHANGED. */
static void st60_cut_while_opening(void **state)
{
    (void)state;
    enum { HEADER = 20 << 20, TRIES = 50 };
    char *file = malloc(8 + HEADER),
         *p = repeat(repeat(file + 8, "{\"__metadata__\":{\"k\":\"", 1), "v", HEADER - 25);
    int changed = 0;
    repeat(p, "\"}}", 1);
    memcpy(file, &(uint64_t){HEADER}, 8);
    for (int i = 0; i < TRIES && !changed; i++) {
        struct safetensors *f;
        struct err e = {0};
        pthread_t thread;
        const char *path = scratch_write("cutting.safetensors", file, 8 + HEADER);
        assert_int_equal(pthread_create(&thread, NULL, cutter, (void *)(uintptr_t)path), 0);
        int rc = safetensors_open(&f, path, &e);
        pthread_join(thread, NULL);
        safetensors_close(f);
        if (rc && rc != ERR_CHANGED) fail_msg("%s: %s", err_name(rc), e.msg);
        changed = rc == ERR_CHANGED;
    }
    free(file);
    assert_true(changed); /* or the cutter never got its turn in time */
}

static void cut_at_every_length(void **state)
{
    (void)state;
    static const char header[] =
        "{'aa':{'dtype':'BF16','shape':[4],'data_offsets':[0,8]},'__metadata__':{'k':'v'}}";
    size_t n;
    char *file = make_file(header, sizeof header - 1, 8, &n);
    for (size_t cut = 0; cut < n; cut++) {
        struct safetensors *f;
        struct err e = {0};
        assert_int_not_equal(safetensors_open_memory(&f, file, cut, "cut", &e), 0);
        assert_true(e.code == ERR_HDR_SHORT || e.code == ERR_HDR_PAST_EOF || e.code == ERR_DATA_PAST_EOF);
        assert_null(f);
    }
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(length_and_file),
        cmocka_unit_test(header_cases),
        cmocka_unit_test(size_cases),
        cmocka_unit_test(st59_not_a_regular_file),
        cmocka_unit_test(st60_file_shrinks),
        cmocka_unit_test(st60_cut_and_grown_back),
        cmocka_unit_test(st60_rewritten_in_place),
        cmocka_unit_test(st60_cut_while_opening),
        cmocka_unit_test(cut_at_every_length),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
