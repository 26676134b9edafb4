/* Fetching from a server of a test's own, in this process. */
#ifndef TERSE_TESTS_FETCH_RIG_H
#define TERSE_TESTS_FETCH_RIG_H

#include "data/fetch/fetch.h"
#include "tests/support/http_server.h"

struct fetch_rig {
    struct http_server server;
    struct transfer_limits limits; /* short, but for stalls, which depend on the machine */
    struct download_policy policy; /* hardly any waiting */
    char folder[FILE_PATH];
    const char *token; /* for the server; NULL none */
    const char *named; /* another address that the user named; NULL */
    uint64_t max;
    fetch_watch *watch;
    void *ctx;
};

/* Starts the server; `folder` is removed first. */
void rig_start(struct fetch_rig *r, const char *folder, http_handler *handler, void *ctx);
void rig_stop(struct fetch_rig *r);

/* "http://127.0.0.1:PORT/path" in a ring of 4 static buffers. */
const char *rig_url(const struct fetch_rig *r, const char *path);

/* Plans and fetches into the folder; the result, with *e filled. */
int rig_fetch(struct fetch_rig *r, struct fetch_file *files, size_t n, struct err *e);

/* Where half a file is: FOLDER/.terse/parts/... .part, in a ring of 4 static buffers; and its bytes, 0 if it
 * is absent. */
const char *rig_part(const char *folder, const char *path);
uint64_t rig_part_size(const char *folder, const char *path);
/* Waits until half a file has grown to so many bytes: the client has taken all that was sent. False if the
 * client went away instead. */
bool rig_await_part(struct http_conn *c, const char *part, uint64_t bytes);

/* Fails the running test unless FOLDER/path holds exactly these bytes. */
void rig_holds(const char *folder, const char *path, const void *data, size_t n);

/* n bytes that are the same for the same seed. */
void rig_bytes(void *data, size_t n, uint64_t seed);

#endif
