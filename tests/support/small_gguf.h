/* What an app has: a small base and two adapters for it as GGUF files. */
#ifndef TERSE_TESTS_SMALL_GGUF_H
#define TERSE_TESTS_SMALL_GGUF_H

struct small_gguf {
    char model[300], adapter[300], other[300];
};

/* The base of small_base (bf16), an adapter that acts from the last assistant's header on, and one that acts
 * everywhere, below `dir`. Fails the test on error. */
void small_gguf(struct small_gguf *out, const char *dir);

#endif
