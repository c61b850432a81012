/* Certificates and keys made while a test runs, with the openssl command, in a directory of the
 * test's own: the program works in it from pki_start until pki_finish. cmocka.h comes first. */
#ifndef SW_TESTS_PKI_H
#define SW_TESTS_PKI_H

#include "crypto/x509.h"
#include "sys/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Options that make a certificate one of a CA. */
#define PKI_CA                                                                                     \
    "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign"

/* What a certificate is to be; NAME.pem and NAME.key come of it. */
struct pki_cert {
    const char *name;
    const char *issuer;  /* name of the CA's; NULL: signs itself */
    const char *subject; /* such as "/CN=a" */
    const char *options; /* more of `openssl req`, such as -addext; may be NULL */
    const char *key;     /* what -newkey is given; NULL: an EC key */
    int days;            /* of validity; 0: 30; below 0: expired (with an issuer) */
};

static char pki_dir[64];

/** Runs a shell command in the directory; a test that needs one that fails has failed. */
__attribute__((format(printf, 1, 2))) static inline void pki_sh(const char *format, ...)
{
    static char command[65536];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(command + 1, sizeof(command) - 16, format, args);
    va_end(args);
    assert_in_range(n, 1, sizeof(command) - 17);
    command[0] = '(';
    memcpy(command + 1 + n, ") >log 2>&1", 12);
    if (system(command) != 0) {
        if (system("cat log >&2") != 0)
            fail();
        fail_msg("%s", command);
    }
}

/** A group's set-up. */
static inline int pki_start(void **state)
{
    const char *tmp = getenv("TMPDIR");
    (void)state;
    snprintf(pki_dir, sizeof(pki_dir), "%.40s/sipward-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(pki_dir) || chdir(pki_dir) != 0)
        return -1;
    FILE *f = fopen("cnf", "w");
    if (!f)
        return -1;
    fputs("[req]\nprompt = no\ndistinguished_name = dn\n[dn]\nCN = unused\n"
          "[ca]\ndefault_ca = own\n[own]\ndatabase = index\ndefault_md = sha256\n",
          f);
    return fclose(f);
}

/** A group's tear-down. */
static inline int pki_finish(void **state)
{
    char command[96];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", pki_dir);
    return chdir("/") == 0 ? system(command) : -1;
}

static inline void pki_make(const struct pki_cert *c)
{
    char issuer[128] = "";
    if (c->issuer)
        snprintf(issuer, sizeof(issuer), "-CA %s.pem -CAkey %s.key", c->issuer, c->issuer);
    pki_sh("openssl req -x509 -config cnf -utf8 -nodes -newkey %s -keyout %s.key -out %s.pem "
           "-days %d -subj '%s' %s %s",
           c->key ? c->key : "ec -pkeyopt ec_paramgen_curve:P-256", c->name, c->name,
           c->days > 0 ? c->days : 30, c->subject, issuer, c->options ? c->options : "");
    if (c->days < 0) /* which `req -x509` does not make */
        pki_sh("openssl req -new -config cnf -utf8 -key %s.key -subj '%s' -out csr %s && "
               "openssl x509 -req -in csr %s -CAcreateserial -copy_extensions copy -days %d "
               "-out %s.pem",
               c->name, c->subject, c->options ? c->options : "", issuer, c->days, c->name);
}

/** A revocation list of `ca`, into `file`, that names the certificate `revoked` if not NULL. */
static inline void pki_crl(const char *ca, const char *revoked, const char *file)
{
    pki_sh(": >index");
    if (revoked)
        pki_sh("openssl ca -config cnf -cert %s.pem -keyfile %s.key -revoke %s.pem", ca, ca,
               revoked);
    pki_sh("openssl ca -config cnf -cert %s.pem -keyfile %s.key -gencrl -crldays 7 -out %s", ca, ca,
           file);
}

/** A whole file, for the caller to free. */
static inline struct sw_slice pki_read(const char *file)
{
    struct sw_slice s = {0};
    assert_int_equal(sw_file_read(file, 1 << 20, &s), SW_OK);
    return s;
}

static inline void pki_drop(struct sw_slice s)
{
    free((void *)(uintptr_t)s.p);
}

static inline struct sw_certs pki_certs(const char *file)
{
    char why[SW_WHY_MAX];
    struct sw_certs certs = {0};
    struct sw_slice s = pki_read(file);
    assert_int_equal(sw_certs_parse(s, &certs, why), SW_OK);
    pki_drop(s);
    return certs;
}

static inline struct sw_key *pki_key(const char *file)
{
    char why[SW_WHY_MAX];
    struct sw_key *key = NULL;
    struct sw_slice s = pki_read(file);
    assert_int_equal(sw_key_parse(s, &key, why), SW_OK);
    pki_drop(s);
    return key;
}

#endif
