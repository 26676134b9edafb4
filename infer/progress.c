#include "infer/progress.h"

#include "infer/cli.h"
#include "infer/utf8.h"

#include <math.h>
#include <string.h>
#include <time.h>

enum { LINE_MAX_BYTES = 512, BAR_MAX = 30, BAR_MIN = 6 };

double progress_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

const char *progress_time(double seconds, char *buf, size_t cap)
{
    long long s = seconds < 0 ? 0 : seconds > 3.6e8 ? 360000000 : llround(seconds);
    if (s >= 3600)
        snprintf(buf, cap, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(buf, cap, "%lld:%02lld", s / 60, s % 60);
    return buf;
}

void progress_start(struct progress *p, FILE *f, const char *label, const char *unit, uint64_t first,
                    uint64_t total)
{
    bool live = cli_live(f);
    *p = (struct progress){.f = f,
                           .label = label,
                           .unit = unit,
                           .first = first,
                           .total = total,
                           .live = live,
                           .utf8 = cli_utf8(f),
                           .started = progress_clock(),
                           .every = live ? 0.1 : 10};
    p->drawn_at = p->started;
}

const char *progress_bytes(double bytes, char *buf, size_t cap)
{
    if (bytes < 1e3)
        snprintf(buf, cap, "%.0f B", bytes);
    else if (bytes < 1e6)
        snprintf(buf, cap, "%.1f kB", bytes / 1e3);
    else if (bytes < 1e9)
        snprintf(buf, cap, "%.1f MB", bytes / 1e6);
    else
        snprintf(buf, cap, "%.2f GB", bytes / 1e9);
    return buf;
}

static bool is_bytes(const char *unit)
{
    return !strcmp(unit, "B");
}

/* "12/200 steps", "12 steps", "1.2 MB/28.13 GB"; with the share in front where there is a total. */
static int done_text(const struct progress *p, uint64_t done, char *buf, size_t cap)
{
    char have[32], all[32];
    double share = p->total ? 100.0 * (double)(done < p->total ? done : p->total) / (double)p->total : 0;
    int n = p->total ? snprintf(buf, cap, "%3.0f%% ", floor(share)) : 0;
    if (is_bytes(p->unit))
        return n + snprintf(buf + n, cap - (size_t)n, "%s%s%s",
                            progress_bytes((double)done, have, sizeof have), p->total ? "/" : "",
                            p->total ? progress_bytes((double)p->total, all, sizeof all) : "");
    snprintf(all, sizeof all, "/%llu", (unsigned long long)p->total);
    return n + snprintf(buf + n, cap - (size_t)n, "%llu%s %ss", (unsigned long long)done, p->total ? all : "",
                        p->unit);
}

/* "12.3 steps/s", or "4.2 s/step" when slow; "" while nothing is known. */
static void rate_text(double rate, const char *unit, char *buf, size_t cap)
{
    char size[32];
    if (rate <= 0)
        *buf = 0;
    else if (is_bytes(unit))
        snprintf(buf, cap, "%s/s", progress_bytes(rate, size, sizeof size));
    else if (rate < 0.5)
        snprintf(buf, cap, "%.1f s/%s", 1 / rate, unit);
    else if (rate < 10000)
        snprintf(buf, cap, "%.*f %ss/s", rate < 100 ? 1 : 0, rate, unit);
    else
        snprintf(buf, cap, "%.1fk %ss/s", rate / 1000, unit);
}

/* `cells` columns, filled from the left in eighths of a column. */
static void bar_text(double share, int cells, bool utf8, char *buf)
{
    int eighths = (int)(share * cells * 8);
    for (int i = 0; i < cells; i++, eighths -= 8) {
        int fill = eighths >= 8 ? 8 : eighths > 0 ? eighths : 0;
        if (!utf8) {
            *buf++ = fill == 8 ? '#' : '-';
            continue;
        }
        /* U+2588 full block ... U+258F one eighth; U+2591 light shade for none */
        *buf++ = (char)0xe2;
        *buf++ = (char)0x96;
        *buf++ = (char)(fill ? 0x90 - fill : 0x91);
    }
    *buf = 0;
}

/* Cuts valid UTF-8 to `columns` characters. */
static void cut(char *s, int columns)
{
    size_t at = 0, len = strlen(s);
    for (; columns > 0 && at < len; columns--) {
        size_t n = utf8_char(s + at, len - at);
        at += n ? n : 1;
    }
    s[at] = 0;
}

const char *progress_line(const struct progress *p, uint64_t done, double seconds, const char *note,
                          int width, char *buf, size_t cap)
{
    char rate_buf[64], left[32] = "", tail[320], bar[BAR_MAX * 3 + 1] = "";
    uint64_t fresh = done > p->first ? done - p->first : 0;
    double share = p->total ? (double)(done < p->total ? done : p->total) / (double)p->total : 0;
    double rate = seconds > 0 ? (double)fresh / seconds : 0;
    rate_text(rate, p->unit, rate_buf, sizeof rate_buf);
    if (p->total > done && rate > 0) progress_time((double)(p->total - done) / rate, left, sizeof left);
    int n = done_text(p, done, tail, sizeof tail);
    snprintf(tail + n, sizeof tail - (size_t)n, "%s%s%s%s%s%s%.150s", *rate_buf ? "  " : "", rate_buf,
             *left ? "  " : "", left, *left ? " left" : "", note ? "  " : "", note ? note : "");
    int used = (int)(utf8_count(p->label, strlen(p->label)) + utf8_count(tail, strlen(tail))) + 4;
    int cells = width - used < BAR_MAX ? width - used : BAR_MAX;
    if (p->live && p->total && cells >= BAR_MIN) bar_text(share, cells, p->utf8, bar);
    snprintf(buf, cap, "%.120s  %s%s%s", p->label, bar, *bar ? "  " : "", tail);
    if (p->live) cut(buf, width);
    return buf;
}

static void draw(struct progress *p, uint64_t done, const char *note, double now)
{
    char line[LINE_MAX_BYTES];
    /* One column stays free: a full line would wrap on some terminals. */
    progress_line(p, done, now - p->started, note, p->live ? cli_width(p->f) - 1 : 0, line, sizeof line);
    fprintf(p->f, p->live ? "\r%s\033[K" : "%s\n", line);
    fflush(p->f);
    p->drawn = p->live;
    p->drawn_at = now;
}

void progress_update(struct progress *p, uint64_t done, const char *note)
{
    double now = progress_clock();
    if (now - p->drawn_at >= p->every) draw(p, done, note, now);
}

void progress_finish(struct progress *p, uint64_t done, const char *note)
{
    draw(p, done, note, progress_clock());
    if (p->live) fputc('\n', p->f);
    p->drawn = false;
}

void progress_clear(struct progress *p)
{
    if (!p->drawn) return;
    fputs("\r\033[K", p->f);
    fflush(p->f);
    p->drawn = false;
    p->drawn_at = 0;
}
