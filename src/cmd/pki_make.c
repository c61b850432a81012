/* `sipward pki init` and `issue`. */
#include "cmd/cmd.h"
#include "cmd/pki.h"
#include "sys/clock.h"

#include <errno.h>
#include <stdlib.h>

enum { DAY_S = 24 * 3600, HEX_MAX = 2 * SW_SERIAL_BYTES + 1 };

static void hex(const uint8_t serial[SW_SERIAL_BYTES], char out[HEX_MAX])
{
    struct sw_buf b = sw_buf(out, HEX_MAX - 1);
    sw_buf_hex(&b, serial, SW_SERIAL_BYTES);
    out[b.n] = 0;
}

static int stage_cert(const struct sw_pki_options *o, struct sw_pki_dir *d, const char *name,
                      const struct sw_cert *cert, bool replace)
{
    struct sw_slice text = {0};
    return sw_cert_pem(cert, &text) == SW_OK ? sw_pki_stage_text(o, d, name, &text, 0644, replace)
                                             : sw_pki_no_memory(o);
}

static int stage_key(const struct sw_pki_options *o, struct sw_pki_dir *d, const char *name,
                     const struct sw_key *key, struct sw_slice passphrase, bool replace)
{
    struct sw_slice text = {0};
    return sw_key_pem(key, passphrase, &text) == SW_OK
               ? sw_pki_stage_text(o, d, name, &text, 0600, replace)
               : sw_pki_no_memory(o);
}

/* ---- init ---- */

