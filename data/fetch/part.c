#include "data/fetch/part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOG_MAX = 256 << 20 };

static const char first_line[] = "terse part 1";

/* ---- digests ----------------------------------------------------------------------------------------- */

static bool by_git(const struct part *p)
{
    return p->key.digest && strlen(p->key.digest) == SHA1_HEX - 1;
}

static void end_digests(struct part *p)
{
    sha256_final(&p->whole, NULL);
    sha256_final(&p->git, NULL);
    sha256_final(&p->chunk, NULL);
}

static int start_digests(struct part *p, struct err *e)
{
    end_digests(p);
    int rc = sha256_init(&p->whole, e);
    if (!rc) rc = sha1_init(&p->chunk, e);
    if (!rc && by_git(p)) rc = sha1_init_blob(&p->git, p->key.size, e);
    return rc;
}

/* ---- the log ----------------------------------------------------------------------------------------- */

static int log_text(struct part *p, const char *text, struct err *e)
{
    return file_write_fd(p->log, p->log_path, text, strlen(text), e);
}

/* What a log of these bytes begins with. */
static int log_head(const struct part *p, char *text, size_t cap, struct err *e)
{
    int n = snprintf(text, cap, "%s\nurl %s\ndigest %s\nsize %llu\n", first_line, p->key.url,
                     p->key.digest ? p->key.digest : "-", (unsigned long long)p->key.size);
    return n >= 0 && (size_t)n < cap ? 0 : err_set(e, ERR_PATH, "an address of over %zu bytes", cap);
}

/* Writes down the bytes since chunk_from. */
static int log_chunk(struct part *p, struct err *e)
{
    char line[160], hex[SHA256_HEX];
    if (p->have == p->chunk_from) return 0;
    sha256_final(&p->chunk, hex);
    snprintf(line, sizeof line, "chunk %llu %llu %s\n", (unsigned long long)p->chunk_from,
             (unsigned long long)(p->have - p->chunk_from), hex);
    p->chunk_from = p->have;
    int rc = log_text(p, line, e);
    return rc ? rc : sha1_init(&p->chunk, e);
}

int part_restart(struct part *p, const char *etag, uint64_t total, struct err *e)
{
    char text[HTTP_URL + 512], tail[HTTP_ETAG + 64];
    int rc = log_head(p, text, sizeof text, e);
    if (!rc) rc = start_digests(p, e);
    p->have = p->chunk_from = 0;
    p->total = total;
    snprintf(p->etag, sizeof p->etag, "%s", etag);
    /* the log first: bytes without a log are nothing, a log without its bytes would be found out */
    if (!rc && ftruncate(p->log, 0)) rc = err_errno(e, errno, "cannot empty %s", p->log_path);
    if (!rc && lseek(p->log, 0, SEEK_SET)) rc = err_errno(e, errno, "cannot rewind %s", p->log_path);
    if (!rc && ftruncate(p->fd, 0)) rc = err_errno(e, errno, "cannot empty %s", p->path);
    if (!rc && lseek(p->fd, 0, SEEK_SET)) rc = err_errno(e, errno, "cannot rewind %s", p->path);
    if (!rc) rc = log_text(p, text, e);
    snprintf(tail, sizeof tail, "etag %s\ntotal %llu\n", *etag ? etag : "-", (unsigned long long)total);
    return rc ? rc : log_text(p, tail, e);
}

/* ---- going on ---------------------------------------------------------------------------------------- */

