/* Chat templates are programs (Jinja); none is ever run. Known ones are recognised by their digest, and what
 * they do is infer/chatml.c. */
#include "checkpoints/hf_vocab.h"
#include "checkpoints/sha256.h"

#include <stdlib.h>
#include <string.h>

enum { TEMPLATE_MAX = 65536 };

/* Every model of the Qwen2.5 family ships this one with a default system turn of its own, written out twice.
 * The digest is of the text without the two. */
static const char qwen25[] = "576ca4dc24e9d4d38d89baf0c3b2ee4d5931dea9aa71a0d90ddd15de428a6a3c";
/* Nothing but ChatML's frame around each message (checkpoints/nano): no default system turn. */
static const char plain[] = "66edfb854931c933d3ac94f507626dd4fa2d5ca0a9b1036b11729d296a7392ac";

/* The default system turn as the template spells it, up to *end; NULL if there is none. */
static const char *find_system(const char *text, const char **end)
{
    static const char lead[] = "'<|im_start|>system\\n";
    for (const char *at = text; (at = strstr(at, lead));) {
        at += sizeof lead - 1;
        *end = strstr(at, "<|im_end|>");
        if (*at != '\'' && *end) return at;
    }
    return NULL;
}

/* Copies text[0..len) without any part[0..part_len); returns how many parts there were. */
static int remove_part(const char *text, size_t len, const char *part, size_t part_len, char *out, size_t *n)
{
    int count = 0;
    *n = 0;
    for (size_t i = 0; i < len;) {
        if (len - i >= part_len && memcmp(text + i, part, part_len) == 0) {
            i += part_len;
            count++;
        } else {
            out[(*n)++] = text[i++];
        }
    }
    return count;
}

/* Undoes the escapes of a Jinja string in place; false for those that no known template uses. */
static bool unescape(char *s)
{
    char *to = s;
    while (*s) {
        char c = *s++;
        if (c == '\'') return false;
        if (c == '\\') {
            c = *s++;
            if (c == 'n')
                c = '\n';
            else if (c != '\\')
                return false;
        }
        *to++ = c;
    }
    *to = 0;
    return true;
}

static int fail_unknown(const char *what, struct err *e)
{
    return err_set(
        e, ERR_TPL_UNKNOWN,
        "%s: this chat_template is none that terse knows (Qwen2.5's and plain ChatML); it is not run", what);
}

static int recognise(const char *what, const char *text, size_t len, char *rest, char **out, struct err *e)
{
    char hex[SHA256_HEX];
    int rc = sha256_hex(text, len, hex, e);
    if (rc) return rc;
    if (strcmp(hex, plain) == 0) return 0;
    const char *end, *system = find_system(text, &end);
    size_t n;
    if (!system || end == system || remove_part(text, len, system, (size_t)(end - system), rest, &n) != 2)
        return fail_unknown(what, e);
    rc = sha256_hex(rest, n, hex, e);
    if (rc || strcmp(hex, qwen25) != 0) return rc ? rc : fail_unknown(what, e);
    *out = strndup(system, (size_t)(end - system));
    if (!*out) return err_set(e, ERR_NOMEM, "%s: no memory for the chat template", what);
    return unescape(*out) ? 0 : fail_unknown(what, e);
}

int hf_template_read(const char *what, const char *text, size_t len, char **out, struct err *e)
{
    *out = NULL;
    if (len > TEMPLATE_MAX)
        return err_set(e, ERR_TOO_LARGE, "%s: chat_template has %zu bytes, the limit is %d", what, len,
                       TEMPLATE_MAX);
    char *rest = malloc(len + 1);
    if (!rest) return err_set(e, ERR_NOMEM, "%s: no memory for the chat template", what);
    int rc = recognise(what, text, len, rest, out, e);
    free(rest);
    if (!rc) return 0;
    free(*out);
    *out = NULL;
    return rc;
}
