/* The option table: sources and their order, types, lists, command line, help and run record. */
#include "checkpoints/yaml.h"
#include "infer/option.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct config {
    char *name, *prompt, *path;
    int64_t times;
    uint64_t seed, memory;
    double rate, temperature;
    bool packing, verbose;
    int schedule;
    struct string_list words, files;
};

#define AT(field) .at = offsetof(struct config, field)
static const struct option table[] = {
    {.key = "config", .type = OPT_PATH, AT(path), .args_only = true, .group = "Who", .help = "a file"},
    {.key = "user_name",
     .type = OPT_STRING,
     AT(name),
     .required = true,
     .short_flag = 'u',
     .help = "whom to greet"},
    {.key = "system_prompt", .type = OPT_STRING, AT(prompt), .help = "how", .unset = "politely"},
    {.key = "times",
     .type = OPT_INT,
     AT(times),
     .preset = "3",
     .min = -10,
     .max = 100,
     .unit = "greetings",
     .short_flag = 'n',
     .group = "Loop",
     .help = "how often"},
    {.key = "seed", .type = OPT_UINT64, AT(seed), .preset = "42", .help = "seed of all"},
    {.key = "memory_limit", .type = OPT_BYTES, AT(memory), .help = "limit"},
    {.key = "learning_rate",
     .type = OPT_FLOAT,
     AT(rate),
     .preset = "2e-4",
     .min = 0,
     .max = INFINITY,
     .open = OPT_OPEN_MIN,
     .help = "rate"},
    {.key = "temperature",
     .alias = "temp",
     .type = OPT_FLOAT,
     AT(temperature),
     .preset = "1",
     .help = "heat"},
    {.key = "packing", .type = OPT_BOOL, AT(packing), .preset = "true", .help = "pack"},
    {.key = "verbose", .type = OPT_BOOL, AT(verbose), .short_flag = 'v', .help = "talk"},
    {.key = "lr_scheduler_type",
     .type = OPT_ENUM,
     AT(schedule),
     .preset = "linear",
     .choices = "cosine|linear|constant",
     .help = "shape"},
    {.key = "words", .type = OPT_STRINGS, AT(words), .preset = "a,b", .help = "some words"},
    {.key = "files", .type = OPT_PATHS, AT(files), .help = "some files"},
    {0}};

static const struct option_foreign foreign[] = {{"kl_coef", "terse ppo"}, {0}};

struct run {
    struct config c;
    struct options o;
    struct err e;
};

static void run_init(struct run *r)
{
    memset(r, 0, sizeof *r);
    assert_int_equal(options_init(&r->o, table, &r->c, &r->e), 0);
    r->o.foreign = foreign;
}

enum { WORDS = 12 };

static int parse_words(struct run *r, const char *const *words)
{
    char *argv[WORDS + 1] = {0};
    int argc = 0;
    for (; argc < WORDS && words[argc]; argc++) argv[argc] = (char *)(uintptr_t)words[argc];
    return options_parse_args(&r->o, argc, argv, &r->e);
}
#define PARSE(r, ...) parse_words(r, (const char *const[]){"greet", __VA_ARGS__, NULL})

static int read_yaml(struct run *r, const char *text)
{
    return yaml_read_options(text, strlen(text), "run.yaml", &r->o, &r->e);
}

static void defaults_are_in(void **state)
{
    (void)state;
    struct run r;
    run_init(&r);
    assert_null(r.c.name);
    assert_int_equal(r.c.times, 3);
    assert_true(r.c.seed == 42 && r.c.memory == 0 && r.c.rate == 2e-4);
    assert_true(r.c.packing && !r.c.verbose);
    assert_int_equal(r.c.schedule, 1);
    assert_int_equal(r.c.words.n, 2);
    assert_string_equal(r.c.words.items[1], "b");
    assert_false(options_given(&r.o, "times"));
    assert_string_equal(options_where(&r.o, "times"), "the default");
    assert_int_equal(options_check_required(&r.o, &r.e), ERR_FIELD_MISSING);
    assert_non_null(strstr(r.e.msg, "user_name is required: whom to greet"));
    options_free(&r.o);
    assert_null(r.c.words.items);
}

static void a_wrong_default_is_a_bug(void **state)
{
    (void)state;
    static const struct option bad[] = {
        {.key = "times", .type = OPT_INT, AT(times), .preset = "3.5", .help = "x"}, {0}};
    struct config c;
    struct options o;
    struct err e = {0};
    assert_int_equal(options_init(&o, bad, &c, &e), ERR_INTERNAL);
    assert_non_null(strstr(e.msg, "times"));
    options_free(&o);
}