static bool read_back(const struct part *p, uint64_t from, char *data, size_t n)
{
    while (n) {
        ssize_t got = pread(p->fd, data, n, (off_t)from);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        data += got;
        from += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

/* Takes the bytes of one line of the log, if they are still what they were. data[PART_CHUNK] is scratch. */
static bool take_chunk(struct part *p, const char *line, char *data)
{
    unsigned long long from, n;
    char want[SHA1_HEX], is[SHA256_HEX];
    struct sha256 s;
    int end = 0;
    if (sscanf(line, "chunk %llu %llu %40[0-9a-f]%n", &from, &n, want, &end) != 3 || line[end]) return false;
    if (from != p->have || !n || n > PART_CHUNK || (p->total != UINT64_MAX && n > p->total - from))
        return false;
    if (!read_back(p, from, data, (size_t)n) || sha1_init(&s, NULL)) return false;
    sha256_update(&s, data, (size_t)n);
    sha256_final(&s, is);
    if (strcmp(is, want)) return false;
    sha256_update(&p->whole, data, (size_t)n);
    if (by_git(p)) sha256_update(&p->git, data, (size_t)n);
    p->have += n;
    return true;
}

/* "etag ..." and "total ...", which stand behind the head. */
static bool take_facts(struct part *p, const char **text)
{
    char etag[HTTP_ETAG];
    unsigned long long total;
    int end = 0;
    if (sscanf(*text, "etag %255[^\n]\ntotal %20llu%n", etag, &total, &end) != 2 || (*text)[end] != '\n')
        return false;
    p->total = total;
    strcpy(p->etag, strcmp(etag, "-") ? etag : "");
    *text += end + 1;
    return true;
}

/* Takes what the log vouches for, from `at` on; returns where it ends to be true. */
static const char *take_chunks(struct part *p, const char *at, char *data)
{
    char line[160];
    for (const char *end; (end = strchr(at, '\n')) && end - at < (ptrdiff_t)sizeof line; at = end + 1) {
        snprintf(line, sizeof line, "%.*s", (int)(end - at), at);
        if (!take_chunk(p, line, data)) break;
    }
    return at;
}

/* Reads the log `text`, which is another's or half a one if it has no such head: then nothing is kept. */
static const char *take_log(struct part *p, const char *text, const char *head, char *data)
{
    const char *at = text + strlen(head);
    if (strncmp(text, head, strlen(head)) || !take_facts(p, &at)) return text;
    return take_chunks(p, at, data);
}

/* Both files end where they stop to be true. */
static int cut(struct part *p, off_t log_end, struct err *e)
{
    p->chunk_from = p->have;
    if (ftruncate(p->log, log_end) || lseek(p->log, log_end, SEEK_SET) < 0)
        return err_errno(e, errno, "cannot shorten %s", p->log_path);
    if (ftruncate(p->fd, (off_t)p->have) || lseek(p->fd, (off_t)p->have, SEEK_SET) < 0)
        return err_errno(e, errno, "cannot shorten %s", p->path);
    return 0;
}

static int resume(struct part *p, struct err *e)
{
    char head[HTTP_URL + 512], *text = NULL, *data = malloc(PART_CHUNK);
    size_t n = 0;
    int rc =
        data ? log_head(p, head, sizeof head, e) : err_set(e, ERR_NOMEM, "no memory to read %s", p->path);
    if (!rc) rc = start_digests(p, e);
    if (!rc) rc = file_load(p->log_path, LOG_MAX, &text, &n, e);
    if (!rc) rc = cut(p, take_log(p, text, head, data) - text, e);
    free(text);
    free(data);
    return rc;
}

static void close_both(struct part *p)
{
    end_digests(p);
    if (p->fd >= 0) close(p->fd);
    if (p->log >= 0) close(p->log);
    p->fd = p->log = -1;
}

int part_open(struct part *p, const char *stem, const struct part_key *key, struct err *e)
{
    enum { HOW = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW };
    *p = (struct part){.key = *key, .fd = -1, .log = -1, .total = UINT64_MAX};
    int rc = file_path(p->path, e, "%s.part", stem);
    if (!rc) rc = file_path(p->log_path, e, "%s.log", stem);
    if (!rc) p->fd = open(p->path, HOW, 0666);
    if (!rc && p->fd < 0) rc = err_errno(e, errno, "cannot open %s", p->path);
    if (!rc) p->log = open(p->log_path, HOW, 0666);
    if (!rc && p->log < 0) rc = err_errno(e, errno, "cannot open %s", p->log_path);
    if (!rc) rc = resume(p, e);
    if (rc) close_both(p);
    return rc;
}

/* ---- writing ----------------------------------------------------------------------------------------- */

int part_write(struct part *p, const void *data, size_t n, struct err *e)
{
    const char *bytes = data;
    int rc = 0;
    while (!rc && n) {
        uint64_t room = PART_CHUNK - (p->have - p->chunk_from);
        size_t k = n < room ? n : (size_t)room;
        rc = file_write_fd(p->fd, p->path, bytes, k, e);
        if (rc) break;
        sha256_update(&p->whole, bytes, k);
        sha256_update(&p->chunk, bytes, k);
        if (by_git(p)) sha256_update(&p->git, bytes, k);
        p->have += k;
        bytes += k;
        n -= k;
        if (p->have - p->chunk_from == PART_CHUNK) rc = log_chunk(p, e);
    }
    return rc;
}

/* ---- the end ----------------------------------------------------------------------------------------- */

static bool is_lfs_pointer(const struct part *p)
{
    static const char magic[] = "version https://git-lfs.github.com/spec/";
    char start[sizeof magic - 1];
    return p->have < 1024 && read_back(p, 0, start, sizeof start) && !memcmp(start, magic, sizeof start);
}

int part_check(struct part *p, const char *name, char sha256[SHA256_HEX], struct err *e)
{
    char git[SHA256_HEX];
    const char *want = p->key.digest, *is = by_git(p) ? git : sha256;
    int rc = log_chunk(p, e);
    if (rc) return rc;
    sha256_final(&p->whole, sha256);
    sha256_final(&p->git, git);
    bool sized = p->key.size == UINT64_MAX || p->have == p->key.size;
    if (sized && (!want || !strcmp(is, want))) return 0;
    if (is_lfs_pointer(p))
        return err_set(e, ERR_LFS_POINTER, "%s: the server sent Git LFS's pointer to the file, not the file",
                       name);
    if (!sized)
        return err_set(e, ERR_HASH, "%s: %llu bytes came, expected %llu", name, (unsigned long long)p->have,
                       (unsigned long long)p->key.size);
    return err_set(e, ERR_HASH, "%s: digest %.64s, expected %.64s", name, is, want);
}

int part_sync(struct part *p, struct err *e)
{
    return fsync(p->fd) ? err_errno(e, errno, "fsync of %s", p->path) : 0;
}

int part_keep(struct part *p, const char *path, struct err *e)
{
    close_both(p);
    if (rename(p->path, path)) return err_errno(e, errno, "renaming %s to %s", p->path, path);
    unlink(p->log_path);
    return file_sync_parent(path, e);
}

void part_leave(struct part *p)
{
    /* what a full disk took of a write goes first: it may make room for the last line */
    if (p->fd >= 0 && p->chunk.ctx && !ftruncate(p->fd, (off_t)p->have)) log_chunk(p, NULL);
    close_both(p);
}

void part_drop(struct part *p)
{
    close_both(p);
    unlink(p->path);
    unlink(p->log_path);
}