static int ca_is_there(const struct sw_pki_options *o, const struct sw_pki_dir *d)
{
    static const char *const files[] = {"ca.pem", "ca.key", "ca.crl", "index"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (sw_pki_dir_has(d, files[i]))
            return sw_pki_fail(o,
                               "%s/%s is there already, and a CA is never overwritten (another "
                               "directory, or move it away)",
                               d->path, files[i]);
    return SW_EXIT_OK;
}

static int make_ca(const struct sw_pki_options *o, struct sw_pki_ca *ca, struct sw_issue *what)
{
    char name[SW_PKI_NAME_MAX + 1], serial[HEX_MAX];
    int64_t now_s = sw_clock_wall_s();
    struct sw_cert *cert = NULL;
    if (sw_serial_make(what->serial) != SW_OK || sw_key_make(o->rsa_bits, &ca->key) != SW_OK)
        return sw_pki_fail(o, "the key could not be made");
    /* two CAs of one name cannot be told apart in a log */
    hex(what->serial, serial);
    snprintf(name, sizeof(name), "Sipward CA %.8s", serial + 2);
    what->common_name = o->ca_name ? o->ca_name : name;
    what->not_before_s = now_s - SW_PKI_BACKDATE_S;
    what->not_after_s = now_s + (int64_t)(o->days ? o->days : SW_PKI_CA_DAYS) * DAY_S;
    if (sw_issue_ca(ca->key, what, &cert) != SW_OK)
        return sw_pki_fail(o, "the certificate could not be signed");
    ca->certs.c = malloc(sizeof(*ca->certs.c));
    if (!ca->certs.c) {
        sw_cert_free(cert);
        return sw_pki_no_memory(o);
    }
    ca->certs.c[0] = cert;
    ca->certs.count = 1;
    ca->issuer = (struct sw_issuer){cert, ca->key};
    sw_cert_facts(cert, &ca->facts);
    return SW_EXIT_OK;
}

static void print_init(const struct sw_pki_options *o, const struct sw_pki_dir *d,
                       const struct sw_pki_ca *ca, const struct sw_crl_dates *dates)
{
    char until[SW_PKI_TIME_MAX];
    printf("made   %s/ca.key   the CA's private key, %s: keep it secret, and a copy elsewhere\n",
           d->path, o->encrypt ? "encrypted" : "not encrypted");
    sw_pki_print_crl(d, dates);
    printf("made   %s/index    what it issued\n", d->path);
    printf("made   %s/ca.pem   the CA: %s, valid until %s\n", d->path, ca->facts.subject,
           sw_pki_time(ca->facts.not_after_s, until));
    printf("\nNext, a certificate for a gateway and one for each peer:\n\n"
           "  sipward pki issue %s gateway --domain sip.example.com\n\n"
           "Put this in the configuration of each that is to believe them (sipward.yaml):\n\n",
           o->place);
    sw_pki_print_trust(d->path);
}

int sw_pki_init(const struct sw_pki_options *o)
{
    struct sw_pki_dir d;
    struct sw_pki_ca ca = {0};
    struct sw_pki_index none = {0};
    struct sw_issue what = {0};
    struct sw_crl_dates dates;
    struct sw_slice passphrase = {0};
    int code = sw_pki_dir_open(o, true, &d);
    if (code == SW_EXIT_OK)
        code = ca_is_there(o, &d);
    if (code == SW_EXIT_OK && o->encrypt)
        code = sw_pki_passphrase(o, true, &passphrase);
    if (code == SW_EXIT_OK)
        code = make_ca(o, &ca, &what);
    if (code == SW_EXIT_OK)
        code = stage_key(o, &d, "ca.key", ca.key, passphrase, false);
    if (code == SW_EXIT_OK)
        code = sw_pki_stage_crl(o, &d, &ca.issuer, &none, &dates);
    if (code == SW_EXIT_OK)
        code = sw_pki_stage_index(o, &d, &none, false);
    if (code == SW_EXIT_OK) /* last: with it the CA is there */
        code = stage_cert(o, &d, "ca.pem", ca.issuer.cert, false);
    if (code == SW_EXIT_OK)
        code = sw_pki_commit(o, &d);
    if (code == SW_EXIT_OK)
        print_init(o, &d, &ca, &dates);
    sw_pem_free(&passphrase);
    sw_pki_ca_close(&ca);
    sw_pki_dir_close(&d);
    return code;
}

/* ---- issue ---- */

/* A name's files. */
struct files {
    char cert[SW_PKI_NAME_MAX + 8], key[SW_PKI_NAME_MAX + 8];
};

static struct files files_of(const char *name)
{
    struct files f;
    snprintf(f.cert, sizeof(f.cert), "%.64s.pem", name);
    snprintf(f.key, sizeof(f.key), "%.64s.key", name);
    return f;
}

static const struct sw_pki_row *newest(const struct sw_pki_index *x, const char *name)
{
    for (size_t i = x->count; i > 0; i--)
        if (strcmp(x->row[i - 1].name, name) == 0)
            return &x->row[i - 1];
    return NULL;
}

/* The files that a new certificate would replace, under the serial of the certificate in them: it
 * is read from there, since an interrupted command may have left the index ahead of the files. */
static int keep_old(const struct sw_pki_options *o, const struct sw_pki_dir *d,
                    const struct files *f)
{
    struct sw_slice text;
    struct sw_certs certs = {0};
    struct sw_cert_facts facts;
    char why[SW_WHY_MAX] = "", as[SW_PKI_NAME_MAX + sizeof(facts.serial) + 8];
    if (!sw_pki_dir_has(d, f->cert) && !sw_pki_dir_has(d, f->key))
        return SW_EXIT_OK;
    if (!sw_pki_dir_read(d, f->cert, &text))
        return sw_pki_fail(o, "cannot read %s/%s: %s (move %s away)", d->path, f->cert,
                           strerror(errno), f->key);
    enum sw_status s = sw_certs_parse(text, &certs, why);
    sw_pem_free(&text);
    if (s != SW_OK)
        return sw_pki_fail(o, "%s/%s: %s (move it away)", d->path, f->cert, why);
    sw_cert_facts(certs.c[0], &facts);
    sw_certs_free(&certs);
    snprintf(as, sizeof(as), "%s.%s.pem", o->name, facts.serial);
    int code = sw_pki_keep(o, d, f->cert, as);
    snprintf(as, sizeof(as), "%s.%s.key", o->name, facts.serial);
    if (code == SW_EXIT_OK && sw_pki_dir_has(d, f->key))
        code = sw_pki_keep(o, d, f->key, as);
    return code;
}

static int may_issue(const struct sw_pki_options *o, const struct sw_pki_dir *d,
                     const struct sw_pki_index *x, const struct files *f)
{
    char date[SW_PKI_TIME_MAX];
    const struct sw_pki_row *row = newest(x, o->name);
    if (row && o->renew)
        return keep_old(o, d, f);
    if (row && row->revoked_s)
        return sw_pki_fail(o, "the certificate \"%s\" was revoked on %s (--renew makes a new one)",
                           o->name, sw_pki_time(row->revoked_s, date));
    if (row)
        return sw_pki_fail(o,
                           "\"%s\" has a certificate already, valid until %s (--renew makes a new "
                           "one, or another NAME)",
                           o->name, sw_pki_time(row->not_after_s, date));
    if (o->renew)
        return sw_pki_fail(o, "there is no certificate \"%s\" to renew (without --renew)", o->name);
    return SW_EXIT_OK;
}

/* No certificate outlives its CA: chains are judged by both. */
static int set_dates(const struct sw_pki_options *o, const struct sw_pki_ca *ca,
                     struct sw_issue *what)
{
    char date[SW_PKI_TIME_MAX];
    int64_t now_s = sw_clock_wall_s(), end_s = ca->facts.not_after_s;
    what->not_before_s = now_s - SW_PKI_BACKDATE_S;
    if (what->not_before_s < ca->facts.not_before_s)
        what->not_before_s = ca->facts.not_before_s;
    what->not_after_s = now_s + (int64_t)(o->days ? o->days : SW_PKI_CERT_DAYS) * DAY_S;
    if (end_s <= now_s)
        return sw_pki_fail(o, "the CA expired on %s (`sipward pki init` makes a new one)",
                           sw_pki_time(end_s, date));
    if (what->not_after_s > end_s && o->days)
        return sw_pki_fail(o, "the CA ends on %s (--days at most %lld)", sw_pki_time(end_s, date),
                           (long long)((end_s - now_s) / DAY_S));
    if (what->not_after_s > end_s)
        what->not_after_s = end_s;
    return SW_EXIT_OK;
}

/* "a.test,b.test,192.0.2.1" */
static char *proves(const struct sw_pki_options *o)
{
    char *p = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&p, &n);
    if (!f)
        return NULL;
    for (size_t i = 0; i < o->domain_count; i++)
        fprintf(f, "%s%s", i ? "," : "", o->domains[i]);
    for (size_t i = 0; i < o->address_count; i++) {
        char text[SW_ENDPOINT_TEXT_MAX];
        struct sw_buf b = sw_buf(text, sizeof(text));
        sw_endpoint_ip_put(&b, &o->addresses[i], false);
        fprintf(f, ",%.*s", SW_SLICE_ARG(sw_buf_view(&b)));
    }
    if (fclose(f) == 0)
        return p;
    free(p);
    return NULL;
}