static void every_spelling_works(void **state)
{
    (void)state;
    struct run r;
    run_init(&r);
    assert_int_equal(PARSE(&r, "--user-name", "Ann", "--learning_rate=1e-3", "times=7", "-v", "--no-packing",
                           "--temp=0.5", "lr-scheduler-type=COSINE", "--files", "x", "--files=y,z"),
                     0);
    assert_string_equal(r.c.name, "Ann");
    assert_true(r.c.rate == 1e-3 && r.c.temperature == 0.5);
    assert_int_equal(r.c.times, 7);
    assert_true(r.c.verbose && !r.c.packing);
    assert_int_equal(r.c.schedule, 0);
    assert_int_equal(r.c.files.n, 3); /* repeated flags add up */
    assert_string_equal(r.c.files.items[2], "z");
    assert_string_equal(options_where(&r.o, "user_name"), "--user-name");
    assert_string_equal(options_where(&r.o, "times"), "times=7");
    options_free(&r.o);
    run_init(&r);
    assert_int_equal(
        PARSE(&r, "-u", "-x", "-n=-4", "--packing", "false", "--verbose", "words=c", "loop.times=5"), 0);
    assert_string_equal(r.c.name, "-x"); /* a short flag's value may start with - */
    assert_int_equal(r.c.times, 5);      /* the last one wins */
    assert_true(!r.c.packing && r.c.verbose);
    assert_int_equal(r.c.words.n, 1); /* replaces the default */
    options_free(&r.o);
}

static void the_stronger_source_wins(void **state)
{
    (void)state;
    for (int file_first = 0; file_first < 2; file_first++) {
        struct run r;
        run_init(&r);
        const char *text = "times: 50\nseed: 5\nwords: [f]\nuser_name: file\n";
        if (file_first) assert_int_equal(read_yaml(&r, text), 0);
        assert_int_equal(PARSE(&r, "times=60", "words=x", "words=y", "user_name=args"), 0);
        if (!file_first) assert_int_equal(read_yaml(&r, text), 0);
        assert_int_equal(r.c.times, 60);
        assert_true(r.c.seed == 5);
        assert_int_equal(r.c.words.n, 2);
        assert_string_equal(r.c.words.items[0], "x");
        assert_string_equal(r.c.name, "args");
        assert_int_equal(options_source(&r.o, "times"), OPT_FROM_ARGS);
        assert_int_equal(options_source(&r.o, "seed"), OPT_FROM_FILE);
        assert_int_equal(options_source(&r.o, "verbose"), OPT_FROM_DEFAULT);
        assert_string_equal(options_where(&r.o, "seed"), "run.yaml:2");
        options_free(&r.o);
    }
    struct run r; /* a value that loses is still checked */
    run_init(&r);
    assert_int_equal(PARSE(&r, "times=60"), 0);
    assert_int_equal(read_yaml(&r, "times: many\n"), ERR_FIELD_TYPE);
    options_free(&r.o);
}

struct bad_args {
    const char *words[4];
    int code;
    const char *says;
};

