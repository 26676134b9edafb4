/* Builds that run many times slower: tests that go through many combinations take fewer of them there. */
#ifndef TERSE_TESTS_QUICK_H
#define TERSE_TESTS_QUICK_H

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define QUICK 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define QUICK 1
#endif
#endif
#ifndef QUICK
#define QUICK 0
#endif

#endif
