#include "infer/bench.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const limit_names[] = {"-", "compute", "bandwidth"};

void bench_share(struct bench_row *row, double peak, double read)
{
    double compute = peak > 0 ? row->gflop_s / peak : 0, bandwidth = read > 0 ? row->gb_s / read : 0;
    row->share = compute > bandwidth ? compute : bandwidth;
    row->limit = row->share <= 0 ? LIMIT_NONE : compute > bandwidth ? LIMIT_COMPUTE : LIMIT_BANDWIDTH;
}

void bench_begin(struct bench_list *l, enum bench_format format)
{
    *l = (struct bench_list){.format = format};
    if (format == BENCH_JSON)
        fputs("[", stdout);
    else if (format == BENCH_MD)
        puts("| test | type | kernels | threads | tok/s | ms | GB/s | GFLOP/s | share of limit | with "
             "adapter |\n"
             "|---|---|---|---|---|---|---|---|---|---|");
    else
        printf("%-24s %-6s %-10s %7s %9s %7s %10s %7s %8s  %s\n", "test", "dtype", "isa", "threads", "tok/s",
               "+- sd", "us", "GB/s", "GFLOP/s", "share of");
}

static void json_text(const char *key, const char *text)
{
    if (text)
        printf("\"%s\": \"%s\", ", key, text);
    else
        printf("\"%s\": null, ", key);
}

static void json_number(const char *key, double x)
{
    if (x > 0)
        printf("\"%s\": %.6g, ", key, x);
    else
        printf("\"%s\": null, ", key);
}

static void print_json(const struct bench_row *r)
{
    fputs("  {", stdout);
    json_text("test", r->test);
    json_text("dtype", r->dtype);
    json_text("isa", r->isa);
    printf("\"streams\": %u, \"lora\": %u, \"threads\": %u, ", r->streams, r->lora, r->threads);
    json_number("tok_s", r->tok_s);
    json_number("sd", r->sd);
    json_number("ns", r->ns);
    json_number("gb_s", r->gb_s);
    json_number("gflop_s", r->gflop_s);
    json_number("ratio", r->ratio);
    json_number("share", r->share);
    json_text("limit", r->limit ? limit_names[r->limit] : NULL);
    printf("\"peak_rss_bytes\": %" PRIu64 "}", r->peak_rss);
}

/* A figure, or a dash where there is none. */
static void cell(int width, int digits, double x)
{
    if (x > 0)
        printf(" %*.*f", width, digits, x);
    else
        printf(" %*s", width, "-");
}

static const char *or_dash(const char *s)
{
    return s ? s : "-";
}

static void print_text(const struct bench_row *r)
{
    printf("%-24s %-6s %-10s %7u", r->test, or_dash(r->dtype), or_dash(r->isa), r->threads);
    cell(9, 1, r->tok_s);
    cell(7, 1, r->sd);
    cell(10, 1, r->ns / 1e3);
    cell(7, 2, r->gb_s);
    cell(8, 1, r->gflop_s);
    if (r->limit)
        printf("  %3.0f %% %s", 100 * r->share, limit_names[r->limit]);
    else
        fputs("  -", stdout);
    if (r->ratio > 0) printf("  %.2fx of the base", r->ratio);
    putchar('\n');
}

static void print_md(const struct bench_row *r)
{
    printf("| %s | %s | %s | %u |", r->test, or_dash(r->dtype), or_dash(r->isa), r->threads);
    cell(1, 1, r->tok_s);
    if (r->sd > 0) printf(" +- %.1f", r->sd);
    fputs(" |", stdout);
    cell(1, 2, r->ns / 1e6);
    fputs(" |", stdout);
    cell(1, 2, r->gb_s);
    fputs(" |", stdout);
    cell(1, 1, r->gflop_s);
    if (r->limit)
        printf(" | %.0f %% %s |", 100 * r->share, limit_names[r->limit]);
    else
        fputs(" | - |", stdout);
    if (r->ratio > 0) printf(" %.2fx", r->ratio);
    puts(" |");
}

void bench_print(struct bench_list *l, const struct bench_row *row)
{
    if (l->format == BENCH_JSON) {
        fputs(l->rows ? ",\n" : "\n", stdout);
        print_json(row);
    } else if (l->format == BENCH_MD)
        print_md(row);
    else
        print_text(row);
    l->rows++;
    fflush(stdout);
}

void bench_end(struct bench_list *l)
{
    if (l->format == BENCH_JSON) puts("\n]");
}
