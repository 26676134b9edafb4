#include "checkpoints/peft.h"

#include "checkpoints/file.h"
#include "checkpoints/peft_parts.h"
#include "checkpoints/safetensors.h"
#include "checkpoints/sha256.h"
#include "kernels/math.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_FILE  "adapter_config.json"
#define WEIGHTS_FILE "adapter_model.safetensors"
#define VERSION      "1"

/* ---- the digest that ties names, numbers and metadata together
 * ---------------------------------------------- */

/* What terse keeps in the safetensors' metadata; each NULL when absent. */
enum { META_VERSION, META_GATE, META_BASE, META_TOKENIZER, META_CONFIG, META_DATA, META_COUNT };
static const char *const meta_keys[META_COUNT] = {"terse.version",   "terse.gate",   "terse.base",
                                                  "terse.tokenizer", "terse.config", "terse.data"};

static void digest_text(struct sha256 *s, const char *text)
{
    sha256_update(s, text, strlen(text) + 1);
}

static void digest_tensor(struct sha256 *s, const struct tensor *t)
{
    digest_text(s, t->name);
    digest_text(s, dtype_name(t->dtype));
    for (int d = 0; d < t->rank && d < 8; d++) {
        unsigned char le[8];
        for (int i = 0; i < 8; i++) le[i] = (unsigned char)(t->shape[d] >> 8 * i);
        sha256_update(s, le, sizeof le);
    }
    sha256_update(s, t->data, t->bytes);
}

/* Of the config, what changes the numbers: weights beside another config's alpha are caught. */
static int digest_config(const struct adapter_config *c, const struct adapter_info *info,
                         char hex[SHA256_HEX], struct err *e)
{
    char text[128];
    struct sha256 s;
    int r = sha256_init(&s, e);
    if (r) return r;
    snprintf(text, sizeof text, "r %u alpha %.17g rslora %d targets %x", c->rank, c->alpha, c->rslora,
             c->targets);
    digest_text(&s, text);
    for (uint32_t i = 0; i < info->n_invocation; i++) {
        snprintf(text, sizeof text, "%d", info->invocation[i]);
        digest_text(&s, text);
    }
    sha256_final(&s, hex);
    return 0;
}

/* `found` is in the order of its slots, so that the digest does not depend on the file's order. */
static int digest_data(const struct tensor *const *found, size_t slots, const char *const meta[META_COUNT],
                       char hex[SHA256_HEX], struct err *e)
{
    struct sha256 s;
    int r = sha256_init(&s, e);
    if (r) return r;
    for (int i = 0; i < META_DATA; i++) digest_text(&s, meta[i]);
    for (size_t i = 0; i < slots; i++)
        if (found[i]) digest_tensor(&s, found[i]);
    sha256_final(&s, hex);
    return 0;
}

/* ---- loading
 * ------------------------------------------------------------------------------------------------ */

/* All of them or none; *version then says which. */
static int meta_read(const char *meta[META_COUNT], const struct safetensors *f, const char *path,
                     struct err *e)
{
    int there = 0, missing = 0;
    for (int i = 0; i < META_COUNT; i++) {
        meta[i] = safetensors_meta(f, meta_keys[i]);
        there += meta[i] != NULL;
        if (!meta[i]) missing = i;
    }
    if (meta[META_VERSION] && strcmp(meta[META_VERSION], VERSION))
        return err_set(e, ERR_VERSION, "%s: terse.version is \"%.32s\", expected \"" VERSION "\"", path,
                       meta[META_VERSION]);
    if (there == 0 || there == META_COUNT) return 0;
    return err_set(e, ERR_HASH, "%s: %s is missing from the metadata, others of terse's are there", path,
                   meta_keys[missing]);
}

static int hash_check(const char *hex, const char *expected, const char *what, const char *path,
                      struct err *e)
{
    if (!strcmp(hex, expected)) return 0;
    return err_set(e, ERR_HASH, "%s: the SHA-256 of %s is %.16s..., the metadata says %.16s...", path, what,
                   hex, expected);
}

/* Digests, version, gate and the base it belongs to. */
static int meta_check(struct adapter_config *c, struct adapter_info *info, const struct safetensors *f,
                      const char *path, const struct tensor *const *found, size_t slots,
                      const struct adapter_expect *x, struct err *e)
{
    const char *meta[META_COUNT];
    char hex[SHA256_HEX], hex_data[SHA256_HEX];
    int r = meta_read(meta, f, path, e);
    if (!r) r = adapter_gate_read(&c->gate, meta[META_GATE], info->n_invocation, path, e);
    if (r || !meta[META_DATA]) return r;
    r = digest_data(found, slots, meta, hex_data, e);
    if (!r) r = hash_check(hex_data, meta[META_DATA], "the tensors and metadata", path, e);
    if (!r) r = digest_config(c, info, hex, e);
    if (!r) r = hash_check(hex, meta[META_CONFIG], CONFIG_FILE "'s numbers", path, e);
    if (r) return r;
    snprintf(info->base, sizeof info->base, "%s", meta[META_BASE]);
    snprintf(info->tokenizer, sizeof info->tokenizer, "%s", meta[META_TOKENIZER]);
    memcpy(info->self, hex_data, sizeof hex_data);
    return adapter_expect_check(info, x, path, e);
}

