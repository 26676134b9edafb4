/* Chat templates are programs (Jinja); none is ever run. Known ones are recognised by their hash, and what
 * they do is infer/chatml.c. */
#include "infer/chat_template.h"
#include "infer/hash.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TEMPLATE_MAX = 65536 };

struct known {
    size_t len;
    uint64_t hash; /* without a seed: nothing is gained by another text with this hash, since none is run */
};
/* Every model of the Qwen2.5 family ships this one with a default system turn of its own, written out twice.
 * What is hashed is the text without the two. */
static const struct known qwen25 = {2371, 0x28b760997d997305};
/* Nothing but ChatML's frame around each message (checkpoints/nano): no default system turn. */
static const struct known plain = {201, 0xe70b87ac9920935c};

static bool is_known(const struct known *k, const char *text, size_t len)
{
    return len == k->len && hash_bytes(text, len, 0) == k->hash;
}

/* The default system turn as the template spells it, *n bytes; NULL if there is none. */
static const char *find_system(const char *text, size_t len, size_t *n)
{
    static const char lead[] = "'<|im_start|>system\\n", tail[] = "<|im_end|>";
    const char *end = text + len, *at = text, *stop;
    while ((at = memmem(at, (size_t)(end - at), lead, sizeof lead - 1))) {
        at += sizeof lead - 1;
        stop = memmem(at, (size_t)(end - at), tail, sizeof tail - 1);
        if (!stop) return NULL;
        *n = (size_t)(stop - at);
        if (*at != '\'') return at;
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
    if (is_known(&plain, text, len)) return 0;
    size_t size, n;
    const char *system = find_system(text, len, &size);
    if (!system || !size || remove_part(text, len, system, size, rest, &n) != 2 ||
        !is_known(&qwen25, rest, n))
        return fail_unknown(what, e);
    *out = strndup(system, size);
    if (!*out) return err_set(e, ERR_NOMEM, "%s: no memory for the chat template", what);
    return unescape(*out) ? 0 : fail_unknown(what, e);
}

int chat_template_read(const char *what, const char *text, size_t len, char **out, struct err *e)
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
