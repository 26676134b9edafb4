/* What commands share that read from the network. */
#ifndef TERSE_DATA_CMD_NETWORK_H
#define TERSE_DATA_CMD_NETWORK_H

#include "checkpoints/file.h"
#include "data/fetch/remote.h"
#include "data/parquet/parquet.h"

struct network {
    struct transfers *set;
    char endpoint[FILE_PATH]; /* of the hub: HF_ENDPOINT, or huggingface.co; without a slash at its end */
};

/* Ready to ask, and HF_TOKEN with it, for the hub alone. Errors: those of transfers_open, transfers_name and
 * transfers_token, PATH. network_close() after either. */
int network_open(struct network *n, const struct transfer_limits *limits, struct err *e);
void network_close(struct network *n);

/* Opens a Parquet file elsewhere: r as for remote_open(), which the caller closes after pq_close(); it is
 * closed after an error. Fetched are the footer now, and a row group's columns as they are read. Errors:
 * those of remote_open and pq_open_reader. */
int network_parquet(struct pq **out, struct remote *r, struct err *e);

#endif
