/* terse plan, as a user types it: its memory against what the run then held. Time depends on the machine and
 * is not tested; docs/performance.md has what was seen. */
#include "tests/support/quick.h"
#include "tests/support/run.h"

#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

#define NEAR                                                                                                 \
    0.25 /* of what was held: 0.00 and 0.04 where it was written; elsewhere pages and libraries are others   \
          */
#define HERE "--here gbps=20,gflops=300" /* nobody waits for a measurement */

static char dir[256], log_path[300], out_path[300];

static int setup(void **state)
{
    (void)state;
    run_folder(dir, sizeof dir, "plan");
    snprintf(log_path, sizeof log_path, "%s/log", dir);
    snprintf(out_path, sizeof out_path, "%s/out", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    run_folder_remove(dir);
    return 0;
}

static double number(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    if (!at) fail_msg("no %s in %s", key, text);
    return strtod(at + strlen(key), NULL);
}

/* Most memory that the command held, bytes. */
static double held(const char *command)
{
    struct rusage use;
    int status;
    pid_t pid = run_start(log_path, "%s %s", run_terse(), command);
    assert_int_equal(wait4(pid, &status, 0, &use), pid);
    if (status) {
        char *text = run_read(log_path);
        fail_msg("%s: status %d\n%s", command, status, text);
    }
    return 1024.0 * (double)use.ru_maxrss;
}

/* Plans the recipe with these settings, runs it, and compares. */
static void memory_as_planned(const char *command, const char *recipe, const char *flags,
                              const char *settings)
{
    char line[1024];
    run_expect(0, log_path, "%s plan %s %s %s -t 2 " HERE " -o json >%s", run_terse(), recipe, settings,
               flags, out_path);
    char *text = run_read(out_path);
    double planned = number(text, "\"resident\": ");
    free(text);
    snprintf(line, sizeof line, "%s --config %s %s", command, recipe, settings);
    double measured = held(line);
    print_message("%s: planned %.1f MiB, held %.1f MiB\n", command, planned / 0x1p20, measured / 0x1p20);
    assert_true(fabs(planned - measured) < NEAR * measured);
}

/* Rows of the longest that nano takes, so that what a run plans is most of what it holds. */
static void memory_of_fine_tuning(void **state)
{
    char settings[800];
    (void)state;
    if (QUICK) {
        print_message("skip: a sanitizer holds memory of its own\n");
        skip();
    }
    snprintf(settings, sizeof settings,
             "output_dir=%s/sft cutoff_len=2048 gradient_accumulation_steps=2 max_steps=1 max_samples=200 "
             "threads=2",
             dir);
    memory_as_planned("sft", "recipes/nano-sft.yaml", "--sample 200", settings);
}

/* From the adapter above; answers of noise are as long as they may be. */
static void memory_of_reinforcement(void **state)
{
    char settings[800];
    (void)state;
    if (QUICK) skip();
    snprintf(
        settings, sizeof settings,
        "adapter_name_or_path=%s/sft/adapter output_dir=%s/ppo total_steps=1 prompts_per_step=8 streams=32 "
        "response_length=128 temperature=5 threads=2 value_pretrain_epochs=0",
        dir, dir);
    memory_as_planned("ppo", "recipes/nano-ppo.yaml", "", settings);
}

static void every_format(void **state)
{
    (void)state;
    const char *args =
        "plan recipes/paper-7b-sft.yaml " HERE " --machine cores=64,gbps=400,gflops=5000,gib=512,ranks=8";
    run_expect(0, log_path, "%s %s >%s", run_terse(), args, out_path);
    run_says(out_path, "323.0 M trained (4.24 %)");
    run_says(out_path, "in the described one's 512.0 GiB");
    run_says(out_path, "on all ranks.");
    run_expect(0, log_path, "%s %s lora_rank=64 >%s", run_terse(), args, out_path);
    run_says(out_path, "161.5 M trained (2.12 %)"); /* the recipe's key, though it comes last */
    run_expect(0, log_path, "%s %s -o md >%s", run_terse(), args, out_path);
    run_says(out_path, "| time | FLOP | share | this machine | described one |\n|---|---:|---:|---:|---:|");
    run_expect(0, log_path, "%s %s -o json >%s", run_terse(), args, out_path);
    char *text = run_read(out_path);
    assert_true(number(text, "\"trained\": ") == 322961408);
    assert_true(number(strstr(text, "\"described\""), "\"gflops\": ") == 5000);
    assert_true(number(strstr(text, "\"described\""), "\"seconds\": ") > 0);
    free(text);
}

/* Half the work of a step, half the limits: the time is what it was. */
static void the_described_machine_decides(void **state)
{
    static const char *const machines[] = {"gbps=10,gflops=100", "gbps=20,gflops=200",
                                           "gbps=10,gflops=100,ranks=2"};
    double seconds[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        run_expect(0, log_path,
                   "%s plan recipes/paper-3b-sft.yaml " HERE " --efficiency 0.5 --machine %s -o json >%s",
                   run_terse(), machines[i], out_path);
        char *text = run_read(out_path);
        seconds[i] = number(strstr(text, "\"described\""), "\"seconds\": ");
        free(text);
    }
    assert_true(fabs(seconds[0] / seconds[1] - 2) < 1e-6);
    assert_true(seconds[0] / seconds[2] > 1.99 && seconds[0] / seconds[2] <= 2);
}

/* The command's status, for this recipe. */
static int tries(const char *command, const char *recipe, const char *flags)
{
    return run_wait(run_start(log_path, "%s %s %s %s", run_terse(), command, recipe, flags));
}

/* Whether one of the commands that cannot be planned knows all keys of the recipe: then it misses the model.
 */
static bool known_elsewhere(const char *path)
{
    static const char *const commands[] = {"switcher --config", "verifier --config", "data build",
                                           "tables --config"};
    bool known = false;
    for (size_t i = 0; i < sizeof commands / sizeof *commands && !known; i++) {
        assert_int_equal(tries(commands[i], path, i < 3 ? "model_name_or_path=/nowhere" : "model=/nowhere"),
                         1);
        char *said = run_read(log_path);
        known = strstr(said, "cannot open /nowhere") || strstr(said, "cannot find /nowhere");
        free(said);
    }
    return known;
}

/* Those that can are planned whole. */
static void every_recipe_is_for_some_command(void **state)
{
    glob_t g;
    (void)state;
    assert_int_equal(glob("recipes/*.yaml", 0, NULL, &g), 0);
    assert_true(g.gl_pathc >= 16);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        const char *path = g.gl_pathv[i];
        if (!tries("plan", path, HERE " --shape qwen2.5-0.5b --sample 4") ||
            !tries("plan", path, HERE " --shape qwen2.5-0.5b --sample 4 adapter_name_or_path=/nowhere"))
            continue; /* the second is for nano's adapter, where a demo has left it */
        assert_int_equal(tries("plan", path, HERE), 1);
        run_says(log_path, "what can be planned");
        if (!known_elsewhere(path)) fail_msg("%s is for no command", path);
    }
    globfree(&g);
}

