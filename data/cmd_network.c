#include "data/cmd_network.h"

#include <stdlib.h>
#include <string.h>

/* HF_ENDPOINT without slashes at its end. */
static int read_endpoint(char out[FILE_PATH], struct err *e)
{
    const char *value = getenv("HF_ENDPOINT");
    int rc = file_path(out, e, "%s", value && *value ? value : "https://huggingface.co");
    for (size_t n = strlen(out); !rc && n && out[n - 1] == '/'; n--) out[n - 1] = 0;
    return rc;
}

int network_open(struct network *n, const struct transfer_limits *limits, struct err *e)
{
    const char *token = getenv("HF_TOKEN");
    n->set = NULL;
    int rc = read_endpoint(n->endpoint, e);
    if (!rc) rc = transfers_open(&n->set, limits, e);
    if (!rc) rc = transfers_name(n->set, n->endpoint, e);
    if (!rc && token && *token) rc = transfers_token(n->set, n->endpoint, token, e);
    return rc;
}

void network_close(struct network *n)
{
    transfers_close(n->set);
}

int network_parquet(struct pq **out, struct remote *r, struct err *e)
{
    int rc = remote_open(r, e);
    if (rc) return rc;
    rc = pq_open_reader(out, r->name, &(struct pq_reader){remote_read, r, r->size}, e);
    if (rc) remote_close(r);
    return rc;
}
