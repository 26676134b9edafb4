#include "checkpoints/file.h"
#include "checkpoints/json_node.h"

/* Recursion is as deep as the parser's limit at most. */
static void put_members(struct js_out *w, const struct js *v)
{
    for (struct js_iter it = {0}; js_next(v, &it);) js_put(w, it.key, it.value);
    js_close(w);
}

void js_put(struct js_out *w, const char *key, const struct js *v)
{
    switch (js_type(v)) {
    case JS_NULL:
        js_put_null(w, key);
        return;
    case JS_BOOL:
        js_put_bool(w, key, v->b);
        return;
    case JS_INT:
        js_put_int(w, key, v->i);
        return;
    case JS_UINT:
        js_put_uint(w, key, v->u);
        return;
    case JS_BIG:
        js_refuse(w, ERR_JSON_NUMBER, "an integer beyond 64 bits cannot be copied");
        return;
    case JS_REAL:
        js_put_real(w, key, v->d);
        return;
    case JS_STRING:
        js_put_text(w, key, v->s, v->size);
        return;
    case JS_ARRAY:
        js_array(w, key);
        put_members(w, v);
        return;
    case JS_OBJECT:
        js_object(w, key);
        put_members(w, v);
    }
}

int js_out_save(struct js_out *w, const char *path, struct err *e)
{
    int rc = js_out_end(w, e);
    if (!rc) {
        w->text[w->n++] = '\n'; /* its NUL's place */
        rc = file_save(path, w->text, w->n, e);
    }
    js_out_free(w);
    return rc;
}
