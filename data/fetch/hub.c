#include "data/fetch/hub.h"
#include "checkpoints/file.h"
#include "checkpoints/json.h"
#include "data/fetch/names.h"
#include "data/fetch/transfer_url.h"

#include <stdlib.h>
#include <string.h>

/* ---- names ------------------------------------------------------------------------------------------- */

static bool plain_name(const char *s)
{
    size_t slashes = 0;
    for (const char *p = s; *p; p++) slashes += *p == '/';
    return *s && slashes <= 1 &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./")] == 0 &&
           !name_check(s, NULL);
}

int hub_parse(struct hub_repo *r, const char *text, const char *revision, struct err *e)
{
    const char *s = strncmp(text, "hf://", 5) ? text : text + 5;
    *r = (struct hub_repo){.model = !strncmp(s, "models/", 7)};
    if (r->model)
        s += 7;
    else if (!strncmp(s, "datasets/", 9))
        s += 9;
    const char *at = strchr(s, '@');
    size_t n = at ? (size_t)(at - s) : strlen(s);
    if (at) revision = at + 1;
    snprintf(r->name, sizeof r->name, "%.*s", (int)(n < HUB_NAME ? n : 0), s);
    if (!plain_name(r->name))
        return err_set(e, ERR_USAGE,
                       "\"%.100s\" is neither https://... nor a repository: OWNER/NAME, models/OWNER/NAME",
                       text);
    if (!*revision || strlen(revision) >= HUB_NAME || name_check(revision, NULL))
        return err_set(e, ERR_USAGE, "\"%.100s\" is no revision: a branch, a tag or a commit", revision);
    strcpy(r->revision, revision);
    return 0;
}

void hub_label(const struct hub_repo *r, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%s", r->model ? "models" : "datasets", r->name);
}

static bool is_hex(const char *s, size_t n)
{
    return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

/* ---- one file ---------------------------------------------------------------------------------------- */

static int add_file(struct hub_list *l, const char *path, int64_t size, const char *digest, struct err *e)
{
    int rc = name_check(path, e);
    if (rc) return rc;
    if (l->n == HUB_FILES) return err_set(e, ERR_TOO_MANY, "over %d files", HUB_FILES);
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        struct hub_file *longer = realloc(l->files, cap * sizeof *longer);
        if (!longer) return err_set(e, ERR_NOMEM, "no memory for %zu files", cap);
        l->files = longer;
        l->cap = cap;
    }
    struct hub_file *f = &l->files[l->n];
    *f = (struct hub_file){.path = strdup(path), .size = (uint64_t)size};
    if (!f->path) return err_set(e, ERR_NOMEM, "no memory for a name");
    strcpy(f->digest, digest);
    l->n++;
    return 0;
}

/* {"type": "file", "path", "size", "oid", "lfs": {"oid", "size"}}; folders are passed over. */
static int take_entry(struct hub_list *l, const struct js *v, const char *what, struct err *e)
{
    const char *type = NULL, *path = NULL, *digest = NULL;
    const struct js *lfs = NULL, *from;
    int64_t size = 0;
    int rc = js_need_string(v, what, "type", &type, e);
    if (rc || strcmp(type, "file")) return rc;
    rc = js_need_string(v, what, "path", &path, e);
    if (!rc) rc = js_want(v, what, "lfs", JS_OBJECT, &lfs, e);
    from = lfs ? lfs : v;
    if (!rc) rc = js_need_int(from, what, "size", 0, INT64_MAX, &size, e);
    if (!rc) rc = js_need_string(from, what, "oid", &digest, e);
    if (rc) return rc;
    if (!strncmp(digest, "sha256:", 7)) digest += 7;
    if (!is_hex(digest, lfs ? SHA256_HEX - 1 : SHA1_HEX - 1))
        return err_set(e, ERR_FIELD_RANGE, "%s: the digest of %.100s is \"%.80s\"", what, path, digest);
    return add_file(l, path, size, digest, e);
}

static int take_entries(struct hub_list *l, const struct js *list, const char *what, struct err *e)
{
    int rc = 0;
    if (js_type(list) != JS_ARRAY)
        return err_set(e, ERR_FIELD_TYPE, "%s: expected a list of files, found %s", what,
                       js_type_name(js_type(list)));
    for (struct js_iter it = {0}; !rc && js_next(list, &it);) rc = take_entry(l, it.value, what, e);
    return rc;
}

