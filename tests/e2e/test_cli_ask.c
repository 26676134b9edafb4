/* Routing, verifying and voting as a user types them: heads beside a model, and in a bundle on a device. */
#include "checkpoints/json.h"
#include "tests/support/run.h"
#include "tests/support/small_base.h"
#include "tests/support/small_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char base[300], adapter[300], switcher[300], verifier[300], bundle[300], model[2200];

static int setup(void **state)
{
    (void)state;
    run_setup(state);
    snprintf(base, sizeof base, "%s/base", run_dir);
    snprintf(adapter, sizeof adapter, "%s/adapter", run_dir);
    snprintf(switcher, sizeof switcher, "%s/switcher.safetensors", run_dir);
    snprintf(verifier, sizeof verifier, "%s/verifier.safetensors", run_dir);
    snprintf(bundle, sizeof bundle, "%s/bundle", run_dir);
    small_base(base, 1024, 1);
    small_adapter(adapter, base, GATE_ASSISTANT, 2);
    small_heads(switcher, verifier, base, adapter);
    snprintf(model, sizeof model, "-m %s --lora %s --heads %s,%s -t 2", base, adapter, switcher, verifier);
    run_expect(0, run_log, "%s export --bundle %s -m %s --switcher %s --verifier %s -o %s", run_terse(),
               adapter, base, switcher, verifier, bundle);
    return 0;
}

