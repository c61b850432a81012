#include "daemon/config.h"

#include "sys/clock.h"
#include "sys/file.h"
#include <errno.h>
#include <stdlib.h>

enum { CONFIG_FILE_MAX = 64 << 20 };

void sw_config_memory_out(struct sw_config_build *b)
{
    if (!b->memory_out)
        sw_diag_error(b->diags, ((struct sw_mark){0, 0}), "memory is out");
    b->memory_out = true;
}

void *sw_config_alloc(struct sw_config_build *b, size_t n)
{
    void *p = sw_arena_get(&b->c->arena, n + 1);
    if (!p) {
        sw_config_memory_out(b);
        return NULL;
    }
    return memset(p, 0, n + 1);
}

const char *sw_config_path_only(struct sw_config_build *b, const struct sw_text *path)
{
    size_t dir = strlen(b->c->dir);
    const char *whole = path->s.p;
    if (!path->s.n || path->s.p[0] != '/') {
        char *p = sw_config_alloc(b, dir + 1 + path->s.n);
        if (!p)
            return "";
        memcpy(p, b->c->dir, dir);
        p[dir] = '/';
        memcpy(p + dir + 1, path->s.p, path->s.n);
        whole = p;
    }
    return whole;
}

const char *sw_config_path(struct sw_config_build *b, const struct sw_text *path)
{
    const char *whole = sw_config_path_only(b, path);
    sw_config_watch(b, whole);
    return whole;
}

static void watch(struct sw_config_build *b, const char *path, bool list)
{
    struct sw_config_file *file = sw_config_alloc(b, sizeof(*file));
    if (!file)
        return;
    *file = (struct sw_config_file){.next = b->c->files, .path = path, .list = list};
    b->c->files = file;
}

void sw_config_watch(struct sw_config_build *b, const char *path)
{
    if (b->from != SW_CONFIG_LISTS) /* it has them: sw_config_share_files */
        watch(b, path, false);
}

void sw_config_watch_list(struct sw_config_build *b, const char *path)
{
    watch(b, path, true);
}

static int name_order(const void *a, const void *b)
{
    const struct sw_name_ref *x = a, *y = b;
    int d = sw_slice_order(x->name, y->name);
    return d ? d : (x->index > y->index) - (x->index < y->index);
}

void sw_names_build(struct sw_config_build *b, struct sw_names *names, const char *what,
                    const struct sw_maps *maps, size_t size, size_t offset)
{
    names->what = what;
    names->n = sw_config_alloc(b, maps->count * sizeof(*names->n));
    if (!names->n)
        return;
    for (size_t i = 0; i < maps->count; i++) {
        const struct sw_text *t = (const void *)((const char *)maps->item + i * size + offset);
        if (t->s.p)
            names->n[names->count++] = (struct sw_name_ref){t->s, (uint32_t)i};
    }
    qsort(names->n, names->count, sizeof(*names->n), name_order);
    for (size_t i = 1; i < names->count; i++)
        if (sw_slice_eq(names->n[i - 1].name, names->n[i].name)) {
            const struct sw_text *t =
                (const void *)((const char *)maps->item + names->n[i].index * size + offset);
            sw_diag_error(b->diags, t->mark, "%s \"%s\" is defined twice (names must differ)", what,
                          t->s.p);
        }
}

