#include "checkpoints/peft_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "base_model.model."

/* Steps over `word` if *s starts with it. */
static int skip(const char **s, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(*s, word, n)) return 0;
    *s += n;
    return 1;
}

/* A layer's number as PEFT writes it: no sign, no leading zero, no exponent. */
static int parse_layer(const char **s, uint32_t layers, uint32_t *layer)
{
    uint32_t n = 0;
    const char *p = *s;
    if (p[0] == '0' && p[1] >= '0' && p[1] <= '9') return 0;
    while (*p >= '0' && *p <= '9' && n < layers) n = n * 10 + (uint32_t)(*p++ - '0');
    if (p == *s || n >= layers) return 0;
    *s = p;
    *layer = n;
    return 1;
}

/* The part of a weight's name between "layers.N." and ".weight", such as "self_attn.q_proj". */
static int module_name(enum lora_target t, const char **text)
{
    const char *hf = strstr(params[lora_param[t]].hf, "%u.") + 3;
    *text = hf;
    return (int)(strlen(hf) - strlen(".weight"));
}

static int peft_name_parse(struct adapter_slot *s, const char *name, uint32_t layers)
{
    skip(&name, PREFIX);
    if (!skip(&name, "model.layers.") || !parse_layer(&name, layers, &s->layer) || !skip(&name, "."))
        return 0;
    for (int t = 0; t < LORA_TARGETS; t++) {
        const char *module, *rest = name;
        int n = module_name((enum lora_target)t, &module);
        if (strncmp(rest, module, (size_t)n)) continue;
        rest += n;
        s->target = (enum lora_target)t;
        s->is_b = strncmp(rest, ".lora_B", 7) == 0;
        if (!skip(&rest, ".lora_A") && !skip(&rest, ".lora_B")) return 0;
        skip(&rest, ".default");
        return strcmp(rest, ".weight") == 0;
    }
    return 0;
}

static void peft_name_write(char name[ADAPTER_NAME], struct adapter_slot s)
{
    const char *module;
    int n = module_name(s.target, &module);
    snprintf(name, ADAPTER_NAME, PREFIX "model.layers.%u.%.*s.lora_%c.weight", s.layer, n, module,
             s.is_b ? 'B' : 'A');
}

const struct adapter_naming peft_naming = {peft_name_parse, peft_name_write, {"lm_head.", "embed_tokens."}};
