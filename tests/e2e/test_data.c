/* terse data build, show and stats as a user types them. */
#include "checkpoints/file.h"
#include "tests/support/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char dir[512], log_path[1024];

static int setup(void **state)
{
    (void)state;
    run_folder(dir, sizeof dir, "data");
    snprintf(log_path, sizeof log_path, "%s/log", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    run_folder_remove(dir);
    return 0;
}

static const char *in(const char *name)
{
    static char path[4][1024];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", dir, name);
    return path[next];
}

static void digest_of(const char *name, char hex[SHA256_HEX])
{
    assert_int_equal(sha256_file(in(name), hex, NULL, NULL), 0);
}

static void killed_at_random_the_same_bytes(void **state)
{
    (void)state;
    char command[4096], want[2][SHA256_HEX], have[SHA256_HEX];
    const char *recipe =
        "dataset: [data/nano/rl.parquet, data/nano/mix.parquet, data/nano/test.parquet]\n"
        "model: checkpoints/nano\ncutoff_len: 512\nshard_tokens: 50000\nval_size: 0.05\nthreads: 1\n";
    run_write(in("recipe.yaml"), recipe);
    run_expect(0, log_path, "%s data build %s output=%s", run_terse(), in("recipe.yaml"), in("whole"));
    run_says(log_path, "forecast");
    run_says(log_path, " chosen; left out");
    digest_of("whole/manifest.json", want[0]), digest_of("whole/report.json", want[1]);
    snprintf(command, sizeof command, "%s data build %s output=%s", run_terse(), in("recipe.yaml"),
             in("killed"));
    assert_true(run_kill(log_path, command, 20, 0.5, 7) > 0);
    run_expect(0, log_path, "%s", command);
    digest_of("killed/manifest.json", have);
    assert_string_equal(have, want[0]);
    digest_of("killed/report.json", have);
    assert_string_equal(have, want[1]);
    run_expect(0, log_path, "%s", command);
    run_says(log_path, "nothing to do");
}

static void a_run_reads_what_was_built(void **state)
{
    (void)state;
    run_expect(
        0, log_path,
        "%s sft -m checkpoints/nano dataset=%s eval_dataset=%s-eval output_dir=%s max_steps=2 cutoff_len=512 "
        "lora_rank=4 threads=1 per_device_train_batch_size=1 gradient_accumulation_steps=1",
        run_terse(), in("whole"), in("whole"), in("run"));
    run_says(log_path, "ready");
}

static void problems_for_reinforcement(void **state)
{
    (void)state;
    static const char lines[] = "[{\"problem\": \"1+1?\", \"answer\": \"2\", \"solution\": \"It is two.\"},\n"
                                " {\"problem\": \"1 + 1 ?\", \"answer\": \"3\", \"solution\": \"No.\"},\n"
                                " {\"problem\": \"2+2?\", \"solution\": \"So \\\\boxed{4}.\"},\n"
                                " {\"problem\": \"1+1?\", \"answer\": \"2\", \"solution\": \"Two.\"}]\n";
    run_write(in("deep.json"), lines);
    run_expect(0, log_path,
               "%s data build model=checkpoints/nano dataset=%s output=%s output_format=problems answers=1 "
               "shuffle=false -t 1",
               run_terse(), in("deep.json"), in("out.jsonl"));
    char *text = run_read(in("out.jsonl"));
    assert_string_equal(
        text, "{\"problem\":\"1+1?\",\"answer\":\"2\"}\n{\"problem\":\"1 + 1 ?\",\"answer\":\"3\"}\n"
              "{\"problem\":\"2+2?\",\"answer\":\"4\"}\n");
    free(text);
    assert_true(file_exists(in("out.jsonl.report.json")));
}

static void an_example_is_shown(void **state)
{
    (void)state;
    run_expect(0, log_path, "%s data show data/nano/sft.parquet --row 3", run_terse());
    run_says(log_path, "106 tokens: prompt 40, thinking 54, answer 12; 66 learned; domain math");
    run_says(log_path, "[prompt, 40 tokens]\n<|im_start|>user\n");
    run_says(log_path, "[thinking, 54 tokens, learned]\n<think>\n");
    run_says(log_path, "[answer, 12 tokens, learned]\n");
    run_expect(0, log_path, "%s data show %s", run_terse(), in("whole"));
    run_says(log_path, ".parquet, row ");
    run_expect(1, log_path, "%s data show data/nano/sft.parquet --row 12000", run_terse());
    run_says(log_path, "has 12000 rows");
    run_expect(1, log_path, "%s data show tests/fixtures/build/rows.parquet --row 8", run_terse());
    run_says(log_path, "roles");
    run_expect(2, log_path, "%s data show", run_terse());
}

static void a_set_is_counted(void **state)
{
    (void)state;
    run_expect(0, log_path, "%s data stats %s %s-eval --cutoff-len 256 --batch-size 8 --throughput 1000",
               run_terse(), in("whole"), in("whole"));
    run_says(log_path, "conversations,");
    run_says(log_path, "thousands of tokens");
    run_says(log_path, "mix.parquet");
    run_says(log_path, "8 rows a step");
    run_says(log_path, "days");
    run_expect(0, log_path, "%s data stats data/nano/mix.parquet -t 1 --max-samples 100", run_terse());
    run_says(log_path, "100 conversations");
    run_says(log_path, "% think");
    run_expect(1, log_path, "%s data stats no/such.parquet", run_terse());
}

static void refusals_say_why(void **state)
{
    (void)state;
    run_expect(1, log_path, "%s data build model=checkpoints/nano output=%s", run_terse(), in("x"));
    run_says(log_path, "dataset");
    run_expect(
        1, log_path,
        "%s data build model=checkpoints/nano dataset=data/nano/mix.parquet output=%s domains=history -t 1",
        run_terse(), in("x"));
    run_says(log_path, "2000 of other domains");
    run_expect(0, log_path,
               "%s data build model=checkpoints/nano dataset=data/nano/mix.parquet output=%s --dry-run -t 1",
               run_terse(), in("x"));
    assert_false(file_exists(in("x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_random_the_same_bytes),
        cmocka_unit_test(a_run_reads_what_was_built),
        cmocka_unit_test(problems_for_reinforcement),
        cmocka_unit_test(an_example_is_shown),
        cmocka_unit_test(a_set_is_counted),
        cmocka_unit_test(refusals_say_why),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