int64_t sw_names_index(const struct sw_names *names, struct sw_slice name)
{
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int d = sw_slice_order(names->n[mid].name, name);
        if (d == 0)
            return names->n[mid].index;
        if (d < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return -1;
}

int64_t sw_names_find(struct sw_config_build *b, const struct sw_names *names,
                      const struct sw_text *name, const char *key)
{
    int64_t index = name->s.p ? sw_names_index(names, name->s) : -1;
    if (!name->s.p || index >= 0)
        return index;
    const char **known = calloc(names->count + 1, sizeof(*known));
    for (size_t i = 0; known && i < names->count; i++)
        known[i] = names->n[i].name.p;
    const char *near = known ? sw_nearest(name->s, known, names->count) : NULL;
    free(known);
    if (near)
        sw_diag_error(b->diags, name->mark,
                      "%s: there is no %s \"%s\" (the nearest known is \"%s\")", key, names->what,
                      name->s.p, near);
    else
        sw_diag_error(b->diags, name->mark, "%s: there is no %s \"%s\" (define one of that name)",
                      key, names->what, name->s.p);
    return -1;
}

/* Each part needs those before it whole. */
static void build(struct sw_config_build *b)
{
    static void (*const parts[])(struct sw_config_build * b) = {
        sw_config_misc,  sw_config_trust,  sw_config_listen,
        sw_config_peers, sw_config_routes, sw_config_dns,
        sw_config_dane,  sw_config_fits,   sw_config_identities_check,
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !b->memory_out; i++)
        parts[i](b);
    if (b->diags->errors == 0 && sw_proxy_conf_index(&b->c->proxy) != SW_OK)
        sw_config_memory_out(b);
}

static char *dir_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static void open_config(struct sw_config *c, const char *path, struct sw_diags *diags)
{
    memset(c, 0, sizeof(*c));
    sw_slab_init(&c->slab);
    sw_arena_init(&c->arena, &c->slab);
    diags->path = path;
}

static enum sw_status make(struct sw_config_build *b, const char *path)
{
    struct sw_config *c = b->c;
    c->dir = dir_of(path);
    bool whole = sw_schema_read(c->text, &sw_config_schema, &c->d, &c->arena, b->diags);
    b->now_s = sw_clock_wall_s();
    b->memory_out = !whole;
    c->last_id = b->before ? b->before->last_id : 0;
    if (!c->dir)
        sw_config_memory_out(b);
    else if (whole && (b->diags->errors == 0 || c->d.listen.given)) /* not after a syntax error */
        build(b);
    return b->memory_out ? SW_LIMIT_MEMORY : b->diags->errors ? SW_PEER_SYNTAX : SW_OK;
}

enum sw_status sw_config_load(const char *path, const struct sw_config *before, struct sw_config *c,
                              struct sw_diags *diags)
{
    struct sw_config_build b = {.c = c, .before = before, .diags = diags};
    open_config(c, path, diags);
    enum sw_status s = sw_file_read(path, CONFIG_FILE_MAX, &c->text);
    if (s != SW_OK) {
        sw_diag_error(diags, ((struct sw_mark){0, 0}), "cannot be read: %s",
                      s == SW_SYS ? strerror(errno) : "larger than 64 MiB");
        return s;
    }
    return make(&b, path);
}

enum sw_status sw_config_again(const char *path, const struct sw_config *before,
                               enum sw_config_from from, struct sw_config *c,
                               struct sw_diags *diags)
{
    struct sw_config_build b = {.c = c, .before = before, .diags = diags, .from = from};
    open_config(c, path, diags);
    char *text = malloc(before->text.n + 1);
    if (!text) {
        sw_config_memory_out(&b);
        return SW_LIMIT_MEMORY;
    }
    memcpy(text, before->text.p, before->text.n);
    c->text = sw_slice(text, before->text.n);
    sw_config_share_files(&b);
    return make(&b, path);
}

void sw_config_free(struct sw_config *c)
{
    sw_config_identities_free(c);
    for (uint32_t i = 0; c->conn_listeners && i < c->proxy.listener_count; i++)
        sw_tls_names_free((struct sw_tls_names *)(uintptr_t)c->conn_listeners[i].tls.names);
    for (size_t i = 0; i < c->store_count; i++)
        sw_trust_free(c->stores[i]);
    free(c->stores);
    for (uint32_t i = 0; i < c->trust_count; i++) {
        sw_certs_free(&c->trusts[i].anchors);
        sw_certs_free(&c->trusts[i].pinned);
        sw_crls_free(&c->trusts[i].crls);
    }
    sw_proxy_conf_fini(&c->proxy);
    sw_arena_release(&c->arena);
    sw_slab_fini(&c->slab);
    free((void *)(uintptr_t)c->text.p);
    free(c->dir);
    memset(c, 0, sizeof(*c));
}
