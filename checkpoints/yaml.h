/* Config files: the small part of YAML in which nothing is surprising.
 *
 * A file is one map of `key: value`. A value is a plain or quoted text, a list of texts ([a, b] or "- a"
 * lines), or one level of `block:` maps, whose keys are found as block_key or as keys of that group of the
 * option table. Texts stay texts: `no`, 12:30 and 010 mean what they say, and the option's type decides what
 * they become. Refused by name: anchors, aliases, merge keys, tags, directives, second documents, tabs as
 * indentation. */
#ifndef TERSE_CHECKPOINTS_YAML_H
#define TERSE_CHECKPOINTS_YAML_H

#include "infer/option.h"

enum { YAML_BYTES_MAX = 1 << 20 };

/* Sets every option the file names, with source OPT_FROM_FILE and where "path:line" (options that the command
 * line gave keep that value). Errors name the file and line: those of file_load() and options_set(), UTF8,
 * JSON_BOM (UTF-16 or UTF-32), CFG_EMPTY, CFG_ROOT, DEPTH, DUP_KEY, YAML_*. After an error `o` holds the
 * values taken before it. Required keys are options_check_required()'s business. */
int yaml_load_options(const char *path, struct options *o, struct err *e);

/* The same from memory; `name` stands for the path in messages. */
int yaml_read_options(const char *text, size_t len, const char *name, struct options *o, struct err *e);

#endif