static void wrong_command_lines(void **state)
{
    static const char *const failing[] = {"recipes/nano-verifier.yaml",
                                          "recipes/nano-sft.yaml --shape tiny",
                                          "recipes/nano-sft.yaml lora_rank=0",
                                          "recipes/nano-sft.yaml lora_rank=1000",
                                          "recipes/nano-sft.yaml cutoff_len=4096",
                                          "recipes/nano-base.yaml"};
    static const char *const usage[] = {"", "recipes/nano-sft.yaml lora_rank",
                                        "recipes/nano-sft.yaml --machine 64"};
    (void)state;
    for (size_t i = 0; i < sizeof failing / sizeof *failing; i++)
        run_expect(1, log_path, "%s plan " HERE " %s", run_terse(), failing[i]);
    for (size_t i = 0; i < sizeof usage / sizeof *usage; i++)
        run_expect(2, log_path, "%s plan " HERE " %s", run_terse(), usage[i]);
    run_expect(2, log_path, "%s plan recipes/nano-sft.yaml --here gbps=3", run_terse());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_of_fine_tuning),
        cmocka_unit_test(memory_of_reinforcement),
        cmocka_unit_test(every_format),
        cmocka_unit_test(the_described_machine_decides),
        cmocka_unit_test(every_recipe_is_for_some_command),
        cmocka_unit_test(wrong_command_lines),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
