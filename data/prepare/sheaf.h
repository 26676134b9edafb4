/* The documents that one source file gives, on their way into shards: written once in the file's order, read
 * one by one in the order of the shards.
 *
 *     a frame of zstd a document (its payload, bytes shuffled by `width`), a table of struct sheaf_doc, their
 *     label spans, and a tail that says where the table is and holds its digest */
#ifndef TERSE_DATA_PREPARE_SHEAF_H
#define TERSE_DATA_PREPARE_SHEAF_H

#include "checkpoints/file.h"
#include "checkpoints/sha256.h"
#include "data/shards.h"

struct sheaf_doc {
    uint64_t offset, check; /* of its frame; question_hash of the payload */
    uint64_t question;
    uint32_t bytes; /* of the frame */
    uint32_t n;     /* elements of the payload */
    uint32_t header_at, response_at, row;
    uint32_t n_spans, first_span;
    uint8_t domain, unused[3];
};

/* What a document is, ready to be written; on any thread. */
struct sheaf_frame {
    struct sheaf_doc doc; /* offset and first_span are not set yet */
    char *data;           /* doc.bytes, owned */
    struct label_span *spans;
};

/* Makes a frame of d, whose payload is elements of `width` (1 or 4) bytes, d->n of them at `payload`. *out is
 * the caller's to sheaf_frame_clear, also after an error: NOMEM, ZSTD. */
int sheaf_frame_make(struct sheaf_frame *out, const struct shard_doc *d, const void *payload, size_t width,
                     struct err *e);
void sheaf_frame_clear(struct sheaf_frame *f);

struct sheaf_writer;

/* Writes PATH aside; nothing stands there before sheaf_writer_commit. Errors: those of file_out_*. */
int sheaf_writer_open(struct sheaf_writer **out, const char *path, const char *key, struct err *e);
int sheaf_writer_add(struct sheaf_writer *w, const struct sheaf_frame *f, struct err *e);
/* `w` is freed either way. */
int sheaf_writer_commit(struct sheaf_writer *w, struct err *e);
void sheaf_writer_abort(struct sheaf_writer *w); /* NULL ok */

/* The table of a sheaf. */
struct sheaf {
    char path[FILE_PATH];
    struct sheaf_doc *docs; /* [n] in the file's order */
    struct label_span *spans;
    uint32_t n, n_spans;
};

/* *p is the caller's to sheaf_close; empty after an error: those of opening, MAGIC, HASH, SIZE_MISMATCH. */
int sheaf_open(struct sheaf *p, const char *path, const char *key, struct err *e);
void sheaf_close(struct sheaf *p);
/* Bytes of a document's frame into frame [docs[doc].bytes], from a file that is open. */
int sheaf_read(const struct sheaf *p, int fd, uint32_t doc, void *frame, struct err *e);
/* Its payload into out [n * width], by way of room [n * width]. Errors: those of zstd_decompress, HASH. */
int sheaf_unpack(const struct sheaf *p, uint32_t doc, const void *frame, size_t width, void *room, void *out,
                 struct err *e);

#endif
