#include "rl/eval_identity.h"
#include "checkpoints/file.h"
#include "checkpoints/json.h"
#include "train/run_record.h"

#include <stdio.h>
#include <string.h>

/* Digest of an adapter, a PEFT folder or a file. */
static int adapter_digest(char hex[SHA256_HEX], const char *path, struct err *e)
{
    char inside[FILE_PATH];
    int r = file_path(inside, e, "%s/adapter_model.safetensors", path);
    return r ? r : sha256_file(file_exists(inside) ? inside : path, hex, NULL, e);
}

static int heads_digest(char hex[SHA256_HEX], const struct model_flags *m, struct err *e)
{
    struct sha256 s;
    char path[FILE_PATH], one[SHA256_HEX];
    int r = sha256_init(&s, e);
    for (size_t i = 0; !r && i < m->heads.n; i++) {
        r = sha256_file(m->heads.items[i], one, NULL, e);
        if (!r) sha256_update(&s, one, sizeof one);
    }
    if (!r && m->bundle) {
        r = file_path(path, e, "%s/bundle.txt", m->bundle);
        if (!r) r = sha256_file(path, one, NULL, e);
        if (!r) sha256_update(&s, one, sizeof one);
    }
    sha256_final(&s, r ? NULL : hex);
    return r;
}

static int run_of(struct eval_identity *id, const struct options *o, const char *const *free_keys,
                  struct err *e)
{
    static const char version[] = "1"; /* another one when the same settings come to give other answers */
    const char *const parts[] = {id->weights, id->tokenizer, id->adapter,
                                 id->heads,   id->problems,  id->prompt};
    struct run_kind kind = {.free_keys = free_keys};
    char settings[SHA256_HEX];
    struct sha256 s;
    int r = run_digest(&kind, o, settings, e);
    if (!r) r = sha256_init(&s, e);
    if (r) return r;
    sha256_update(&s, version, sizeof version);
    sha256_update(&s, settings, sizeof settings);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        sha256_update(&s, parts[i], strlen(parts[i]) + 1);
    if (*id->judge) sha256_update(&s, id->judge, strlen(id->judge) + 1);
    sha256_final(&s, id->run);
    return 0;
}

int eval_identity(struct eval_identity *out, const struct loaded *l, const struct model_flags *m,
                  const struct options *o, const char *const *free_keys, const char *problems,
                  const char *wording, const char *judge, struct err *e)
{
    *out = (struct eval_identity){.run = ""};
    snprintf(out->judge, sizeof out->judge, "%s", judge);
    snprintf(out->weights, sizeof out->weights, "%s", l->digest_base);
    snprintf(out->tokenizer, sizeof out->tokenizer, "%s", l->digest_tokenizer);
    int r = m->lora ? adapter_digest(out->adapter, m->lora, e) : 0;
    if (!r && (m->heads.n || m->bundle)) r = heads_digest(out->heads, m, e);
    if (!r) r = sha256_file(problems, out->problems, NULL, e);
    if (!r) r = sha256_hex(wording, strlen(wording), out->prompt, e);
    return r ? r : run_of(out, o, free_keys, e);
}

void eval_identity_put(struct js_out *w, const struct eval_identity *id)
{
    const struct {
        const char *key, *hex;
    } rows[] = {{"weights", id->weights},   {"tokenizer", id->tokenizer},
                {"adapter", id->adapter},   {"heads", id->heads},
                {"problems", id->problems}, {"prompt", id->prompt},
                {"judge", id->judge},       {"run", id->run}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (*rows[i].hex) js_put_string(w, rows[i].key, rows[i].hex);
}
