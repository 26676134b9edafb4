/* terse bench ppo: where the time of an iteration of reinforcement learning goes. */
#include "rl/cmd_bench_ppo.h"
#include "checkpoints/hf_config.h"
#include "infer/cli.h"
#include "infer/option.h"
#include "infer/option_rows.h"
#include "rl/bench_ppo.h"

#include <inttypes.h>
#include <stdio.h>

struct flags {
    char *shape;
    int64_t rank, prompts, group, streams, prompt, response, row_tokens, epochs, batches, iterations, threads;
    int dtype, output;
};

#define AT(field) .at = offsetof(struct flags, field)
#define COUNT(name, field, value, low, high, text)                                                           \
    {                                                                                                        \
        .key = name, .type = OPT_INT, AT(field), .preset = value, .min = low, .max = high, .help = text      \
    }
static const struct option table[] = {
    {.key = "shape",
     .type = OPT_STRING,
     AT(shape),
     .preset = "qwen2.5-0.5b",
     .help = "qwen2.5-0.5b, -1.5b, -3b or -7b, or a config.json"},
    {.key = "dtype",
     .type = OPT_ENUM,
     AT(dtype),
     .choices = LOAD_DTYPES,
     .preset = "bf16",
     .help = "of products, or of the weights of a bf16 model"},
    COUNT("lora_rank", rank, "128", 1, LORA_MAX_RANK, "of the adapter, on all seven products"),
    COUNT("prompts_per_step", prompts, "4", 1, 65536, "prompts of an iteration"),
    COUNT("num_generations", group, "8", 1, GROUP_LONGEST, "answers to each"),
    COUNT("streams", streams, "16", 1, 1024, "answers generated at a time"),
    COUNT("prompt", prompt, "128", 4, 1 << 20, "tokens of a prompt"),
    COUNT("response_length", response, "64", 2, 1 << 20, "tokens of an answer, every one of them"),
    COUNT("row_tokens", row_tokens, "1024", 2, 1 << 20, "tokens learned from at a time"),
    COUNT("num_ppo_epochs", epochs, "1", 1, 64, "passes over the answers"),
    COUNT("num_mini_batches", batches, "2", 1, 1024, "steps of an epoch"),
    COUNT("iterations", iterations, "1", 1, 1000, "to time, after one that does not count"),
    THREADS_ROW(AT(threads), .short_flag = 't', .help = "how many; 0 for one a processor"),
    FORMAT_ROW(AT(output)),
    {0},
};

static void text_last(const struct bench_ppo_result *b, bool md)
{
    if (md) putchar('\n');
    printf("an iteration of %" PRIu64 " answer tokens takes %.1f s:", b->answer_tokens, b->seconds);
    for (int i = 0; i < BENCH_PPO_OWN; i++)
        printf("%s %s %.1f %%", i ? "," : "", b->row[i].test, 1e-7 * b->row[i].ns / b->seconds);
    printf("\nanswers are sampled at %.1f %% of bench infer's speed; a policy step takes %.3fx an SFT step\n",
           100 * b->rollout_ratio, b->policy_ratio);
    printf("limits in this run: memory read %.2f GB/s, fp32 multiply-add %.1f GFLOP/s", b->limits.read,
           b->limits.fma);
    if (b->limits.dot > 0) printf(", bf16 dot %.1f GFLOP/s", b->limits.dot);
    putchar('\n');
}

static void json_last(const struct bench_ppo_result *b)
{
    printf(",\n  {\"test\": \"iteration\", \"seconds\": %.6g, \"answer_tokens\": %" PRIu64
           ", \"rollout_to_infer\": %.6g, \"policy_to_sft\": %.6g}",
           b->seconds, b->answer_tokens, b->rollout_ratio, b->policy_ratio);
    printf(",\n  {\"test\": \"limits\", \"fma_gflop_s\": %.6g, \"dot_gflop_s\": %.6g, \"read_gb_s\": %.6g}",
           b->limits.fma, b->limits.dot, b->limits.read);
}

static int run(const struct flags *f, struct err *e)
{
    struct bench_ppo_config c = {
        .dtype = (enum load_dtype)f->dtype,
        .rank = (uint32_t)f->rank,
        .prompts = (uint32_t)f->prompts,
        .group = (uint32_t)f->group,
        .streams = (uint32_t)f->streams,
        .prompt = (uint32_t)f->prompt,
        .response = (uint32_t)f->response,
        .row_tokens = (uint32_t)f->row_tokens,
        .epochs = (uint32_t)f->epochs,
        .batches = (uint32_t)f->batches,
        .iterations = (uint32_t)f->iterations,
        .threads = (unsigned)f->threads,
    };
    struct bench_ppo_result b;
    struct bench_list list;
    if (c.batches > c.prompts * c.group)
        return err_set(e, ERR_CFG_CONFLICT, "num_mini_batches %u of %u answers", c.batches,
                       c.prompts * c.group);
    int r = hf_config_shape(&c.model, f->shape, e);
    if (!r) r = bench_ppo_run(&c, &b, e);
    if (r) return r;
    bench_begin(&list, (enum bench_format)f->output);
    for (int i = 0; i < BENCH_PPO_ROWS; i++) bench_print(&list, &b.row[i]);
    if (f->output == BENCH_JSON) json_last(&b);
    bench_end(&list);
    if (f->output != BENCH_JSON) text_last(&b, f->output == BENCH_MD);
    return 0;
}

int cmd_bench_ppo(int argc, char **argv)
{
    struct flags f;
    struct options o;
    struct err e = {0};
    int status = options_init(&o, table, &f, &e) ? cli_fail(&e) : -1;
    o.usage = "terse bench ppo [--shape SHAPE] [--prompts-per-step 4] [--num-generations 8] [--streams 16]";
    o.about =
        "Times whole iterations of PPO on a model of random weights: the prompts, answers, rewards, the "
        "trainer's look, the reference's, the policy's steps. Beside them SFT steps on the same answers, and "
        "answers as bench infer measures them.";
    if (status < 0) status = cli_parse(&o, argc, argv);
    if (status < 0) status = run(&f, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
