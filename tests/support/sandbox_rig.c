#include "tests/support/sandbox_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

struct sandbox sandbox_rig;

void sandbox_rig_need(void)
{
    struct err e = {0};
    if (*sandbox_rig.python || !sandbox_open(&sandbox_rig, 60, 512, &e)) return;
    printf("skip: %s\n", e.msg);
    skip();
}
