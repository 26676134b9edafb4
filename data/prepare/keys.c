/* What decides what: the keys of files between the stages, and of the whole. */
#include "data/prepare/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1 }; /* changes when any rule does: nothing old is used then */

int run_path(const struct run *r, char out[FILE_PATH], const char *kind, const char *key, struct err *e)
{
    return file_path(out, e, "%s/%s-%.32s", r->c->work, kind, key);
}

static int no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for a key");
}

int run_facts_key(const struct run *r, uint32_t file, char key[SHA256_HEX], struct err *e)
{
    char text[512];
    int n = snprintf(text, sizeof text, "facts %d\nsource %s\ntokenizer %s\ntemplate %s\n", VERSION,
                     r->sources[file].sha256, r->tokenizer, r->template_);
    return sha256_hex(text, (size_t)n, key, e);
}

int run_flags_key(const struct run *r, uint32_t file, char key[SHA256_HEX], struct err *e)
{
    char text[512];
    int n = snprintf(text, sizeof text, "flags %d\nsource %s\nngrams %s\n", VERSION, r->sources[file].sha256,
                     r->ngrams.digest);
    return sha256_hex(text, (size_t)n, key, e);
}

int run_sheaf_key(const struct run *r, uint32_t file, char key[SHA256_HEX], struct err *e)
{
    char facts[SHA256_HEX], text[512];
    const uint32_t *rows = r->rows + r->rows_first[file];
    struct sha256 s;
    int rc = run_facts_key(r, file, facts, e);
    if (!rc) rc = sha256_init(&s, e);
    if (rc) return rc;
    int n = snprintf(text, sizeof text, "sheaf %d\nfacts %s\ncutoff %u\nlearn %d\nformat %d\n", VERSION,
                     facts, r->c->rules.cutoff_len, r->c->rules.learn, r->c->format);
    sha256_update(&s, text, (size_t)n);
    sha256_update(&s, rows, (r->rows_first[file + 1] - r->rows_first[file]) * sizeof *rows);
    sha256_final(&s, key);
    return 0;
}

static void put_list(FILE *f, const char *name, const struct string_list *list)
{
    for (size_t i = 0; list && i < list->n; i++) fprintf(f, "%s %s\n", name, list->items[i]);
}

static void put_rules(FILE *f, const struct select_rules *s)
{
    put_list(f, "domain", s->domains);
    put_list(f, "from", s->sources);
    fprintf(f, "tokens %u %u\nthinking %d\nboxed %d\nanswers %u\nchoose %d\nidentical %d\n", s->min_tokens,
            s->max_tokens, s->thinking, s->boxed, s->answers, s->choose, s->keep_identical);
    fprintf(f, "seed %" PRIu64 "\nshuffle %d\nsamples %" PRIu64 "\nheld out %a\n", s->seed, s->shuffle,
            s->max_samples, s->val_size);
}

int run_recipe(struct run *r, struct err *e)
{
    char *text = NULL, hex[SHA256_HEX];
    size_t n = 0;
    int rc = sha256_hex(r->references, r->n_references * sizeof *r->references, hex, e);
    FILE *f = rc ? NULL : open_memstream(&text, &n);
    if (!f) return no_memory(e);
    fprintf(f, "build %d\ntokenizer %s\ntemplate %s\ncutoff %u\nlearn %d\nformat %d\nshard %" PRIu64 "\n",
            VERSION, r->tokenizer, r->template_, r->c->rules.cutoff_len, r->c->rules.learn, r->c->format,
            r->c->shard_tokens);
    put_rules(f, &r->c->select);
    fprintf(f, "ngrams %s\nreferences %s\n", r->ngrams.digest, hex);
    for (uint32_t i = 0; i < r->c->n_files; i++) fprintf(f, "source %s\n", r->sources[i].sha256);
    for (int set = 0; !rc && set < SETS; set++) {
        fprintf(f, "set %d\n", set);
        fflush(f);
        rc = sha256_hex(text, n, r->recipe[set], e);
    }
    fclose(f);
    free(text);
    return rc;
}

int run_output(const struct run *r, int set, char out[FILE_PATH], struct err *e)
{
    return file_path(out, e, set == SET_EVAL ? "%s-eval" : "%s", r->c->output);
}