static int check_apart(const struct hub_list *l, struct err *e)
{
    const char **paths = malloc((l->n + 1) * sizeof *paths);
    if (!paths) return err_set(e, ERR_NOMEM, "no memory for %zu names", l->n);
    for (size_t i = 0; i < l->n; i++) paths[i] = l->files[i].path;
    int rc = names_check_apart(paths, l->n, e);
    free(paths);
    return rc;
}

void hub_free(struct hub_list *l)
{
    for (size_t i = 0; i < l->n; i++) free(l->files[i].path);
    free(l->files);
    l->files = NULL;
    l->n = l->cap = 0;
}

/* ---- asking ------------------------------------------------------------------------------------------ */

struct question {
    struct transfers *set;
    const struct download_policy *policy;
    download_watch *watch;
    void *ctx;
    const char *name; /* in messages */
};

/* GET of JSON; next[HTTP_URL] gets the next page's address as sent, or "". */
static int ask(const struct question *q, const char *url, char *next, struct js **out, struct err *e)
{
    struct download d = {
        .url = url, .name = q->name, .size = DOWNLOAD_UNKNOWN, .max = HUB_LIST_BYTES, .next = next};
    char *text;
    size_t n;
    *next = 0;
    *out = NULL;
    int rc = download_memory(q->set, &d, q->policy, q->watch, q->ctx, &text, &n, e);
    if (rc) return rc;
    rc = js_parse(out, q->name, text, n, NULL, e);
    free(text);
    return rc;
}

static int find_commit(struct hub_list *l, const struct question *q, const char *api, char *next,
                       struct err *e)
{
    char url[HTTP_URL], revision[3 * HUB_NAME];
    struct js *answer = NULL;
    const char *sha = NULL;
    if (is_hex(l->repo.revision, SHA1_HEX - 1)) return strcpy(l->commit, l->repo.revision), 0;
    name_escape(revision, sizeof revision, l->repo.revision, false);
    int rc = url_print(url, e, "%s/revision/%s", api, revision);
    if (!rc) rc = ask(q, url, next, &answer, e);
    if (!rc) rc = js_need_string(answer, q->name, "sha", &sha, e);
    if (!rc && !is_hex(sha, SHA1_HEX - 1))
        rc = err_set(e, ERR_FIELD_RANGE, "%s: \"sha\" is \"%.60s\", expected a commit", q->name, sha);
    if (!rc) strcpy(l->commit, sha);
    js_free(answer);
    return rc;
}

/* Pages are followed while they are the hub's own. */
static int next_page(char url[HTTP_URL], const char *next, const char *name, struct err *e)
{
    char joined[HTTP_URL];
    struct origin here, there;
    int rc = url_join(joined, url, next, e);
    if (!rc) rc = origin_of(&here, url, e);
    if (!rc) rc = origin_of(&there, joined, e);
    if (!rc && !origin_same(&here, &there))
        rc = err_set(e, ERR_URL_HOST, "%s: the next page of the list is elsewhere, at %.100s", name,
                     there.host);
    if (!rc) strcpy(url, joined);
    return rc;
}

static int ask_pages(struct hub_list *l, const struct question *q, const char *api, char *next, struct err *e)
{
    char url[HTTP_URL];
    int rc = url_print(url, e, "%s/tree/%s?recursive=true", api, l->commit);
    for (int page = 0; !rc; page++) {
        struct js *answer = NULL;
        if (page == HUB_PAGES)
            return err_set(e, ERR_TOO_MANY, "%s: a list of over %d pages", q->name, HUB_PAGES);
        rc = ask(q, url, next, &answer, e);
        if (!rc) rc = take_entries(l, answer, q->name, e);
        js_free(answer);
        if (rc || !*next) break;
        rc = next_page(url, next, q->name, e);
    }
    return rc;
}

