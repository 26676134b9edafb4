#include "data/row_json.h"

#include <math.h>

/* Recursion is as deep as the schema, which is at most 16. */
void row_put(struct js_out *w, const char *key, const struct pq_field *f, const struct pq_datum *d)
{
    switch ((enum pq_datum_kind)d->kind) {
    case PQ_DATUM_NULL:
        js_put_null(w, key);
        break;
    case PQ_DATUM_BOOL:
        js_put_bool(w, key, d->i);
        break;
    case PQ_DATUM_INT:
        js_put_int(w, key, d->i);
        break;
    case PQ_DATUM_UINT:
        js_put_uint(w, key, (uint64_t)d->i);
        break;
    case PQ_DATUM_FLOAT:
    case PQ_DATUM_DOUBLE:
        if (isfinite(d->f))
            js_put_real(w, key, d->f);
        else
            js_put_null(w, key);
        break;
    case PQ_DATUM_STRING:
        js_put_text(w, key, d->s, d->n);
        break;
    case PQ_DATUM_LIST:
        js_array(w, key);
        for (uint32_t i = 0; i < d->n; i++) row_put(w, NULL, f->children[0], &d->items[i]);
        js_close(w);
        break;
    case PQ_DATUM_STRUCT:
        js_object(w, key);
        for (uint32_t i = 0; i < d->n; i++) row_put(w, f->children[i]->name, f->children[i], &d->items[i]);
        js_close(w);
        break;
    }
}
