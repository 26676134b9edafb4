/* What a struct js is, for json*.c only: one node of a flat array in document order. A container's
 * descendants follow it directly, an object's as key, value, key, value ... One hidden node precedes the root
 * and owns the bytes of all strings. */
#ifndef TERSE_CHECKPOINTS_JSON_NODE_H
#define TERSE_CHECKPOINTS_JSON_NODE_H

#include "checkpoints/json.h"

struct js {
    union {
        int64_t i;
        uint64_t u;
        double d;
        bool b;
        const char *s; /* with a NUL after it */
        uint64_t span; /* container: nodes of the whole subtree, itself included */
    };
    uint32_t size; /* bytes, elements or members */
    uint32_t type; /* enum js_type */
};

/* The node after the whole of `v`. */
static inline const struct js *js_after(const struct js *v)
{
    return v + (v->type >= JS_ARRAY ? v->span : 1);
}

#endif
