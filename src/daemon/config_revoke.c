/* How the trust entries of a configuration find out what was revoked. */
#include "cert/load.h"
#include "crypto/mem.h"
#include "daemon/config.h"

#include <stdio.h>

/* Lists of one entry, read one file after the other. */
struct lists {
    struct sw_config_build *b;
    const struct sw_text *path;
    struct sw_trust_entry *e;
    struct sw_config_crl **from; /* of the entry */
    uint32_t entry;
    size_t files;
};

static void add_lists(struct lists *x, struct sw_crls *more, const char *file)
{
    size_t was = x->e->crls.count;
    struct sw_config_crl *from = sw_config_alloc(x->b, (was + more->count) * sizeof(*from));
    if (!from) {
        sw_crls_free(more);
        return;
    }
    if (was)
        memcpy(from, *x->from, was * sizeof(*from));
    for (size_t i = 0; i < more->count; i++)
        from[was + i] = (struct sw_config_crl){file, x->path->mark};
    if (sw_crls_append(&x->e->crls, more) != SW_OK) {
        sw_crls_free(more);
        sw_diag_error(x->b->diags, x->path->mark, "memory is out");
        return;
    }
    *x->from = from;
}

/* ---- what cannot be read ---- */

/* A file, or one of a folder. */
static bool is_of(const char *file, const char *path)
{
    size_t n = strlen(path);
    return n && strncmp(file, path, n) == 0 &&
           (file[n] == 0 || file[n] == '/' || path[n - 1] == '/');
}

/* The lists that the running configuration has of a file or folder; how many. */
static uint32_t share_lists(struct lists *x, const char *path)
{
    const struct sw_config *was = x->b->before;
    const struct sw_crls *crls = &was->trusts[x->entry].crls;
    uint32_t n = 0;
    for (size_t i = 0; i < crls->count; i++) {
        const char *file = was->crl_from[x->entry][i].file;
        struct sw_crls one = {0};
        if (!is_of(file, path))
            continue;
        char *copy = sw_config_alloc(x->b, strlen(file) + 1);
        if (!copy || sw_crls_share(crls, i, &one) != SW_OK) {
            sw_config_memory_out(x->b);
            return n;
        }
        memcpy(copy, file, strlen(file) + 1);
        add_lists(x, &one, copy);
        n++;
    }
    return n;
}

/* When the file failed first, if it has failed ever since. */
static int64_t failed_since(const struct lists *x, const char *file)
{
    const char *entry = x->e->name ? x->e->name : "";
    for (const struct sw_config_unread *u = x->b->before->unread; u; u = u->next)
        if (strcmp(u->entry, entry) == 0 && strcmp(u->file, file) == 0)
            return u->since_s;
    return x->b->now_s;
}

/* A mistake in a configuration that somebody wants to have; of the one that runs, what the file had
 * before goes on. `needs`: what would be right. */
static void unread(struct lists *x, const char *file, const char *why, const char *needs)
{
    struct sw_config_build *b = x->b;
    if (b->from == SW_CONFIG_FILE) {
        sw_diag_error(b->diags, x->path->mark, "crl \"%s\": %s (%s)", file, why, needs);
        return;
    }
    if (b->memory_out) /* then the path may not be there */
        return;
    size_t n = strlen(why) + 1;
    struct sw_config_unread *u = sw_config_alloc(b, sizeof(*u) + n);
    if (!u)
        return;
    *u = (struct sw_config_unread){.next = b->c->unread,
                                   .entry = x->e->name ? x->e->name : "",
                                   .file = file,
                                   .why = memcpy(u + 1, why, n),
                                   .since_s = failed_since(x, file),
                                   .lists = share_lists(x, file)};
    b->c->unread = u;
    sw_diag_warning(b->diags, x->path->mark, "crl \"%s\": %s: what it had before goes on (%s)",
                    file, why, needs);
}

/* ---- reading ---- */

static void read_lists(struct lists *x, const char *file)
{
    struct sw_crls more = {0};
    char why[SW_WHY_MAX];
    x->files++;
    uint64_t failures = sw_crypto_mem_failures();
    enum sw_status s = sw_cert_load_crls(file, &more, why);
    if (s == SW_LIMIT_MEMORY || (s != SW_OK && sw_crypto_mem_failures() != failures))
        sw_config_memory_out(x->b);
    else if (s != SW_OK)
        unread(x, file, why, "a CRL in PEM or DER that can be read");
    else
        add_lists(x, &more, file);
}

static void read_found(void *user, const char *file)
{
    struct lists *x = user;
    size_t n = strlen(file) + 1;
    char *copy = sw_config_alloc(x->b, n);
    if (!copy)
        return;
    memcpy(copy, file, n);
    sw_config_watch_list(x->b, copy); /* it may be written over in its place */
    read_lists(x, copy);
}

static void read_folder(struct lists *x, const char *path)
{
    char why[SW_WHY_MAX];
    size_t n = strlen(path) + 3;
    char *inside = sw_config_alloc(x->b, n);
    if (!inside)
        return;
    snprintf(inside, n, "%s/.", path);
    sw_config_watch_list(x->b, inside); /* what is added or taken away changes this */
    x->files = 0;
    enum sw_status s = sw_cert_folder(path, read_found, x, why);
    if (s == SW_LIMIT_MEMORY)
        sw_config_memory_out(x->b);
    else if (s != SW_OK)
        unread(x, path, why, "a folder that can be read");
    else if (!x->files)
        sw_diag_warning(x->b->diags, x->path->mark,
                        "crl \"%s\": nothing in it ends in .crl, .pem or .der (no list is known)",
                        path);
}

static void mode(struct sw_config_build *b, const struct sw_trust_directive *d,
                 struct sw_trust_entry *e)
{
    bool off = sw_text_is(&d->revocation, "off");
    e->revocation = off || (!d->revocation.s.p && !d->crl.count) ? SW_REVOCATION_OFF
                    : sw_text_is(&d->revocation, "ocsp")         ? SW_REVOCATION_OCSP
                    : sw_text_is(&d->revocation, "any")          ? SW_REVOCATION_ANY
                                                                 : SW_REVOCATION_CRL;
    e->revocation_asks = d->revocation.s.p && !off;
    e->revocation_hard = sw_text_is(&d->revocation_failure, "hard");
    if (off && d->crl.count)
        sw_diag_warning(b->diags, d->revocation.mark,
                        "revocation is off, and crl is given: what it names is believed all the "
                        "same (revocation: crl)");
    if (e->revocation == SW_REVOCATION_OCSP && d->crl.count)
        sw_diag_warning(b->diags, d->revocation.mark,
                        "revocation is ocsp, and crl is given: what it names is not looked at "
                        "(revocation: any)");
    if (e->revocation == SW_REVOCATION_OFF && e->revocation_hard)
        sw_diag_warning(b->diags, d->revocation_failure.mark,
                        "revocation_failure changes nothing where revocation is off");
}

void sw_config_crls(struct sw_config_build *b, const struct sw_trust_directive *d, uint32_t entry)
{
    struct lists x = {
        .b = b, .e = &b->c->trusts[entry], .from = &b->c->crl_from[entry], .entry = entry};
    mode(b, d, x.e);
    for (size_t i = 0; i < d->crl.count; i++) {
        const char *path = sw_config_path_only(b, &d->crl.t[i]);
        sw_config_watch_list(b, path);
        x.path = &d->crl.t[i];
        if (sw_cert_is_folder(path))
            read_folder(&x, path);
        else
            read_lists(&x, path);
    }
}
