/* What a certificate proves: its names and pins, in one block. RFC 5922 7.1 */
#include "crypto/openssl_types.h"

#include "crypto/mem.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

/* One name into `out`; false for kinds that prove nothing to a SIP element. */
static bool one_name(const GENERAL_NAME *g, struct sw_cert_name *out)
{
    int type;
    const ASN1_STRING *s = GENERAL_NAME_get0_value(g, &type);
    *out = (struct sw_cert_name){0};
    if (type != GEN_URI && type != GEN_DNS && type != GEN_IPADD)
        return false;
    const unsigned char *p = ASN1_STRING_get0_data(s);
    size_t n = (size_t)ASN1_STRING_length(s);
    out->kind = type == GEN_URI ? SW_NAME_URI : type == GEN_DNS ? SW_NAME_DNS : SW_NAME_IP;
    if (type == GEN_IPADD && (n == 4 || n == 16)) {
        out->ip.family = n == 4 ? 4 : 6;
        memcpy(out->ip.ip, p, n);
        n = 0;
    } else if (type == GEN_IPADD) {
        return false;
    }
    out->text = sw_slice((const char *)p, n);
    return true;
}

/* The last CN of the subject; a NUL in it makes it no name at all. */
static bool common_name(X509 *x, struct sw_cert_name *out)
{
    X509_NAME *subject = X509_get_subject_name(x);
    int at = -1, last = -1;
    while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0)
        last = at;
    if (last < 0)
        return false;
    const ASN1_STRING *s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last));
    int type = ASN1_STRING_type(s);
    if (type != V_ASN1_PRINTABLESTRING && type != V_ASN1_UTF8STRING && type != V_ASN1_IA5STRING)
        return false;
    *out = (struct sw_cert_name){
        .kind = SW_NAME_CN,
        .text = sw_slice((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s))};
    return sw_slice_find(out->text, 0) == out->text.n;
}

static struct sw_ident *pack(X509 *x, const struct sw_cert_name *names, uint32_t count,
                             const uint32_t *vouched, uint32_t vouched_count)
{
    size_t text = 0;
    for (uint32_t i = 0; i < count; i++)
        text += names[i].text.n;
    struct sw_ident *id = calloc(1, sizeof(*id) + count * sizeof(*names) +
                                        vouched_count * (sizeof(*vouched) + 1) + text);
    if (!id)
        return NULL;
    struct sw_cert_name *to = (struct sw_cert_name *)(void *)(id + 1);
    uint32_t *ids = (uint32_t *)(void *)(to + count);
    uint8_t *uses = (uint8_t *)(ids + vouched_count);
    char *bytes = (char *)(uses + vouched_count);
    for (uint32_t i = 0; i < count; i++) {
        to[i] = names[i];
        to[i].text.p = bytes;
        memcpy(bytes, names[i].text.p ? names[i].text.p : "", names[i].text.n);
        bytes += names[i].text.n;
    }
    if (vouched_count)
        memcpy(ids, vouched, vouched_count * sizeof(*vouched));
    memset(uses, sw_x509_uses(x), vouched_count);
    id->names = to;
    id->name_count = count;
    id->vouched = ids;
    id->vouched_count = vouched_count;
    id->uses = uses;
    id->not_after_s = sw_asn1_time_s(X509_get0_notAfter(x));
    if (!sw_x509_sha256(x, id->fingerprint) || !sw_x509_key_sha256(x, id->key_sha256)) {
        free(id);
        return NULL;
    }
    return id;
}

struct sw_ident *sw_ident_new(const struct sw_cert *cert, const uint32_t *vouched,
                              uint32_t vouched_count)
{
    struct sw_cert_name names[SW_CERT_NAMES_MAX];
    uint32_t count = 0;
    int critical;
    X509 *x = sw_x509(cert);
    uint64_t failures = sw_crypto_mem_failures();
    GENERAL_NAMES *san = X509_get_ext_d2i(x, NID_subject_alt_name, &critical, NULL);
    bool lost = sw_crypto_mem_failures() != failures; /* it is not that it has none */
    int total = san ? sk_GENERAL_NAME_num(san) : 0;
    struct sw_ident *id = NULL;
    for (int i = 0; i < total && count < SW_CERT_NAMES_MAX; i++)
        count += one_name(sk_GENERAL_NAME_value(san, i), &names[count]);
    if (!san && critical == -1) /* no subjectAltName at all: RFC 5922 7.1 */
        count += common_name(x, &names[count]);
    if (total <= SW_CERT_NAMES_MAX && !lost)
        id = pack(x, names, count, vouched, vouched_count);
    GENERAL_NAMES_free(san);
    ERR_clear_error();
    return id;
}

void sw_ident_free(struct sw_ident *ident)
{
    free(ident);
}
