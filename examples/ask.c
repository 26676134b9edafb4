/* Asks a model a question four times at once: pieces of text as they come, then each answer by itself.
 *
 *     cc ask.c $(pkg-config --cflags --libs terse) -o ask
 *     ./ask model.gguf adapter.gguf "Tom has 5 boxes with 7 apples each. How many apples does Tom have?"
 *
 * "-" for the adapter asks the base alone. */
#include <stdio.h>
#include <string.h>
#include <terse.h>

enum { STREAMS = 4 };

/* One token of one of the answers. Returning TERSE_STOP_THIS would end it here. */
static int print_piece(void *context, const struct terse_piece *piece)
{
    (void)context;
    if (piece->bytes) printf("%u| %s\n", piece->answer, piece->text);
    fflush(stdout);
    return TERSE_GO_ON;
}

static int ask(struct terse_session *s, const char *text, struct terse_error *e)
{
    struct terse_message user = {.role = "user", .content = text};
    struct terse_sampling luck = {.size = sizeof luck, .temperature = 0.7, .top_p = 0.95, .seed = 1};
    struct terse_question q = {
        .size = sizeof q, .answers = STREAMS, .max_tokens = 256, .on_piece = print_piece};
    struct terse_stats stats = {.size = sizeof stats};
    struct terse_answers *a;
    q.messages = &user, q.n_messages = 1, q.sampling = &luck;
    if (terse_ask(s, &q, &a, e)) return e->code;
    for (unsigned i = 0; i < terse_answers_count(a); i++)
        printf("\n--- answer %u\n%s\n", i, terse_answers_text(a, i, NULL) + terse_answers_reply(a, i));
    terse_answers_free(a);
    terse_session_get_stats(s, &stats);
    printf("\n%llu tokens read in %.2f s, %llu written in %.2f s; %u pages held, %u more saved by sharing\n",
           (unsigned long long)stats.encoded_tokens, stats.prefill_seconds,
           (unsigned long long)stats.answer_tokens, stats.decode_seconds, stats.pages_held,
           stats.pages_shared);
    return 0;
}

int main(int argc, char **argv)
{
    struct terse_session_options o = {.size = sizeof o, .streams = STREAMS, .max_tokens = 1024};
    struct terse_model *m = NULL;
    struct terse_adapter *a = NULL;
    struct terse_session *s = NULL;
    struct terse_error e;
    if (argc != 4) return fprintf(stderr, "usage: ask MODEL.gguf ADAPTER.gguf|- QUESTION\n"), 2;
    int failed = terse_model_open(&m, argv[1], NULL, &e);
    if (!failed && strcmp(argv[2], "-")) failed = terse_adapter_load(&a, m, argv[2], &e);
    if (!failed) failed = terse_session_create(&s, m, &o, &e);
    if (!failed) failed = terse_session_set_adapter(s, a, &e);
    if (!failed) failed = ask(s, argv[3], &e);
    if (failed) fprintf(stderr, "ask: %s [%s]\n", e.message, e.kind);
    terse_session_free(s);
    terse_adapter_free(a);
    terse_model_close(m);
    return failed != 0;
}
