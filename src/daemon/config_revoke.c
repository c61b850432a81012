/* How the trust entries of a configuration find out what was revoked. */
#include "cert/load.h"
#include "daemon/config.h"

#include <stdio.h>

/* Lists of one entry, read one file after the other. */
struct lists {
    struct sw_config_build *b;
    const struct sw_text *path;
    struct sw_trust_entry *e;
    struct sw_config_crl **from; /* of the entry */
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

static void read_lists(struct lists *x, const char *file)
{
    struct sw_crls more = {0};
    char why[SW_WHY_MAX];
    x->files++;
    if (sw_cert_load_crls(file, &more, why) != SW_OK)
        sw_diag_error(x->b->diags, x->path->mark,
                      "crl \"%s\": %s (a CRL in PEM or DER that can be read)", file, why);
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
    sw_config_watch(x->b, copy); /* it may be written over in its place */
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
    sw_config_watch(x->b, inside); /* what is added or taken away changes this */
    x->files = 0;
    if (sw_cert_folder(path, read_found, x, why) != SW_OK)
        sw_diag_error(x->b->diags, x->path->mark, "crl \"%s\": %s (a folder that can be read)",
                      path, why);
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
    struct lists x = {.b = b, .e = &b->c->trusts[entry], .from = &b->c->crl_from[entry]};
    mode(b, d, x.e);
    for (size_t i = 0; i < d->crl.count; i++) {
        const char *path = sw_config_path(b, &d->crl.t[i]);
        x.path = &d->crl.t[i];
        if (sw_cert_is_folder(path))
            read_folder(&x, path);
        else
            read_lists(&x, path);
    }
}