int hub_ask(struct hub_list *l, struct transfers *set, const struct download_policy *policy,
            download_watch *watch, void *ctx, const char *endpoint, const struct hub_repo *repo,
            struct err *e)
{
    char label[HUB_NAME + 16], name[HUB_NAME + 48], api[HTTP_URL], *next = malloc(HTTP_URL);
    *l = (struct hub_list){.repo = *repo};
    if (!next) return err_set(e, ERR_NOMEM, "no memory for an address");
    hub_label(repo, label, sizeof label);
    snprintf(name, sizeof name, "the hub's list of %s", label);
    struct question q = {set, policy, watch, ctx, name};
    int rc = url_print(api, e, "%s/api/%s", endpoint, label);
    if (!rc) rc = find_commit(l, &q, api, next, e);
    if (!rc) rc = ask_pages(l, &q, api, next, e);
    if (!rc) rc = check_apart(l, e);
    free(next);
    if (rc) hub_free(l);
    return rc;
}

int hub_url(char out[HTTP_URL], const char *endpoint, const struct hub_list *l, const char *path,
            struct err *e)
{
    char escaped[3 * NAME_PATH];
    name_escape(escaped, sizeof escaped, path, true);
    return url_print(out, e, "%s/%s%s/resolve/%s/%s", endpoint, l->repo.model ? "" : "datasets/",
                     l->repo.name, l->commit, escaped);
}

/* ---- as a file --------------------------------------------------------------------------------------- */

int hub_save(const struct hub_list *l, const char *path, struct err *e)
{
    struct js_out w;
    js_out_init(&w, 1);
    js_object(&w, NULL);
    js_put_bool(&w, "model", l->repo.model);
    js_put_string(&w, "name", l->repo.name);
    js_put_string(&w, "revision", l->repo.revision);
    js_put_string(&w, "commit", l->commit);
    js_array(&w, "files");
    for (size_t i = 0; i < l->n; i++) {
        js_object(&w, NULL);
        js_put_string(&w, "path", l->files[i].path);
        js_put_uint(&w, "size", l->files[i].size);
        js_put_string(&w, "digest", l->files[i].digest);
        js_close(&w);
    }
    js_close(&w);
    js_close(&w);
    return js_out_save(&w, path, e);
}

static int read_list(struct hub_list *l, const struct js *root, const char *what, struct err *e)
{
    const char *name = NULL, *revision = NULL, *commit = NULL;
    const struct js *files = NULL;
    int rc = js_need_bool(root, what, "model", &l->repo.model, e);
    if (!rc) rc = js_need_string(root, what, "name", &name, e);
    if (!rc) rc = js_need_string(root, what, "revision", &revision, e);
    if (!rc) rc = js_need_string(root, what, "commit", &commit, e);
    if (!rc) rc = js_need(root, what, "files", JS_ARRAY, &files, e);
    if (!rc && (strlen(name) >= HUB_NAME || strlen(revision) >= HUB_NAME || !is_hex(commit, SHA1_HEX - 1)))
        rc = err_set(e, ERR_FIELD_RANGE, "%s is not a list of ours", what);
    if (rc) return rc;
    strcpy(l->repo.name, name);
    strcpy(l->repo.revision, revision);
    strcpy(l->commit, commit);
    for (struct js_iter it = {0}; !rc && js_next(files, &it);) {
        const char *file = NULL, *digest = NULL;
        int64_t size = 0;
        rc = js_need_string(it.value, what, "path", &file, e);
        if (!rc) rc = js_need_int(it.value, what, "size", 0, INT64_MAX, &size, e);
        if (!rc) rc = js_need_string(it.value, what, "digest", &digest, e);
        if (!rc && !is_hex(digest, SHA256_HEX - 1) && !is_hex(digest, SHA1_HEX - 1))
            rc = err_set(e, ERR_FIELD_RANGE, "%s: the digest of %.100s is malformed", what, file);
        if (!rc) rc = add_file(l, file, size, digest, e);
    }
    return rc ? rc : check_apart(l, e);
}

int hub_load(struct hub_list *l, const char *path, struct err *e)
{
    struct js *root;
    *l = (struct hub_list){0};
    int rc = js_load(&root, path, NULL, e);
    if (!rc) rc = read_list(l, root, path, e);
    js_free(root);
    if (rc) hub_free(l);
    return rc;
}