/* The file's tensors in the order of their slots; *found is the caller's to free. */
static int tensors_find(const struct tensor ***found, const struct safetensors *f,
                        const struct model_config *m, const struct adapter_config *c, struct err *e)
{
    size_t n = safetensors_count(f);
    const struct tensor **all = malloc((n + 1) * sizeof *all);
    *found = calloc(adapter_slots(m), sizeof **found);
    if (!all || !*found) {
        free(all);
        return err_set(e, ERR_NOMEM, "no memory to sort %zu tensors", n);
    }
    for (size_t i = 0; i < n; i++) all[i] = safetensors_at(f, i);
    int r = adapter_match(*found, all, n, m, c, &peft_naming, e);
    free(all);
    return r;
}

static int weights_load(struct adapter **out, struct adapter_info *info, bool *cold, const char *path,
                        const struct model_config *m, struct adapter_config *c,
                        const struct adapter_expect *x, struct err *e)
{
    struct safetensors *f = NULL;
    const struct tensor **found = NULL;
    int r = safetensors_open(&f, path, e);
    if (!r) r = tensors_find(&found, f, m, c, e);
    if (!r) r = meta_check(c, info, f, path, found, adapter_slots(m), x, e);
    if (!r) r = adapter_create(out, m, c, e);
    if (!r) r = adapter_fill(*out, found, cold, e);
    if (!r) r = safetensors_intact(f, e);
    if (!r && *cold && x->strict)
        r = err_set(e, ERR_AD_COLD, "%s: every B is zero, the adapter changes nothing", path);
    if (r) adapter_free(*out), *out = NULL;
    free(found);
    safetensors_close(f);
    return r;
}

int peft_load(struct adapter **out, struct adapter_info *info, bool *cold, const char *dir,
              const struct model_config *m, const struct adapter_expect *x, struct err *e)
{
    static const struct adapter_expect anything = {0};
    struct adapter_config c;
    char path[FILE_PATH];
    bool is_cold = false;
    *out = NULL;
    *info = (struct adapter_info){0};
    int r = file_path(path, e, "%s/" CONFIG_FILE, dir);
    if (!r) r = peft_config_load(&c, info, path, e);
    if (!r) r = adapter_config_check(m, &c, e);
    if (!r) r = adapter_invocation_check(info, m, path, e);
    if (!r) r = file_path(path, e, "%s/" WEIGHTS_FILE, dir);
    if (!r) r = weights_load(out, info, &is_cold, path, m, &c, x ? x : &anything, e);
    if (!r && cold) *cold = is_cold;
    return r;
}

/* ---- saving
 * ------------------------------------------------------------------------------------------------- */

/* The tensors of an adapter: `found` points into `tensor` and `name`; `half` holds the bf16 copies. */
struct image {
    const struct tensor **found;
    struct tensor *tensor;
    size_t n, slots;
    char (*name)[ADAPTER_NAME];
    uint16_t *half;
};

static void image_free(struct image *im)
{
    free(im->found);
    free(im->tensor);
    free(im->name);
    free(im->half);
}

static int image_alloc(struct image *im, const struct adapter *a, enum dtype dtype, struct err *e)
{
    size_t slots = adapter_slots(&a->model);
    *im = (struct image){.slots = slots};
    im->found = calloc(slots, sizeof *im->found);
    im->tensor = calloc(slots, sizeof *im->tensor);
    im->name = calloc(slots, sizeof *im->name);
    if (dtype == DTYPE_BF16) im->half = malloc(a->count * sizeof *im->half);
    if (im->found && im->tensor && im->name && (im->half || dtype != DTYPE_BF16)) return 0;
    return err_set(e, ERR_NOMEM, "no memory to save an adapter of %llu floats", (unsigned long long)a->count);
}

static int tensor_make(struct image *im, const struct adapter *a, struct adapter_slot s, size_t i,
                       struct err *e)
{
    struct tensor *t = &im->tensor[im->n];
    uint64_t in, out,
        at = s.is_b ? adapter_offset_b(a, s.layer, s.target) : adapter_offset_a(a, s.layer, s.target);
    const float *w = a->weights + at;
    adapter_shape(&a->model, s.target, &in, &out);
    peft_naming.write(im->name[im->n], s);
    *t = (struct tensor){.name = im->name[im->n], .dtype = im->half ? DTYPE_BF16 : DTYPE_F32, .rank = 2};
    t->shape[0] = s.is_b ? out : a->cfg.rank;
    t->shape[1] = s.is_b ? a->cfg.rank : in;
    uint64_t n = t->shape[0] * t->shape[1];
    t->bytes = n * (im->half ? 2 : 4);
    t->data = im->half ? (const void *)(im->half + at) : w;
    im->found[i] = t;
    im->n++;
    for (uint64_t k = 0; k < n; k++) {
        int r = adapter_weight_check(w[k], t->name, k, e);
        if (r) return r;
        if (im->half) im->half[at + k] = f32_to_bf16(w[k]);
    }
    return 0;
}

