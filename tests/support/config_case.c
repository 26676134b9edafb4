#include "tests/support/config_case.h"
#include "checkpoints/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void config_row_check(const struct config_row *row, int code, const struct err *e)
{
    if (code != row->code)
        fail_msg("%s: %s, expected %s: %s", row->id, err_name(code), err_name(row->code), e->msg);
    if (row->code && !strstr(e->msg, row->says))
        fail_msg("%s: the message does not name \"%s\": %s", row->id, row->says, e->msg);
}

void sft_case_init(struct sft_case *r)
{
    memset(r, 0, sizeof *r);
    assert_int_equal(sft_options_init(&r->o, &r->c, &r->e), 0);
}

int sft_case_read(struct sft_case *r, const char *text, size_t len)
{
    sft_case_init(r);
    return yaml_read_options(text, len, "run.yaml", &r->o, &r->e);
}