/* What `program ...` printed to stdout; the caller's to free. */
static char *out_of(int want, const char *program, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static char *out_of(int want, const char *program, const char *fmt, ...)
{
    char args[3000], path[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(args, sizeof args, fmt, ap);
    va_end(ap);
    snprintf(path, sizeof path, "%s/out", run_dir);
    run_expect(want, run_log, "%s%s %s >%s", run_terse(), program, args, path);
    return run_read(path);
}

static void fails(const char *says, const char *args)
{
    free(out_of(2, "", "%s", args));
    run_says(run_log, says);
}

static struct js *parsed(const char *text)
{
    struct js *v;
    struct err e = {0};
    if (js_parse(&v, "stdout", text, strlen(text), NULL, &e)) fail_msg("%s\n%s", e.msg, text);
    return v;
}

static double number_at(const struct js *v, const char *key)
{
    const struct js *x = js_get(v, key);
    double d = 0;
    if (!x || !js_number(x, &d)) fail_msg("no %s", key);
    return d;
}

static const char *text_at(const struct js *v, const char *key)
{
    size_t n;
    const struct js *x = js_get(v, key);
    if (!x) fail_msg("no %s", key);
    return js_string(x, &n);
}

/* ---- tests --------------------------------------------------------------------------------------------- */

/* A switcher whose threshold lies on either side: the answer is that of --mode chat, or of --mode reason. */
static void the_switcher_chooses(void **state)
{
    (void)state;
    const char *rest = "-n 12 --temp 0 -p 'What is 2 plus 3?'";
    char *chat = out_of(0, "", "generate %s --mode chat %s", model, rest);
    char *alone = out_of(0, "", "generate -m %s %s", base, rest);
    char *reason = out_of(0, "", "generate %s --mode reason %s", model, rest);
    char *low = out_of(0, "", "generate %s --threshold 1 %s", model, rest);
    char *high = out_of(0, "", "generate %s --threshold 0 %s", model, rest);
    assert_string_equal(chat, alone);
    assert_string_not_equal(chat, reason);
    assert_string_equal(low, chat);
    assert_string_equal(high, reason);
    free(low);
    low = out_of(0, "", "generate %s --threshold 1 -N 3 --json %s", model, rest);
    struct js *v = parsed(low);
    assert_string_equal(text_at(v, "mode"), "chat");
    assert_true(number_at(v, "probability") > 0 && number_at(v, "probability") < 1);
    js_free(v);
    free(chat), free(alone), free(reason), free(low), free(high);
}

/* The vote's winner is one of the chains, and the vote adds up. */
static void chains_vote(void **state)
{
    (void)state;
    static const char *const kinds[] = {"majority", "weighted", "best"};
    for (int k = 0; k < 3; k++) {
        char *text = out_of(
            0, "", "generate %s --mode reason --vote %s -N 5 -n 16 --temp 1.3 --json --show-chains -p Hi",
            model, kinds[k]);
        struct js *v = parsed(text);
        const struct js *vote = js_get(v, "vote"), *chains = js_get(v, "chains");
        assert_string_equal(text_at(vote, "kind"), kinds[k]);
        assert_int_equal(js_size(chains), 5);
        size_t won = (size_t)number_at(vote, "chain");
        assert_string_equal(text_at(v, "text"), text_at(js_at(chains, won), "text"));
        double best = 0, sum = 0;
        for (size_t i = 0; i < 5; i++) {
            double score = number_at(js_at(chains, i), "score");
            assert_true(score > 0 && score < 1);
            best = score > best ? score : best, sum += score;
        }
        assert_true(number_at(vote, "total") <= (k == 0 ? 5 : sum + 1e-6));
        assert_true(number_at(vote, "weight") <= number_at(vote, "total"));
        js_free(v);
        free(text);
    }
    char *text = out_of(0, "", "generate %s -N 3 -n 16 --temp 1.3 --mode reason -p Hi", model);
    run_says(run_log, "chain  tokens  score  answer");
    free(text);
}

/* What the workstation answers with the parts, the device answers with the bundle. */
static void a_bundle_answers_the_same(void **state)
{
    (void)state;
    const char *rest =
        "-N 4 -n 16 --temp 1.1 --json --show-chains --mode reason --vote best -p 'Hello there'";
    char *here = out_of(0, "", "generate %s %s", model, rest);
    char *device = out_of(0, "-infer", "run --bundle %s %s", bundle, rest);
    assert_string_equal(here, device);
    free(here), free(device);
    here = out_of(0, "", "generate %s -n 9 --temp 0 -p Hi", model);
    device = out_of(0, "-infer", "run --bundle %s -n 9 --temp 0 -p Hi", bundle);
    assert_string_equal(here, device);
    free(here), free(device);
    char *chat = out_of(0, "-infer", "chat --bundle %s -n 8 --temp 1 -N 2 </dev/null", bundle);
    free(chat);
    char *info = out_of(0, "-infer", "info %s", bundle);
    assert_non_null(strstr(info, "a bundle, whole"));
    assert_non_null(strstr(info, "switcher: 8 hidden units on ema states after layer 1, the final norm"));
    assert_non_null(strstr(info, "verifier: linear on last states"));
    assert_non_null(strstr(info, "asks: "));
    free(info);
}

/* Evaluation asks the same way, and says how. */
static void an_evaluation_is_routed(void **state)
{
    (void)state;
    char path[300];
    snprintf(path, sizeof path, "%s/eval.json", run_dir);
    for (int way = 0; way < 2; way++) {
        free(out_of(
            0, "",
            "eval %s --dataset data/nano/test.parquet --max-samples 5 -n 12 --threshold %d -N 3 --temp 1 "
            "--show-chains --vote weighted -o %s --samples %s/samples%d.jsonl",
            model, way ? 0 : 1, path, run_dir, way));
        char *text = run_read(path);
        struct js *v = parsed(text);
        assert_true(number_at(v, "reasoned") == way);
        assert_true(number_at(v, "chains") == 3);
        assert_true(number_at(v, "single") >= 0 && number_at(v, "oracle") >= number_at(v, "single"));
        js_free(v);
        free(text);
    }
}

static void mistakes(void **state)
{
    (void)state;
    char args[3000];
    fails("mode auto asks a switcher", "generate -p hi --mode auto");
    fails("none is loaded; say majority", "generate -p hi -N 3 --vote weighted");
    fails("--threshold is the switcher's", "generate -p hi --threshold 0.3");
    fails("at most 2: a switcher and a verifier", "generate -p hi --heads a,b,c");
    fails("expected one of none|majority", "generate -p hi --vote majorty");
    fails("leave out -m, --lora and --heads", "generate -p hi --bundle x --heads y");
    fails("--vote majority, weighted or best", "eval --dataset data/nano/test.parquet -N 3");
    fails("--vote majority, weighted or best", "chat -N 3");
    snprintf(args, sizeof args, "generate %s --mode chat --vote best -N 2 -p hi", model);
    fails("a verifier reads the adapter's chains", args);
    snprintf(args, sizeof args, "generate -m checkpoints/nano --heads %s -p hi", switcher);
    free(out_of(1, "", "%s", args));
    run_says(run_log, "[HEAD_WIDTH]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_switcher_chooses),
        cmocka_unit_test(chains_vote),
        cmocka_unit_test(a_bundle_answers_the_same),
        cmocka_unit_test(an_evaluation_is_routed),
        cmocka_unit_test(mistakes),
    };
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