static const struct bad_args bad_args[] = {
    {{"greet", "--learing-rate", "1"},
     ERR_KEY_UNKNOWN,
     "unknown key \"learing-rate\" (--learing-rate); did you mean learning_rate?"},
    {{"greet", "lr=1"}, ERR_KEY_UNKNOWN, "(lr=1); did you mean learning_rate?"},
    {{"greet", "lraening_rate=1"}, ERR_KEY_UNKNOWN, "did you mean learning_rate?"},
    {{"greet", "kl_coef=1"}, ERR_CFG_CONFLICT, "\"kl_coef\" belongs to terse ppo"},
    {{"greet", "--times"}, ERR_USAGE, "--times needs a value: how often"},
    {{"greet", "--times", "--verbose"}, ERR_USAGE, "--times needs a value"},
    {{"greet", "-n"}, ERR_USAGE, "-n needs a value"},
    {{"greet", "-q"}, ERR_USAGE, "unknown flag \"-q\""},
    {{"greet", "-nx"}, ERR_USAGE, "\"-nx\""},
    {{"greet", "word"}, ERR_USAGE, "unexpected argument \"word\""},
    {{"greet", "-5"}, ERR_USAGE, "unexpected argument \"-5\""},
    {{"greet", "--no-packing=true"}, ERR_USAGE, "--packing=true"},
    {{"greet", "--no-times"}, ERR_KEY_UNKNOWN, "no-times"},
    {{"greet", "times=x"},
     ERR_FIELD_TYPE,
     "times: \"x\" is not a whole number; expected a whole number from -10 up to 100 greetings (times=x)"},
    {{"greet", "times=101"}, ERR_FIELD_RANGE, "too large"},
    {{"greet", "times=-11"}, ERR_FIELD_RANGE, "too small"},
    {{"greet", "times="}, ERR_FIELD_TYPE, "times"},
    {{"greet", "times=-"}, ERR_FIELD_TYPE, "times"},
    {{"greet", "times=9223372036854775808"}, ERR_OVERFLOW, "times"},
    {{"greet", "times=9999999999999999999999999999999999"}, ERR_OVERFLOW, "times"},
    {{"greet", "seed=18446744073709551616"}, ERR_FIELD_RANGE, "seed"},
    {{"greet", "learning_rate=."}, ERR_FIELD_TYPE, "learning_rate"},
    {{"greet", "learning_rate=1e"}, ERR_FIELD_TYPE, "learning_rate"},
    {{"greet", "learning_rate=1 "}, ERR_FIELD_TYPE, "learning_rate"},
    {{"greet", "memory_limit=3.GiBs"}, ERR_FIELD_TYPE, "memory_limit"},
    {{"greet", "verbose=2"}, ERR_FIELD_TYPE, "verbose"},
    {{"greet", "lr_scheduler_type="}, ERR_FIELD_RANGE, "cosine|linear|constant"},
    {{"greet", "user_name=\x80"}, ERR_UTF8, "user_name: \"?\""},
    {{"greet", "user_name=\x1b[2J"}, ERR_YAML_CTRL, "\"?[2J\""},
    {{"greet", "files=a,,b"}, ERR_PATH, "files"},
    {{"greet", "files=a\nb"}, ERR_PATH, "files"},
    {{"greet", "words=a,"}, ERR_FIELD_TYPE, "words"},
    {{"greet", "user_name=null"}, ERR_FIELD_MISSING, "user_name: null"},
};

static void wrong_arguments_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_args / sizeof *bad_args; i++) {
        const struct bad_args *row = &bad_args[i];
        struct run r;
        run_init(&r);
        int code = parse_words(&r, row->words);
        if (code != row->code || !strstr(r.e.msg, row->says))
            fail_msg("%s: %s: %s", row->words[1], err_name(code), r.e.msg);
        assert_int_equal(r.c.times, 3); /* the field keeps its value */
        options_free(&r.o);
    }
}

static void words_may_be_positional(void **state)
{
    (void)state;
    struct run r;
    run_init(&r);
    r.o.max_positional = 3;
    assert_int_equal(PARSE(&r, "a.parquet", "times=4", "x=1.parquet", "--", "--times=9"), 0);
    assert_int_equal(r.o.n_positional, 3);
    assert_string_equal(r.o.positional[0], "a.parquet");
    assert_string_equal(r.o.positional[1], "x=1.parquet");
    assert_string_equal(r.o.positional[2], "--times=9");
    assert_int_equal(r.c.times, 4);
    assert_int_equal(PARSE(&r, "one too many"), ERR_USAGE);
    options_free(&r.o);
}

static void help_wins_over_everything(void **state)
{
    (void)state;
    struct run r;
    run_init(&r);
    assert_int_equal(PARSE(&r, "--nonsense", "times=x", "--help"), OPTIONS_HELP);
    assert_int_equal(PARSE(&r, "-h"), OPTIONS_HELP);
    r.o.max_positional = 1;
    assert_int_equal(PARSE(&r, "--", "--help"), 0);
    options_free(&r.o);
}

static char *help_text(struct run *r, int width)
{
    char *text;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    assert_non_null(f);
    options_print_help(&r->o, f, width);
    fclose(f);
    return text;
}

static void help_names_every_key(void **state)
{
    (void)state;
    struct run r;
    run_init(&r);
    r.o.about = "Greets people who like to be greeted, as often as they like to be, in a line or two.";
    r.o.usage = "greet [key=value ...]";
    for (int width = 40; width <= 160; width += 40) {
        char *text = help_text(&r, width);
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
            if ((int)strlen(line) > width) fail_msg("%d columns: %s", width, line);
        free(text);
    }
    char *text = help_text(&r, 100);
    assert_non_null(strstr(text, "\nusage: greet"));
    assert_non_null(strstr(text, "\nLoop\n"));
    assert_non_null(strstr(text, "  -u, --user-name TEXT"));
    assert_non_null(strstr(text, "whom to greet (required)"));
    assert_non_null(strstr(text, "how often (greetings; default 3)"));
    assert_non_null(strstr(text, "--no-packing"));
    assert_non_null(strstr(text, "shape: cosine, linear, constant (default linear)"));
    assert_non_null(strstr(text, "(default politely)"));
    free(text);
    options_free(&r.o);
}

