#include "checkpoints/base.h"
#include "checkpoints/hf_tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int open_gguf(struct base *b, struct err *e)
{
    int r = gguf_model_open(&b->gguf, b->path, e);
    if (r) return r;
    b->config = b->gguf->config, b->bound = b->gguf->bound;
    b->dtype = b->gguf->dtype, b->bytes = b->gguf->bytes;
    return 0;
}

static int open_folder(struct base *b, struct err *e)
{
    int r = hf_model_open(&b->hf, b->path, e);
    if (r) return r;
    b->config = b->hf->config, b->bound = b->hf->bound;
    b->dtype = b->hf->dtype, b->bytes = b->hf->bytes;
    return 0;
}

int base_open(struct base **out, const char *path, struct err *e)
{
    size_t n = strlen(path) + 1;
    struct base *b = calloc(1, sizeof *b + n);
    *out = NULL;
    if (!b) return err_set(e, ERR_NOMEM, "no memory to open %s", path);
    b->path = memcpy(b + 1, path, n);
    int r = gguf_is_file(path) ? open_gguf(b, e) : open_folder(b, e);
    if (r)
        base_close(b);
    else
        *out = b;
    return r;
}

void base_close(struct base *b)
{
    if (!b) return;
    hf_model_close(b->hf);
    gguf_model_close(b->gguf);
    free(b);
}

int base_intact(const struct base *b, struct err *e)
{
    return b->hf ? hf_model_intact(b->hf, e) : gguf_model_intact(b->gguf, e);
}

int base_tokenizer(struct tokenizer **out, const struct base *b, struct err *e)
{
    return b->hf ? hf_tokenizer_load(out, b->path, 0, e) : gguf_tokenizer(out, b->gguf->file, e);
}

int base_template(char **text, size_t *n, const struct base *b, struct err *e)
{
    const char *s = NULL;
    *text = NULL, *n = 0;
    if (b->hf) return hf_template_text(text, n, b->path, e);
    int r = gguf_get_string(b->gguf->file, "tokenizer.chat_template", false, &s, n, e);
    if (r || !s) return r;
    *text = strndup(s, *n);
    return *text ? 0 : err_set(e, ERR_NOMEM, "no memory for the chat template of %s", b->path);
}

void base_name(const char *path, char *name, size_t size)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t begin = n;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    snprintf(name, size, "%.*s", (int)(n - begin), path + begin);
}

bool base_is_known(const struct base *b)
{
    return b->hf || b->gguf->base[0];
}

int base_digest(const struct base *b, char hex[SHA256_HEX], struct err *e)
{
    if (b->hf || !b->gguf->base[0]) return model_digest(&b->config, b->bound, hex, e);
    memcpy(hex, b->gguf->base, SHA256_HEX);
    return 0;
}
