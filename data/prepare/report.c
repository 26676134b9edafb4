/* What was made of what, kept beside it. */
#include "data/prepare/run.h"

#include "checkpoints/json.h"

#include <stdlib.h>
#include <string.h>

struct tally {
    uint64_t rows, docs, tokens;
};

int run_report_path(const struct run *r, char out[FILE_PATH], struct err *e)
{
    return file_path(out, e, r->c->format == GATHER_SHARDS ? "%s/report.json" : "%s.report.json",
                     r->c->output);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void put_tallies(struct js_out *w, const char *key, const struct names *names, const struct tally *t)
{
    js_array(w, key);
    for (uint32_t i = 0; i < names->n; i++) {
        if (!t[i].rows) continue;
        js_object(w, NULL);
        js_put_string(w, "name", names->at[i]);
        js_put_uint(w, "rows", t[i].rows);
        js_put_uint(w, "documents", t[i].docs);
        js_put_uint(w, "tokens", t[i].tokens);
        js_close(w);
    }
    js_close(w);
}

static void put_files(const struct run *r, struct js_out *w)
{
    js_array(w, "files");
    for (uint32_t i = 0; i < r->c->n_files; i++) {
        js_object(w, NULL);
        js_put_string(w, "name", r->sources[i].name);
        js_put_string(w, "sha256", r->sources[i].sha256);
        js_put_uint(w, "rows", r->first[i + 1] - r->first[i]);
        js_put_uint(w, "documents", r->rows_first[i + 1] - r->rows_first[i]);
        js_close(w);
    }
    js_close(w);
}

static int put_groups(const struct run *r, struct js_out *w, struct err *e)
{
    struct tally *domain = calloc(DOMAINS_MAX, sizeof *domain), *source = calloc(SOURCES_MAX, sizeof *source);
    if (!domain || !source) {
        free(domain), free(source);
        return err_set(e, ERR_NOMEM, "no memory for a report");
    }
    for (uint64_t i = 0; i < r->facts.n; i++)
        domain[r->facts.at[i].domain].rows++, source[r->facts.at[i].source].rows++;
    for (uint64_t i = 0; i < r->selection.n; i++) {
        struct pick p = r->selection.at[i];
        const struct fact *f = &r->facts.at[r->first[p.file] + p.row];
        uint32_t n = f->tokens < r->c->rules.cutoff_len ? f->tokens : r->c->rules.cutoff_len;
        domain[f->domain].docs++, domain[f->domain].tokens += n;
        source[f->source].docs++, source[f->source].tokens += n;
    }
    put_tallies(w, "domains", &r->facts.domains, domain);
    put_tallies(w, "sources", &r->facts.sources, source);
    free(domain), free(source);
    return 0;
}

static void put_counts(const struct run *r, struct js_out *w)
{
    const struct selection *s = &r->selection;
    js_put_uint(w, "rows", r->facts.n);
    js_put_uint(w, "documents", r->set_docs[SET_TRAIN]);
    js_put_uint(w, "tokens", r->set_tokens[SET_TRAIN]);
    js_put_uint(w, "documents_held_out", r->set_docs[SET_EVAL]);
    js_put_uint(w, "tokens_held_out", r->set_tokens[SET_EVAL]);
    js_put_uint(w, "documents_cut", s->cut);
    js_put_uint(w, "questions", s->questions);
    js_object(w, "left_out");
    for (int i = 1; i < SELECT_REASONS; i++)
        js_put_uint(w, select_reason_name((enum select_reason)i), s->rows[i]);
    js_close(w);
}

static void fill(struct run *r)
{
    struct prepare_report *out = r->report;
    out->rows = r->facts.n, out->cut = r->selection.cut;
    out->docs = r->set_docs[SET_TRAIN] + r->set_docs[SET_EVAL];
    out->tokens = r->set_tokens[SET_TRAIN] + r->set_tokens[SET_EVAL];
    out->held_out = r->set_docs[SET_EVAL];
}

/* OUTPUT/recipe.yaml: for people, and to build again. */
static int save_record(const struct run *r, struct err *e)
{
    char path[FILE_PATH];
    if (!r->c->record) return 0;
    int rc =
        file_path(path, e, r->c->format == GATHER_SHARDS ? "%s/recipe.yaml" : "%s.recipe.yaml", r->c->output);
    return rc ? rc : file_save(path, r->c->record, strlen(r->c->record), e);
}

int run_report_save(struct run *r, struct err *e)
{
    char path[FILE_PATH], file[FILE_PATH], hex[SHA256_HEX] = "";
    struct js_out w;
    int rc = run_report_path(r, path, e);
    if (!rc) rc = save_record(r, e);
    if (!rc && r->c->format == GATHER_PROBLEMS) {
        rc = run_output(r, SET_TRAIN, file, e);
        if (!rc) rc = sha256_file(file, hex, NULL, e);
    }
    if (rc) return rc;
    fill(r);
    js_out_init(&w, 1);
    js_object(&w, NULL);
    js_put_string(&w, "format", "terse-build");
    js_put_string(&w, "recipe", r->recipe[SET_TRAIN]);
    if (*hex) js_put_string(&w, "sha256", hex);
    put_counts(r, &w);
    rc = put_groups(r, &w, e);
    put_files(r, &w);
    js_close(&w);
    if (!rc) return js_out_save(&w, path, e);
    js_out_free(&w);
    return rc;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

bool run_set_is_made(struct run *r, int set)
{
    struct shards *s;
    char dir[FILE_PATH];
    if (r->c->format != GATHER_SHARDS || run_output(r, set, dir, NULL) || !file_exists(dir)) return false;
    if (shards_open(&s, dir, 0, NULL)) return false;
    bool same = !strcmp(shards_origin(s)->recipe, r->recipe[set]);
    r->set_docs[set] = same ? shards_docs(s) : 0, r->set_tokens[set] = same ? shards_tokens(s) : 0;
    shards_close(s);
    return same;
}

static uint64_t get(const struct js *root, const char *key)
{
    uint64_t v = 0;
    js_uint(js_get(root, key), &v);
    return v;
}

static bool is_there(struct run *r, const struct js *root)
{
    char path[FILE_PATH], hex[SHA256_HEX];
    if (!js_is(js_get(root, "recipe"), r->recipe[SET_TRAIN])) return false;
    if (r->c->format == GATHER_SHARDS)
        return run_set_is_made(r, SET_TRAIN) &&
               (!get(root, "documents_held_out") || run_set_is_made(r, SET_EVAL));
    if (run_output(r, SET_TRAIN, path, NULL) || sha256_file(path, hex, NULL, NULL)) return false;
    r->set_docs[SET_TRAIN] = get(root, "documents");
    return js_is(js_get(root, "sha256"), hex);
}

bool run_is_made(struct run *r)
{
    char path[FILE_PATH];
    struct js *root;
    if (run_report_path(r, path, NULL) || js_load(&root, path, NULL, NULL)) return false;
    bool made = is_there(r, root);
    if (made) {
        fill(r);
        r->report->rows = get(root, "rows"), r->report->cut = get(root, "documents_cut");
    }
    js_free(root);
    return made;
}