static void print_issue(const struct sw_pki_options *o, const struct sw_pki_dir *d,
                        const struct sw_pki_row *row)
{
    char until[SW_PKI_TIME_MAX];
    printf("made   %s/%s.pem   certificate, proves %s, valid until %s\n", d->path, o->name,
           row->proves, sw_pki_time(row->not_after_s, until));
    printf("made   %s/%s.key   its private key: keep it secret\n", d->path, o->name);
    if (o->renew)
        printf("kept   %s/%s.SERIAL.pem, .key   the ones before, not revoked by this\n", d->path,
               o->name);
    fputs("\nPut this in the configuration of the one that shows it (sipward.yaml):\n\n"
          "  identities:\n    - {name: ",
          stdout);
    sw_pki_json(stdout, sw_slice_str(o->name));
    fputs(", certificate: ", stdout);
    sw_pki_print_path(d->path, o->name, ".pem");
    fputs(", key: ", stdout);
    sw_pki_print_path(d->path, o->name, ".key");
    fputs("}\n\nand this in that of each that is to believe it:\n\n", stdout);
    sw_pki_print_trust(d->path);
    fputs("\nThe key is readable by its owner alone: `chown` it to the gateway's user.\n", stdout);
}

/* Signs, and puts index, key and certificate in place in this order: what exists can be revoked. */
static int issue_files(const struct sw_pki_options *o, struct sw_pki_dir *d,
                       const struct sw_pki_ca *ca, struct sw_pki_index *x, struct sw_issue *what,
                       struct sw_pki_row *row)
{
    struct sw_key *key = NULL;
    struct sw_cert *cert = NULL;
    struct sw_cert_facts facts;
    struct files f = files_of(o->name);
    int code = may_issue(o, d, x, &f);
    if (code != SW_EXIT_OK)
        return code;
    if (sw_key_make(o->rsa_bits, &key) != SW_OK ||
        sw_issue_cert(&ca->issuer, key, what, &cert) != SW_OK) {
        sw_key_free(key);
        return sw_pki_fail(o, "the certificate could not be made");
    }
    sw_cert_facts(cert, &facts);
    row->subject = facts.subject;
    code = sw_pki_index_add(x, row) ? sw_pki_stage_index(o, d, x, true) : sw_pki_no_memory(o);
    if (code == SW_EXIT_OK)
        code = stage_key(o, d, f.key, key, (struct sw_slice){0}, o->renew);
    if (code == SW_EXIT_OK)
        code = stage_cert(o, d, f.cert, cert, o->renew);
    if (code == SW_EXIT_OK)
        code = sw_pki_commit(o, d);
    sw_cert_free(cert);
    sw_key_free(key);
    return code;
}

int sw_pki_issue(const struct sw_pki_options *o)
{
    struct sw_pki_dir d;
    struct sw_pki_ca ca = {0};
    struct sw_pki_index x = {0};
    struct sw_pki_row row = {.name = o->name};
    char serial[HEX_MAX];
    struct sw_issue what = {
        .domains = o->domains,
        .domain_count = o->domain_count,
        .addresses = o->addresses,
        .address_count = o->address_count,
        .client = o->client || !o->server,
        .server = o->server || !o->client,
        .common_name = strlen(o->domains[0]) <= SW_PKI_NAME_MAX ? o->domains[0] : o->name,
    };
    char *names = proves(o);
    int code = sw_pki_dir_open(o, false, &d);
    if (code == SW_EXIT_OK)
        code = sw_pki_ca_open(o, &d, true, &ca);
    if (code == SW_EXIT_OK)
        code = sw_pki_index_open(o, &d, &x);
    if (code == SW_EXIT_OK)
        code = set_dates(o, &ca, &what);
    if (code == SW_EXIT_OK && (!names || sw_serial_make(what.serial) != SW_OK))
        code = sw_pki_no_memory(o);
    if (code == SW_EXIT_OK) {
        hex(what.serial, serial);
        row.serial = serial;
        row.proves = names;
        row.not_before_s = what.not_before_s;
        row.not_after_s = what.not_after_s;
        code = issue_files(o, &d, &ca, &x, &what, &row);
    }
    if (code == SW_EXIT_OK)
        print_issue(o, &d, &row);
    free(names);
    sw_pki_index_free(&x);
    sw_pki_ca_close(&ca);
    sw_pki_dir_close(&d);
    return code;
}