static char *record_text(struct run *r)
{
    char *text;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    assert_non_null(f);
    options_dump_yaml(&r->o, f);
    fclose(f);
    return text;
}

/* What is written reads back to the same text, whatever stands in the values. */
static void the_record_reads_back(void **state)
{
    (void)state;
    static const char *const rates[] = {
        "0.1",           "1e-4", "3.0000000000000004", "5e-324", "1.7976931348623157e308", "1e22",
        "123456789.125", "2e-4"};
    static const char *const texts[] = {"no",
                                        "010",
                                        "a\"b\\c\nd\te",
                                        "a \xe2\x80\xa8 \xc2\x85\xef\xbb\xbf",
                                        "# x: [y",
                                        " lead",
                                        "",
                                        "null",
                                        "\xf0\x9f\x98\x80 \xc3\xa9"};
    for (size_t i = 0; i < 72; i++) {
        struct run r, again;
        run_init(&r);
        struct option_text t = {texts[i % 9], strlen(texts[i % 9])};
        struct option_value v = {
            .key = "system_prompt", .items = &t, .n = 1, .source = OPT_FROM_ARGS, .where = "x"};
        assert_int_equal(options_set(&r.o, &v, &r.e), 0);
        assert_int_equal(options_set_text(&r.o, "learning_rate", rates[i % 8], &r.e), 0);
        assert_int_equal(PARSE(&r, "user_name=x", "words=a b,c", "memory_limit=3GiB",
                               "seed=18446744073709551615", "-v", "--config", "gone.yaml"),
                         0);
        options_unset(&r.o, "times");
        char *first = record_text(&r);
        run_init(&again);
        int code = read_yaml(&again, first);
        if (code) fail_msg("%s\n%s", again.e.msg, first);
        assert_int_equal(again.c.times, 3); /* a dropped default is only a comment in the record */
        options_unset(&again.o, "times");
        char *second = record_text(&again);
        assert_string_equal(first, second);
        assert_string_equal(again.c.prompt, texts[i % 9]);
        assert_true(again.c.rate == strtod(rates[i % 8], NULL));
        assert_true(again.c.memory == 3ull << 30);
        assert_null(again.c.path);
        free(first);
        free(second);
        options_free(&r.o);
        options_free(&again.o);
    }
}

static void distances(void **state)
{
    (void)state;
    assert_int_equal(option_distance("seed", "seed"), 0);
    assert_int_equal(option_distance("Max-Steps", "max_steps"), 0);
    assert_int_equal(option_distance("", "abc"), 3);
    assert_int_equal(option_distance("sede", "seed"), 1);
    assert_int_equal(option_distance("kitten", "sitting"), 3);
    char long_name[80];
    memset(long_name, 'a', 79);
    long_name[79] = 0;
    assert_true(option_distance(long_name, long_name) > 100);
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } rows[] = {{"0", 0},     {"1500", 1500},       {"1KB", 1000},         {"1KiB", 1024},
                {"2k", 2048}, {"2.5G", 5ull << 29}, {"3 GiB", 3ull << 30}, {"1TiB", 1ull << 40},
                {"7B", 7}};
    struct run r;
    run_init(&r);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (options_set_text(&r.o, "memory_limit", rows[i].text, &r.e)) fail_msg("%s", r.e.msg);
        assert_true(r.c.memory == rows[i].bytes);
    }
    assert_int_equal(options_set_text(&r.o, "memory_limit", "1e", &r.e), ERR_FIELD_TYPE);
    options_free(&r.o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_in),
        cmocka_unit_test(a_wrong_default_is_a_bug),
        cmocka_unit_test(every_spelling_works),
        cmocka_unit_test(the_stronger_source_wins),
        cmocka_unit_test(wrong_arguments_are_named),
        cmocka_unit_test(words_may_be_positional),
        cmocka_unit_test(help_wins_over_everything),
        cmocka_unit_test(help_names_every_key),
        cmocka_unit_test(the_record_reads_back),
        cmocka_unit_test(distances),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
