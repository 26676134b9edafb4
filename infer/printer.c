#include "infer/printer.h"
#include "infer/cli.h"

#include <errno.h>
#include <string.h>

static const char opening[] = REPLY_OPENING, closing[] = REPLY_CLOSING;

static int put(struct printer *p, const char *s, size_t n, struct err *e)
{
    if (fwrite(s, 1, n, p->f) == n) return 0;
    return err_errno(e, errno, "cannot write the answer");
}

static int put_text(struct printer *p, const char *s, size_t n, struct err *e)
{
    return cli_text(p->f, s, n) ? err_errno(e, errno, "cannot write the answer") : 0;
}

/* Bytes at the end of s that could be the beginning of `tag`. */
static size_t held_back(const char *s, size_t n, const char *tag)
{
    size_t k = strlen(tag) - 1;
    for (k = k < n ? k : n; k > 0 && memcmp(s + n - k, tag, k); k--) continue;
    return k;
}

/* Prints up to the next change between thinking and reply; *more when there was one. */
static int put_part(struct printer *p, bool last, bool *more, struct err *e)
{
    const char *s = p->text.text + p->shown, *tag = p->thinking ? closing : opening;
    size_t n = p->text.n - p->shown;
    const char *at = memmem(s, n, tag, strlen(tag));
    *more = at != NULL;
    if (at)
        n = (size_t)(at - s) + (p->thinking ? strlen(tag) : 0);
    else if (!last)
        n -= held_back(s, n, tag);
    int r = put_text(p, s, n, e);
    p->shown += n;
    if (!at) return r;
    p->thinking = !p->thinking;
    const char *style = cli_style(p->f, p->thinking ? CLI_DIM : CLI_PLAIN);
    if (!r) r = put(p, style, strlen(style), e);
    if (!r && p->thinking) { /* the tag itself, so that it is not found again */
        r = put(p, tag, strlen(tag), e);
        p->shown += strlen(tag);
    }
    return r;
}

static int put_ready(struct printer *p, bool last, struct err *e)
{
    bool more = p->text.text != NULL;
    int r = 0;
    while (!r && more) r = put_part(p, last, &more, e);
    if (!r && fflush(p->f)) r = err_errno(e, errno, "cannot write the answer");
    return r;
}

int printer_token(struct printer *p, int32_t id, struct err *e)
{
    int r = detok_push(&p->text, id, e);
    return r || !p->f ? r : put_ready(p, false, e);
}

int printer_end(struct printer *p, struct err *e)
{
    int r = detok_end(&p->text, e);
    if (r || !p->f) return r;
    r = put_ready(p, true, e);
    const char *style = p->thinking ? cli_style(p->f, CLI_PLAIN) : "";
    if (!r) r = put(p, style, strlen(style), e);
    if (!r && (p->text.n == 0 || p->text.text[p->text.n - 1] != '\n')) r = put(p, "\n", 1, e);
    if (!r && fflush(p->f)) r = err_errno(e, errno, "cannot write the answer");
    return r;
}

void printer_clear(struct printer *p)
{
    detok_clear(&p->text);
}
