#include "tests/support/build_case.h"

#include "checkpoints/hf_tokenizer.h"
#include "tests/support/scratch.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct tokenizer *build_case_tokenizer;
static struct pool *pool;

int build_case_setup(void **state)
{
    return scratch_setup(state) || pool_create(&pool, 1, NULL) ||
           hf_tokenizer_load(&build_case_tokenizer, "checkpoints/nano", 0, NULL);
}

int build_case_teardown(void **state)
{
    tokenizer_free(build_case_tokenizer);
    pool_free(pool);
    return scratch_teardown(state);
}

struct prepare_config build_case_config(const char *name, const char *const *files, uint32_t n)
{
    static char output[FILE_PATH - 8], work[FILE_PATH];
    snprintf(output, sizeof output, "%s", scratch(name));
    snprintf(work, sizeof work, "%s.work", output);
    return (struct prepare_config){
        .files = files,
        .n_files = n,
        .output = output,
        .work = work,
        .rules = {build_case_tokenizer, NULL, 512, LEARN_LAST},
        .select = {.shuffle = true, .keep_identical = true, .seed = 42},
        .shard_tokens = SHARD_TOKENS,
        .ngram = 13,
        .pool = pool,
    };
}

struct prepare_report build_case_run(const struct prepare_config *c)
{
    struct prepare_report r;
    struct err e = {0};
    if (prepare_run(c, &r, &e)) fail_msg("%s", e.msg);
    return r;
}

static void digest_folder(struct sha256 *s, const char *dir)
{
    struct dirent **names;
    int n = scandir(dir, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[2 * FILE_PATH], hex[SHA256_HEX];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
        if (*names[i]->d_name != '.') {
            assert_int_equal(sha256_file(path, hex, NULL, NULL), 0);
            sha256_update(s, names[i]->d_name, strlen(names[i]->d_name));
            sha256_update(s, hex, 64);
        }
        free(names[i]);
    }
    if (n >= 0) free(names);
}

const char *build_case_digest(const char *name)
{
    static char hex[4][SHA256_HEX];
    static int next;
    char eval[256];
    struct sha256 s;
    next = (next + 1) % 4;
    snprintf(eval, sizeof eval, "%s-eval", name);
    assert_int_equal(sha256_init(&s, NULL), 0);
    digest_folder(&s, scratch(name));
    digest_folder(&s, scratch(eval));
    sha256_final(&s, hex[next]);
    return hex[next];
}
