#include "tests/support/small_gguf.h"
#include "checkpoints/export_gguf.h"
#include "tests/support/small_base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void put_out(const char *path, const char *base, const char *adapter)
{
    struct export_gguf_options o = {.model = base, .adapter = adapter, .base = !adapter, .threads = 1};
    struct export_report report;
    struct err e = {0};
    if (export_gguf(path, &o, &report, &e)) fail_msg("%s", e.msg);
}

void small_gguf(struct small_gguf *out, const char *dir)
{
    char base[300], folder[300];
    snprintf(base, sizeof base, "%s/base", dir);
    snprintf(out->model, sizeof out->model, "%s/model.gguf", dir);
    snprintf(out->adapter, sizeof out->adapter, "%s/adapter.gguf", dir);
    snprintf(out->other, sizeof out->other, "%s/other.gguf", dir);
    small_base(base, 1024, 1);
    put_out(out->model, base, NULL);
    snprintf(folder, sizeof folder, "%s/adapter", dir);
    small_adapter(folder, base, GATE_ASSISTANT, 2);
    put_out(out->adapter, base, folder);
    snprintf(folder, sizeof folder, "%s/other", dir);
    small_adapter(folder, base, GATE_ALL, 5);
    put_out(out->other, base, folder);
}
