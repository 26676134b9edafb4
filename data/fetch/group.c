#include "data/fetch/group.h"
#include "data/fetch/names.h"
#include "data/fetch/transfer_url.h"
#include "data/url.h"

#include <stdlib.h>
#include <string.h>

/* ---- files ------------------------------------------------------------------------------------------- */

static int add(struct group *g, const char *path, const char *url, const char *digest, uint64_t size,
               struct err *e)
{
    char **t = &g->texts[3 * g->n];
    t[0] = strdup(path);
    t[1] = strdup(url);
    t[2] = digest && *digest ? strdup(digest) : NULL;
    g->files[g->n++] = (struct fetch_file){.path = t[0], .url = t[1], .digest = t[2], .size = size};
    if (t[0] && t[1] && (t[2] || !digest || !*digest)) return 0;
    return err_set(e, ERR_NOMEM, "no memory for %s", path);
}

static int make_room(struct group *g, size_t n, struct err *e)
{
    g->files = calloc(n + 1, sizeof *g->files);
    g->texts = calloc(n + 1, 3 * sizeof *g->texts);
    return g->files && g->texts ? 0 : err_set(e, ERR_NOMEM, "no memory for %zu files", n);
}

void group_close(struct group *g)
{
    for (size_t i = 0; i < 3 * g->n; i++) free(g->texts[i]);
    free(g->texts);
    free(g->files);
    hub_free(&g->list);
    g->texts = NULL;
    g->files = NULL;
    g->n = 0;
}

/* ---- addresses --------------------------------------------------------------------------------------- */

static int url_folder(char out[FILE_PATH], const char *url, const struct group_source *s, struct err *e)
{
    struct origin o;
    int rc = transfers_name(s->set, url, e);
    if (!rc) rc = origin_of(&o, url, e);
    if (!rc && s->folder) return file_path(out, e, "%s", s->folder);
    return rc ? rc : file_path(out, e, "%s/%s", GROUP_FOLDER, o.host);
}

static int add_url(struct group *g, const char *text, struct err *e)
{
    char digest[SHA256_HEX], name[NAME_PATH], url[HTTP_URL];
    size_t n = url_digest(text, digest);
    if (!n)
        return err_set(e, ERR_URL_HASH, "%.200s: expected nothing behind # but sha256= and 64 hex digits",
                       text);
    int rc = url_print(url, e, "%.*s", (int)(n < HTTP_URL ? n : HTTP_URL), text);
    if (!rc) rc = name_of_url(name, url, e);
    return rc ? rc : add(g, name, url, digest, DOWNLOAD_UNKNOWN, e);
}

static int open_urls(struct group *g, const char *const *texts, size_t n, size_t *taken,
                     const struct group_source *s, struct err *e)
{
    char folder[FILE_PATH];
    int rc = url_folder(g->folder, texts[0], s, e);
    if (!rc) rc = make_room(g, n, e);
    for (*taken = 0; !rc && *taken < n && url_is(texts[*taken]); ++*taken) {
        rc = url_folder(folder, texts[*taken], s, e);
        if (!rc && strcmp(folder, g->folder)) break;
        if (!rc) rc = add_url(g, texts[*taken], e);
    }
    const char **paths = rc ? NULL : malloc((g->n + 1) * sizeof *paths);
    if (!rc && !paths) rc = err_set(e, ERR_NOMEM, "no memory for names");
    for (size_t i = 0; !rc && i < g->n; i++) paths[i] = g->files[i].path;
    if (!rc) rc = names_check_apart(paths, g->n, e);
    free(paths);
    return rc;
}

/* ---- repositories ------------------------------------------------------------------------------------ */

/* Is the list that lies in the folder the one that is wanted, without asking anybody? */
static bool same_list(const struct hub_list *l, const struct hub_repo *r, bool offline)
{
    if (l->repo.model != r->model || strcmp(l->repo.name, r->name)) return false;
    return !strcmp(l->commit, r->revision) || (offline && !strcmp(l->repo.revision, r->revision));
}

static int find_list(struct group *g, const struct hub_repo *r, const struct group_source *s, struct err *e)
{
    char path[FILE_PATH], label[HUB_NAME + 16];
    struct err why = {0};
    int rc = file_path(path, e, "%s/" NAME_OURS "/list.json", g->folder);
    if (rc) return rc;
    rc = file_exists(path) ? hub_load(&g->list, path, &why) : ERR_FILE_MISSING;
    if (!rc && same_list(&g->list, r, s->offline)) return 0;
    hub_free(&g->list);
    hub_label(r, label, sizeof label);
    if (s->offline && rc && rc != ERR_FILE_MISSING) return err_set(e, rc, "%s", why.msg);
    if (s->offline)
        return err_set(e, ERR_OFFLINE, "nobody knows offline what %s has at %.60s: %s", label, r->revision,
                       rc ? "it was never fetched here" : "another revision was fetched here last");
    g->listed = true;
    return hub_ask(&g->list, s->set, s->policy, s->watch, s->ctx, s->endpoint, r, e);
}

static int add_wanted(struct group *g, const struct group_source *s, struct err *e)
{
    char url[HTTP_URL];
    int rc = make_room(g, g->list.n, e);
    for (size_t i = 0; !rc && i < g->list.n; i++) {
        const struct hub_file *f = &g->list.files[i];
        if (!name_wanted(f->path, s->include, s->exclude)) {
            g->left_out++;
            continue;
        }
        rc = hub_url(url, s->endpoint, &g->list, f->path, e);
        if (!rc) rc = add(g, f->path, url, f->digest, f->size, e);
    }
    return rc;
}

static int open_repo(struct group *g, const char *text, const struct group_source *s, struct err *e)
{
    struct hub_repo r;
    char label[HUB_NAME + 16];
    int rc = hub_parse(&r, text, s->revision, e);
    if (rc) return rc;
    hub_label(&r, label, sizeof label);
    rc = s->folder ? file_path(g->folder, e, "%s", s->folder)
                   : file_path(g->folder, e, "%s/%s", GROUP_FOLDER, label);
    if (!rc) rc = find_list(g, &r, s, e);
    if (!rc) rc = add_wanted(g, s, e);
    return rc;
}

int group_open(struct group *g, const char *const *texts, size_t n, size_t *taken,
               const struct group_source *s, struct err *e)
{
    *g = (struct group){0};
    *taken = 1;
    bool is_repo = !url_is(texts[0]) || !strncmp(texts[0], "hf://", 5);
    int rc = is_repo ? open_repo(g, texts[0], s, e) : open_urls(g, texts, n, taken, s, e);
    if (rc) group_close(g);
    return rc;
}
