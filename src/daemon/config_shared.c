/* What a configuration shares with the one that runs when only its revocation lists are read again:
 * nothing else is opened, so that no file, token or mistake that has to do with something else
 * keeps a revoked certificate in use. Both are made from the same text: what stands at one place in
 * the one stands there in the other. */
#include "daemon/config.h"

static char *copy_of(struct sw_config_build *b, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = sw_config_alloc(b, n);
    return copy ? memcpy(copy, text, n) : NULL;
}

static void share_certs(struct sw_config_build *b, const struct sw_certs *of, struct sw_certs *out)
{
    if (of->count && sw_certs_share(of, out) != SW_OK)
        sw_config_memory_out(b);
}

void sw_config_share_files(struct sw_config_build *b)
{
    for (const struct sw_config_file *f = b->before->files; f; f = f->next) {
        if (b->from != SW_CONFIG_LISTS || f->list)
            continue;
        struct sw_config_file *file = sw_config_alloc(b, sizeof(*file));
        const char *path = file ? copy_of(b, f->path) : NULL;
        if (!path)
            return;
        *file = (struct sw_config_file){.next = b->c->files, .path = path};
        b->c->files = file;
    }
}

void sw_config_share_identity(struct sw_config_build *b, uint32_t i)
{
    struct sw_tls_identity *id = &b->c->identities[i];
    const struct sw_tls_identity *was = &b->before->identities[i];
    id->local_id = was->local_id;
    id->local_domain = was->local_domain;
    for (;;) {
        share_certs(b, &was->chain, &id->chain);
        id->key = sw_key_share(was->key);
        if (!was->also)
            return;
        id->also = sw_config_alloc(b, sizeof(*id));
        if (!id->also)
            return;
        *id->also = (struct sw_tls_identity){
            .id = id->id, .name = id->name, .local_id = was->also->local_id};
        id = id->also;
        was = was->also;
    }
}

void sw_config_share_trust(struct sw_config_build *b, uint32_t i)
{
    struct sw_trust_entry *e = &b->c->trusts[i];
    const struct sw_trust_entry *was = &b->before->trusts[i];
    share_certs(b, &was->anchors, &e->anchors);
    share_certs(b, &was->pinned, &e->pinned);
    e->pins = sw_config_alloc(b, was->pin_count * sizeof(*e->pins));
    for (size_t k = 0; e->pins && k < was->pin_count; k++) {
        e->pins[k] = was->pins[k];
        e->pins[k].name = copy_of(b, was->pins[k].name);
        if (e->pins[k].name)
            e->pin_count++;
    }
}
