#include "infer/token_map.h"

#include <stdlib.h>

int token_map_create(struct token_map *m, const struct token_spec *tokens, size_t n, struct err *e)
{
    size_t slots = 16;
    while (slots * 3 < n * 4) slots *= 2;
    *m = (struct token_map){.tokens = tokens, .mask = slots - 1, .seed = hash_seed()};
    m->slots = calloc(slots, sizeof *m->slots);
    return m->slots ? 0 : err_set(e, ERR_NOMEM, "no memory for a table of %zu tokens", n);
}

void token_map_free(struct token_map *m)
{
    free(m->slots);
    *m = (struct token_map){0};
}

int32_t token_map_add(struct token_map *m, uint32_t id)
{
    const struct token_spec *t = &m->tokens[id];
    struct token_slot *s = token_map_slot(m, t->text, t->len);
    if (token_slot_id(s) >= 0) return token_slot_id(s);
    const struct token_slot k = token_key(m, t->text, t->len);
    s->head = k.head, s->tail = k.tail;
    atomic_init(&s->tag, k.tag | (id + 1));
    return -1;
}