static int image_make(struct image *im, const struct adapter *a, enum dtype dtype, struct err *e)
{
    int r = image_alloc(im, a, dtype, e);
    for (size_t i = 0; !r && i < im->slots; i++) {
        struct adapter_slot s = adapter_slot_at(i);
        if (a->cfg.targets >> s.target & 1) r = tensor_make(im, a, s, i, e);
    }
    return r;
}

static int weights_save(const char *path, const struct image *im, const struct adapter *a,
                        const struct adapter_info *info, struct err *e)
{
    char config[SHA256_HEX], data[SHA256_HEX];
    const char *const value[META_COUNT] = {
        VERSION, lora_gate_names[a->cfg.gate], info->base, info->tokenizer, config, data};
    const char *meta[2 * META_COUNT + 3] = {"format", "pt"};
    int r = digest_config(&a->cfg, info, config, e);
    if (!r) r = digest_data(im->found, im->slots, value, data, e);
    if (r) return r;
    for (int i = 0; i < META_COUNT; i++) meta[2 * i + 2] = meta_keys[i], meta[2 * i + 3] = value[i];
    return safetensors_save(path, im->tensor, im->n, meta, e);
}

/* One file of the temporary folder takes its place. */
static int move_in(const char *temp, const char *dir, const char *file, struct err *e)
{
    char from[FILE_PATH], to[FILE_PATH];
    int r = file_path(from, e, "%s/%s", temp, file);
    if (!r) r = file_path(to, e, "%s/%s", dir, file);
    if (r) return r;
    return rename(from, to) == 0 ? 0 : err_errno(e, errno, "cannot rename %s to %s", from, to);
}

/* Both files are complete in `temp`: show them under their name. */
static int publish(const char *temp, const char *dir, struct err *e)
{
    if (rename(temp, dir) == 0) return file_sync_parent(dir, e);
    if (errno != ENOTEMPTY && errno != EEXIST)
        return err_errno(e, errno, "cannot rename %s to %s", temp, dir);
    int r = move_in(temp, dir, WEIGHTS_FILE, e);
    if (!r) r = move_in(temp, dir, CONFIG_FILE, e);
    return r ? r : file_sync(dir, e);
}

static int save_check(const char *dir, const struct adapter *a, const struct adapter_info *info,
                      const struct peft_save_options *o, struct err *e)
{
    static const char *const files[] = {WEIGHTS_FILE, CONFIG_FILE};
    char path[FILE_PATH];
    if (o->dtype != DTYPE_F32 && o->dtype != DTYPE_BF16)
        return err_set(e, ERR_DTYPE, "adapter type %s, expected F32 or BF16", dtype_name(o->dtype));
    if (a->cfg.gate == GATE_ALL && info->n_invocation)
        return err_set(e, ERR_CFG_CONFLICT, "invocation tokens were given for an adapter whose gate is all");
    for (int i = 0; i < 2 && !o->force; i++) {
        int r = file_path(path, e, "%s/%s", dir, files[i]);
        if (r) return r;
        if (file_exists(path)) return err_set(e, ERR_EXISTS, "%s already exists; force replaces it", path);
    }
    return 0;
}

int peft_save(const char *dir, const struct adapter *a, const struct adapter_info *info,
              const struct peft_save_options *o, struct err *e)
{
    char temp[FILE_PATH], weights[FILE_PATH], config[FILE_PATH];
    struct image im = {0};
    int len = (int)strlen(dir);
    while (len > 1 && dir[len - 1] == '/') len--;
    int r = save_check(dir, a, info, o, e);
    if (!r) r = file_path(temp, e, "%.*s.tmp", len, dir);
    if (!r) r = file_path(weights, e, "%s/" WEIGHTS_FILE, temp);
    if (!r) r = file_path(config, e, "%s/" CONFIG_FILE, temp);
    if (!r) r = image_make(&im, a, o->dtype, e);
    if (!r) r = file_remove_tree(temp, e);
    if (r) goto done;
    r = file_make_dirs(temp, e);
    if (!r) r = weights_save(weights, &im, a, info, e);
    if (!r) r = peft_config_save(config, &a->cfg, info, e);
    if (!r) r = publish(temp, dir, e);
    file_remove_tree(temp, NULL);
done:
    image_free(&im);
    return r;
}
