/* terse-infer for 64-bit Arm under QEMU against this machine, a few cases a slot and one answer; `make
 * device` runs all. */
#include "tests/support/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void arm_agrees_with_this_machine(void **state)
{
    (void)state;
    const char *build = getenv("TERSE_BUILD");
    char dir[256], log[300], check[300];
    if (!build) build = "build";
    snprintf(check, sizeof check, "%s/device-check", build);
    if (system("command -v qemu-aarch64-static >/dev/null") || access(check, X_OK) ||
        access("build/device/device-check", X_OK)) {
        printf("skip: no build for Arm, or no QEMU; `scripts/setup device` gets them\n");
        skip();
    }
    run_folder(dir, sizeof dir, "device");
    snprintf(log, sizeof log, "%s/log", dir);
    run_expect(0, log, "scripts/device-test %s build/device quick", build);
    run_folder_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(arm_agrees_with_this_machine)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
